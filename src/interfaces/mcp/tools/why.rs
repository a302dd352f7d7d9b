//! `why`: what a project waits for.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Effect, Tool};
use crate::app::Need;
use crate::domain::time::Millis;
use crate::interfaces::mcp::desk::Room;
use crate::interfaces::mcp::page;
use crate::interfaces::mcp::refusal::Trouble;
use crate::interfaces::mcp::views::Project;

/// The arguments.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Why {
    /// The project's id, or any unique beginning of it.
    pub project: String,
}

/// The answer.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Reasons {
    /// The project.
    project: Project,
    /// Whether an engine drives it; without one, nothing moves until it is resumed.
    driven: bool,
    /// What it waits for.
    reasons: Vec<Reason>,
    /// How many reasons are left out.
    more: usize,
}

/// One thing that it waits for.
#[derive(Debug, Serialize, JsonSchema)]
struct Reason {
    /// The task it is about; absent for the project itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    task: Option<String>,
    /// What it waits for.
    waits_for: String,
    /// Since when.
    since: String,
    /// When it goes on by itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    due: Option<String>,
    /// The command line that unblocks it, if a person can.
    #[serde(skip_serializing_if = "Option::is_none")]
    command: Option<String>,
}

impl Tool for Why {
    const NAME: &'static str = "why";
    const TITLE: &'static str = "Why does it wait?";
    const ABOUT: &'static str = "Tells what a project waits for, since when, and the command that unblocks it.";
    const EFFECT: Effect = Effect::Looks;
    const NEED: Need = Need::Read;
    type Answer = Reasons;

    async fn run(self, room: Room) -> Result<Reasons, Trouble> {
        let id = room.project(&self.project).await?.id;
        let why = room.home.why(&id).await?;
        let all = why.reasons.len();
        let reasons = why.reasons.into_iter().map(|reason| Reason {
            task: reason.task,
            waits_for: page::field(&reason.waits_for),
            since: reason.since.to_rfc3339(),
            due: reason.due.map(Millis::to_rfc3339),
            command: reason.command,
        });
        let (reasons, _) = page::fill(reasons, page::items(None));
        Ok(Reasons { project: Project::from(&why.project), driven: why.driven, more: all - reasons.len(), reasons })
    }
}
