/**
 * A unified patch as hunks and lines, with the part of a changed line that really changed.
 *
 * @typedef {{kind: "context" | "added" | "removed" | "note", text: string, old: number | null, now: number | null, changed?: [number, number]}} Line
 * @typedef {{head: string, lines: Line[]}} Hunk
 */

/**
 * @param {string} patch
 * @returns {Hunk[]}
 */
export function parsePatch(patch) {
  /** @type {Hunk[]} */
  const hunks = [];
  let old = 0;
  let now = 0;
  for (const text of patch.replace(/\n$/, "").split("\n")) {
    const start = /^@@ -(\d+)(?:,\d+)? \+(\d+)(?:,\d+)? @@ ?(.*)$/.exec(text);
    if (start) {
      [old, now] = [Number(start[1]), Number(start[2])];
      hunks.push({ head: text, lines: [] });
      continue;
    }
    const hunk = hunks.at(-1);
    if (!hunk) continue;
    const rest = text.slice(1);
    if (text.startsWith("+")) hunk.lines.push({ kind: "added", text: rest, old: null, now: now++ });
    else if (text.startsWith("-")) hunk.lines.push({ kind: "removed", text: rest, old: old++, now: null });
    else if (text.startsWith("\\")) hunk.lines.push({ kind: "note", text: rest.trim(), old: null, now: null });
    else hunk.lines.push({ kind: "context", text: rest, old: old++, now: now++ });
  }
  hunks.forEach(({ lines }) => markChanges(lines));
  return hunks;
}

/**
 * Where as many lines come as go, they are taken for changed ones.
 *
 * @param {Line[]} lines
 */
function markChanges(lines) {
  let at = 0;
  while (at < lines.length) {
    const from = at;
    while (lines[at]?.kind === "removed") at += 1;
    const middle = at;
    while (lines[at]?.kind === "added") at += 1;
    const pairs = middle - from;
    if (pairs > 0 && pairs === at - middle) {
      for (let pair = 0; pair < pairs; pair += 1) markPair(lines[from + pair], lines[middle + pair]);
    }
    if (at === from) at += 1;
  }
}

/** @param {Line} before @param {Line} after */
function markPair(before, after) {
  const [a, b] = [before.text, after.text];
  const most = Math.min(a.length, b.length);
  let start = 0;
  while (start < most && a[start] === b[start]) start += 1;
  let end = 0;
  while (end < most - start && a[a.length - 1 - end] === b[b.length - 1 - end]) end += 1;
  // Lines that have little in common are not the same line.
  if (start + end < most / 3) return;
  before.changed = [start, a.length - end];
  after.changed = [start, b.length - end];
}
