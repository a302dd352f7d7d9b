/** A refusal as people read it: what happened, why, and what to do next. */
import { h } from "../core/dom.js";
import { Problem } from "../core/http.js";
import { commandText } from "./command.js";
import { icon } from "./icons.js";

/**
 * @param {unknown} error
 * @returns {{title: string, detail: string, nodes: (Node | string | null | false)[]}}
 */
export function problemParts(error) {
  if (!(error instanceof Problem)) {
    const detail = error instanceof Error ? error.message : String(error);
    return {
      title: "This page failed",
      detail,
      nodes: [h("h3", null, "This page failed"), h("p", { class: "wrap-anywhere" }, detail)],
    };
  }
  const title = error.title ? error.title.charAt(0).toUpperCase() + error.title.slice(1) : "The request was refused";
  const lists = [
    ...error.causes,
    ...error.inputs.map((input) => `${input.input}: ${input.message}`),
    ...error.diagnostics.map(diagnosticWords),
  ];
  return {
    title,
    detail: error.message,
    nodes: [
      h("div", { class: "row wrap" }, h("h3", null, title), error.code && h("code", { class: "muted" }, error.code)),
      h("p", { class: "wrap-anywhere" }, error.message),
      lists.length > 0 &&
        h(
          "ul",
          null,
          lists.map((text) => h("li", { class: "wrap-anywhere" }, text)),
        ),
      error.next && h("p", { class: "wrap-anywhere" }, "Next: ", commandText(error.next)),
    ],
  };
}

/**
 * @param {unknown} error
 * @param {() => void} [again] tries once more
 */
export function problem(error, again) {
  const { nodes } = problemParts(error);
  return h(
    "div",
    { class: "problem", role: "alert" },
    icon("warn"),
    h(
      "div",
      { class: "stack" },
      nodes,
      again &&
        h("div", null, h("button", { class: "button small", type: "button", on: { click: again } }, icon("retry"), "Try again")),
    ),
  );
}

/** @param {any} diagnostic */
function diagnosticWords(diagnostic) {
  const place = diagnostic.line ? `line ${diagnostic.line}: ` : "";
  return `${place}${diagnostic.message ?? JSON.stringify(diagnostic)}`;
}
