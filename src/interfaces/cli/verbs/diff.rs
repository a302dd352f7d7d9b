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
    let present = workflows::load(&context.terminal, &name)?;
    let found = diff(&pinned.definition, &present.definition);
    if context.is_json {
        context.terminal.json(&found)?;
    } else if found.is_empty() {
        context.terminal.note(format!("no difference to {name}"));
    } else {
        context.terminal.raw(&harmless_lines(&found.to_string()))?;
    }
    Ok(Exit::Done)
}
