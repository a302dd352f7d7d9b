//! `git_status`, `git_diff`, `git_log`: the worktree against its history, without changing either. `git_commit` is a tool of
//! the conversation (see `control`).

use std::fmt::Write as _;

use async_trait::async_trait;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{Site, Tool, ToolFault, ToolOutput, arguments, object, reading, spec, text_file};
use crate::domain::chat::ToolSpec;
use crate::domain::failure::Failure;
use crate::domain::limits;
use crate::domain::workflow::EffectClass;
use crate::workspace::boundary::{Boundary, RelPath};
use crate::workspace::git::{Changed, Difference, Error, Inspection};

/// Commits that `git_log` shows unless more are asked for.
const COMMITS: usize = 10;

pub(super) struct GitStatus;
pub(super) struct GitDiff;
pub(super) struct GitLog;

#[derive(Deserialize)]
struct Compared {
    path: Option<String>,
    against: Option<String>,
}

#[derive(Deserialize)]
struct Newest {
    max: Option<usize>,
}

/// The arguments that both comparing tools take.
fn compared() -> Value {
    object(
        json!({
            "path": { "type": "string", "description": "Only this file, or what is below this folder." },
            "against": {
                "type": "string", "minLength": 1, "maxLength": 200,
                "description": "The commit to compare with; HEAD when left out."
            },
        }),
        &[],
    )
}

#[async_trait]
impl Tool for GitStatus {
    fn spec(&self) -> ToolSpec {
        spec(
            "git_status",
            "List the files of the worktree that differ from a commit: A added, M modified, D deleted. It is what a commit would hold; \
             ignored files are not in it.",
            compared(),
        )
    }

    fn effect(&self) -> EffectClass {
        EffectClass::Pure
    }

    async fn call(&self, arguments: &Value, site: &Site<'_>) -> Result<ToolOutput, ToolFault> {
        let Compared { path, against } = arguments::typed(arguments)?;
        let root = site.root.to_owned();
        reading(site, move |boundary| {
            let (_, changes) = changes(&root, boundary, path.as_deref(), against.as_deref())?;
            let mut out = String::new();
            for change in &changes {
                let letter = letter(change.difference);
                let mode = if change.mode_changed { " (its mode, too)" } else { "" };
                writeln!(out, "{letter} {}{mode}", change.shown()).expect("writing to a string does not fail");
            }
            Ok(if changes.is_empty() { "no differences\n".to_owned() } else { out })
        })
        .await
        .map(ToolOutput::new)
    }
}

#[async_trait]
impl Tool for GitDiff {
    fn spec(&self) -> ToolSpec {
        spec(
            "git_diff",
            "Show what differs between the worktree and a commit as a unified diff, new files included. Give `path` to see one file \
             or folder.",
            compared(),
        )
    }

    fn effect(&self) -> EffectClass {
        EffectClass::Pure
    }

    async fn call(&self, arguments: &Value, site: &Site<'_>) -> Result<ToolOutput, ToolFault> {
        let Compared { path, against } = arguments::typed(arguments)?;
        let root = site.root.to_owned();
        reading(site, move |boundary| {
            let (inspection, changes) = changes(&root, boundary, path.as_deref(), against.as_deref())?;
            let mut out = String::new();
            for (done, change) in changes.iter().enumerate() {
                if out.len() > limits::TOOL_GIT_DIFF_BYTES {
                    let left = changes.len() - done;
                    writeln!(out, "({left} more files are left out; give a path)")
                        .expect("writing to a string does not fail");
                    break;
                }
                out.push_str(&file_diff(&inspection, boundary, change)?);
            }
            Ok(if changes.is_empty() { "no differences\n".to_owned() } else { out })
        })
        .await
        .map(ToolOutput::new)
    }
}

#[async_trait]
impl Tool for GitLog {
    fn spec(&self) -> ToolSpec {
        spec(
            "git_log",
            "List the newest commits that lead to HEAD: id, time, author, subject.",
            object(
                json!({
                    "max": {
                        "type": "integer", "minimum": 1, "maximum": limits::TOOL_LOG_COMMITS,
                        "description": format!("Most commits; {COMMITS} when left out.")
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
        let Newest { max } = arguments::typed(arguments)?;
        let root = site.root.to_owned();
        reading(site, move |_| {
            let (commits, more) =
                Inspection::open(&root).and_then(|it| it.log(max.unwrap_or(COMMITS))).map_err(fault)?;
            let mut out = String::new();
            for commit in &commits {
                let subject: String = commit.subject.chars().take(limits::MESSAGE_CHARS).collect();
                writeln!(out, "{} {} {}: {subject}", &commit.id[..12], commit.time, commit.author)
                    .expect("writing to a string does not fail");
            }
            if more {
                out.push_str("(there are older ones)\n");
            }
            Ok(out)
        })
        .await
        .map(ToolOutput::new)
    }
}

/// The changes at and below a path.
fn changes(
    root: &std::path::Path,
    boundary: &Boundary,
    path: Option<&str>,
    against: Option<&str>,
) -> Result<(Inspection, Vec<Changed>), ToolFault> {
    let path = boundary.path(path.unwrap_or("."))?;
    let inspection = Inspection::open(root).map_err(fault)?;
    let mut changes = inspection.changes(against).map_err(fault)?;
    let wanted = path.names().join("/");
    changes.retain(|change| {
        let rest = change.path.strip_prefix(wanted.as_bytes());
        path.is_root() || rest.is_some_and(|rest| rest.is_empty() || rest[0] == b'/')
    });
    Ok((inspection, changes))
}

fn letter(difference: Difference) -> char {
    match difference {
        Difference::Added => 'A',
        Difference::Modified => 'M',
        Difference::Deleted => 'D',
    }
}

/// The diff of one file, or why there is none to be shown.
fn file_diff(inspection: &Inspection, boundary: &Boundary, change: &Changed) -> Result<String, ToolFault> {
    let path = change.shown();
    let brief = |what: &str| Ok(format!("{} {path} ({what})\n", letter(change.difference)));
    if change.special {
        return brief("a symbolic link or a repository of its own");
    }
    let Some(before) = inspection.before(change, limits::TOOL_FILE_BYTES).map_err(fault)? else {
        return brief("too large to compare");
    };
    let now = match (change.difference, now(boundary, change)) {
        (Difference::Deleted, _) => Vec::new(),
        (Difference::Added | Difference::Modified, Some(content)) => content,
        (Difference::Added | Difference::Modified, None) => return brief("it cannot be read as text"),
    };
    if [&before, &now].iter().any(|side| text_file::guess(side).is_some()) {
        return brief("binary");
    }
    let (old, new) = (String::from_utf8_lossy(&before), String::from_utf8_lossy(&now));
    let (from, to) = match change.difference {
        Difference::Added => ("/dev/null".to_owned(), format!("b/{path}")),
        Difference::Modified => (format!("a/{path}"), format!("b/{path}")),
        Difference::Deleted => (format!("a/{path}"), "/dev/null".to_owned()),
    };
    let diff = similar::TextDiff::configure().algorithm(similar::Algorithm::Patience).diff_lines(&*old, &*new);
    let text = diff.unified_diff().header(&from, &to).to_string();
    // A new empty file, or only another mode.
    if text.is_empty() { brief("no difference in its content") } else { Ok(text) }
}

/// What the file holds now. A name that is not UTF-8 is not one that tools can open.
fn now(boundary: &Boundary, change: &Changed) -> Option<Vec<u8>> {
    let path: RelPath = boundary.path(std::str::from_utf8(&change.path).ok()?).ok()?;
    boundary.read(&path, limits::TOOL_FILE_BYTES).ok()
}

/// An unknown commit is the model's to correct; what else goes wrong with the repository is not.
fn fault(error: Error) -> ToolFault {
    match error {
        Error::NoSuchCommit(_) | Error::NoCommits(_) => ToolFault::Told(error.to_string()),
        other => ToolFault::Ends(Failure::from(other)),
    }
}
