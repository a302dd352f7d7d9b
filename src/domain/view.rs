//! Read models: what faces show of a project. Plain data, serialisable, with stable field names (they are the `--json`).

use serde::{Deserialize, Serialize};

use super::budget::{Caps, Ledger};
use super::event::{Actor, Event};
use super::failure::Failure;
use super::ids::{Digest, Epoch, ProjectId, Seq};
use super::machine::{Phase, ProjectStatus, TaskStatus};
use super::sandbox::Took;
use super::time::Millis;

/// One line of `wfctl list`. Also what the store keeps per project as an index.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Summary {
    /// The project.
    pub id: ProjectId,
    /// Its workflow's name.
    pub workflow: String,
    /// Its state.
    pub status: ProjectStatus,
    /// When it was created.
    pub created: Millis,
    /// When its state last changed.
    pub changed: Millis,
    /// Its parent, for a child project.
    pub parent: Option<ProjectId>,
    /// Why it is held or how it ended, in one line; else empty.
    pub note: String,
}

/// `wfctl show`: everything about one project at one sequence number.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ProjectView {
    /// The line of `list`.
    #[serde(rename = "project")]
    pub summary: Summary,
    /// The journal position this view is of.
    pub seq: Seq,
    /// The phase it is in, or was held in.
    pub phase: Option<Phase>,
    /// The phases that its workflow declares.
    pub phases: Vec<Phase>,
    /// The pinned definition.
    pub definition: Digest,
    /// The folder it was started for.
    pub base_dir: String,
    /// The file that the workflow came from.
    pub source: Option<String>,
    /// Its inputs.
    pub inputs: serde_json::Value,
    /// How many tasks are in which state.
    pub counts: Vec<(TaskStatus, u32)>,
    /// Caps and what is used of them.
    pub caps: Caps,
    /// Spent and reserved.
    pub ledger: Ledger,
    /// The question that its gate asks now.
    pub gate: Option<Question>,
    /// Its tasks, in the order they were added.
    pub tasks: Vec<TaskView>,
}

/// A question that waits for a person.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Question {
    /// The question.
    pub ask: String,
    /// The deadline.
    pub due: Option<Millis>,
}

/// One task of a project.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TaskView {
    /// Its index.
    pub ix: u32,
    /// Its name.
    pub name: String,
    /// Its phase.
    pub phase: Phase,
    /// Its state.
    pub status: TaskStatus,
    /// `run`, `approval`, ...
    pub action: String,
    /// The role of its agent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub role: Option<String>,
    /// The last attempt's number; 0 before the first.
    pub attempt: u32,
    /// Names of what it needs.
    pub needs: Vec<String>,
    /// When its present state began.
    pub since: Millis,
    /// When its first attempt started.
    pub started: Option<Millis>,
    /// When it ended.
    pub ended: Option<Millis>,
    /// When it goes on by itself: the end of a backoff, a wait or a deadline.
    pub due: Option<Millis>,
    /// What it waits for, in words.
    pub waits_for: Option<String>,
    /// What it does now, where its records tell: an agent, a merge.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub doing: Option<Doing>,
    /// The child project that it waits for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub child: Option<ProjectId>,
    /// What it has for a worker outside, and who took it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub external: Option<ExternalWork>,
    /// What the commands of its last attempt took of memory and processors; left out once it has completed.
    #[serde(default, skip_serializing_if = "Took::is_nothing")]
    pub took: Took,
    /// Its last failure.
    pub failure: Option<Failure>,
    /// Its output when completed: JSON, cut when long.
    pub output: Option<serde_json::Value>,
}

/// Work that waits for a worker outside.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ExternalWork {
    /// Its queue.
    pub queue: String,
    /// What the worker is given.
    pub payload: serde_json::Value,
    /// Who took it; `None`: nobody, or their claim ran out.
    pub worker: Option<String>,
    /// Until when the claim counts without a sign of life.
    pub until: Option<Millis>,
}

/// What a task does now.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Doing {
    /// In words, with a verb.
    pub what: String,
    /// Which model call of its attempt that is.
    pub turn: Option<u32>,
    /// Since when.
    pub since: Millis,
}

/// One record as people see it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RecordView {
    /// The project.
    pub project: ProjectId,
    /// Its position.
    pub seq: Seq,
    /// The engine that wrote it.
    pub epoch: Epoch,
    /// When.
    pub at: Millis,
    /// Who caused it.
    pub actor: Actor,
    /// What happened.
    pub event: Event,
    /// The record's own hash, which the next one continues.
    pub hash: Digest,
    /// The name of the task it is about, for people.
    pub task: Option<String>,
}

/// `wfctl why`: one thing that a project waits for.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Reason {
    /// The task it is about; `None` for the project itself.
    pub task: Option<String>,
    /// What it waits for, in words.
    pub waits_for: String,
    /// Since when.
    pub since: Millis,
    /// When it goes on by itself.
    pub due: Option<Millis>,
    /// The command that unblocks it, if a person can.
    pub command: Option<String>,
}
