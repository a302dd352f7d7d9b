/** What a task changed in the files that it was given. */
import { h } from "../core/dom.js";
import { get, path } from "../core/http.js";
import { diffView } from "../parts/diff.js";
import { loading } from "../parts/loading.js";

/** @type {import("../pages/task.js").TaskTab} */
export function filesTab(place, { model, name }, scope) {
  const body = h("div", { class: "stack" });
  place.append(body);
  loading(
    body,
    scope,
    () => get(path(["projects", model.id, "tasks", name, "diff"]), scope.signal),
    (diff) => diffView(diff),
  );
}
