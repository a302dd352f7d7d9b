//! `wfctl approve` and `wfctl reject`.

use super::super::args;
use super::super::context::Context;
use super::super::error::Error;
use super::super::exit::Exit;
use super::command::give;
use crate::domain::event::Decision;
use crate::domain::project::Command;

/// Yes.
pub async fn approve(context: &Context, arguments: args::Decide) -> Result<Exit, Error> {
    decide(context, arguments, Decision::Approved, "approved").await
}

/// No.
pub async fn reject(context: &Context, arguments: args::Decide) -> Result<Exit, Error> {
    decide(context, arguments, Decision::Rejected, "rejected").await
}

async fn decide(context: &Context, arguments: args::Decide, decision: Decision, done: &str) -> Result<Exit, Error> {
    let command = Command::Answer { task: arguments.task, decision, comment: arguments.comment };
    give(context, &arguments.project, command, done).await?;
    Ok(Exit::Done)
}
