/** All projects: what runs, what waits, what has ended. */
import { announce } from "../core/announce.js";
import { agoTime } from "../core/clock.js";
import { fill, h, keyed } from "../core/dom.js";
import { duration, plural } from "../core/format.js";
import { get, path } from "../core/http.js";
import { Stream } from "../core/live.js";
import { go, setQuery } from "../core/router.js";
import { gently } from "../core/scope.js";
import { shortcuts } from "../core/shortcuts.js";
import { ENDED } from "../model/status.js";
import { projectBadge } from "../parts/badge.js";
import { icon } from "../parts/icons.js";
import { problem } from "../parts/problem.js";
import { segmented } from "../parts/segmented.js";

const PAGE = 50;
const TYPING_MS = 200;

/** @type {import("../core/router.js").Page} */
export function projectsPage(main, place, scope) {
  document.title = "Projects · wfctl";
  const wanted = {
    status: place.query.get("status") ?? "",
    q: place.query.get("q") ?? "",
    workflow: place.query.get("workflow") ?? "",
  };
  let limit = PAGE;
  /** The question that a project waits with. @type {Map<string, import("../model/types.js").Approval>} */
  const questions = new Map();
  const search = h("input", {
    class: "input",
    type: "search",
    value: wanted.q,
    placeholder: "Search by id or workflow",
    "aria-label": "Search projects",
    autocomplete: "off",
  });
  const states = segmented(
    "State",
    [
      ["", "All"],
      ["live", "Live"],
      ["held", "Held"],
      ["ended", "Ended"],
      ["FAILED", "Failed"],
    ],
    wanted.status,
    (status) => {
      wanted.status = status;
      limit = PAGE;
      filter();
    },
  );
  const rows = h("tbody", null);
  const table = h(
    "table",
    { class: "grid-table cards" },
    h("caption", { class: "visually-hidden" }, "Projects, the newest change first"),
    h(
      "thead",
      null,
      h(
        "tr",
        null,
        ["Project", "State", "Workflow", "Note", "Took", "Changed"].map((name) => h("th", { scope: "col" }, name)),
      ),
    ),
    rows,
  );
  const list = h("div", { class: "panel scroll", hidden: true }, table);
  const rest = h("div", { class: "stack" });
  main.append(
    h(
      "div",
      { class: "page-head" },
      h("h1", null, "Projects"),
      h("div", { class: "actions" }, h("a", { class: "button primary", href: "/start" }, icon("play"), "Start a project")),
    ),
    h(
      "div",
      { class: "filters", role: "search" },
      h("div", { class: "search" }, icon("search"), search),
      states,
      wanted.workflow && h("a", { class: "button small", href: "/projects" }, `workflow ${wanted.workflow}`, icon("x")),
    ),
    list,
    rest,
  );

  const load = async () => {
    try {
      const [answer, asked] = await Promise.all([
        get(path(["projects"], { ...wanted, limit }), scope.signal),
        get("/api/v1/approvals", scope.signal),
      ]);
      if (scope.over) return;
      questions.clear();
      for (const approval of asked.approvals) questions.set(approval.project.id, approval);
      show(answer);
    } catch (error) {
      if (!scope.over) fill(rest, problem(error, load));
    }
  };
  const refresh = gently(scope, load, 900);
  const filter = () => {
    setQuery({ status: wanted.status, q: wanted.q });
    load();
  };

  /** @param {{projects: import("../model/types.js").Summary[], next: string | null, damaged?: string[]}} answer */
  const show = ({ projects, next, damaged = [] }) => {
    list.hidden = projects.length === 0;
    keyed(rows, projects, {
      key: (project) => project.id,
      signature: (project) => JSON.stringify([project, questions.get(project.id)]),
      render: (project) => row(project, questions.get(project.id)),
    });
    fill(
      rest,
      damaged.map((text) => h("div", { class: "problem" }, icon("warn"), h("p", null, text))),
      projects.length === 0 &&
        (wanted.status || wanted.q || wanted.workflow
          ? h(
              "div",
              { class: "empty panel" },
              h("strong", null, "No project fits"),
              h("a", { class: "button", href: "/projects" }, "Show all"),
            )
          : h(
              "div",
              { class: "empty panel" },
              h("strong", null, "Nothing has run here yet"),
              "A project is one run of a workflow.",
              h("a", { class: "button primary", href: "/start" }, "Start the first one"),
            )),
      next &&
        h(
          "div",
          null,
          h(
            "button",
            {
              class: "button",
              type: "button",
              on: {
                click: () => {
                  limit += PAGE;
                  load();
                },
              },
            },
            "Show more",
          ),
        ),
    );
    announce(`${plural(projects.length, "project")}${next ? " and more" : ""}`);
  };

  let typing = 0;
  search.addEventListener("input", () => {
    clearTimeout(typing);
    typing = setTimeout(() => {
      wanted.q = search.value.trim();
      limit = PAGE;
      filter();
    }, TYPING_MS);
  });
  search.addEventListener("keydown", (event) => {
    if (event.key === "Enter" || event.key === "ArrowDown") step(1);
    else if (event.key === "Escape") search.blur();
    else return;
    event.preventDefault();
  });
  const step = (/** @type {number} */ by) => {
    const links = /** @type {HTMLElement[]} */ ([...rows.querySelectorAll("a[data-main]")]);
    const at = links.indexOf(/** @type {HTMLElement} */ (document.activeElement));
    links[Math.min(Math.max(at + by, 0), links.length - 1)]?.focus();
  };
  shortcuts(
    "Projects",
    [
      ["j", "Next project", () => step(1)],
      ["k", "Previous project", () => step(-1)],
      ["n", "Start a project", () => go("/start")],
    ],
    scope,
  );
  new Stream(scope, () => path(["events"]), { record: refresh, again: load });
  load();
}

/**
 * @param {import("../model/types.js").Summary} project
 * @param {import("../model/types.js").Approval | undefined} question
 */
function row(project, question) {
  const end = ENDED.has(project.status);
  return h(
    "tr",
    null,
    h(
      "td",
      { class: "id-cell" },
      h(
        "a",
        { class: "mono wrap-anywhere", href: `/projects/${encodeURIComponent(project.id)}`, data: { main: "" } },
        project.id,
      ),
      project.parent &&
        h(
          "span",
          { class: "sub" },
          "part of ",
          h("a", { href: `/projects/${encodeURIComponent(project.parent)}` }, project.parent),
        ),
    ),
    h("td", null, projectBadge(project.status)),
    h(
      "td",
      { class: "nowrap" },
      h("a", { class: "muted", href: `/projects?workflow=${encodeURIComponent(project.workflow)}` }, project.workflow),
    ),
    question
      ? h(
          "td",
          { class: "grow clip", title: question.ask },
          h(
            "a",
            {
              class: "question-link",
              href: `/approvals?project=${encodeURIComponent(project.id)}${question.task ? `&task=${encodeURIComponent(question.task)}` : ""}`,
            },
            icon("person"),
            ` ${question.ask}`,
          ),
        )
      : h("td", { class: "grow clip muted", title: project.note || undefined }, project.note),
    h("td", { class: "nowrap muted" }, end ? duration(project.changed - project.created) : ""),
    h("td", { class: "nowrap muted" }, agoTime(project.changed)),
  );
}
