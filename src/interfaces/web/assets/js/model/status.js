/**
 * States of projects and tasks as people see them: a word, a tone, a shape. Never a colour alone.
 *
 * @typedef {"idle" | "active" | "good" | "bad" | "wait" | "doubt"} Tone
 * @typedef {{word: string, tone: Tone, icon: import("../parts/icons.js").IconName}} Look
 */

/** @type {Record<string, Look>} */
const TASK = {
  PENDING: { word: "Pending", tone: "idle", icon: "dot" },
  READY: { word: "Ready", tone: "idle", icon: "queue" },
  RUNNING: { word: "Running", tone: "active", icon: "run" },
  VALIDATING: { word: "Validating", tone: "active", icon: "run" },
  COMPLETED: { word: "Completed", tone: "good", icon: "check" },
  BACKOFF: { word: "Waiting to retry", tone: "wait", icon: "retry" },
  AWAITING_APPROVAL: { word: "Awaiting approval", tone: "wait", icon: "person" },
  AWAITING_SIGNAL: { word: "Awaiting signal", tone: "wait", icon: "hourglass" },
  IN_DOUBT: { word: "In doubt", tone: "doubt", icon: "question" },
  DEBUGGING: { word: "Being repaired", tone: "wait", icon: "wrench" },
  FAILED: { word: "Failed", tone: "bad", icon: "cross" },
  SKIPPED: { word: "Skipped", tone: "idle", icon: "skip" },
  CANCELLED: { word: "Cancelled", tone: "idle", icon: "stop" },
};

/** @type {Record<string, Look>} */
const PROJECT = {
  NEW: { word: "New", tone: "active", icon: "run" },
  AWAITING_APPROVAL: { word: "Awaiting approval", tone: "wait", icon: "person" },
  PAUSED: { word: "Paused", tone: "wait", icon: "pause" },
  CANCELLING: { word: "Cancelling", tone: "wait", icon: "stop" },
  DONE: { word: "Done", tone: "good", icon: "check" },
  FAILED: { word: "Failed", tone: "bad", icon: "cross" },
  CANCELLED: { word: "Cancelled", tone: "idle", icon: "stop" },
};

/** @type {Record<string, Look>} */
const ATTEMPT = {
  running: { word: "Running", tone: "active", icon: "run" },
  completed: { word: "Completed", tone: "good", icon: "check" },
  failed: { word: "Failed", tone: "bad", icon: "cross" },
  interrupted: { word: "Interrupted", tone: "wait", icon: "retry" },
  parked: { word: "Parked", tone: "wait", icon: "hourglass" },
  cancelled: { word: "Cancelled", tone: "idle", icon: "stop" },
};

/** What a merge is at, by the words of the merge list. @type {Record<string, Look>} */
const MERGE = {
  waiting: { word: "In the queue", tone: "active", icon: "queue" },
  merged: { word: "Merged", tone: "good", icon: "check" },
  conflict: { word: "Conflict", tone: "wait", icon: "wrench" },
  validation: { word: "Checks red", tone: "bad", icon: "cross" },
  failed: { word: "Failed", tone: "bad", icon: "cross" },
};

/** @type {Record<string, {word: string, tone: Tone}>} */
export const WAITS = {
  worker: { word: "Worker", tone: "idle" },
  backoff: { word: "Backoff", tone: "wait" },
  exhausted: { word: "No attempt left", tone: "bad" },
  parked: { word: "Provider", tone: "doubt" },
  approval: { word: "Approval", tone: "wait" },
  signal: { word: "Signal", tone: "active" },
  time: { word: "Time", tone: "active" },
  child: { word: "Sub-tasks", tone: "idle" },
  doubt: { word: "Doubt", tone: "doubt" },
  paused: { word: "Paused", tone: "wait" },
};

export const ENDED = new Set(["DONE", "FAILED", "CANCELLED"]);
export const HELD = new Set(["PAUSED", "AWAITING_APPROVAL"]);
export const TASK_ENDED = new Set(["COMPLETED", "FAILED", "SKIPPED", "CANCELLED"]);

/** @param {string} status @returns {Look} */
export function taskLook(status) {
  return TASK[status] ?? { word: sentence(status), tone: "idle", icon: "dot" };
}

/** @param {string} status @returns {Look} */
export function projectLook(status) {
  return PROJECT[status] ?? { word: sentence(status), tone: "active", icon: "run" };
}

/** @param {string} end @returns {Look} */
export function attemptLook(end) {
  return ATTEMPT[end] ?? { word: sentence(end), tone: "idle", icon: "dot" };
}

/** @param {string} state @returns {Look} */
export function mergeLook(state) {
  return MERGE[state] ?? { word: sentence(state), tone: "idle", icon: "dot" };
}

/**
 * `AWAITING_SIGNAL` as "Awaiting signal".
 *
 * @param {string} name
 */
export function sentence(name) {
  const words = name.replaceAll("_", " ").toLowerCase();
  return words.charAt(0).toUpperCase() + words.slice(1);
}
