/** Changed files: a list of them, each with its changes. Long ones are drawn when they are opened. */
import { h } from "../core/dom.js";
import { plural } from "../core/format.js";
import { badge } from "./badge.js";
import { tokens } from "./highlight.js";
import { parsePatch } from "./patch.js";

const OPEN_FILES = 12;
const OPEN_LINES = 1200;
const MARKS = { added: "+", removed: "-", context: " ", note: "" };

/** @type {Record<string, import("../model/status.js").Look>} */
const STATUS = {
  added: { word: "added", tone: "good", icon: "plus" },
  modified: { word: "modified", tone: "active", icon: "file" },
  deleted: { word: "deleted", tone: "bad", icon: "minus" },
  renamed: { word: "renamed", tone: "doubt", icon: "right" },
};

/**
 * @param {import("../model/types.js").Diff} diff
 * @param {{closed?: boolean}} [options] `closed`: no file is open at first
 */
export function diffView(diff, { closed = false } = {}) {
  if (diff.files.length === 0) {
    return h(
      "div",
      { class: "empty" },
      h("strong", null, "No changed files"),
      diff.reason ?? "The files are those that it started from.",
    );
  }
  let lines = 0;
  // What agents keep beside the work comes behind the work.
  const sorted = [...diff.files].sort((a, b) => Number(a.path.startsWith(".")) - Number(b.path.startsWith(".")));
  const files = sorted.map((file, at) => {
    lines += file.additions + file.deletions;
    return fileView(file, !closed && at < OPEN_FILES && lines < OPEN_LINES && !file.path.startsWith("."));
  });
  return h(
    "div",
    { class: "diff" },
    h(
      "div",
      { class: "row wrap" },
      diffStat(diff),
      diff.truncated && h("span", { class: "tone-wait" }, "There is more than can be shown here."),
    ),
    files,
  );
}

/** @param {import("../model/types.js").Diff} diff */
export function diffStat(diff) {
  const sum = (/** @type {"additions" | "deletions"} */ name) => diff.files.reduce((total, file) => total + file[name], 0);
  return h("span", null, `${plural(diff.files.length, "file")} changed `, lineCounts(sum("additions"), sum("deletions")));
}

/** @param {number} additions @param {number} deletions */
function lineCounts(additions, deletions) {
  return h(
    "span",
    { class: "mono" },
    h("span", { class: "tone-good" }, `+${additions}`),
    " ",
    h("span", { class: "tone-bad" }, `−${deletions}`),
    h("span", { class: "visually-hidden" }, ` lines added and removed`),
  );
}

/**
 * @param {import("../model/types.js").DiffFile} file
 * @param {boolean} open
 */
function fileView(file, open) {
  const name = file.old_path && file.old_path !== file.path ? `${file.old_path} → ${file.path}` : file.path;
  const details = h(
    "details",
    { class: "diff-file panel" },
    h(
      "summary",
      null,
      h("span", { class: "mono wrap-anywhere" }, name),
      badge(STATUS[file.status] ?? STATUS.modified),
      h("span", { class: "push" }, lineCounts(file.additions, file.deletions)),
    ),
  );
  let drawn = false;
  const draw = () => {
    if (drawn || !details.open) return;
    drawn = true;
    details.append(content(file));
  };
  details.addEventListener("toggle", draw);
  details.open = open;
  draw();
  return details;
}

/** @param {import("../model/types.js").DiffFile} file */
function content(file) {
  if (file.binary) return h("p", { class: "diff-note" }, "This is no text; it is not compared.");
  if (!file.patch) return h("p", { class: "diff-note" }, "The changes of this file are too long to be shown here.");
  const hunks = parsePatch(file.patch);
  if (hunks.length === 0) return h("p", { class: "diff-note" }, "Its content is the same.");
  return h(
    "div",
    { class: "diff-lines", tabindex: 0, role: "region", "aria-label": `Changes of ${file.path}` },
    h(
      "table",
      null,
      hunks.map(({ head, lines }) =>
        h(
          "tbody",
          null,
          h("tr", { class: "hunk" }, h("td", { colspan: 4 }, head)),
          lines.map((line) =>
            h(
              "tr",
              { class: line.kind },
              h("td", { class: "line-number" }, line.old),
              h("td", { class: "line-number" }, line.now),
              h("td", { class: "mark" }, MARKS[line.kind]),
              h("td", { class: "code" }, lineNodes(line, file.path)),
            ),
          ),
        ),
      ),
    ),
  );
}

/**
 * @param {import("./patch.js").Line} line
 * @param {string} path
 */
function lineNodes({ text, changed }, path) {
  const nodes = [];
  let at = 0;
  for (const token of tokens(text, path)) {
    const cuts = changed ? [0, changed[0] - at, changed[1] - at, token.text.length] : [0, token.text.length];
    const sorted = cuts.map((cut) => Math.min(Math.max(cut, 0), token.text.length));
    for (let part = 0; part + 1 < sorted.length; part += 1) {
      const piece = token.text.slice(sorted[part], sorted[part + 1]);
      if (!piece) continue;
      const isChanged = changed && part === 1;
      const style = [token.kind && `code-${token.kind}`, isChanged && "changed"].filter(Boolean).join(" ");
      nodes.push(style ? h("span", { class: style }, piece) : piece);
    }
    at += token.text.length;
  }
  return nodes;
}
