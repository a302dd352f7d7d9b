//! `wfctl retry`: a new series of attempts.

use super::super::args;
use super::super::context::Context;
use super::super::error::Error;
use super::super::exit::Exit;
use super::command::give;
use crate::domain::project::Command;

/// Retries a task, or all that failed.
pub async fn run(context: &Context, arguments: args::Retry) -> Result<Exit, Error> {
    give(context, &arguments.project, Command::Retry { task: arguments.task }, "a new series of attempts").await?;
    Ok(Exit::Done)
}
