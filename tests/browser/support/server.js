/** A home of its own with a real server, and what the command line says about it. */
import { execFileSync, spawn } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { writeWorkflows } from "./workflows.js";

const ROOT = resolve(fileURLToPath(import.meta.url), "../../../..");
const WFCTL = resolve(process.env.WFCTL ?? join(ROOT, "target/release/wfctl"));
const WAIT_MS = 120_000;

export const SCREENSHOTS = resolve(process.env.WFCTL_SCREENSHOTS ?? join(ROOT, "target/screenshots"));

export class Server {
  constructor() {
    this.place = mkdtempSync(join(tmpdir(), "wfctl-browser-"));
    this.home = join(this.place, "home");
    this.folder = join(this.place, "repository");
    this.port = 0;
    /** @type {import("node:child_process").ChildProcess | null} */
    this.process = null;
    this.makeRepository();
  }

  makeRepository() {
    mkdirSync(join(this.folder, "src"), { recursive: true });
    writeFileSync(
      join(this.folder, "src/hello.rs"),
      '//! Greets.\n\n/// What is said.\npub fn hello() -> &\'static str {\n    "hello world"\n}\n',
    );
    writeFileSync(join(this.folder, "old.txt"), "old\n");
    writeWorkflows(join(this.folder, "workflows"));
    const git = (/** @type {string[]} */ ...words) =>
      execFileSync("git", ["-c", "user.name=t", "-c", "user.email=t@t", "-C", this.folder, ...words], { stdio: "ignore" });
    git("init", "-q", "-b", "main");
    git("add", ".");
    git("commit", "-qm", "start");
    this.cli("trust", "--yes");
  }

  /** @param {string[]} words */
  cli(...words) {
    return execFileSync(WFCTL, words, { cwd: this.folder, env: this.env(), encoding: "utf8", stdio: ["ignore", "pipe", "pipe"] });
  }

  env() {
    return { ...process.env, WFCTL_HOME: this.home, NO_COLOR: "1" };
  }

  /** The demo, up to its question. It is done before the server starts, for a home has one engine. */
  async demo() {
    const child = spawn(WFCTL, ["demo", join(this.place, "demo"), "--id", "demo", "--ask"], {
      cwd: this.place,
      env: this.env(),
      stdio: "ignore",
    });
    const ended = new Promise((done) => child.on("exit", done));
    await until("the demo asks", () => {
      try {
        return JSON.parse(this.cli("show", "demo", "--json")).tasks.some(
          (/** @type {any} */ task) => task.status === "AWAITING_APPROVAL",
        );
      } catch {
        return false;
      }
    });
    child.kill("SIGINT");
    await ended;
  }

  /** Starts it, at the same port as before. */
  async start() {
    const listen = `127.0.0.1:${this.port}`;
    const child = spawn(WFCTL, ["serve", "--json", "--listen", listen, "--dir", this.folder, "--rate", "2000"], {
      cwd: this.folder,
      env: this.env(),
      stdio: ["ignore", "pipe", "inherit"],
    });
    this.process = child;
    let said = "";
    child.stdout.setEncoding("utf8").on("data", (text) => (said += text));
    await until("the server listens", () => said.includes("\n") || child.exitCode !== null);
    const { url } = JSON.parse(said.split("\n")[0]);
    this.port = Number(new URL(url).port);
    this.url = `http://127.0.0.1:${this.port}`;
  }

  /** @param {NodeJS.Signals} [signal] */
  async stop(signal = "SIGINT") {
    const child = this.process;
    if (!child || child.exitCode !== null) return;
    const ended = new Promise((done) => child.on("exit", done));
    child.kill(signal);
    await ended;
  }

  /** @param {string} role */
  token(role) {
    return this.cli("token", "--role", role).trim();
  }

  async end() {
    await this.stop();
    rmSync(this.place, { recursive: true, force: true });
  }
}

/**
 * Asks again until it is so.
 *
 * @param {string} what
 * @param {() => boolean | Promise<boolean>} holds
 */
export async function until(what, holds) {
  const end = Date.now() + WAIT_MS;
  while (!(await holds())) {
    if (Date.now() > end) throw new Error(`this did not happen in time: ${what}`);
    await new Promise((done) => setTimeout(done, 50));
  }
}
