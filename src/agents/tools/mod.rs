//! Tools that a model may call, one file each. Text from a model is data: a path goes through the boundary of the worktree, a
//! command line only to the runner of commands.

use std::path::Path;

use async_trait::async_trait;
use serde_json::Value;

use crate::domain::chat::ToolSpec;
use crate::domain::failure::Failure;
use crate::domain::workflow::EffectClass;

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
}

/// What a tool gives back.
#[derive(Debug, Clone, PartialEq)]
pub struct ToolOutput {
    /// The text for the model; whoever calls the tool cuts it to its budget and keeps the whole.
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
