/** Commands to type, and text that names them between backticks. */
import { h } from "../core/dom.js";
import { announce } from "../core/announce.js";
import { icon } from "./icons.js";

/**
 * A command with a button that copies it.
 *
 * @param {string} text
 */
export function command(text) {
  return h("span", { class: "command" }, h("code", null, text), copyButton(text, "Copy the command"));
}

/**
 * @param {string} text what is copied
 * @param {string} label
 */
export function copyButton(text, label) {
  const button = h(
    "button",
    { class: "button quiet small icon-only", type: "button", "aria-label": label, title: label },
    icon("copy"),
  );
  button.addEventListener("click", async () => {
    try {
      await navigator.clipboard.writeText(text);
      announce("Copied");
      button.replaceChildren(icon("check", "tone-good"));
    } catch {
      announce("The browser did not allow copying");
      button.replaceChildren(icon("cross", "tone-bad"));
    }
    setTimeout(() => button.replaceChildren(icon("copy")), 1500);
  });
  return button;
}

/**
 * A sentence in which what stands between backticks is code.
 *
 * @param {string} text
 * @returns {(Node | string)[]}
 */
export function commandText(text) {
  return text.split("`").map((part, at) => (at % 2 ? h("code", null, part) : part));
}
