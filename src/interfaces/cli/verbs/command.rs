//! Giving a command to a project: what most verbs are.

use super::super::context::{Context, find};
use super::super::error::Error;
use super::super::terminal::Tone;
use crate::app::Need;
use crate::domain::ids::ProjectId;
use crate::domain::project::Command;

/// Gives a command; `done` tells in words what happened. Returns what the command gives back.
pub async fn give(
    context: &Context,
    typed: &str,
    command: Command,
    done: &str,
) -> Result<(ProjectId, Option<u64>), Error> {
    context.must_have(typed)?;
    let session = context.app.open(Need::Command, command.name()).await?;
    let given = async {
        let summary = find(session.home(), typed).await?;
        let (value, is_driven) = session.home().command(&summary.id, command).await?;
        let after = find(session.home(), summary.id.as_str()).await?;
        Ok::<_, Error>((after, value, is_driven))
    }
    .await;
    super::drive::close(session).await?;
    let (summary, value, is_driven) = given?;
    let (id, terminal) = (summary.id, &context.terminal);
    if !context.is_json {
        terminal.note(format!("{done}: {id}"));
        if !is_driven && !summary.status.is_terminal() && done != "paused" {
            let text = format!("no engine drives it; go on with: wfctl resume {id}");
            terminal.note(terminal.paint_note(Tone::Warn, text));
        }
    }
    Ok((id, value))
}

/// Gives a command that must be driven to have its effect: the home's engine does it, or this process becomes it.
/// `before` comes first.
pub async fn drive(
    context: &Context,
    typed: &str,
    before: Option<Command>,
    command: Command,
) -> Result<super::super::exit::Exit, Error> {
    context.must_have(typed)?;
    let mut interrupts = super::drive::Interrupts::listen()?;
    let Some(session) = interrupts.unless(context.app.open(Need::Drive, command.name())).await else {
        return Ok(super::super::exit::Exit::Interrupted);
    };
    let session = session?;
    let prepared = async {
        let summary = find(session.home(), typed).await?;
        // A resume of one that has ended still tidies up after it, and says so itself.
        if summary.status.is_terminal() && !matches!(command, Command::Resume { .. }) {
            return Err(Error::Ended(Box::new(summary)));
        }
        let view = session.home().show(&summary.id).await?;
        if let Some(before) = before {
            session.home().command(&summary.id, before).await?;
        }
        session.home().resume(&summary.id, command).await?;
        Ok::<_, Error>((summary.id, view.seq))
    }
    .await;
    match prepared {
        Ok((id, from)) => super::drive::drive(context, session, &[(id, from)], &mut interrupts).await,
        Err(error) => {
            super::drive::close(session).await?;
            Err(error)
        }
    }
}
