/** What speaks for and against a decision: reports of those who tested and reviewed, changed files, cost so far. */
import { h } from "../core/dom.js";
import { count, money, short } from "../core/format.js";
import { get, path } from "../core/http.js";
import { sentence } from "../model/status.js";
import { diffStat, diffView } from "./diff.js";
import { loading } from "./loading.js";
import { taskHref } from "./task_summary.js";
import { valueView, verdictBadge } from "./value.js";

const MOST_REPORTS = 6;

/**
 * @param {string} project
 * @param {string | null} task
 * @param {import("../core/scope.js").Scope} scope
 * @param {() => void} byAgent called when it is an agent that asks, and wants words
 */
export function evidence(project, task, scope, byAgent) {
  const reports = h("div", { class: "stack" });
  const changes = h("div", { class: "body" });
  const cost = h("div", { class: "body" });
  const ask = (/** @type {string} */ what) => () => get(path(["projects", project, what]), scope.signal);
  loading(
    reports,
    scope,
    () => get(path(["projects", project]), scope.signal),
    (view) => {
      if (view.tasks.some((/** @type {any} */ one) => one.name === task && one.action === "agent")) byAgent();
      return reportsOf(view, task);
    },
  );
  loading(changes, scope, ask("diff"), (diff) => [
    h("div", { class: "row wrap" }, diffStat(diff)),
    diffView(diff, { closed: diff.files.length > 4 }),
  ]);
  loading(cost, scope, ask("cost"), costOf);
  const panel = (/** @type {string} */ title, /** @type {HTMLElement} */ body) =>
    h("section", { class: "panel" }, h("header", null, h("h2", null, title)), body);
  return h("div", { class: "stack" }, reports, panel("Cost so far", cost), panel("Changes", changes));
}

/**
 * What the tasks said that the question builds on, those with a verdict first.
 *
 * @param {import("../model/types.js").ProjectView} view
 * @param {string | null} task
 */
function reportsOf(view, task) {
  const asked = view.tasks.find((one) => one.name === task);
  const needs = new Set(asked?.needs ?? []);
  const told = view.tasks.filter(
    (one) => one.output && typeof one.output === "object" && one.name !== task && one.status === "COMPLETED",
  );
  const weight = (/** @type {import("../model/types.js").TaskView} */ one) =>
    (needs.has(one.name) ? 2 : 0) + (typeof one.output.verdict === "string" ? 1 : 0);
  const chosen = told
    .filter((one) => weight(one) > 0)
    .sort((a, b) => weight(b) - weight(a) || (b.ended ?? 0) - (a.ended ?? 0))
    .slice(0, MOST_REPORTS);
  const failed = view.tasks.filter((one) => one.status === "FAILED");
  return [
    failed.length > 0 &&
      h(
        "div",
        { class: "callout", data: { tone: "bad" } },
        failed.map((one) =>
          h(
            "p",
            { class: "wrap-anywhere" },
            h("a", { href: taskHref(view.project.id, one.name) }, one.name),
            ` failed: ${one.failure?.message ?? ""}`,
          ),
        ),
      ),
    chosen.map((one) => {
      const { verdict, ...rest } = one.output;
      return h(
        "section",
        { class: "panel" },
        h(
          "header",
          null,
          h("h2", null, h("a", { href: taskHref(view.project.id, one.name) }, one.name)),
          typeof verdict === "string" && verdictBadge(verdict),
          h("span", { class: "muted push" }, one.role ?? sentence(one.phase)),
        ),
        h("div", { class: "body" }, valueView(verdict === undefined || typeof verdict === "string" ? rest : one.output)),
      );
    }),
  ];
}

/** @param {import("../model/types.js").Cost} cost */
function costOf({ total, caps }) {
  const of = (/** @type {string} */ used, /** @type {string | null} */ cap) => (cap ? `${used} of ${cap}` : used);
  return h(
    "dl",
    { class: "facts" },
    h("dt", null, "Money"),
    h("dd", null, of(money(total.usd_micros), caps.usd_micros === null ? null : money(caps.usd_micros))),
    h("dt", null, "Tokens"),
    h("dd", null, of(short(total.input_tokens + total.output_tokens), caps.tokens === null ? null : short(caps.tokens))),
    h("dt", null, "Model calls"),
    h("dd", null, count(total.calls), total.failed > 0 && `, ${total.failed} failed`),
  );
}
