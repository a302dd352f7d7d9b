/** What the checks said: validations of the workflow, checks that an agent ran, and the verdict of a tester or reviewer. */
import { fill, h } from "../core/dom.js";
import { duration, exactTime } from "../core/format.js";
import { get, path } from "../core/http.js";
import { gently } from "../core/scope.js";
import { isGreen, transcriptOf } from "../model/transcript.js";
import { badge } from "../parts/badge.js";
import { loading } from "../parts/loading.js";
import { taskHref } from "../parts/task_summary.js";
import { terminalText } from "../parts/terminal.js";
import { valueView, verdictBadge } from "../parts/value.js";

const LEAST_MS = 1500;

/** @typedef {{title: string, at: number, took?: number, green: boolean | null, text: string, shown?: string, href?: string, failure?: string}} Check */

/** @type {import("../pages/task.js").TaskTab} */
export function testsTab(place, { model, name }, scope) {
  const body = h("div", { class: "stack" });
  place.append(body);
  const ask = async () => {
    const task = model.task(name);
    const [timeline, calls] = await Promise.all([
      get(path(["projects", model.id, "tasks", name, "attempts"]), scope.signal),
      task?.action === "agent" && task.attempt > 0 ? transcriptOf(model.id, name, null, scope.signal) : [],
    ]);
    return [...stepChecks(model.id, name, timeline), ...callChecks(calls)].sort((a, b) => b.at - a.at);
  };
  const show = (/** @type {Check[]} */ checks) => {
    const output = model.task(name)?.output;
    const verdict = output && typeof output === "object" && typeof output.verdict === "string" ? output : null;
    if (checks.length === 0 && !verdict)
      return h(
        "div",
        { class: "empty panel" },
        h("strong", null, "No checks"),
        "Validations of the workflow and checks of the repository stand here as soon as they run for this task.",
      );
    return [
      verdict &&
        h(
          "section",
          { class: "panel" },
          h("header", null, h("h2", null, "Verdict"), verdictBadge(verdict.verdict)),
          h("div", { class: "body" }, valueView({ ...verdict, verdict: undefined })),
        ),
      checks.map((check, at) => checkPanel(check, at === 0)),
    ];
  };
  loading(body, scope, ask, show);
  const refresh = gently(
    scope,
    async () => {
      const answer = await ask();
      if (!scope.over) fill(body, show(answer));
    },
    LEAST_MS,
  );
  model.read((record) => {
    if (record.task === name) refresh();
  }, scope);
}

/**
 * @param {string} project
 * @param {string} task
 * @param {import("../model/types.js").Timeline} timeline
 * @returns {Check[]}
 */
function stepChecks(project, task, timeline) {
  return timeline.attempts.flatMap((attempt) =>
    attempt.steps
      .filter((step) => step.kind === "check" || step.kind === "merge")
      .map((step) => ({
        title: `${step.kind === "merge" ? "Merge gate" : `Validation ${step.step}`} of attempt ${attempt.attempt}`,
        at: step.started,
        took: step.duration_ms,
        green: step.ended === undefined ? null : !step.failure && (step.kind !== "merge" || step.merged?.merged !== false),
        text: "",
        shown: step.shown,
        failure: step.failure?.message,
        href: step.log_bytes ? `${taskHref(project, task, "output")}?attempt=${attempt.attempt}&step=${step.step}` : undefined,
      })),
  );
}

/**
 * @param {import("../model/types.js").TranscriptEntry[]} calls
 * @returns {Check[]}
 */
function callChecks(calls) {
  return calls
    .filter((call) => call.kind === "check")
    .map((call) => ({
      title: `Checks of the repository, call ${call.ix}`,
      at: call.began,
      took: call.duration_ms,
      green: call.end.is === "open" ? null : isGreen(call),
      text: call.text,
      failure: call.end.failure?.message,
    }));
}

/** @param {Check} check @param {boolean} open */
function checkPanel(check, open) {
  const look =
    check.green === null
      ? { word: "Running", tone: /** @type {const} */ ("active"), icon: /** @type {const} */ ("run") }
      : check.green
        ? { word: "Green", tone: /** @type {const} */ ("good"), icon: /** @type {const} */ ("check") }
        : { word: "Red", tone: /** @type {const} */ ("bad"), icon: /** @type {const} */ ("cross") };
  return h(
    "details",
    { class: "panel check-panel", open: open || check.green === false },
    h(
      "summary",
      null,
      badge(look),
      h("strong", null, check.title),
      h("span", { class: "muted push" }, check.took !== undefined && `${duration(check.took)} · `, exactTime(check.at)),
    ),
    check.failure && h("div", { class: "callout", data: { tone: "bad" } }, h("p", { class: "wrap-anywhere" }, check.failure)),
    check.shown && h("code", { class: "check-shown" }, check.shown),
    check.text && terminalText(check.text, check.title),
    check.href && h("p", { class: "check-link" }, h("a", { href: check.href }, "The whole output")),
  );
}
