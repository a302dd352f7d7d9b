//! `wfctl signal`: a word from outside.

use super::super::args;
use super::super::context::Context;
use super::super::error::Error;
use super::super::exit::Exit;
use super::super::given;
use super::command::give;
use crate::domain::project::Command;

/// Sends it.
pub async fn run(context: &Context, arguments: args::Signal) -> Result<Exit, Error> {
    let payload = given::json("--payload", &arguments.payload)?;
    let command = Command::Signal { name: arguments.name, payload, request: arguments.request };
    give(context, &arguments.project, command, "received").await?;
    Ok(Exit::Done)
}
