/**
 * One project as the page knows it: the server's view of it, kept up by the live stream. A record changes a task's state at
 * once; everything else follows from asking for the view again, gently.
 */
import { get, path } from "../core/http.js";
import { Stream } from "../core/live.js";
import { gently } from "../core/scope.js";
import { kindOf } from "./record_words.js";
import { ENDED } from "./status.js";

const LEAST_MS = 700;
const BURST_MS = 50;

/** The state that a record puts its task in. @type {Record<string, string>} */
const STATUS_AFTER = {
  TaskReady: "READY",
  TaskStarted: "RUNNING",
  TaskValidating: "VALIDATING",
  TaskCompleted: "COMPLETED",
  TaskBackoff: "BACKOFF",
  TaskExhausted: "BACKOFF",
  TaskFailed: "FAILED",
  TaskSkipped: "SKIPPED",
  TaskCancelled: "CANCELLED",
  TaskInDoubt: "IN_DOUBT",
  BranchOpened: "DEBUGGING",
};

/** @param {any} what it waits for */
function awaiting(what) {
  return kindOf(what)[0] === "Approval" ? "AWAITING_APPROVAL" : "AWAITING_SIGNAL";
}

export class ProjectModel {
  /**
   * @param {string} id
   * @param {import("../core/scope.js").Scope} scope
   */
  constructor(id, scope) {
    this.id = id;
    this.scope = scope;
    /** @type {import("./types.js").ProjectView} */
    this.view = /** @type {any} */ (null);
    /** @type {import("./types.js").Reason[]} */
    this.reasons = [];
    this.telling = false;
    /** How often each phase was entered. @type {Map<string, number>} */
    this.rounds = new Map();
    /** @type {Set<() => void>} */
    this.watchers = new Set();
    /** @type {Set<(record: import("./types.js").RecordView) => void>} */
    this.readers = new Set();
    /** @type {Set<(delta: any) => void>} */
    this.listeners = new Set();
    /** Asks for everything again, soon. */
    this.refresh = gently(scope, () => this.load(), LEAST_MS);
  }

  /** Loads it for the first time and begins to follow it. */
  async open() {
    const entered = path(["projects", this.id, "records"], { kind: "PhaseEntered", limit: 500 });
    await this.load();
    const { records } = await get(entered, this.scope.signal);
    for (const record of records) this.enter(record.event);
    this.changed();
    if (this.scope.over || this.ended) return;
    const from = this.view.seq;
    new Stream(this.scope, (last) => path(["projects", this.id, "events"], { from: last ?? from }), {
      record: (record) => this.take(record),
      delta: (delta) => this.listeners.forEach((listener) => listener(delta)),
      ended: () => this.refresh(),
      again: () => this.refresh(),
    });
  }

  /** Whether it has reached its end. */
  get ended() {
    return ENDED.has(this.view.project.status);
  }

  /**
   * The name of a task.
   *
   * @param {number} ix
   */
  nameOf(ix) {
    return this.view.tasks[ix]?.name ?? `task ${ix}`;
  }

  /** @param {string} name */
  task(name) {
    return this.view.tasks.find((task) => task.name === name) ?? null;
  }

  /** Caps and what is used of each, those that are set. */
  budgets() {
    const { caps, ledger, project } = this.view;
    const end = this.ended ? project.changed : Date.now();
    const of = (/** @type {"calls" | "tokens" | "usd_micros"} */ name) => ({
      name,
      cap: caps[name],
      spent: ledger.spent[name],
      reserved: ledger.reserved[name],
    });
    const wall = { name: /** @type {const} */ ("wall_ms"), cap: caps.wall_ms, spent: end - project.created, reserved: 0 };
    return [of("usd_micros"), of("tokens"), of("calls"), wall];
  }

  /**
   * Calls `watcher` after each change, and for the first time now.
   *
   * @param {() => void} watcher
   * @param {import("../core/scope.js").Scope} scope
   */
  watch(watcher, scope) {
    this.watchers.add(watcher);
    scope.own(() => this.watchers.delete(watcher));
    watcher();
  }

  /**
   * Calls `reader` with each record that comes.
   *
   * @param {(record: import("./types.js").RecordView) => void} reader
   * @param {import("../core/scope.js").Scope} scope
   */
  read(reader, scope) {
    this.readers.add(reader);
    scope.own(() => this.readers.delete(reader));
  }

  /**
   * Calls `listener` with each piece of a model's reply while it is written.
   *
   * @param {(delta: any) => void} listener
   * @param {import("../core/scope.js").Scope} scope
   */
  listen(listener, scope) {
    this.listeners.add(listener);
    scope.own(() => this.listeners.delete(listener));
  }

  async load() {
    // In this order: reasons that are older than the view would stay, for the stream only brings what comes after it.
    const view = await get(path(["projects", this.id]), this.scope.signal);
    const why = await get(path(["projects", this.id, "why"]), this.scope.signal);
    if (this.scope.over) return;
    this.view = view;
    this.reasons = why.reasons;
    this.changed();
  }

  changed() {
    for (const watcher of this.watchers) watcher();
  }

  /** @param {import("./types.js").RecordView} record */
  take(record) {
    this.enter(record.event);
    // The view may be ahead of the stream: then what the record says stands in it, and only readers of records want it.
    if (record.seq > this.view.seq) this.apply(record);
    for (const reader of this.readers) reader(record);
    this.refresh();
  }

  /** @param {import("./types.js").RecordView} record */
  apply(record) {
    const [kind, body] = kindOf(record.event);
    const task = this.view.tasks[body.task];
    const status = kind === "TaskAwaits" ? awaiting(body.what) : STATUS_AFTER[kind];
    if (!task || !status || task.status === status) return;
    this.view.tasks[body.task] = { ...task, status, since: record.at, waits_for: null };
    // Records come in bursts; pages are told once for each.
    if (this.telling) return;
    this.telling = true;
    this.scope.after(BURST_MS, () => {
      this.telling = false;
      this.changed();
    });
  }

  /** @param {any} event */
  enter(event) {
    const [kind, body] = kindOf(event);
    if (kind === "PhaseEntered") this.rounds.set(body.phase, Math.max(body.round, this.rounds.get(body.phase) ?? 0));
  }
}
