/** What the steps of a task wrote, as it comes. */
import { fill, h } from "../core/dom.js";
import { get, path } from "../core/http.js";
import { icon } from "../parts/icons.js";
import { problem } from "../parts/problem.js";
import { taskHref } from "../parts/task_summary.js";
import { Terminal } from "../parts/terminal.js";
import { attemptLinks } from "./task_attempts.js";

const ASK_MS = 800;

/** @type {import("../pages/task.js").TaskTab} */
export function outputTab(place, { model, name, attempt, query }, scope) {
  const step = query.get("step");
  const terminal = new Terminal(`Output of ${name}`);
  const state = h("span", { class: "muted", role: "status" });
  const refusal = h("div", null);
  const which = { attempt, step };
  const wrap = h(
    "button",
    {
      class: "button small",
      type: "button",
      "aria-pressed": "true",
      on: {
        click: () => {
          const on = terminal.root.classList.toggle("nowrap-lines");
          wrap.setAttribute("aria-pressed", String(!on));
        },
      },
    },
    "Wrap lines",
  );
  const raw = h(
    "a",
    { class: "button small", href: path(["projects", model.id, "tasks", name, "log", "raw"], which), download: `${name}.log` },
    icon("download"),
    "Download",
  );
  place.append(
    h(
      "div",
      { class: "filters" },
      attemptLinks(model.task(name)?.attempt ?? 0, attempt, (at) => `${taskHref(model.id, name, "output")}?attempt=${at}`),
      step !== null && h("a", { class: "button small", href: taskHref(model.id, name, "output") }, `step ${step}`, icon("x")),
      state,
      h("div", { class: "row push" }, wrap, raw),
    ),
    refusal,
    terminal.root,
  );
  let offset = 0;
  let timer = 0;
  /** What is shown: another attempt or step begins anew. */
  let of = "";
  const load = async () => {
    try {
      const page = await get(path(["projects", model.id, "tasks", name, "log"], { ...which, offset }), scope.signal);
      if (scope.over) return;
      const now = `attempt ${page.attempt}, step ${page.step}`;
      if (of && of !== now) {
        place.replaceChildren();
        outputTab(place, { model, name, attempt, query }, scope.inner());
        return;
      }
      of = now;
      terminal.write(page.text);
      offset = page.next;
      fill(state, now, page.live ? ", running" : "", terminal.isEmpty && !page.more ? ": nothing was written" : "");
      if (page.more || page.live) timer = setTimeout(load, page.more ? 0 : ASK_MS);
    } catch (error) {
      if (scope.over) return;
      fill(
        refusal,
        /** @type {any} */ (error).code === "WF0007"
          ? h(
              "div",
              { class: "empty panel" },
              h("strong", null, "No output"),
              "It has not run a command yet. Output stands here as soon as there is some.",
            )
          : problem(error, load),
      );
      terminal.root.hidden = terminal.isEmpty;
    }
  };
  model.read((record) => {
    const isNew = record.task === name && "StepStarted" in Object(record.event);
    if (!isNew || attempt !== null) return;
    clearTimeout(timer);
    terminal.root.hidden = false;
    fill(refusal);
    offset = 0;
    if (of) {
      of = "before";
    }
    load();
  }, scope);
  scope.own(() => clearTimeout(timer));
  load();
}
