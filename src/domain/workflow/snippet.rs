//! The text of a file by lines: excerpts for messages, and places inside scalars.
//!
//! Lines are only searched for when there is something to show, so that a file without problems pays nothing.

use std::sync::OnceLock;

use super::diagnostic::Snippet;
use super::yaml::{Scalar, Span, Style};

/// Widest excerpt of a line, in characters.
const SNIPPET_CHARS: usize = 120;
/// Characters between two remembered byte positions.
const CHECKPOINT_CHARS: usize = 1_024;
/// Characters kept before the caret when a line is cut.
const SNIPPET_LEAD_CHARS: usize = 40;

/// A file: its name for people and its text.
#[derive(Debug)]
pub struct Source {
    origin: String,
    text: String,
    line_starts: OnceLock<Vec<usize>>,
    /// The byte of every [`CHECKPOINT_CHARS`]-th character: lines can be as long as the file.
    checkpoints: OnceLock<Vec<usize>>,
}

impl Source {
    /// The file `text` called `origin`.
    pub fn new(origin: &str, text: &str) -> Self {
        Self {
            origin: printable(origin),
            text: text.strip_prefix('\u{feff}').unwrap_or(text).to_owned(),
            line_starts: OnceLock::new(),
            checkpoints: OnceLock::new(),
        }
    }

    /// The name of the file for people.
    pub fn origin(&self) -> &str {
        &self.origin
    }

    /// The line of `span`, with the part that it covers.
    pub fn snippet(&self, span: Span) -> Snippet {
        let line = self.line(span.line);
        let chars = line.chars().count();
        let caret = (span.column.saturating_sub(1) as usize).min(chars);
        let caret_len = (span.len as usize).clamp(1, (chars - caret).max(1));
        if chars <= SNIPPET_CHARS {
            return Snippet { text: printable(line), caret: narrow(caret), caret_len: narrow(caret_len) };
        }
        let start = caret.saturating_sub(SNIPPET_LEAD_CHARS);
        let cut: String = line.chars().skip(start).take(SNIPPET_CHARS).collect();
        let (before, after) = (if start > 0 { "…" } else { "" }, if start + SNIPPET_CHARS < chars { "…" } else { "" });
        let caret = caret - start + before.chars().count();
        let caret_len = caret_len.min(SNIPPET_CHARS + 1 - caret.min(SNIPPET_CHARS));
        Snippet {
            text: format!("{before}{}{after}", printable(&cut)),
            caret: narrow(caret),
            caret_len: narrow(caret_len),
        }
    }

    /// The text of a line, from 1, without its end; empty past the end of the file.
    fn line(&self, number: u32) -> &str {
        let starts = self.line_starts();
        let Some(start) = starts.get(number.saturating_sub(1) as usize) else { return "" };
        let end = starts.get(number as usize).copied().unwrap_or(self.text.len());
        self.text[*start..end].trim_end_matches(['\n', '\r'])
    }

    fn line_starts(&self) -> &[usize] {
        self.line_starts.get_or_init(|| {
            let bytes = self.text.as_bytes();
            let ends = (0..bytes.len())
                .filter(|&i| bytes[i] == b'\n' || bytes[i] == b'\r' && bytes.get(i + 1) != Some(&b'\n'));
            std::iter::once(0).chain(ends.map(|i| i + 1)).collect()
        })
    }

    fn byte_of(&self, span: Span) -> usize {
        let checkpoints = self
            .checkpoints
            .get_or_init(|| self.text.char_indices().step_by(CHECKPOINT_CHARS).map(|(byte, _)| byte).collect());
        let offset = span.offset as usize;
        let Some(start) = checkpoints.get(offset / CHECKPOINT_CHARS) else { return self.text.len() };
        let rest = &self.text[*start..];
        start + rest.char_indices().nth(offset % CHECKPOINT_CHARS).map_or(rest.len(), |(byte, _)| byte)
    }

    /// Where the bytes `range` of a scalar's text stand in the file.
    ///
    /// Escapes, folding and indentation make this a search: each character of the value is looked for in order from the
    /// opening quote on. For odd escapes the place can be a few characters off; it never leaves the scalar.
    pub fn inside(&self, span: Span, scalar: &Scalar, range: std::ops::Range<usize>) -> Span {
        let start = self.byte_of(span);
        let raw: Vec<char> = self.text[start..].chars().take(span.len as usize).collect();
        let mut at = match scalar.style {
            // A block's place is that of its first line, after `|` or `>`.
            Style::Plain | Style::Block => 0,
            Style::Single | Style::Double => 1,
        };
        let (mut first, mut last) = (None, at);
        for (byte, wanted) in scalar.text.char_indices() {
            if byte >= range.end.max(range.start + 1) {
                break;
            }
            let found = raw.iter().skip(at).enumerate().find_map(|(skipped, c)| {
                let escape = scalar.style == Style::Double && *c == '\\' && matches!(wanted, '\n' | '\t' | '\r');
                let folded = wanted == ' ' && *c == '\n';
                (*c == wanted || escape || folded).then_some(at + skipped)
            });
            let Some(found) = found else { break };
            if byte >= range.start {
                first.get_or_insert(found);
                last = found;
            }
            at = found + 1;
        }
        let Some(first) = first else { return span };
        let mut place = Span { offset: span.offset + narrow(first), len: 1, ..span };
        for c in &raw[..first] {
            if *c == '\n' {
                place.line += 1;
                place.column = 1;
            } else {
                place.column += 1;
            }
        }
        place.len = narrow(raw[first..=last].iter().take_while(|c| **c != '\n').count()).max(1);
        place
    }
}

/// Characters that would move the cursor, hide text or reorder it are replaced, one for one.
fn printable(text: &str) -> String {
    let hidden = |c: char| {
        c.is_control()
            || matches!(c, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}')
    };
    text.chars()
        .map(|c| {
            if c == '\t' {
                ' '
            } else if hidden(c) {
                '\u{fffd}'
            } else {
                c
            }
        })
        .collect()
}

fn narrow(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(text: &str, line: u32, column: u32, len: u32, style: Style, value: &str, wanted: &str) -> (u32, u32, u32) {
        let source = Source::new("f", text);
        let lines_before: usize = text.lines().take(line as usize - 1).map(|line| line.chars().count() + 1).sum();
        let offset = narrow(lines_before) + column - 1;
        let scalar = Scalar { text: value.to_owned(), style };
        let start = value.find(wanted).unwrap();
        let found = source.inside(Span { line, column, offset, len }, &scalar, start..start + wanted.len());
        (found.line, found.column, found.len)
    }

    #[test]
    fn places_inside_scalars() {
        assert_eq!(place("a: 'x {{ y }}'", 1, 4, 11, Style::Single, "x {{ y }}", "y"), (1, 10, 1));
        assert_eq!(
            place("a: |\n    one\n    two {{ z }}\n", 2, 5, 23, Style::Block, "one\ntwo {{ z }}\n", "z"),
            (3, 12, 1)
        );
        assert_eq!(place("a: \"q\\\"q\\nzed\"", 1, 4, 11, Style::Double, "q\"q\nzed", "zed"), (1, 11, 3));
    }

    #[test]
    fn long_lines_are_cut_around_the_caret() {
        let text = format!("{}HERE{}", "a".repeat(500), "b".repeat(500));
        let snippet = Source::new("f", &text).snippet(Span { line: 1, column: 501, offset: 500, len: 4 });
        let shown: String =
            snippet.text.chars().skip(snippet.caret as usize).take(snippet.caret_len as usize).collect();
        assert_eq!(shown, "HERE");
        assert!(snippet.text.chars().count() <= SNIPPET_CHARS + 2);
    }
}
