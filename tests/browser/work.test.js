/** A day's work in the browser: start, watch, decide, look at a failure, repair, fork, compare; and all of it without a mouse. */
import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { launch, open, screenshot } from "./support/browser.js";
import { Server, until } from "./support/server.js";

describe("work", () => {
  const server = new Server();
  /** @type {import("playwright-core").Browser} */
  let browser;

  before(async () => {
    await server.start();
    browser = await launch();
  });
  after(async () => {
    await browser?.close();
    await server.end();
  });

  /** @param {string} id */
  const statusOf = (id) => JSON.parse(server.cli("show", id, "--json")).project.status;

  test("start from the form, watch it live, approve", async () => {
    const { page, watch, context } = await open(browser, server);
    await page.getByRole("link", { name: "Start a project" }).click();
    await page.getByRole("link", { name: "hello" }).click();
    await page.getByRole("button", { name: "Start", exact: true }).click();
    await page.getByText("This input is required.").waitFor();
    assert.equal(
      await page.evaluate(() => /** @type {any} */ (document.activeElement).name),
      "input-name",
      "the first wrong field has the focus",
    );
    await page.getByLabel("name").first().fill("Ada & <b>Bob</b>");
    await page.getByLabel("tags").fill("{");
    await page.getByRole("button", { name: "Start", exact: true }).click();
    await page.getByText("This is no JSON").waitFor();
    await screenshot(page, "form-refused");
    await page.getByLabel("tags").fill('["x"]');
    await page.getByText("Where, with which models").click();
    await page.getByLabel("Project id").fill("hello-1");
    await page.getByRole("button", { name: "Start", exact: true }).click();
    await page.waitForURL("**/projects/hello-1");
    await page.getByText("Live", { exact: true }).waitFor();
    // Not reloaded: what follows comes by the stream.
    await page.getByText("Greeted Ada & <b>Bob</b>. Go on?").first().waitFor();
    await screenshot(page, "live");
    await page.getByRole("link", { name: "Decide" }).click();
    await page.locator(".question", { hasText: "Greeted Ada" }).waitFor();
    await page.getByLabel("Comment").fill("go ahead");
    await page.getByRole("button", { name: "Approve" }).click();
    await page.getByText("Approved: hello-1 ask").first().waitFor();
    await page.getByText("Nothing waits for you").waitFor();
    await page.goto(`${server.url}/projects/hello-1`);
    await page.locator(".project-head .badge", { hasText: "Done" }).waitFor();
    const answered = JSON.parse(server.cli("show", "hello-1", "--json")).tasks.find(
      (/** @type {any} */ task) => task.name === "ask",
    );
    assert.equal(answered.output.comment, "go ahead");
    watch.clear();
    await context.close();
  });

  test("output is coloured, and nothing in it acts", async () => {
    const { page, watch, context } = await open(browser, server);
    await page.goto(`${server.url}/projects/hello-1/tasks/greet/output`);
    const line = page.locator(".terminal .ansi-2", { hasText: "hello Ada & <b>Bob</b>" });
    await line.waitFor();
    assert.match((await line.getAttribute("class")) ?? "", /ansi-bold/);
    const text = (await page.locator(".terminal").textContent()) ?? "";
    assert.ok(text.includes("over") && !text.includes("not bold") && !text.includes("a title") && !text.includes("\x1b"));
    assert.equal(await page.locator(".terminal b").count(), 0);
    watch.clear();
    await context.close();
  });

  test("a failure is explained; the fork of it is compared with it", async () => {
    const { page, watch, context } = await open(browser, server);
    await page.goto(`${server.url}/start/broken`);
    await page.getByRole("button", { name: "Start", exact: true }).click();
    await page.waitForURL("**/projects/broken-*");
    const id = page.url().split("/").at(-1) ?? "";
    await page.locator(".project-head .badge", { hasText: "Paused" }).waitFor();
    await page.getByRole("link", { name: "check", exact: true }).first().click();
    await page.getByText("exit code 3").first().waitFor();
    await page.getByText("Attempt 2").first().waitFor();
    await screenshot(page, "failure-explained");
    await page.getByRole("link", { name: "Output" }).first().click();
    await page.getByText("test rounding ... FAILED").waitFor();
    await page.goto(`${server.url}/projects/${id}/journal`);
    await page.getByRole("button", { name: "TaskCompleted" }).first().click();
    await page.getByRole("button", { name: "Fork from here…" }).click();
    const at = await page.getByLabel("At record").inputValue();
    assert.ok(Number(at) > 1);
    await page.getByLabel("Id of the fork").fill("forked");
    await screenshot(page, "fork");
    await page.getByRole("button", { name: "Fork", exact: true }).click();
    await page.waitForURL("**/projects/forked");
    await page.locator(".project-head .badge", { hasText: "Paused" }).waitFor();
    await page.getByRole("button", { name: "More" }).click();
    await page.getByRole("menuitem", { name: "Compare with…" }).click();
    await page.getByLabel("With").fill(id);
    await page.getByRole("button", { name: "Compare", exact: true }).click();
    await page.getByText("same definition").waitFor();
    await page.getByRole("button", { name: /with the same outcome/ }).waitFor();
    await screenshot(page, "fork-compared");
    watch.clear();
    await context.close();
  });

  test("pause, resume, signal, cancel, delete", async () => {
    const { page, watch, context } = await open(browser, server);
    await page.goto(`${server.url}/start/waits`);
    await page.getByText("Where, with which models").click();
    await page.getByLabel("Project id").fill("waits-1");
    await page.getByRole("button", { name: "Start", exact: true }).click();
    await page.waitForURL("**/projects/waits-1");
    await page.getByText("signal knock").first().waitFor();
    await page.getByRole("button", { name: "Pause" }).click();
    await page.getByLabel("Comment").fill("lunch");
    await page.locator("dialog").getByRole("button", { name: "Pause" }).click();
    await page.locator(".project-head .badge", { hasText: "Paused" }).waitFor();
    await page.getByRole("button", { name: "Resume" }).click();
    await page.locator("dialog").getByRole("button", { name: "Resume" }).click();
    await page.locator(".project-head .badge", { hasText: "Build" }).waitFor();
    await page.getByRole("button", { name: "More" }).click();
    await page.getByRole("menuitem", { name: "Send a signal…" }).click();
    await page.locator("dialog").getByLabel("Name").fill("knock");
    await page.getByLabel("Payload").fill('{"by": 1}');
    await page.locator("dialog").getByRole("button", { name: "Send" }).click();
    await page.getByText("1 completed").waitFor();
    await page.getByRole("button", { name: "More" }).click();
    await page.getByRole("menuitem", { name: "Cancel…" }).click();
    await page.getByRole("button", { name: "Cancel the project" }).click();
    await page.locator(".project-head .badge", { hasText: "Cancelled" }).waitFor();
    assert.equal(statusOf("waits-1"), "CANCELLED");
    await page.getByRole("button", { name: "More" }).click();
    await page.getByRole("menuitem", { name: "Delete…" }).click();
    await page.locator("dialog").getByRole("button", { name: "Delete" }).click();
    await page.waitForURL("**/projects");
    await page.getByText("hello-1").waitFor();
    assert.equal(await page.getByText("waits-1", { exact: true }).count(), 0);
    watch.clear();
    await context.close();
  });

  test("without a mouse", async () => {
    const { page, watch, context } = await open(browser, server);
    await page.keyboard.press("Tab");
    assert.equal(await page.evaluate(() => document.activeElement?.className), "skip-link");
    await page.keyboard.press("Enter");
    await page.keyboard.press("g");
    await page.keyboard.press("s");
    await page.waitForURL("**/start");
    await page.keyboard.press("/");
    await page.keyboard.type("hello");
    await until("one workflow is left", async () => (await page.locator(".workflow-card").count()) === 1);
    await page.keyboard.press("Tab");
    await page.keyboard.press("Enter");
    await page.waitForURL("**/start/hello");
    await page.getByLabel("name").first().focus();
    await page.keyboard.type("Grace");
    for (let at = 0; at < 12 && (await page.evaluate(() => document.activeElement?.textContent)) !== "Start"; at += 1)
      await page.keyboard.press("Tab");
    await page.keyboard.press("Enter");
    await page.waitForURL("**/projects/hello-*");
    await page.getByText("Greeted Grace. Go on?").first().waitFor();
    await page.getByText("1 awaiting approval").waitFor();
    await page.locator("canvas.graph-canvas").focus();
    await page.keyboard.press("ArrowRight");
    await until("the first task is chosen", async () => /greet/.test((await page.locator("#announcer").textContent()) ?? ""));
    await page.keyboard.press("ArrowRight");
    await until("the next one is", async () =>
      /^ask, Awaiting approval/.test((await page.locator("#announcer").textContent()) ?? ""),
    );
    await screenshot(page, "keyboard");
    await page.keyboard.press("Enter");
    await page.waitForURL("**/tasks/ask");
    await page.keyboard.press("g");
    await page.keyboard.press("a");
    await page.waitForURL("**/approvals");
    await page.getByRole("button", { name: "Approve" }).focus();
    await page.keyboard.press("Enter");
    await page.getByText("Nothing waits for you").waitFor();
    await page.keyboard.press("?");
    await page.getByRole("heading", { name: "Keyboard shortcuts" }).waitFor();
    await screenshot(page, "shortcuts");
    await page.keyboard.press("Escape");
    await page.locator("dialog").waitFor({ state: "detached" });
    watch.clear();
    await context.close();
  });

  test("the connection is lost and comes back, and nothing is missed", async () => {
    const { page, watch, context } = await open(browser, server);
    await page.goto(`${server.url}/start/hello`);
    await page.getByLabel("name").first().fill("Linus");
    await page.getByText("Where, with which models").click();
    await page.getByLabel("Project id").fill("lost-1");
    await page.getByRole("button", { name: "Start", exact: true }).click();
    await page.getByText("Greeted Linus. Go on?").first().waitFor();
    await page.goto(`${server.url}/projects/lost-1/journal`);
    await page.getByText("Live", { exact: true }).waitFor();
    watch.lenient = true;
    await server.stop("SIGKILL");
    await page.getByText("The connection is lost.").waitFor();
    await screenshot(page, "connection-lost");
    await server.start();
    await page.getByText("Live", { exact: true }).waitFor();
    await until("the banner is gone", () => page.locator(".lost-banner").isHidden());
    watch.lenient = false;
    server.cli("approve", "lost-1");
    await page.locator(".project-head .badge", { hasText: "Done" }).waitFor();
    const last = JSON.parse(server.cli("show", "lost-1", "--json")).seq;
    await page.locator(".record-seq", { hasText: String(last) }).waitFor();
    const shown = await page.locator(".record-seq").allTextContents();
    const numbers = shown.map(Number).sort((x, y) => x - y);
    assert.deepEqual(
      numbers,
      numbers.map((_, at) => numbers[0] + at),
      "no record is missing and none is there twice",
    );
    assert.equal(numbers.at(-1), last);
    await context.close();
  });

  test("a tab that nobody looks at lets its connection go, and misses nothing", async () => {
    const { page, watch, context } = await open(browser, server);
    await page.clock.install();
    await page.goto(`${server.url}/start/hello`);
    await page.getByLabel("name").first().fill("Barbara");
    await page.getByText("Where, with which models").click();
    await page.getByLabel("Project id").fill("rest-1");
    await page.getByRole("button", { name: "Start", exact: true }).click();
    await page.getByText("Greeted Barbara. Go on?").first().waitFor();
    const see = (/** @type {boolean} */ hidden) =>
      page.evaluate((value) => {
        Object.defineProperty(document, "hidden", { value, configurable: true });
        document.dispatchEvent(new Event("visibilitychange"));
      }, hidden);
    await page.locator(".connection[data-state=live]").waitFor();
    await see(true);
    await page.clock.fastForward(21_000);
    await page.locator(".connection[data-state=resting]").waitFor({ state: "attached" });
    server.cli("approve", "rest-1");
    await until("it is done", () => statusOf("rest-1") === "DONE");
    assert.equal(await page.locator(".project-head .badge").first().textContent(), "Build");
    await see(false);
    await page.locator(".project-head .badge", { hasText: "Done" }).waitFor();
    watch.clear();
    await context.close();
  });

  test("output comes while it is written", async () => {
    const { page, watch, context } = await open(browser, server);
    const flag = join(server.folder, "flag-1");
    server.cli("run", "workflows/slow.yaml", "--id", "slow-1", "--detach", "-i", `flag=${flag}`);
    await page.goto(`${server.url}/projects/slow-1/tasks/publish/output`);
    await page.locator(".terminal-line", { hasText: "first" }).waitFor();
    await page.getByText("attempt 1, step 0, running").waitFor();
    assert.equal(await page.locator(".terminal-line", { hasText: "last" }).count(), 0);
    writeFileSync(flag, "");
    await page.locator(".terminal-line", { hasText: "last" }).waitFor();
    await page.locator(".badge", { hasText: "Completed" }).waitFor();
    watch.clear();
    await context.close();
  });

  test("a doubt is settled by a person", async () => {
    const { page, watch, context } = await open(browser, server);
    server.cli("run", "workflows/slow.yaml", "--id", "slow-2", "--detach", "-i", `flag=${join(server.folder, "flag-2")}`);
    await page.goto(`${server.url}/projects/slow-2/tasks/publish/output`);
    await page.locator(".terminal-line", { hasText: "first" }).waitFor();
    watch.lenient = true;
    await server.stop("SIGKILL");
    await server.start();
    await page.goto(`${server.url}/projects/slow-2`);
    await page.getByText("1 in doubt").waitFor();
    watch.lenient = false;
    await screenshot(page, "doubt");
    await page.getByRole("button", { name: "Settle" }).click();
    await page.getByLabel("The step in doubt").selectOption({ label: "happened: go on" });
    await screenshot(page, "doubt-settled");
    await page.locator("dialog").getByRole("button", { name: "Resume" }).click();
    await page.locator(".project-head .badge", { hasText: "Done" }).waitFor();
    watch.clear();
    await context.close();
  });
});
