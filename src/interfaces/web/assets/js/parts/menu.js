/** A button that opens a list of actions. */
import { h } from "../core/dom.js";
import { icon } from "./icons.js";

/**
 * @typedef {{label: string, icon: import("./icons.js").IconName, act?: () => void, href?: string, danger?: boolean, refused?: string | null}} Item
 *   `refused`: why it cannot be done now
 */

/**
 * @param {string} label
 * @param {() => Item[]} items asked for each time it opens
 */
export function menu(label, items) {
  const button = h(
    "button",
    { class: "button", type: "button", "aria-haspopup": "true", "aria-expanded": "false" },
    label,
    icon("down"),
  );
  const root = h("div", { class: "menu", data: { keys: "" } }, button);
  /** @type {HTMLElement | null} */
  let list = null;
  const close = (back = false) => {
    // Removing what has the focus moves the focus, which closes again: by then there is nothing left to close.
    const gone = list;
    list = null;
    gone?.remove();
    button.setAttribute("aria-expanded", "false");
    if (back) button.focus();
  };
  const open = () => {
    list = h(
      "div",
      { class: "menu-list", role: "menu", "aria-label": label },
      items().map((item) => entry(item, close)),
    );
    root.append(list);
    button.setAttribute("aria-expanded", "true");
    /** @type {HTMLElement | null} */ (list.firstElementChild)?.focus();
  };
  button.addEventListener("click", () => (list ? close() : open()));
  root.addEventListener("keydown", (event) => {
    if (!list) return;
    const entries = /** @type {HTMLElement[]} */ ([...list.children]);
    const at = entries.indexOf(/** @type {HTMLElement} */ (document.activeElement));
    const to = { ArrowDown: at + 1, ArrowUp: at - 1, Home: 0, End: entries.length - 1 }[event.key];
    if (event.key === "Escape") close(true);
    else if (to !== undefined) entries.at(to % entries.length)?.focus();
    else return;
    event.preventDefault();
  });
  root.addEventListener("focusout", (event) => {
    if (list && !root.contains(/** @type {Node | null} */ (event.relatedTarget))) close();
  });
  return root;
}

/**
 * @param {Item} item
 * @param {() => void} close
 */
function entry({ label, icon: shape, act, href, danger, refused }, close) {
  if (href) return h("a", { role: "menuitem", href, tabindex: -1 }, icon(shape), label);
  const props = {
    role: "menuitem",
    type: "button",
    tabindex: -1,
    class: danger ? "danger" : "",
    "aria-disabled": refused ? "true" : undefined,
    title: refused ?? undefined,
  };
  const button = h("button", props, icon(shape), label);
  button.addEventListener("click", () => {
    if (refused) return;
    close();
    act?.();
  });
  return button;
}
