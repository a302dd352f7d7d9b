/** Workflows that the tests start, each for something that people look at. */
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";

export const LAYERS = 20;
export const WIDTH = 50;

/** Every type of input, an approval, and output that comes line by line. */
const HELLO = `name: hello
description: Greets, asks, reports. Has an input of every type.
inputs:
  name: {type: string, required: true, description: "Whom to greet."}
  tone: {type: string, choices: [warm, formal], default: warm}
  times: {type: integer, default: 2, description: "How often."}
  loud: {type: boolean, default: false}
  tags: {type: list, default: []}
tasks:
  greet:
    run: |
      printf '\\033[1;32m%s\\033[0m\\n' {{ ("hello " ~ inputs.name) | sh }}
      printf 'times %s, tone %s\\n' {{ inputs.times | string | sh }} {{ inputs.tone | sh }}
      printf '\\033]0;a title\\007<b>not bold</b>\\rover\\n'
  count:
    run: for n in 1 2 3; do echo "counted $n"; done
  ask:
    needs: [greet, count]
    approval: {ask: "Greeted {{ inputs.name }}. Go on?", timeout: 2h}
  report:
    needs: [ask]
    run: echo "that was all"
`;

/** Fails for good after two attempts, and pauses. */
const BROKEN = `name: broken
description: A check that fails, so that someone has to look.
retry: {max_attempts: 2, initial: 100ms}
tasks:
  prepare: {run: echo prepared}
  check:
    needs: [prepare]
    run: |
      echo "running 3 tests"
      echo "test sums ... ok"
      printf '\\033[31mtest rounding ... FAILED\\033[0m\\n'
      echo "error: left 1.5, right 2.0" >&2
      exit 3
  publish:
    needs: [check]
    run: echo published
`;

/** Changes files in a worktree. */
const EDIT = `name: edit
description: Changes two files of the repository and adds one.
workspace: worktree
inputs:
  word: {type: string, default: planet}
tasks:
  write:
    run: |
      sed -i "s/world/{{ inputs.word }}/" src/hello.rs
      printf 'fn added() -> u32 {\\n    42 // the answer\\n}\\n' > src/added.rs
      git rm -q --cached old.txt 2>/dev/null; rm -f old.txt
  test:
    needs: [write]
    run: test "{{ inputs.word }}" != broken || { echo "the word is broken"; exit 1; }
    retry: {max_attempts: 1, on_exhausted: fail}
`;

/** Waits for a signal and for a worker outside. */
const WAITS = `name: waits
description: Waits for a signal and for a worker.
tasks:
  knock: {wait: {signal: knock}}
  outside: {external: {queue: lab, payload: {what: measure}}}
  open: {needs: [knock, outside], run: echo open}
`;

/** Writes a line, and another one once a file is there; what it does must not happen twice. */
const SLOW = `name: slow
description: Waits for a file in its middle.
inputs:
  flag: {type: string, required: true}
tasks:
  publish:
    effect: once
    run: |
      echo first
      until [ -e {{ inputs.flag | sh }} ]; do sleep 0.05; done
      echo last
`;

/** A thousand tasks behind a question, in layers that need each other. */
function wide() {
  const lines = [
    "name: wide",
    "description: A thousand tasks behind one question.",
    "tasks:",
    '  go: {approval: {ask: "Start a thousand tasks?"}}',
  ];
  for (let layer = 0; layer < LAYERS; layer += 1) {
    for (let at = 0; at < WIDTH; at += 1) {
      const needs = layer === 0 ? ["go"] : [`l${layer - 1}_${at}`, `l${layer - 1}_${(at * 7 + 3) % WIDTH}`];
      lines.push(`  l${layer}_${at}: {needs: [${[...new Set(needs)].join(", ")}], run: "true"}`);
    }
  }
  return `${lines.join("\n")}\n`;
}

/** @param {string} folder */
export function writeWorkflows(folder) {
  mkdirSync(folder, { recursive: true });
  for (const [name, text] of Object.entries({
    hello: HELLO,
    broken: BROKEN,
    edit: EDIT,
    waits: WAITS,
    slow: SLOW,
    wide: wide(),
  })) {
    writeFileSync(join(folder, `${name}.yaml`), text);
  }
}
