//! `wfctl diff`: what a project pinned against its file as it is now.

use super::super::args;
use super::super::context::Context;
use super::super::error::Error;
use super::super::exit::Exit;
use super::super::terminal::harmless_lines;
use super::super::workflows;
use crate::domain::workflow::diff;

/// Compares. Differences are no failure.
pub async fn run(context: &Context, arguments: &args::Diff) -> Result<Exit, Error> {
    let (session, summary) = context.read(&arguments.project, "diff").await?;
    let pinned = session.home().definition(&summary.id).await;
    session.close().await;
    let pinned = pinned?;
    let name = arguments.workflow.clone().or(pinned.source).unwrap_or(summary.workflow);
    let mut present = workflows::load(&context.terminal, &name)?.definition;
    // What a person allowed at the start is no part of the file.
    present.allowed.clone_from(&pinned.definition.allowed);
    let found = diff(&pinned.definition, &present);
    if context.is_json {
        context.terminal.json(&found)?;
    } else if found.is_empty() {
        context.terminal.note(format!("no difference to {name}"));
    } else {
        context.terminal.raw(&harmless_lines(&found.to_string()))?;
    }
    Ok(Exit::Done)
}
