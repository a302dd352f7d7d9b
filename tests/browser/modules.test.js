/** The modules that need no browser: terminal colours, patches, highlighting, the layout of graphs, words for numbers. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";

const JS = "../../src/interfaces/web/assets/js";
const { AnsiReader } = await import(`${JS}/parts/ansi.js`);
const { parsePatch } = await import(`${JS}/parts/patch.js`);
const { tokens } = await import(`${JS}/parts/highlight.js`);
const { NODE_HEIGHT, NODE_WIDTH, layOut } = await import(`${JS}/graph/layout.js`);
const { bytes, duration, money, short } = await import(`${JS}/core/format.js`);
const { GROUPS, say } = await import(`${JS}/model/record_words.js`);

describe("terminal output", () => {
  const read = (/** @type {string} */ text) => new AnsiReader().read(text);

  test("colours become styles, across lines and pieces", () => {
    const reader = new AnsiReader();
    assert.deepEqual(reader.read("\x1b[1;31mred\nstill"), [[{ text: "red", style: "ansi-1 ansi-bold" }]]);
    assert.deepEqual(reader.tail(), [{ text: "still", style: "ansi-1 ansi-bold" }]);
    assert.deepEqual(reader.read(" red\x1b[0m plain\n"), [
      [
        { text: "still red", style: "ansi-1 ansi-bold" },
        { text: " plain", style: "" },
      ],
    ]);
  });

  test("a sequence that is cut by the end of a piece is whole in the next", () => {
    const reader = new AnsiReader();
    assert.deepEqual(reader.read("a\x1b[3"), []);
    assert.deepEqual(reader.read("2mb\n"), [
      [
        { text: "a", style: "" },
        { text: "b", style: "ansi-2" },
      ],
    ]);
  });

  test("whatever is no colour is dropped", () => {
    const hostile = "\x1b]0;title\x07a\x1b[2Jb\x1b[10;10Hc\x1b]8;;http://x\x1b\\d\x1b(Be\x00\x08f\x1bPq#0\x1b\\g\x7f\n";
    assert.deepEqual(
      read(hostile).map((line) => line.map((/** @type {any} */ span) => span.text).join("")),
      ["abcdefg"],
    );
    assert.ok(!JSON.stringify(read("\x1b\x1b[\x1b]x\x1b[38;2;1;2;3mz\x1b[48;5;200my\n")).includes("\\u001b"));
  });

  test("a line that is written over shows what came last", () => {
    assert.equal(
      read("10 %\r50 %\r100 %\n")[0]
        .map((/** @type {any} */ span) => span.text)
        .join(""),
      "100 %",
    );
    assert.equal(read("whole\r\n")[0][0].text, "whole");
  });
});

describe("patches", () => {
  test("lines have their numbers, and changed parts their places", () => {
    const [hunk] = parsePatch(
      "diff --git a/x b/x\n--- a/x\n+++ b/x\n@@ -3,3 +3,4 @@ fn x\n same\n-let a = 1;\n+let a = 22;\n+more\n\\ No newline at end of file\n",
    );
    assert.deepEqual(
      hunk.lines.map((/** @type {any} */ line) => [line.kind, line.old, line.now]),
      [
        ["context", 3, 3],
        ["removed", 4, null],
        ["added", null, 4],
        ["added", null, 5],
        ["note", null, null],
      ],
    );
    const [pair] = parsePatch("@@ -1 +1 @@\n-let a = 1;\n+let a = 22;\n");
    assert.deepEqual(
      pair.lines.map((/** @type {any} */ line) => line.changed),
      [
        [8, 9],
        [8, 10],
      ],
    );
  });

  test("lines that have nothing in common are not paired", () => {
    const [hunk] = parsePatch("@@ -1 +1 @@\n-alpha beta gamma\n+x = 1\n");
    assert.ok(hunk.lines.every((/** @type {any} */ line) => line.changed === undefined));
  });

  test("what is no patch gives nothing", () => {
    assert.deepEqual(parsePatch(""), []);
    assert.deepEqual(parsePatch("hello\nworld"), []);
  });
});

describe("highlighting", () => {
  const kinds = (/** @type {string} */ line, /** @type {string} */ path) =>
    tokens(line, path)
      .filter((/** @type {any} */ token) => token.kind)
      .map((/** @type {any} */ token) => `${token.kind} ${token.text}`);

  test("knows comments from texts", () => {
    assert.deepEqual(kinds('let x = "a // b"; // c', "a.rs"), ["keyword let", 'string "a // b"', "comment // c"]);
    assert.deepEqual(kinds("x = 'a # b' # c", "a.py"), ["string 'a # b'", "comment # c"]);
  });

  test("loses no character, whatever the line", () => {
    for (const line of ['"open', "'\\", "/* open", "#", "", "🦀 let", "a".repeat(3000)]) {
      for (const path of ["a.rs", "a.py", "a.json", "a.sh", "a.unknown", "none"])
        assert.equal(
          tokens(line, path)
            .map((/** @type {any} */ token) => token.text)
            .join(""),
          line,
        );
    }
  });
});

describe("layout", () => {
  /** @param {any} layout */
  const overlaps = ({ x, y }) => {
    const places = [...x].map((left, at) => ({ left, top: y[at] })).sort((a, b) => a.left - b.left);
    return places.some((a, at) =>
      places.slice(at + 1, at + 400).some((b) => Math.abs(a.left - b.left) < NODE_WIDTH && Math.abs(a.top - b.top) < NODE_HEIGHT),
    );
  };

  test("what is needed stands to the left of what needs it", () => {
    const edges = [
      [0, 1],
      [0, 2],
      [1, 3],
      [2, 3],
    ];
    const layout = layOut({ nodes: Array(4).fill({ phase: 0 }), edges, aspect: 2 });
    for (const [from, to] of edges) assert.ok(layout.x[from] + NODE_WIDTH < layout.x[to]);
    assert.ok(!overlaps(layout));
  });

  test("phases are blocks that do not overlap, and hold their tasks", () => {
    const nodes = Array.from({ length: 70 }, (_, at) => ({ phase: at % 7 }));
    const layout = layOut({ nodes, edges: [], aspect: 2.5 });
    assert.equal(layout.bands.length, 7);
    nodes.forEach(({ phase }, at) => {
      const band = layout.bands.find((/** @type {any} */ one) => one.phase === phase);
      assert.ok(
        layout.x[at] >= band.x &&
          layout.x[at] + NODE_WIDTH <= band.x + band.width &&
          layout.y[at] >= band.y &&
          layout.y[at] + NODE_HEIGHT <= band.y + band.height,
      );
    });
    assert.ok(!overlaps(layout));
  });

  test("a wide place gets a wide picture, a tall one a tall one", () => {
    const nodes = Array.from({ length: 7 }, (_, phase) => ({ phase }));
    const of = (/** @type {number} */ aspect) => layOut({ nodes, edges: [], aspect });
    const [wide, tall] = [of(8), of(0.5)];
    assert.ok(wide.width / wide.height > 4 && tall.width / tall.height < 2);
  });

  test("ten thousand tasks are laid out within seconds, and an empty graph is nothing", () => {
    const nodes = Array.from({ length: 10_000 }, () => ({ phase: 0 }));
    const edges = nodes.slice(100).map((_, at) => [at, at + 100]);
    const began = performance.now();
    const layout = layOut({ nodes, edges, aspect: 2 });
    assert.ok(performance.now() - began < 10_000);
    assert.ok(!overlaps(layout));
    assert.deepEqual(layOut({ nodes: [], edges: [], aspect: 2 }).bands, []);
  });

  test("a circle, which the engine refuses, does not hang it", () => {
    const layout = layOut({
      nodes: Array(2).fill({ phase: 0 }),
      edges: [
        [0, 1],
        [1, 0],
      ],
      aspect: 1,
    });
    assert.equal(layout.x.length, 2);
  });
});

test("numbers in words", () => {
  assert.deepEqual([0, 999, 1500, 59_000, 61_000, 3_600_000, 90_000_000].map(duration), [
    "0ms",
    "999ms",
    "1.5s",
    "59s",
    "1m 1s",
    "1h",
    "1d 1h",
  ]);
  assert.deepEqual([0, 1, 12_300, 1_234_500_000].map(money), ["$0.00", "$0.000001", "$0.0123", "$1,234.50"]);
  assert.deepEqual([9999, 12_345, 250_000, 1_200_000].map(short), ["9,999", "12.3k", "250k", "1.2M"]);
  assert.deepEqual([1, 2048, 5_000_000].map(bytes), ["1 B", "2.0 KiB", "4.8 MiB"]);
});

test("every kind of record has words, and a new one is told by its name", () => {
  const failure = { class: "exit", message: "boom", retry_after_ms: null };
  const rich = {
    task: 0,
    attempt: 1,
    step: 0,
    phase: "build",
    round: 1,
    cause: "Started",
    ask: "?",
    due: null,
    decision: "Approved",
    comment: "",
    reason: { Person: { comment: "" } },
    undo: true,
    status: "DONE",
    tasks: [0],
    read_back: 1,
    run_again: 0,
    probed: 0,
    in_doubt: 0,
    count: 2,
    branch: 1,
    failure,
    what: { Signal: { name: "x" } },
    why: "no",
    result: { Ok: null },
    delay_ms: 1,
    tolerated: false,
    answer: "rerun",
    outcome: { result: { Err: failure }, duration_ms: 1, usage: null },
    call: { ix: 0, kind: "tool", label: "x", shown: "" },
    charged: { tokens: 1 },
    worker: "w",
    until: 1,
    name: "n",
    workflow: "w",
    effect: "pure",
    crashed: true,
  };
  for (const kind of Object.values(GROUPS).flatMap((/** @type {any} */ group) => group.kinds)) {
    const said = say({ [kind]: rich }, () => "name");
    assert.ok(said.text && said.text !== kind && !said.text.includes("undefined"), `${kind}: ${said.text}`);
  }
  assert.equal(say({ Unheard: {} }, () => "").text, "Unheard");
});
