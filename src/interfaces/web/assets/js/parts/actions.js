/** What people can do to a project: each action asks for what it needs, and says why it cannot be done when that is so. */
import { toast } from "../core/announce.js";
import { h } from "../core/dom.js";
import { freshKey, path, post, remove } from "../core/http.js";
import { go } from "../core/router.js";
import { may } from "../core/session.js";
import { ENDED, sentence } from "../model/status.js";
import { budgetFields, readBudget } from "./budget_fields.js";
import { askFor } from "./dialog.js";
import { field, select } from "./field.js";

/** @typedef {import("../model/project.js").ProjectModel} Model */

const comment = () => field({ label: "Comment", name: "comment", hint: "Kept in the journal." });

/**
 * Why the role may not do it; `null` when it may.
 *
 * @param {"operate" | "admin"} role
 */
export function refusedFor(role) {
  return may(role) ? null : `Your token may only read. Sign in with the ${role} token (\`wfctl token --role ${role}\`).`;
}

/** @param {Model} model */
export function pause(model) {
  askFor({
    title: `Pause ${model.id}`,
    text: "Steps that run now are finished; nothing new is started until someone resumes it.",
    fields: comment(),
    act: "Pause",
    run: (data) => give(model, "pause", { comment: text(data, "comment") }, "Paused"),
  });
}

/** @param {Model} model */
export function resume(model) {
  const inDoubt = model.view.tasks.filter((task) => task.status === "IN_DOUBT");
  const overBudget = model.view.project.status === "PAUSED" && /budget/i.test(model.view.project.note);
  const { fields, root } = budgetFields(
    "New caps",
    overBudget ? "A cap was reached: give it more room, or it will pause again." : "Empty: the caps stay as they are.",
  );
  askFor({
    title: `Resume ${model.id}`,
    text:
      inDoubt.length > 0 &&
      `Nobody knows whether the last step of ${inDoubt.map((task) => task.name).join(", ")} happened. Look, then decide.`,
    fields: [
      inDoubt.length > 0 && doubtField(),
      overBudget ? root : h("details", null, h("summary", null, "Change the budget"), root),
      comment(),
    ],
    act: "Resume",
    run: (data) =>
      give(
        model,
        "resume",
        { in_doubt: text(data, "in_doubt"), budget: readBudget(data, fields), comment: text(data, "comment") },
        "Resumed",
      ),
  });
}

function doubtField() {
  return field({
    label: "The step in doubt",
    name: "in_doubt",
    control: (props) =>
      select(props, [
        ["rerun", "did not happen: run it again"],
        ["done", "happened: go on"],
        ["fail", "did not work: fail the task"],
      ]),
  });
}

/** @param {Model} model */
export function cancel(model) {
  askFor({
    title: `Cancel ${model.id}`,
    text: "Running steps are stopped. With undo, the undo commands of completed tasks run in reverse order first.",
    fields: [
      h("label", { class: "check" }, h("input", { type: "checkbox", name: "undo", checked: true }), "Run undo commands"),
      comment(),
    ],
    act: "Cancel the project",
    danger: true,
    run: (data) => give(model, "cancel", { undo: data.has("undo"), comment: text(data, "comment") }, "Cancel requested"),
  });
}

/** @param {Model} model */
function kill(model) {
  askFor({
    title: `Kill ${model.id}`,
    text: "Everything is stopped at once and nothing is undone. This is final.",
    fields: comment(),
    act: "Kill the project",
    danger: true,
    run: (data) => give(model, "kill", { comment: text(data, "comment") }, "Killed"),
  });
}

/**
 * @param {Model} model
 * @param {string} [task] only this one
 */
export function retry(model, task) {
  askFor({
    title: task ? `Retry ${task}` : `Retry what failed in ${model.id}`,
    text: "A new series of attempts begins; the project goes on.",
    act: "Retry",
    run: () => give(model, "retry", task ? { task } : {}, "Retried"),
  });
}

/**
 * @param {Model} model
 * @param {string} [name] of the signal that is waited for
 */
export function signal(model, name) {
  const payload = field({
    label: "Payload",
    name: "payload",
    hint: "JSON. Empty: none.",
    control: (props) => h("textarea", { ...props, class: "input code", rows: 3, spellcheck: "false" }),
  });
  askFor({
    title: `Send a signal to ${model.id}`,
    fields: [field({ label: "Name", name: "name", required: true, value: name }), payload],
    act: "Send",
    run: async (data) => {
      const given = text(data, "payload");
      await give(
        model,
        "signals",
        { name: text(data, "name") ?? "", payload: given === undefined ? undefined : JSON.parse(given) },
        "Sent",
      );
    },
  });
}

/**
 * @param {Model} model
 * @param {number} [at] the record to fork at
 */
export function fork(model, at) {
  const { fields, root } = budgetFields("Caps of the fork", "Empty: those of the original.");
  askFor({
    title: `Fork ${model.id}`,
    text: "The fork begins with the same records up to the one you name: what is recorded is read back, and only what comes after is run and paid for.",
    fields: [
      field({
        label: "At record",
        name: "at",
        type: "number",
        required: true,
        value: String(at ?? Math.max(1, model.view.seq - 1)),
        hint: `1 to ${model.view.seq}; the journal shows them.`,
      }),
      field({ label: "Id of the fork", name: "id", hint: "Empty: one is made." }),
      field({
        label: "Models",
        name: "models",
        hint: "provider/model, most preferred first, with commas between them. Empty: as before.",
      }),
      h("details", null, h("summary", null, "Change the budget"), root),
    ],
    act: "Fork",
    run: async (data) => {
      const body = {
        at: Number(text(data, "at")),
        id: text(data, "id"),
        models: list(text(data, "models")),
        budget: readBudget(data, fields),
      };
      const made = await post(path(["projects", model.id, "fork"]), body, { key: freshKey() });
      toast(`Forked as ${made.id}`);
      go(`/projects/${encodeURIComponent(made.id)}`);
    },
  });
}

/** @param {Model} model */
export function addTasks(model) {
  const present = model.view.phase ?? "";
  askFor({
    title: `Add tasks to ${model.id}`,
    text: "They are checked like those of a workflow file, in the setting of this project: all of them are added, or none.",
    fields: [
      field({
        label: "Tasks",
        name: "text",
        required: true,
        hint: "As in a workflow file. They may need and read the tasks that are there.",
        control: (props) =>
          h("textarea", {
            ...props,
            class: "input code",
            rows: 10,
            spellcheck: "false",
            value: "name: more\ntasks:\n  check:\n    run: echo checked\n",
          }),
      }),
      field({
        label: "Phase",
        name: "phase",
        control: (props) =>
          select(
            props,
            model.view.phases.map((phase) => [phase, sentence(phase)]),
            present,
          ),
      }),
    ],
    act: "Add",
    run: async (data) => {
      const body = { text: String(data.get("text") ?? ""), phase: text(data, "phase") };
      const added = await post(path(["projects", model.id, "tasks"]), body);
      toast(`Added: ${added.tasks.join(", ")}`);
      await model.load();
    },
  });
}

/** @param {Model} model */
function compareWith(model) {
  askFor({
    title: `Compare ${model.id}`,
    fields: field({ label: "With", name: "with", required: true, hint: "The id of another project." }),
    act: "Compare",
    run: async (data) => go(`/compare?a=${encodeURIComponent(model.id)}&b=${encodeURIComponent(text(data, "with") ?? "")}`),
  });
}

/** @param {Model} model */
function deleteProject(model) {
  askFor({
    title: `Delete ${model.id}`,
    text: "Its journal is removed for good. Branches in the repository stay.",
    act: "Delete",
    danger: true,
    run: async () => {
      await remove(path(["projects", model.id]));
      toast(`${model.id} is deleted`);
      go("/projects");
    },
  });
}

/**
 * The entries of the menu of a project.
 *
 * @param {Model} model
 * @returns {import("./menu.js").Item[]}
 */
export function projectMenu(model) {
  const over = ENDED.has(model.view.project.status) ? "It has ended." : null;
  const operate = refusedFor("operate");
  return [
    { label: "Fork…", icon: "fork", act: () => fork(model), refused: operate },
    { label: "Compare with…", icon: "compare", act: () => compareWith(model) },
    { label: "Send a signal…", icon: "inbox", act: () => signal(model), refused: over ?? operate },
    { label: "Retry what failed…", icon: "retry", act: () => retry(model), refused: over ?? operate },
    { label: "Add tasks…", icon: "plus", act: () => addTasks(model), refused: over ?? refusedFor("admin") },
    { label: "Cancel…", icon: "stop", act: () => cancel(model), danger: true, refused: over ?? operate },
    { label: "Kill…", icon: "cross", act: () => kill(model), danger: true, refused: over ?? operate },
    {
      label: "Delete…",
      icon: "trash",
      act: () => deleteProject(model),
      danger: true,
      refused: over ? refusedFor("admin") : "It has not ended.",
    },
  ];
}

/**
 * @param {Model} model
 * @param {string} verb
 * @param {Record<string, unknown>} body
 * @param {string} done
 */
async function give(model, verb, body, done) {
  await post(path(["projects", model.id, verb]), body);
  toast(done);
  await model.load();
}

/**
 * @param {FormData} data
 * @param {string} name
 */
function text(data, name) {
  const value = String(data.get(name) ?? "").trim();
  return value === "" ? undefined : value;
}

/** @param {string | undefined} given */
export function list(given) {
  return given
    ?.split(",")
    .map((part) => part.trim())
    .filter(Boolean);
}
