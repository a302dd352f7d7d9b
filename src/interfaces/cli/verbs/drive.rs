//! What `run` and `resume` share: driving a project in the foreground, or following it where it is driven.

use tokio::signal::unix::{SignalKind, signal};

use super::super::context::Context;
use super::super::error::Error;
use super::super::exit::Exit;
use super::super::follow::{End, follow};
use super::super::terminal::{Tone, harmless};
use crate::app::Session;
use crate::domain::ids::{ProjectId, Seq};
use crate::domain::machine::ProjectStatus;
use crate::engine::Handle;
use crate::interfaces::api::Line;

/// Follows a project until it ends or needs someone, then gives the home back. A first signal stops what this process
/// drives, in order; a second one ends it at once.
pub async fn drive(context: &Context, session: Session, id: &ProjectId, from: Seq) -> Result<Exit, Error> {
    let terminal = &context.terminal;
    if let Some(holder) = session.holder() {
        terminal.note(terminal.paint_note(Tone::Dim, format!("driven by pid {}; following it", holder.pid)));
    }
    let mut interrupted = Box::pin(interrupt()?);
    let followed = tokio::select! {
        end = follow(context, session.home(), id, from) => Some(end),
        () = &mut interrupted => None,
    };
    let followed = match followed {
        Some(Err(error)) if session.holder().is_some() && error.is_broken_connection() => {
            Some(ended_with_its_engine(context, id).await.ok_or(error))
        }
        followed => followed,
    };
    let exit = match followed {
        Some(Ok(end)) => {
            if matches!(end, End::Closed(_))
                && let Err(problem) = session.settled(id).await
            {
                let text =
                    format!("what follows its end is not done: {}; the next engine tries again", harmless(&problem));
                terminal.note(terminal.paint_note(Tone::Warn, text));
            }
            let exit = tell_end(context, &end)?;
            let stayed = match session.engine() {
                Some(engine) => stay(context, engine.clone(), &end, &mut interrupted).await,
                None => true,
            };
            if stayed { exit } else { Exit::Interrupted }
        }
        Some(Err(error)) => {
            close(session).await?;
            return Err(error);
        }
        None => {
            match session.holder() {
                Some(_) => terminal.note(format!("detached; it goes on. Follow it again with `wfctl watch {id}`")),
                None => terminal.note("stopping; a second Ctrl-C ends at once"),
            }
            Exit::Interrupted
        }
    };
    let was_here = session.holder().is_none();
    close(session).await?;
    if exit == Exit::Interrupted && was_here {
        terminal.note(format!("interrupted; go on with: wfctl resume {id}"));
    }
    Ok(exit)
}

/// How a project ended whose engine left right after it, before it could tell; `None` when it did not end.
async fn ended_with_its_engine(context: &Context, id: &ProjectId) -> Option<End> {
    let (session, summary) = context.read(id.as_str(), "follow").await.ok()?;
    session.close().await;
    summary.status.is_terminal().then_some(End::Closed(summary))
}

/// Gives the home back; a second signal meanwhile ends the process.
pub async fn close(session: Session) -> Result<(), Error> {
    let interrupted = interrupt()?;
    tokio::select! {
        why = session.close() => match why {
            Some(why) => Err(Error::Internal(format!("the engine ended by itself: {why}"))),
            None => Ok(()),
        },
        () = interrupted => std::process::exit(i32::from(Exit::Interrupted.code())),
    }
}

/// Resolves at the next SIGINT, SIGTERM or SIGHUP.
pub fn interrupt() -> Result<impl Future<Output = ()>, Error> {
    let listen = |kind| signal(kind).map_err(|source| Error::System { doing: "listen for signals".to_owned(), source });
    let (mut int, mut term) = (listen(SignalKind::interrupt())?, listen(SignalKind::terminate())?);
    let mut hangup = listen(SignalKind::hangup())?;
    Ok(async move {
        tokio::select! {
            _ = int.recv() => {}
            _ = term.recv() => {}
            _ = hangup.recv() => {}
        }
    })
}

fn tell_end(context: &Context, end: &End) -> Result<Exit, Error> {
    let (summary, exit) = (end.summary(), end.exit());
    if context.is_json {
        context.terminal.json(&Line::ended(summary.clone(), exit.code()))?;
        return Ok(exit);
    }
    let terminal = &context.terminal;
    let id = &summary.id;
    match end {
        // The record that closed it has been shown.
        End::Closed(_) => {
            if summary.status == ProjectStatus::Failed {
                terminal.note(format!("see why with: wfctl show {id}"));
            }
        }
        End::Held(_) => {
            let note = if summary.note.is_empty() { "a task is in doubt" } else { &summary.note };
            let text = format!("held: {}", harmless(note));
            terminal.note(terminal.paint_note(Tone::Warn, text));
            terminal.note(format!("what to do: wfctl why {id}"));
        }
        End::Undriven(_) => terminal.note(format!("no engine drives it any more; go on with: wfctl resume {id}")),
    }
    Ok(exit)
}

/// The project of this verb is done with; others that were started from elsewhere are not. False: a signal came.
async fn stay(
    context: &Context,
    mut engine: Handle,
    end: &End,
    interrupted: &mut (impl Future<Output = ()> + Unpin),
) -> bool {
    let own = usize::from(!matches!(end, End::Closed(_)));
    let others = |engine: &Handle| engine.progress().driven.saturating_sub(own);
    engine.seen();
    if others(&engine) > 0 {
        let count = others(&engine);
        context.terminal.note(format!("{count} other projects are driven here; staying for them (Ctrl-C stops them)"));
    }
    while others(&engine) > 0 {
        tokio::select! {
            is_going_on = engine.changed() => if !is_going_on { return true },
            () = &mut *interrupted => return false,
        }
    }
    true
}
