/** Who works: what waits for workers outside, taken and delivered here by hand where need be, and the roles that agents have. */
import { toast } from "../core/announce.js";
import { dueTime, sinceTime } from "../core/clock.js";
import { fill, h, keyed } from "../core/dom.js";
import { get, path, post } from "../core/http.js";
import { Stream } from "../core/live.js";
import { gently } from "../core/scope.js";
import { refusedFor } from "../parts/actions.js";
import { askFor } from "../parts/dialog.js";
import { field, select } from "../parts/field.js";
import { icon } from "../parts/icons.js";
import { loading } from "../parts/loading.js";
import { problem } from "../parts/problem.js";
import { taskHref } from "../parts/task_summary.js";
import { valueView } from "../parts/value.js";

/**
 * @typedef {import("../model/types.js").Work} Work
 * @typedef {import("../model/types.js").Role} Role
 */

/** The tokens of the claims that were made in this tab, by task. @type {Map<string, string>} */
const tokens = new Map();

/** @type {import("../core/router.js").Page} */
export function workersPage(main, _place, scope) {
  document.title = "Workers · wfctl";
  const list = h("ul", { class: "work-list" });
  const rest = h("div", null);
  const roles = h("div", { class: "role-list" });
  main.append(
    h("div", { class: "page-head" }, h("h1", null, "Workers")),
    h(
      "section",
      { class: "stack", "aria-label": "Work for workers outside" },
      h("h2", null, "Work for workers outside"),
      rest,
      list,
    ),
    h("section", { class: "stack", "aria-label": "Roles of agents" }, h("h2", null, "Roles of agents"), roles),
  );
  const load = async () => {
    try {
      /** @type {Work[]} */
      const tasks = (await get("/api/v1/workers", scope.signal)).tasks;
      if (scope.over) return;
      fill(
        rest,
        tasks.length === 0 &&
          h(
            "div",
            { class: "empty panel" },
            icon("check"),
            h("strong", null, "Nothing waits for a worker outside"),
            "Tasks with the action ",
            h("code", null, "external"),
            " stand here until someone delivers their result.",
          ),
      );
      keyed(list, tasks, { key: keyOf, signature: (work) => JSON.stringify(work), render: (work) => entry(work, load) });
    } catch (error) {
      if (!scope.over) fill(rest, problem(error, load));
    }
  };
  new Stream(scope, () => path(["events"]), { record: gently(scope, load, 900), again: load });
  load();
  loading(
    roles,
    scope,
    () => get("/api/v1/roles", scope.signal),
    ({ roles }) => roles.map(roleView),
  );
}

/** @param {Work} work */
function keyOf({ project, task }) {
  return `${project}\n${task}`;
}

/**
 * @param {Work} work
 * @param {() => Promise<void>} reload
 */
function entry(work, reload) {
  const refused = refusedFor("operate");
  const mine = tokens.has(keyOf(work));
  const button = (/** @type {string} */ label, /** @type {() => void} */ act, primary = false) =>
    h(
      "button",
      {
        class: `button ${primary ? "primary" : ""}`,
        type: "button",
        "aria-disabled": refused ? "true" : undefined,
        title: refused ?? undefined,
        on: { click: () => refused || act() },
      },
      label,
    );
  return h(
    "li",
    { class: "panel" },
    h(
      "div",
      { class: "body stack" },
      h(
        "div",
        { class: "row wrap" },
        h("strong", { class: "wrap-anywhere" }, h("a", { href: taskHref(work.project, work.task) }, work.task)),
        h(
          "span",
          { class: "muted wrap-anywhere" },
          "of ",
          h("a", { href: `/projects/${encodeURIComponent(work.project)}` }, work.project),
        ),
        h(
          "span",
          { class: "badge push", data: { tone: work.worker ? "active" : "wait" } },
          work.worker ? `Taken by ${work.worker}` : "Free",
        ),
      ),
      h(
        "p",
        { class: "small muted" },
        "Queue ",
        h("code", null, work.queue),
        ", waits for ",
        sinceTime(work.since),
        work.worker && work.due && [", the claim runs out ", dueTime(work.due)],
      ),
      work.payload !== null &&
        h(
          "details",
          { open: true },
          h("summary", null, "What the worker is given"),
          h("div", { class: "details-body" }, valueView(work.payload)),
        ),
      h(
        "div",
        { class: "row wrap" },
        !work.worker && button("Take it…", () => claim(work, reload)),
        mine && work.worker && button("Still at it", () => beat(work, reload)),
        button("Deliver…", () => deliver(work, reload), true),
      ),
    ),
  );
}

/**
 * @param {Work} work
 * @param {() => Promise<void>} reload
 */
function claim(work, reload) {
  askFor({
    title: `Take ${work.task}`,
    text: "Nobody else can take it until the claim runs out. This tab keeps the token that delivers the result.",
    fields: field({ label: "Worker", name: "worker", required: true, hint: "Who works on it; kept in the journal." }),
    act: "Take it",
    run: async (data) => {
      const worker = String(data.get("worker") ?? "").trim();
      if (!worker) throw new Error("Say who takes it.");
      const { token } = await post(path(["projects", work.project, "tasks", work.task, "claim"]), { worker });
      tokens.set(keyOf(work), token);
      toast(`${work.task} is taken by ${worker}`);
      await reload();
    },
  });
}

/**
 * @param {Work} work
 * @param {() => Promise<void>} reload
 */
async function beat(work, reload) {
  try {
    await post(path(["projects", work.project, "tasks", work.task, "heartbeat"]), { token: tokens.get(keyOf(work)) });
    toast("The claim is renewed");
    await reload();
  } catch (error) {
    tokens.delete(keyOf(work));
    toast(error instanceof Error ? error.message : String(error));
    await reload();
  }
}

/**
 * @param {Work} work
 * @param {() => Promise<void>} reload
 */
function deliver(work, reload) {
  askFor({
    title: `Deliver the result of ${work.task}`,
    fields: [
      field({
        label: "What became of it",
        name: "end",
        control: (props) =>
          select(props, [
            ["output", "it is done: this is its output"],
            ["error", "it failed: this is why"],
          ]),
      }),
      field({
        label: "Output or reason",
        name: "text",
        hint: "An output is JSON; empty: null. A reason is a sentence.",
        control: (props) => h("textarea", { ...props, class: "input code", rows: 4, spellcheck: "false" }),
      }),
      field({
        label: "Token of the claim",
        name: "token",
        value: tokens.get(keyOf(work)) ?? "",
        hint: work.worker ? `It is taken by ${work.worker}.` : "Empty: it was not taken.",
      }),
    ],
    act: "Deliver",
    run: async (data) => {
      const of = (/** @type {string} */ name) => String(data.get(name) ?? "").trim();
      const result = of("end") === "error" ? { error: of("text") } : { output: of("text") ? JSON.parse(of("text")) : null };
      const token = of("token") || undefined;
      await post(path(["projects", work.project, "tasks", work.task, "result"]), { token, ...result });
      tokens.delete(keyOf(work));
      toast(`Delivered: ${work.project} ${work.task}`);
      await reload();
    },
  });
}

/** @param {Role} role */
function roleView(role) {
  return h(
    "article",
    { class: "panel" },
    h(
      "div",
      { class: "body stack" },
      h(
        "div",
        { class: "row wrap" },
        h("h3", null, role.name),
        h("span", { class: "muted push" }, "answers with ", h("code", null, role.output)),
      ),
      h("p", null, role.description),
      h("p", { class: "small muted wrap-anywhere" }, role.tools.length > 0 ? `Tools: ${role.tools.join(", ")}` : "No tools."),
      h(
        "details",
        null,
        h("summary", null, "Instructions"),
        h("pre", { class: "code-block", tabindex: 0, "aria-label": `Instructions of ${role.name}` }, role.prompt),
      ),
    ),
  );
}
