//! `logs`: what the commands of a task wrote.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Effect, Tool};
use crate::app::Need;
use crate::interfaces::api::LogPiece;
use crate::interfaces::mcp::desk::Room;
use crate::interfaces::mcp::page;
use crate::interfaces::mcp::refusal::Trouble;

/// The arguments.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Logs {
    /// The project's id, or any unique beginning of it.
    pub project: String,
    /// The task.
    pub task: String,
    /// The attempt; the last one if absent.
    pub attempt: Option<u32>,
    /// The step of the attempt, 0 is the command itself; the last one if absent.
    pub step: Option<u32>,
    /// The first byte wanted; if absent, the end of the output is shown.
    pub offset: Option<u64>,
    /// Most bytes in the answer: up to 65536, 16384 if absent.
    pub bytes: Option<u32>,
}

/// The answer.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Output {
    /// The project's id.
    project: String,
    /// The task.
    task: String,
    /// The attempt.
    attempt: u32,
    /// The step.
    step: u32,
    /// What was written; what is no UTF-8 is replaced.
    text: String,
    /// Where the text begins, in bytes.
    offset: u64,
    /// Where the next piece begins: pass it as `offset`.
    next: u64,
    /// Whether there is more already.
    more: bool,
    /// Whether the step still runs, so that there may be more later.
    live: bool,
}

impl Tool for Logs {
    const NAME: &'static str = "logs";
    const TITLE: &'static str = "Output of a task";
    const ABOUT: &'static str =
        "Reads what the command of a task wrote, while it runs or afterwards: its end, or from an offset on.";
    const EFFECT: Effect = Effect::Looks;
    const NEED: Need = Need::Read;
    type Answer = Output;

    async fn run(self, room: Room) -> Result<Output, Trouble> {
        let id = room.project(&self.project).await?.id;
        let most = page::text_bytes(self.bytes);
        let piece = match self.offset {
            Some(offset) => LogPiece::From { offset, most },
            None => LogPiece::End { most },
        };
        let page = room.home.log_piece(&id, &self.task, (self.attempt, self.step), piece).await?;
        Ok(Output {
            project: id.to_string(),
            task: self.task,
            attempt: page.attempt,
            step: page.step,
            text: page.text,
            offset: page.start,
            next: page.next,
            more: page.more,
            live: page.live,
        })
    }
}
