/** Conversations of agents. */
import { get, path } from "../core/http.js";

/** @typedef {import("./types.js").TranscriptEntry} Entry */

/**
 * All of a conversation.
 *
 * @param {string} project
 * @param {string} task
 * @param {number | null} attempt `null`: the last
 * @param {AbortSignal} signal
 * @returns {Promise<Entry[]>}
 */
export async function transcriptOf(project, task, attempt, signal) {
  /** @type {Entry[]} */
  const entries = [];
  /** @type {number | null} */
  let from = 0;
  while (from !== null) {
    const page = await get(path(["projects", project, "tasks", task, "transcript"], { attempt, from }), signal);
    entries.push(...page.entries);
    from = page.next;
  }
  return entries;
}

/**
 * Whether checks were green: their report begins with what became of them.
 *
 * @param {Entry} call
 */
export function isGreen(call) {
  return call.end.is === "done" && !/\b(red|failed|FAILED|failing)\b/.test(call.text.split("\n", 1)[0]);
}
