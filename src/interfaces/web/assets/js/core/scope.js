/** What lives as long as a page: everything it owns ends when the page is left. */
import { Problem } from "./http.js";

const MOST_PAUSE_MS = 10_000;

export class Scope {
  constructor() {
    this.controller = new AbortController();
    /** @type {(() => void)[]} */
    this.ends = [];
    /** @type {Set<number>} */
    this.timers = new Set();
  }

  /** Aborted when the scope ends; for requests and listeners. */
  get signal() {
    return this.controller.signal;
  }

  /** Whether it has ended: an answer that comes later is of no use. */
  get over() {
    return this.controller.signal.aborted;
  }

  /**
   * Runs `end` when the scope ends.
   *
   * @param {() => void} end
   */
  own(end) {
    if (this.over) end();
    else this.ends.push(end);
  }

  /**
   * Calls `act` after `ms`, unless the scope ends before.
   *
   * @param {number} ms
   * @param {() => void} act
   */
  after(ms, act) {
    if (this.over) return;
    const timer = setTimeout(() => {
      this.timers.delete(timer);
      act();
    }, ms);
    this.timers.add(timer);
  }

  /**
   * Calls `tick` every `ms` while the page is seen.
   *
   * @param {number} ms
   * @param {() => void} tick
   */
  every(ms, tick) {
    const timer = setInterval(() => {
      if (!document.hidden) tick();
    }, ms);
    this.own(() => clearInterval(timer));
  }

  /** A scope that ends with this one, or before. */
  inner() {
    const inner = new Scope();
    this.own(() => inner.end());
    return inner;
  }

  /** Ends it. */
  end() {
    if (this.over) return;
    this.controller.abort();
    for (const timer of this.timers) clearTimeout(timer);
    for (const end of this.ends.splice(0).reverse()) end();
  }
}

/**
 * Calls `work` soon after `ask`, never twice at once, and not more often than it can bear: after work that took long it
 * waits longer.
 *
 * @param {Scope} scope
 * @param {() => Promise<void>} work
 * @param {number} least milliseconds between two runs
 */
export function gently(scope, work, least) {
  let wanted = false;
  let busy = false;
  let last = 0;
  let pause = least;
  const run = async () => {
    wanted = false;
    busy = true;
    const began = performance.now();
    try {
      await work();
    } catch (error) {
      // What is shown stays, and the next change asks again; whether the server is there is told by the stream.
      if (!scope.over && !(error instanceof Problem)) reportError(error);
    } finally {
      busy = false;
      last = performance.now();
      // A machine that slept in between says nothing of how long the work takes.
      pause = Math.min(Math.max(least, 3 * (last - began)), MOST_PAUSE_MS);
      const again = wanted;
      wanted = false;
      if (again) ask();
    }
  };
  const ask = () => {
    if (busy || scope.over) {
      wanted = true;
      return;
    }
    if (wanted) return;
    wanted = true;
    const wait = Math.max(60, last + pause - performance.now());
    scope.after(wait, run);
  };
  return ask;
}
