/** One field of a form: its label, what it is for, and what is wrong with it. */
import { fill, h } from "../core/dom.js";
import { icon } from "./icons.js";

let lastId = 0;

/**
 * @param {{label: string, name: string, required?: boolean, hint?: string, control?: (props: import("../core/dom.js").Props) => HTMLElement,
 *   type?: string, value?: string, placeholder?: string}} what
 * @returns {HTMLElement & {fault: (text: string) => void}}
 */
export function field({ label, name, required, hint, control, type = "text", value, placeholder }) {
  const id = `field-${(lastId += 1)}`;
  const props = {
    id,
    name,
    class: "input",
    "aria-describedby": `${id}-hint ${id}-fault`,
    "aria-required": required ? "true" : undefined,
    autocomplete: "off",
  };
  const input = control ? control(props) : h("input", { ...props, type, value, placeholder, spellcheck: "false" });
  const fault = h("div", { class: "fault", id: `${id}-fault`, role: "alert" });
  const root = h(
    "div",
    { class: "field" },
    h("label", { for: id }, label, required && h("span", { class: "required" }, " required")),
    input,
    h("div", { class: "hint", id: `${id}-hint` }, hint),
    fault,
  );
  return Object.assign(root, {
    fault: (/** @type {string} */ text) => {
      fill(fault, text && [icon("warn"), text]);
      if (text) input.setAttribute("aria-invalid", "true");
      else input.removeAttribute("aria-invalid");
    },
  });
}

/**
 * @param {import("../core/dom.js").Props} props
 * @param {[value: string, label: string][]} options
 * @param {string} [chosen]
 */
export function select(props, options, chosen) {
  return h(
    "select",
    props,
    options.map(([value, label]) => h("option", { value, selected: value === chosen }, label)),
  );
}
