/** The attempts of a task, newest first, each with its steps. */
import { agoTime, sinceTime } from "../core/clock.js";
import { fill, h } from "../core/dom.js";
import { bytes, count, duration, exactTime, money, plural } from "../core/format.js";
import { get, path } from "../core/http.js";
import { gently } from "../core/scope.js";
import { WAITS } from "../model/status.js";
import { attemptBadge } from "../parts/badge.js";
import { icon } from "../parts/icons.js";
import { loading } from "../parts/loading.js";
import { taskHref } from "../parts/task_summary.js";

const LEAST_MS = 1200;

/** @type {import("../pages/task.js").TaskTab} */
export function attemptsTab(place, { model, name }, scope) {
  const body = h("div", { class: "stack" });
  place.append(body);
  const ask = () => get(path(["projects", model.id, "tasks", name, "attempts"]), scope.signal);
  const show = (/** @type {import("../model/types.js").Timeline} */ { attempts, waits }) => {
    if (attempts.length === 0 && waits.length === 0)
      return h(
        "div",
        { class: "empty panel" },
        h("strong", null, "It has not started"),
        "Attempts stand here as soon as one begins.",
      );
    return [
      [...attempts].reverse().map((attempt) => attemptPanel(model.id, name, attempt)),
      waits.length > 0 &&
        h(
          "section",
          { class: "panel" },
          h("header", null, h("h2", null, "Waits")),
          h(
            "div",
            { class: "scroll-x", tabindex: 0, role: "region", "aria-label": "Waits" },
            h(
              "table",
              { class: "grid-table" },
              h(
                "thead",
                null,
                h(
                  "tr",
                  null,
                  ["For", "From", "Long"].map((head) => h("th", { scope: "col" }, head)),
                ),
              ),
              h(
                "tbody",
                null,
                waits.map((wait) =>
                  h(
                    "tr",
                    null,
                    h("td", { class: "grow" }, WAITS[wait.cause]?.word ?? wait.cause),
                    h("td", { class: "nowrap muted" }, exactTime(wait.since)),
                    h("td", { class: "nowrap" }, wait.until ? duration(wait.until - wait.since) : sinceTime(wait.since)),
                  ),
                ),
              ),
            ),
          ),
        ),
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
 * @param {import("../model/types.js").AttemptRow} attempt
 */
function attemptPanel(project, task, attempt) {
  return h(
    "section",
    { class: "panel", "aria-label": `Attempt ${attempt.attempt}` },
    h(
      "header",
      null,
      h("h2", null, `Attempt ${attempt.attempt}`),
      attemptBadge(attempt.end),
      h("span", { class: "muted" }, attempt.ended ? duration(attempt.ended - attempt.started) : sinceTime(attempt.started)),
      h("span", { class: "muted push" }, agoTime(attempt.started)),
    ),
    attempt.failure &&
      !attempt.steps.some((step) => step.failure?.message === attempt.failure?.message) &&
      h(
        "div",
        { class: "callout", data: { tone: "bad" } },
        h("p", { class: "wrap-anywhere" }, attempt.failure.message),
        h("p", { class: "small" }, "class ", h("code", null, attempt.failure.class)),
      ),
    attempt.steps.length === 0
      ? h("p", { class: "empty" }, "No step has begun.")
      : h(
          "ol",
          { class: "steps" },
          attempt.steps.map((step) => stepRow(project, task, attempt, step)),
        ),
  );
}

/**
 * @param {string} project
 * @param {string} task
 * @param {import("../model/types.js").AttemptRow} attempt
 * @param {import("../model/types.js").Step} step
 */
function stepRow(project, task, attempt, step) {
  const running = step.ended === undefined && attempt.end === "running";
  const tone = step.failure ? "bad" : running ? "active" : step.ended === undefined ? "wait" : "good";
  const shape = step.failure ? "cross" : running ? "run" : step.ended === undefined ? "question" : "check";
  const used = step.used;
  const words = [
    step.exit !== undefined && step.exit !== null && `exit ${step.exit}`,
    used?.tokens && `${count(used.tokens)} tokens`,
    used?.usd_micros && money(used.usd_micros),
    typeof step.took?.cpu_ms === "number" && `${duration(step.took.cpu_ms)} of processor`,
    step.took?.memory_bytes && `${bytes(step.took.memory_bytes)} of memory`,
    step.took?.memory_kills && "ended at the bound of memory",
    step.tree && `tree ${step.tree.slice(0, 8)}`,
  ]
    .filter(Boolean)
    .join(" · ");
  const log = `${taskHref(project, task, "output")}?attempt=${attempt.attempt}&step=${step.step}`;
  return h(
    "li",
    { class: "step" },
    icon(shape, `tone-${tone}`),
    h("span", { class: "visually-hidden" }, running ? "running: " : step.failure ? "failed: " : "ended: "),
    h(
      "div",
      { class: "stack tight" },
      h(
        "div",
        { class: "row wrap" },
        h("strong", null, `${step.step} ${step.kind}`),
        h("span", { class: "muted" }, step.effect),
        words && h("span", { class: "muted" }, words),
      ),
      step.shown && h("code", { class: "step-shown" }, step.shown),
      step.failure && h("p", { class: "tone-bad wrap-anywhere" }, `${step.failure.message} (${step.failure.class})`),
    ),
    h(
      "div",
      { class: "push row" },
      (step.log_bytes || running) &&
        h(
          "a",
          { class: "button small", href: log },
          "Output",
          step.log_bytes ? h("span", { class: "muted" }, bytes(step.log_bytes)) : null,
        ),
      h(
        "span",
        { class: "muted number" },
        step.duration_ms !== undefined ? duration(step.duration_ms) : running ? sinceTime(step.started) : "",
      ),
    ),
  );
}

/**
 * Links to each attempt, where there are several.
 *
 * @param {number} last
 * @param {number | null} chosen
 * @param {(attempt: number) => string} href
 */
export function attemptLinks(last, chosen, href) {
  if (last < 2) return null;
  const shown = chosen ?? last;
  return h(
    "nav",
    { class: "row wrap", "aria-label": plural(last, "attempt") },
    h("span", { class: "muted" }, "Attempt"),
    Array.from({ length: last }, (_, at) =>
      h("a", { class: "button small", href: href(at + 1), "aria-current": at + 1 === shown ? "true" : undefined }, at + 1),
    ),
  );
}
