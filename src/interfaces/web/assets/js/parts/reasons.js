/** What a project waits for, since when, and what would make it go on. */
import { h } from "../core/dom.js";
import { dueTime, sinceTime } from "../core/clock.js";
import { command } from "./command.js";
import { icon } from "./icons.js";

/**
 * @param {import("../model/types.js").Reason[]} reasons
 * @param {{project: string, action?: (reason: import("../model/types.js").Reason) => Node | null | false, most?: number}} options
 *   `action`: a button that unblocks it
 */
export function reasonList(reasons, { project, action, most = 4 }) {
  const rows = reasons.map((reason) =>
    h(
      "li",
      { class: "reason" },
      icon("hourglass", "tone-wait"),
      h(
        "div",
        { class: "stack tight" },
        h(
          "div",
          { class: "wrap-anywhere" },
          reason.task && [
            h(
              "a",
              { href: `/projects/${encodeURIComponent(project)}/tasks/${encodeURIComponent(reason.task)}` },
              h("strong", null, reason.task),
            ),
            " waits for ",
          ],
          reason.task ? reason.waits_for : reason.waits_for.charAt(0).toUpperCase() + reason.waits_for.slice(1),
        ),
        h(
          "div",
          { class: "row wrap small muted" },
          h("span", null, "for ", sinceTime(reason.since)),
          reason.due && h("span", null, "goes on by itself ", dueTime(reason.due)),
          reason.command && command(reason.command),
        ),
      ),
      h("div", { class: "push" }, action?.(reason)),
    ),
  );
  if (rows.length <= most) return h("ul", { class: "reasons" }, rows);
  return h(
    "div",
    { class: "stack tight" },
    h("ul", { class: "reasons" }, rows.slice(0, most)),
    h(
      "details",
      null,
      h("summary", { class: "muted" }, `${rows.length - most} more`),
      h("ul", { class: "reasons" }, rows.slice(most)),
    ),
  );
}
