/** The browser, and pages that notice what must not happen: errors in the console, requests to elsewhere. */
import assert from "node:assert/strict";
import { mkdirSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { chromium } from "playwright-core";
import { SCREENSHOTS } from "./server.js";

const AXE = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
const FLAGS = [
  "--no-sandbox",
  "--disable-gpu",
  "--disable-quic",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
];

export async function launch() {
  return chromium.launch({ executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium", headless: true, args: FLAGS });
}

/**
 * A page of someone who is signed in.
 *
 * @param {import("playwright-core").Browser} browser
 * @param {import("./server.js").Server} server
 * @param {{role?: string, width?: number, height?: number, scheme?: "light" | "dark"}} [options]
 */
export async function open(browser, server, { role = "admin", width = 1360, height = 860, scheme = "light" } = {}) {
  const context = await browser.newContext({
    viewport: { width, height },
    colorScheme: scheme,
    reducedMotion: "reduce",
    serviceWorkers: "block",
  });
  if (process.env.WFCTL_BROWSER_ASSETS) await serveFromTree(context);
  const page = await context.newPage();
  const watch = new Watch(page, server);
  await page.goto(`${server.url}/login?token=${server.token(role)}`);
  await page.waitForSelector(".topbar");
  return { page, watch, context };
}

/**
 * Takes files from the working tree in place of those in the program: for work on the pages, without building.
 *
 * @param {import("playwright-core").BrowserContext} context
 */
async function serveFromTree(context) {
  const root = fileURLToPath(new URL("../../../src/interfaces/web/assets/", import.meta.url));
  await context.route("**/assets/**", (route) =>
    route.fulfill({ path: join(root, new URL(route.request().url()).pathname.slice("/assets/".length)) }),
  );
}

/** What a page must not do. */
export class Watch {
  /**
   * @param {import("playwright-core").Page} page
   * @param {import("./server.js").Server} server
   */
  constructor(page, server) {
    /** @type {string[]} */
    this.problems = [];
    /** Whether the server may be away at this moment. */
    this.lenient = false;
    page.on("console", (message) => {
      if (["error", "warning"].includes(message.type()) && !this.lenient) this.problems.push(`console: ${message.text()}`);
    });
    page.on("pageerror", (error) => this.problems.push(`error: ${error.message}`));
    page.on("request", (request) => {
      if (!request.url().startsWith(`${server.url}/`)) this.problems.push(`request to elsewhere: ${request.url()}`);
    });
  }

  /** Fails when anything was noticed since the last time. */
  clear() {
    const { problems } = this;
    this.problems = [];
    assert.deepEqual(problems, []);
  }
}

/**
 * @param {import("playwright-core").Page} page
 * @param {string} name
 */
export async function screenshot(page, name) {
  mkdirSync(SCREENSHOTS, { recursive: true });
  await page.screenshot({ path: join(SCREENSHOTS, `${name}.png`) });
}

/**
 * Fails when the page breaks a rule of WCAG 2.2 AA that a program can see: contrast, names, roles, structure.
 *
 * @param {import("playwright-core").Page} page
 * @param {string} where
 */
export async function accessible(page, where) {
  if (!(await page.evaluate(() => "axe" in window))) await page.evaluate(AXE);
  const violations = await page.evaluate(async () => {
    const found = await /** @type {any} */ (window).axe.run(document, {
      runOnly: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"],
    });
    return found.violations.map(
      (/** @type {any} */ one) =>
        `${one.id}: ${one.nodes
          .slice(0, 3)
          .map((/** @type {any} */ node) => `${node.target.join(" ")} (${node.any[0]?.message ?? node.failureSummary})`)
          .join("; ")}`,
    );
  });
  assert.deepEqual(violations, [], where);
}

/**
 * Fails when the page is wider than the window.
 *
 * @param {import("playwright-core").Page} page
 * @param {string} where
 */
export async function fitsWidth(page, where) {
  const { wide, room, widest } = await page.evaluate(() => {
    const room = document.documentElement.clientWidth;
    const over = [...document.querySelectorAll("main *")].filter(
      (one) =>
        one.getBoundingClientRect().right > room + 1 &&
        !one.closest(
          ".tabs, .lifecycle-scroll, .scroll-x, .panel.scroll, .virtual, .diff-lines, .terminal, pre, .visually-hidden",
        ),
    );
    return {
      wide: document.documentElement.scrollWidth,
      room,
      widest: over.slice(0, 3).map((one) => `${one.tagName}.${one.className}`),
    };
  });
  assert.ok(wide <= room, `${where}: ${wide} px in a window of ${room} px (${widest.join(", ")})`);
  assert.deepEqual(widest, [], where);
}
