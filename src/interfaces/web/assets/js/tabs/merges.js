/** The merge queue: what asked to be merged into the integration branch, and what became of it. */
import { agoTime } from "../core/clock.js";
import { fill, h } from "../core/dom.js";
import { duration } from "../core/format.js";
import { get, path } from "../core/http.js";
import { gently } from "../core/scope.js";
import { mergeBadge } from "../parts/badge.js";
import { copyButton } from "../parts/command.js";
import { loading } from "../parts/loading.js";
import { taskHref } from "../parts/task_summary.js";

/** @typedef {{task: string, attempt: number, state: string, asked: number, ended?: number | null, commit?: string | null, position?: number | null, detail?: string | null}} Merge */

/** @type {import("../pages/project.js").Tab} */
export function mergesTab(place, model, scope) {
  const body = h("div", null);
  place.append(body);
  const ask = () => get(path(["projects", model.id, "merges"]), scope.signal);
  const show = (/** @type {{entries: Merge[]}} */ { entries }) => {
    if (entries.length === 0)
      return h(
        "div",
        { class: "empty panel" },
        h("strong", null, "Nothing was merged"),
        "Tasks with `merge: true` go through this queue, one batch at a time, each behind the checks of the repository.",
      );
    return h(
      "div",
      { class: "panel scroll" },
      h(
        "table",
        { class: "grid-table cards" },
        h("caption", { class: "visually-hidden" }, "Merges in the order they were asked for"),
        h(
          "thead",
          null,
          h(
            "tr",
            null,
            ["Task", "State", "Place", "Commit", "Detail", "In the queue", "Asked"].map((name) =>
              h("th", { scope: "col" }, name),
            ),
          ),
        ),
        h(
          "tbody",
          null,
          entries.map((entry) => row(model.id, entry)),
        ),
      ),
    );
  };
  loading(body, scope, ask, show);
  const refresh = gently(
    scope,
    async () => {
      const answer = await ask();
      if (!scope.over) fill(body, show(answer));
    },
    2000,
  );
  model.read(refresh, scope);
}

/**
 * @param {string} project
 * @param {Merge} entry
 */
function row(project, entry) {
  return h(
    "tr",
    null,
    h(
      "td",
      { class: "nowrap" },
      h("a", { href: taskHref(project, entry.task) }, entry.task),
      entry.attempt > 1 && h("span", { class: "muted" }, ` attempt ${entry.attempt}`),
    ),
    h("td", null, mergeBadge(entry.state)),
    h("td", { class: "muted" }, entry.position && `#${entry.position}`),
    h(
      "td",
      { class: "nowrap" },
      entry.commit && [h("code", null, entry.commit.slice(0, 10)), copyButton(entry.commit, "Copy the commit's id")],
    ),
    h("td", { class: "grow wrap-anywhere" }, entry.detail),
    h("td", { class: "nowrap muted" }, duration((entry.ended ?? Date.now()) - entry.asked)),
    h("td", { class: "nowrap muted" }, agoTime(entry.asked)),
  );
}
