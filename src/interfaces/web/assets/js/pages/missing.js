/** The page of an address that nobody has. */
import { h } from "../core/dom.js";

/** @type {import("../core/router.js").Page} */
export function missingPage(main, place) {
  document.title = "Not found · wfctl";
  main.append(
    h(
      "div",
      { class: "empty" },
      h("h1", null, "There is no such page"),
      h("p", null, h("code", null, place.path)),
      h("a", { class: "button primary", href: "/projects" }, "To the projects"),
    ),
  );
}
