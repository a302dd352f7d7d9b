/** What was spent, added up over time, with the cap as a line. */
import { h, s } from "../core/dom.js";
import { duration } from "../core/format.js";
import { DIMENSIONS, isCapped } from "./meter.js";

const WIDTH = 560;
const HEIGHT = 190;
const LEFT = 62;
const BOTTOM = 24;
const TOP = 12;
const LINES = 4;
/** Further away a cap is told in words: the line of what was spent would lie on the ground. */
const CAP_IN_SIGHT = 4;

/**
 * @param {{at: number, usd_micros: number, tokens: number}[]} spent
 * @param {"usd_micros" | "tokens"} what
 * @param {import("../model/project.js").ProjectModel} model
 */
export function spendingChart(spent, what, model) {
  if (spent.length === 0) return h("p", { class: "empty" }, "No model was called.");
  const { show } = DIMENSIONS[what];
  const from = model.view.project.created;
  const to = Math.max(model.ended ? model.view.project.changed : Date.now(), from + 1);
  let sum = 0;
  const points = spent.map((one) => ({ at: one.at, sum: (sum += one[what]) }));
  const budget = model.budgets().find(({ name }) => name === what);
  const cap = budget && isCapped(budget) ? /** @type {number} */ (budget.cap) : null;
  const isNear = cap !== null && cap <= sum * CAP_IN_SIGHT;
  const top = round(Math.max(1, sum, isNear ? cap : 0));
  const x = (/** @type {number} */ at) => LEFT + ((WIDTH - LEFT - 8) * (at - from)) / (to - from);
  const y = (/** @type {number} */ value) => TOP + (HEIGHT - TOP - BOTTOM) * (1 - value / top);
  const line = [
    `M${x(from)} ${y(0)}`,
    ...points.flatMap((point, at) => [`H${x(point.at).toFixed(1)}`, `V${y(points[at].sum).toFixed(1)}`]),
    `H${x(to)}`,
  ].join("");
  const label = `${show(sum)} in ${duration(to - from)}${cap === null ? "" : `, of a cap of ${show(cap)}`}`;
  return h(
    "figure",
    { class: "chart" },
    s(
      "svg",
      { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, role: "img", "aria-label": label },
      Array.from({ length: LINES + 1 }, (_, at) => {
        const value = (top * at) / LINES;
        return [
          s("line", { class: "chart-grid", x1: LEFT, x2: WIDTH - 8, y1: y(value), y2: y(value) }),
          s("text", { class: "chart-label", x: LEFT - 8, y: y(value) + 4, "text-anchor": "end" }, show(Math.round(value))),
        ];
      }),
      [0, 0.5, 1].map((part) =>
        s(
          "text",
          {
            class: "chart-label",
            x: x(from + (to - from) * part),
            y: HEIGHT - 6,
            "text-anchor": part === 0 ? "start" : part === 1 ? "end" : "middle",
          },
          part === 0 ? "start" : `+${duration((to - from) * part)}`,
        ),
      ),
      s("path", { class: "chart-area", d: `${line}V${y(0)}Z` }),
      s("path", { class: "chart-line", d: line }),
      isNear && [
        s("line", { class: "chart-cap", x1: LEFT, x2: WIDTH - 8, y1: y(cap), y2: y(cap) }),
        s("text", { class: "chart-label", x: WIDTH - 12, y: y(cap) - 5, "text-anchor": "end" }, `cap ${show(cap)}`),
      ],
    ),
    h("figcaption", { class: "small muted" }, label),
  );
}

/**
 * The next round number above.
 *
 * @param {number} value
 */
function round(value) {
  const unit = 10 ** Math.floor(Math.log10(value));
  const factor = [1, 2, 4, 5, 8, 10].find((one) => one * unit >= value) ?? 10;
  return factor * unit;
}
