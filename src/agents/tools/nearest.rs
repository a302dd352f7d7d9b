//! The region of a file that is most like a text that was not found in it, for a message that helps. Pure.

use std::fmt::Write as _;

use similar::TextDiff;

use crate::domain::limits;

/// Below this likeness a region would mislead.
const LEAST_PERCENT: u32 = 50;
/// Regions that are compared letter by letter; the others were less alike line by line.
const COMPARED: usize = 5;
/// What of a line or region is compared letter by letter.
const COMPARED_CHARS: usize = 4_000;
/// Most lines of a region that are shown.
const SHOWN_LINES: usize = 30;

/// A region of lines, from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Near {
    pub(super) first: usize,
    pub(super) last: usize,
    pub(super) percent: u32,
}

/// The region of `text` with as many lines as `wanted` that is most like it.
pub(super) fn nearest(text: &str, wanted: &str) -> Option<Near> {
    let lines: Vec<&str> = text.lines().map(str::trim).collect();
    let wanted: Vec<&str> = wanted.lines().map(str::trim).collect();
    let size = wanted.len().min(lines.len());
    if size == 0 || lines.len().saturating_mul(size) > limits::TOOL_NEAREST_LINES {
        return None;
    }
    let words: std::collections::BTreeSet<&str> = wanted.iter().flat_map(|line| line.split_whitespace()).collect();
    // Equal lines count most; words tell regions apart in which no line is equal.
    let of_line: Vec<usize> =
        lines.iter().map(|line| line.split_whitespace().filter(|word| words.contains(word)).take(8).count()).collect();
    let score = |start: usize| -> usize {
        (0..size)
            .map(|at| {
                of_line[start + at] + if !wanted[at].is_empty() && lines[start + at] == wanted[at] { 16 } else { 0 }
            })
            .sum()
    };
    let mut starts: Vec<(usize, usize)> = (0..=lines.len() - size).map(|start| (score(start), start)).collect();
    starts.sort_by_key(|(score, start)| (std::cmp::Reverse(*score), *start));
    let target: String = wanted.join("\n").chars().take(COMPARED_CHARS).collect();
    let near = starts.into_iter().take(COMPARED).map(|(_, start)| {
        let region: String = lines[start..start + size].join("\n").chars().take(COMPARED_CHARS).collect();
        let percent = (TextDiff::from_chars(target.as_str(), region.as_str()).ratio() * 100.0) as u32;
        Near { first: start + 1, last: start + size, percent }
    });
    near.max_by_key(|near| (near.percent, std::cmp::Reverse(near.first))).filter(|near| near.percent >= LEAST_PERCENT)
}

/// The lines from `first` to `last` with their numbers.
pub(super) fn excerpt(text: &str, first: usize, last: usize) -> String {
    let mut out = String::new();
    for (number, line) in text.lines().enumerate().skip(first - 1).take((last + 1 - first).min(SHOWN_LINES)) {
        let line: String = line.chars().take(limits::TOOL_LINE_CHARS).collect();
        writeln!(out, "{:>6}\t{line}", number + 1).expect("writing to a string does not fail");
    }
    if last + 1 - first > SHOWN_LINES {
        writeln!(out, "   ...\t({} more)", last + 1 - first - SHOWN_LINES).expect("writing to a string does not fail");
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "fn one() {\n    first();\n}\n\nfn two() {\n    second(1, 2);\n    third();\n}\n";

    #[test]
    fn the_region_with_a_changed_letter_is_found() {
        let near = nearest(TEXT, "    second(1, 3);\n    third();\n").unwrap();
        assert_eq!((near.first, near.last), (6, 7));
        assert!(near.percent > 80);
        assert_eq!(excerpt(TEXT, 6, 7), "     6\t    second(1, 2);\n     7\t    third();\n");
    }

    #[test]
    fn nothing_alike_is_nothing() {
        assert_eq!(nearest(TEXT, "SELECT * FROM users WHERE id = 7;"), None);
        assert_eq!(nearest("", "x"), None);
        assert_eq!(nearest("one line", "one line\nand\nmore\nlines\nhere\nthan there"), None);
    }

    #[test]
    fn one_line_past_the_bound_is_not_looked_for() {
        let text = "x\n".repeat(limits::TOOL_NEAREST_LINES);
        assert!(nearest(&text, "x").is_some());
        assert_eq!(nearest(&format!("{text}x\n"), "x"), None);
    }
}
