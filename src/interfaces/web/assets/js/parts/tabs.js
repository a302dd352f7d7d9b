/** The views of a page as a row of links; a narrow window scrolls it. */
import { h } from "../core/dom.js";

const BEFORE = 40;

/**
 * @param {string} label
 * @param {{href: string, label: string, isCurrent: boolean}[]} tabs
 */
export function tabLinks(label, tabs) {
  return h(
    "nav",
    { class: "tabs", "aria-label": label },
    tabs.map((tab) => h("a", { href: tab.href, "aria-current": tab.isCurrent ? "page" : undefined }, tab.label)),
  );
}

/**
 * Scrolls the present one into sight.
 *
 * @param {HTMLElement} tabs
 */
export function revealTab(tabs) {
  const current = /** @type {HTMLElement | null} */ (tabs.querySelector("[aria-current]"));
  if (current) tabs.scrollLeft = current.offsetLeft - tabs.offsetLeft - BEFORE;
}
