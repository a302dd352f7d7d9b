//! `pause`, `resume` and `cancel`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Effect, Tool};
use crate::app::Need;
use crate::domain::event::DoubtAnswer;
use crate::domain::project::Command;
use crate::interfaces::api::{Fault, FaultKind};
use crate::interfaces::mcp::desk::Room;
use crate::interfaces::mcp::refusal::Trouble;
use crate::interfaces::mcp::views::{Budget, Project};

/// The arguments of `pause`.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Pause {
    /// The project's id, or any unique beginning of it.
    pub project: String,
    /// Why; kept on record.
    #[serde(default)]
    pub comment: String,
}

/// The arguments of `resume`.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Resume {
    /// The project's id, or any unique beginning of it.
    pub project: String,
    /// How steps are settled of which nobody knows whether they happened.
    pub in_doubt: Option<InDoubt>,
    /// Limits in place of those named; the others stay.
    pub budget: Option<Budget>,
    /// What is said about it; kept on record.
    #[serde(default)]
    pub comment: String,
}

/// How a doubt is settled.
#[derive(Debug, Clone, Copy, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum InDoubt {
    /// Run it again.
    Rerun,
    /// It happened; go on.
    Done,
    /// It did not work; fail the task.
    Fail,
}

/// The arguments of `cancel`.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Cancel {
    /// The project's id, or any unique beginning of it.
    pub project: String,
    /// Whether to take back what completed tasks did, by their undo commands; true if absent.
    pub undo: Option<bool>,
    /// Why; kept on record.
    #[serde(default)]
    pub comment: String,
}

/// What came of a command.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Taken {
    /// The project after it.
    pub project: Project,
    /// Whether an engine drives it; without one, nothing moves until it is resumed.
    pub driven: bool,
}

impl Tool for Pause {
    const NAME: &'static str = "pause";
    const TITLE: &'static str = "Pause a project";
    const ABOUT: &'static str = "Pauses a project: steps that run end, none starts until it is resumed.";
    const EFFECT: Effect = Effect::Holds;
    const NEED: Need = Need::Command;
    type Answer = Taken;

    async fn run(self, room: Room) -> Result<Taken, Trouble> {
        give(&room, &self.project, Command::Pause { comment: self.comment }).await
    }
}

impl Tool for Resume {
    const NAME: &'static str = "resume";
    const TITLE: &'static str = "Resume a project";
    const ABOUT: &'static str = "Goes on with a project where it was, in the background: releases a pause, renews exhausted retries, settles \
                                 doubts, raises limits.";
    const EFFECT: Effect = Effect::Steers;
    const NEED: Need = Need::Drive;
    type Answer = Taken;

    async fn run(self, room: Room) -> Result<Taken, Trouble> {
        let in_doubt = self.in_doubt.map(|how| match how {
            InDoubt::Rerun => DoubtAnswer::Rerun,
            InDoubt::Done => DoubtAnswer::Done,
            InDoubt::Fail => DoubtAnswer::Fail,
        });
        let budget = self.budget.as_ref().map(Budget::caps).transpose()?;
        drive(&room, &self.project, Command::Resume { in_doubt, budget, comment: self.comment }).await
    }
}

impl Tool for Cancel {
    const NAME: &'static str = "cancel";
    const TITLE: &'static str = "Cancel a project";
    const ABOUT: &'static str = "Stops a project for good and takes back what it did, by the undo commands of its workflow. It cannot be \
                                 resumed afterwards.";
    const EFFECT: Effect = Effect::Steers;
    const NEED: Need = Need::Drive;
    type Answer = Taken;

    async fn run(self, room: Room) -> Result<Taken, Trouble> {
        let command = Command::Cancel { undo: self.undo.unwrap_or(true), comment: self.comment };
        drive(&room, &self.project, command).await
    }
}

/// Gives a command; what it leads to happens when an engine drives the project.
pub async fn give(room: &Room, project: &str, command: Command) -> Result<Taken, Trouble> {
    let id = room.project(project).await?.id;
    let (_, driven) = room.home.command(&id, command).await?;
    let after = room.project(id.as_str()).await?;
    Ok(Taken { project: Project::from(&after), driven })
}

/// Gives a command that must be driven to have its effect.
async fn drive(room: &Room, project: &str, command: Command) -> Result<Taken, Trouble> {
    let summary = room.project(project).await?;
    if summary.status.is_terminal() {
        let message = format!("project {} is {}; there is nothing to {}", summary.id, summary.status, command.name());
        return Err(Fault::new(FaultKind::Terminal, message).of(&summary.id).into());
    }
    room.home.resume(&summary.id, command).await?;
    let after = room.project(summary.id.as_str()).await?;
    Ok(Taken { project: Project::from(&after), driven: true })
}
