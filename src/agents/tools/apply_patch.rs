//! `apply_patch`: changes to several files at once, all of them or none. What the text says is `parse`, where a hunk belongs is
//! `seek`; here it is carried out: first everything is worked out in memory, then it is written, and taken back if a write fails.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use async_trait::async_trait;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{Site, Tool, ToolFault, ToolOutput, arguments, boundary, object, spec, text_file};
use crate::domain::chat::ToolSpec;
use crate::domain::limits;
use crate::workspace::boundary::{Boundary, Error, Kind, RelPath};

mod parse;
mod seek;

use parse::{Change, FileChange};

pub(super) struct ApplyPatch;

#[derive(Deserialize)]
struct Arguments {
    patch: String,
}

#[async_trait]
impl Tool for ApplyPatch {
    fn spec(&self) -> ToolSpec {
        spec(
            "apply_patch",
            "Change several files at once: all of the patch is applied, or nothing. Either a unified diff (`--- a/x`, `+++ b/x`, \
             `@@ -1,3 +1,4 @@`) or this form:\n\
             *** Begin Patch\n*** Update File: src/a.rs\n@@ fn name_near_the_change\n context line\n-removed line\n+added line\n\
             *** Add File: src/new.rs\n+first line\n*** Delete File: old.rs\n*** End Patch\n\
             `*** Move to: path` after Update File renames. Give about three unchanged lines around each change; paths are relative.",
            object(json!({ "patch": { "type": "string", "minLength": 1, "description": "The patch." } }), &["patch"]),
        )
    }

    async fn call(&self, arguments: &Value, site: &Site<'_>) -> Result<ToolOutput, ToolFault> {
        let Arguments { patch } = arguments::typed(arguments)?;
        let changes = parse::parse(&patch).map_err(|why| nothing_done(&why))?;
        if changes.len() > limits::TOOL_PATCH_FILES {
            let most = limits::TOOL_PATCH_FILES;
            return Err(nothing_done(&format!("it changes {} files, more than {most}", changes.len())));
        }
        let boundary = boundary(site.root)?;
        let mut plan = Plan { boundary: &boundary, files: BTreeMap::new(), report: String::new() };
        for change in &changes {
            plan.add(change).map_err(|fault| match fault {
                ToolFault::Told(why) => nothing_done(&why),
                ToolFault::Ends(failure) => ToolFault::Ends(failure),
            })?;
        }
        plan.carry_out()?;
        Ok(ToolOutput::new(format!("patch applied:\n{}", plan.report)))
    }
}

fn nothing_done(why: &str) -> ToolFault {
    ToolFault::Told(format!("the patch cannot be applied, nothing was changed: {why}"))
}

/// A file as the patch will leave it.
struct After {
    /// What it holds then; `None` when it is gone.
    text: Option<String>,
    /// The permission bits it takes over from the file that it was.
    mode: Option<u32>,
    /// What it holds now; `None` when there is none.
    before: Option<Vec<u8>>,
}

struct Plan<'p> {
    boundary: &'p Boundary,
    files: BTreeMap<RelPath, After>,
    report: String,
}

impl Plan<'_> {
    fn add(&mut self, change: &FileChange) -> Result<(), ToolFault> {
        let path = self.boundary.path(&change.path)?;
        match &change.change {
            Change::Add(text) => {
                self.vacant(&path)?;
                let lines = text_file::lines_of(text_file::line_count(text));
                self.say(format_args!("A {path} ({lines})"));
                self.leave(path, Some(text.clone()), None)
            }
            Change::Delete => {
                self.mode_of(&path)?;
                self.say(format_args!("D {path}"));
                self.leave(path, None, None)
            }
            Change::Update { to, hunks } => {
                let mode = self.mode_of(&path)?;
                let text = match self.files.get(&path) {
                    Some(After { text: Some(text), .. }) => text.clone(),
                    Some(_) | None => text_file::read_utf8(self.boundary, &path)?,
                };
                let (text, notes) =
                    seek::apply(&text, hunks).map_err(|why| ToolFault::Told(format!("`{path}`: {why}")))?;
                match to {
                    Some(to) => {
                        let to = self.boundary.path(to)?;
                        self.vacant(&to)?;
                        self.say(format_args!("R {path} -> {to}{notes}"));
                        self.leave(path, None, None)?;
                        self.leave(to, Some(text), Some(mode))
                    }
                    None => {
                        self.say(format_args!("M {path}{notes}"));
                        self.leave(path, Some(text), Some(mode))
                    }
                }
            }
        }
    }

    fn say(&mut self, line: std::fmt::Arguments<'_>) {
        writeln!(self.report, "{line}").expect("writing to a string does not fail");
    }

    /// The file must not be there by then.
    fn vacant(&self, path: &RelPath) -> Result<(), ToolFault> {
        let is_there = match self.files.get(path) {
            Some(after) => after.text.is_some(),
            None => self.boundary.exists(path)?,
        };
        if is_there { Err(Error::Exists(path.to_string()).into()) } else { Ok(()) }
    }

    /// The mode of a file that must be there by then.
    fn mode_of(&self, path: &RelPath) -> Result<u32, ToolFault> {
        match self.files.get(path) {
            Some(After { text: None, .. }) => return Err(Error::NotFound(path.to_string()).into()),
            Some(After { mode: Some(mode), .. }) => return Ok(*mode),
            Some(After { mode: None, .. }) => return Ok(0o644),
            None => {}
        }
        let facts = self.boundary.facts(path)?;
        if facts.kind != Kind::File {
            // Reading says which of the reasons it is.
            self.boundary.read(path, 0)?;
        }
        Ok(facts.mode)
    }

    fn leave(&mut self, path: RelPath, text: Option<String>, mode: Option<u32>) -> Result<(), ToolFault> {
        if let Some(after) = self.files.get_mut(&path) {
            (after.text, after.mode) = (text, mode);
            return Ok(());
        }
        let bytes = text.as_ref().map_or(0, |text| text.len() as u64);
        if bytes > limits::TOOL_FILE_BYTES {
            return Err(Error::TooLarge { path: path.to_string(), bytes, most: limits::TOOL_FILE_BYTES }.into());
        }
        let before = match self.boundary.read(&path, limits::TOOL_FILE_BYTES) {
            Ok(content) => Some(content),
            Err(Error::NotFound(_)) => None,
            Err(error) => return Err(error.into()),
        };
        self.files.insert(path, After { text, mode, before });
        Ok(())
    }

    /// Writes first and deletes then: what can fail comes before what is hard to take back.
    fn carry_out(&self) -> Result<(), ToolFault> {
        let mut done: Vec<(&RelPath, &After)> = Vec::new();
        let (gone, kept): (Vec<_>, Vec<_>) = self.files.iter().partition(|(_, after)| after.text.is_none());
        for (path, after) in kept.into_iter().chain(gone) {
            let made = match (&after.text, &after.before) {
                (Some(text), _) => self.boundary.write_with_mode(path, text.as_bytes(), after.mode).map(drop),
                (None, Some(_)) => self.boundary.delete_file(path),
                (None, None) => Ok(()),
            };
            if let Err(error) = made {
                let kept_back = self.take_back(&done);
                return Err(match (ToolFault::from(error), kept_back) {
                    (ToolFault::Told(why), Ok(())) => nothing_done(&why),
                    // Half a patch is in the worktree: the attempt ends, and the worktree is put back from its checkpoint.
                    (ToolFault::Told(_), Err(error)) => ToolFault::Ends(failure(&error)),
                    (ends @ ToolFault::Ends(_), _) => ends,
                });
            }
            done.push((path, after));
        }
        Ok(())
    }

    fn take_back(&self, done: &[(&RelPath, &After)]) -> Result<(), Error> {
        for (path, after) in done.iter().rev() {
            match &after.before {
                Some(content) => self.boundary.write_with_mode(path, content, after.mode).map(drop)?,
                None if after.text.is_some() => self.boundary.delete_file(path)?,
                None => {}
            }
        }
        Ok(())
    }
}

fn failure(error: &Error) -> crate::domain::failure::Failure {
    let problem = format!("a patch that failed half-way could not be taken back: {error}");
    crate::domain::failure::Failure::new(crate::domain::failure::FailureClass::Workspace, problem)
}
