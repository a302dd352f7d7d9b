/** Every page with real data: it shows what it is for, breaks no rule of accessibility, fits a phone, and is quiet in the console. */
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { accessible, fitsWidth, launch, open, screenshot } from "./support/browser.js";
import { Server, until } from "./support/server.js";

/** Pages by name, each with words that stand on it. @type {[name: string, path: string, words: string[]][]} */
const PAGES = [
  ["projects", "/projects", ["demo", "broken-1", "Paused"]],
  ["project", "/projects/demo", ["Build", "Deploy", "Merge the result of demo"]],
  ["timeline", "/projects/demo/timeline", ["implement[0]", "review", "approval"]],
  ["tasks", "/projects/demo/tasks", ["implement[0]", "Awaiting approval"]],
  ["journal", "/projects/demo/journal", ["TaskAwaits", "waits for approval"]],
  ["changes", "/projects/demo/changes", ["src/rank.rs", "pub mod rank;"]],
  ["artifacts", "/projects/demo/artifacts", ["plan.json", "Rank words"]],
  ["merges", "/projects/demo/merges", ["implement[0].fix1", "Merged"]],
  ["cost", "/projects/demo/cost", ["By role", "implementer", "Tokens over time"]],
  ["details", "/projects/demo/details", ["Audit", "release", "Folder"]],
  ["task", "/projects/demo/tasks/implement%5B0%5D", ["Attempt 1", "0 agent", "1 merge"]],
  ["conversation", "/projects/demo/tasks/implement%5B0%5D/conversation", ["Prompt", "read_file", "Artifact"]],
  ["task-changes", "/projects/demo/tasks/implement%5B0%5D/changes", ["src/rank.rs"]],
  ["checks", "/projects/demo/tasks/suite/tests", ["Verdict", "Pass", "Green"]],
  ["result", "/projects/demo/tasks/suite/result", ["All checks pass after the fix."]],
  ["output", "/projects/broken-1/tasks/check/output", ["test rounding ... FAILED"]],
  ["failure", "/projects/broken-1", ["check", "exit code 3", "wfctl retry broken-1 check"]],
  [
    "approvals",
    "/approvals?project=demo&task=ask",
    ["Merge the result of demo", "Approve", "What was asked for is there and tested.", "Cost so far"],
  ],
  ["workers", "/workers", ["Work for workers outside", "Roles of agents", "Makes one change in the code"]],
  ["start", "/start", ["sdlc", "hello"]],
  ["form", "/start/hello", ["Whom to greet.", "required"]],
  ["compare", "/compare?a=demo&b=broken-1", ["other definition", "Records"]],
  ["missing", "/nowhere", ["There is no such page"]],
];

describe("pages", () => {
  const server = new Server();
  /** @type {import("playwright-core").Browser} */
  let browser;

  before(async () => {
    await server.demo();
    server.cli("run", "workflows/edit.yaml", "--id", "edit-1");
    try {
      server.cli("run", "workflows/broken.yaml", "--id", "broken-1");
    } catch {
      // It ends paused, and says so by its exit code.
    }
    await server.start();
    browser = await launch();
  });
  after(async () => {
    await browser?.close();
    await server.end();
  });

  for (const scheme of /** @type {const} */ (["light", "dark"])) {
    test(`in ${scheme}`, async (t) => {
      const { page, watch, context } = await open(browser, server, { scheme });
      for (const [name, path, words] of PAGES) {
        await t.test(name, async () => {
          await page.goto(server.url + path);
          for (const word of words)
            await page.getByText(word, { exact: false }).first().waitFor({ state: "attached", timeout: 15_000 });
          await screenshot(page, scheme === "light" ? name : `dark-${name}`);
          await accessible(page, `${name} in ${scheme}`);
          watch.clear();
        });
      }
      await context.close();
    });
  }

  test("on a phone", async (t) => {
    const { page, watch, context } = await open(browser, server, { width: 360, height: 740 });
    for (const [name, path, words] of PAGES) {
      await t.test(name, async () => {
        await page.goto(server.url + path);
        for (const word of words.slice(0, 1))
          await page.getByText(word, { exact: false }).first().waitFor({ state: "attached", timeout: 15_000 });
        await screenshot(page, `phone-${name}`);
        await fitsWidth(page, name);
        watch.clear();
      });
    }
    await accessible(page, "on a phone");
    await context.close();
  });

  test("the theme can be chosen, and is kept", async () => {
    const { page, watch, context } = await open(browser, server, { scheme: "light" });
    const ground = () => page.evaluate(() => getComputedStyle(document.body).backgroundColor);
    const light = await ground();
    await page.keyboard.press("t");
    assert.equal(await ground(), light, "the first press chooses light, which it is");
    await page.keyboard.press("t");
    const dark = await ground();
    assert.notEqual(dark, light);
    await page.reload();
    await page.waitForSelector(".topbar");
    assert.equal(await ground(), dark);
    watch.clear();
    await context.close();
  });

  test("text with markup stays text", async () => {
    const { page, watch, context } = await open(browser, server);
    await page.goto(`${server.url}/projects/edit-1/changes`);
    await page.getByText("src/added.rs").first().waitFor();
    const changed = await page.locator("tr.added .changed").allTextContents();
    assert.deepEqual(changed, ["planet"], "the part of the line that changed is marked");
    assert.equal(await page.locator(".diff-lines .code-comment", { hasText: "// the answer" }).count(), 1);
    watch.clear();
    await context.close();
  });

  test("an error is shown with its code and the next command", async () => {
    const { page, watch, context } = await open(browser, server);
    watch.lenient = true;
    await page.goto(`${server.url}/projects/no-such-thing`);
    const problem = page.getByRole("alert").first();
    await problem.getByText("WF0004").waitFor();
    assert.match((await problem.textContent()) ?? "", /wfctl list/);
    await screenshot(page, "problem");
    await context.close();
  });

  test("who may only read sees all and changes nothing", async () => {
    const { page, watch, context } = await open(browser, server, { role: "read" });
    await page.goto(`${server.url}/projects/broken-1`);
    const resume = page.getByRole("button", { name: "Resume" });
    await resume.waitFor();
    assert.equal(await resume.getAttribute("aria-disabled"), "true");
    assert.match((await resume.getAttribute("title")) ?? "", /wfctl token --role operate/);
    await resume.click({ force: true });
    assert.equal(await page.locator("dialog").count(), 0);
    watch.clear();
    await context.close();
  });

  test("nobody is let in without a token", async () => {
    const context = await browser.newContext();
    const page = await context.newPage();
    await page.goto(`${server.url}/projects/demo`);
    await page.getByLabel("Token").fill("wfr_wrong");
    await page.getByRole("button", { name: "Sign in" }).click();
    await page.getByRole("alert").getByText("WF0").first().waitFor();
    await screenshot(page, "sign-in");
    await page.getByLabel("Token").fill(server.token("operate"));
    await page.getByRole("button", { name: "Sign in" }).click();
    await page.locator("h1", { hasText: "demo" }).waitFor();
    await until("the cookie is out of reach of scripts", () => page.evaluate(() => document.cookie === ""));
    await context.close();
  });
});
