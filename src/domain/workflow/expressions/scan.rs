//! A light tokeniser for the code inside templates: places of names, brackets, filters. It does not check syntax,
//! minijinja does; it says where things stand, which minijinja does not.

use std::ops::Range;

/// One `{{ }}` or `{% %}` of a template, or a whole bare expression.
#[derive(Debug, Clone, PartialEq)]
pub struct Block<'t> {
    /// Whether it prints a value.
    pub prints: bool,
    /// Its bytes, delimiters included.
    pub range: Range<usize>,
    /// Its tokens.
    pub tokens: Vec<Token<'t>>,
}

/// One token.
#[derive(Debug, Clone, PartialEq)]
pub struct Token<'t> {
    /// What it is.
    pub kind: Kind<'t>,
    /// Its bytes in the template.
    pub range: Range<usize>,
}

/// Kinds of tokens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind<'t> {
    /// A name.
    Ident(&'t str),
    /// A quoted text, without its quotes, escapes as written.
    Text(&'t str),
    /// A number.
    Number,
    /// A single character of punctuation.
    Mark(char),
}

/// A variable and the path read from it: `tasks["a"].output` is `tasks`, `["a", "output"]`.
#[derive(Debug, Clone, PartialEq)]
pub struct Read<'t> {
    /// The variable.
    pub root: &'t str,
    /// The literal parts after it, with their places.
    pub path: Vec<(&'t str, Range<usize>)>,
    /// Whether something that is not literal follows, such as `[name]` or a call.
    pub open: bool,
    /// Where the variable stands.
    pub range: Range<usize>,
}

/// The code blocks of a template.
pub fn template(text: &str) -> Vec<Block<'_>> {
    let mut blocks = Vec::new();
    let mut at = 0;
    while let Some(found) = text[at..].find('{') {
        let start = at + found;
        let (close, prints) = match text.as_bytes().get(start + 1) {
            Some(b'{') => ("}}", true),
            Some(b'%') => ("%}", false),
            Some(b'#') => {
                at = text[start..].find("#}").map_or(text.len(), |end| start + end + 2);
                continue;
            }
            _ => {
                at = start + 1;
                continue;
            }
        };
        // `{%-` and `{{-` say what becomes of the blanks before them, nothing of what stands inside.
        let is_trimmed = matches!(text.as_bytes().get(start + 2), Some(b'-' | b'+'));
        let (tokens, end) = tokens(text, start + 2 + usize::from(is_trimmed), Some(close));
        let raw = !prints && matches!(tokens.first().map(|token| token.kind), Some(Kind::Ident("raw")));
        blocks.push(Block { prints, range: start..end, tokens });
        at = if raw { text[end..].find("endraw").map_or(text.len(), |skip| end + skip) } else { end };
    }
    blocks
}

/// A bare expression as one block.
pub fn expression(text: &str) -> Block<'_> {
    let (_, range) = super::bare(text);
    let (tokens, _) = tokens(&text[..range.end], range.start, None);
    Block { prints: true, range, tokens }
}

/// Tokens from `at` to the closing delimiter, and the byte after it.
fn tokens<'t>(text: &'t str, mut at: usize, close: Option<&str>) -> (Vec<Token<'t>>, usize) {
    let mut tokens = Vec::new();
    while let Some(c) = text[at..].chars().next() {
        if close.is_some_and(|close| text[at..].starts_with(close)) {
            return (tokens, at + 2);
        }
        let rest = &text[at..];
        let (kind, len) = if c == '_' || c.is_alphabetic() {
            let len = rest.find(|c: char| c != '_' && !c.is_alphanumeric()).unwrap_or(rest.len());
            (Some(Kind::Ident(&rest[..len])), len)
        } else if c.is_ascii_digit() {
            (Some(Kind::Number), rest.find(|c: char| !c.is_alphanumeric()).unwrap_or(rest.len()))
        } else if c == '"' || c == '\'' {
            let len = quoted(rest, c);
            (Some(Kind::Text(rest.get(1..len.saturating_sub(1)).unwrap_or(""))), len)
        } else {
            ((!c.is_whitespace()).then_some(Kind::Mark(c)), c.len_utf8())
        };
        if let Some(kind) = kind {
            tokens.push(Token { kind, range: at..at + len });
        }
        at += len;
    }
    (tokens, text.len())
}

/// Length of a quoted text, both quotes included.
fn quoted(text: &str, quote: char) -> usize {
    let mut escaped = false;
    for (at, c) in text.char_indices().skip(1) {
        if !escaped && c == quote {
            return at + 1;
        }
        escaped = !escaped && c == '\\';
    }
    text.len()
}

impl<'t> Block<'t> {
    fn kind(&self, at: usize) -> Option<Kind<'t>> {
        self.tokens.get(at).map(|token| token.kind)
    }

    /// Every variable that is read, with its path.
    pub fn reads(&self) -> Vec<Read<'t>> {
        let mut reads = Vec::new();
        for (at, token) in self.tokens.iter().enumerate() {
            let Kind::Ident(root) = token.kind else { continue };
            let before = at.checked_sub(1).and_then(|before| self.kind(before));
            let named_argument =
                self.kind(at + 1) == Some(Kind::Mark('=')) && self.kind(at + 2) != Some(Kind::Mark('='));
            if matches!(before, Some(Kind::Mark('.' | '|'))) || named_argument && self.prints {
                continue;
            }
            let (path, open) = self.path(at + 1);
            reads.push(Read { root, path, open, range: token.range.clone() });
        }
        reads
    }

    fn path(&self, mut at: usize) -> (Vec<(&'t str, Range<usize>)>, bool) {
        let mut path = Vec::new();
        loop {
            match (self.kind(at), self.kind(at + 1), self.kind(at + 2)) {
                (Some(Kind::Mark('.')), Some(Kind::Ident(name)), _) => {
                    path.push((name, self.tokens[at + 1].range.clone()));
                    at += 2;
                }
                (Some(Kind::Mark('[')), Some(Kind::Text(name)), Some(Kind::Mark(']'))) => {
                    path.push((name, self.tokens[at + 1].range.clone()));
                    at += 3;
                }
                (Some(Kind::Mark('[' | '(')), _, _) => return (path, true),
                _ => return (path, false),
            }
        }
    }

    /// The filters that are applied, with their places.
    pub fn filters(&self) -> impl Iterator<Item = (&'t str, Range<usize>)> + '_ {
        self.tokens.windows(2).filter_map(|pair| match (pair[0].kind, pair[1].kind) {
            (Kind::Mark('|'), Kind::Ident(name)) => Some((name, pair[1].range.clone())),
            _ => None,
        })
    }
}
