/** The files that the project has changed so far. */
import { h } from "../core/dom.js";
import { get, path } from "../core/http.js";
import { diffView } from "../parts/diff.js";
import { loading } from "../parts/loading.js";

/** @type {import("../pages/project.js").Tab} */
export function changesTab(place, model, scope) {
  const body = h("div", { class: "stack" });
  place.append(body);
  const load = () =>
    loading(
      body,
      scope,
      () => get(path(["projects", model.id, "diff"]), scope.signal),
      (diff) => [
        h(
          "div",
          { class: "row wrap" },
          h("p", { class: "muted" }, "From where it started to where it is."),
          !model.ended && h("button", { class: "button small push", type: "button", on: { click: load } }, "Load anew"),
        ),
        diffView(diff),
      ],
    );
  load();
}
