/** What the project was started with, whether its journal is whole, and how its definition differs from the file. */
import { h } from "../core/dom.js";
import { moment, plural } from "../core/format.js";
import { get, path } from "../core/http.js";
import { copyButton } from "../parts/command.js";
import { icon } from "../parts/icons.js";
import { loading } from "../parts/loading.js";
import { valueView } from "../parts/value.js";

/** @type {import("../pages/project.js").Tab} */
export function detailsTab(place, model, scope) {
  const { project, base_dir, source, definition, inputs, seq } = model.view;
  const verified = h("div", { class: "body" });
  const pinned = h("div", { class: "body" });
  const difference = h("div", { class: "body" });
  const panel = (/** @type {string} */ title, /** @type {HTMLElement} */ body) =>
    h("section", { class: "panel" }, h("header", null, h("h2", null, title)), body);
  place.append(
    h(
      "div",
      { class: "details-grid" },
      panel("Inputs", h("div", { class: "body" }, valueView(inputs))),
      panel(
        "Facts",
        h(
          "div",
          { class: "body" },
          h(
            "dl",
            { class: "facts" },
            h("dt", null, "Created"),
            h("dd", null, moment(project.created)),
            h("dt", null, "Last change"),
            h("dd", null, moment(project.changed)),
            h("dt", null, "Folder"),
            h("dd", { class: "mono" }, base_dir),
            h("dt", null, "Workflow file"),
            h("dd", { class: "mono" }, source ?? "shipped with wfctl"),
            h("dt", null, "Definition"),
            h("dd", { class: "row" }, h("code", { class: "clip" }, definition), copyButton(definition, "Copy the digest")),
            h("dt", null, "Records"),
            h("dd", null, seq),
          ),
        ),
      ),
      panel("Audit", verified),
      panel("Definition against its file", difference),
      panel("Pinned definition", pinned),
    ),
  );
  loading(
    verified,
    scope,
    () => get(path(["projects", model.id, "verify"]), scope.signal),
    (answer) => h("div", { class: "stack" }, auditLine(answer), valueView(answer)),
  );
  loading(
    difference,
    scope,
    () => get(path(["projects", model.id, "definition", "diff"]), scope.signal),
    (answer) =>
      answer.text
        ? h("pre", { class: "code-block", tabindex: 0 }, answer.text)
        : h("p", { class: "muted" }, "They are the same."),
  );
  loading(
    pinned,
    scope,
    () => get(path(["projects", model.id, "definition"]), scope.signal),
    (answer) =>
      h(
        "details",
        null,
        h("summary", null, "Show it"),
        h("pre", { class: "code-block", tabindex: 0 }, JSON.stringify(answer.definition, null, 2)),
      ),
  );
}

/**
 * What the check of the hash chain came to.
 *
 * @param {{records: number, first_bad: any}} answer
 */
function auditLine({ records, first_bad }) {
  const isWhole = first_bad === null || first_bad === undefined;
  return h(
    "p",
    { class: isWhole ? "tone-good" : "tone-bad" },
    icon(isWhole ? "check" : "warn"),
    isWhole
      ? ` Checked just now: the journal is whole, ${plural(records, "record")}.`
      : " Checked just now: the journal is damaged.",
  );
}
