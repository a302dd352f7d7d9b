/** What agents kept: plans, designs, reports. */
import { fill, h } from "../core/dom.js";
import { bytes } from "../core/format.js";
import { get, path } from "../core/http.js";
import { icon } from "../parts/icons.js";
import { loading } from "../parts/loading.js";
import { taskHref } from "../parts/task_summary.js";
import { valueView } from "../parts/value.js";

const MOST_SHOWN = 512 * 1024;

/** @typedef {{task: string, name: string, bytes: number, digest: string}} Artifact */

/** @type {import("../pages/project.js").Tab} */
export function artifactsTab(place, model, scope) {
  const body = h("div", null);
  place.append(body);
  loading(
    body,
    scope,
    () => get(path(["projects", model.id, "artifacts"]), scope.signal),
    ({ artifacts }) => {
      if (artifacts.length === 0)
        return h(
          "div",
          { class: "empty panel" },
          h("strong", null, "No artifacts"),
          "Agents keep plans, designs and reports here once their tasks are completed.",
        );
      const shown = h("section", { class: "panel artifact", "aria-label": "The chosen artifact", "aria-live": "polite" });
      const buttons = artifacts.map((/** @type {Artifact} */ artifact) => {
        const button = h(
          "button",
          { class: "artifact-button", type: "button" },
          icon("file"),
          h(
            "span",
            { class: "stack tight" },
            h("span", { class: "wrap-anywhere" }, artifact.name),
            h("span", { class: "small muted wrap-anywhere" }, `${artifact.task} · ${bytes(artifact.bytes)}`),
          ),
        );
        button.addEventListener("click", () => {
          for (const other of buttons) other.removeAttribute("aria-current");
          button.setAttribute("aria-current", "true");
          show(artifact);
        });
        return button;
      });
      const show = (/** @type {Artifact} */ artifact) => {
        const href = path(["projects", model.id, "artifacts", artifact.name], { task: artifact.task });
        const content = h("div", { class: "body" });
        fill(
          shown,
          h(
            "header",
            null,
            h("h2", { class: "wrap-anywhere" }, artifact.name),
            h("span", { class: "muted" }, "of ", h("a", { href: taskHref(model.id, artifact.task) }, artifact.task)),
            h("a", { class: "button small push", href, download: artifact.name }, icon("download"), "Download"),
          ),
          content,
        );
        if (artifact.bytes > MOST_SHOWN)
          fill(content, h("p", { class: "muted" }, "It is too large to be shown here; download it."));
        else
          loading(
            content,
            scope,
            () => get(href, scope.signal),
            (value) => (typeof value === "string" ? h("pre", { class: "value-text" }, value) : valueView(value)),
          );
      };
      queueMicrotask(() => buttons[0].click());
      return h(
        "div",
        { class: "artifact-area" },
        h("nav", { class: "panel artifact-list", "aria-label": "Artifacts" }, buttons),
        shown,
      );
    },
  );
}
