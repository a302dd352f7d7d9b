/** How much of a cap is used. */
import { h } from "../core/dom.js";
import { count, duration, money, short } from "../core/format.js";

/** @type {Record<string, {word: string, show: (value: number) => string}>} */
export const DIMENSIONS = {
  usd_micros: { word: "Money", show: money },
  tokens: { word: "Tokens", show: short },
  calls: { word: "Steps", show: count },
  wall_ms: { word: "Wall time", show: duration },
};

/** Above this a number means "no cap": what a person gives who wants no limit. */
const OUT_OF_REACH = 2 ** 53;

/** @typedef {{name: string, cap: number | null, spent: number, reserved: number}} Budget */

/** @param {Budget} budget */
export function isCapped({ cap }) {
  return cap !== null && cap !== undefined && cap < OUT_OF_REACH;
}

/** @param {Budget} budget */
export function meter({ name, cap, spent, reserved }) {
  const { word, show } = DIMENSIONS[name];
  const share = (/** @type {number} */ value) => Math.min(100, (100 * value) / Math.max(1, cap ?? 0));
  const used = share(spent);
  const tone = used >= 100 ? "bad" : used >= 80 ? "wait" : undefined;
  const label = `${word}: ${show(spent)} of ${show(cap ?? 0)} used${reserved ? `, ${show(reserved)} reserved` : ""}`;
  return h(
    "div",
    { class: "meter", role: "img", "aria-label": label, title: label, data: { tone } },
    h("span", { style: { width: `${used}%` } }),
    h("span", { class: "reserved", style: { width: `${Math.min(100 - used, share(reserved))}%` } }),
  );
}
