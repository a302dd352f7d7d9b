//! Calls: the journaled side effects *inside* a step that is a conversation (an agent's). A step of kind `agent` is a walk
//! over calls; on a resume the walk starts over, and each call that has an outcome is read back instead of made again.
//!
//! A call is on record before it is made (`CallStarted`) and after it ended (`CallFinished`).

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::budget::Amounts;
use super::chat::Usage;
use super::failure::Failure;
use super::ids::{CallIx, Digest};
use super::payload::Payload;
use super::sandbox::Attestation;
use super::workflow::EffectClass;

macro_rules! kinds {
    ($($(#[$doc:meta])* $variant:ident = $name:literal;)*) => {
        /// What a call does. Names are stable; new ones are added at the end.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
        #[serde(rename_all = "lowercase")]
        pub enum CallKind { $($(#[$doc])* $variant,)* }

        impl CallKind {
            /// The stable name.
            pub fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)* }
            }
        }
    };
}

kinds! {
    /// Pins what the conversation starts from: instructions, tools, the task. Its outcome is that text.
    Prompt = "prompt";
    /// A request to a model.
    Model = "model";
    /// A request to a model for a summary of the conversation so far.
    Compact = "compact";
    /// A tool.
    Tool = "tool";
    /// Checks that must be green before "done" is accepted.
    Check = "check";
    /// A question to a person.
    Ask = "ask";
    /// An artifact is kept: its label is its name, its outcome its content.
    Artifact = "artifact";
    /// The work is committed on the task's branch; its outcome names the commit.
    Commit = "commit";
    /// Texts are embedded for the call behind it, which asks memory; its outcome has the vectors that this one needs.
    Embed = "embed";
}

impl fmt::Display for CallKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// What is about to be done.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CallIntent {
    /// Its position in the walk: dense, the first is 0.
    pub ix: CallIx,
    /// What it does.
    pub kind: CallKind,
    /// The model (`provider/model`), the tool, the artifact.
    pub label: String,
    /// Digest of what is asked: a model request's own, or of the tool's name and arguments.
    pub input: Digest,
    /// The arguments when they are short, for people; never needed to go on.
    pub shown: String,
    /// What may be done when its outcome stays unknown.
    pub effect: EffectClass,
    /// Held back in the ledger until it ends.
    pub reserved: Amounts,
}

/// How a call ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CallOutcome {
    /// `Ok`: a model's reply, a tool's text for the model; `Err`: why not.
    pub result: Result<Payload, Failure>,
    /// Execution time by the monotonic clock.
    pub duration_ms: u64,
    /// What a model call used.
    pub usage: Option<Usage>,
    /// The whole of an output that was cut for the model.
    pub full: Option<Payload>,
    /// The worktree's tree after a call that may have changed files.
    pub tree: Option<String>,
    /// What its commands ran under; `None`: none ran.
    pub ran_under: Option<Arc<Attestation>>,
}

impl CallOutcome {
    /// What it took from the budget.
    pub fn used(&self) -> Amounts {
        let usage = self.usage.unwrap_or_default();
        Amounts {
            calls: 0,
            tokens: usage.input_tokens.saturating_add(usage.output_tokens),
            usd_micros: usage.usd_micros,
        }
    }
}

/// What an agent's walk tells the record.
#[derive(Debug, Clone, PartialEq)]
pub enum CallInput {
    /// A call is about to be made.
    Begin(Box<CallIntent>),
    /// It ended.
    End(CallIx, Box<CallOutcome>),
    /// Calls that change nothing and cost nothing, begun and ended.
    Note(Vec<(CallIntent, CallOutcome)>),
    /// A person is asked.
    Ask(Box<CallIntent>, String),
}

/// A call of the present attempt, as the journal has it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RecordedCall {
    /// Its position.
    pub ix: CallIx,
    /// What it does.
    pub kind: CallKind,
    /// The model, the tool, the artifact.
    pub label: String,
    /// Digest of what was asked.
    pub input: Digest,
    /// What may be done when its outcome stays unknown.
    pub effect: EffectClass,
    /// Held back while it runs.
    pub reserved: Amounts,
    /// How often it was sent and no outcome came to be known; each time was charged at what was reserved.
    pub lost: u32,
    /// It runs now, or waits for a person.
    pub is_open: bool,
    /// How it ended; `None` while it runs, and after it was lost.
    pub outcome: Option<Box<CallOutcome>>,
}
