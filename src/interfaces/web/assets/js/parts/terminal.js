/** Output of a command, as it comes. Old lines go when there are too many; all of it can be had as a file. */
import { fill, h } from "../core/dom.js";
import { plural } from "../core/format.js";
import { AnsiReader } from "./ansi.js";

const MOST_LINES = 20_000;
const BLOCK_LINES = 200;

export class Terminal {
  /** @param {string} label */
  constructor(label) {
    this.reader = new AnsiReader();
    this.lines = 0;
    this.dropped = 0;
    this.follow = true;
    this.note = h("p", { class: "terminal-note", hidden: true });
    this.blocks = h("div", null);
    this.tail = h("div", { class: "terminal-line" });
    this.root = h(
      "div",
      { class: "terminal", tabindex: 0, role: "region", "aria-label": label },
      this.note,
      this.blocks,
      this.tail,
    );
  }

  /** @param {string} text */
  write(text) {
    const { scrollTop, clientHeight, scrollHeight } = this.root;
    const atEnd = scrollTop + clientHeight >= scrollHeight - 24;
    for (const spans of this.reader.read(text)) this.push(spans);
    const tail = this.reader.tail();
    fill(this.tail, tail && lineNodes(tail));
    while (this.lines > MOST_LINES && this.blocks.firstElementChild) {
      const gone = this.blocks.firstElementChild;
      this.dropped += gone.childElementCount;
      this.lines -= gone.childElementCount;
      gone.remove();
    }
    if (this.dropped) {
      this.note.hidden = false;
      this.note.textContent = `The first ${plural(this.dropped, "line")} are not shown. Download the output to see all of it.`;
    }
    if (atEnd && this.follow) this.root.scrollTop = this.root.scrollHeight;
  }

  /** Whether nothing was written. */
  get isEmpty() {
    return this.lines === 0 && this.dropped === 0 && !this.reader.rest;
  }

  /** @param {import("./ansi.js").Span[]} spans */
  push(spans) {
    let block = this.blocks.lastElementChild;
    if (!block || block.childElementCount >= BLOCK_LINES) {
      block = h("div", { class: "terminal-block" });
      this.blocks.append(block);
    }
    block.append(h("div", { class: "terminal-line" }, lineNodes(spans)));
    this.lines += 1;
  }
}

/** @param {import("./ansi.js").Span[]} spans */
function lineNodes(spans) {
  if (spans.length === 0) return ["\n"];
  return spans.map(({ text, style }) => (style ? h("span", { class: style }, text) : text));
}

/**
 * Output that is known whole.
 *
 * @param {string} text
 * @param {string} label
 */
export function terminalText(text, label) {
  const terminal = new Terminal(label);
  terminal.root.classList.add("soft");
  terminal.follow = false;
  terminal.write(text.endsWith("\n") ? text : `${text}\n`);
  return terminal.root;
}
