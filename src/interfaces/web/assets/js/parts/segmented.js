/** One choice of a few, as a row of radio buttons. */
import { h } from "../core/dom.js";

let lastId = 0;

/**
 * @param {string} label
 * @param {[value: string, label: string][]} options
 * @param {string} chosen
 * @param {(value: string) => void} choose
 */
export function segmented(label, options, chosen, choose) {
  const name = `choice-${(lastId += 1)}`;
  return h(
    "div",
    { class: "segmented", role: "radiogroup", "aria-label": label },
    options.map(([value, text]) =>
      h(
        "label",
        null,
        h("input", { type: "radio", name, value, checked: value === chosen, on: { change: () => choose(value) } }),
        h("span", null, text),
      ),
    ),
  );
}
