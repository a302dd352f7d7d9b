//! `wfctl pause`.

use super::super::args;
use super::super::context::Context;
use super::super::error::Error;
use super::super::exit::Exit;
use super::command::give;
use crate::domain::project::Command;

/// Pauses it.
pub async fn run(context: &Context, arguments: args::Comment) -> Result<Exit, Error> {
    let (id, _) = give(context, &arguments.project, Command::Pause { comment: arguments.comment }, "paused").await?;
    if !context.is_json {
        context.terminal.note(format!("go on with: wfctl resume {id}"));
    }
    Ok(Exit::Done)
}
