//! `wfctl add`: tasks for a project that is under way.

use std::collections::BTreeSet;

use super::super::args;
use super::super::context::Context;
use super::super::error::Error;
use super::super::exit::Exit;
use super::super::trusting::{self, Consent};
use super::super::workflows;
use super::command::give;
use super::{models, secrets};
use crate::domain::machine::Phase;
use crate::domain::project::Command;
use crate::domain::view::ProjectView;
use crate::domain::workflow::{Action, Definition, Outside, TaskSpec, did_you_mean};

/// Adds the tasks of a workflow file.
pub async fn run(context: &Context, arguments: args::Add) -> Result<Exit, Error> {
    let phase = arguments.phase.as_deref().map(phase).transpose()?;
    let (session, summary) = context.read(&arguments.project, "add").await?;
    let outside = async {
        let (view, pinned) = (session.home().show(&summary.id).await?, session.home().definition(&summary.id).await?);
        Ok::<_, Error>(Outside { tasks: names(view), definition: pinned.definition })
    };
    let outside = outside.await;
    session.close().await;
    let found = workflows::load_beside(&context.terminal, &arguments.file.display().to_string(), &outside?)?;
    trusting::settle(context, trusting::workflow(found.files, &found.definition), Consent::from_flag(arguments.trust))?;
    let tasks = checked(context, &found.definition).await?;
    let done = format!("{} task{} added", tasks.len(), if tasks.len() == 1 { "" } else { "s" });
    give(context, &arguments.project, Command::Add { tasks, phase }, &done).await?;
    Ok(Exit::Done)
}

/// The names of the tasks of a project.
pub fn names(view: ProjectView) -> Vec<String> {
    view.tasks.into_iter().map(|task| task.name).collect()
}

/// The tasks of a definition that was read beside a project, checked like those of a start: secrets that can be had, models that can
/// be asked.
pub async fn checked(context: &Context, definition: &Definition) -> Result<Vec<TaskSpec>, Error> {
    let tasks: Vec<TaskSpec> = definition.tasks().map(|(_, task)| (**task).clone()).collect();
    let named: BTreeSet<String> = tasks.iter().flat_map(|task| task.secrets.iter().cloned()).collect();
    secrets::have(context, &named).await?;
    let repair = |task: &TaskSpec| task.on_failure.as_ref().map(|branch| branch.action.clone());
    let actions = tasks.iter().flat_map(|task| [Some(task.action.clone()), repair(task)]).flatten();
    for action in actions {
        if let Action::Agent(agent) = action
            && agent.models.is_empty()
            && definition.models.default.is_empty()
            && definition.models.roles.get(&agent.role).is_none_or(Vec::is_empty)
        {
            return Err(Error::Usage {
                message: format!("the project was started without models, and the agent {} names none", agent.role),
                hint: format!("Name them: `agent: {{role: {}, models: [provider/model]}}`.", agent.role),
            });
        }
    }
    models::check(context, definition)?;
    Ok(tasks)
}

/// A phase by its name.
pub fn phase(name: &str) -> Result<Phase, Error> {
    name.parse().map_err(|()| {
        let names = || Phase::ALL.iter().map(|phase| phase.name());
        let hint = did_you_mean(name, names())
            .unwrap_or_else(|| format!("One of: {}", names().collect::<Vec<_>>().join(", ")));
        Error::Usage { message: format!("`{name}` is not a phase"), hint }
    })
}
