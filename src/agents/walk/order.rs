//! What a walk is asked for, and what it ends with.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::agents::roles::Role;
use crate::domain::chat::Usage;
use crate::domain::failure::Failure;
use crate::domain::machine::TurnState;
use crate::domain::payload::Payload;

/// One attempt of an agent. All of it is the same whenever the attempt is taken up again.
#[derive(Debug, Clone, PartialEq)]
pub struct AgentOrder {
    /// The project's id.
    pub project: String,
    /// The task's name.
    pub task: String,
    /// Who works.
    pub role: Role,
    /// The rendered inputs, an object.
    pub with: Value,
    /// The attempt, from 1.
    pub attempt: u32,
    /// How the earlier attempts failed, oldest first, with excerpts of their logs.
    pub previous: Vec<String>,
    /// Models that the task names; they replace the role's.
    pub models: Vec<String>,
    /// What bounds the conversation.
    pub limits: Limits,
}

/// What bounds one conversation, beside the project's own budget. Absent: no bound of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Limits {
    /// Most replies; the role's own number when absent.
    pub turns: Option<u32>,
    /// Most tokens, input and output.
    pub tokens: Option<u64>,
    /// Most money, in millionths of a US dollar.
    pub usd_micros: Option<u64>,
    /// Turns without progress before the agent is told.
    pub no_progress_turns: Option<u32>,
}

/// An artifact of a finished conversation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Artifact {
    /// Its name, e.g. `plan.md`.
    pub name: String,
    /// Its content.
    pub content: Payload,
}

/// How a walk ended.
#[derive(Debug, Clone, PartialEq)]
pub struct AgentEnd {
    /// The typed answer; `Err`: why there is none. `Interrupted`, and every class that needs waiting, means that the same
    /// attempt goes on later.
    pub answer: Result<Value, Failure>,
    /// Where the conversation is: DONE, STUCK, FAILED, or where it goes on.
    pub state: TurnState,
    /// The worktree's tree after the last call that may have changed files.
    pub tree: Option<String>,
    /// The artifacts, when there is an answer.
    pub artifacts: Vec<Artifact>,
    /// The message under which the work is merged, where the agent gave one beside its answer.
    pub message: Option<String>,
    /// What all its model calls used.
    pub usage: Usage,
    /// Replies of models.
    pub turns: u32,
}
