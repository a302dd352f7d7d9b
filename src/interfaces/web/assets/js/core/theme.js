/** Light, dark, or what the system has. */
const KEY = "wfctl-theme";
/** @typedef {"system" | "light" | "dark"} Theme */

/** @type {Set<() => void>} */
const watchers = new Set();

/** @returns {Theme} */
export function theme() {
  const stored = localStorage.getItem(KEY);
  return stored === "light" || stored === "dark" ? stored : "system";
}

/** @param {Theme} wanted */
export function setTheme(wanted) {
  if (wanted === "system") localStorage.removeItem(KEY);
  else localStorage.setItem(KEY, wanted);
  applyTheme();
}

/** The next one when people go through them. */
export function nextTheme() {
  /** @type {Theme[]} */
  const all = ["system", "light", "dark"];
  return all[(all.indexOf(theme()) + 1) % all.length];
}

/** Puts the stored theme on the page. */
export function applyTheme() {
  const wanted = theme();
  if (wanted === "system") document.documentElement.removeAttribute("data-theme");
  else document.documentElement.dataset.theme = wanted;
  for (const watcher of watchers) watcher();
}

/**
 * Calls `watcher` when colours change.
 *
 * @param {import("./scope.js").Scope} scope
 * @param {() => void} watcher
 */
export function watchTheme(scope, watcher) {
  watchers.add(watcher);
  const dark = matchMedia("(prefers-color-scheme: dark)");
  dark.addEventListener("change", watcher);
  scope.own(() => {
    watchers.delete(watcher);
    dark.removeEventListener("change", watcher);
  });
}

/**
 * The colours that custom properties stand for at this moment, for canvases.
 *
 * @template {string} N
 * @param {readonly N[]} names without their dashes
 * @returns {Record<N, string>}
 */
export function colours(names) {
  const probe = document.createElement("i");
  probe.hidden = true;
  document.body.append(probe);
  const found = /** @type {Record<N, string>} */ ({});
  for (const name of names) {
    probe.style.color = `var(--${name})`;
    found[name] = getComputedStyle(probe).color;
  }
  probe.remove();
  return found;
}
