/** Starting a project: a form made from the inputs that the workflow declares. */
import { announce } from "../core/announce.js";
import { fill, h } from "../core/dom.js";
import { freshKey, get, path, post } from "../core/http.js";
import { go } from "../core/router.js";
import { list, refusedFor } from "../parts/actions.js";
import { budgetFields, readBudget } from "../parts/budget_fields.js";
import { field } from "../parts/field.js";
import { inputField } from "../parts/input_field.js";
import { loading } from "../parts/loading.js";
import { problem } from "../parts/problem.js";
import { sentence } from "../model/status.js";

/** @type {import("../core/router.js").Page} */
export function startPage(main, place, scope) {
  const name = place.params.workflow;
  document.title = `Start ${name} · wfctl`;
  main.append(
    h(
      "nav",
      { "aria-label": "Breadcrumb" },
      h("ol", { class: "crumbs" }, h("li", null, h("a", { href: "/start" }, "Start")), h("li", { "aria-current": "page" }, name)),
    ),
    h("div", { class: "page-head" }, h("h1", null, `Start ${name.split("/").pop()}`)),
  );
  const body = h("div", { class: "start-grid" });
  main.append(body);
  loading(
    body,
    scope,
    () => get(path(["workflows", name]), scope.signal),
    (workflow) => [form(workflow, place.query), about(workflow)],
  );
}

/**
 * @param {import("../model/types.js").Workflow & {definition: any, text: string}} workflow
 * @param {URLSearchParams} query values to begin with, by input
 */
function form(workflow, query) {
  const inputs = [...workflow.inputs]
    .sort((a, b) => Number(b.required) - Number(a.required))
    .map((spec) => inputField(spec, query.get(spec.name)));
  const budget = budgetFields("Budget", "Empty: what the workflow says. At a cap the project pauses and asks.");
  const refusal = h("div", null);
  const refused = refusedFor("operate");
  const button = h(
    "button",
    { class: "button primary", type: "submit", "aria-disabled": refused ? "true" : undefined, title: refused ?? undefined },
    "Start",
  );
  // The same form sent twice starts one project.
  const key = freshKey();
  const root = h(
    "form",
    { class: "panel", novalidate: true },
    h(
      "div",
      { class: "body stack" },
      inputs.length > 0 ? inputs.map((input) => input.root) : h("p", { class: "muted" }, "This workflow needs no inputs."),
      h(
        "details",
        null,
        h("summary", null, "Where, with which models, and how much it may use"),
        h(
          "div",
          { class: "stack details-body" },
          field({ label: "Folder", name: "dir", hint: "Empty: the folder that the server was started in." }),
          field({ label: "Project id", name: "id", hint: "Empty: one is made from the workflow's name." }),
          field({ label: "Models", name: "models", hint: "provider/model, most preferred first, with commas between them." }),
          budget.root,
        ),
      ),
      refusal,
      h("div", { class: "row" }, button, h("a", { class: "button quiet", href: "/start" }, "Back")),
    ),
  );
  root.addEventListener("submit", async (event) => {
    event.preventDefault();
    if (refused) return;
    fill(refusal);
    const given = inputs.map((input) => ({ name: input.name, ...input.read() }));
    const wrong = inputs.filter((_, at) => given[at].fault);
    if (wrong.length > 0) {
      announce(`${wrong.length} fields need attention`);
      wrong[0].focus();
      return;
    }
    button.disabled = true;
    try {
      const data = new FormData(root);
      const text = (/** @type {string} */ of) => String(data.get(of) ?? "").trim() || undefined;
      const body = {
        workflow: workflow.name,
        inputs: Object.fromEntries(given.filter(({ value }) => value !== undefined).map(({ name, value }) => [name, value])),
        dir: text("dir"),
        id: text("id"),
        models: list(text("models")),
        budget: readBudget(data, budget.fields),
      };
      const started = await post(path(["projects"]), body, { key });
      go(`/projects/${encodeURIComponent(started.id)}`);
    } catch (error) {
      for (const input of inputs)
        input.refuse(
          /** @type {any} */ (error).inputs?.find((/** @type {any} */ one) => one.input === input.name)?.message ?? "",
        );
      fill(refusal, problem(error));
    } finally {
      button.disabled = false;
    }
  });
  return root;
}

/** @param {import("../model/types.js").Workflow & {definition: any, text: string}} workflow */
function about(workflow) {
  const phases = workflow.definition?.phases ?? [];
  return h(
    "aside",
    { class: "stack", "aria-label": "About this workflow" },
    h(
      "section",
      { class: "panel" },
      h("header", null, h("h2", null, "About")),
      h(
        "div",
        { class: "body stack" },
        workflow.description && h("p", null, workflow.description),
        h(
          "dl",
          { class: "facts" },
          h("dt", null, "Source"),
          h("dd", { class: "mono" }, workflow.source),
          phases.map((/** @type {any} */ phase) => [
            h("dt", null, sentence(String(phase.phase))),
            h("dd", null, (phase.tasks ?? []).map((/** @type {any} */ task) => task.name).join(", ")),
          ]),
        ),
        h("details", null, h("summary", null, "The file"), h("pre", { class: "code-block", tabindex: 0 }, workflow.text)),
      ),
    ),
  );
}
