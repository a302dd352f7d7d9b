/** A task in short: what it is at, what it waits for, why it failed. */
import { dueTime, sinceTime } from "../core/clock.js";
import { h } from "../core/dom.js";
import { duration } from "../core/format.js";
import { TASK_ENDED, sentence } from "../model/status.js";
import { refusedFor, retry } from "./actions.js";
import { taskBadge } from "./badge.js";
import { command } from "./command.js";
import { icon } from "./icons.js";
import { unblock } from "./unblock.js";
import { valueView } from "./value.js";

/** @param {string} project @param {string} task @param {string} [tab] */
export function taskHref(project, task, tab) {
  return `/projects/${encodeURIComponent(project)}/tasks/${encodeURIComponent(task)}${tab ? `/${tab}` : ""}`;
}

/**
 * @param {import("../model/project.js").ProjectModel} model
 * @param {import("../model/types.js").TaskView} task
 * @param {() => void} close
 */
export function taskSummary(model, task, close) {
  return h(
    "div",
    { class: "body stack" },
    h(
      "div",
      { class: "row" },
      h("h2", { class: "wrap-anywhere" }, h("a", { href: taskHref(model.id, task.name) }, task.name)),
      h(
        "button",
        { class: "button quiet small icon-only push", type: "button", "aria-label": "Close", on: { click: close } },
        icon("x"),
      ),
    ),
    h("div", { class: "row wrap" }, taskBadge(task.status), taskTiming(task)),
    taskTrouble(model, task),
    taskFacts(model, task),
    task.output !== null &&
      task.output !== undefined &&
      h("details", { open: true }, h("summary", null, "Output"), h("div", { class: "details-body" }, valueView(task.output))),
    h("div", { class: "row wrap" }, h("a", { class: "button primary", href: taskHref(model.id, task.name) }, "Open the task")),
  );
}

/** @param {import("../model/types.js").TaskView} task */
export function taskTiming(task) {
  if (task.started && task.ended && TASK_ENDED.has(task.status))
    return h("span", { class: "muted" }, `took ${duration(task.ended - task.started)}`);
  if (TASK_ENDED.has(task.status)) return null;
  return h("span", { class: "muted" }, "for ", sinceTime(task.since));
}

/**
 * Why it does not go on: what it waits for with the command that unblocks it, and its failure.
 *
 * @param {import("../model/project.js").ProjectModel} model
 * @param {import("../model/types.js").TaskView} task
 */
export function taskTrouble(model, task) {
  const reason = model.reasons.find((one) => one.task === task.name);
  const waits = reason?.waits_for ?? task.waits_for;
  const canRetry = task.status === "FAILED" && !model.ended && !refusedFor("operate");
  return [
    waits &&
      h(
        "div",
        { class: "callout", data: { tone: task.status === "IN_DOUBT" ? "doubt" : "wait" } },
        h("p", { class: "wrap-anywhere" }, h("strong", null, "Waits for "), waits),
        h(
          "p",
          { class: "row wrap small" },
          h("span", null, "for ", sinceTime(task.since)),
          task.due && h("span", null, "goes on by itself ", dueTime(task.due)),
        ),
        reason?.command && h("div", null, command(reason.command)),
        waits && h("div", null, unblock(model, task.name, waits)),
      ),
    task.failure &&
      h(
        "div",
        { class: "callout", data: { tone: task.status === "COMPLETED" ? "idle" : "bad" } },
        h(
          "p",
          { class: "wrap-anywhere" },
          h("strong", null, task.status === "COMPLETED" ? "An earlier attempt failed: " : "Failed: "),
          task.failure.message,
        ),
        h(
          "p",
          { class: "small" },
          "class ",
          h("code", null, task.failure.class),
          task.attempt > 0 && `, attempt ${task.attempt}`,
        ),
        canRetry &&
          h(
            "div",
            null,
            h(
              "button",
              { class: "button small", type: "button", on: { click: () => retry(model, task.name) } },
              icon("retry"),
              "Retry",
            ),
          ),
      ),
  ];
}

/**
 * @param {import("../model/project.js").ProjectModel} model
 * @param {import("../model/types.js").TaskView} task
 */
export function taskFacts(model, task) {
  const link = (/** @type {string} */ name) => h("a", { href: taskHref(model.id, name) }, name);
  const needed = model.view.tasks.filter((other) => other.needs.includes(task.name));
  const commas = (/** @type {string[]} */ names) => names.flatMap((name, at) => (at ? [", ", link(name)] : [link(name)]));
  return h(
    "dl",
    { class: "facts" },
    h("dt", null, "Phase"),
    h("dd", null, sentence(task.phase)),
    h("dt", null, "Action"),
    h("dd", null, task.action, task.role && ` · ${task.role}`),
    h("dt", null, "Attempts"),
    h("dd", null, task.attempt),
    task.doing && [
      h("dt", null, "Now"),
      h("dd", null, task.doing.what, task.doing.turn ? ` (turn ${task.doing.turn})` : "", " for ", sinceTime(task.doing.since)),
    ],
    task.needs.length > 0 && [h("dt", null, "Needs"), h("dd", null, commas(task.needs))],
    needed.length > 0 && [
      h("dt", null, "Needed by"),
      h(
        "dd",
        null,
        commas(needed.slice(0, 12).map((other) => other.name)),
        needed.length > 12 && ` and ${needed.length - 12} more`,
      ),
    ],
    task.child && [
      h("dt", null, "Child"),
      h("dd", null, h("a", { href: `/projects/${encodeURIComponent(task.child)}` }, task.child)),
    ],
  );
}
