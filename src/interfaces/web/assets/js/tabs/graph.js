/** The graph of tasks, and beside it the task that is chosen. */
import { fill, h } from "../core/dom.js";
import { plural } from "../core/format.js";
import { go } from "../core/router.js";
import { GraphCanvas } from "../graph/canvas.js";
import { taskLook } from "../model/status.js";
import { badge } from "../parts/badge.js";
import { icon } from "../parts/icons.js";
import { taskHref, taskSummary } from "../parts/task_summary.js";

/** @type {import("../pages/project.js").Tab} */
export function graphTab(place, model, scope, query) {
  /** @type {string | null} */
  let chosen = query.get("task");
  const aside = h("aside", { class: "graph-aside panel", "aria-label": "The chosen task", hidden: true });
  const found = h("span", { class: "small muted", role: "status" });
  const search = h("input", {
    class: "input",
    type: "search",
    placeholder: "Find a task",
    "aria-label": "Find a task by name or state",
    autocomplete: "off",
  });
  const counts = h("div", { class: "row wrap graph-counts" });
  const canvas = new GraphCanvas(scope, {
    select: (task) => {
      chosen = task?.name ?? null;
      showAside();
    },
    open: (task) => go(taskHref(model.id, task.name)),
  });
  const showAside = () => {
    const task = chosen === null ? null : model.task(chosen);
    aside.hidden = !task;
    if (task)
      fill(
        aside,
        taskSummary(model, task, () => canvas.select(-1)),
      );
  };
  search.addEventListener("input", () => {
    const number = canvas.find(search.value);
    found.textContent = search.value.trim() ? plural(number, "task") : "";
  });
  search.addEventListener("keydown", (event) => {
    if (event.key === "Enter") canvas.next();
    else if (event.key === "Escape") canvas.canvas.focus();
    else return;
    event.preventDefault();
  });
  place.append(
    h("div", { class: "filters" }, h("div", { class: "search" }, icon("search"), search), found, counts),
    h("div", { class: "graph-area" }, canvas.root, aside),
  );
  let first = true;
  model.watch(() => {
    fill(
      counts,
      statusCounts(model.view.tasks, (status) => {
        search.value = status;
        search.dispatchEvent(new Event("input"));
        canvas.next();
      }),
    );
    canvas
      .show(model.view)
      .then(() => {
        if (first && chosen)
          canvas.select(
            model.view.tasks.findIndex((task) => task.name === chosen),
            { readable: true },
          );
        first = false;
      })
      .catch((error) => fill(found, String(error.message)));
    showAside();
  }, scope);
}

/**
 * @param {import("../model/types.js").TaskView[]} tasks
 * @param {(status: string) => void} choose
 */
function statusCounts(tasks, choose) {
  /** @type {Map<string, number>} */
  const counts = new Map();
  for (const { status } of tasks) counts.set(status, (counts.get(status) ?? 0) + 1);
  return [...counts]
    .sort(([, a], [, b]) => b - a)
    .map(([status, number]) => {
      const look = taskLook(status);
      return h(
        "button",
        {
          class: "count-button",
          type: "button",
          title: `Find those that are ${look.word.toLowerCase()}`,
          on: { click: () => choose(status) },
        },
        badge({ ...look, word: `${number} ${look.word.toLowerCase()}` }),
      );
    });
}
