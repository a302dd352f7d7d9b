//! What is worth keeping of a tool's output. Pure.

use crate::domain::limits;
use crate::workspace::excerpt;

/// Lines that say only that work goes on; they push out what matters.
const NOISE: &[&str] = &[
    "   Compiling ",
    "    Checking ",
    "    Updating ",
    "     Locking ",
    "  Downloaded ",
    " Downloading ",
    "    Finished ",
    "    Blocking ",
    "     Running ",
    "   Doc-tests ",
    "go: downloading ",
];

/// The text of `output`: colours, carriage returns and anything that a terminal would obey taken out.
pub(super) fn text(output: &[u8]) -> String {
    excerpt::harmless(&excerpt::without_escapes(&String::from_utf8_lossy(output)))
}

/// What a failed check said, without noise, at most [`limits::CHECK_EXCERPT_BYTES`]: its beginning, where compilers name
/// what everything after follows from, and its end, where the rest sum up.
pub(super) fn excerpt(text: &str) -> String {
    let is_noise = |line: &str| NOISE.iter().any(|start| line.starts_with(start));
    let mut kept = String::new();
    let mut after_blank = true;
    for line in text.lines().map(str::trim_end).filter(|line| !is_noise(line)) {
        if !(line.is_empty() && after_blank) {
            kept.push_str(line);
            kept.push('\n');
        }
        after_blank = line.is_empty();
    }
    ends(kept.trim_end(), limits::CHECK_EXCERPT_BYTES)
}

/// `text` in at most `max_bytes`: whole, or its two ends with a line between them that says how much is missing.
pub(super) fn ends(text: &str, max_bytes: usize) -> String {
    if text.len() <= max_bytes {
        return text.to_owned();
    }
    const MARK_BYTES: usize = 48;
    if max_bytes <= 2 * MARK_BYTES {
        return front(text, max_bytes).to_owned();
    }
    let half = (max_bytes - MARK_BYTES) / 2;
    let head = front(text, half);
    let mut from = text.len() - half;
    while !text.is_char_boundary(from) {
        from += 1;
    }
    format!("{head}\n[... {} bytes left out ...]\n{}", from - head.len(), &text[from..])
}

/// The beginning of `text`, at most `max_bytes` and whole characters.
pub(super) fn front(text: &str, max_bytes: usize) -> &str {
    let mut to = text.len().min(max_bytes);
    while !text.is_char_boundary(to) {
        to -= 1;
    }
    &text[..to]
}

/// `FILE:LINE` at the beginning of `text`, when it is one: `src/lib.rs:24:9`, `a.py:3: Error`, `a.js:4:1'`.
pub(super) fn place(text: &str) -> Option<(String, u32)> {
    let (file, rest) = text.split_once(':')?;
    let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
    let line = rest[..digits].parse().ok()?;
    let is_file = !file.is_empty() && !file.contains(|c: char| c.is_whitespace() || "\"'()<>".contains(c));
    is_file.then(|| (file.to_owned(), line))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_byte_past_the_bound_loses_the_middle() {
        let most = limits::CHECK_EXCERPT_BYTES;
        assert_eq!(excerpt(&"x".repeat(most)).len(), most);
        let cut = excerpt(&format!("first{}last", "ü".repeat(most)));
        assert!(cut.len() <= most && cut.starts_with("first") && cut.ends_with("last"), "{}", cut.len());
        for max_bytes in 0..200 {
            assert!(ends(&"ü".repeat(300), max_bytes).len() <= max_bytes, "{max_bytes}");
        }
    }

    #[test]
    fn noise_and_colours_go() {
        let output = text(b"   Compiling x v1\n\x1b[31merror\x1b[0m: it broke\r\n\n\n\n  at src/a.rs\n");
        assert_eq!(excerpt(&output), "error: it broke\n\n  at src/a.rs");
    }

    #[test]
    fn places_are_files_with_a_line() {
        assert_eq!(place("src/lib.rs:24:9:"), Some(("src/lib.rs".to_owned(), 24)));
        assert_eq!(place("/x/a.test.js:4:1'"), Some(("/x/a.test.js".to_owned(), 4)));
        assert_eq!(place("error: 3"), None);
        assert_eq!(place("a b:3"), None);
        assert_eq!(place("a:99999999999999"), None);
    }
}
