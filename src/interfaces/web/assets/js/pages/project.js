/** One project: its head is always there, below it one of several views. */
import { announce } from "../core/announce.js";
import { agoTime, sinceTime } from "../core/clock.js";
import { fill, h } from "../core/dom.js";
import { duration } from "../core/format.js";
import { go } from "../core/router.js";
import { shortcuts } from "../core/shortcuts.js";
import { ProjectModel } from "../model/project.js";
import { ENDED, HELD, TASK_ENDED, projectLook } from "../model/status.js";
import { fork, pause, projectMenu, refusedFor, resume, retry } from "../parts/actions.js";
import { projectBadge } from "../parts/badge.js";
import { icon } from "../parts/icons.js";
import { lifecycle } from "../parts/lifecycle.js";
import { loading } from "../parts/loading.js";
import { menu } from "../parts/menu.js";
import { DIMENSIONS, isCapped, meter } from "../parts/meter.js";
import { reasonList } from "../parts/reasons.js";
import { revealTab, tabLinks } from "../parts/tabs.js";
import { unblock } from "../parts/unblock.js";
import { artifactsTab } from "../tabs/artifacts.js";
import { changesTab } from "../tabs/changes.js";
import { costTab } from "../tabs/cost.js";
import { detailsTab } from "../tabs/details.js";
import { graphTab } from "../tabs/graph.js";
import { journalTab } from "../tabs/journal.js";
import { mergesTab } from "../tabs/merges.js";
import { tasksTab } from "../tabs/tasks.js";
import { timelineTab } from "../tabs/timeline.js";

/**
 * @typedef {(place: HTMLElement, model: ProjectModel, scope: import("../core/scope.js").Scope, query: URLSearchParams) => void} Tab
 */

/** @type {{name: string, label: string, show: Tab, fills?: boolean}[]} `fills`: takes the height that is left */
const TABS = [
  { name: "graph", label: "Graph", show: graphTab, fills: true },
  { name: "timeline", label: "Timeline", show: timelineTab, fills: true },
  { name: "tasks", label: "Tasks", show: tasksTab },
  { name: "journal", label: "Journal", show: journalTab, fills: true },
  { name: "changes", label: "Changes", show: changesTab },
  { name: "artifacts", label: "Artifacts", show: artifactsTab },
  { name: "merges", label: "Merges", show: mergesTab },
  { name: "cost", label: "Cost", show: costTab },
  { name: "details", label: "Details", show: detailsTab },
];

/** @type {import("../core/router.js").Page} */
export function projectPage(main, place, scope) {
  const { id } = place.params;
  const chosen = TABS.find(({ name }) => name === (place.params.tab ?? "graph")) ?? TABS[0];
  const base = `/projects/${encodeURIComponent(id)}`;
  document.title = `${id} · wfctl`;
  main.parentElement?.toggleAttribute("data-fill", chosen.fills === true);
  const model = new ProjectModel(id, scope);
  loading(
    main,
    scope,
    () => model.open(),
    () => {
      const head = projectHead(model, scope);
      const panel = h("div", { class: `tab-panel ${chosen.fills ? "fills" : ""}`, id: "tab-panel" });
      const tabs = tabLinks(
        "Views of the project",
        TABS.map(({ name, label }) => ({
          href: name === "graph" ? base : `${base}/${name}`,
          label,
          isCurrent: name === chosen.name,
        })),
      );
      queueMicrotask(() => {
        chosen.show(panel, model, scope, place.query);
        revealTab(tabs);
      });
      return [head, tabs, panel];
    },
  );
  shortcuts(
    "Project",
    [
      ...TABS.map(
        ({ name, label }, at) =>
          /** @type {[string, string, () => void]} */ ([
            String(at + 1),
            label,
            () => go(name === "graph" ? base : `${base}/${name}`),
          ]),
      ),
      [
        "p",
        "Pause or resume",
        () =>
          model.view &&
          !model.ended &&
          !refusedFor("operate") &&
          (model.view.project.status === "PAUSED" ? resume(model) : pause(model)),
      ],
      ["f", "Fork", () => model.view && !refusedFor("operate") && fork(model)],
      ["u", "Back to the projects", () => go("/projects")],
    ],
    scope,
  );
}

/**
 * Name, state, actions, lifecycle, and what it waits for.
 *
 * @param {ProjectModel} model
 * @param {import("../core/scope.js").Scope} scope
 */
function projectHead(model, scope) {
  const state = h("span", { class: "row" });
  const facts = h("div", { class: "head-facts" });
  const action = h("span", { class: "row wrap" });
  const phases = h("div", { class: "lifecycle-scroll", tabindex: 0, role: "group", "aria-label": "Phases" });
  const waiting = h("div", null);
  let said = "";
  let drawn = "";
  model.watch(() => {
    const { project } = model.view;
    // Drawn anew only when something that stands here has changed: focus and text selections stay.
    const now = JSON.stringify([
      project,
      model.view.counts,
      model.view.ledger,
      model.reasons,
      [...model.rounds],
      model.view.phase,
      model.view.tasks.map((task) => task.status),
    ]);
    if (now === drawn) return;
    drawn = now;
    fill(state, projectBadge(project.status));
    fill(facts, headFacts(model));
    fill(action, mainAction(model));
    fill(phases, lifecycle(model));
    fill(waiting, waitingPart(model));
    const word = projectLook(project.status).word;
    if (said && said !== word) announce(`${model.id}: ${word}`);
    said = word;
  }, scope);
  return h(
    "header",
    { class: "project-head" },
    h(
      "div",
      { class: "page-head" },
      h(
        "nav",
        { "aria-label": "Breadcrumb" },
        h(
          "ol",
          { class: "crumbs" },
          h("li", null, h("a", { href: "/projects" }, "Projects")),
          model.view.project.parent &&
            h(
              "li",
              null,
              h("a", { href: `/projects/${encodeURIComponent(model.view.project.parent)}` }, model.view.project.parent),
            ),
        ),
      ),
    ),
    h(
      "div",
      { class: "page-head" },
      h("h1", null, model.id),
      state,
      h(
        "div",
        { class: "actions" },
        action,
        menu("More", () => projectMenu(model)),
      ),
    ),
    facts,
    phases,
    waiting,
  );
}

/** @param {ProjectModel} model */
function headFacts(model) {
  const { project, tasks } = model.view;
  const ended = tasks.filter((task) => TASK_ENDED.has(task.status)).length;
  const goal = model.view.inputs?.goal;
  return [
    typeof goal === "string" && h("p", { class: "goal" }, goal),
    h(
      "ul",
      { class: "fact-row" },
      h(
        "li",
        null,
        h("span", { class: "muted" }, "Workflow "),
        h("a", { href: `/projects?workflow=${encodeURIComponent(project.workflow)}` }, project.workflow),
      ),
      h("li", null, h("span", { class: "muted" }, "Started "), agoTime(project.created)),
      h(
        "li",
        null,
        h("span", { class: "muted" }, model.ended ? "Took " : HELD.has(project.status) ? "Open for " : "Running for "),
        model.ended ? duration(project.changed - project.created) : sinceTime(project.created),
      ),
      h("li", null, h("span", { class: "muted" }, "Tasks "), `${ended} of ${tasks.length} ended`),
      model
        .budgets()
        .filter(isCapped)
        .map((budget) =>
          h(
            "li",
            { class: "row" },
            h("span", { class: "muted" }, DIMENSIONS[budget.name].word),
            DIMENSIONS[budget.name].show(budget.spent),
            meter(budget),
          ),
        ),
    ),
    project.note &&
      ENDED.has(project.status) &&
      h("p", { class: project.status === "FAILED" ? "tone-bad wrap-anywhere" : "muted wrap-anywhere" }, project.note),
  ];
}

/** @param {ProjectModel} model */
function mainAction(model) {
  const { status } = model.view.project;
  if (model.ended) return [];
  const refused = refusedFor("operate");
  const button = (
    /** @type {string} */ label,
    /** @type {import("../parts/icons.js").IconName} */ shape,
    /** @type {() => void} */ act,
    /** @type {boolean} */ primary,
  ) =>
    h(
      "button",
      {
        class: `button ${primary ? "primary" : ""}`,
        type: "button",
        "aria-disabled": refused ? "true" : undefined,
        title: refused ?? undefined,
        on: { click: () => refused || act() },
      },
      icon(shape),
      label,
    );
  if (status === "PAUSED") {
    const failed = model.view.tasks.some((task) => task.failure && !TASK_ENDED.has(task.status));
    return [failed && button("Retry", "retry", () => retry(model), false), button("Resume", "play", () => resume(model), true)];
  }
  if (status === "CANCELLING") return [];
  return [button("Pause", "pause", () => pause(model), false)];
}

/** @param {ProjectModel} model */
function waitingPart(model) {
  const wanted = model.reasons.filter((reason) => reason.command || reason.due || model.view.project.status === "PAUSED");
  if (wanted.length === 0) return null;
  return h(
    "section",
    { class: "waiting", "aria-label": "What it waits for" },
    reasonList(wanted, { project: model.id, action: (reason) => unblock(model, reason.task, reason.waits_for), most: 3 }),
  );
}
