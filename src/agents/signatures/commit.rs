//! The message of a commit, as every answer that changes files has one.

use serde_json::{Value, json};

/// Its schema.
pub(super) fn schema() -> Value {
    json!({ "type": "string", "minLength": 1, "maxLength": 4000, "description": "A line of at most 72 characters, a blank line, the why." })
}

/// What is wrong with one that fits the schema.
pub(super) fn faults(message: &str) -> Vec<String> {
    let empty = message.lines().next().unwrap_or_default().trim().is_empty();
    if empty { vec!["/commit_message: its first line is empty".to_owned()] } else { Vec::new() }
}
