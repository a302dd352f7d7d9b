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
    fn one_byte_past_the_bound_is_cut_in_front() {
        let output = format!("x{}", "y".repeat(limits::EXCERPT_BYTES));
        assert_eq!(tail(output.as_bytes()), "y".repeat(limits::EXCERPT_BYTES));
        assert!(tail(&[0xff; 3 * limits::EXCERPT_BYTES]).len() <= limits::EXCERPT_BYTES);
    }
}
