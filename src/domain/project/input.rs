//! What may be given to a project, what it may depend on while deciding, and what it hands out.

use serde::{Deserialize, Serialize};

use crate::domain::budget::Caps;
use crate::domain::call::CallInput;
use crate::domain::effect::{Effect, TimerKey};
use crate::domain::event::{Actor, Decision, DoubtAnswer, Event, StepOutcome};
use crate::domain::failure::Failure;
use crate::domain::ids::{Attempt, StepIx, TaskIx};
use crate::domain::limits;
use crate::domain::machine::{Phase, ProjectStatus};
use crate::domain::payload::{BlobRef, Payload, PayloadSource, UnreadablePayload};
use crate::domain::sandbox::SandboxSpec;
use crate::domain::time::Millis;
use crate::domain::workflow::{Expressions, TaskSpec};

/// One input of a project.
#[derive(Debug, Clone)]
pub enum Input {
    /// Right after creation: enter the first phase.
    Begin,
    /// A worker is free for this READY task.
    Start(TaskIx),
    /// A step ended.
    StepDone {
        /// The task.
        task: TaskIx,
        /// The attempt.
        attempt: Attempt,
        /// The step.
        step: StepIx,
        /// How.
        outcome: Box<StepOutcome>,
    },
    /// An agent's walk puts a call on record.
    Call {
        /// The task.
        task: TaskIx,
        /// The attempt.
        attempt: Attempt,
        /// What.
        input: CallInput,
    },
    /// A timer's moment has come.
    Due(TimerKey),
    /// A child project is terminal.
    ChildClosed {
        /// The parent's task.
        task: TaskIx,
        /// The child's end state.
        status: ProjectStatus,
        /// Its reason, in one line.
        reason: String,
        /// Its output.
        output: Payload,
    },
    /// A new engine has loaded the project.
    Recover,
    /// The home's disk is nearly full.
    DiskLow {
        /// Free bytes.
        free_bytes: u64,
    },
    /// The disk has room again.
    DiskOk,
    /// Someone asks for something.
    Command(Command),
}

/// What people, API callers and parents can ask of a project.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Command {
    /// Running steps end, none starts.
    Pause {
        /// Why.
        comment: String,
    },
    /// Goes on: releases a pause, renews exhausted series of attempts, settles doubts.
    Resume {
        /// How all IN_DOUBT tasks are settled, if any is.
        in_doubt: Option<DoubtAnswer>,
        /// New caps in place of those named; the others stay.
        budget: Option<Caps>,
        /// What was said.
        comment: String,
    },
    /// Lets its commands reach more; nothing that is allowed is taken away.
    Allow {
        /// What more.
        more: SandboxSpec,
    },
    /// Stops everything; with `undo`, takes completed tasks back in reverse order.
    Cancel {
        /// Whether to undo.
        undo: bool,
        /// Why.
        comment: String,
    },
    /// Stops everything at once, takes nothing back.
    Kill {
        /// Why.
        comment: String,
    },
    /// A new series of attempts for one task, or for all failed and exhausted ones.
    Retry {
        /// The task's name.
        task: Option<String>,
    },
    /// Answers an approval: the named task, or the gate, or the only one that is open.
    Answer {
        /// The task's name; `None`: the gate or the only open approval.
        task: Option<String>,
        /// Yes or no.
        decision: Decision,
        /// What was said.
        comment: String,
    },
    /// A signal from outside.
    Signal {
        /// Its name.
        name: String,
        /// Its payload.
        payload: serde_json::Value,
        /// The sender's id for it, for idempotency; empty: none.
        request: String,
    },
    /// Adds tasks to the phase that is running.
    Add {
        /// Their specs, already validated on their own.
        tasks: Vec<TaskSpec>,
        /// The phase; `None`: the present one.
        phase: Option<Phase>,
    },
    /// An external worker takes a task.
    Claim {
        /// The task's name.
        task: String,
        /// Who.
        worker: String,
    },
    /// The worker is alive.
    Heartbeat {
        /// The task's name.
        task: String,
        /// The claim's token.
        token: u64,
    },
    /// The worker's result.
    Result {
        /// The task's name.
        task: String,
        /// The claim's token; 0 when it was never claimed.
        token: u64,
        /// Output, or the failure's message.
        result: Result<serde_json::Value, String>,
    },
}

impl Command {
    /// What is longer than a record may carry, in words.
    pub(super) fn too_long(&self) -> Option<String> {
        let check = |what: &str, text: &str, most: usize| {
            (text.len() > most).then(|| format!("the {what} has {} bytes; at most {most} are kept", text.len()))
        };
        match self {
            Self::Pause { comment }
            | Self::Resume { comment, .. }
            | Self::Cancel { comment, .. }
            | Self::Kill { comment }
            | Self::Answer { comment, .. } => check("comment", comment, limits::COMMENT_BYTES),
            Self::Signal { request, .. } => check("request id", request, limits::NAME_BYTES),
            Self::Claim { worker, .. } => check("worker's name", worker, limits::NAME_BYTES),
            Self::Result { result: Err(message), .. } => check("message", message, limits::COMMENT_BYTES),
            Self::Result { result: Ok(_), .. }
            | Self::Heartbeat { .. }
            | Self::Retry { .. }
            | Self::Add { .. }
            | Self::Allow { .. } => None,
        }
    }

    /// The word for it, as in the CLI.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Pause { .. } => "pause",
            Self::Resume { .. } => "resume",
            Self::Allow { .. } => "allow",
            Self::Cancel { .. } => "cancel",
            Self::Kill { .. } => "kill",
            Self::Retry { .. } => "retry",
            Self::Answer { decision: Decision::Approved, .. } => "approve",
            Self::Answer { decision: Decision::Rejected, .. } => "reject",
            Self::Signal { .. } => "signal",
            Self::Add { .. } => "add",
            Self::Claim { .. } => "claim",
            Self::Heartbeat { .. } => "heartbeat",
            Self::Result { .. } => "result",
        }
    }
}

/// Keeps large values and reads them back. Keeping is idempotent: the same bytes have the same name.
pub trait Vault: PayloadSource {
    /// `bytes` as a payload: inline when small, else a durable blob.
    fn keep(&self, bytes: Vec<u8>) -> Result<Payload, UnreadablePayload> {
        match Payload::inline(&bytes) {
            Some(payload) => Ok(payload),
            None => self.keep_blob(&bytes).map(Payload::Blob),
        }
    }

    /// `bytes` as a durable blob, whatever their size.
    fn keep_blob(&self, bytes: &[u8]) -> Result<BlobRef, UnreadablePayload>;
}

/// What a decision may depend on beside state and input.
pub struct Turn<'t> {
    /// The moment of the decision.
    pub now: Millis,
    /// Who gave the input.
    pub actor: Actor,
    /// Large values.
    pub vault: &'t dyn Vault,
    /// Compiled templates.
    pub expressions: &'t Expressions,
    /// A random number for this turn: lease tokens come from it.
    pub entropy: u64,
}

/// What a turn decided, in order. The events are applied already; effects wait until the events are durable.
#[derive(Debug, Default)]
pub struct Decided {
    /// To append.
    pub events: Vec<(Actor, Event)>,
    /// To perform after that.
    pub effects: Vec<Effect>,
    /// For the caller: a value that the command gives back (a lease token).
    pub answer: Option<u64>,
}

/// Why a command is not taken. Nothing of the project's state changed, though the refusal itself may be recorded.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error, Serialize, Deserialize)]
#[error("{message}")]
pub struct Refusal {
    /// The kind, for codes and hints.
    pub kind: RefusalKind,
    /// One line.
    pub message: String,
}

/// Kinds of refusals.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RefusalKind {
    /// The project is terminal.
    Terminal,
    /// It is not in a state where that makes sense.
    WrongState,
    /// No such task.
    UnknownTask,
    /// More than one thing could be meant.
    Ambiguous,
    /// It was answered before, perhaps differently.
    AlreadyAnswered,
    /// A lease token is wrong or void.
    StaleToken,
    /// A bound would be passed.
    Limit,
    /// What was given is not valid.
    Invalid,
    /// A cap leaves no room; the project is held.
    Budget,
}

impl Refusal {
    /// A refusal.
    pub fn new(kind: RefusalKind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into() }
    }
}

impl From<UnreadablePayload> for Failure {
    fn from(error: UnreadablePayload) -> Self {
        Self::new(crate::domain::failure::FailureClass::Internal, error.to_string())
    }
}
