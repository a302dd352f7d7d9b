/** Words for people who do not see the page change, and short notes for those who do. */
import { h } from "./dom.js";
import { icon } from "../parts/icons.js";
import { problemParts } from "../parts/problem.js";

const STAY_MS = 6000;

/**
 * Tells a screen reader.
 *
 * @param {string} text
 */
export function announce(text) {
  const place = document.getElementById("announcer");
  if (place && place.textContent !== text) place.textContent = text;
}

/**
 * A note in the corner that goes away by itself.
 *
 * @param {string} text
 */
export function toast(text) {
  announce(text);
  show(h("div", { class: "toast" }, icon("check", "tone-good"), h("div", { class: "stack" }, text)), STAY_MS);
}

/**
 * A refusal in the corner. It stays until it is closed.
 *
 * @param {unknown} error
 */
export function toastProblem(error) {
  if (error instanceof DOMException && error.name === "AbortError") return;
  const parts = problemParts(error);
  announce(`${parts.title} ${parts.detail}`);
  show(
    h("div", { class: "toast bad", role: "alert" }, icon("cross", "tone-bad"), h("div", { class: "stack tight" }, parts.nodes)),
    0,
  );
}

/**
 * @param {HTMLElement} note
 * @param {number} stay milliseconds; 0: until closed
 */
function show(note, stay) {
  let corner = document.querySelector(".toasts");
  if (!corner) {
    corner = h("div", { class: "toasts" });
    document.body.append(corner);
  }
  const close = h(
    "button",
    { class: "button quiet small icon-only", type: "button", "aria-label": "Close", on: { click: () => note.remove() } },
    icon("x"),
  );
  note.append(close);
  corner.append(note);
  if (stay > 0) setTimeout(() => note.remove(), stay);
}
