/** Records of the journal in one line each, in the words that `wfctl events` has. */
import { duration, moment, count } from "../core/format.js";

/**
 * @typedef {"project" | "task" | "step" | "call" | "outside"} Group
 * @typedef {{kind: string, group: Group, tone: import("./status.js").Tone, text: string}} Said
 * @typedef {(name: number) => string} NameOf
 */

/** Kinds by what they are about: the filter of the journal. @type {Record<Group, {word: string, kinds: string[]}>} */
export const GROUPS = {
  project: {
    word: "Project",
    kinds: [
      "Created",
      "PhaseEntered",
      "GateAsked",
      "GateAnswered",
      "Held",
      "Released",
      "BudgetRaised",
      "CancelRequested",
      "Closed",
      "TasksAdded",
      "UndoPlanned",
      "Recovered",
    ],
  },
  task: {
    word: "Tasks",
    kinds: [
      "Expanded",
      "BranchOpened",
      "TaskReady",
      "TaskStarted",
      "TaskValidating",
      "TaskAwaits",
      "TaskAnswered",
      "TaskCompleted",
      "TaskBackoff",
      "TaskExhausted",
      "TaskFailed",
      "TaskSkipped",
      "TaskCancelled",
      "TaskInDoubt",
      "DoubtSettled",
      "TaskRetried",
      "TaskParked",
    ],
  },
  step: { word: "Steps", kinds: ["StepStarted", "StepFinished", "StepInterrupted", "Diverged"] },
  call: { word: "Calls", kinds: ["CallStarted", "CallFinished", "CallUncertain"] },
  outside: { word: "Outside", kinds: ["SignalReceived", "LeaseTaken", "LeaseRenewed", "LeaseExpired", "Refused"] },
};

/** @type {Map<string, Group>} */
const GROUP_OF = new Map(
  Object.entries(GROUPS).flatMap(([group, { kinds }]) => kinds.map((kind) => [kind, /** @type {Group} */ (group)])),
);

/**
 * The kind of a record and what it holds.
 *
 * @param {any} event
 * @returns {[string, any]}
 */
export function kindOf(event) {
  if (typeof event === "string") return [event, {}];
  const [kind, body] = Object.entries(event)[0] ?? ["", {}];
  return [kind, body];
}

/**
 * @param {any} actor
 * @returns {string}
 */
export function actorWords(actor) {
  if (typeof actor === "string") return actor;
  const [kind, name] = Object.entries(actor)[0] ?? ["", ""];
  return kind === "user" ? String(name) : `${kind}:${name}`;
}

/**
 * @param {any} event
 * @param {NameOf} nameOf names of tasks by their index
 * @returns {Said}
 */
export function say(event, nameOf) {
  const [kind, body] = kindOf(event);
  const [tone, text] = (WORDS[kind] ?? (() => ["idle", kind]))(body, nameOf);
  return { kind, group: GROUP_OF.get(kind) ?? "project", tone, text };
}

/** @param {import("./types.js").Failure} failure */
export function failureWords(failure) {
  return `${failure.message} (${failure.class})`;
}

/** @param {any} result */
function ending(result) {
  return result?.Err ? failureWords(result.Err) : "ok";
}

/** @param {string} what @param {string} [comment] */
function said(what, comment) {
  return comment ? `${what}: ${comment}` : what;
}

/** @param {number | null | undefined} due */
function until(due) {
  return due ? ` (until ${moment(due)})` : "";
}

/** @param {any} what */
function awaited(what) {
  const [kind, body] = kindOf(what);
  switch (kind) {
    case "Approval":
      return `approval: ${body.ask}`;
    case "Signal":
      return `signal ${body.name}`;
    case "Time":
      return "a time";
    case "External":
      return `a worker of queue ${body.queue}`;
    case "Child":
      return `child project ${body.project}`;
    default:
      return "its items";
  }
}

/** @param {any} reason @param {NameOf} nameOf */
function held(reason, nameOf) {
  const [kind, body] = kindOf(reason);
  switch (kind) {
    case "Person":
      return said("by a person", body.comment);
    case "Exhausted":
      return `no attempt is left for ${nameOf(body.task)} (${body.class})`;
    case "Budget":
      return `the budget of ${body.dimension} is used up`;
    case "Disk":
      return "the disk is nearly full";
    default:
      return `the engine keeps dying in ${nameOf(body.task)}`;
  }
}

/** @param {any} body */
function recovered({ read_back, run_again, probed, in_doubt }) {
  const parts = [
    [read_back, "read back"],
    [run_again, "run again"],
    [probed, "looked for"],
    [in_doubt, "in doubt"],
  ]
    .filter(([steps]) => steps > 0)
    .map(([steps, what]) => `${steps} ${what}`);
  return `taken over by a new engine: ${parts.length ? parts.join(", ") : "no step was open"}`;
}

/** @type {Record<string, (body: any, nameOf: NameOf) => [import("./status.js").Tone, string]>} */
const WORDS = {
  Created: (b) => ["idle", `created from workflow ${b.workflow}`],
  PhaseEntered: (b) => {
    const back = kindOf(b.cause)[1]?.from;
    return back ? ["wait", `phase ${b.phase}, back from ${back} (round ${b.round})`] : ["active", `phase ${b.phase}`];
  },
  GateAsked: (b) => ["wait", `asks: ${b.ask}${until(b.due)}`],
  GateAnswered: (b) => [b.decision === "Approved" ? "good" : "bad", said(b.decision.toLowerCase(), b.comment)],
  Held: (b, nameOf) => ["wait", `paused: ${held(b.reason, nameOf)}`],
  Released: (b) => ["active", said("goes on", b.comment)],
  BudgetRaised: () => ["active", "budget raised"],
  CancelRequested: (b) => ["wait", said(b.undo ? "cancel, with undo" : "cancel, without undo", b.comment)],
  Closed: (b) => [b.status === "DONE" ? "good" : b.status === "FAILED" ? "bad" : "idle", said(b.status, b.reason)],
  TasksAdded: (b) => ["active", `tasks added to phase ${b.phase}`],
  UndoPlanned: (b, nameOf) => ["wait", `undo of ${b.tasks.map(nameOf).join(", ")}`],
  SignalReceived: (b) => ["active", `signal ${b.name} arrived`],
  Refused: (b) => ["wait", `${b.what} refused: ${b.why}`],
  Recovered: (b) => ["active", recovered(b)],
  Expanded: (b) => ["idle", `${b.count} items`],
  BranchOpened: (b) => ["wait", `branch ${b.branch} opened to repair: ${failureWords(b.failure)}`],
  TaskReady: () => ["idle", "ready"],
  TaskStarted: (b) => ["active", b.attempt > 1 ? `started, attempt ${b.attempt}` : "started"],
  StepStarted: (b) => ["idle", `step ${b.step} begins (${b.effect})${b.shown ? `: ${b.shown}` : ""}`],
  StepFinished: (b) => [
    b.outcome.result?.Err ? "bad" : "idle",
    `step ${b.step} ended after ${duration(b.outcome.duration_ms)}: ${ending(b.outcome.result)}`,
  ],
  StepInterrupted: (b) => ["wait", `step ${b.step} interrupted: ${b.crashed ? "the engine died" : "the engine stopped"}`],
  Diverged: (b) => ["wait", `step ${b.step} is no longer the one that was recorded`],
  TaskValidating: () => ["active", "validating"],
  TaskAwaits: (b) => ["wait", `waits for ${awaited(b.what)}${until(b.due)}`],
  TaskAnswered: (b) => [
    b.result?.Err ? "bad" : "good",
    said(b.result?.Err ? `answered: ${failureWords(b.result.Err)}` : "answered", b.comment),
  ],
  TaskCompleted: () => ["good", "completed"],
  TaskBackoff: (b) => ["wait", `attempt ${b.attempt} failed, next in ${duration(b.delay_ms)}: ${failureWords(b.failure)}`],
  TaskExhausted: (b) => ["bad", `attempt ${b.attempt} failed, none is left: ${failureWords(b.failure)}`],
  TaskFailed: (b) => ["bad", `failed${b.tolerated ? " (tolerated)" : ""}: ${failureWords(b.failure)}`],
  TaskSkipped: (b, nameOf) => {
    const [kind, reason] = kindOf(b.reason);
    return ["idle", `skipped: ${kind === "Condition" ? "its condition is false" : `${nameOf(reason.task)} did not complete`}`];
  },
  TaskCancelled: () => ["idle", "cancelled"],
  TaskInDoubt: (b) => ["doubt", `in doubt: nobody knows whether step ${b.step} happened`],
  DoubtSettled: (b) => ["active", `doubt settled: ${b.answer}`],
  TaskRetried: () => ["active", "a new series of attempts"],
  TaskParked: (b) => ["wait", `parked ${b.due ? `until ${moment(b.due)}` : "until someone resumes"}: ${failureWords(b.failure)}`],
  CallStarted: (b) => ["idle", `call ${b.call.ix}: ${b.call.kind} ${b.call.label} ${b.call.shown}`.trimEnd()],
  CallFinished: (b) => {
    const usage = b.outcome.usage;
    const used = usage
      ? `; ${count(usage.input_tokens)} + ${count(usage.output_tokens)} tokens${usage.estimated ? ", estimated" : ""}`
      : "";
    return [
      b.outcome.result?.Err ? "bad" : "idle",
      `call ${b.call} ended after ${duration(b.outcome.duration_ms)}: ${ending(b.outcome.result)}${used}`,
    ];
  },
  CallUncertain: (b) => ["wait", `call ${b.call} is uncertain: charged ${count(b.charged.tokens)} tokens, to be sent again`],
  LeaseTaken: (b) => ["active", `taken by ${b.worker}${until(b.until)}`],
  LeaseRenewed: (b) => ["idle", `its worker is alive${until(b.until)}`],
  LeaseExpired: () => ["wait", "its worker was silent for too long"],
};
