//! What counts as the same: exactly the same, or the same but for what no run of a program repeats (durations, where folders are,
//! the order in which tests that run side by side end). Everything else is a difference, and is shown around its first line.

use std::path::Path;

use serde::Serialize;

use crate::domain::ids::ProjectId;
use crate::domain::limits;

/// Lines shown on either side of the first one that differs.
const CONTEXT_LINES: usize = 3;
/// Words that make a number a duration.
const UNITS: [&str; 11] = ["ns", "us", "µs", "ms", "s", "m", "min", "sec", "secs", "seconds", "minutes"];

/// The first thing that came otherwise than it was recorded.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Difference {
    /// The position of the record.
    pub seq: u64,
    /// The task; `None`: the project itself.
    pub task: Option<String>,
    /// Its attempt.
    pub attempt: Option<u32>,
    /// The step: 0 is the action.
    pub step: Option<u32>,
    /// The call of an agent.
    pub call: Option<u32>,
    /// What differs, in words.
    pub what: String,
    /// What is on record.
    pub recorded: String,
    /// What came now.
    pub came: String,
}

/// How alike two values are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Alike {
    /// To the last byte.
    Same,
    /// But for durations, folders, the order of lines.
    Varies,
    /// Not.
    Differs,
}

/// Folders that are somewhere else in a replay, longest first, with the words that stand for them.
#[derive(Debug, Clone)]
pub struct Places {
    folders: Vec<(String, &'static str)>,
    worktrees: String,
}

impl Places {
    /// `home` and `base_dir` as they were, `own_home` and `own_dir` as they are in the replay.
    pub fn new(id: &ProjectId, home: &Path, base_dir: &Path, own_home: &Path, own_dir: &Path) -> Self {
        let named = |path: &Path, word| (path.to_string_lossy().into_owned(), word);
        let mut folders = vec![
            named(home, "<home>"),
            named(own_home, "<home>"),
            named(base_dir, "<folder>"),
            named(own_dir, "<folder>"),
        ];
        folders.retain(|(path, _)| path.len() > 1);
        folders.sort_by_key(|(path, _)| std::cmp::Reverse(path.len()));
        Self { folders, worktrees: format!("<home>/worktrees/{id}/") }
    }

    /// How alike two texts are.
    pub fn alike(&self, recorded: &[u8], came: &[u8]) -> Alike {
        if recorded == came {
            return Alike::Same;
        }
        let lines = |bytes: &[u8]| {
            let mut lines: Vec<String> = self.steady(bytes).lines().map(str::to_owned).collect();
            lines.sort_unstable();
            lines
        };
        if lines(recorded) == lines(came) { Alike::Varies } else { Alike::Differs }
    }

    /// A value without what varies. JSON texts are read, so that their lines are lines.
    fn steady(&self, bytes: &[u8]) -> String {
        let text = match serde_json::from_slice::<String>(bytes) {
            Ok(text) => text,
            Err(_) => String::from_utf8_lossy(bytes).replace("\\n", "\n"),
        };
        let mut text = text;
        for (path, word) in &self.folders {
            text = text.replace(path.as_str(), word);
        }
        without_durations(&self.without_slots(&text))
    }

    /// Worktrees are numbered as they become free.
    fn without_slots(&self, text: &str) -> String {
        let mut steady = String::with_capacity(text.len());
        let mut parts = text.split(self.worktrees.as_str());
        steady.push_str(parts.next().unwrap_or_default());
        for part in parts {
            steady.push_str("<worktree>");
            steady.push_str(part.trim_start_matches(|c: char| c.is_ascii_digit()));
        }
        steady
    }

    /// Two values around the first line that differs, as they are.
    pub fn around(&self, recorded: &[u8], came: &[u8]) -> (String, String) {
        let (one, other) = (self.steady(recorded), self.steady(came));
        let same = one.lines().zip(other.lines()).take_while(|(one, other)| one == other).count();
        (excerpt(&one, same), excerpt(&other, same))
    }
}

/// The lines around `at`, and that something was left out.
fn excerpt(text: &str, at: usize) -> String {
    let first = at.saturating_sub(CONTEXT_LINES);
    let lines: Vec<&str> = text.lines().skip(first).take(2 * CONTEXT_LINES + 1).collect();
    let mut shown = if first > 0 { format!("[from line {}]\n", first + 1) } else { String::new() };
    shown.push_str(&lines.join("\n"));
    short(shown)
}

/// At most an excerpt of a text.
pub fn short(mut text: String) -> String {
    if text.len() > limits::EXCERPT_BYTES {
        let mut end = limits::EXCERPT_BYTES;
        while !text.is_char_boundary(end) {
            end -= 1;
        }
        text.truncate(end);
        text.push('…');
    }
    text
}

/// Durations, and the numbers of threads that panic, by a word for them.
fn without_durations(text: &str) -> String {
    let mut steady = String::with_capacity(text.len());
    let mut rest = text;
    let mut is_word = false;
    while let Some(c) = rest.chars().next() {
        if c.is_ascii_digit() && !is_word {
            let (number, after) = number(rest);
            let unit = after.strip_prefix(' ').unwrap_or(after);
            let word: usize = unit.chars().take_while(|c| c.is_alphabetic()).map(char::len_utf8).sum();
            if UNITS.contains(&&unit[..word]) {
                steady.push_str("<time>");
                rest = &unit[word..];
            } else if steady.ends_with("' (") && after.starts_with(") panicked") {
                steady.push_str("<thread>");
                rest = after;
            } else {
                steady.push_str(number);
                rest = after;
            }
            is_word = true;
            continue;
        }
        is_word = c.is_alphanumeric() || c == '_';
        steady.push(c);
        rest = &rest[c.len_utf8()..];
    }
    steady
}

/// The decimal number at the beginning, and what follows it.
fn number(text: &str) -> (&str, &str) {
    let digits = |text: &str| text.bytes().take_while(u8::is_ascii_digit).count();
    let whole = digits(text);
    let part = match text[whole..].strip_prefix('.') {
        Some(after) if digits(after) > 0 => 1 + digits(after),
        Some(_) | None => 0,
    };
    text.split_at(whole + part)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn places() -> Places {
        let id = ProjectId::new("p").unwrap();
        Places::new(
            &id,
            Path::new("/h"),
            Path::new("/u/repo"),
            Path::new("/h/replay/p"),
            Path::new("/h/replay/p/repository"),
        )
    }

    #[test]
    fn what_no_run_repeats_is_no_difference() {
        let places = places();
        let alike = |one: &str, other: &str| places.alike(one.as_bytes(), other.as_bytes());
        assert_eq!(alike("same", "same"), Alike::Same);
        assert_eq!(alike("ok in 0.31s", "ok in 12s"), Alike::Varies);
        assert_eq!(
            alike("took 3 ms at /h/worktrees/p/0/a", "took 9 µs at /h/replay/p/worktrees/p/12/a"),
            Alike::Varies
        );
        assert_eq!(alike("in /u/repo/x", "in /h/replay/p/repository/x"), Alike::Varies);
        assert_eq!(alike("test a ... ok\ntest b ... ok", "test b ... ok\ntest a ... ok"), Alike::Varies);
        assert_eq!(alike("thread 'a' (12) panicked", "thread 'a' (7) panicked"), Alike::Varies);
        assert_eq!(alike(r#""1\nin 2s""#, r#""1\nin 3s""#), Alike::Varies, "in a JSON string too");
    }

    #[test]
    fn everything_else_is_one() {
        let places = places();
        let alike = |one: &str, other: &str| places.alike(one.as_bytes(), other.as_bytes());
        assert_eq!(alike("3 passed", "4 passed"), Alike::Differs);
        assert_eq!(alike("a\na", "a"), Alike::Differs);
        assert_eq!(alike("x3s", "x4s"), Alike::Differs, "part of a name");
        assert_eq!(alike("3 sheep", "4 sheep"), Alike::Differs);
        let many = |last: &str| (0..99).map(|n| format!("{n}\n")).collect::<String>() + last;
        let (recorded, came) = places.around(many("old").as_bytes(), many("new").as_bytes());
        assert_eq!(recorded, "[from line 97]\n96\n97\n98\nold");
        assert_eq!(came, "[from line 97]\n96\n97\n98\nnew");
        let long = short("é".repeat(limits::EXCERPT_BYTES));
        assert!(long.len() <= limits::EXCERPT_BYTES + 3 && long.ends_with('…'));
    }
}
