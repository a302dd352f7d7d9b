//! `read_file`: a file's lines with their numbers.

use std::fmt::Write as _;

use async_trait::async_trait;
use serde::Deserialize;
use serde_json::{Value, json};

use super::text_file::{self, Endings};
use super::{Site, Tool, ToolFault, ToolOutput, arguments, object, reading, spec};
use crate::domain::chat::ToolSpec;
use crate::domain::limits;
use crate::domain::workflow::EffectClass;

pub(super) struct ReadFile;

#[derive(Deserialize)]
struct Arguments {
    path: String,
    offset: Option<usize>,
    limit: Option<usize>,
}

#[async_trait]
impl Tool for ReadFile {
    fn spec(&self) -> ToolSpec {
        spec(
            "read_file",
            "Read a text file. Each line is shown as its number, a tab and the line; the number and the tab are not part of the \
             file. Give `offset` and `limit` to read a part of a long file.",
            object(
                json!({
                    "path": { "type": "string", "description": "The file, relative to the root of the worktree." },
                    "offset": { "type": "integer", "minimum": 1, "description": "First line to show, from 1." },
                    "limit": {
                        "type": "integer", "minimum": 1, "maximum": limits::TOOL_READ_LINES,
                        "description": "Most lines to show."
                    },
                }),
                &["path"],
            ),
        )
    }

    fn effect(&self) -> EffectClass {
        EffectClass::Pure
    }

    async fn call(&self, arguments: &Value, site: &Site<'_>) -> Result<ToolOutput, ToolFault> {
        let Arguments { path, offset, limit } = arguments::typed(arguments)?;
        reading(site, move |boundary| {
            let path = boundary.path(&path)?;
            let content = text_file::read(boundary, &path)?;
            numbered(&path.to_string(), &content, offset.unwrap_or(1), limit.unwrap_or(limits::TOOL_READ_LINES))
        })
        .await
        .map(ToolOutput::new)
    }
}

/// The lines from `offset` on with their numbers, and notes on what is not shown as it is.
fn numbered(path: &str, content: &[u8], offset: usize, limit: usize) -> Result<String, ToolFault> {
    let text = String::from_utf8_lossy(content);
    if text.is_empty() {
        return Ok(format!("(`{path}` is empty)\n"));
    }
    let all = text_file::line_count(&text);
    if offset > all {
        return Err(ToolFault::Told(format!("`{path}` has {}, so none from {offset} on", text_file::lines_of(all))));
    }
    let endings = Endings::of(&text);
    let mut out = String::new();
    for (number, line) in text.split_inclusive('\n').enumerate().skip(offset - 1).take(limit) {
        let bare = line.strip_suffix('\n').unwrap_or(line);
        let returned = bare.len() < line.len() && bare.ends_with('\r');
        let bare = if returned { &bare[..bare.len() - 1] } else { bare };
        let mark = if returned && endings == Endings::Mixed { "␍" } else { "" };
        writeln!(out, "{:>6}\t{}{mark}", number + 1, cut(bare)).expect("writing to a string does not fail");
    }
    for note in notes(content, &text, endings, (offset, limit, all)) {
        out.push_str(&note);
        out.push('\n');
    }
    Ok(out)
}

fn notes(content: &[u8], text: &str, endings: Endings, (offset, limit, all): (usize, usize, usize)) -> Vec<String> {
    let mut notes = Vec::new();
    let last = (offset - 1 + limit).min(all);
    if offset > 1 || last < all {
        let next = if last < all { format!("; read on with offset {}", last + 1) } else { String::new() };
        notes.push(format!("(lines {offset} to {last} of {all}{next})"));
    }
    match endings {
        Endings::Lf => {}
        Endings::Crlf => notes.push("(lines end with CRLF; it is not shown, and edits keep it)".to_owned()),
        Endings::Mixed => notes.push("(some lines end with CRLF, shown as ␍, others with LF)".to_owned()),
    }
    if last == all && !text.ends_with('\n') {
        notes.push("(no line end at the end of the file)".to_owned());
    }
    if std::str::from_utf8(content).is_err() {
        notes.push("(not all of it is UTF-8; what is not is shown as \u{fffd})".to_owned());
    }
    notes
}

/// A line, cut when it is very long.
fn cut(line: &str) -> String {
    match line.char_indices().nth(limits::TOOL_LINE_CHARS) {
        None => line.to_owned(),
        Some((at, _)) => format!("{}… ({} more bytes of this line)", &line[..at], line.len() - at),
    }
}
