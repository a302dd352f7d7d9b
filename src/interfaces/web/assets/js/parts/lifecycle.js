/** The way of a project through its phases: where it is, how often it came back, how much of each is done. */
import { h } from "../core/dom.js";
import { ENDED, HELD, TASK_ENDED, projectLook, sentence } from "../model/status.js";
import { icon } from "./icons.js";

/** @param {import("../model/project.js").ProjectModel} model */
export function lifecycle(model) {
  const { view, rounds } = model;
  const current = view.phases.indexOf(view.phase ?? "");
  const status = view.project.status;
  const steps = view.phases.map((phase, at) => step(model, phase, at - current, rounds.get(phase) ?? 0));
  const end = ENDED.has(status)
    ? projectLook(status)
    : { word: "Done", tone: /** @type {const} */ ("idle"), icon: /** @type {const} */ ("dot") };
  return h(
    "ol",
    { class: "lifecycle", "aria-label": "Lifecycle" },
    steps,
    h(
      "li",
      {
        class: "lifecycle-end",
        data: { tone: end.tone, state: ENDED.has(status) ? "done" : "ahead" },
        "aria-current": ENDED.has(status) ? "step" : undefined,
      },
      icon(end.icon),
      h("span", null, end.word),
    ),
  );
}

/**
 * @param {import("../model/project.js").ProjectModel} model
 * @param {string} phase
 * @param {number} distance from the present phase; negative: before it
 * @param {number} rounds
 */
function step(model, phase, distance, rounds) {
  const { status } = model.view.project;
  const tasks = model.view.tasks.filter((task) => task.phase === phase);
  const ended = tasks.filter((task) => TASK_ENDED.has(task.status)).length;
  const isHere = distance === 0 && !ENDED.has(status);
  const failed = tasks.some((task) => task.status === "FAILED") && (distance < 0 || isHere || status === "FAILED");
  const isDone = rounds > 0 && (distance < 0 || (distance === 0 && status === "DONE"));
  const tone = failed ? "bad" : isHere && HELD.has(status) ? "wait" : isHere ? "active" : isDone ? "good" : "idle";
  const state = isHere ? "here" : isDone || failed ? "done" : "ahead";
  const words = isHere ? `, ${projectLook(status).word.toLowerCase()}` : isDone ? ", passed" : "";
  return h(
    "li",
    { data: { tone, state }, "aria-current": isHere ? "step" : undefined },
    h(
      "span",
      { class: "lifecycle-name" },
      failed ? icon("cross") : isDone ? icon("check") : isHere ? icon(HELD.has(status) ? "pause" : "run") : icon("dot"),
      sentence(phase),
      rounds > 1 && h("span", { class: "lifecycle-round", title: `entered ${rounds} times` }, `×${rounds}`),
    ),
    h(
      "span",
      { class: "lifecycle-count" },
      tasks.length ? `${ended}/${tasks.length}` : "–",
      h("span", { class: "visually-hidden" }, ` tasks ended${words}`),
    ),
    h("span", { class: "lifecycle-bar", style: { "--share": String(tasks.length ? ended / tasks.length : isDone ? 1 : 0) } }),
  );
}
