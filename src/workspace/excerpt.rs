//! Short, harmless pieces of foreign output for messages. Pure.

use crate::domain::limits;

/// The end of `output` as text for one message: at most [`limits::EXCERPT_BYTES`], bytes that are no UTF-8 replaced, escape
/// sequences and other control characters made visible as `·`, surrounding blank space dropped.
pub fn tail(output: &[u8]) -> String {
    let from = output.len().saturating_sub(limits::EXCERPT_BYTES);
    let text = harmless(&String::from_utf8_lossy(&output[from..]));
    let mut start = text.len().saturating_sub(limits::EXCERPT_BYTES);
    while !text.is_char_boundary(start) {
        start += 1;
    }
    text[start..].trim().to_owned()
}

/// The last line of `output` that says something, for a message of one line: at most [`limits::MESSAGE_CHARS`] characters of
/// its end, colours and cursor movements left out. The whole output is in the log.
pub fn last_line(output: &[u8]) -> String {
    let from = output.len().saturating_sub(limits::EXCERPT_BYTES);
    let text = without_escapes(&String::from_utf8_lossy(&output[from..]));
    let line = text.lines().rev().map(str::trim).find(|line| !line.is_empty()).unwrap_or_default();
    let cut = line.chars().count().saturating_sub(limits::MESSAGE_CHARS);
    harmless(&line.chars().skip(cut).collect::<String>())
}

/// `text` without terminal escape sequences (ECMA-48: CSI, OSC, and two-character ones with an intermediate).
pub fn without_escapes(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text.chars().peekable();
    while let Some(c) = rest.next() {
        if c != '\u{1b}' {
            out.push(c);
            continue;
        }
        match rest.next() {
            Some('[') => drop(rest.by_ref().find(|c| ('@'..='~').contains(c))),
            Some(']') => drop(rest.by_ref().find(|c| matches!(c, '\u{7}' | '\u{1b}'))),
            Some(' '..='/') => drop(rest.next()),
            Some(_) | None => {}
        }
    }
    out
}

/// `text` without anything that a terminal would obey; line breaks and tabs stay.
pub fn harmless(text: &str) -> String {
    text.chars()
        .filter(|c| *c != '\r')
        .map(|c| if (c.is_control() && !matches!(c, '\n' | '\t')) || is_invisible(c) { '·' } else { c })
        .collect()
}

/// Characters that reorder or hide text (Unicode bidirectional controls): output must not forge what a message says.
fn is_invisible(c: char) -> bool {
    matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn control_characters_are_shown_not_obeyed() {
        assert_eq!(tail(b"\x1b[31mred\x07\r\n\xff\n"), "·[31mred·\n\u{fffd}");
        assert_eq!(harmless("a\u{202e}b"), "a·b");
    }

    #[test]
    fn a_message_is_the_last_line_without_its_colours() {
        assert_eq!(
            last_line(b"first\n\x1b[31;1merror\x1b(B\x1b[m: it \x1b]0;title\x07broke\r\n\n  \n"),
            "error: it broke"
        );
        assert_eq!(last_line(b""), "");
        assert_eq!(last_line("ü".repeat(limits::MESSAGE_CHARS + 1).as_bytes()), "ü".repeat(limits::MESSAGE_CHARS));
    }

    #[test]
    fn one_byte_past_the_bound_is_cut_in_front() {
        let output = format!("x{}", "y".repeat(limits::EXCERPT_BYTES));
        assert_eq!(tail(output.as_bytes()), "y".repeat(limits::EXCERPT_BYTES));
        assert!(tail(&[0xff; 3 * limits::EXCERPT_BYTES]).len() <= limits::EXCERPT_BYTES);
    }
}
