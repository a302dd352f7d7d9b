/**
 * The live stream of records (server-sent events). The browser reconnects by itself and names the last record it has; where
 * it gives up, this does.
 *
 * @typedef {"connecting" | "live" | "lost" | "resting" | "ended"} State
 */

const RETRY_MS = 3000;
const REST_AFTER_MS = 20_000;

/** @type {Set<(state: State, since: number) => void>} */
const watchers = new Set();
/** @type {Stream | null} The stream whose state is shown. */
let shown = null;

/**
 * Calls `watcher` whenever the state of the page's stream changes.
 *
 * @param {(state: State, since: number) => void} watcher
 */
export function watchConnection(watcher) {
  watchers.add(watcher);
}

/** One stream, as long as its scope. */
export class Stream {
  /**
   * @param {import("./scope.js").Scope} scope
   * @param {(last: string | null) => string} address where to connect, having seen `last`
   * @param {{record?: (record: import("../model/types.js").RecordView) => void, ended?: () => void, delta?: (delta: any) => void, again?: () => void}} on
   *   `again`: connected once more after the connection was lost
   */
  constructor(scope, address, on) {
    this.scope = scope;
    this.address = address;
    this.on = on;
    /** @type {string | null} */
    this.last = null;
    /** @type {State} */
    this.state = "connecting";
    /** Whether something may have happened that it was not told. */
    this.missed = false;
    /** @type {EventSource | null} */
    this.source = null;
    shown = this;
    let resting = 0;
    // A browser has few connections to one server, and many tabs: those that nobody looks at give theirs back.
    const seen = () => {
      clearTimeout(resting);
      if (document.hidden) resting = setTimeout(() => this.rest(), REST_AFTER_MS);
      else if (this.state === "resting") this.connect();
    };
    document.addEventListener("visibilitychange", seen);
    scope.own(() => {
      document.removeEventListener("visibilitychange", seen);
      clearTimeout(resting);
      this.source?.close();
      if (shown === this) {
        shown = null;
        for (const watcher of watchers) watcher("connecting", Date.now());
      }
    });
    this.connect();
  }

  /** Lets the connection go until someone looks again. */
  rest() {
    if (this.state === "ended") return;
    this.source?.close();
    this.missed = true;
    this.become("resting");
  }

  /** Connects anew at once, whatever the state. */
  connect() {
    if (this.scope.over) return;
    this.source?.close();
    const source = new EventSource(this.address(this.last));
    this.source = source;
    source.addEventListener("open", () => {
      this.become("live");
      if (this.missed) this.on.again?.();
      this.missed = false;
    });
    source.addEventListener("record", (event) => {
      if (event.lastEventId) this.last = event.lastEventId;
      this.on.record?.(JSON.parse(event.data).record);
    });
    source.addEventListener("delta", (event) => this.on.delta?.(JSON.parse(event.data)));
    source.addEventListener("ended", () => {
      source.close();
      this.become("ended");
      this.on.ended?.();
    });
    source.addEventListener("error", () => {
      if (this.state === "ended" || this.state === "resting" || this.scope.over) return;
      this.missed = true;
      this.become("lost");
      if (source.readyState === EventSource.CLOSED) {
        this.scope.after(RETRY_MS, () => this.connect());
      }
    });
    this.become(this.state === "lost" ? "lost" : "connecting");
  }

  /** @param {State} state */
  become(state) {
    if (this.state === state && state !== "connecting") return;
    this.state = state;
    if (shown !== this) return;
    for (const watcher of watchers) watcher(state, Date.now());
  }
}

/** Connects the page's stream anew. */
export function reconnect() {
  shown?.connect();
}
