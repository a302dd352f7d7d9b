/** Keys that work everywhere, and those that a page adds. `?` shows them. */
import { h } from "./dom.js";
import { openDialog } from "../parts/dialog.js";

/** @typedef {{keys: string, what: string, act: () => void, group: string}} Shortcut */

const WAIT_MS = 900;
/** @type {Set<Shortcut>} */
const known = new Set();
let before = "";
let beforeAt = 0;

/**
 * Adds shortcuts. `keys`: one key, or two with a space between them.
 *
 * @param {string} group
 * @param {[keys: string, what: string, act: () => void][]} shortcuts
 * @param {import("./scope.js").Scope} [scope] as long as they hold; without: always
 */
export function shortcuts(group, shortcuts, scope) {
  for (const [keys, what, act] of shortcuts) {
    const shortcut = { keys, what, act, group };
    known.add(shortcut);
    scope?.own(() => known.delete(shortcut));
  }
}

/** Begins to listen. */
export function startShortcuts() {
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented) return;
    const target = /** @type {HTMLElement} */ (event.target);
    if (target.closest("input, select, textarea, dialog, [contenteditable], [data-keys]")) return;
    const pair = performance.now() - beforeAt < WAIT_MS ? `${before} ${event.key}` : "";
    const found = [...known].find(({ keys }) => keys === pair) ?? [...known].find(({ keys }) => keys === event.key);
    before = event.key;
    beforeAt = performance.now();
    if (!found) return;
    event.preventDefault();
    before = "";
    found.act();
  });
}

/** Shows all shortcuts of the moment. */
export function showShortcuts() {
  /** @type {Map<string, Shortcut[]>} */
  const groups = new Map();
  for (const shortcut of known) groups.set(shortcut.group, [...(groups.get(shortcut.group) ?? []), shortcut]);
  openDialog("Keyboard shortcuts", (close) => [
    [...groups].map(([group, list]) =>
      h(
        "section",
        { class: "stack tight" },
        h("h3", null, group),
        h(
          "dl",
          { class: "shortcut-list" },
          list.map(({ keys, what }) => [
            h(
              "dt",
              null,
              keys.split(" ").map((key) => h("kbd", null, key === "Escape" ? "Esc" : key)),
            ),
            h("dd", null, what),
          ]),
        ),
      ),
    ),
    h("div", { class: "actions" }, h("button", { class: "button", type: "button", on: { click: close } }, "Close")),
  ]);
}
