//! `wfctl logs`: what a task wrote.

use std::time::Duration;

use super::super::args;
use super::super::context::Context;
use super::super::error::Error;
use super::super::exit::Exit;
use super::super::terminal::{Tone, harmless, harmless_lines};
use super::drive::interrupt;
use crate::domain::ids::ProjectId;
use crate::interfaces::api::{FaultKind, Home};

/// Between two looks at a file that is being written.
const POLL: Duration = Duration::from_millis(200);

/// Prints it.
pub async fn run(context: &Context, arguments: &args::Logs) -> Result<Exit, Error> {
    let (session, summary) = context.read(&arguments.project, "logs").await?;
    let home = session.home().clone();
    let printed = tokio::select! {
        printed = print(context, &home, &summary.id, arguments) => printed,
        () = interrupt()? => Ok(()),
    };
    session.close().await;
    printed.map(|()| Exit::Done)
}

async fn print(context: &Context, home: &Home, id: &ProjectId, arguments: &args::Logs) -> Result<(), Error> {
    if let Some(task) = &arguments.task {
        return one(context, home, id, task, arguments).await;
    }
    let view = home.show(id).await?;
    for task in view.tasks.iter().filter(|task| task.attempt > 0) {
        let head = format!("== {} ==", harmless(&task.name));
        match home.log(id, &task.name, arguments.attempt, arguments.step, 0).await {
            Ok(page) if page.text.is_empty() => {}
            Ok(_) => {
                context.terminal.data(context.terminal.paint(Tone::Bold, head))?;
                one(context, home, id, &task.name, arguments).await?;
            }
            Err(fault) if fault.kind == FaultKind::NoLog => {}
            Err(fault) => return Err(fault.into()),
        }
    }
    Ok(())
}

async fn one(context: &Context, home: &Home, id: &ProjectId, task: &str, arguments: &args::Logs) -> Result<(), Error> {
    let mut offset = 0;
    let mut ends_line = true;
    // Once a step is being followed it stays that one, whatever begins after it.
    let (mut attempt, mut step) = (arguments.attempt, arguments.step);
    loop {
        let page = home.log(id, task, attempt, step, offset).await?;
        (attempt, step) = (Some(page.attempt), Some(page.step));
        if !page.text.is_empty() {
            context.terminal.raw(&harmless_lines(&page.text))?;
            ends_line = page.text.ends_with('\n');
        }
        offset = page.next;
        if page.more {
            continue;
        }
        if !(arguments.follow && page.live) {
            break;
        }
        tokio::time::sleep(POLL).await;
    }
    if ends_line { Ok(()) } else { context.terminal.data("") }
}
