//! `wfctl add`: tasks for a project that is under way.

use super::super::args;
use super::super::context::Context;
use super::super::error::Error;
use super::super::exit::Exit;
use super::super::trusting::{self, Consent};
use super::super::workflows;
use super::command::give;
use crate::domain::machine::Phase;
use crate::domain::project::Command;
use crate::domain::workflow::did_you_mean;

/// Adds the tasks of a workflow file.
pub async fn run(context: &Context, arguments: args::Add) -> Result<Exit, Error> {
    let phase = arguments.phase.as_deref().map(phase).transpose()?;
    let (session, summary) = context.read(&arguments.project, "add").await?;
    let view = session.home().show(&summary.id).await;
    session.close().await;
    let outside: Vec<String> = view?.tasks.into_iter().map(|task| task.name).collect();
    let found = workflows::load_beside(&context.terminal, &arguments.file.display().to_string(), &outside)?;
    trusting::settle(context, trusting::workflow(found.files, &found.definition), Consent::from_flag(arguments.trust))?;
    let tasks: Vec<_> = found.definition.tasks().map(|(_, task)| (**task).clone()).collect();
    let done = format!("{} task{} added", tasks.len(), if tasks.len() == 1 { "" } else { "s" });
    give(context, &arguments.project, Command::Add { tasks, phase }, &done).await?;
    Ok(Exit::Done)
}

fn phase(name: &str) -> Result<Phase, Error> {
    name.parse().map_err(|()| {
        let names = || Phase::ALL.iter().map(|phase| phase.name());
        let hint = did_you_mean(name, names())
            .unwrap_or_else(|| format!("One of: {}", names().collect::<Vec<_>>().join(", ")));
        Error::Usage { message: format!("`{name}` is not a phase"), hint }
    })
}
