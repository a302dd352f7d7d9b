//! Where the hunks of a patch belong in a file, and the file with them in it. Pure.
//!
//! The unchanged and the removed lines of a hunk are looked for behind the hunk before it: exactly, then without blanks at line
//! ends, then without indentation. Of several places the one nearest to the line that the patch names is taken, or the first one
//! behind its anchor; without either, a hunk that fits in several places is refused. Unchanged lines stay as the file has them.

use super::parse::{Hunk, Piece};
use crate::agents::tools::nearest::{excerpt, nearest};
use crate::agents::tools::text_file::Endings;

/// How loosely lines are compared, in the order of the tries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Loose {
    Not,
    Trailing,
    Indentation,
}

/// The text with all hunks applied, and a note on those that did not fit exactly.
pub(super) fn apply(text: &str, hunks: &[Hunk]) -> Result<(String, String), String> {
    let lines: Vec<&str> = text.split_inclusive('\n').collect();
    let end = if Endings::of(text) == Endings::Crlf { "\r\n" } else { "\n" };
    let mut out = Out { text: String::with_capacity(text.len()), end };
    let mut loosely = Vec::new();
    let (mut cursor, mut shift) = (0, 0_isize);
    for (number, hunk) in hunks.iter().enumerate() {
        let named = if hunks.len() > 1 { format!("hunk {}", number + 1) } else { "the hunk".to_owned() };
        let (start, loose) = place(&lines, cursor, shift, hunk).map_err(|why| match why {
            Lost::Anchor(anchor) => format!("{named}: no line `{anchor}` after line {cursor}"),
            Lost::Several(at) => format!("{named} fits at lines {at}; add lines around it, or `@@ a line before it`"),
            Lost::Nowhere => format!("{named} was not found{}", hint(text, hunk)),
        })?;
        if loose != Loose::Not {
            loosely.push((number + 1).to_string());
        }
        if let Some(line) = hunk.line
            && hunk.pieces.iter().any(|piece| piece.old().is_some())
        {
            shift = start.cast_signed() - line.saturating_sub(1).cast_signed();
        }
        lines[cursor..start].iter().for_each(|line| out.keep(line));
        cursor = out.hunk(&lines, start, hunk);
    }
    lines[cursor..].iter().for_each(|line| out.keep(line));
    let mut done = out.text;
    // The last line is the patch's own: it ends as the file's last one did, unless the patch says how.
    let ends_new =
        cursor == lines.len() && matches!(hunks.last().and_then(|hunk| hunk.pieces.last()), Some(Piece::Insert { .. }));
    if ends_new && !text.is_empty() && !text.ends_with('\n') && hunks.last().is_some_and(|hunk| !hunk.says_no_end) {
        done.truncate(done.trim_end_matches(end).len().max(done.len() - end.len()));
    }
    let note =
        if loosely.is_empty() { String::new() } else { format!(" (hunk {} with other blanks)", loosely.join(", ")) };
    Ok((done, note))
}

/// Why a hunk has no place.
enum Lost {
    Anchor(String),
    Several(String),
    Nowhere,
}

/// The first line, from 0, of what the hunk replaces.
fn place(lines: &[&str], cursor: usize, shift: isize, hunk: &Hunk) -> Result<(usize, Loose), Lost> {
    let from = match &hunk.anchor {
        None => cursor,
        Some(anchor) => anchored(lines, cursor, anchor).ok_or_else(|| Lost::Anchor(anchor.clone()))?,
    };
    let old: Vec<&str> = hunk.pieces.iter().filter_map(Piece::old).collect();
    if old.is_empty() {
        let at = match (&hunk.anchor, hunk.line) {
            (Some(_), _) => from + 1,
            (None, Some(line)) => line.saturating_add_signed(shift),
            (None, None) => lines.len(),
        };
        return Ok((at.clamp(cursor, lines.len()), Loose::Not));
    }
    for loose in [Loose::Not, Loose::Trailing, Loose::Indentation] {
        let wanted: Vec<&str> = old.iter().map(|line| key(line, loose)).collect();
        let keys: Vec<&str> = lines[from..].iter().map(|line| key(bare(line), loose)).collect();
        let fits = |(_, window): &(usize, &[&str])| *window == wanted.as_slice();
        let mut starts: Vec<usize> =
            keys.windows(wanted.len()).enumerate().filter(fits).map(|(at, _)| from + at).collect();
        if hunk.at_end && starts.last().is_some_and(|start| start + old.len() == lines.len()) {
            starts.drain(..starts.len() - 1);
        }
        let expected = hunk.line.map(|line| (line - line.min(1)).saturating_add_signed(shift));
        match (starts.as_slice(), expected, &hunk.anchor) {
            ([], ..) => {}
            ([start], ..) | ([start, ..], None, Some(_)) => return Ok((*start, loose)),
            (_, Some(expected), _) => {
                let nearest = starts.iter().min_by_key(|start| start.abs_diff(expected)).expect("there are several");
                return Ok((*nearest, loose));
            }
            (_, None, None) => {
                let shown: Vec<String> = starts.iter().take(10).map(|start| (start + 1).to_string()).collect();
                return Err(Lost::Several(shown.join(", ")));
            }
        }
    }
    Err(Lost::Nowhere)
}

/// The first line from `cursor` on that is the anchor, or else that holds it.
fn anchored(lines: &[&str], cursor: usize, anchor: &str) -> Option<usize> {
    let anchor = anchor.trim();
    let found = lines[cursor..].iter().position(|line| line.trim() == anchor);
    found.or_else(|| lines[cursor..].iter().position(|line| line.contains(anchor))).map(|at| cursor + at)
}

fn bare(line: &str) -> &str {
    let line = line.strip_suffix('\n').unwrap_or(line);
    line.strip_suffix('\r').unwrap_or(line)
}

fn key(line: &str, loose: Loose) -> &str {
    match loose {
        Loose::Not => line,
        Loose::Trailing => line.trim_end(),
        Loose::Indentation => line.trim(),
    }
}

impl Piece {
    /// The line of the old file, if it is one.
    fn old(&self) -> Option<&str> {
        match self {
            Self::Keep(text) | Self::Remove(text) => Some(text),
            Self::Insert { .. } => None,
        }
    }
}

/// The nearest region, for the message.
fn hint(text: &str, hunk: &Hunk) -> String {
    let old: Vec<&str> = hunk.pieces.iter().filter_map(Piece::old).collect();
    match nearest(text, &old.join("\n")) {
        None => "; nothing in the file is like its unchanged and removed lines. Read the file again".to_owned(),
        Some(near) => format!(
            "; the nearest place is lines {} to {} ({} % alike):\n{}",
            near.first,
            near.last,
            near.percent,
            excerpt(text, near.first, near.last)
        ),
    }
}

/// The file that is being made.
struct Out<'o> {
    text: String,
    end: &'o str,
}

impl Out<'_> {
    /// A line as it was, with its own end.
    fn keep(&mut self, line: &str) {
        self.ended();
        self.text.push_str(line);
    }

    /// A line that lost its place at the end of the file gets a line end.
    fn ended(&mut self) {
        if !self.text.is_empty() && !self.text.ends_with('\n') {
            self.text.push_str(self.end);
        }
    }

    /// Puts a hunk; returns the first line behind what it replaces.
    fn hunk(&mut self, lines: &[&str], start: usize, hunk: &Hunk) -> usize {
        let mut at = start;
        for piece in &hunk.pieces {
            match piece {
                Piece::Keep(_) => {
                    self.keep(lines[at]);
                    at += 1;
                }
                Piece::Remove(_) => at += 1,
                Piece::Insert { text, bare } => {
                    self.ended();
                    self.text.push_str(text);
                    self.text.push_str(if *bare { "" } else { self.end });
                }
            }
        }
        at
    }
}

#[cfg(test)]
mod tests {
    use super::super::parse::{Change, parse};
    use super::*;

    /// Applies the body of an update in the envelope form.
    fn patched(text: &str, body: &str) -> Result<String, String> {
        let changes = parse(&format!("*** Begin Patch\n*** Update File: x\n{body}\n*** End Patch")).unwrap();
        let Change::Update { hunks, .. } = &changes[0].change else { panic!("an update") };
        apply(text, hunks).map(|(text, _)| text)
    }

    fn diffed(text: &str, body: &str) -> Result<String, String> {
        let changes = parse(&format!("--- a/x\n+++ b/x\n{body}")).unwrap();
        let Change::Update { hunks, .. } = &changes[0].change else { panic!("an update") };
        apply(text, hunks).map(|(text, _)| text)
    }

    #[test]
    fn hunks_find_their_place_in_order() {
        let text = "a\nb\nc\nd\ne\n";
        assert_eq!(patched(text, "@@\n a\n-b\n+B\n@@\n d\n+D\n e").unwrap(), "a\nB\nc\nd\nD\ne\n");
        assert_eq!(patched(text, " b\n+x\n c").unwrap(), "a\nb\nx\nc\nd\ne\n", "the first `@@` may be left out");
        assert_eq!(patched(text, "@@\n+end").unwrap(), "a\nb\nc\nd\ne\nend\n");
        assert_eq!(patched(text, "@@ b\n+x").unwrap(), "a\nb\nx\nc\nd\ne\n");
        assert!(patched(text, "@@\n-d\n@@\n-a").unwrap_err().starts_with("hunk 2 was not found"), "order counts");
    }

    #[test]
    fn of_several_places_the_named_one_is_taken() {
        let text = "fn a() {\n    go();\n}\nfn b() {\n    go();\n}\n";
        assert_eq!(
            patched(text, "@@ fn b()\n-    go();\n+    stop();").unwrap(),
            "fn a() {\n    go();\n}\nfn b() {\n    stop();\n}\n"
        );
        assert_eq!(
            patched(text, "@@\n-    go();").unwrap_err(),
            "the hunk fits at lines 2, 5; add lines around it, or `@@ a line before it`"
        );
        assert!(patched(text, "@@ fn c()\n-    go();").unwrap_err().contains("no line `fn c()`"));
        assert_eq!(
            diffed(text, "@@ -4 +4 @@\n-    go();\n+    stop();\n").unwrap(),
            "fn a() {\n    go();\n}\nfn b() {\n    stop();\n}\n"
        );
        assert_eq!(patched("x\ny\nx\n", "@@\n-x\n+z\n*** End of File").unwrap(), "x\ny\nz\n");
    }

    #[test]
    fn line_numbers_are_hints_that_move_with_the_file() {
        let text = "new\nnew\nnew\nx\na\nx\nb\nx\n";
        // Made for the file without its first three lines.
        let body = "@@ -2,2 +2,2 @@\n-a\n+A\n x\n@@ -5 +5 @@\n-x\n+X\n";
        assert_eq!(diffed(text, body).unwrap(), "new\nnew\nnew\nx\nA\nx\nb\nX\n");
        assert_eq!(diffed("a\nb\n", "@@ -1,0 +2 @@\n+x\n").unwrap(), "a\nx\nb\n");
        assert_eq!(diffed("a\nb\n", "@@ -1,0 +2 @@\n+x\n@@ -2,0 +4 @@\n+y\n").unwrap(), "a\nx\nb\ny\n");
    }

    #[test]
    fn blanks_and_line_ends_are_the_files_own() {
        assert_eq!(patched("\ta  \r\n\tb\r\n", "@@\n a\n-b\n+c").unwrap(), "\ta  \r\nc\r\n");
        assert_eq!(patched("a\nb", "@@\n a\n-b\n+c").unwrap(), "a\nc");
        assert_eq!(patched("a\nb", "@@\n b\n+c").unwrap(), "a\nb\nc");
        assert_eq!(patched("", "@@\n+c").unwrap(), "c\n");
        assert_eq!(diffed("a", "@@ -1 +1 @@\n-a\n\\ No newline at end of file\n+b\n").unwrap(), "b\n");
        assert_eq!(diffed("a\n", "@@ -1 +1 @@\n-a\n+b\n\\ No newline at end of file\n").unwrap(), "b");
    }

    #[test]
    fn what_is_not_there_is_told_with_the_nearest_lines() {
        let told = patched("one\nfn compute(a: u8) {\n}\n", "@@\n-fn compute(b: u8) {\n+x").unwrap_err();
        assert!(
            told.contains("nearest place is lines 2 to 2") && told.contains("     2\tfn compute(a: u8) {"),
            "{told}"
        );
    }
}
