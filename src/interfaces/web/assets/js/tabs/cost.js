/** What the project's models cost: in all, against its caps, over time, and by role, model, phase and task. */
import { fill, h } from "../core/dom.js";
import { count, duration, money, short } from "../core/format.js";
import { get, path } from "../core/http.js";
import { gently } from "../core/scope.js";
import { kindOf } from "../model/record_words.js";
import { loading } from "../parts/loading.js";
import { DIMENSIONS, isCapped, meter } from "../parts/meter.js";
import { spendingChart } from "../parts/spending_chart.js";

const PAGE = 1000;
const MOST_PAGES = 40;
const KINDS = ["CallFinished", "CallUncertain"];

/** @typedef {{at: number, usd_micros: number, tokens: number}} Spent */

/** @type {import("../pages/project.js").Tab} */
export function costTab(place, model, scope) {
  const body = h("div", { class: "stack" });
  place.append(body);
  const ask = async () => {
    const [cost, spent] = await Promise.all([
      get(path(["projects", model.id, "cost"], { children: true }), scope.signal),
      spending(model, scope),
    ]);
    return { cost, spent };
  };
  const show = (/** @type {{cost: import("../model/types.js").Cost, spent: Spent[]}} */ { cost, spent }) => {
    const free = cost.total.usd_micros === 0;
    return [
      h(
        "div",
        { class: "cost-tiles" },
        tile("Money", money(cost.total.usd_micros), free && cost.total.calls > 0 ? "no priced calls" : ""),
        tile(
          "Tokens in",
          short(cost.total.input_tokens),
          `${share(cost.total.cached_tokens, cost.total.input_tokens)} from caches`,
        ),
        tile(
          "Tokens out",
          short(cost.total.output_tokens),
          cost.total.reasoning_tokens ? `${short(cost.total.reasoning_tokens)} reasoning` : "",
        ),
        tile(
          "Model calls",
          count(cost.total.calls),
          [cost.total.failed && `${cost.total.failed} failed`, cost.total.uncertain && `${cost.total.uncertain} uncertain`]
            .filter(Boolean)
            .join(", ") || "none failed",
        ),
      ),
      h(
        "div",
        { class: "cost-grid" },
        h(
          "section",
          { class: "panel" },
          h("header", null, h("h2", null, "Budget")),
          h("div", { class: "body" }, budgetTable(model)),
        ),
        h(
          "section",
          { class: "panel" },
          h("header", null, h("h2", null, free ? "Tokens over time" : "Money over time")),
          h("div", { class: "body" }, spendingChart(spent, free ? "tokens" : "usd_micros", model)),
        ),
        table("By role", "Role", cost.roles, free),
        table("By model", "Model", cost.models, free),
        table("By phase", "Phase", cost.phases, free),
        table("By task", "Task", cost.tasks, free),
      ),
      cost.children > 0 &&
        h("p", { class: "muted" }, `${cost.children} child projects are counted too; caps are those of this project alone.`),
    ];
  };
  loading(body, scope, ask, show);
  const refresh = gently(
    scope,
    async () => {
      const answer = await ask();
      if (!scope.over) fill(body, show(answer));
    },
    3000,
  );
  model.read((record) => {
    if (KINDS.includes(kindOf(record.event)[0])) refresh();
  }, scope);
}

/**
 * What each call used, from the journal.
 *
 * @param {import("../model/project.js").ProjectModel} model
 * @param {import("../core/scope.js").Scope} scope
 * @returns {Promise<Spent[]>}
 */
async function spending(model, scope) {
  const records = (await Promise.all(KINDS.map((kind) => recordsOf(model, kind, scope)))).flat();
  return records
    .map((record) => {
      const [, body] = kindOf(record.event);
      const used = body.outcome?.usage ?? body.charged;
      return {
        at: record.at,
        usd_micros: used?.usd_micros ?? 0,
        tokens: used?.tokens ?? (used ? used.input_tokens + used.output_tokens : 0),
      };
    })
    .filter(({ tokens, usd_micros }) => tokens + usd_micros > 0)
    .sort((a, b) => a.at - b.at);
}

/**
 * @param {import("../model/project.js").ProjectModel} model
 * @param {string} kind
 * @param {import("../core/scope.js").Scope} scope
 * @returns {Promise<import("../model/types.js").RecordView[]>}
 */
async function recordsOf(model, kind, scope) {
  const found = [];
  let next = 0;
  for (let page = 0; page < MOST_PAGES && next !== null; page += 1) {
    const answer = await get(path(["projects", model.id, "records"], { kind, from: next, limit: PAGE }), scope.signal);
    found.push(...answer.records);
    next = answer.next;
  }
  return found;
}

/** @param {string} name @param {string} value @param {string | false} detail */
function tile(name, value, detail) {
  return h(
    "div",
    { class: "panel tile" },
    h("span", { class: "muted" }, name),
    h("strong", null, value),
    h("span", { class: "small muted" }, detail),
  );
}

/** @param {import("../model/project.js").ProjectModel} model */
function budgetTable(model) {
  return h(
    "table",
    { class: "grid-table" },
    h(
      "thead",
      null,
      h(
        "tr",
        null,
        ["What", "Used", "Reserved", "Cap"].map((name, at) => h("th", { scope: "col", class: at ? "number" : "" }, name)),
      ),
    ),
    h(
      "tbody",
      null,
      model.budgets().map((budget) => {
        const { word, show } = DIMENSIONS[budget.name];
        return h(
          "tr",
          null,
          h("td", { class: "grow" }, word, isCapped(budget) && meter(budget)),
          h("td", { class: "number" }, show(budget.spent)),
          h("td", { class: "number" }, budget.reserved ? show(budget.reserved) : h("span", { class: "muted" }, "–")),
          h(
            "td",
            { class: "number" },
            isCapped(budget) ? show(/** @type {number} */ (budget.cap)) : h("span", { class: "muted" }, "none"),
          ),
        );
      }),
    ),
  );
}

/**
 * @param {string} title
 * @param {string} noun
 * @param {import("../model/types.js").CostRow[]} rows
 * @param {boolean} free nothing has a price: tokens are compared
 */
function table(title, noun, rows, free) {
  const weight = (/** @type {import("../model/types.js").Tally} */ used) =>
    free ? used.input_tokens + used.output_tokens : used.usd_micros;
  const most = Math.max(1, ...rows.map(({ used }) => weight(used)));
  const timed = rows.some((row) => row.latency);
  return h(
    "section",
    { class: "panel" },
    h("header", null, h("h2", null, title)),
    rows.length === 0
      ? h("p", { class: "empty" }, "No model was called.")
      : h(
          "div",
          { class: "scroll-x", tabindex: 0, role: "region", "aria-label": title },
          h(
            "table",
            { class: "grid-table" },
            h(
              "thead",
              null,
              h(
                "tr",
                null,
                [noun, "Money", "Tokens", "Calls", ...(timed ? ["Median"] : [])].map((name, at) =>
                  h("th", { scope: "col", class: at ? "number" : "" }, name),
                ),
              ),
            ),
            h(
              "tbody",
              null,
              rows.map(({ name, used, latency }) =>
                h(
                  "tr",
                  null,
                  h(
                    "td",
                    { class: "grow bar-cell" },
                    h("span", { class: "wrap-anywhere" }, name),
                    h("span", { class: "bar", style: { width: `${(100 * weight(used)) / most}%` } }),
                  ),
                  h("td", { class: "number" }, money(used.usd_micros)),
                  h("td", { class: "number" }, short(used.input_tokens + used.output_tokens)),
                  h(
                    "td",
                    { class: "number" },
                    count(used.calls),
                    used.failed > 0 && h("span", { class: "tone-bad" }, ` (${used.failed} failed)`),
                  ),
                  timed && h("td", { class: "number" }, latency ? duration(latency.median_ms) : ""),
                ),
              ),
            ),
          ),
        ),
  );
}

/** @param {number} part @param {number} whole */
function share(part, whole) {
  return `${whole ? Math.round((100 * part) / whole) : 0} %`;
}
