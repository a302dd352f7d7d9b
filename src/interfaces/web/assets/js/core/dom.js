/**
 * Elements from data. Text becomes text nodes and nothing else: no markup is ever made from what a model, a repository or a
 * server said.
 *
 * @typedef {Node | string | number | null | undefined | false} Child
 * @typedef {Child | readonly (Child | readonly (Child | readonly (Child | readonly Child[])[])[])[]} Children
 * @typedef {{
 *   on?: Record<string, (event: any) => void>,
 *   style?: Record<string, string>,
 *   data?: Record<string, string | number | undefined>,
 *   [name: string]: any,
 * }} Props
 */

const SVG = "http://www.w3.org/2000/svg";

/**
 * An HTML element.
 *
 * @template {keyof HTMLElementTagNameMap} T
 * @param {T} tag
 * @param {Props | null} [props] attributes; `on`: listeners, `style`: properties, `data`: data attributes
 * @param {...Children} children
 * @returns {HTMLElementTagNameMap[T]}
 */
export function h(tag, props, ...children) {
  const element = document.createElement(tag);
  assign(element, props ?? {});
  element.append(...nodes(children));
  return element;
}

/**
 * An SVG element.
 *
 * @template {keyof SVGElementTagNameMap} T
 * @param {T} tag
 * @param {Props | null} [props]
 * @param {...Children} children
 * @returns {SVGElementTagNameMap[T]}
 */
export function s(tag, props, ...children) {
  const element = document.createElementNS(SVG, tag);
  assign(element, props ?? {});
  element.append(...nodes(children));
  return element;
}

/**
 * Puts other children into an element.
 *
 * @param {Element} parent
 * @param {...Children} children
 */
export function fill(parent, ...children) {
  parent.replaceChildren(...nodes(children));
}

/**
 * Brings the children of `parent` in line with `items`: an element stays as long as its signature does, so that focus and
 * scroll positions survive updates.
 *
 * @template I
 * @param {Element} parent
 * @param {I[]} items
 * @param {{key: (item: I) => string, signature: (item: I) => string, render: (item: I) => Element}} how
 */
export function keyed(parent, items, how) {
  const known = new Map();
  for (const child of /** @type {any} */ (parent.children)) known.set(child._key, child);
  const focused = focusedKey(parent);
  let at = parent.firstElementChild;
  for (const item of items) {
    const key = how.key(item);
    const signature = how.signature(item);
    let element = known.get(key);
    known.delete(key);
    if (!element || element._signature !== signature) {
      const fresh = /** @type {any} */ (how.render(item));
      fresh._key = key;
      fresh._signature = signature;
      if (element) {
        if (at === element) at = element.nextElementSibling;
        element.remove();
      }
      element = fresh;
    }
    if (at && element === at) at = at.nextElementSibling;
    else parent.insertBefore(element, at);
  }
  for (const gone of known.values()) gone.remove();
  if (focused) refocus(parent, focused);
}

/** @param {Element} parent */
function focusedKey(parent) {
  const active = document.activeElement;
  if (!active || !parent.contains(active)) return null;
  let row = /** @type {any} */ (active);
  while (row.parentElement !== parent) row = row.parentElement;
  const inside = [...row.querySelectorAll("a, button, input, select, textarea, [tabindex]")];
  return { key: row._key, index: inside.indexOf(active), active };
}

/**
 * @param {Element} parent
 * @param {{key: string, index: number, active: Element}} focused
 */
function refocus(parent, { key, index, active }) {
  if (active.isConnected) return;
  const row = [.../** @type {any} */ (parent.children)].find((child) => child._key === key);
  if (!row) return;
  const inside = row.querySelectorAll("a, button, input, select, textarea, [tabindex]");
  (index < 0 ? row : inside[index])?.focus({ preventScroll: true });
}

/**
 * @param {Element} element
 * @param {Props} props
 */
function assign(element, props) {
  for (const [name, value] of Object.entries(props)) {
    if (value === undefined || value === null || value === false) continue;
    if (name === "on") {
      for (const [event, listener] of Object.entries(value)) element.addEventListener(event, /** @type {any} */ (listener));
    } else if (name === "style") {
      for (const [property, text] of Object.entries(value)) {
        /** @type {HTMLElement} */ (element).style.setProperty(property, String(text));
      }
    } else if (name === "data") {
      for (const [key, text] of Object.entries(value)) {
        if (text !== undefined) /** @type {HTMLElement} */ (element).dataset[key] = String(text);
      }
    } else if (name === "value" || name === "checked" || name === "indeterminate") {
      /** @type {any} */ (element)[name] = value;
    } else {
      element.setAttribute(name, value === true ? "" : String(value));
    }
  }
}

/**
 * @param {Children[]} children
 * @returns {(Node | string)[]}
 */
function nodes(children) {
  /** @type {(Node | string)[]} */
  const flat = [];
  for (const child of /** @type {Child[]} */ (children.flat(Infinity))) {
    if (child === null || child === undefined || child === false) continue;
    flat.push(child instanceof Node ? child : String(child));
  }
  return flat;
}
