/** Addresses: which page belongs to one, and moving between them without loading anew. */
import { Scope } from "./scope.js";

/**
 * @typedef {{params: Record<string, string>, query: URLSearchParams, path: string}} Place
 * @typedef {(main: HTMLElement, place: Place, scope: Scope) => void} Page
 */

/** @type {{pattern: string[], page: Page}[]} */
const routes = [];
/** @type {Scope} */
let scope = new Scope();
/** @type {((place: Place) => void)[]} */
const watchers = [];
/** @type {{main: HTMLElement, missing: Page} | null} */
let shown = null;

/**
 * Adds a page. A part of the pattern that begins with `:` is a parameter.
 *
 * @param {string} pattern
 * @param {Page} page
 */
export function route(pattern, page) {
  routes.push({ pattern: pattern.split("/").filter(Boolean), page });
}

/**
 * Calls `watcher` after each move.
 *
 * @param {(place: Place) => void} watcher
 */
export function watchPlace(watcher) {
  watchers.push(watcher);
}

/**
 * Begins to show pages in `main`.
 *
 * @param {HTMLElement} main
 * @param {Page} missing the page of an address that nobody has
 */
export function startRouter(main, missing) {
  shown = { main, missing };
  addEventListener("popstate", () => render());
  document.addEventListener("click", (event) => {
    const link = /** @type {Element} */ (event.target).closest?.("a[href]");
    const isPlain = event.button === 0 && !event.metaKey && !event.ctrlKey && !event.shiftKey && !event.altKey;
    if (!link || !isPlain || event.defaultPrevented || link.hasAttribute("download") || link.getAttribute("target")) return;
    const url = new URL(/** @type {HTMLAnchorElement} */ (link).href);
    if (url.origin !== location.origin || url.pathname.startsWith("/api/") || url.pathname.startsWith("/assets/")) return;
    if (url.hash && url.pathname === location.pathname) return;
    event.preventDefault();
    go(url.pathname + url.search);
  });
  render(true);
}

/**
 * Moves to an address.
 *
 * @param {string} to
 * @param {{replace?: boolean}} [options]
 */
export function go(to, { replace = false } = {}) {
  if (to === location.pathname + location.search) replace = true;
  history[replace ? "replaceState" : "pushState"](null, "", to);
  render();
}

/**
 * Changes the query without showing the page anew: for filters.
 *
 * @param {Record<string, string | null>} changes
 */
export function setQuery(changes) {
  const query = new URLSearchParams(location.search);
  for (const [name, value] of Object.entries(changes)) {
    if (value) query.set(name, value);
    else query.delete(name);
  }
  const text = query.toString();
  history.replaceState(null, "", location.pathname + (text ? `?${text}` : ""));
}

/** Shows the present address anew. */
export function reload() {
  render();
}

/** @param {boolean} [first] */
function render(first = false) {
  if (!shown) return;
  scope.end();
  scope = new Scope();
  const { main, missing } = shown;
  const found = match(location.pathname);
  const place = { params: found?.params ?? {}, query: new URLSearchParams(location.search), path: location.pathname };
  main.replaceChildren();
  main.parentElement?.removeAttribute("data-fill");
  (found?.page ?? missing)(main, place, scope);
  for (const watcher of watchers) watcher(place);
  if (first) return;
  scrollTo(0, 0);
  main.focus({ preventScroll: true });
}

/** @param {string} path */
function match(path) {
  const parts = path.split("/").filter(Boolean);
  for (const { pattern, page } of routes) {
    if (pattern.length !== parts.length) continue;
    /** @type {Record<string, string>} */
    const params = {};
    const fits = pattern.every((part, at) => {
      if (!part.startsWith(":")) return part === parts[at];
      try {
        params[part.slice(1)] = decodeURIComponent(parts[at]);
      } catch {
        return false;
      }
      return true;
    });
    if (fits) return { page, params };
  }
  return null;
}
