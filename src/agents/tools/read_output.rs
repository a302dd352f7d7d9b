//! `read_output`: pages the whole of an output that was cut for the model.

use std::fmt::Write as _;

use async_trait::async_trait;
use serde::Deserialize;
use serde_json::{Value, json};

use super::truncate::cleaned;
use super::{Site, Tool, ToolFault, ToolOutput, arguments, object, spec};
use crate::domain::chat::ToolSpec;
use crate::domain::limits;
use crate::domain::workflow::EffectClass;

/// Lines shown unless more are asked for: about what an output's budget holds.
const LINES: usize = 200;

pub(super) struct ReadOutput;

#[derive(Deserialize)]
struct Arguments {
    handle: String,
    offset: Option<usize>,
    limit: Option<usize>,
}

#[async_trait]
impl Tool for ReadOutput {
    fn spec(&self) -> ToolSpec {
        spec(
            "read_output",
            "Read a part of an earlier output that was too long to be shown whole, by the handle in its note. Lines are shown with \
             their numbers.",
            object(
                json!({
                    "handle": { "type": "string", "description": "The handle, as the note gives it." },
                    "offset": { "type": "integer", "minimum": 1, "description": "First line to show, from 1." },
                    "limit": {
                        "type": "integer", "minimum": 1, "maximum": limits::TOOL_READ_LINES,
                        "description": format!("Most lines to show; {LINES} when left out.")
                    },
                }),
                &["handle"],
            ),
        )
    }

    fn effect(&self) -> EffectClass {
        EffectClass::Pure
    }

    async fn call(&self, arguments: &Value, site: &Site<'_>) -> Result<ToolOutput, ToolFault> {
        let Arguments { handle, offset, limit } = arguments::typed(arguments)?;
        let (offset, limit) = (offset.unwrap_or(1), limit.unwrap_or(LINES));
        let is_handle = handle.len() == 64 && handle.bytes().all(|byte| byte.is_ascii_hexdigit());
        let whole = if is_handle { site.outputs.whole(&handle.to_lowercase()).map_err(ToolFault::Ends)? } else { None };
        let Some(whole) = whole else {
            return Err(ToolFault::Told(
                "there is no output with this handle; give the 64 digits from the note of a cut output".to_owned(),
            ));
        };
        page(&whole, offset, limit).map(ToolOutput::new)
    }
}

/// The lines from `offset` on. Only these are cleaned: the output may be large.
fn page(whole: &[u8], offset: usize, limit: usize) -> Result<String, ToolFault> {
    let mut out = String::new();
    let mut all = 0;
    for line in whole.split_inclusive(|byte| *byte == b'\n') {
        all += 1;
        if all < offset || all - offset >= limit {
            continue;
        }
        let text = cleaned(line);
        let text = text.trim_end_matches('\n');
        let shown: String = text.chars().take(limits::TOOL_LINE_CHARS).collect();
        let cut = if shown.len() < text.len() { "…" } else { "" };
        writeln!(out, "{all:>6}\t{shown}{cut}").expect("writing to a string does not fail");
    }
    if offset > all {
        return Err(ToolFault::Told(format!("the output has {all} lines, so none from {offset} on")));
    }
    let last = (offset - 1).saturating_add(limit).min(all);
    let next = if last < all { format!("; read on with offset {}", last + 1) } else { String::new() };
    writeln!(out, "(lines {offset} to {last} of {all}{next})").expect("writing to a string does not fail");
    Ok(out)
}
