/** Two runs side by side: how they ended, how long and how dear they were, and where their tasks differ. */
import { h } from "../core/dom.js";
import { count, duration, money, short } from "../core/format.js";
import { get, path } from "../core/http.js";
import { go, setQuery } from "../core/router.js";
import { ENDED } from "../model/status.js";
import { projectBadge, taskBadge } from "../parts/badge.js";
import { diffStat, diffView } from "../parts/diff.js";
import { field } from "../parts/field.js";
import { icon } from "../parts/icons.js";
import { loading } from "../parts/loading.js";
import { taskHref } from "../parts/task_summary.js";
import { valueView } from "../parts/value.js";

/**
 * @typedef {{view: import("../model/types.js").ProjectView, cost: import("../model/types.js").Cost, diff: import("../model/types.js").Diff}} Run
 */

/** @type {import("../core/router.js").Page} */
export function comparePage(main, place, scope) {
  const [a, b] = [place.query.get("a") ?? "", place.query.get("b") ?? ""];
  document.title = "Compare · wfctl";
  const form = h(
    "form",
    { class: "filters compare-form" },
    field({ label: "One run", name: "a", value: a }),
    field({ label: "Another run", name: "b", value: b }),
    h("button", { class: "button primary", type: "submit" }, icon("compare"), "Compare"),
  );
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    const data = new FormData(form);
    const of = (/** @type {string} */ name) => encodeURIComponent(String(data.get(name)).trim());
    go(`/compare?a=${of("a")}&b=${of("b")}`);
  });
  const body = h("div", { class: "stack" });
  main.append(h("div", { class: "page-head" }, h("h1", null, "Compare two runs")), form, body);
  if (!a || !b) return;
  loading(
    body,
    scope,
    () => Promise.all([load(a, scope.signal), load(b, scope.signal)]),
    ([one, other]) => comparison(one, other, place.query.get("all") === "1"),
  );
}

/**
 * @param {string} id
 * @param {AbortSignal} signal
 * @returns {Promise<Run>}
 */
async function load(id, signal) {
  const [view, cost, diff] = await Promise.all([
    get(path(["projects", id]), signal),
    get(path(["projects", id, "cost"]), signal),
    get(path(["projects", id, "diff"]), signal),
  ]);
  return { view, cost, diff };
}

/**
 * @param {Run} one
 * @param {Run} other
 * @param {boolean} all show equal tasks too
 */
function comparison(one, other, all) {
  return [summaryTable(one, other), inputsPart(one, other), tasksPart(one, other, all), filesPart(one, other)];
}

/** @param {import("../model/types.js").ProjectView} view */
function took({ project }) {
  return (ENDED.has(project.status) ? project.changed : Date.now()) - project.created;
}

/** @param {Run} one @param {Run} other */
function summaryTable(one, other) {
  const runs = [one, other];
  /** @type {[string, (run: Run) => number, (value: number) => string][]} */
  const rows = [
    ["Time", ({ view }) => took(view), duration],
    ["Money", ({ cost }) => cost.total.usd_micros, money],
    ["Tokens", ({ cost }) => cost.total.input_tokens + cost.total.output_tokens, short],
    ["Model calls", ({ cost }) => cost.total.calls, count],
    ["Failed calls", ({ cost }) => cost.total.failed, count],
    ["Tasks", ({ view }) => view.tasks.length, count],
    ["Attempts", ({ view }) => view.tasks.reduce((sum, task) => sum + task.attempt, 0), count],
    ["Records", ({ view }) => view.seq, count],
  ];
  return h(
    "section",
    { class: "panel scroll" },
    h(
      "table",
      { class: "grid-table" },
      h(
        "thead",
        null,
        h(
          "tr",
          null,
          h("td", null),
          runs.map(({ view }) =>
            h(
              "th",
              { scope: "col" },
              h("a", { class: "mono", href: `/projects/${encodeURIComponent(view.project.id)}` }, view.project.id),
            ),
          ),
          h("th", { scope: "col", class: "number" }, "Difference"),
        ),
      ),
      h(
        "tbody",
        null,
        h(
          "tr",
          null,
          h("th", { scope: "row" }, "State"),
          runs.map(({ view }) => h("td", null, projectBadge(view.project.status))),
          h("td", null),
        ),
        h(
          "tr",
          null,
          h("th", { scope: "row" }, "Workflow"),
          runs.map(({ view }) => h("td", null, view.project.workflow)),
          h(
            "td",
            { class: "number muted" },
            one.view.definition === other.view.definition ? "same definition" : "other definition",
          ),
        ),
        rows.map(([name, of, show]) =>
          h(
            "tr",
            null,
            h("th", { scope: "row" }, name),
            runs.map((run) => h("td", null, show(of(run)))),
            h("td", { class: "number" }, delta(of(one), of(other), show)),
          ),
        ),
      ),
    ),
  );
}

/**
 * @param {number} before
 * @param {number} after
 * @param {(value: number) => string} show
 */
function delta(before, after, show) {
  if (before === after) return h("span", { class: "muted" }, "same");
  const percent = before ? ` (${after > before ? "+" : "−"}${Math.round((100 * Math.abs(after - before)) / before)} %)` : "";
  return `${after > before ? "+" : "−"}${show(Math.abs(after - before))}${percent}`;
}

/** @param {Run} one @param {Run} other */
function inputsPart(one, other) {
  const [a, b] = [one.view.inputs, other.view.inputs];
  const names = [...new Set([...Object.keys(a), ...Object.keys(b)])].filter(
    (name) => JSON.stringify(a[name]) !== JSON.stringify(b[name]),
  );
  if (names.length === 0) return h("p", { class: "muted" }, "Both began with the same inputs.");
  return h(
    "section",
    { class: "panel scroll" },
    h("header", null, h("h2", null, "Inputs that differ")),
    h(
      "table",
      { class: "grid-table" },
      h(
        "tbody",
        null,
        names.map((name) =>
          h("tr", null, h("th", { scope: "row" }, name), h("td", null, valueView(a[name])), h("td", null, valueView(b[name]))),
        ),
      ),
    ),
  );
}

/** @param {Run} one @param {Run} other @param {boolean} all */
function tasksPart(one, other, all) {
  const before = new Map(one.view.tasks.map((task) => [task.name, task]));
  const after = new Map(other.view.tasks.map((task) => [task.name, task]));
  const names = [...new Set([...before.keys(), ...after.keys()])];
  const outcome = (/** @type {import("../model/types.js").TaskView | undefined} */ task) =>
    JSON.stringify([task?.status, task?.attempt, task?.output, task?.failure]);
  const rows = names.map((name) => {
    const [left, right] = [before.get(name), after.get(name)];
    const same = outcome(left) === outcome(right);
    return {
      same,
      row: h(
        "tr",
        { data: { same: String(same) } },
        h("th", { scope: "row", class: "wrap-anywhere" }, name),
        cell(one, left),
        cell(other, right),
        h(
          "td",
          { class: "number" },
          left?.started && left.ended && right?.started && right.ended
            ? delta(left.ended - left.started, right.ended - right.started, duration)
            : "",
        ),
        h(
          "td",
          { class: "muted" },
          same
            ? "same outcome"
            : !left
              ? "only here"
              : !right
                ? "only there"
                : left.status !== right.status
                  ? "other state"
                  : JSON.stringify(left.output) !== JSON.stringify(right.output)
                    ? "other output"
                    : "other attempts",
        ),
      ),
    };
  });
  const equal = rows.filter(({ same }) => same).length;
  const table = h(
    "table",
    { class: `grid-table compare-tasks ${all ? "" : "only-different"}`, data: { same: String(equal === rows.length) } },
    h(
      "thead",
      null,
      h(
        "tr",
        null,
        ["Task", one.view.project.id, other.view.project.id].map((name) => h("th", { scope: "col" }, name)),
        h("th", { scope: "col", class: "number" }, "Time"),
        h("th", { scope: "col" }, "Outcome"),
      ),
    ),
    h(
      "tbody",
      null,
      rows.map(({ row }) => row),
    ),
  );
  const toggle = h(
    "button",
    {
      class: "button small push",
      type: "button",
      "aria-pressed": String(all),
      on: {
        click: () => {
          const only = table.classList.toggle("only-different");
          toggle.setAttribute("aria-pressed", String(!only));
          setQuery({ all: only ? null : "1" });
        },
      },
    },
    `Show ${equal} with the same outcome`,
  );
  return h(
    "section",
    { class: "panel" },
    h(
      "header",
      null,
      h("h2", null, "Tasks"),
      h("span", { class: "muted" }, `${rows.length - equal} of ${rows.length} differ`),
      equal > 0 && toggle,
    ),
    equal === rows.length && h("p", { class: "empty" }, "All tasks have the same outcome in both."),
    h("div", { class: "scroll-x", tabindex: 0, role: "region", "aria-label": "Tasks" }, table),
  );
}

/** @param {Run} run @param {import("../model/types.js").TaskView | undefined} task */
function cell(run, task) {
  if (!task) return h("td", { class: "muted" }, "–");
  return h(
    "td",
    null,
    h(
      "a",
      { href: taskHref(run.view.project.id, task.name), "aria-label": `${task.name} in ${run.view.project.id}` },
      taskBadge(task.status),
    ),
    task.attempt > 1 && h("span", { class: "muted" }, ` ×${task.attempt}`),
  );
}

/** @param {Run} one @param {Run} other */
function filesPart(one, other) {
  const patches = new Map(one.diff.files.map((file) => [file.path, file.patch]));
  const differ = other.diff.files.filter((file) => patches.get(file.path) !== file.patch).map((file) => file.path);
  const gone = one.diff.files.filter((file) => !other.diff.files.some((now) => now.path === file.path)).map((file) => file.path);
  const paths = [...differ, ...gone];
  if (paths.length === 0)
    return h(
      "p",
      { class: "muted" },
      one.diff.files.length ? "Both changed the same files in the same way." : "Neither changed files.",
    );
  const side = (/** @type {Run} */ run) => {
    const diff = { ...run.diff, files: run.diff.files.filter((file) => paths.includes(file.path)) };
    return h(
      "div",
      { class: "stack" },
      h("h3", { class: "mono" }, run.view.project.id),
      diff.files.length ? diffView(diff, { closed: true }) : h("p", { class: "muted" }, "These files are not changed here."),
    );
  };
  return h(
    "section",
    { class: "panel" },
    h(
      "header",
      null,
      h("h2", null, "Files changed differently"),
      diffStat({ ...other.diff, files: other.diff.files.filter((file) => paths.includes(file.path)) }),
    ),
    h("div", { class: "body compare-files" }, side(one), side(other)),
  );
}
