//! Finding the piece of text that an edit means, and putting another in its place. Pure.
//!
//! Models copy text well, but not always its white space. So after an exact search failed, lines are compared ever more
//! loosely: without blanks at their ends, without their common indentation, with all runs of white space taken for one blank.
//! A looser way counts only when it finds exactly one place: a wrong edit costs far more than a second try.

use super::text_file::{Endings, cut_before};

/// In which way the place was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum How {
    Exact,
    Trailing,
    Indentation,
    Whitespace,
}

/// An edit that was made.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Replaced {
    pub(super) text: String,
    pub(super) how: How,
    pub(super) count: usize,
}

/// Why none was made.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Miss {
    /// Nothing like it.
    None,
    /// These lines, from 1, and it was not said which.
    Several(Vec<usize>),
}

/// `text` with `old` replaced by `new`: once, or everywhere when `all` is set and the text occurs exactly.
pub(super) fn replace(text: &str, old: &str, new: &str, all: bool) -> Result<Replaced, Miss> {
    let endings = Endings::of(text);
    let with_endings = |piece: &str| match endings {
        Endings::Crlf => piece.replace("\r\n", "\n").replace('\n', "\r\n"),
        Endings::Lf | Endings::Mixed => piece.to_owned(),
    };
    let (old_here, new_here) = (with_endings(old), with_endings(new));
    let places: Vec<usize> = text.match_indices(&old_here).map(|(at, _)| at).collect();
    match places.as_slice() {
        [] => {}
        [_] => return Ok(Replaced { text: text.replacen(&old_here, &new_here, 1), how: How::Exact, count: 1 }),
        _ if all => {
            return Ok(Replaced { text: text.replace(&old_here, &new_here), how: How::Exact, count: places.len() });
        }
        _ => return Err(Miss::Several(lines_at(text, &places))),
    }
    loosely(text, old, new)
}

/// The line numbers of byte positions that ascend.
fn lines_at(text: &str, places: &[usize]) -> Vec<usize> {
    let mut lines = Vec::with_capacity(places.len());
    let (mut line, mut from) = (1, 0);
    for place in places {
        line += text[from..*place].matches('\n').count();
        from = *place;
        lines.push(line);
    }
    lines
}

fn loosely(text: &str, old: &str, new: &str) -> Result<Replaced, Miss> {
    let wanted: Vec<&str> = old.lines().collect();
    if wanted.iter().all(|line| line.trim().is_empty()) {
        return Err(Miss::None);
    }
    let lines: Vec<&str> = text.split_inclusive('\n').collect();
    for how in [How::Trailing, How::Indentation, How::Whitespace] {
        let starts = places(&lines, &wanted, how);
        match starts.as_slice() {
            [] => {}
            [start] => return Ok(Replaced { text: put(&lines, *start, &wanted, new, how), how, count: 1 }),
            _ => return Err(Miss::Several(starts.into_iter().map(|start| start + 1).collect())),
        }
    }
    Err(Miss::None)
}

/// The first lines, from 0, of the places that are alike.
fn places(lines: &[&str], wanted: &[&str], how: How) -> Vec<usize> {
    let key = |line: &str| match how {
        How::Exact | How::Trailing => line.trim_end().to_owned(),
        How::Indentation => line.trim().to_owned(),
        How::Whitespace => squeezed(line),
    };
    let wanted_keys: Vec<String> = wanted.iter().map(|line| key(line)).collect();
    let keys: Vec<String> = lines.iter().map(|line| key(line)).collect();
    let alike = |(start, window): &(usize, &[String])| {
        *window == wanted_keys.as_slice()
            && (how != How::Indentation || dedented(&lines[*start..start + wanted.len()]) == dedented(wanted))
    };
    keys.windows(wanted_keys.len()).enumerate().filter(alike).map(|(start, _)| start).collect()
}

/// A line with each run of white space as one blank and none at its ends.
fn squeezed(line: &str) -> String {
    line.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// The lines without the indentation that all of them have.
fn dedented<'l>(lines: &[&'l str]) -> Vec<&'l str> {
    let common = indentation(lines).len();
    lines.iter().map(|line| if line.trim().is_empty() { "" } else { line[common..].trim_end() }).collect()
}

/// The white space that every line with something in it begins with.
fn indentation<'l>(lines: &[&'l str]) -> &'l str {
    let mut common: Option<&str> = None;
    for line in lines.iter().filter(|line| !line.trim().is_empty()) {
        let own = &line[..line.len() - line.trim_start().len()];
        common = Some(common.map_or(own, |common| {
            let same = common.bytes().zip(own.bytes()).take_while(|(a, b)| a == b).count();
            // White space may be of several bytes, two of which can begin alike.
            &common[..cut_before(common, same)]
        }));
    }
    common.unwrap_or_default()
}

/// The text with the lines from `start` on, as many as were wanted, replaced by `new`: indented as they were, with their line ends.
fn put(lines: &[&str], start: usize, wanted: &[&str], new: &str, how: How) -> String {
    let found = &lines[start..start + wanted.len()];
    let end = if found[0].ends_with("\r\n") { "\r\n" } else { "\n" };
    let (from, to) = match how {
        How::Exact | How::Trailing => ("", ""),
        How::Indentation => (indentation(wanted), indentation(found)),
        How::Whitespace => (first_indentation(wanted), first_indentation(found)),
    };
    let mut out: String = lines[..start].concat();
    let new_lines: Vec<&str> = new.lines().collect();
    for (at, line) in new_lines.iter().enumerate() {
        if !line.trim().is_empty() {
            let bare = line.strip_prefix(from).unwrap_or_else(|| line.trim_start());
            out.push_str(to);
            out.push_str(bare);
        }
        let last = at + 1 == new_lines.len();
        if !last || found[found.len() - 1].ends_with('\n') {
            out.push_str(end);
        }
    }
    out.push_str(&lines[start + wanted.len()..].concat());
    out
}

fn first_indentation<'l>(lines: &[&'l str]) -> &'l str {
    let line = lines.iter().find(|line| !line.trim().is_empty()).copied().unwrap_or_default();
    &line[..line.len() - line.trim_start().len()]
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn edited(text: &str, old: &str, new: &str) -> (String, How) {
        let done = replace(text, old, new, false).unwrap();
        (done.text, done.how)
    }

    #[test]
    fn exact_comes_first_and_must_be_unique() {
        assert_eq!(edited("a b a c", "b", "x"), ("a x a c".into(), How::Exact));
        assert_eq!(replace("x\ny\nx\n\nx", "x", "z", false), Err(Miss::Several(vec![1, 3, 5])));
        assert_eq!(replace("x\ny\nx", "x", "z", true).unwrap().text, "z\ny\nz");
    }

    #[test]
    fn blanks_at_line_ends_do_not_matter() {
        let text = "fn a() {  \n    one();\t\n}\n";
        assert_eq!(edited(text, "fn a() {\n    one();\n}", "fn b() {\n}"), ("fn b() {\n}\n".into(), How::Trailing));
    }

    #[test]
    fn another_indentation_is_found_and_kept() {
        let text = "impl A {\n    fn a() {\n        one();\n    }\n}\n";
        let (done, how) = edited(text, "fn a() {\n    one();\n}\n", "fn a() {\n    one();\n\n    two();\n}\n");
        assert_eq!(how, How::Indentation);
        assert_eq!(done, "impl A {\n    fn a() {\n        one();\n\n        two();\n    }\n}\n");
        let (done, _) = edited("\tif x {\n\t\ty()\n\t}\n", "if x {\n\ty()\n}", "if z {\n\ty()\n}");
        assert_eq!(done, "\tif z {\n\t\ty()\n\t}\n");
        assert_eq!(edited("a {\n  b\n}\n", "    a {\n      b\n    }", "    a {\n      c\n    }").0, "a {\n  c\n}\n");
    }

    #[test]
    fn the_amount_of_white_space_is_the_last_resort() {
        let (done, how) = edited("  let  x =   1;\n  y\n", "let x = 1;", "let x = 2;");
        assert_eq!((done.as_str(), how), ("  let x = 2;\n  y\n", How::Whitespace));
        assert_eq!(replace("a  b\na   b\n", "a b", "c", true), Err(Miss::Several(vec![1, 2])), "loosely, never all");
        assert_eq!(replace("\n \n", "  \n\t", "c", false), Err(Miss::None), "blank lines are everywhere");
    }

    #[test]
    fn line_ends_and_the_missing_last_one_stay() {
        assert_eq!(edited("a\r\nb\r\nc\r\n", "a\nb", "x\ny\nz"), ("x\r\ny\r\nz\r\nc\r\n".into(), How::Exact));
        assert_eq!(edited("a\r\nb\r\n", "a", "x\ny").0, "x\r\ny\r\nb\r\n");
        assert_eq!(edited("a \r\nb\r\n", "a\nb\n", "x\ny\n"), ("x\r\ny\r\n".into(), How::Trailing));
        assert_eq!(edited("a\nb  ", "a\nb\n", "c\nd\n"), ("c\nd".into(), How::Trailing));
        assert_eq!(edited("a \nb\nc\n", "a\nb\n", ""), ("c\n".into(), How::Trailing));
        assert_eq!(edited("a\r\nb\nc\n", "b", "x\ny").0, "a\r\nx\ny\nc\n", "mixed: as given");
    }

    #[test]
    fn indentation_of_odd_white_space_is_not_cut_within_a_character() {
        assert_eq!(indentation(&["\u{2003}a", "\u{2002}b"]), "");
        assert_eq!(indentation(&["\u{2003} a", "\u{2003}b", ""]), "\u{2003}");
    }

    proptest! {
        #[test]
        fn an_exact_edit_is_what_replace_does(text in "[ab \n]{1,60}", from in 0_usize..60, len in 1_usize..20, new in "[xé\n]{0,10}") {
            let from = from.min(text.len() - 1);
            let old = &text[from..(from + len).min(text.len())];
            let count = text.matches(old).count();
            let done = replace(&text, old, &new, true).unwrap();
            prop_assert_eq!(&done.text, &text.replace(old, &new));
            prop_assert_eq!(done.how, How::Exact);
            let once = replace(&text, old, &new, false);
            if count == 1 { prop_assert_eq!(once.unwrap().text, done.text) } else { prop_assert!(matches!(once, Err(Miss::Several(lines)) if lines.len() == count)) }
        }

        #[test]
        fn no_text_brings_it_down(text in "\\PC{0,30}(\r?\n\\PC{0,20}){0,5}", old in "\\PC{1,20}(\r?\n\\PC{0,9}){0,3}", new in "\\PC{0,20}\n?") {
            let _either = replace(&text, &old, &new, false);
        }
    }
}
