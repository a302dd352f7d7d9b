//! Why a template or an expression could not be read or evaluated.

use std::ops::Range;

use minijinja::ErrorKind;

/// Why a template or an expression could not be read or evaluated.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct ExpressionError {
    /// A lower-case fragment that names the offending part.
    pub message: String,
    /// The bytes of the text that it is about, when known.
    pub range: Option<Range<usize>>,
    /// Whether the text itself is at fault, whatever the values are.
    pub syntax: bool,
}

impl ExpressionError {
    pub(super) fn new(message: impl Into<String>) -> Self {
        Self { message: message.into(), range: None, syntax: false }
    }

    /// From minijinja's error; `text` is what was compiled.
    pub(super) fn from_engine(error: &minijinja::Error, text: &str) -> Self {
        let range = error.range().filter(|range| range.start < range.end && text.get(range.clone()).is_some());
        let part =
            range.clone().and_then(|range| text.get(range)).map(|part| part.chars().take(80).collect::<String>());
        let detail = innermost(error);
        let message = match (error.kind(), part) {
            (ErrorKind::UndefinedError, Some(part)) => format!("`{part}` is undefined"),
            (ErrorKind::OutOfFuel, _) => "the expression takes too much work".to_owned(),
            (ErrorKind::SyntaxError, _) => detail,
            (_, Some(part)) => format!("{detail} in `{part}`"),
            (_, None) => detail,
        };
        let range = range.or_else(|| error.line().and_then(|line| code_on_line(text, line)));
        Self { message, range, syntax: error.kind() == ErrorKind::SyntaxError }
    }
}

/// The kind of the error and what minijinja adds to it, without its own place.
fn innermost(error: &minijinja::Error) -> String {
    match (error.kind(), error.detail()) {
        (ErrorKind::SyntaxError, Some(detail)) => detail.to_owned(),
        (kind, Some(detail)) => format!("{kind}: {detail}"),
        (kind, None) => kind.to_string(),
    }
}

/// The code on a line of a template, from its first brace on: what is known when minijinja only tells the line.
fn code_on_line(text: &str, line: usize) -> Option<Range<usize>> {
    let start: usize = text.split_inclusive('\n').take(line.checked_sub(1)?).map(str::len).sum();
    let content = text.get(start..)?.lines().next()?;
    let from = content.find("{{").or_else(|| content.find("{%")).unwrap_or(0);
    Some(start + from..start + content.trim_end().len().max(from))
}
