/** Signing in with a token. */
import { fill, h } from "../core/dom.js";
import { post } from "../core/http.js";
import { command } from "../parts/command.js";
import { field } from "../parts/field.js";
import { problem } from "../parts/problem.js";

/** @param {HTMLElement} shell */
export function signInPage(shell) {
  document.title = "Sign in · wfctl";
  const token = field({ label: "Token", name: "token", type: "password", required: true });
  const refusal = h("div", null);
  const form = h(
    "form",
    { class: "stack", novalidate: true },
    h("h1", null, "Sign in to wfctl"),
    h("p", { class: "muted" }, "On the machine that runs the server, this prints a token:"),
    h("div", null, command("wfctl token --role operate")),
    token,
    refusal,
    h("button", { class: "button primary", type: "submit" }, "Sign in"),
  );
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    fill(refusal);
    const given = String(new FormData(form).get("token") ?? "").trim();
    token.fault(given ? "" : "Paste the token here.");
    if (!given) return;
    try {
      await post("/login", { token: given });
      location.reload();
    } catch (error) {
      fill(refusal, problem(error));
    }
  });
  fill(shell, h("main", { id: "main", tabindex: -1 }, h("div", { class: "panel sign-in" }, h("div", { class: "body" }, form))));
  form.querySelector("input")?.focus();
}
