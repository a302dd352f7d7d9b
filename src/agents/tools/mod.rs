//! Tools that a model may call, one file each. Text from a model is data: a path goes through the boundary of the worktree, a
//! command line only to the runner of commands.
//!
//! Reading order: this file (the contract), `toolbox` (which tools there are, and how a call is checked and made), `arguments`,
//! `truncate` (what of an output a model is shown), `control` (the tools that the conversation itself carries out), then a tool.

use std::path::Path;

use async_trait::async_trait;
use serde_json::Value;

use crate::domain::chat::ToolSpec;
use crate::domain::failure::{Failure, FailureClass};
use crate::domain::sandbox::Allowance;
use crate::domain::time::Millis;
use crate::domain::workflow::EffectClass;
use crate::workspace::boundary::{self, Boundary};

use super::memory::{Given, Memories};

mod apply_patch;
mod arguments;
mod control;
mod delete_file;
mod edit_file;
mod git_history;
mod list_files;
mod memory;
mod move_file;
mod nearest;
mod read_file;
mod read_output;
mod renamed;
mod run_checks;
mod run_command;
mod search;
mod servers;
mod text_file;
mod toolbox;
mod tree;
mod truncate;
mod write_file;

pub use control::{CommitMessage, Control, Note, Question};
pub use memory::{brief as memory_brief, brief_query as memory_query, is_of_memory, need as memory_need};
pub use servers::{Served, names as server_names, tools_of as tools_of_server};
pub use toolbox::{Kind, Planned, Problem, Toolbox};
pub use truncate::{Shown, show};

/// A tool. Its arguments have been checked against its schema before [`Tool::call`].
#[async_trait]
pub trait Tool: Send + Sync {
    /// How the model is told of it.
    fn spec(&self) -> ToolSpec;

    /// What may be done when its outcome stays unknown; `Pure` ones of one reply run in parallel.
    fn effect(&self) -> EffectClass {
        EffectClass::Restorable
    }

    /// Does it.
    async fn call(&self, arguments: &Value, site: &Site<'_>) -> Result<ToolOutput, ToolFault>;
}

/// Where a tool works.
pub struct Site<'s> {
    /// The root of the worktree; no tool leaves it.
    pub root: &'s Path,
    /// Runs command lines.
    pub commands: &'s dyn Commands,
    /// Runs the checks of the project.
    pub checks: &'s dyn Checks,
    /// Whole outputs of earlier calls.
    pub outputs: &'s dyn Outputs,
    /// What there is besides.
    pub beyond: Beyond<'s>,
}

/// What lies beyond the files of the worktree, as far as a person allows it.
pub struct Beyond<'s> {
    /// Hosts, and what may be done with the repository.
    pub allowed: &'s Allowance,
    /// What is outside; `None` where nobody is asked, in a replay.
    pub world: Option<World<'s>>,
    /// The repository of the worktree.
    pub repository: &'s dyn Repository,
    /// A file for what the tools have to remember of this conversation.
    pub notes: &'s Path,
}

/// What is outside.
#[derive(Clone, Copy)]
pub struct World<'s> {
    /// What was learned before.
    pub memories: &'s Memories,
    /// The folder whose memory it is.
    pub dir: &'s Path,
    /// The task that is worked on.
    pub task: Option<&'s str>,
    /// The commit that it is worked from.
    pub version: Option<&'s str>,
    /// The time.
    pub now: &'s (dyn Fn() -> Millis + Send + Sync),
    /// Strikes known secrets out of what is kept.
    pub mask: &'s (dyn Fn(String) -> String + Send + Sync),
    /// Vectors that were made for this call and are on record; `None`: memory has them made itself.
    pub given: Option<&'s Given>,
}

/// Commits and merges where the worktree belongs.
#[async_trait]
pub trait Repository: Send + Sync {
    /// Commits the present files and gives the commit's id; the same files with the same message give the same commit.
    async fn commit(&self, message: &str) -> Result<String, ToolFault>;

    /// Merges what `revision` names into the present files, and says what came of it.
    async fn merge(&self, revision: &str) -> Result<String, ToolFault>;
}

impl Beyond<'_> {
    /// What is outside. In a replay it is not asked, which ends the attempt.
    fn world(&self) -> Result<World<'_>, ToolFault> {
        let message = "what lies outside of the worktree is not asked in a replay, and what it said is not played yet";
        self.world.ok_or_else(|| ToolFault::Ends(Failure::new(FailureClass::NotFound, message)))
    }
}

/// What a tool gives back.
#[derive(Debug, Clone, PartialEq)]
pub struct ToolOutput {
    /// The text for the model; whoever calls the tool cuts it to its budget ([`show`]) and keeps the whole.
    pub text: String,
}

/// Why a tool did not do it.
#[derive(Debug, Clone, PartialEq)]
pub enum ToolFault {
    /// For the model to read and act on.
    Told(String),
    /// Ends the attempt.
    Ends(Failure),
}

/// Runs command lines in the worktree.
#[async_trait]
pub trait Commands: Send + Sync {
    /// Runs `line` to its end, or kills its process group after `timeout_ms`.
    async fn run(&self, line: &str, timeout_ms: u64) -> Result<Ran, Failure>;
}

/// How a command ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ran {
    /// The exit code; `None` when a signal or the time limit ended it.
    pub code: Option<i32>,
    /// Stopped at the time limit.
    pub timed_out: bool,
    /// Both streams interleaved, as much as is kept.
    pub output: Vec<u8>,
    /// Bytes of output in all.
    pub output_bytes: u64,
}

/// Runs the checks (format, lint, build, tests) that the project has.
#[async_trait]
pub trait Checks: Send + Sync {
    /// Runs the checks with these names, all of them when there is none, and reports for a model to read. Red checks are a
    /// report, an unknown name is one as well; a failure is that they could not be run.
    async fn run(&self, names: &[String]) -> Result<String, Failure>;
}

/// The whole of outputs that a model was shown a part of.
pub trait Outputs: Send + Sync {
    /// The output with this handle; `None` when this conversation never had one.
    fn whole(&self, handle: &str) -> Result<Option<Vec<u8>>, Failure>;
}

impl From<boundary::Error> for ToolFault {
    fn from(error: boundary::Error) -> Self {
        error.ends().map_or_else(|| Self::Told(error.to_string()), Self::Ends)
    }
}

impl ToolOutput {
    fn new(text: impl Into<String>) -> Self {
        Self { text: text.into() }
    }
}

/// Opens the boundary of the site. A root that cannot be opened is the host's fault, not the model's.
fn boundary(root: &Path) -> Result<Boundary, ToolFault> {
    Boundary::open(root).map_err(|error| ToolFault::Ends(Failure::new(FailureClass::Workspace, error.to_string())))
}

/// Reads in a thread of its own: a walk over a large worktree must not hold up other tasks. Only for what changes nothing:
/// when the call is given up, the thread still runs to its end.
async fn reading<T: Send + 'static>(
    site: &Site<'_>,
    read: impl FnOnce(&Boundary) -> Result<T, ToolFault> + Send + 'static,
) -> Result<T, ToolFault> {
    let root = site.root.to_owned();
    let done = tokio::task::spawn_blocking(move || read(&boundary(&root)?)).await;
    match done {
        Ok(done) => done,
        Err(error) => match error.try_into_panic() {
            Ok(panic) => std::panic::resume_unwind(panic),
            Err(_) => Err(ToolFault::Ends(Failure::new(FailureClass::Interrupted, "the engine is stopping"))),
        },
    }
}

/// The schema of arguments: an object of `properties` and nothing else.
fn object(properties: Value, required: &[&str]) -> Value {
    serde_json::json!({ "type": "object", "properties": properties, "required": required, "additionalProperties": false })
}

fn spec(name: &str, description: &str, parameters: Value) -> ToolSpec {
    ToolSpec { name: name.to_owned(), description: description.to_owned(), parameters }
}

#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;
