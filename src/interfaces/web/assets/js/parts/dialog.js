/** Modal dialogs: the browser's own, which keep the focus inside and give it back. */
import { fill, h } from "../core/dom.js";
import { problem } from "./problem.js";

let lastId = 0;

/**
 * Opens a dialog with a heading.
 *
 * @param {string} title
 * @param {(close: () => void) => import("../core/dom.js").Children} body
 */
export function openDialog(title, body) {
  const id = `dialog-${(lastId += 1)}`;
  const dialog = h("dialog", { "aria-labelledby": id });
  const close = () => dialog.close();
  dialog.append(h("div", { class: "dialog-body" }, h("h2", { id }, title), body(close)));
  show(dialog);
  return close;
}

/**
 * Asks for what an action needs, and does it. A refusal is shown in the dialog, which then stays open.
 *
 * @param {{title: string, text?: import("../core/dom.js").Children, fields?: import("../core/dom.js").Children, act: string, danger?: boolean,
 *   run: (data: FormData) => Promise<void>}} what
 */
export function askFor({ title, text, fields, act, danger = false, run }) {
  const id = `dialog-${(lastId += 1)}`;
  const refusal = h("div", null);
  const button = h("button", { class: `button ${danger ? "danger" : "primary"}`, type: "submit" }, act);
  const dialog = h("dialog", { "aria-labelledby": id });
  const form = h(
    "form",
    { method: "dialog", novalidate: true },
    h("h2", { id }, title),
    text && h("div", { class: "stack" }, text),
    fields,
    refusal,
    h(
      "div",
      { class: "actions" },
      h("button", { class: "button", type: "button", on: { click: () => dialog.close() } }, "Back"),
      button,
    ),
  );
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    button.disabled = true;
    fill(refusal);
    try {
      await run(new FormData(form));
      dialog.close();
    } catch (error) {
      fill(refusal, problem(error));
    } finally {
      button.disabled = false;
    }
  });
  dialog.append(form);
  show(dialog);
}

/** @param {HTMLDialogElement} dialog */
function show(dialog) {
  const before = document.activeElement;
  dialog.addEventListener("close", () => {
    dialog.remove();
    if (before instanceof HTMLElement && before.isConnected) before.focus();
  });
  dialog.addEventListener("click", (event) => {
    if (event.target === dialog) dialog.close();
  });
  document.body.append(dialog);
  dialog.showModal();
}
