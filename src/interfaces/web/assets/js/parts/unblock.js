/** The button that makes what waits go on, where a person can. */
import { h } from "../core/dom.js";
import { refusedFor, resume, retry, signal } from "./actions.js";
import { icon } from "./icons.js";

/**
 * @param {import("../model/project.js").ProjectModel} model
 * @param {string | null} name the task; `null`: the project itself
 * @param {string} waitsFor what it waits for, in the words of `why`
 */
export function unblock(model, name, waitsFor) {
  const task = name === null ? null : model.task(name);
  if (task?.status === "AWAITING_APPROVAL" || (name === null && model.view.gate)) return decide(model.id, name);
  if (task?.child) return h("a", { class: "button", href: `/projects/${encodeURIComponent(task.child)}` }, "Open the child");
  if (task?.status === "IN_DOUBT") return button("Settle", "question", () => resume(model));
  if (task?.status === "BACKOFF" && !task.due) return button("Retry", "retry", () => retry(model, task.name));
  if (task?.external) return h("a", { class: "button", href: "/workers" }, "Deliver");
  const awaited = /^signal (.+)$/.exec(waitsFor)?.[1];
  if (task?.status === "AWAITING_SIGNAL" && awaited) return button("Send", "inbox", () => signal(model, awaited));
  return null;
}

/**
 * @param {string} project
 * @param {string | null} task
 */
function decide(project, task) {
  const of = task === null ? "" : `&task=${encodeURIComponent(task)}`;
  return h("a", { class: "button primary", href: `/approvals?project=${encodeURIComponent(project)}${of}` }, "Decide");
}

/**
 * @param {string} label
 * @param {import("./icons.js").IconName} shape
 * @param {() => void} act
 */
function button(label, shape, act) {
  const refused = refusedFor("operate");
  return h(
    "button",
    {
      class: "button",
      type: "button",
      "aria-disabled": refused ? "true" : undefined,
      title: refused ?? undefined,
      on: { click: () => refused || act() },
    },
    icon(shape),
    label,
  );
}
