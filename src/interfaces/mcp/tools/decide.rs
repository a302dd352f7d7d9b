//! `approve` and `reject`: answers to approvals.

use schemars::JsonSchema;
use serde::Deserialize;

use super::steer::{Taken, give};
use super::{Effect, Tool};
use crate::app::Need;
use crate::domain::event::Decision;
use crate::domain::project::Command;
use crate::interfaces::mcp::desk::Room;
use crate::interfaces::mcp::refusal::Trouble;

/// The arguments of `approve`.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Approve {
    /// The project's id, or any unique beginning of it.
    pub project: String,
    /// The task whose approval is answered; the gate or the only open approval if absent.
    pub task: Option<String>,
    /// What is said about it; kept on record.
    #[serde(default)]
    pub comment: String,
}

/// The arguments of `reject`.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Reject {
    /// The project's id, or any unique beginning of it.
    pub project: String,
    /// The task whose approval is answered; the gate or the only open approval if absent.
    pub task: Option<String>,
    /// Why; kept on record, and told to whoever works on it next.
    #[serde(default)]
    pub comment: String,
}

impl Tool for Approve {
    const NAME: &'static str = "approve";
    const TITLE: &'static str = "Approve";
    const ABOUT: &'static str = "Says yes to an approval that a project waits for. Look at `why` and at what is to be approved first; the \
                                 first answer counts.";
    const EFFECT: Effect = Effect::Steers;
    const NEED: Need = Need::Command;
    type Answer = Taken;

    async fn run(self, room: Room) -> Result<Taken, Trouble> {
        let command = Command::Answer { task: self.task, decision: Decision::Approved, comment: self.comment };
        give(&room, &self.project, command).await
    }
}

impl Tool for Reject {
    const NAME: &'static str = "reject";
    const TITLE: &'static str = "Reject";
    const ABOUT: &'static str = "Says no to an approval that a project waits for; the first answer counts.";
    const EFFECT: Effect = Effect::Steers;
    const NEED: Need = Need::Command;
    type Answer = Taken;

    async fn run(self, room: Room) -> Result<Taken, Trouble> {
        let command = Command::Answer { task: self.task, decision: Decision::Rejected, comment: self.comment };
        give(&room, &self.project, command).await
    }
}
