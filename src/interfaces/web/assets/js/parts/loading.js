/** A place that shows what was asked for once it is there, or why it is not. */
import { fill, h } from "../core/dom.js";
import { problem } from "./problem.js";

/**
 * @template T
 * @param {Element} place
 * @param {import("../core/scope.js").Scope} scope
 * @param {() => Promise<T>} ask
 * @param {(answer: T) => import("../core/dom.js").Children} show
 */
export async function loading(place, scope, ask, show) {
  const patience = setTimeout(() => {
    if (!scope.over) fill(place, h("p", { class: "loading", role: "status" }, "Loading…"));
  }, 250);
  try {
    const answer = await ask();
    if (!scope.over) fill(place, show(answer));
  } catch (error) {
    if (!scope.over)
      fill(
        place,
        problem(error, () => loading(place, scope, ask, show)),
      );
  } finally {
    clearTimeout(patience);
  }
}
