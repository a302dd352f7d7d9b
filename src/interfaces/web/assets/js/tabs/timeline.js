/** When attempts of tasks ran, and what was waited for in between: a row for each task, coloured by how it ended or why it waited. */
import { fill, h } from "../core/dom.js";
import { duration, exactTime, moment } from "../core/format.js";
import { get, path } from "../core/http.js";
import { gently } from "../core/scope.js";
import { WAITS, attemptLook } from "../model/status.js";
import { attemptBadge } from "../parts/badge.js";
import { icon } from "../parts/icons.js";
import { problem } from "../parts/problem.js";
import { taskHref } from "../parts/task_summary.js";
import { axis, laneWidth, share } from "../parts/time_axis.js";
import { VirtualList } from "../parts/virtual_list.js";

const ROW = 30;
const LEAST_MS = 1500;
const MOST_ZOOM = 512;

/**
 * @typedef {{name: string | null, attempts: import("../model/types.js").AttemptRow[], waits: import("../model/types.js").WaitRow[]}} Lane
 */

/** @type {import("../pages/project.js").Tab} */
export function timelineTab(place, model, scope) {
  let zoom = 1;
  /** @type {Lane[]} */
  let lanes = [];
  /** @type {import("../parts/time_axis.js").Span} */
  let span = { from: 0, to: 1 };
  const refusal = h("div", null);
  const details = h("div", { class: "timeline-details panel", role: "status", hidden: true });
  const head = h("div", { class: "timeline-head" });
  const list = new VirtualList(scope, {
    label: "Timeline of tasks",
    height: ROW,
    class: "timeline panel",
    key: (/** @type {Lane} */ lane) => lane.name ?? "",
    signature: (lane) => JSON.stringify([lane, span, zoom]),
    render: (lane) =>
      laneRow(lane, span, model.id, (nodes) => {
        details.hidden = false;
        fill(details, h("div", { class: "row wrap" }, nodes));
      }),
  });
  list.root.prepend(head);

  const draw = () => {
    const width = laneWidth(list.root.clientWidth, zoom);
    list.root.style.setProperty("--lane", `${width}px`);
    fill(head, h("span", { class: "timeline-label" }, "Task"), axis(span, width));
    list.show(lanes);
  };
  const load = async () => {
    try {
      const timeline = await get(path(["projects", model.id, "attempts"]), scope.signal);
      if (scope.over) return;
      lanes = lanesOf(timeline);
      span = spanOf(model, timeline);
      fill(refusal, timeline.left_out > 0 && h("p", { class: "muted" }, `${timeline.left_out} older rows are left out.`));
      draw();
    } catch (error) {
      if (!scope.over) fill(refusal, problem(error, load));
    }
  };
  const setZoom = (/** @type {number} */ to) => {
    const { scrollLeft, clientWidth } = list.root;
    const middle = (scrollLeft + clientWidth / 2) / laneWidth(clientWidth, zoom);
    zoom = Math.min(MOST_ZOOM, Math.max(1, to));
    draw();
    list.root.scrollLeft = middle * laneWidth(clientWidth, zoom) - clientWidth / 2;
  };
  list.root.addEventListener(
    "wheel",
    (event) => {
      if (!event.ctrlKey) return;
      event.preventDefault();
      setZoom(zoom * Math.exp(-event.deltaY * 0.01));
    },
    { passive: false },
  );
  const button = (
    /** @type {string} */ label,
    /** @type {import("../parts/icons.js").IconName} */ shape,
    /** @type {() => void} */ act,
  ) =>
    h(
      "button",
      { class: "button icon-only", type: "button", "aria-label": label, title: label, on: { click: act } },
      icon(shape),
    );
  place.append(
    h(
      "div",
      { class: "filters" },
      h(
        "div",
        { class: "row" },
        button("Zoom in", "plus", () => setZoom(zoom * 2)),
        button("Zoom out", "minus", () => setZoom(zoom / 2)),
        button("Show all", "fit", () => setZoom(1)),
      ),
      legend(),
    ),
    refusal,
    list.root,
    details,
  );
  const resized = new ResizeObserver(draw);
  resized.observe(list.root);
  scope.own(() => resized.disconnect());
  const refresh = gently(scope, load, LEAST_MS);
  model.read(refresh, scope);
  scope.every(1000, () => {
    if (model.ended || lanes.length === 0) return;
    span = { ...span, to: Date.now() };
    draw();
  });
  load();
}

/**
 * @param {import("../model/types.js").Timeline} timeline
 * @returns {Lane[]}
 */
function lanesOf(timeline) {
  /** @type {Map<string | null, Lane>} */
  const lanes = new Map();
  const lane = (/** @type {string | null} */ name) => {
    const known = lanes.get(name) ?? { name, attempts: [], waits: [] };
    lanes.set(name, known);
    return known;
  };
  for (const attempt of timeline.attempts) lane(attempt.task).attempts.push(attempt);
  for (const wait of timeline.waits) lane(wait.task).waits.push(wait);
  const begin = (/** @type {Lane} */ { attempts, waits }) =>
    Math.min(attempts[0]?.started ?? Infinity, waits[0]?.since ?? Infinity);
  return [...lanes.values()].sort((a, b) => (a.name === null ? -1 : b.name === null ? 1 : begin(a) - begin(b)));
}

/**
 * @param {import("../model/project.js").ProjectModel} model
 * @param {import("../model/types.js").Timeline} timeline
 */
function spanOf(model, timeline) {
  const { created, changed } = model.view.project;
  const ends = [
    ...timeline.attempts.map((row) => row.ended ?? row.started),
    ...timeline.waits.map((row) => row.until ?? row.since),
  ];
  const to = model.ended ? ends.reduce((most, end) => Math.max(most, end), changed) : Date.now();
  return { from: created, to: Math.max(to, created + 1) };
}

/**
 * @param {Lane} lane
 * @param {import("../parts/time_axis.js").Span} span
 * @param {string} project
 * @param {(nodes: import("../core/dom.js").Children) => void} tell
 */
function laneRow(lane, span, project, tell) {
  /** What comes behind the action inside an attempt: checks and the merge. */
  const later = (/** @type {import("../model/types.js").AttemptRow} */ attempt) => {
    const own = { from: attempt.started, to: Math.max(attempt.ended ?? span.to, attempt.started + 1) };
    return attempt.steps
      .filter(({ step }) => step > 0)
      .map((step) => {
        const left = share(own, step.started);
        return h("i", { class: "step-part", style: { left: `${left}%`, width: `${share(own, step.ended ?? own.to) - left}%` } });
      });
  };
  const bar = (
    /** @type {number} */ from,
    /** @type {number | undefined} */ to,
    /** @type {import("../core/dom.js").Props} */ props,
    /** @type {string} */ label,
    /** @type {() => import("../core/dom.js").Children} */ words,
    /** @type {HTMLElement[]} */ parts = [],
  ) => {
    const left = share(span, from);
    return h(
      "button",
      {
        ...props,
        type: "button",
        tabindex: -1,
        title: label,
        "aria-label": label,
        style: { left: `${left}%`, width: `max(3px, ${share(span, to ?? span.to) - left}%)` },
        on: { click: () => tell(words()) },
      },
      parts,
    );
  };
  const name = lane.name ?? "project";
  const waits = lane.waits.map((wait) => {
    const look = WAITS[wait.cause] ?? { word: wait.cause, tone: "idle" };
    const long = duration((wait.until ?? Date.now()) - wait.since);
    return bar(
      wait.since,
      wait.until,
      { class: "wait-bar", data: { tone: look.tone, cause: wait.cause } },
      `${name} waited: ${look.word}, ${long}`,
      () => [
        h("strong", null, name),
        h("span", null, `waited for ${look.word.toLowerCase()}`),
        h(
          "span",
          { class: "muted" },
          `${long}, from ${exactTime(wait.since)}${wait.until ? ` to ${exactTime(wait.until)}` : ", still"}`,
        ),
      ],
    );
  });
  const attempts = lane.attempts.map((attempt) => {
    const look = attemptLook(attempt.end);
    const long = duration((attempt.ended ?? Date.now()) - attempt.started);
    return bar(
      attempt.started,
      attempt.ended,
      { class: "attempt-bar", data: { tone: look.tone } },
      `${name}, attempt ${attempt.attempt}: ${look.word}, ${long}`,
      () => [
        h("strong", null, name),
        `attempt ${attempt.attempt}`,
        attemptBadge(attempt.end),
        h("span", { class: "muted", title: moment(attempt.started) }, `${long}, from ${exactTime(attempt.started)}`),
        attempt.steps.map((step) =>
          h(
            "span",
            { class: "mono small" },
            `${step.step} ${step.kind} ${step.duration_ms === undefined ? "" : duration(step.duration_ms)}${step.exit === undefined ? "" : ` exit ${step.exit}`}`,
          ),
        ),
        attempt.failure && h("span", { class: "tone-bad wrap-anywhere" }, attempt.failure.message),
        h("a", { href: taskHref(project, name) }, "Open the task"),
      ],
      later(attempt),
    );
  });
  return h(
    "div",
    { class: "timeline-row" },
    h(
      "span",
      { class: "timeline-label clip" },
      lane.name ? h("a", { href: taskHref(project, lane.name), title: lane.name }, lane.name) : h("strong", null, "project"),
    ),
    h("span", { class: "timeline-lane" }, waits, attempts),
  );
}

function legend() {
  /** @type {[string, string, string][]} */
  const entries = [
    ["attempt-bar", "good", "completed"],
    ["attempt-bar", "bad", "failed"],
    ["attempt-bar", "active", "running"],
    ["attempt-bar step-legend", "good", "checks and merge"],
    ...Object.values(WAITS)
      .filter(({ word }) => ["Worker", "Backoff", "Provider", "Approval", "Signal", "Doubt"].includes(word))
      .map(({ word, tone }) => /** @type {[string, string, string]} */ (["wait-bar", tone, word.toLowerCase()])),
  ];
  return h(
    "ul",
    { class: "legend", "aria-label": "Colours" },
    entries.map(([shape, tone, word]) => h("li", null, h("i", { class: shape, data: { tone, cause: word } }), word)),
  );
}
