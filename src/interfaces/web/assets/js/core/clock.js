/** Times on the page that go on by themselves. */
import { h } from "./dom.js";
import { ago, coarse, duration, moment } from "./format.js";

const TICK_MS = 1000;

/**
 * "3m ago", kept true.
 *
 * @param {number} at
 */
export function agoTime(at) {
  return h("time", { datetime: new Date(at).toISOString(), title: moment(at), data: { ago: at } }, ago(at));
}

/**
 * "for 3m", kept true.
 *
 * @param {number} since
 */
export function sinceTime(since) {
  return h("time", { datetime: new Date(since).toISOString(), title: `since ${moment(since)}`, data: { since } }, lasting(since));
}

/**
 * In whole seconds, so that it does not flicker.
 *
 * @param {number} since
 */
function lasting(since) {
  const seconds = Math.max(0, Math.floor((Date.now() - since) / 1000));
  return seconds < 10 ? `${seconds}s` : duration(seconds * 1000);
}

/**
 * "in 3m", kept true.
 *
 * @param {number} due
 */
export function dueTime(due) {
  return h("time", { datetime: new Date(due).toISOString(), title: moment(due), data: { due } }, until(due));
}

/** @param {number} due */
function until(due) {
  const ms = due - Date.now();
  return ms > 0 ? `in ${coarse(ms)}` : "now";
}

/** Begins to keep them true. */
export function startClock() {
  setInterval(() => {
    if (document.hidden) return;
    for (const node of /** @type {NodeListOf<HTMLElement>} */ (
      document.querySelectorAll("time[data-ago], time[data-since], time[data-due]")
    )) {
      const { ago: then, since, due } = node.dataset;
      const text = then ? ago(Number(then)) : since ? lasting(Number(since)) : until(Number(due));
      if (node.textContent !== text) node.textContent = text;
    }
  }, TICK_MS);
}
