//! Literals that are assigned to a name such as `password` and look random.

use super::{SecretKind, entropy_bits, is_placeholder};

/// Ends of names, without `_` and `-` and in small letters; how long a literal is at least, and its entropy.
const NAMES: &[(&str, usize, f64)] = &[
    ("password", 8, 2.8),
    ("passwd", 8, 2.8),
    ("passphrase", 8, 2.8),
    ("secret", 12, 3.2),
    ("secretkey", 12, 3.2),
    ("apikey", 16, 3.2),
    ("accesskey", 16, 3.2),
    ("privatekey", 16, 3.2),
    ("credential", 12, 3.2),
    ("credentials", 12, 3.2),
    ("token", 20, 3.5),
];

/// Longest name that is looked at, longest distance to its literal, longest literal: they bound the time of a line.
const NAME_BYTES: usize = 64;
const GAP_BYTES: usize = 40;
const LITERAL_BYTES: usize = 512;

/// Files in which a literal needs no quotes.
const PLAIN_FILES: &[&str] = &[".env", ".properties", ".ini", ".cfg", ".conf"];

/// Files that are full of hashes under all sorts of names.
const LOCK_FILES: &[&str] = &[
    "Cargo.lock",
    "package-lock.json",
    "npm-shrinkwrap.json",
    "yarn.lock",
    "pnpm-lock.yaml",
    "poetry.lock",
    "uv.lock",
    "Pipfile.lock",
    "go.sum",
    "Gemfile.lock",
    "composer.lock",
    "flake.lock",
];

/// How literals are written in a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Rule {
    /// In quotes.
    Quoted,
    /// Also without.
    Plain,
    /// There are none.
    None,
}

impl Rule {
    pub(super) fn of(file: &str) -> Self {
        let name = file.rsplit('/').next().unwrap_or(file);
        if LOCK_FILES.contains(&name) {
            Self::None
        } else if name.starts_with(".env") || PLAIN_FILES.iter().any(|end| name.ends_with(end)) {
            Self::Plain
        } else {
            Self::Quoted
        }
    }

    /// Adds the assigned secrets of `line`, by their names alone.
    pub(super) fn find(self, line: &str, found: &mut Vec<(SecretKind, String)>) {
        if self == Self::None {
            return;
        }
        for (end, name) in names(line) {
            let Some((least, least_entropy)) = wanted(name) else { continue };
            let literal = match literal(&line[end..]) {
                Some(literal) => literal,
                None if self == Self::Plain => match plain(&line[end..]) {
                    Some(literal) => literal,
                    None => continue,
                },
                None => continue,
            };
            if literal.len() >= least && entropy_bits(literal) >= least_entropy && looks_random(literal) {
                let length = literal.chars().count();
                found.push((SecretKind::Assigned, format!("{name} = … ({length} characters)")));
            }
        }
    }
}

/// Names in the line with where they end.
fn names(line: &str) -> impl Iterator<Item = (usize, &str)> {
    let is_name = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
    let mut rest = 0;
    std::iter::from_fn(move || {
        let start = rest + line[rest..].find(is_name)?;
        let end = line[start..].find(|c| !is_name(c)).map_or(line.len(), |length| start + length);
        rest = end;
        Some((end, &line[start..end]))
    })
}

fn wanted(name: &str) -> Option<(usize, f64)> {
    if name.len() > NAME_BYTES {
        return None;
    }
    let plain: String = name.chars().filter(|c| c.is_ascii_alphanumeric()).map(|c| c.to_ascii_lowercase()).collect();
    NAMES.iter().find(|(end, ..)| plain.ends_with(end)).map(|(_, least, entropy)| (*least, *entropy))
}

/// The quoted literal that `after`, what follows a name, assigns to it: `= "…"`, `": "…"`, `: &str = "…"`, `=> '…'`.
fn literal(after: &str) -> Option<&str> {
    let after = after.strip_prefix(['"', '\'', ']']).unwrap_or(after);
    let at =
        after.char_indices().take(GAP_BYTES).find(|(_, c)| matches!(c, '"' | '\'' | '`' | '(' | ',' | ';' | '{'))?.0;
    let quote = after[at..].chars().next().filter(|c| matches!(c, '"' | '\'' | '`'))?;
    let gap = after[..at].trim_end().trim_end_matches(['b', 'r', 'f', 'u']).trim_end();
    if !gap.ends_with(['=', ':', '>']) {
        return None;
    }
    let rest = &after[at + 1..];
    let end = rest.char_indices().take(LITERAL_BYTES).find(|(_, c)| *c == quote)?.0;
    Some(&rest[..end])
}

/// The rest of `NAME=value`.
fn plain(after: &str) -> Option<&str> {
    let value = after.trim_start().strip_prefix(['=', ':'])?.trim();
    (value.len() <= LITERAL_BYTES).then_some(value)
}

/// No words, paths, URLs or templates: letters and digits, nothing blank.
fn looks_random(literal: &str) -> bool {
    let has = |is: fn(&u8) -> bool| literal.bytes().any(|byte| is(&byte));
    has(u8::is_ascii_digit)
        && has(u8::is_ascii_alphabetic)
        && !literal.contains(|c: char| c.is_whitespace() || matches!(c, '{' | '}' | '(' | ')' | '[' | ']'))
        && !literal.contains("://")
        && !literal.starts_with(['/', '.', '~'])
        && !is_placeholder(literal)
}
