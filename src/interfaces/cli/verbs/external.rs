//! `wfctl claim`, `heartbeat` and `answer`: a worker outside.

use super::super::args;
use super::super::context::Context;
use super::super::error::Error;
use super::super::exit::Exit;
use super::super::given;
use super::command::give;
use crate::domain::project::Command;

/// Takes a task; prints the token that later calls must show.
pub async fn claim(context: &Context, arguments: args::Claim) -> Result<Exit, Error> {
    let worker = arguments.worker.unwrap_or_else(|| context.app.environment().user());
    let command = Command::Claim { task: arguments.task, worker };
    let (id, token) = give(context, &arguments.project, command, "claimed").await?;
    let token = token.ok_or_else(|| Error::Internal("a claim gave no token".to_owned()))?;
    if context.is_json {
        context.terminal.json(&serde_json::json!({"v": 1, "type": "claimed", "project": id, "token": token}))?;
    } else {
        context.terminal.data(token.to_string())?;
    }
    Ok(Exit::Done)
}

/// Is alive.
pub async fn heartbeat(context: &Context, arguments: args::Heartbeat) -> Result<Exit, Error> {
    let command = Command::Heartbeat { task: arguments.task, token: arguments.token };
    give(context, &arguments.project, command, "alive").await?;
    Ok(Exit::Done)
}

/// Delivers.
pub async fn answer(context: &Context, arguments: args::Answer) -> Result<Exit, Error> {
    let result = match (arguments.output, arguments.error) {
        (Some(output), _) => Ok(given::json("--output", &output)?),
        (None, error) => Err(error.unwrap_or_default()),
    };
    let command = Command::Result { task: arguments.task, token: arguments.token, result };
    give(context, &arguments.project, command, "delivered").await?;
    Ok(Exit::Done)
}
