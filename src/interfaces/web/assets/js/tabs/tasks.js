/** All tasks as a table: the graph for those who read better than they look. */
import { sinceTime } from "../core/clock.js";
import { h } from "../core/dom.js";
import { duration, plural } from "../core/format.js";
import { setQuery } from "../core/router.js";
import { shortcuts } from "../core/shortcuts.js";
import { TASK_ENDED, sentence } from "../model/status.js";
import { taskBadge } from "../parts/badge.js";
import { icon } from "../parts/icons.js";
import { segmented } from "../parts/segmented.js";
import { taskHref } from "../parts/task_summary.js";
import { VirtualList } from "../parts/virtual_list.js";

const ROW = 44;

/** @type {Record<string, (task: import("../model/types.js").TaskView) => boolean>} */
const FILTERS = {
  "": () => true,
  active: (task) => ["RUNNING", "VALIDATING", "READY"].includes(task.status),
  waiting: (task) => ["BACKOFF", "AWAITING_APPROVAL", "AWAITING_SIGNAL", "IN_DOUBT", "DEBUGGING"].includes(task.status),
  failed: (task) => task.status === "FAILED" || (task.failure !== null && task.status !== "COMPLETED"),
  ended: (task) => TASK_ENDED.has(task.status),
};

/** @type {import("../pages/project.js").Tab} */
export function tasksTab(place, model, scope, query) {
  let state = query.get("state") ?? "";
  const search = h("input", {
    class: "input",
    type: "search",
    placeholder: "Filter tasks",
    "aria-label": "Filter tasks by name, role or phase",
    autocomplete: "off",
  });
  const number = h("span", { class: "small muted", role: "status" });
  const empty = h("div", { class: "empty panel", hidden: true }, h("strong", null, "No task fits"));
  const list = new VirtualList(scope, {
    label: "Tasks",
    height: ROW,
    class: "panel task-list",
    key: (/** @type {import("../model/types.js").TaskView} */ task) => String(task.ix),
    signature: (task) => JSON.stringify([task.status, task.attempt, task.since, task.waits_for, task.failure, task.doing]),
    render: (task) => row(model.id, task),
  });
  const show = () => {
    const wanted = search.value.trim().toLowerCase();
    const fits = model.view.tasks.filter(
      (task) =>
        (FILTERS[state] ?? FILTERS[""])(task) &&
        `${task.name} ${task.role ?? ""} ${task.action} ${task.phase}`.toLowerCase().includes(wanted),
    );
    number.textContent = plural(fits.length, "task");
    empty.hidden = fits.length > 0;
    list.root.hidden = fits.length === 0;
    list.root.style.height = `min(${fits.length * ROW + 2}px, max(20rem, calc(100dvh - 21rem)))`;
    list.show(fits);
  };
  place.append(
    h(
      "div",
      { class: "filters" },
      h("div", { class: "search" }, icon("search"), search),
      segmented(
        "State",
        [
          ["", "All"],
          ["active", "Active"],
          ["waiting", "Waiting"],
          ["failed", "Failed"],
          ["ended", "Ended"],
        ],
        state,
        (value) => {
          state = value;
          setQuery({ state });
          show();
        },
      ),
      number,
    ),
    list.root,
    empty,
  );
  search.addEventListener("input", show);
  const step = (/** @type {number} */ by) => {
    const links = /** @type {HTMLElement[]} */ (
      [...list.root.querySelectorAll("a[data-main]")].sort(
        (a, b) =>
          /** @type {any} */ (a).closest(".virtual-row").offsetTop - /** @type {any} */ (b).closest(".virtual-row").offsetTop,
      )
    );
    const at = links.indexOf(/** @type {HTMLElement} */ (document.activeElement));
    links[Math.min(Math.max(at + by, 0), links.length - 1)]?.focus();
  };
  shortcuts(
    "Tasks",
    [
      ["j", "Next task", () => step(1)],
      ["k", "Previous task", () => step(-1)],
    ],
    scope,
  );
  model.watch(show, scope);
}

/**
 * @param {string} project
 * @param {import("../model/types.js").TaskView} task
 */
function row(project, task) {
  const why = task.status !== "COMPLETED" && task.failure ? task.failure.message : (task.waits_for ?? task.doing?.what ?? "");
  return h(
    "div",
    { class: "task-row" },
    h("a", { class: "clip", href: taskHref(project, task.name), data: { main: "" }, title: task.name }, task.name),
    h("span", null, taskBadge(task.status)),
    h(
      "span",
      { class: `clip ${task.failure && task.status !== "COMPLETED" ? "tone-bad" : "muted"}`, title: why || undefined },
      why,
    ),
    h(
      "span",
      { class: "clip muted task-what" },
      `${sentence(task.phase)} · ${task.role ?? task.action}${task.attempt > 1 ? ` · attempt ${task.attempt}` : ""}`,
    ),
    h(
      "span",
      { class: "muted number" },
      task.started && task.ended && TASK_ENDED.has(task.status)
        ? duration(task.ended - task.started)
        : TASK_ENDED.has(task.status) || task.status === "PENDING"
          ? ""
          : sinceTime(task.since),
    ),
  );
}
