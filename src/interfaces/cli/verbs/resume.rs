//! `wfctl resume`: go on where it was.

use super::super::args;
use super::super::context::{Context, find};
use super::super::error::Error;
use super::super::exit::Exit;
use super::super::given;
use super::super::table::{self, plain as cell};
use super::super::terminal::{Tone, harmless};
use super::{allow, drive, run};
use crate::app::Need;
use crate::domain::event::DoubtAnswer;
use crate::domain::ids::{ProjectId, Seq};
use crate::domain::project::{Command, RecoveryKind};
use crate::interfaces::api::Home;

/// Goes on with one project, or with all.
pub async fn run(context: &Context, arguments: args::Resume) -> Result<Exit, Error> {
    if arguments.all && context.app.is_untouched() {
        context.terminal.note("no projects yet; begin with: wfctl init");
        return Ok(Exit::Done);
    }
    if arguments.dry_run {
        arguments.project.as_deref().map_or(Ok(()), |typed| context.must_have(typed))?;
        return plan(context, &arguments).await;
    }
    let command = command(&arguments)?;
    arguments.project.as_deref().map_or(Ok(()), |typed| context.must_have(typed))?;
    if arguments.detach || arguments.all {
        return many(context, &arguments, command).await;
    }
    let more = allow::more(&arguments.allow)?;
    super::command::drive(context, arguments.project.as_deref().unwrap_or_default(), more, command).await
}

/// To go on and nothing else.
pub fn plain() -> Command {
    Command::Resume { in_doubt: None, budget: None, comment: String::new() }
}

fn command(arguments: &args::Resume) -> Result<Command, Error> {
    let in_doubt = arguments.in_doubt.map(|how| match how {
        args::InDoubt::Rerun => DoubtAnswer::Rerun,
        args::InDoubt::Done => DoubtAnswer::Done,
        args::InDoubt::Fail => DoubtAnswer::Fail,
    });
    let budget = arguments.budget.as_deref().map(given::caps).transpose()?;
    Ok(Command::Resume { in_doubt, budget, comment: String::new() })
}

async fn targets(home: &Home, arguments: &args::Resume) -> Result<Vec<ProjectId>, Error> {
    if let Some(typed) = &arguments.project {
        return Ok(vec![find(home, typed).await?.id]);
    }
    let (all, _) = home.find("").await?;
    let open = all.into_iter().filter(|summary| !summary.status.is_terminal() && summary.parent.is_none());
    Ok(open.map(|summary| summary.id).collect())
}

/// Several projects: here until all have ended or wait for someone, or in the background.
async fn many(context: &Context, arguments: &args::Resume, command: Command) -> Result<Exit, Error> {
    let mut interrupts = drive::Interrupts::listen()?;
    if arguments.detach {
        let resumed =
            run::in_engine(context, &mut interrupts, async |home| begin(context, home, arguments, &command).await);
        return Ok(match resumed.await? {
            Some(_) => Exit::Done,
            None => Exit::Interrupted,
        });
    }
    let Some(session) = interrupts.unless(context.app.open(Need::Drive, "resume --all")).await else {
        return Ok(Exit::Interrupted);
    };
    let session = session?;
    match begin(context, session.home(), arguments, &command).await {
        Ok(begun) if begun.is_empty() => drive::close(session).await.map(|()| Exit::Done),
        Ok(begun) => drive::drive(context, session, &begun, &mut interrupts).await,
        Err(error) => {
            drive::close(session).await?;
            Err(error)
        }
    }
}

/// Lets the engine drive them. With `--all` one that cannot go on without a person (its budget is used up, it was written by
/// a later release) is told and does not stop the others.
async fn begin(
    context: &Context,
    home: &Home,
    arguments: &args::Resume,
    command: &Command,
) -> Result<Vec<(ProjectId, Seq)>, Error> {
    let more = allow::more(&arguments.allow)?;
    let mut begun = Vec::new();
    for id in targets(home, arguments).await? {
        let from = home.show(&id).await.map(|view| view.seq);
        let allowed = match (&more, &from) {
            (Some(more), Ok(_)) => home.command(&id, more.clone()).await.map(drop),
            (None, _) | (_, Err(_)) => Ok(()),
        };
        let resumed = match from {
            Ok(from) => match allowed {
                Ok(()) => home.resume(&id, command.clone()).await.map(|()| from),
                Err(fault) => Err(fault),
            },
            Err(fault) => Err(fault),
        };
        match resumed {
            Ok(from) => {
                context.terminal.data(id.as_str())?;
                begun.push((id, from));
            }
            Err(fault) if arguments.all && !fault.is_of_the_engine() => {
                let text = format!("not resumed: {id}: {}", harmless(&fault.message));
                context.terminal.note(context.terminal.paint_note(Tone::Warn, text));
            }
            Err(fault) => return Err(fault.into()),
        }
    }
    if begun.is_empty() && arguments.all {
        context.terminal.note("nothing was resumed: see `wfctl list`");
    }
    Ok(begun)
}

async fn plan(context: &Context, arguments: &args::Resume) -> Result<Exit, Error> {
    let session = context.app.open(Need::Read, "resume --dry-run").await?;
    let planned = async {
        let mut plans = Vec::new();
        for id in targets(session.home(), arguments).await? {
            let items = session.home().plan(&id).await?;
            plans.push((id, items));
        }
        Ok::<_, Error>(plans)
    }
    .await;
    session.close().await;
    for (id, items) in planned? {
        if context.is_json {
            context.terminal.json(&serde_json::json!({"v": 1, "type": "plan", "project": id, "steps": items}))?;
            continue;
        }
        context.terminal.data(id.as_str())?;
        let rows: Vec<_> = items
            .iter()
            .map(|item| {
                let what = match item.kind {
                    RecoveryKind::ReadBack => (Tone::Dim, "read back from the journal"),
                    RecoveryKind::RunAgain => (Tone::Plain, "run again"),
                    RecoveryKind::RestoreAndRun => (Tone::Plain, "run again from the restored worktree"),
                    RecoveryKind::Probe => (Tone::Plain, "looked for; run only if it did not happen"),
                    RecoveryKind::Ask => (Tone::Warn, "asked: it must not run twice (--in-doubt)"),
                };
                vec![
                    cell(format!("  {}", harmless(&item.task))),
                    cell(format!("step {}", item.step)),
                    (what.0, what.1.to_owned()),
                ]
            })
            .collect();
        if rows.is_empty() {
            context.terminal.data("  no step is open; tasks that wait go on waiting, tasks that are ready start")?;
        }
        for line in table::lines(&context.terminal, &rows) {
            context.terminal.data(line)?;
        }
    }
    Ok(Exit::Done)
}
