/** What a task gave to those that need it, laid out and as it is. */
import { fill, h } from "../core/dom.js";
import { copyButton } from "../parts/command.js";
import { valueView } from "../parts/value.js";

/** @type {import("../pages/task.js").TaskTab} */
export function resultTab(place, { model, name }, scope) {
  let drawn = "";
  const body = h("div", null);
  place.append(body);
  model.watch(() => {
    const output = model.task(name)?.output;
    const json = JSON.stringify(output ?? null, null, 2);
    if (json === drawn) return;
    drawn = json;
    if (output === null || output === undefined) {
      fill(
        body,
        h(
          "div",
          { class: "empty panel" },
          h("strong", null, "No result yet"),
          "What it gives to other tasks stands here once it is completed.",
        ),
      );
      return;
    }
    fill(
      body,
      h(
        "section",
        { class: "panel" },
        h("header", null, h("h2", null, "Result"), h("span", { class: "push" }, copyButton(json, "Copy as JSON"))),
        h(
          "div",
          { class: "body stack" },
          valueView(output),
          typeof output === "object" &&
            h("details", null, h("summary", { class: "muted" }, "As JSON"), h("pre", { class: "code-block", tabindex: 0 }, json)),
        ),
      ),
    );
  }, scope);
}
