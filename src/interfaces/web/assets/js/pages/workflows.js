/** The workflows that can be started. */
import { fill, h } from "../core/dom.js";
import { get } from "../core/http.js";
import { icon } from "../parts/icons.js";
import { loading } from "../parts/loading.js";

/** @type {import("../core/router.js").Page} */
export function workflowsPage(main, _place, scope) {
  document.title = "Start · wfctl";
  const search = h("input", {
    class: "input",
    type: "search",
    placeholder: "Filter workflows",
    "aria-label": "Filter workflows",
    autocomplete: "off",
  });
  const list = h("div", { class: "workflow-list" });
  main.append(
    h("div", { class: "page-head" }, h("h1", null, "Start a project")),
    h("p", { class: "muted" }, "A project is one run of a workflow. Choose which."),
    h("div", { class: "filters" }, h("div", { class: "search" }, icon("search"), search)),
    list,
  );
  loading(
    list,
    scope,
    () => get("/api/v1/workflows", scope.signal),
    ({ workflows }) => {
      const fitting = () => {
        const wanted = search.value.trim().toLowerCase();
        const fits = workflows.filter((/** @type {any} */ workflow) =>
          `${workflow.name} ${workflow.description}`.toLowerCase().includes(wanted),
        );
        return fits.length ? fits.map(card) : h("div", { class: "empty" }, h("strong", null, "No workflow fits"));
      };
      search.addEventListener("input", () => fill(list, fitting()));
      return fitting();
    },
  );
}

/** @param {import("../model/types.js").Workflow} workflow */
function card(workflow) {
  const inputs = workflow.inputs.map((input) => `${input.name}${input.required ? "" : "?"}`).join(", ");
  const name = workflow.name.split("/").pop() ?? workflow.name;
  return h(
    "article",
    { class: "panel workflow-card" },
    h(
      "div",
      { class: "row" },
      h(
        "h2",
        { class: "wrap-anywhere" },
        workflow.problem ? name : h("a", { href: `/start/${encodeURIComponent(workflow.name)}` }, name),
      ),
      h(
        "span",
        { class: "badge push", data: { tone: workflow.problem ? "bad" : "idle" } },
        workflow.problem ? "cannot be started" : workflow.source === "shipped" ? "shipped" : "file",
      ),
    ),
    h("p", null, workflow.description || h("span", { class: "muted" }, "No description.")),
    workflow.problem && h("p", { class: "tone-bad wrap-anywhere" }, workflow.problem),
    h(
      "p",
      { class: "small muted wrap-anywhere" },
      workflow.source === "shipped" ? "" : `${workflow.source} · `,
      inputs ? `inputs: ${inputs}` : "no inputs",
    ),
  );
}
