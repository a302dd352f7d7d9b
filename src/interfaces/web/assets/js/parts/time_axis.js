/**
 * An axis of time with round steps.
 *
 * @typedef {{from: number, to: number}} Span
 */
import { h } from "../core/dom.js";
import { duration } from "../core/format.js";

const LABEL_WIDTH = 200;
const LEAST_LABEL = 96;
const STEP_WIDTH = 90;
const STEPS = [
  10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10_000, 15_000, 30_000, 60_000, 120_000, 300_000, 600_000, 1_800_000, 3_600_000,
  7_200_000, 21_600_000, 43_200_000, 86_400_000, 604_800_000,
];

/**
 * How wide lanes are.
 *
 * @param {number} room
 * @param {number} zoom
 */
export function laneWidth(room, zoom) {
  const label = room < 560 ? LEAST_LABEL : LABEL_WIDTH;
  return Math.max(120, room - label - 18) * zoom;
}

/**
 * Where a moment stands, in hundredths of the span.
 *
 * @param {Span} span
 * @param {number} at
 */
export function share({ from, to }, at) {
  return (100 * (Math.min(Math.max(at, from), to) - from)) / (to - from);
}

/**
 * @param {Span} span
 * @param {number} width
 */
export function axis(span, width) {
  const long = span.to - span.from;
  const step = STEPS.find((one) => (one * width) / long >= STEP_WIDTH) ?? long;
  const marks = [];
  for (let at = 0; at <= long && marks.length < 600; at += step) {
    marks.push(
      h(
        "span",
        { class: "tick", style: { left: `${(100 * at) / long}%` } },
        at === 0 ? "0" : `+${duration(at).replace(".0s", "s")}`,
      ),
    );
  }
  return h("span", { class: "timeline-axis", "aria-hidden": "true" }, marks);
}
