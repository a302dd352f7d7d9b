/** The conversation of an agent: prompt, replies, tools, checks, questions, artifacts, commits. Grows while it runs. */
import { toastProblem } from "../core/announce.js";
import { fill, h, keyed } from "../core/dom.js";
import { bytes, count, duration, exactTime, money, plural } from "../core/format.js";
import { get, path } from "../core/http.js";
import { gently } from "../core/scope.js";
import { failureWords } from "../model/record_words.js";
import { isGreen, transcriptOf } from "../model/transcript.js";
import { icon } from "../parts/icons.js";
import { problem } from "../parts/problem.js";
import { taskHref } from "../parts/task_summary.js";
import { terminalText } from "../parts/terminal.js";
import { attemptLinks } from "./task_attempts.js";

const LEAST_MS = 700;
const SHORT_LINES = 12;

/** @typedef {import("../model/types.js").TranscriptEntry} Entry */

/** @type {Record<string, {word: string, icon: import("../parts/icons.js").IconName}>} */
const KINDS = {
  prompt: { word: "Prompt", icon: "file" },
  model: { word: "Reply", icon: "model" },
  compact: { word: "Summary", icon: "model" },
  tool: { word: "Tool", icon: "wrench" },
  check: { word: "Checks", icon: "check" },
  ask: { word: "Question", icon: "person" },
  artifact: { word: "Artifact", icon: "file" },
  commit: { word: "Commit", icon: "commit" },
  embed: { word: "Vectors", icon: "model" },
};

/** @type {import("../pages/task.js").TaskTab} */
export function conversationTab(place, { model, name, attempt }, scope) {
  const list = h("ol", { class: "conversation" });
  const writing = h("div", { class: "entry writing", hidden: true });
  const total = h("span", { class: "muted", role: "status" });
  const rest = h("div", null);
  place.append(
    h(
      "div",
      { class: "filters" },
      attemptLinks(model.task(name)?.attempt ?? 0, attempt, (at) => `${taskHref(model.id, name, "conversation")}?attempt=${at}`),
      total,
      h(
        "div",
        { class: "row push" },
        h("button", { class: "button small", type: "button", on: { click: () => unfold(list, true) } }, "Open all"),
        h("button", { class: "button small", type: "button", on: { click: () => unfold(list, false) } }, "Close all"),
      ),
    ),
    list,
    writing,
    rest,
  );
  /** What is being written: the call, its words so far, and whether some of them were missed. */
  const live = { call: -1, attempt: 0, text: "", next: 0 };
  const load = async () => {
    try {
      const entries = await transcriptOf(model.id, name, attempt, scope.signal);
      if (scope.over) return;
      fill(rest);
      total.textContent = summary(entries);
      if (entries.some((entry) => entry.ix === live.call && entry.end.is !== "open")) {
        live.call = -1;
        writing.hidden = true;
      }
      keyed(
        list,
        entries.map((entry, at) => ({ entry, at })),
        {
          key: ({ entry, at }) => `${entry.ix}/${at}`,
          signature: ({ entry }) => `${entry.end.is}/${entry.text.length}`,
          render: ({ entry, at }) => entryView(entry, () => whole(at)),
        },
      );
    } catch (error) {
      if (scope.over) return;
      fill(
        rest,
        /** @type {any} */ (error).code === "WF0017"
          ? h("div", { class: "empty panel" }, h("strong", null, "No conversation yet"), "It stands here from the first call on.")
          : problem(error, load),
      );
    }
  };
  const whole = async (/** @type {number} */ at) =>
    (await get(path(["projects", model.id, "tasks", name, "transcript"], { attempt, from: at, full: true }), scope.signal))
      .entries[0];
  const refresh = gently(scope, load, LEAST_MS);
  model.read((record) => {
    if (record.task === name) refresh();
  }, scope);
  model.listen((delta) => {
    const shown = attempt ?? model.task(name)?.attempt;
    if (delta.task !== name || (shown && delta.attempt !== shown)) return;
    if (delta.call !== live.call || delta.attempt !== live.attempt || delta.at < live.next) {
      // Another call, or the same one made again.
      Object.assign(live, { call: delta.call, attempt: delta.attempt, text: "", next: 0 });
    }
    live.text += (delta.at > live.next ? "\u2026" : "") + delta.text;
    live.next = delta.at + [...delta.text].length;
    writing.hidden = false;
    fill(
      writing,
      h(
        "div",
        { class: "entry-head" },
        icon("model", "tone-active"),
        h("strong", null, "Reply"),
        h("span", { class: "muted" }, "is being written"),
      ),
      h("div", { class: "entry-text" }, live.text),
    );
  }, scope);
  load();
}

/** @param {Entry[]} entries */
function summary(entries) {
  const calls = entries.filter((entry) => entry.usage);
  const sum = (/** @type {(usage: NonNullable<Entry["usage"]>) => number} */ of) =>
    calls.reduce((total, entry) => total + of(/** @type {NonNullable<Entry["usage"]>} */ (entry.usage)), 0);
  const usd = sum((usage) => usage.usd_micros);
  return [
    plural(entries.length, "call"),
    `${count(sum((usage) => usage.input_tokens))} tokens in`,
    `${count(sum((usage) => usage.output_tokens))} out`,
    usd ? money(usd) : "",
  ]
    .filter(Boolean)
    .join(" · ");
}

/** @param {HTMLElement} list @param {boolean} open */
function unfold(list, open) {
  for (const details of /** @type {NodeListOf<HTMLDetailsElement>} */ (list.querySelectorAll("details"))) details.open = open;
}

/**
 * @param {Entry} entry
 * @param {() => Promise<Entry>} whole the same with nothing cut
 * @returns {HTMLElement}
 */
function entryView(entry, whole) {
  const kind = KINDS[entry.kind] ?? { word: entry.kind, icon: "dot" };
  const failed = entry.end.is === "failed" || (entry.kind === "check" && entry.end.is === "done" && !isGreen(entry));
  const tone =
    entry.end.is === "open"
      ? "active"
      : failed
        ? "bad"
        : entry.end.is === "uncertain"
          ? "wait"
          : entry.kind === "check"
            ? "good"
            : "idle";
  const numbers = [
    entry.duration_ms !== undefined && duration(entry.duration_ms),
    entry.usage && `${count(entry.usage.input_tokens)} in, ${count(entry.usage.output_tokens)} out`,
    entry.usage?.usd_micros ? money(entry.usage.usd_micros) : "",
  ]
    .filter(Boolean)
    .join(" · ");
  const states = {
    open: "running",
    failed: "failed",
    uncertain: "uncertain: charged, sent again",
    dropped: "cut off, made again",
    done: "",
  };
  const state =
    entry.kind === "check" && entry.end.is === "done"
      ? failed
        ? "red"
        : "green"
      : (states[/** @type {keyof typeof states} */ (entry.end.is)] ?? entry.end.is);
  const root = h(
    "li",
    { class: "entry", data: { kind: entry.kind, tone } },
    h(
      "div",
      { class: "entry-head" },
      icon(failed ? "cross" : kind.icon, `tone-${tone}`),
      h("strong", null, kind.word),
      h("span", { class: "mono wrap-anywhere" }, entry.label),
      state && h("span", { class: `tone-${tone}` }, state),
      h("span", { class: "muted small push" }, numbers, numbers && " · ", exactTime(entry.began)),
    ),
    entry.shown && entry.kind !== "prompt" && h("code", { class: "entry-shown" }, entry.shown),
    entry.end.failure && h("p", { class: "tone-bad wrap-anywhere" }, failureWords(entry.end.failure)),
    entryText(entry),
    (entry.calls ?? []).map((call) =>
      h(
        "div",
        { class: "entry-call" },
        icon("right", "muted"),
        h("strong", { class: "mono" }, call.name),
        argumentsView(call.arguments),
      ),
    ),
    entry.cut_from &&
      h(
        "div",
        { class: "row small muted" },
        `Cut: it is ${bytes(entry.cut_from)} long.`,
        h(
          "button",
          {
            class: "button small",
            type: "button",
            on: {
              click: async () => {
                try {
                  root.replaceChildren(...entryView(await whole(), whole).childNodes);
                  for (const details of root.querySelectorAll("details")) details.open = true;
                } catch (error) {
                  toastProblem(error);
                }
              },
            },
          },
          "Show all of it",
        ),
      ),
  );
  return root;
}

/** @param {Entry} entry */
function entryText(entry) {
  const text = entry.text.trimEnd();
  if (!text) return null;
  const lines = text.split("\n").length;
  const isOutput = entry.kind === "tool" || entry.kind === "check";
  const content = isOutput ? terminalText(text, `${entry.label}, call ${entry.ix}`) : h("div", { class: "entry-text" }, text);
  const isLong = lines > SHORT_LINES || entry.kind === "prompt";
  if (!isLong) return content;
  return h("details", { open: entry.kind === "model" }, h("summary", { class: "muted" }, plural(lines, "line")), content);
}

/** @param {string} text */
function argumentsView(text) {
  let shown = text;
  try {
    const value = JSON.parse(text);
    const entries = Object.entries(value);
    if (entries.every(([, item]) => typeof item !== "string" || !item.includes("\n")))
      return h(
        "code",
        { class: "wrap-anywhere" },
        entries.map(([name, item]) => `${name}: ${typeof item === "string" ? item : JSON.stringify(item)}`).join(", "),
      );
    shown = entries.map(([name, item]) => `${name}: ${typeof item === "string" ? item : JSON.stringify(item)}`).join("\n");
  } catch {
    // Not JSON: shown as the model wrote it.
  }
  return h(
    "details",
    null,
    h("summary", { class: "muted" }, `arguments, ${plural(shown.split("\n").length, "line")}`),
    h("pre", { class: "code-block", tabindex: 0 }, shown),
  );
}
