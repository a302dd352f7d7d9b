/** The field of one input of a workflow, by its type. */
import { h } from "../core/dom.js";
import { field, select } from "./field.js";

/**
 * @typedef {{name: string, root: HTMLElement, read: () => {value?: any, fault?: string}, refuse: (text: string) => void, focus: () => void}} InputField
 *   `read`: the value, `undefined` for none, or what is wrong with it; shows the latter
 */

/**
 * @param {import("../model/types.js").InputSpec} spec
 * @param {string | null} given a value to begin with
 * @returns {InputField}
 */
export function inputField(spec, given) {
  const begin =
    given ??
    (spec.default === undefined || spec.default === null
      ? ""
      : typeof spec.default === "string"
        ? spec.default
        : JSON.stringify(spec.default));
  const root = field({
    label: spec.name,
    name: `input-${spec.name}`,
    required: spec.required,
    hint: hint(spec),
    control: (props) => control(spec, props, begin),
  });
  const element = /** @type {HTMLInputElement} */ (root.querySelector(".input, input, select, textarea"));
  return {
    name: spec.name,
    root,
    focus: () => element.focus(),
    refuse: (text) => root.fault(text),
    read: () => {
      const answer = read(spec, element);
      root.fault(answer.fault ?? "");
      return answer;
    },
  };
}

/** @param {import("../model/types.js").InputSpec} spec */
function hint(spec) {
  const shape = { list: "A JSON list.", object: "A JSON object." }[spec.type];
  return [spec.description, shape].filter(Boolean).join(" ");
}

/**
 * @param {import("../model/types.js").InputSpec} spec
 * @param {import("../core/dom.js").Props} props
 * @param {string} begin
 */
function control(spec, props, begin) {
  if (spec.choices?.length) {
    const choices = spec.choices.map((choice) => /** @type {[string, string]} */ ([JSON.stringify(choice), String(choice)]));
    const chosen = spec.choices.find((choice) => String(choice) === begin);
    return select(props, spec.required ? choices : [["", "—"], ...choices], chosen === undefined ? "" : JSON.stringify(chosen));
  }
  switch (spec.type) {
    case "boolean":
      return select(
        props,
        [...(spec.required ? [] : [/** @type {[string, string]} */ (["", "—"])]), ["true", "yes"], ["false", "no"]],
        begin,
      );
    case "integer":
    case "number":
      return h("input", { ...props, type: "number", step: spec.type === "integer" ? "1" : "any", value: begin });
    case "list":
    case "object":
      return h("textarea", { ...props, class: "input code", rows: 4, spellcheck: "false", value: begin });
    default:
      return spec.required && spec.default === undefined
        ? h("textarea", { ...props, class: "input grows", rows: 1, value: begin })
        : h("input", { ...props, type: "text", value: begin });
  }
}

/**
 * @param {import("../model/types.js").InputSpec} spec
 * @param {HTMLInputElement} element
 * @returns {{value?: any, fault?: string}}
 */
function read(spec, element) {
  const text = element.value;
  if (text.trim() === "") {
    if (element.validity?.badInput) return { fault: "This must be a number." };
    return spec.required ? { fault: "This input is required." } : {};
  }
  if (spec.choices?.length || spec.type === "boolean") return { value: JSON.parse(text) };
  if (spec.type === "integer" || spec.type === "number") {
    const value = Number(text);
    const isFine = Number.isFinite(value) && (spec.type === "number" || Number.isInteger(value));
    return isFine ? { value } : { fault: spec.type === "integer" ? "This must be a whole number." : "This must be a number." };
  }
  if (spec.type === "list" || spec.type === "object") {
    try {
      const value = JSON.parse(text);
      const isFine =
        spec.type === "list" ? Array.isArray(value) : typeof value === "object" && value !== null && !Array.isArray(value);
      return isFine
        ? { value }
        : { fault: spec.type === "list" ? "This must be a JSON list, in brackets." : "This must be a JSON object, in braces." };
    } catch (error) {
      return { fault: `This is no JSON: ${/** @type {Error} */ (error).message}` };
    }
  }
  return { value: text };
}
