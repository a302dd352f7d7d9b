/** The answer of a person to a question of a workflow or an agent: yes or no, and words. */
import { toast } from "../core/announce.js";
import { fill, h } from "../core/dom.js";
import { path, post } from "../core/http.js";
import { refusedFor } from "./actions.js";
import { field } from "./field.js";
import { icon } from "./icons.js";
import { problem } from "./problem.js";

/**
 * The fields and buttons. `byAgent` changes their words to those of an answer to an agent, which is known late in one place.
 *
 * @param {{project: string, task: string | null, answered: () => Promise<void>}} what `task`: `null` for the gate of a phase
 * @returns {{parts: HTMLElement[], byAgent: () => void}}
 */
export function decision({ project, task, answered }) {
  const refused = refusedFor("operate");
  const refusal = h("div", null);
  const comment = field({
    label: "Comment",
    name: "comment",
    hint: "Kept in the journal, and given to whoever goes on.",
    control: (props) => h("textarea", { ...props, rows: 2 }),
  });
  const decide = async (/** @type {"approved" | "rejected"} */ decision) => {
    if (refused) return;
    fill(refusal);
    buttons.forEach((button) => (button.disabled = true));
    try {
      const text = /** @type {HTMLTextAreaElement} */ (comment.querySelector("textarea")).value.trim();
      await post(path(["projects", project, "approvals"]), { task: task ?? undefined, decision, comment: text || undefined });
      toast(`${decision === "approved" ? "Approved" : "Rejected"}: ${project}${task ? ` ${task}` : ""}`);
      await answered();
    } catch (error) {
      fill(refusal, problem(error));
    } finally {
      buttons.forEach((button) => (button.disabled = false));
    }
  };
  const button = (
    /** @type {string} */ label,
    /** @type {"approved" | "rejected"} */ decision,
    /** @type {string} */ look,
    /** @type {import("./icons.js").IconName} */ shape,
  ) =>
    h(
      "button",
      {
        class: `button ${look}`,
        type: "button",
        "aria-disabled": refused ? "true" : undefined,
        title: refused ?? undefined,
        on: { click: () => decide(decision) },
      },
      icon(shape),
      label,
    );
  const buttons = [button("Approve", "approved", "primary", "check"), button("Reject", "rejected", "danger", "cross")];
  const byAgent = () => {
    fill(/** @type {Element} */ (comment.querySelector("label")), "Your answer");
    fill(/** @type {Element} */ (comment.querySelector(".hint")), "The agent reads this and goes on. Kept in the journal.");
    buttons[0].lastChild?.replaceWith("Answer");
    buttons[1].lastChild?.replaceWith("Refuse");
  };
  const row = h("div", { class: "row wrap" }, buttons, refused && h("span", { class: "small muted" }, refused));
  return { parts: [comment, refusal, row], byAgent };
}
