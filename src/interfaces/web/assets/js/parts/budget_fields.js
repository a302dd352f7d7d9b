/** Caps of a budget as fields of a form. */
import { h } from "../core/dom.js";
import { Problem } from "../core/http.js";
import { field } from "./field.js";

/** @type {[name: string, label: string, factor: number, hint: string][]} */
const FIELDS = [
  ["usd_micros", "US dollars", 1_000_000, ""],
  ["tokens", "Tokens", 1, ""],
  ["calls", "Steps", 1, ""],
  ["wall_ms", "Hours", 3_600_000, ""],
];

/**
 * @param {string} legend
 * @param {string} hint
 */
export function budgetFields(legend, hint) {
  const fields = FIELDS.map(([name, label]) => field({ label, name, type: "number" }));
  const root = h(
    "fieldset",
    { class: "stack tight" },
    h("legend", null, legend),
    h("p", { class: "small muted" }, hint),
    h("div", { class: "field-grid" }, fields),
  );
  return { root, fields };
}

/**
 * The caps that were given; `undefined` when none was.
 *
 * @param {FormData} data
 * @param {ReturnType<typeof field>[]} fields
 */
export function readBudget(data, fields) {
  /** @type {Record<string, number>} */
  const caps = {};
  FIELDS.forEach(([name, label, factor], at) => {
    const text = String(data.get(name) ?? "").trim();
    const value = Number(text);
    const isFine = Number.isFinite(value) && value >= 0;
    fields[at].fault(isFine ? "" : "This must be a number, zero or more.");
    if (!isFine) throw new Problem({ status: 0, title: "a cap that is no number", detail: `${label}: ${text}` });
    if (text !== "") caps[name] = Math.round(value * factor);
  });
  return Object.keys(caps).length ? caps : undefined;
}
