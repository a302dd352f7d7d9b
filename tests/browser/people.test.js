/** What people do for a project beside steering it: answer agents, work in the place of a worker outside, add tasks. */
import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { accessible, launch, open, screenshot } from "./support/browser.js";
import { Server, until } from "./support/server.js";

const WORDS = "I look at the calendar first and then at the people who want to come before I ask about the day";

/** An agent that thinks aloud for a while and asks twice. */
const SCRIPT = `conversations:
  - role: planner
    turns:
      - say: ${WORDS}
        delay_ms: 6000
        calls: [{ask_human: {question: "Which day?"}}]
      - calls: [{ask_human: {question: "Which room?"}}]
      - calls:
          - finish:
              summary: A meeting.
              tasks:
                - {id: a, title: Invite, description: Invite all., needs: [], files: [], priority: 5, acceptance: [All are invited.]}
`;

describe("people", () => {
  const server = new Server();
  /** @type {import("playwright-core").Browser} */
  let browser;

  before(async () => {
    const script = join(server.place, "script.yaml");
    writeFileSync(script, SCRIPT);
    writeFileSync(
      join(server.place, "asking.yaml"),
      `name: asking
workspace: worktree
models: {default: [told/x], providers: {told: {script: ${script}}}}
tasks:
  go: {approval: {ask: "Begin?"}}
  plan: {needs: [go], agent: planner, with: {goal: a meeting}}
`,
    );
    await server.start();
    server.cli("run", join(server.place, "asking.yaml"), "--id", "asking", "--detach");
    server.cli("run", "workflows/waits.yaml", "--id", "waits-1", "--detach");
    browser = await launch();
  });
  after(async () => {
    await browser?.close();
    await server.end();
  });

  /** @param {string} id @param {string} task */
  const taskOf = (id, task) =>
    JSON.parse(server.cli("show", id, "--json")).tasks.find((/** @type {any} */ one) => one.name === task);

  test("a reply is read while it is written, and the agent's questions are answered", async () => {
    const { page, watch, context } = await open(browser, server);
    // Nothing was said yet, and the browser tells of the refusal.
    watch.lenient = true;
    await page.goto(`${server.url}/projects/asking/tasks/plan/conversation`);
    await page.getByText("No conversation yet").waitFor();
    watch.lenient = false;
    await page.locator(".connection[data-state=live]").waitFor();
    server.cli("approve", "asking", "go");
    const writing = page.locator(".writing");
    await writing.getByText("I look at").waitFor();
    const early = (await writing.textContent()) ?? "";
    assert.ok(!early.includes(WORDS), `it was written at once: ${early}`);
    await screenshot(page, "reply-being-written");
    await page.locator(".conversation .entry-text", { hasText: WORDS }).waitFor();
    await until("what was being written is a reply", () => writing.isHidden());
    // Answered where it is asked.
    await page.locator(".callout", { hasText: "Which day?" }).waitFor();
    await screenshot(page, "question-of-an-agent");
    await accessible(page, "the question of an agent");
    await page.getByLabel("Your answer").last().fill("On Tuesday.");
    await page.getByRole("button", { name: "Answer", exact: true }).click();
    // And among all that wait.
    await page.locator(".callout", { hasText: "Which room?" }).waitFor();
    assert.equal(await page.getByLabel("Your answer").last().inputValue(), "", "another question, another answer");
    await page.goto(`${server.url}/approvals?project=asking&task=plan`);
    await page.locator(".question", { hasText: "Which room?" }).waitFor();
    await page.getByLabel("Your answer").fill("The blue one.");
    await page.getByRole("button", { name: "Answer", exact: true }).click();
    await page.getByText("Nothing waits for you").waitFor();
    await until("the plan is made", () => taskOf("asking", "plan").status === "COMPLETED");
    const said = server.cli("transcript", "asking", "plan");
    assert.ok(said.includes("On Tuesday.") && said.includes("The blue one."), said);
    watch.clear();
    await context.close();
  });

  test("work for a worker outside is taken and delivered", async () => {
    const { page, watch, context } = await open(browser, server);
    await page.getByRole("link", { name: "Workers" }).click();
    await page.waitForURL("**/workers");
    const work = page.locator(".work-list li", { hasText: "outside" });
    await work.getByText("Free").waitFor();
    await work.getByText("measure").waitFor();
    await page.getByRole("heading", { name: "implementer" }).waitFor();
    await screenshot(page, "workers-free");
    await accessible(page, "work that waits");
    await work.getByRole("button", { name: "Take it…" }).click();
    await page.locator("dialog").getByLabel("Worker").fill("Ada");
    await page.locator("dialog").getByRole("button", { name: "Take it" }).click();
    await work.getByText("Taken by Ada").waitFor();
    await work.getByText("the claim runs out").waitFor();
    await work.getByRole("button", { name: "Still at it" }).click();
    await page.getByText("The claim is renewed").first().waitFor();
    await screenshot(page, "workers-taken");
    await work.getByRole("button", { name: "Deliver…" }).click();
    await page.locator("dialog").getByLabel("Output or reason").fill("{");
    await page.locator("dialog").getByRole("button", { name: "Deliver" }).click();
    await page.locator("dialog .problem").waitFor();
    await page.locator("dialog").getByLabel("Output or reason").fill('{"mm": 42}');
    await page.locator("dialog").getByRole("button", { name: "Deliver" }).click();
    await page.getByText("Nothing waits for a worker outside").waitFor();
    assert.deepEqual(taskOf("waits-1", "outside").output, { mm: 42 });
    watch.clear();
    await context.close();
  });

  test("tasks are added to a project, once they are right", async () => {
    const { page, watch, context } = await open(browser, server);
    await page.goto(`${server.url}/projects/waits-1/tasks`);
    await page.getByText("knock").first().waitFor();
    await page.getByRole("button", { name: "More" }).click();
    await page.getByRole("menuitem", { name: "Add tasks…" }).click();
    const dialog = page.locator("dialog");
    const text = dialog.getByLabel("Tasks");
    // The browser tells of the refusal.
    watch.lenient = true;
    await text.fill("name: more\ntasks:\n  more:\n    needs: [outsid]\n    run: echo more\n");
    await dialog.getByRole("button", { name: "Add", exact: true }).click();
    await dialog.getByText("which does not exist").first().waitFor();
    await dialog.getByText("line 4").first().waitFor();
    await screenshot(page, "add-tasks-refused");
    await accessible(page, "tasks that are refused");
    watch.lenient = false;
    await text.fill(
      "name: more\ntasks:\n  more:\n    needs: [outside]\n    run: echo {{ tasks.outside.output.mm | string | sh }}\n",
    );
    await dialog.getByRole("button", { name: "Add", exact: true }).click();
    await page.getByText("Added: more").first().waitFor();
    await page.getByRole("link", { name: "more", exact: true }).waitFor();
    await until("it has run", () => taskOf("waits-1", "more").status === "COMPLETED");
    assert.equal(String(taskOf("waits-1", "more").output).trim(), "42");
    watch.clear();
    await context.close();
  });

  test("whoever may only read is told so", async () => {
    const { page, watch, context } = await open(browser, server, { role: "read" });
    await page.goto(`${server.url}/projects/waits-1`);
    await page.getByRole("button", { name: "More" }).click();
    const item = page.getByRole("menuitem", { name: "Add tasks…" });
    await item.waitFor();
    assert.equal(await item.getAttribute("aria-disabled"), "true");
    watch.clear();
    await context.close();
  });
});
