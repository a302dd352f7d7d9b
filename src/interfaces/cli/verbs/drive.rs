//! What `run` and `resume` share: driving a project in the foreground, or following it where it is driven.

use tokio::signal::unix::{Signal, SignalKind, signal};

use super::super::context::Context;
use super::super::error::Error;
use super::super::exit::Exit;
use super::super::follow::{End, follow};
use super::super::terminal::{Tone, harmless};
use super::landing;
use crate::app::Session;
use crate::domain::ids::{ProjectId, Seq};
use crate::domain::machine::ProjectStatus;
use crate::engine::Handle;
use crate::interfaces::api::Line;

/// Follows projects, each from a position on, until all of them have ended or need someone, then gives the home back. A first signal stops what this process
/// drives, in order; a second one ends it at once.
pub async fn drive(
    context: &Context,
    session: Session,
    targets: &[(ProjectId, Seq)],
    interrupts: &mut Interrupts,
) -> Result<Exit, Error> {
    let terminal = &context.terminal;
    let again = |verb: &str| match targets {
        [(id, _)] => format!("{verb} {id}"),
        _ => "resume --all".to_owned(),
    };
    if let Some(holder) = session.holder() {
        terminal.note(terminal.paint_note(Tone::Dim, format!("driven by pid {}; following it", holder.pid)));
    }
    let mut interrupted = Box::pin(interrupts.next());
    let followed = tokio::select! {
        ends = all(context, &session, targets) => Some(ends),
        () = &mut interrupted => None,
    };
    let exit = match followed {
        Some(Ok((ends, exit))) => {
            let stayed = match session.engine() {
                Some(engine) => stay(context, engine.clone(), &ends, &mut interrupted).await,
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
                Some(_) => {
                    terminal.note(format!("detached; it goes on. follow it again with: wfctl {}", again("watch")))
                }
                None => terminal.note("stopping; a second Ctrl-C ends at once"),
            }
            Exit::Interrupted
        }
    };
    let was_here = session.holder().is_none();
    close(session).await?;
    if exit == Exit::Interrupted && was_here {
        terminal.note(format!("interrupted; go on with: wfctl {}", again("resume")));
    }
    Ok(exit)
}

/// Follows all of them at once and tells how each ended. The exit code is the one that most needs to be seen.
async fn all(context: &Context, session: &Session, targets: &[(ProjectId, Seq)]) -> Result<(Vec<End>, Exit), Error> {
    let terminal = &context.terminal;
    let each = targets.iter().map(|(id, from)| async move {
        let end = match follow(context, session.home(), id, *from).await {
            Err(error) if session.holder().is_some() && error.is_broken_connection() => {
                ended_with_its_engine(context, id).await.ok_or(error)?
            }
            followed => followed?,
        };
        if matches!(end, End::Closed(_))
            && let Err(problem) = session.settled(id).await
        {
            let text = format!("what follows its end is not done: {}; the next engine tries again", harmless(&problem));
            terminal.note(terminal.paint_note(Tone::Warn, text));
        }
        let exit = tell_end(context, &end)?;
        if matches!(end, End::Closed(_)) && !context.is_json {
            // Whoever cannot be asked any more has told its records before.
            let view = session.home().show(id).await.ok();
            for told in view.iter().flat_map(landing::not_landed) {
                terminal.note(terminal.paint_note(Tone::Warn, told));
            }
        }
        Ok::<_, Error>((end, exit))
    });
    let (ends, exits): (Vec<End>, Vec<Exit>) = futures_util::future::try_join_all(each).await?.into_iter().unzip();
    let order = [Exit::Interrupted, Exit::Failed, Exit::Held, Exit::Cancelled];
    let worst = order.into_iter().find(|exit| exits.contains(exit));
    Ok((ends, worst.unwrap_or(Exit::Done)))
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

/// The signals that ask this process to stop, from the moment this is made: one that comes before anybody waits for it is
/// kept until somebody does.
pub struct Interrupts([Signal; 3]);

impl Interrupts {
    /// Listens to SIGINT, SIGTERM and SIGHUP.
    pub fn listen() -> Result<Self, Error> {
        let listen =
            |kind| signal(kind).map_err(|source| Error::System { doing: "listen for signals".to_owned(), source });
        let kinds = [SignalKind::interrupt(), SignalKind::terminate(), SignalKind::hangup()];
        let [int, term, hangup] = kinds.map(listen);
        Ok(Self([int?, term?, hangup?]))
    }

    /// Resolves at the next one.
    pub async fn next(&mut self) {
        let [int, term, hangup] = &mut self.0;
        tokio::select! {
            _ = int.recv() => {}
            _ = term.recv() => {}
            _ = hangup.recv() => {}
        }
    }

    /// What `opening` opens, or nothing when a signal came first.
    pub async fn unless<T>(&mut self, opening: impl Future<Output = T>) -> Option<T> {
        tokio::select! {
            biased;
            opened = opening => Some(opened),
            () = self.next() => None,
        }
    }
}

/// Resolves at the next signal from now on.
pub fn interrupt() -> Result<impl Future<Output = ()>, Error> {
    let mut interrupts = Interrupts::listen()?;
    Ok(async move { interrupts.next().await })
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
        End::Held(_, children) => {
            // The last one is the lowest: what it waits for is what all of them wait for.
            let held = children.last().unwrap_or(summary);
            let note = if held.note.is_empty() { "a task is in doubt" } else { &held.note };
            let what = if children.is_empty() { String::new() } else { format!("child project {}: ", held.id) };
            let text = format!("held: {what}{}", harmless(note));
            terminal.note(terminal.paint_note(Tone::Warn, text));
            terminal.note(format!("what to do: wfctl why {}", held.id));
        }
        End::Undriven(_) => terminal.note(format!("no engine drives it any more; go on with: wfctl resume {id}")),
    }
    Ok(exit)
}

/// The project of this verb is done with; others that were started from elsewhere are not. False: a signal came.
async fn stay(
    context: &Context,
    mut engine: Handle,
    ends: &[End],
    interrupted: &mut (impl Future<Output = ()> + Unpin),
) -> bool {
    let own = |end: &End| match end {
        End::Closed(_) => 0,
        End::Held(_, children) => 1 + children.len(),
        End::Undriven(_) => 1,
    };
    let own: usize = ends.iter().map(own).sum();
    let others = |engine: &Handle| engine.progress().driven.saturating_sub(own);
    engine.seen();
    if others(&engine) > 0 {
        let count = others(&engine);
        let what = if count == 1 { "another project is".to_owned() } else { format!("{count} other projects are") };
        context.terminal.note(format!("{what} driven here; staying for that (Ctrl-C stops it)"));
    }
    while others(&engine) > 0 {
        tokio::select! {
            is_going_on = engine.changed() => if !is_going_on { return true },
            () = &mut *interrupted => return false,
        }
    }
    true
}
