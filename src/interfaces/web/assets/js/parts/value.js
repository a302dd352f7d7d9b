/** Data that agents and commands gave, laid out for reading: a verdict as a badge, a list as a list, the rest as it is. */
import { h } from "../core/dom.js";
import { sentence } from "../model/status.js";
import { badge } from "./badge.js";

const DEPTH = 5;
const LONG_TEXT = 90;

/** @type {Record<string, import("../model/status.js").Look>} */
const VERDICTS = {
  pass: { word: "Pass", tone: "good", icon: "check" },
  approve: { word: "Approve", tone: "good", icon: "check" },
  ok: { word: "OK", tone: "good", icon: "check" },
  fail: { word: "Fail", tone: "bad", icon: "cross" },
  reject: { word: "Reject", tone: "bad", icon: "cross" },
  request_changes: { word: "Changes requested", tone: "wait", icon: "retry" },
  changes: { word: "Changes requested", tone: "wait", icon: "retry" },
};

/**
 * @param {any} value
 * @returns {Node}
 */
export function valueView(value) {
  return view(value, 0);
}

/**
 * A verdict as a badge.
 *
 * @param {string} verdict
 */
export function verdictBadge(verdict) {
  return badge(VERDICTS[verdict] ?? { word: sentence(verdict), tone: "idle", icon: "dot" });
}

/**
 * @param {any} value
 * @param {number} depth
 * @returns {Node}
 */
function view(value, depth) {
  if (value === null || value === undefined) return h("span", { class: "muted" }, "none");
  if (typeof value === "boolean") return h("span", null, value ? "yes" : "no");
  if (typeof value === "number") return h("span", null, value);
  if (typeof value === "string") return text(value);
  if (depth >= DEPTH) return h("pre", { class: "code-block" }, JSON.stringify(value, null, 2));
  if (Array.isArray(value)) {
    if (value.length === 0) return h("span", { class: "muted" }, "none");
    return h(
      "ol",
      { class: "value-list" },
      value.map((item) => h("li", null, view(item, depth + 1))),
    );
  }
  const entries = Object.entries(value).filter(([, item]) => item !== undefined);
  if (entries.length === 0) return h("span", { class: "muted" }, "empty");
  return h(
    "dl",
    { class: "value-fields" },
    entries.map(([name, item]) => [
      h("dt", null, sentence(name)),
      h("dd", null, name === "verdict" && typeof item === "string" ? verdictBadge(item) : view(item, depth + 1)),
    ]),
  );
}

/** @param {string} value */
function text(value) {
  if (value === "") return h("span", { class: "muted" }, "empty");
  if (value.includes("\n")) return h("pre", { class: "value-text" }, value.trimEnd());
  return value.length > LONG_TEXT ? h("p", { class: "wrap-anywhere" }, value) : h("span", { class: "wrap-anywhere" }, value);
}
