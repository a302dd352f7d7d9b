//! `wfctl cancel` and `wfctl kill`. Both drive the project to its end: undo commands are work.

use super::super::args;
use super::super::context::Context;
use super::super::error::Error;
use super::super::exit::Exit;
use super::command::drive;
use crate::domain::machine::ProjectStatus;
use crate::domain::project::Command;
use crate::interfaces::api::{Fault, FaultKind};

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
    let name = command.name();
    match drive(context, project, None, command).await {
        Ok(Exit::Cancelled) => Ok(Exit::Done),
        Err(Error::Ended(summary)) if summary.status == ProjectStatus::Cancelled => {
            context.terminal.note(format!("cancelled already: {}", summary.id));
            Ok(Exit::Done)
        }
        Err(Error::Ended(summary)) => {
            let message = format!("project {} is {}; there is nothing to {name}", summary.id, summary.status);
            Err(Fault::new(FaultKind::Terminal, message).of(&summary.id).into())
        }
        other => other,
    }
}
