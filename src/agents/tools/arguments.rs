//! The arguments of a call: from the text that a model wrote to a value that fits the schema, or to a message that it can act
//! on. What is repaired is only what can mean one thing: a code fence around it, a comma before a closing bracket.

use jsonschema::Validator;
use jsonschema::error::ValidationErrorKind;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::ToolFault;
use crate::domain::limits;
use crate::workspace::excerpt::harmless;

/// Most violations of a schema that one message names.
const VIOLATIONS: usize = 5;
/// What is shown of the text around a fault, to either side.
const AROUND_CHARS: usize = 30;

/// Reads `text` as JSON and checks it against the schema.
pub(super) fn parse(tool: &str, text: &str, schema: &Validator) -> Result<Value, ToolFault> {
    if text.len() > limits::TOOL_ARGUMENT_BYTES {
        let most = limits::TOOL_ARGUMENT_BYTES;
        return told(format!("the arguments of `{tool}` have {} bytes, more than {most}: do it in parts", text.len()));
    }
    // Some models send nothing for a tool that needs nothing.
    let text = if text.trim().is_empty() { "{}" } else { text };
    let value = match serde_json::from_str::<Value>(text) {
        Ok(value) => value,
        Err(error) => match serde_json::from_str(&repaired(text)) {
            Ok(value) => value,
            Err(_) => return told(malformed(tool, text, &error)),
        },
    };
    let mut violations: Vec<String> = Vec::new();
    let mut more = 0;
    for error in schema.iter_errors(&value) {
        if violations.len() < VIOLATIONS {
            violations.push(violation(&error));
        } else {
            more += 1;
        }
    }
    if violations.is_empty() {
        return Ok(value);
    }
    if more > 0 {
        violations.push(format!("and {more} more"));
    }
    told(format!("the arguments of `{tool}` do not fit: {}", violations.join("; ")))
}

/// The arguments as the type that the tool works with. They were checked against the tool's schema.
pub(super) fn typed<T: DeserializeOwned>(arguments: &Value) -> Result<T, ToolFault> {
    T::deserialize(arguments).map_err(|error| ToolFault::Told(format!("the arguments do not fit: {error}")))
}

fn told<T>(text: String) -> Result<T, ToolFault> {
    Err(ToolFault::Told(text))
}

fn violation(error: &jsonschema::ValidationError<'_>) -> String {
    const CHARS: usize = 300;
    let at = error.instance_path().to_string();
    let what = match error.kind() {
        ValidationErrorKind::Required { property } => {
            format!("`{}` is missing", property.as_str().unwrap_or_default())
        }
        ValidationErrorKind::AdditionalProperties { unexpected } => {
            format!("there is no argument `{}`", unexpected.join("`, `"))
        }
        // A whole file may be in the value; the message says what is wrong with it, not what it is.
        _ => error.masked_with("the value").to_string(),
    };
    let what = harmless(&what).chars().take(CHARS).collect::<String>();
    if at.is_empty() { what } else { format!("at `{at}`: {what}") }
}

fn malformed(tool: &str, text: &str, error: &serde_json::Error) -> String {
    let near = around(text, error.line(), error.column());
    let cut = if error.is_eof() {
        "; the text ends too early, so it may have been cut off: send less in one call"
    } else {
        ""
    };
    format!("the arguments of `{tool}` are not valid JSON: {error}, near `{near}`{cut}. Send one JSON object.")
}

/// The text around a position that serde gave: lines and columns (in bytes) from 1.
fn around(text: &str, line: usize, column: usize) -> String {
    let line = text.split('\n').nth(line.saturating_sub(1)).unwrap_or_default();
    let mut at = column.min(line.len());
    while !line.is_char_boundary(at) {
        at -= 1;
    }
    let before: Vec<char> = line[..at].chars().rev().take(AROUND_CHARS).collect();
    let after = line[at..].chars().take(AROUND_CHARS);
    harmless(&before.into_iter().rev().chain(after).collect::<String>())
}

/// `text` without a code fence around it and without commas before a closing bracket, both outside of strings.
fn repaired(text: &str) -> String {
    without_trailing_commas(without_fence(text.trim()))
}

fn without_fence(text: &str) -> &str {
    let Some(inner) = text.strip_prefix("```").and_then(|rest| rest.strip_suffix("```")) else { return text };
    match inner.split_once('\n') {
        Some((language, body)) if language.trim().chars().all(|c| c.is_ascii_alphanumeric()) => body,
        Some(_) | None => inner,
    }
}

fn without_trailing_commas(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut in_string = false;
    let mut escaped = false;
    for (at, c) in text.char_indices() {
        if in_string {
            match c {
                _ if escaped => escaped = false,
                '\\' => escaped = true,
                '"' => in_string = false,
                _ => {}
            }
        } else if c == '"' {
            in_string = true;
        } else if c == ',' && text[at + 1..].trim_start().starts_with(['}', ']']) {
            continue;
        }
        out.push(c);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn schema() -> Validator {
        jsonschema::validator_for(&super::super::object(
            serde_json::json!({ "path": { "type": "string" }, "limit": { "type": "integer", "minimum": 1 } }),
            &["path"],
        ))
        .unwrap()
    }

    fn message(text: &str) -> String {
        match parse("read_file", text, &schema()) {
            Err(ToolFault::Told(message)) => message,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn common_faults_are_repaired() {
        let want = serde_json::json!({ "path": "a, }\" b" });
        let given = [
            "{\"path\": \"a, }\\\" b\"}",
            "{\"path\": \"a, }\\\" b\" , }",
            "```json\n{\"path\": \"a, }\\\" b\"}\n```",
            "``` \n{\"path\": \"a, }\\\" b\",}```",
        ];
        for text in given {
            assert_eq!(parse("read_file", text, &schema()).unwrap(), want, "{text}");
        }
    }

    #[test]
    fn what_cannot_be_read_is_told_with_its_position() {
        insta::assert_snapshot!(message("{\"path\": \"a\" \"limit\": 2}"), @"the arguments of `read_file` are not valid JSON: expected `,` or `}` at line 1 column 14, near `{\"path\": \"a\" \"limit\": 2}`. Send one JSON object.");
        assert!(message("{\"path\": \"a").contains("may have been cut off"));
        assert!(message("{\"path\": \"é").contains("not valid JSON"));
        assert!(message("rm -rf /").contains("not valid JSON"));
    }

    #[test]
    fn what_does_not_fit_is_told_by_name() {
        insta::assert_snapshot!(message("{\"file\": \"a\", \"limit\": 0}"), @"the arguments of `read_file` do not fit: at `/limit`: the value is less than the minimum of 1; there is no argument `file`; `path` is missing");
        insta::assert_snapshot!(message("[1]"), @r#"the arguments of `read_file` do not fit: the value is not of type "object""#);
        assert!(message("").contains("`path` is missing"));
    }

    #[test]
    fn a_value_is_not_repeated_in_the_message() {
        let long = format!("{{\"path\": \"a\", \"limit\": \"{}\"}}", "x".repeat(100_000));
        assert!(message(&long).len() < 500);
    }

    #[test]
    fn one_byte_past_the_bound_is_refused() {
        let fits = format!("{{\"path\": \"{}\"}}", "x".repeat(limits::TOOL_ARGUMENT_BYTES - 12));
        assert_eq!(fits.len(), limits::TOOL_ARGUMENT_BYTES);
        assert!(parse("read_file", &fits, &schema()).is_ok());
        assert!(message(&format!("{fits} ")).contains("more than"));
    }
}
