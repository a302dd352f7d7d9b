//! From raw output to the value that expressions see. Pure.
//!
//! The value is always JSON text, so that its reader needs no knowledge of the format: a text is a JSON string. Bytes that are
//! no UTF-8 become U+FFFD in the value; the log keeps the raw bytes. Output longer than
//! [`limits::EXPRESSION_VALUE_BYTES`] is cut there when it is text (the whole is in the log), and is `oversized` when JSON was
//! declared, for half a JSON value is none.

use serde_json::Value;

use crate::domain::failure::{Failure, FailureClass};
use crate::domain::limits;
use crate::domain::workflow::OutputFormat;
use crate::workspace::excerpt;

/// How much of an output must be kept to make its value: one byte more than is used, so that a cut is noticed.
pub(super) const KEPT_BYTES: usize = limits::EXPRESSION_VALUE_BYTES as usize + 1;

/// The value of `output` as JSON text.
pub(super) fn of(output: &[u8], format: OutputFormat) -> Result<Vec<u8>, Failure> {
    let bound = KEPT_BYTES - 1;
    let is_cut = output.len() > bound;
    let text = String::from_utf8_lossy(if is_cut { &output[..bound] } else { output });
    let value = match format {
        OutputFormat::Text => Value::String(without_final_newline(&text).to_owned()),
        OutputFormat::Lines => text.lines().map(|line| Value::String(line.to_owned())).collect(),
        OutputFormat::Auto => match if is_cut { None } else { structured(&text) } {
            Some(value) => value,
            None => Value::String(without_final_newline(&text).to_owned()),
        },
        OutputFormat::Json if is_cut => {
            let message = format!("the output has more than the {bound} bytes that a JSON value may have");
            return Err(Failure::new(FailureClass::Oversized, message));
        }
        OutputFormat::Json => serde_json::from_slice(output).map_err(|error| {
            let problem = if std::str::from_utf8(output).is_err() { "non-utf8".to_owned() } else { error.to_string() };
            let shown = excerpt::tail(output);
            Failure::new(FailureClass::Malformed, format!("the output is not JSON ({problem}): {shown}"))
        })?,
    };
    Ok(value.to_string().into_bytes())
}

/// The JSON object or list that `text` is.
fn structured(text: &str) -> Option<Value> {
    if !text.trim_start().starts_with(['{', '[']) {
        return None;
    }
    serde_json::from_str(text).ok()
}

fn without_final_newline(text: &str) -> &str {
    let text = text.strip_suffix('\n').unwrap_or(text);
    text.strip_suffix('\r').unwrap_or(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(output: &[u8], format: OutputFormat) -> String {
        String::from_utf8(of(output, format).unwrap()).unwrap()
    }

    #[test]
    fn formats() {
        assert_eq!(text(b"a\n\n", OutputFormat::Auto), r#""a\n""#);
        assert_eq!(text(b" {\"b\": 1, \"a\": 2}\n", OutputFormat::Auto), r#"{"b":1,"a":2}"#);
        assert_eq!(text(b"{broken", OutputFormat::Auto), r#""{broken""#);
        assert_eq!(text(b"42\n", OutputFormat::Auto), r#""42""#);
        assert_eq!(text(b"[1]", OutputFormat::Text), r#""[1]""#);
        assert_eq!(text(b"42\n", OutputFormat::Json), "42");
        assert_eq!(text(b"a\r\nb\n", OutputFormat::Lines), r#"["a","b"]"#);
        assert_eq!(text(b"", OutputFormat::Lines), "[]");
    }

    // Scenario 28.
    #[test]
    fn fault_28_what_is_no_text_or_no_json_has_a_clear_end() {
        assert_eq!(text(b"a\xff\0", OutputFormat::Auto), "\"a\u{fffd}\\u0000\"");
        let failure = of(b"\xff", OutputFormat::Json).unwrap_err();
        assert_eq!(failure.class, FailureClass::Malformed);
        assert!(failure.message.contains("non-utf8"), "{failure}");
        assert_eq!(of(b"", OutputFormat::Json).unwrap_err().class, FailureClass::Malformed);
        let deep = "[".repeat(100_000);
        assert_eq!(of(deep.as_bytes(), OutputFormat::Json).unwrap_err().class, FailureClass::Malformed);
    }

    #[test]
    fn one_byte_past_the_bound_is_cut_or_refused() {
        let long = vec![b'1'; KEPT_BYTES];
        assert_eq!(of(&long, OutputFormat::Json).unwrap_err().class, FailureClass::Oversized);
        assert_eq!(text(&long, OutputFormat::Text).len(), KEPT_BYTES - 1 + 2);
        assert!(of(&long[1..], OutputFormat::Text).is_ok());
    }
}
