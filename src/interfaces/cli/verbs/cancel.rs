//! `wfctl cancel` and `wfctl kill`. Both drive the project to its end: undo commands are work.

use super::super::args;
use super::super::context::Context;
use super::super::error::Error;
use super::super::exit::Exit;
use super::command::drive;
use crate::domain::project::Command;

/// Stops it and takes back what it did.
pub async fn cancel(context: &Context, arguments: args::Cancel) -> Result<Exit, Error> {
    let command = Command::Cancel { undo: !arguments.no_undo, comment: arguments.comment };
    stop(context, &arguments.project, command).await
}

/// Stops it at once.
pub async fn kill(context: &Context, arguments: args::Comment) -> Result<Exit, Error> {
    stop(context, &arguments.project, Command::Kill { comment: arguments.comment }).await
}

/// That the project ends up cancelled is what was asked for.
async fn stop(context: &Context, project: &str, command: Command) -> Result<Exit, Error> {
    match drive(context, project, command).await? {
        Exit::Cancelled => Ok(Exit::Done),
        other => Ok(other),
    }
}
