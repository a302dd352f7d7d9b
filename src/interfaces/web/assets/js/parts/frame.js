/** What stands around every page: the bar with the ways to go, the state of the connection, the theme. */
import { announce, toastProblem } from "../core/announce.js";
import { fill, h, s } from "../core/dom.js";
import { get, post } from "../core/http.js";
import { reconnect, watchConnection } from "../core/live.js";
import { watchPlace } from "../core/router.js";
import { currentRole } from "../core/session.js";
import { showShortcuts } from "../core/shortcuts.js";
import { nextTheme, setTheme, theme } from "../core/theme.js";
import { timeOfDay } from "../core/format.js";
import { icon } from "./icons.js";

const ASK_MS = 15_000;
const LOST_AFTER_MS = 1500;

/** @type {[path: string, label: string, shape: import("./icons.js").IconName][]} */
const NAV = [
  ["/projects", "Projects", "list"],
  ["/approvals", "Approvals", "inbox"],
  ["/workers", "Workers", "wrench"],
  ["/start", "Start", "play"],
];

/** @type {HTMLButtonElement} */
let themeButton;

/**
 * Builds it. Answers the element for pages.
 *
 * @param {HTMLElement} shell
 */
export function frame(shell) {
  const waiting = h("span", { class: "count", data: { tone: "wait" }, hidden: true });
  const links = NAV.map(([href, label, shape]) => h("a", { href }, icon(shape), label, href === "/approvals" && waiting));
  const nav = h("nav", { class: "nav", "aria-label": "Main" }, links);
  const connection = h("span", { class: "connection", hidden: true }, h("span", { class: "words" }));
  const banner = h("div", { class: "lost-banner", role: "alert", hidden: true });
  themeButton = h("button", { class: "button quiet icon-only", type: "button", on: { click: switchTheme } });
  showTheme();
  const bar = h(
    "header",
    { class: "topbar" },
    h("a", { class: "brand", href: "/projects", "aria-label": "wfctl, to the projects" }, mark(), "wfctl"),
    nav,
    h("span", { class: "push" }),
    connection,
    h(
      "button",
      {
        class: "button quiet icon-only",
        type: "button",
        "aria-label": "Keyboard shortcuts",
        title: "Keyboard shortcuts (?)",
        on: { click: showShortcuts },
      },
      icon("question"),
    ),
    themeButton,
    h(
      "button",
      {
        class: "button quiet icon-only",
        type: "button",
        "aria-label": `Sign out (${currentRole()})`,
        title: `Sign out; your token may ${currentRole()}`,
        on: { click: signOut },
      },
      icon("key"),
    ),
  );
  const main = h("main", { id: "main", tabindex: -1 });
  fill(shell, bar, banner, main);
  watchPlace(({ path }) => {
    for (const link of links) {
      const to = link.getAttribute("href") ?? "";
      const isHere = path.startsWith(to) || (to === "/projects" && (path === "/" || path === "/compare"));
      if (isHere) link.setAttribute("aria-current", "page");
      else link.removeAttribute("aria-current");
    }
    countApprovals(waiting);
  });
  setInterval(() => {
    if (!document.hidden) countApprovals(waiting);
  }, ASK_MS);
  document.addEventListener("approvals-changed", () => countApprovals(waiting));
  showConnection(connection, banner);
  return main;
}

/** Goes to the next theme. */
export function switchTheme() {
  setTheme(nextTheme());
  showTheme();
  announce(`Theme: ${theme()}`);
}

function showTheme() {
  const shapes = /** @type {const} */ ({ system: "system", light: "sun", dark: "moon" });
  const label = `Theme: ${theme()}. Switch (t)`;
  themeButton.setAttribute("aria-label", label);
  themeButton.title = label;
  fill(themeButton, icon(shapes[theme()]));
}

async function signOut() {
  try {
    await post("/logout", {});
    location.assign("/");
  } catch (error) {
    toastProblem(error);
  }
}

/** @param {HTMLElement} waiting */
async function countApprovals(waiting) {
  const answer = await get("/api/v1/approvals").catch(() => null);
  if (!answer) return;
  const number = answer.approvals.length;
  waiting.hidden = number === 0;
  waiting.textContent = String(number);
  waiting.setAttribute("aria-label", `${number} waiting`);
}

/**
 * @param {HTMLElement} connection
 * @param {HTMLElement} banner
 */
function showConnection(connection, banner) {
  const words = { connecting: "Connecting", live: "Live", lost: "Connection lost", resting: "Resting", ended: "Ended" };
  let timer = 0;
  watchConnection((state, since) => {
    clearTimeout(timer);
    connection.hidden = state !== "live" && state !== "lost";
    connection.dataset.state = state;
    fill(/** @type {Element} */ (connection.firstElementChild), words[state]);
    if (state !== "lost") {
      if (!banner.hidden) announce("Connected again");
      banner.hidden = true;
      return;
    }
    // Most are back at once; those are not worth a word.
    timer = setTimeout(() => {
      fill(
        banner,
        icon("warn"),
        h(
          "span",
          null,
          `The connection is lost. What you see is from ${timeOfDay(since)}; it goes on by itself as soon as the server answers.`,
        ),
        h("button", { class: "button small", type: "button", on: { click: reconnect } }, icon("retry"), "Try now"),
      );
      banner.hidden = false;
    }, LOST_AFTER_MS);
  });
}

function mark() {
  return s(
    "svg",
    { viewBox: "0 0 32 32", "aria-hidden": "true" },
    s("rect", { width: 32, height: 32, rx: 7, class: "mark-ground" }),
    s("path", { d: "M7 10h5l4 12 4-12h5", class: "mark-line" }),
    [
      [7, 10],
      [16, 22],
      [25, 10],
    ].map(([cx, cy]) => s("circle", { cx, cy, r: 2.6, class: "mark-dot" })),
  );
}
