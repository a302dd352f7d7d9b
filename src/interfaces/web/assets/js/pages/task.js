/** One task: its attempts and steps, its conversation, its output, what it changed, what its checks said. */
import { fill, h } from "../core/dom.js";
import { go } from "../core/router.js";
import { shortcuts } from "../core/shortcuts.js";
import { ProjectModel } from "../model/project.js";
import { taskBadge } from "../parts/badge.js";
import { decision } from "../parts/decision.js";
import { loading } from "../parts/loading.js";
import { revealTab, tabLinks } from "../parts/tabs.js";
import { taskFacts, taskHref, taskTiming, taskTrouble } from "../parts/task_summary.js";
import { attemptsTab } from "../tabs/task_attempts.js";
import { conversationTab } from "../tabs/task_conversation.js";
import { filesTab } from "../tabs/task_files.js";
import { outputTab } from "../tabs/task_output.js";
import { resultTab } from "../tabs/task_result.js";
import { testsTab } from "../tabs/task_tests.js";

/**
 * @typedef {{model: ProjectModel, name: string, attempt: number | null, query: URLSearchParams}} Shown
 *   `attempt`: the one that is asked for; `null`: the last
 * @typedef {(place: HTMLElement, shown: Shown, scope: import("../core/scope.js").Scope) => void} TaskTab
 */

/** @type {{name: string, label: string, show: TaskTab, agents?: boolean}[]} `agents`: only for tasks that run one */
const TABS = [
  { name: "attempts", label: "Attempts", show: attemptsTab },
  { name: "conversation", label: "Conversation", show: conversationTab, agents: true },
  { name: "output", label: "Output", show: outputTab },
  { name: "changes", label: "Changes", show: filesTab },
  { name: "tests", label: "Checks", show: testsTab },
  { name: "result", label: "Result", show: resultTab },
];

/** @type {import("../core/router.js").Page} */
export function taskPage(main, place, scope) {
  const { id, task: name } = place.params;
  document.title = `${name} · ${id} · wfctl`;
  const model = new ProjectModel(id, scope);
  loading(
    main,
    scope,
    () => model.open(),
    () => {
      const task = model.task(name);
      if (!task) {
        return h(
          "div",
          { class: "empty" },
          h("h1", null, "There is no such task"),
          h("p", null, `${id} has no task `, h("code", null, name), "."),
          h("a", { class: "button primary", href: `/projects/${encodeURIComponent(id)}/tasks` }, "See its tasks"),
        );
      }
      const tabs = TABS.filter(({ agents }) => !agents || task.action === "agent");
      const chosen = tabs.find((tab) => tab.name === place.params.tab) ?? tabs[0];
      const panel = h("div", { class: "tab-panel" });
      const attempt = Number(place.query.get("attempt")) || null;
      const links = tabLinks(
        "Views of the task",
        tabs.map((tab) => ({ href: taskHref(id, name, tab.name), label: tab.label, isCurrent: tab === chosen })),
      );
      queueMicrotask(() => {
        chosen.show(panel, { model, name, attempt, query: place.query }, scope);
        revealTab(links);
      });
      shortcuts(
        "Task",
        [
          ...tabs.map(
            (tab, at) =>
              /** @type {[string, string, () => void]} */ ([String(at + 1), tab.label, () => go(taskHref(id, name, tab.name))]),
          ),
          ["u", "Back to the project", () => go(`/projects/${encodeURIComponent(id)}`)],
        ],
        scope,
      );
      return [taskHead(model, name, scope), links, panel];
    },
  );
}

/**
 * @param {ProjectModel} model
 * @param {string} name
 * @param {import("../core/scope.js").Scope} scope
 */
function taskHead(model, name, scope) {
  const state = h("span", { class: "row wrap" });
  const trouble = h("div", { class: "stack" });
  const answer = h("div", null);
  const facts = h("div", { class: "task-facts" });
  let drawn = "";
  let asked = 0;
  model.watch(() => {
    const task = model.task(name);
    const now = JSON.stringify([task, model.reasons, model.ended]);
    if (!task || now === drawn) return;
    drawn = now;
    fill(state, taskBadge(task.status), taskTiming(task));
    fill(trouble, taskTrouble(model, task));
    // What is being typed stays as long as the question does.
    const asks = task.status === "AWAITING_APPROVAL" ? task.since : 0;
    if (asks !== asked) fill(answer, asks > 0 && answerForm(model, task));
    asked = asks;
    fill(facts, taskFacts(model, task));
  }, scope);
  const base = `/projects/${encodeURIComponent(model.id)}`;
  return h(
    "header",
    { class: "stack" },
    h(
      "nav",
      { "aria-label": "Breadcrumb" },
      h(
        "ol",
        { class: "crumbs" },
        h("li", null, h("a", { href: "/projects" }, "Projects")),
        h("li", null, h("a", { href: base }, model.id)),
        h("li", null, h("a", { href: `${base}/tasks` }, "Tasks")),
      ),
    ),
    h("div", { class: "page-head" }, h("h1", null, name), state),
    trouble,
    answer,
    facts,
  );
}

/**
 * The answer to what the task asks. An agent goes on with the words of it.
 *
 * @param {ProjectModel} model
 * @param {import("../model/types.js").TaskView} task
 */
function answerForm(model, task) {
  const answered = async () => {
    await model.load();
    document.dispatchEvent(new Event("approvals-changed"));
  };
  const { parts, byAgent } = decision({ project: model.id, task: task.name, answered });
  if (task.action === "agent") byAgent();
  return h("section", { class: "panel", "aria-label": "Your answer" }, h("div", { class: "body stack" }, parts));
}
