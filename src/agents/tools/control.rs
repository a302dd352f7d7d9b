//! The tools that change the conversation and not the worktree. A model calls them like any other; the loop of the
//! conversation carries them out, and there is no [`super::Tool`] behind them.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{object, spec};
use crate::domain::chat::ToolSpec;
use crate::domain::limits;

/// Which of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Control {
    /// The role's typed answer; accepted when the checks are green. Its arguments are the answer.
    Finish,
    /// A question to a person ([`Question`]); the walk waits for the answer, which is the result of the call.
    AskHuman,
    /// A note to itself ([`Note`]), kept outside of what a compaction sums up.
    Note,
    /// Commits what is in the worktree ([`CommitMessage`]). The engine makes the commit, from journaled data, so that making
    /// it again gives the same id.
    Commit,
    /// The same ([`CommitMessage`]), with a message that the work keeps when the merge queue takes it in.
    CommitAndPush,
}

/// Arguments of `ask_human`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Question {
    /// What is asked.
    pub question: String,
}

/// Arguments of `note`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Note {
    /// What is worth knowing later.
    pub text: String,
}

/// Arguments of `git_commit` and `git_commit_and_push`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CommitMessage {
    /// The message; its first line is the subject.
    pub message: String,
}

impl Control {
    /// All of them, in their stable order.
    pub const ALL: &'static [Self] = &[Self::Commit, Self::CommitAndPush, Self::Note, Self::AskHuman, Self::Finish];

    /// The name that the model calls.
    pub fn name(self) -> &'static str {
        match self {
            Self::Finish => "finish",
            Self::AskHuman => "ask_human",
            Self::Note => "note",
            Self::Commit => "git_commit",
            Self::CommitAndPush => "git_commit_and_push",
        }
    }

    /// How the model is told of it. `answer` is the schema of the role's answer, for `finish`; a role without one answers
    /// with a summary.
    pub fn spec(self, answer: Option<&Value>) -> ToolSpec {
        let text = |most: usize, what: &str| json!({ "type": "string", "minLength": 1, "maxLength": most, "description": what });
        match self {
            Self::Finish => {
                let summary = || {
                    object(
                        json!({ "summary": text(limits::SIGNAL_PAYLOAD_BYTES, "What was done, and what was not.") }),
                        &["summary"],
                    )
                };
                spec(
                    self.name(),
                    "Say that the task is done and give the answer. Call it alone, after the last change and after the checks \
                     passed; if a check is red, you are told and go on.",
                    answer.cloned().unwrap_or_else(summary),
                )
            }
            Self::AskHuman => spec(
                self.name(),
                "Ask a person, only for what you can neither find out nor decide yourself. The work waits for the answer, which \
                 may take hours. Say what you would do without one.",
                object(
                    json!({ "question": text(limits::COMMENT_BYTES, "The question, understandable on its own.") }),
                    &["question"],
                ),
            ),
            Self::Note => spec(
                self.name(),
                "Keep a short note for yourself: a decision, a fact about the code, what is left to do. Notes stay in view when \
                 older parts of the conversation are summed up.",
                object(json!({ "text": text(limits::COMMENT_BYTES, "The note.") }), &["text"]),
            ),
            Self::Commit => spec(
                self.name(),
                "Commit everything that is changed in the worktree on the task's own branch.",
                object(
                    json!({ "message": text(limits::COMMENT_BYTES, "The message: a subject line, then why.") }),
                    &["message"],
                ),
            ),
            Self::CommitAndPush => spec(
                self.name(),
                "Commit everything that is changed in the worktree on the task's own branch; when the task is done, the merge queue takes \
                 it into the project's branch under this message.",
                object(
                    json!({ "message": text(limits::COMMENT_BYTES, "The message: a subject line, then why.") }),
                    &["message"],
                ),
            ),
        }
    }
}
