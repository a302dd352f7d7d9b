//! `wfctl resume`: go on where it was.

use super::super::args;
use super::super::context::{Context, find};
use super::super::error::Error;
use super::super::exit::Exit;
use super::super::given;
use super::super::table::{self, plain as cell};
use super::super::terminal::{Tone, harmless};
use super::{drive, run};
use crate::app::Need;
use crate::domain::event::DoubtAnswer;
use crate::domain::ids::ProjectId;
use crate::domain::project::{Command, RecoveryKind};
use crate::interfaces::api::Home;

/// Goes on with one project, or with all.
pub async fn run(context: &Context, arguments: args::Resume) -> Result<Exit, Error> {
    if arguments.dry_run {
        return plan(context, &arguments).await;
    }
    let command = command(&arguments)?;
    if arguments.detach || arguments.all {
        return many(context, &arguments, command).await;
    }
    super::command::drive(context, arguments.project.as_deref().unwrap_or_default(), command).await
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
    let session = match arguments.detach {
        true => run::engine_session(context).await?.0,
        false => context.app.open(Need::Drive, "resume").await?,
    };
    let resumed = async {
        let ids = targets(session.home(), arguments).await?;
        let mut last = None;
        for id in &ids {
            let from = session.home().show(id).await?.seq;
            session.home().resume(id, command.clone()).await?;
            context.terminal.data(id.as_str())?;
            last = Some((id.clone(), from));
        }
        Ok::<_, Error>(last)
    }
    .await;
    match resumed {
        Ok(Some((id, from))) if !arguments.detach => drive::drive(context, session, &id, from).await,
        Ok(last) => {
            drive::close(session).await?;
            if last.is_none() {
                context.terminal.note("nothing to resume: every project has ended");
            }
            Ok(Exit::Done)
        }
        Err(error) => {
            drive::close(session).await?;
            Err(error)
        }
    }
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
