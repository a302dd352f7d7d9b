/** Questions that wait for a person, each with what is needed to decide: what was done, what changed, what checks said, what it cost. */
import { announce } from "../core/announce.js";
import { dueTime, sinceTime } from "../core/clock.js";
import { fill, h, keyed } from "../core/dom.js";
import { plural } from "../core/format.js";
import { get, path } from "../core/http.js";
import { Stream } from "../core/live.js";
import { setQuery } from "../core/router.js";
import { gently } from "../core/scope.js";
import { shortcuts } from "../core/shortcuts.js";
import { decision } from "../parts/decision.js";
import { evidence } from "../parts/evidence.js";
import { icon } from "../parts/icons.js";
import { problem } from "../parts/problem.js";
import { taskHref } from "../parts/task_summary.js";

/** @typedef {import("../model/types.js").Approval} Approval */

/** @type {import("../core/router.js").Page} */
export function approvalsPage(main, place, scope) {
  document.title = "Approvals · wfctl";
  const list = h("ul", { class: "approval-list panel", hidden: true });
  const detail = h("section", { class: "approval-detail", "aria-label": "The chosen question" });
  const rest = h("div", null);
  main.append(
    h("div", { class: "page-head" }, h("h1", null, "Approvals")),
    rest,
    h("div", { class: "approval-area" }, list, detail),
  );
  /** @type {Approval[]} */
  let approvals = [];
  let chosen = keyOf({ project: /** @type {any} */ ({ id: place.query.get("project") ?? "" }), task: place.query.get("task") });
  let drawn = "";
  let inner = scope.inner();

  const choose = (/** @type {Approval | null} */ approval) => {
    chosen = approval ? keyOf(approval) : "";
    setQuery({ project: approval?.project.id ?? null, task: approval?.task ?? null });
    show();
  };
  const show = () => {
    list.hidden = approvals.length === 0;
    keyed(list, approvals, {
      key: keyOf,
      signature: (approval) => `${JSON.stringify(approval)}${keyOf(approval) === chosen}`,
      render: (approval) => entry(approval, keyOf(approval) === chosen, () => choose(approval)),
    });
    const approval = approvals.find((one) => keyOf(one) === chosen) ?? null;
    const now = approval ? `${chosen}${approval.ask}` : "";
    if (now === drawn) return;
    drawn = now;
    inner.end();
    inner = scope.inner();
    fill(
      detail,
      approval &&
        question(approval, inner, async () => {
          chosen = "";
          await load();
          document.dispatchEvent(new Event("approvals-changed"));
        }),
    );
  };
  const load = async () => {
    try {
      approvals = (await get("/api/v1/approvals", scope.signal)).approvals;
      if (scope.over) return;
      if (!approvals.some((one) => keyOf(one) === chosen)) {
        const before = chosen;
        chosen = approvals[0] ? keyOf(approvals[0]) : "";
        if (before && chosen) announce("The question was answered; the next one is shown");
      }
      fill(
        rest,
        approvals.length === 0 &&
          h(
            "div",
            { class: "empty panel" },
            icon("check"),
            h("strong", null, "Nothing waits for you"),
            "Questions of workflows and agents stand here as soon as one is asked.",
          ),
      );
      show();
    } catch (error) {
      if (!scope.over) fill(rest, problem(error, load));
    }
  };
  const step = (/** @type {number} */ by) => {
    const at = approvals.findIndex((one) => keyOf(one) === chosen);
    const to = approvals[Math.min(Math.max(at + by, 0), approvals.length - 1)];
    if (to) choose(to);
  };
  shortcuts(
    "Approvals",
    [
      ["j", "Next question", () => step(1)],
      ["k", "Previous question", () => step(-1)],
      ["c", "Write a comment", () => /** @type {HTMLElement | null} */ (detail.querySelector("textarea"))?.focus()],
    ],
    scope,
  );
  new Stream(scope, () => path(["events"]), { record: gently(scope, load, 900), again: load });
  load();
}

/** @param {{project: {id: string}, task: string | null}} approval */
function keyOf({ project, task }) {
  return `${project.id}\n${task ?? ""}`;
}

/**
 * @param {Approval} approval
 * @param {boolean} isChosen
 * @param {() => void} choose
 */
function entry(approval, isChosen, choose) {
  return h(
    "li",
    null,
    h(
      "button",
      { class: "approval-entry", type: "button", "aria-current": isChosen ? "true" : undefined, on: { click: choose } },
      h("strong", { class: "approval-ask" }, approval.ask),
      h("span", { class: "small muted wrap-anywhere" }, approval.project.id, approval.task ? ` · ${approval.task}` : " · gate"),
      h(
        "span",
        { class: "small muted" },
        "for ",
        sinceTime(approval.since),
        approval.due && [", answers itself ", dueTime(approval.due)],
      ),
    ),
  );
}

/**
 * @param {Approval} approval
 * @param {import("../core/scope.js").Scope} scope
 * @param {() => Promise<void>} answered
 */
function question(approval, scope, answered) {
  const { project, task } = approval;
  const { parts, byAgent } = decision({ project: project.id, task, answered });
  return h(
    "div",
    { class: "stack" },
    h(
      "div",
      { class: "panel" },
      h(
        "div",
        { class: "body stack" },
        h(
          "p",
          { class: "small muted" },
          h("a", { href: `/projects/${encodeURIComponent(project.id)}` }, project.id),
          task ? [" · ", h("a", { href: taskHref(project.id, task) }, task)] : " · gate of the phase",
          " · asked ",
          sinceTime(approval.since),
          " ago",
          approval.due && [" · answers itself ", dueTime(approval.due)],
        ),
        h("h2", { class: "question" }, approval.ask),
        parts,
      ),
    ),
    evidence(project.id, task, scope, byAgent),
    h("p", { class: "visually-hidden", role: "status" }, plural(1, "question")),
  );
}
