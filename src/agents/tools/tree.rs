//! `tree`: several levels of folders at once, without ignored files.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::ops::ControlFlow;
use std::path::PathBuf;

use async_trait::async_trait;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{Site, Tool, ToolFault, ToolOutput, arguments, object, reading, spec};
use crate::domain::chat::ToolSpec;
use crate::domain::limits;
use crate::domain::workflow::EffectClass;
use crate::workspace::boundary::{Boundary, Enter, Ignored, Kind, RelPath, escaped};

/// Levels shown unless more are asked for.
const DEPTH: usize = 3;

pub(super) struct Tree;

#[derive(Deserialize)]
struct Arguments {
    path: Option<String>,
    depth: Option<usize>,
}

#[async_trait]
impl Tool for Tree {
    fn spec(&self) -> ToolSpec {
        spec(
            "tree",
            "Show folders and files over several levels, folders first, without what .gitignore leaves out. Folders whose content is \
             not shown say how much is in them.",
            object(
                json!({
                    "path": { "type": "string", "description": "Where to begin; the root of the worktree when left out." },
                    "depth": {
                        "type": "integer", "minimum": 1, "maximum": limits::TOOL_WALK_DEPTH,
                        "description": format!("Levels to show; {DEPTH} when left out.")
                    },
                }),
                &[],
            ),
        )
    }

    fn effect(&self) -> EffectClass {
        EffectClass::Pure
    }

    async fn call(&self, arguments: &Value, site: &Site<'_>) -> Result<ToolOutput, ToolFault> {
        let Arguments { path, depth } = arguments::typed(arguments)?;
        reading(site, move |boundary| {
            let path = boundary.path(path.as_deref().unwrap_or("."))?;
            drawn(boundary, &path, depth.unwrap_or(DEPTH))
        })
        .await
        .map(ToolOutput::new)
    }
}

/// A folder of the drawing.
#[derive(Default)]
struct Node {
    folders: BTreeMap<String, Node>,
    files: Vec<String>,
    /// Files in it and below it that are deeper than what is shown.
    hidden_files: usize,
}

impl Node {
    fn at<'n>(&'n mut self, names: &[String]) -> &'n mut Self {
        names.iter().fold(self, |node, name| node.folders.entry(name.clone()).or_default())
    }

    fn draw(&self, depth: usize, lines: &mut Vec<String>) {
        let indent = "  ".repeat(depth);
        for (name, folder) in &self.folders {
            let hidden = match folder.hidden_files {
                0 => String::new(),
                1 => " (1 file)".to_owned(),
                n => format!(" ({n} files)"),
            };
            lines.push(format!("{indent}{name}/{hidden}"));
            folder.draw(depth + 1, lines);
        }
        lines.extend(self.files.iter().map(|name| format!("{indent}{name}")));
    }
}

fn drawn(boundary: &Boundary, path: &RelPath, depth: usize) -> Result<String, ToolFault> {
    let mut top = Node::default();
    let start: PathBuf = path.names().iter().collect();
    let walked = boundary.walk(path, Ignored::Skip, &mut |visited| {
        let inside = visited.path.strip_prefix(&start).unwrap_or(visited.path);
        let names: Vec<String> = inside.iter().map(escaped).collect();
        let (name, folders) = names.split_last().expect("an entry has a name");
        let is_folder = visited.facts.kind == Kind::Folder;
        if visited.depth > depth {
            if !is_folder {
                top.at(&folders[..depth]).hidden_files += 1;
            }
        } else if is_folder {
            top.at(&names);
        } else {
            let mark = if visited.facts.kind == Kind::Link { " (symbolic link)" } else { "" };
            top.at(folders).files.push(format!("{name}{mark}"));
        }
        ControlFlow::Continue(Enter::Yes)
    })?;
    let mut lines = Vec::new();
    top.draw(0, &mut lines);
    let mut out = format!("{path}/\n");
    for line in lines.iter().take(limits::TOOL_TREE_LINES) {
        writeln!(out, "  {line}").expect("writing to a string does not fail");
    }
    let mut notes = Vec::new();
    if let Some(more) = lines.len().checked_sub(limits::TOOL_TREE_LINES).filter(|more| *more > 0) {
        notes.push(format!("{more} more lines are left out; give a path or a smaller depth"));
    }
    if walked.ignored > 0 {
        notes.push(format!("{} ignored entries are left out", walked.ignored));
    }
    if walked.closed > 0 {
        notes.push(format!("{} folders could not be entered", walked.closed));
    }
    if walked.cut {
        notes.push(format!("stopped after {} entries", walked.entries));
    }
    for note in notes {
        writeln!(out, "({note})").expect("writing to a string does not fail");
    }
    Ok(out)
}
