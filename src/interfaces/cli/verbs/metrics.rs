//! `wfctl metrics`: numbers for a monitoring system, asked of the engine or added up from the journal.

use super::super::args;
use super::super::context::Context;
use super::super::error::Error;
use super::super::exit::Exit;
use crate::app::Need;
use crate::interfaces::metrics::GRAFANA;

/// Prints them, or the dashboard over them.
pub async fn run(context: &Context, arguments: &args::Metrics) -> Result<Exit, Error> {
    if arguments.grafana {
        context.terminal.raw(GRAFANA)?;
        return Ok(Exit::Done);
    }
    if context.app.is_untouched() {
        context.terminal.note(format!("nothing is stored yet: {}", context.app.home().display()));
        return Ok(Exit::Done);
    }
    let session = context.app.open(Need::Read, "metrics").await?;
    let text = session.home().metrics().await;
    session.close().await;
    context.terminal.raw(&text?)?;
    Ok(Exit::Done)
}
