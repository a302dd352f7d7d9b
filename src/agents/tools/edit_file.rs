//! `edit_file`: replaces one piece of a file's text by another. How the piece is found is `edit_file/matching.rs`.

use async_trait::async_trait;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{Site, Tool, ToolFault, ToolOutput, arguments, boundary, object, spec, text_file};
use crate::domain::chat::ToolSpec;

mod matching;

use super::nearest::{excerpt, nearest};
use matching::{How, Miss, Replaced};

/// Most line numbers that a message about several matches names.
const PLACES: usize = 20;

pub(super) struct EditFile;

#[derive(Deserialize)]
struct Arguments {
    path: String,
    old: String,
    new: String,
    #[serde(default)]
    all: bool,
}

#[async_trait]
impl Tool for EditFile {
    fn spec(&self) -> ToolSpec {
        spec(
            "edit_file",
            "Replace `old` by `new` in a file. `old` must be the exact text of the file, without the line numbers of read_file, and \
             occur once: take in lines before and after until it does, or set `all` to replace every occurrence. When it is found \
             only with other indentation or spacing, and only once, it is replaced there. You are shown what changed.",
            object(
                json!({
                    "path": { "type": "string", "description": "The file, relative to the root of the worktree." },
                    "old": { "type": "string", "minLength": 1, "description": "The text to replace." },
                    "new": { "type": "string", "description": "The text to put there; empty to delete." },
                    "all": { "type": "boolean", "description": "Replace every occurrence." },
                }),
                &["path", "old", "new"],
            ),
        )
    }

    async fn call(&self, arguments: &Value, site: &Site<'_>) -> Result<ToolOutput, ToolFault> {
        let Arguments { path, old, new, all } = arguments::typed(arguments)?;
        let boundary = boundary(site.root)?;
        let path = boundary.path(&path)?;
        let text = text_file::read_utf8(&boundary, &path)?;
        if old == new {
            return Err(ToolFault::Told("`old` and `new` are the same: nothing to change".to_owned()));
        }
        let Replaced { text: edited, how, count } = matching::replace(&text, &old, &new, all)
            .map_err(|miss| ToolFault::Told(told(&path.to_string(), &text, &old, &new, miss)))?;
        if edited == text {
            return Err(ToolFault::Told(format!("`{path}` has that text already: nothing to change")));
        }
        boundary.write(&path, edited.as_bytes())?;
        let times = if count > 1 { format!(", {count} places") } else { String::new() };
        let how = match how {
            How::Exact => String::new(),
            How::Trailing => " (`old` was found ignoring blanks at line ends)".to_owned(),
            How::Indentation => " (`old` was found with another indentation; `new` was indented to fit)".to_owned(),
            How::Whitespace => {
                " (`old` was found ignoring the amount of white space; check the indentation)".to_owned()
            }
        };
        Ok(ToolOutput::new(format!("`{path}` edited{times}{how}\n{}", text_file::diff(&text, &edited))))
    }
}

/// What the model is told when there is not exactly one place.
fn told(path: &str, text: &str, old: &str, new: &str, miss: Miss) -> String {
    match miss {
        Miss::Several(lines) => {
            let shown: Vec<String> = lines.iter().take(PLACES).map(usize::to_string).collect();
            let more = if lines.len() > PLACES { ", ..." } else { "" };
            let count = lines.len();
            format!(
                "`old` occurs {count} times in `{path}`, at lines {}{more}. Nothing was changed: take in more lines around the place \
                 you mean, or set `all`.",
                shown.join(", ")
            )
        }
        Miss::None if !new.trim().is_empty() && text.contains(new) => {
            format!("`old` was not found in `{path}`, but `new` is there already: was this edit made before?")
        }
        Miss::None => match nearest(text, old) {
            Some(near) => format!(
                "`old` was not found in `{path}`. Nothing was changed. The nearest place, lines {} to {} ({} % alike):\n{}\
                 Take `old` from the file exactly as it is.",
                near.first,
                near.last,
                near.percent,
                excerpt(text, near.first, near.last)
            ),
            None => format!(
                "`old` was not found in `{path}`, nor anything like it. Nothing was changed. Use read_file or search to see what \
                 is there."
            ),
        },
    }
}
