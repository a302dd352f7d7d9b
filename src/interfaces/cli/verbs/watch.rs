//! `wfctl watch`: a project live. On a terminal its table is drawn again with each change; elsewhere its records are lines.

use super::super::args;
use super::super::context::Context;
use super::super::error::Error;
use super::super::exit::Exit;
use super::super::follow::{End, follow};
use super::drive::interrupt;
use super::show;
use crate::domain::ids::Seq;

/// Tasks that fit a screen.
const SHOWN: usize = 40;
/// To the upper left, clearing what is below.
const CLEAR: &str = "\x1b[H\x1b[2J";

/// Watches it until it ends; a signal ends the watching only.
pub async fn run(context: &Context, arguments: &args::Project) -> Result<Exit, Error> {
    let (session, summary) = context.read(&arguments.project, "watch").await?;
    let home = session.home().clone();
    let id = summary.id;
    let watching = async {
        if !context.terminal.is_out_terminal() || !context.terminal.is_live() || context.is_json {
            let view = home.show(&id).await?;
            return Ok::<_, Error>(Some(follow(context, &home, &id, view.seq).await?));
        }
        loop {
            let view = home.show(&id).await?;
            let text = show::lines(&context.terminal, &view, context.app.now(), SHOWN).join("\n");
            context.terminal.raw(&format!("{CLEAR}{text}\n"))?;
            if view.summary.status.is_terminal() {
                return Ok(Some(End::Closed(view.summary)));
            }
            if home.records(&id, Seq(view.seq.0), true).await?.is_empty() {
                return Ok(Some(End::Undriven(view.summary)));
            }
        }
    };
    let ended = tokio::select! {
        ended = watching => ended,
        () = interrupt()? => Ok(None),
    };
    session.close().await;
    match ended? {
        Some(End::Undriven(_)) => {
            context.terminal.note(format!("no engine drives it; go on with: wfctl resume {id}"));
            Ok(Exit::Done)
        }
        Some(end) => Ok(end.exit()),
        None => Ok(Exit::Interrupted),
    }
}
