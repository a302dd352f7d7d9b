//! What a model is shown of an output: its head and its tail within a budget, and the handle under which the whole is kept. The
//! handle is the digest of the output as it came, so it is the same on every walk. Pure.

use super::text_file::{cut_before, cut_behind};
use crate::domain::ids::Digest;

/// Kept free for the line that says what is left out: its text, two numbers of 20 digits, a digest of 64.
const NOTE_BYTES: usize = 200;
/// An output up to here is cleaned whole, for it may fit when its escape sequences are gone. Of a larger one only as much at
/// either end is looked at: a budget is far smaller.
const CLEANED_BYTES: usize = 1024 * 1024;

/// An output as a model is shown it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shown {
    /// The text, never longer than the budget.
    pub text: String,
    /// The handle of the whole, when a part is left out: it must be kept under it then.
    pub handle: Option<String>,
}

/// `output` within `budget_bytes`: terminal escape sequences and control characters are taken out, of a line that overwrites
/// itself with carriage returns the last state is kept, bytes that are not UTF-8 are replaced. Of what does not fit, head and
/// tail are shown, whole lines where that is possible.
pub fn show(output: &[u8], budget_bytes: usize) -> Shown {
    let (first, last);
    let (head_of, tail_of) = if output.len() <= CLEANED_BYTES {
        first = cleaned(output);
        if first.len() <= budget_bytes {
            return Shown { text: first, handle: None };
        }
        (first.as_str(), None)
    } else {
        first = cleaned(&output[..CLEANED_BYTES / 2]);
        last = cleaned(&output[output.len() - CLEANED_BYTES / 2..]);
        (first.as_str(), Some(last.as_str()))
    };
    let room = budget_bytes.saturating_sub(NOTE_BYTES);
    let head = head(head_of, room / 2);
    let tail = tail(tail_of.unwrap_or(&head_of[head.len()..]), room - room / 2);
    let handle = Digest::of(output).to_hex();
    let shown_lines = newlines(head.as_bytes()) + newlines(tail.as_bytes());
    let lines = newlines(output).saturating_sub(shown_lines);
    let bytes = output.len().saturating_sub(head.len() + tail.len());
    let break_after = if head.is_empty() || head.ends_with('\n') { "" } else { "\n" };
    let note =
        format!("[... {lines} lines / {bytes} bytes left out; read_output shows the whole, handle {handle} ...]");
    let mut text = format!("{head}{break_after}{note}\n{tail}");
    // Only a budget smaller than the note itself gets here.
    text.truncate(cut_before(&text, budget_bytes));
    Shown { text, handle: Some(handle) }
}

/// An output made readable: see [`show`]. Line ends stay as many as they were.
pub(super) fn cleaned(output: &[u8]) -> String {
    let mut out = String::with_capacity(output.len());
    for line in output.split_inclusive(|byte| *byte == b'\n') {
        let (bare, end) = line.strip_suffix(b"\n").map_or((line, ""), |bare| (bare, "\n"));
        let text = String::from_utf8_lossy(bare);
        if text.chars().any(|c| c.is_control() && c != '\t') {
            out.push_str(&last_state(&without_escapes(&text)));
        } else {
            out.push_str(&text);
        }
        out.push_str(end);
    }
    out
}

/// What a line that overwrites itself shows at its end, without other control characters.
fn last_state(line: &str) -> String {
    let state = line.rsplit('\r').find(|state| !state.trim().is_empty()).unwrap_or_default();
    state.chars().filter(|c| !c.is_control() || *c == '\t').collect()
}

/// `line` without terminal escape sequences (ECMA-48: CSI, the strings OSC, DCS, APC and PM, and short ones).
fn without_escapes(line: &str) -> String {
    let mut out = String::with_capacity(line.len());
    let mut rest = line.chars();
    while let Some(c) = rest.next() {
        if c != '\u{1b}' {
            out.push(c);
            continue;
        }
        match rest.next() {
            Some('[') => drop(rest.by_ref().find(|c| ('@'..='~').contains(c))),
            Some(']' | 'P' | '_' | '^') => {
                if rest.by_ref().find(|c| matches!(c, '\u{7}' | '\u{1b}')) == Some('\u{1b}') {
                    // The string ended with `ESC \`.
                    rest.next();
                }
            }
            Some(' '..='/') => drop(rest.next()),
            Some(_) | None => {}
        }
    }
    out
}

/// The start of `text` in at most `room` bytes: whole lines, unless the first ones are too long for that.
fn head(text: &str, room: usize) -> &str {
    let cut = &text[..cut_before(text, room)];
    match cut.rfind('\n') {
        Some(at) if at >= room / 2 => &cut[..=at],
        Some(_) | None => cut,
    }
}

/// The end of `text` in at most `room` bytes: whole lines, unless the last ones are too long for that.
fn tail(text: &str, room: usize) -> &str {
    let cut = &text[cut_behind(text, text.len().saturating_sub(room))..];
    match cut.find('\n') {
        Some(at) if at < room / 2 => &cut[at + 1..],
        Some(_) | None => cut,
    }
}

fn newlines(bytes: &[u8]) -> usize {
    bytes.iter().filter(|byte| **byte == b'\n').count()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::domain::limits;

    #[test]
    fn what_fits_is_shown_whole() {
        assert_eq!(show(b"", 10), Shown { text: String::new(), handle: None });
        assert_eq!(show("grün\n".as_bytes(), 10), Shown { text: "grün\n".into(), handle: None });
    }

    #[test]
    fn escapes_and_progress_are_taken_out() {
        let output = b"\x1b[31mred\x1b(B\x1b[m\r\n10%\r50%\r100%\r\nnul\0bell\x07\n\x1b]0;title\x1b\\x\n\xff\tend";
        assert_eq!(show(output, 1000).text, "red\n100%\nnulbell\nx\n\u{fffd}\tend");
        let progress = "\x1b[2K\r[##   ]".repeat(10_000);
        assert_eq!(show(progress.as_bytes(), 1000), Shown { text: "[##   ]".into(), handle: None });
    }

    #[test]
    fn head_and_tail_are_whole_lines_and_the_rest_is_counted() {
        let output: String = (1..=10_000).map(|n| format!("line {n}\n")).collect();
        let shown = show(output.as_bytes(), 1_000);
        let handle = Digest::of(output.as_bytes()).to_hex();
        assert_eq!(shown.handle.as_deref(), Some(handle.as_str()));
        assert!(shown.text.starts_with("line 1\nline 2\n"), "{}", shown.text);
        assert!(shown.text.ends_with("line 9999\nline 10000\n"), "{}", shown.text);
        let note = shown.text.lines().find(|line| line.starts_with("[...")).unwrap();
        let kept = shown.text.lines().count() - 1;
        assert!(note.contains(&format!(" {} lines / ", 10_000 - kept)) && note.contains(&handle), "{note}");
    }

    #[test]
    fn one_byte_past_the_budget_is_cut() {
        let output = "x".repeat(limits::TOOL_OUTPUT_BYTES + 1);
        assert_eq!(show(&output.as_bytes()[1..], limits::TOOL_OUTPUT_BYTES).handle, None);
        let shown = show(output.as_bytes(), limits::TOOL_OUTPUT_BYTES);
        assert!(shown.handle.is_some() && shown.text.len() <= limits::TOOL_OUTPUT_BYTES);
    }

    #[test]
    fn fifty_mebibytes_of_one_line_and_of_many() {
        for unit in ["ü", "a line of output\n", "10%\r\u{1b}[K"] {
            let output = unit.repeat(50 * 1024 * 1024 / unit.len());
            let shown = show(output.as_bytes(), limits::TOOL_OUTPUT_BYTES);
            assert!(shown.text.len() <= limits::TOOL_OUTPUT_BYTES && shown.handle.is_some());
        }
    }

    proptest! {
        #[test]
        fn the_budget_is_never_exceeded(
            parts in prop::collection::vec(prop_oneof![
                prop::collection::vec(any::<u8>(), 0..200),
                Just(b"\x1b[1;31m".to_vec()), Just(b"50%\r".to_vec()), Just("語\n".as_bytes().to_vec()),
            ], 0..60),
            budget in 0_usize..4_000,
        ) {
            let output = parts.concat();
            let shown = show(&output, budget);
            prop_assert!(shown.text.len() <= budget);
            let obeyed = shown.text.contains(['\0', '\u{1b}', '\r']);
            prop_assert!(!obeyed);
            prop_assert_eq!(shown.handle.is_none(), cleaned(&output).len() <= budget);
            prop_assert_eq!(newlines(cleaned(&output).as_bytes()), newlines(&output));
        }
    }
}
