/** A project's tasks as a graph. */
import { layOut } from "./layout.js";

/** From here on the layout is left to a worker. */
const LARGE = 250;

/**
 * @typedef {{tasks: import("../model/types.js").TaskView[], phases: string[], edges: [number, number][], grown: Set<string>}} Graph
 *   `grown`: edges that are no need: from a `foreach` to its items, from a task to what repairs it
 */

/**
 * @param {import("../model/types.js").ProjectView} view
 * @returns {Graph}
 */
export function graphOf(view) {
  const at = new Map(view.tasks.map((task, index) => [task.name, index]));
  /** @type {[number, number][]} */
  const edges = [];
  const grown = new Set();
  view.tasks.forEach((task, index) => {
    for (const need of task.needs) {
      const from = at.get(need);
      if (from !== undefined) edges.push([from, index]);
    }
    const origin = at.get(originOf(task.name));
    if (origin !== undefined && origin !== index && task.needs.length === 0 && view.tasks[origin].phase === task.phase) {
      edges.push([origin, index]);
      grown.add(`${origin}>${index}`);
    }
  });
  return { tasks: view.tasks, phases: view.phases, edges, grown };
}

/**
 * The task that another one came from: `build[3]` from `build`, `build.fix1` from `build`.
 *
 * @param {string} name
 */
function originOf(name) {
  return name.replace(/(\[\d+\]|\.(fix|undo)\d*)$/, "");
}

/**
 * What the layout depends on: tasks that are added change it, states do not.
 *
 * @param {Graph} graph
 */
export function shapeOf(graph) {
  return `${graph.tasks.length}:${graph.edges.length}`;
}

/**
 * @param {Graph} graph
 * @param {number} aspect width by height of the place
 * @param {import("../core/scope.js").Scope} scope
 * @returns {Promise<import("./layout.js").Layout>}
 */
export function layoutOf(graph, aspect, scope) {
  const input = { nodes: graph.tasks.map((task) => ({ phase: graph.phases.indexOf(task.phase) })), edges: graph.edges, aspect };
  if (graph.tasks.length < LARGE) return Promise.resolve(layOut(input));
  return new Promise((resolve, reject) => {
    const worker = new Worker("/assets/js/graph/layout_worker.js", { type: "module" });
    scope.own(() => worker.terminate());
    worker.addEventListener("message", (event) => {
      worker.terminate();
      resolve(event.data.layout);
    });
    worker.addEventListener("error", () => reject(new Error("the picture could not be laid out")));
    worker.postMessage({ id: 0, input });
  });
}
