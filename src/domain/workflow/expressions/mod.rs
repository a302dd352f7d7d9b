//! Templates and conditions: minijinja with strict undefined variables, bounded work, and nothing that reads files.
//!
//! A value put into a shell command must go through the filter `sh`; validation warns where it does not.
//! [`Mentions`] tells which task outputs a text reads, so that only those are fetched.

mod cache;
mod context;
mod error;
mod filters;
mod items;
mod mentions;
pub(super) mod scan;

pub use cache::Expressions;
pub use context::{Context, TaskValue};
pub use error::ExpressionError;
pub use filters::FILTERS;
pub use mentions::{Mentions, mentions};

/// The roots that every expression can read.
pub const ROOTS: &[&str] =
    &["inputs", "tasks", "project", "env", "with", "item", "index", "handoffs", "open", "output", "serial"];
/// The functions that every expression can call.
pub const FUNCTIONS: &[&str] = &["range", "dict", "namespace"];
/// What a task offers: `tasks.NAME.output` and so on.
pub const TASK_FIELDS: &[&str] = &["output", "status", "failure"];

/// Whether the text holds anything to evaluate. Texts without are rendered as they are.
pub fn is_template(text: &str) -> bool {
    text.contains("{{") || text.contains("{%") || text.contains("{#")
}

/// The expression in `{{ expression }}` or in the bare form; the range says where it stands in `text`.
pub fn bare(text: &str) -> (&str, std::ops::Range<usize>) {
    let trimmed = text.trim();
    let inner =
        trimmed.strip_prefix("{{").and_then(|rest| rest.strip_suffix("}}")).filter(|inner| !inner.contains("}}"));
    let inner = inner.map_or(trimmed, |inner| inner.trim_matches('-').trim());
    let start = inner.as_ptr() as usize - text.as_ptr() as usize;
    (inner, start..start + inner.len())
}

#[cfg(test)]
mod tests;
