/**
 * Output of commands as text with colours: SGR sequences become styles, a carriage return writes over the line, every other
 * control sequence is dropped. Nothing in it can act.
 *
 * @typedef {{text: string, style: string}} Span
 */

// CSI, OSC (ended by BEL or ST), other string sequences, two-character escapes, and control characters but \n, \r, \t and ESC.
const SEQUENCES =
  /\x1b\[([0-?]*)[ -/]*([@-~])|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)?|\x1b[PX^_][^\x1b]*(?:\x1b\\)?|\x1b[ -/]*[0-~]|[\x00-\x08\x0b\x0c\x0e-\x1a\x1c-\x1f\x7f]/g;

/** Keeps colours from one piece of output to the next. */
export class AnsiReader {
  constructor() {
    this.style = new Style();
    this.rest = "";
  }

  /**
   * Whole lines of what was read so far; the line in the making waits for its end.
   *
   * @param {string} text
   * @returns {Span[][]}
   */
  read(text) {
    const all = this.rest + text;
    const end = all.lastIndexOf("\n");
    this.rest = all.slice(end + 1);
    return end < 0
      ? []
      : all
          .slice(0, end)
          .split("\n")
          .map((line) => this.line(line));
  }

  /** The line in the making. @returns {Span[] | null} */
  tail() {
    if (!this.rest) return null;
    const style = this.style.copy();
    const spans = this.line(this.rest);
    this.style = style;
    return spans;
  }

  /** @param {string} line @returns {Span[]} */
  line(line) {
    const shown = overwritten(line);
    /** @type {Span[]} */
    const spans = [];
    let from = 0;
    const push = (/** @type {string} */ text) => {
      // What is left of a sequence that never ended.
      const clean = text.replaceAll("\x1b", "");
      if (clean) spans.push({ text: clean, style: this.style.classes() });
    };
    for (const match of shown.matchAll(SEQUENCES)) {
      push(shown.slice(from, match.index));
      from = match.index + match[0].length;
      if (match[2] === "m") this.style.apply(match[1]);
    }
    push(shown.slice(from));
    return spans;
  }
}

/**
 * What is left of a line that was written over. Progress bars write whole lines again and again.
 *
 * @param {string} line
 */
function overwritten(line) {
  const parts = line.replace(/\r+$/, "").split("\r");
  const last = parts.pop() ?? "";
  // Colours that were set before still hold.
  return parts.length ? parts.flatMap((part) => part.match(/\x1b\[[0-9;]*m/g) ?? []).join("") + last : last;
}

class Style {
  constructor() {
    this.reset();
  }

  reset() {
    this.colour = "";
    this.bold = false;
    this.dim = false;
    this.italic = false;
    this.underline = false;
  }

  copy() {
    return Object.assign(new Style(), this);
  }

  /** @param {string} parameters */
  apply(parameters) {
    const codes = parameters === "" ? [0] : parameters.split(/[;:]/).map(Number);
    for (let at = 0; at < codes.length; at += 1) {
      const code = codes[at];
      if (code === 0) this.reset();
      else if (code === 1) this.bold = true;
      else if (code === 2) this.dim = true;
      else if (code === 3) this.italic = true;
      else if (code === 4) this.underline = true;
      else if (code === 22) this.bold = this.dim = false;
      else if (code === 23) this.italic = false;
      else if (code === 24) this.underline = false;
      else if (code === 39) this.colour = "";
      else if (code >= 30 && code <= 37) this.colour = `ansi-${code - 30}`;
      else if (code >= 90 && code <= 97) this.colour = `ansi-${code - 90}`;
      else if (code === 38 || code === 48) {
        // 256 colours: the first sixteen have names, the others are left plain. True colours too.
        const is256 = codes[at + 1] === 5;
        if (code === 38) this.colour = is256 && codes[at + 2] < 16 ? `ansi-${codes[at + 2] % 8}` : "";
        at += is256 ? 2 : 4;
      }
    }
  }

  classes() {
    return [
      this.colour,
      this.bold && "ansi-bold",
      this.dim && "ansi-dim",
      this.italic && "ansi-italic",
      this.underline && "ansi-underline",
    ]
      .filter(Boolean)
      .join(" ");
  }
}
