/** What the steps of a task wrote, as it comes. */
import { fill, h } from "../core/dom.js";
import { get, path } from "../core/http.js";
import { kindOf } from "../model/record_words.js";
import { icon } from "../parts/icons.js";
import { problem } from "../parts/problem.js";
import { taskHref } from "../parts/task_summary.js";
import { Terminal } from "../parts/terminal.js";
import { attemptLinks } from "./task_attempts.js";

const ASK_MS = 800;

/** @type {import("../pages/task.js").TaskTab} */
export function outputTab(place, shown, scope) {
  const isPinned = shown.attempt !== null || shown.query.get("step") !== null;
  let inner = scope.inner();
  const begin = () => {
    inner.end();
    inner = scope.inner();
    place.replaceChildren();
    follow(place, shown, inner, begin);
  };
  // Who looks at the last step goes on to the next one.
  shown.model.read((record) => {
    if (!isPinned && record.task === shown.name && kindOf(record.event)[0] === "StepStarted") begin();
  }, scope);
  begin();
}

/**
 * Shows one step's output until it ends.
 *
 * @param {HTMLElement} place
 * @param {import("../pages/task.js").Shown} shown
 * @param {import("../core/scope.js").Scope} scope
 * @param {() => void} again called when it has become another step's
 */
function follow(place, { model, name, attempt, query }, scope, again) {
  const step = query.get("step");
  const which = { attempt, step };
  const terminal = new Terminal(`Output of ${name}`);
  const state = h("span", { class: "muted", role: "status" });
  const refusal = h("div", null);
  const wrap = h("button", { class: "button small", type: "button", "aria-pressed": "true" }, "Wrap lines");
  wrap.addEventListener("click", () => {
    const isOff = terminal.root.classList.toggle("nowrap-lines");
    wrap.setAttribute("aria-pressed", String(!isOff));
  });
  const raw = path(["projects", model.id, "tasks", name, "log", "raw"], which);
  place.append(
    h(
      "div",
      { class: "filters" },
      attemptLinks(model.task(name)?.attempt ?? 0, attempt, (at) => `${taskHref(model.id, name, "output")}?attempt=${at}`),
      step !== null && h("a", { class: "button small", href: taskHref(model.id, name, "output") }, `step ${step}`, icon("x")),
      state,
      h(
        "div",
        { class: "row push" },
        wrap,
        h("a", { class: "button small", href: raw, download: `${name}.log` }, icon("download"), "Download"),
      ),
    ),
    refusal,
    terminal.root,
  );
  let offset = 0;
  /** Whose output it is, once that is known. */
  let of = "";
  const load = async () => {
    try {
      const page = await get(path(["projects", model.id, "tasks", name, "log"], { ...which, offset }), scope.signal);
      if (scope.over) return;
      const now = `attempt ${page.attempt}, step ${page.step}`;
      if (of && of !== now) {
        again();
        return;
      }
      of = now;
      terminal.write(page.text);
      offset = page.next;
      const isEmpty = terminal.isEmpty && !page.more;
      terminal.root.hidden = isEmpty;
      fill(state, now, page.live ? ", running" : "", isEmpty ? ": nothing was written" : "");
      if (page.more || page.live) scope.after(page.more ? 0 : ASK_MS, load);
    } catch (error) {
      if (scope.over) return;
      fill(refusal, /** @type {any} */ (error).code === "WF0007" ? nothing() : problem(error, load));
      terminal.root.hidden = terminal.isEmpty;
    }
  };
  load();
}

function nothing() {
  return h(
    "div",
    { class: "empty panel" },
    h("strong", null, "No output"),
    "It has not run a command yet. Output stands here as soon as there is some.",
  );
}
