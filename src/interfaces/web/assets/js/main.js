/** The beginning: the frame, the pages and their addresses, the keys. */
import { startClock } from "./core/clock.js";
import { fill, h } from "./core/dom.js";
import { whenSignedOut } from "./core/http.js";
import { go, route, startRouter } from "./core/router.js";
import { loadSession } from "./core/session.js";
import { shortcuts, showShortcuts, startShortcuts } from "./core/shortcuts.js";
import { applyTheme } from "./core/theme.js";
import { approvalsPage } from "./pages/approvals.js";
import { comparePage } from "./pages/compare.js";
import { missingPage } from "./pages/missing.js";
import { projectPage } from "./pages/project.js";
import { projectsPage } from "./pages/projects.js";
import { signInPage } from "./pages/sign_in.js";
import { startPage } from "./pages/start.js";
import { taskPage } from "./pages/task.js";
import { workersPage } from "./pages/workers.js";
import { workflowsPage } from "./pages/workflows.js";
import { frame, switchTheme } from "./parts/frame.js";
import { problem } from "./parts/problem.js";

const shell = /** @type {HTMLElement} */ (document.getElementById("shell"));

route("/", projectsPage);
route("/projects", projectsPage);
route("/projects/:id", projectPage);
route("/projects/:id/:tab", projectPage);
route("/projects/:id/tasks/:task", taskPage);
route("/projects/:id/tasks/:task/:tab", taskPage);
route("/approvals", approvalsPage);
route("/workers", workersPage);
route("/start", workflowsPage);
route("/start/:workflow", startPage);
route("/compare", comparePage);

shortcuts("Everywhere", [
  ["?", "Show this help", showShortcuts],
  ["g p", "Go to projects", () => go("/projects")],
  ["g a", "Go to approvals", () => go("/approvals")],
  ["g w", "Go to workers", () => go("/workers")],
  ["g s", "Start a project", () => go("/start")],
  ["/", "Search or filter", () => /** @type {HTMLElement | null} */ (document.querySelector("main input[type=search]"))?.focus()],
  ["t", "Switch between dark and light", switchTheme],
]);

async function begin() {
  try {
    if (await loadSession()) {
      whenSignedOut(() => signInPage(shell));
      startRouter(frame(shell), missingPage);
    } else {
      signInPage(shell);
    }
  } catch (error) {
    fill(shell, h("main", { id: "main" }, problem(error, begin)));
  }
}

applyTheme();
startClock();
startShortcuts();
begin();
