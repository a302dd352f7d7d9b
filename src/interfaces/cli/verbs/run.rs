//! `wfctl run`: start a project and follow it.

use std::path::PathBuf;

use super::super::args;
use super::super::context::Context;
use super::super::error::Error;
use super::super::exit::Exit;
use super::super::given;
use super::super::terminal::{Tone, harmless};
use super::super::workflows::{self, Found};
use super::drive;
use crate::app::{Need, Session, git_root};
use crate::domain::ids::{ProjectId, Seq};
use crate::domain::workflow::{Definition, WorkspaceKind, tree};
use crate::interfaces::api::{FaultKind, Line, StartRequest};

/// Starts it.
pub async fn run(context: &Context, arguments: args::Run) -> Result<Exit, Error> {
    let found = workflows::load(&context.terminal, &arguments.workflow)?;
    let start = request(context, &arguments, found)?;
    if arguments.dry_run {
        return plan(context, &start);
    }
    if arguments.detach {
        return detach(context, start).await;
    }
    let session = context.app.open(Need::Drive, "run").await?;
    let started = match session.home().start(start).await {
        Ok((id, existed)) => begin(context, &session, id, existed).await,
        Err(fault) => Err(fault.into()),
    };
    match started {
        Ok((id, from)) => drive::drive(context, session, &id, from).await,
        Err(error) => {
            drive::close(session).await?;
            Err(error)
        }
    }
}

/// Tells that it is started; one that existed is driven from here on.
async fn begin(context: &Context, session: &Session, id: ProjectId, existed: bool) -> Result<(ProjectId, Seq), Error> {
    let from = if existed { session.home().show(&id).await?.seq } else { Seq(0) };
    if existed {
        match session.home().resume(&id, super::resume::plain()).await {
            Err(fault) if fault.kind != FaultKind::Terminal => return Err(fault.into()),
            // One that has ended only tells how.
            Ok(()) | Err(_) => {}
        }
    }
    tell_started(context, &id, existed)?;
    Ok((id, from))
}

fn tell_started(context: &Context, id: &ProjectId, existed: bool) -> Result<(), Error> {
    if context.is_json {
        return context.terminal.json(&Line::started(id, existed));
    }
    if existed {
        context.terminal.note(context.terminal.paint_note(Tone::Dim, "it was started before"));
    }
    context.terminal.data(id.as_str())
}

fn request(context: &Context, arguments: &args::Run, found: Found) -> Result<StartRequest, Error> {
    let inputs = given::inputs(&found.definition, &arguments.inputs)?;
    let id = arguments.id.as_deref().map(|text| {
        ProjectId::new(text).map_err(|error| Error::Usage {
            message: error.to_string(),
            hint: "Ids have lower-case letters, digits, `.`, `_` and `-`, and begin with a letter or digit.".to_owned(),
        })
    });
    let base_dir = base_dir(arguments.dir.clone())?;
    let base_commit = match found.definition.workspace {
        WorkspaceKind::Worktree => Some(context.app.base_commit(&base_dir)?),
        WorkspaceKind::Dir | WorkspaceKind::None => None,
    };
    let env = context.app.environment().captured(&found.definition.pass_env);
    let base_dir = base_dir.into_os_string().into_string().map_err(|path| Error::Usage {
        message: format!("the folder {} is not UTF-8 text", path.to_string_lossy()),
        hint: "Rename it, or name another one with --dir.".to_owned(),
    })?;
    Ok(StartRequest {
        id: id.transpose()?,
        definition: found.definition,
        inputs,
        env,
        base_dir,
        source: found.path.map(|path| path.display().to_string()),
        base_commit,
    })
}

fn base_dir(given: Option<PathBuf>) -> Result<PathBuf, Error> {
    let named = given.clone();
    let here = || std::env::current_dir().map(|here| git_root(&here).unwrap_or(here));
    let dir = given.map_or_else(here, Ok).and_then(|dir| dir.canonicalize()).and_then(|dir| match dir.is_dir() {
        true => Ok(dir),
        false => Err(std::io::ErrorKind::NotADirectory.into()),
    });
    let path = || named.unwrap_or_else(|| PathBuf::from("."));
    dir.map_err(|source| Error::File { doing: "use as the folder to run in:", path: path(), source })
}

/// Nothing is written: what would be started, in the order it could run.
fn plan(context: &Context, start: &StartRequest) -> Result<Exit, Error> {
    let definition = &start.definition;
    if context.is_json {
        context.terminal.json(&serde_json::json!({
            "v": 1, "type": "plan", "workflow": definition.name, "inputs": start.inputs, "base_dir": start.base_dir,
            "base_commit": start.base_commit, "tasks": order(definition),
        }))?;
        return Ok(Exit::Done);
    }
    let terminal = &context.terminal;
    terminal.data(format!("in {}", harmless(&start.base_dir)))?;
    for (name, value) in &start.inputs {
        terminal.data(format!("input {} = {}", harmless(name), harmless(&value.to_string())))?;
    }
    terminal.raw(&tree(definition, None))?;
    terminal.note("nothing was started (--dry-run)");
    Ok(Exit::Done)
}

/// The names of the tasks, each after all that it needs.
fn order(definition: &Definition) -> Vec<String> {
    let names: Vec<&str> = definition.tasks().map(|(_, task)| task.name.as_str()).collect();
    let graph = crate::domain::workflow::graph_of(definition);
    let order = graph.topological_order().unwrap_or_default();
    order.into_iter().filter_map(|at| names.get(at as usize)).map(|name| (*name).to_owned()).collect()
}

/// Starts it in the engine that holds the home, or in one that is started for it.
async fn detach(context: &Context, start: StartRequest) -> Result<Exit, Error> {
    let (session, ()) = engine_session(context).await?;
    let started = session.home().start(start).await;
    let again = match &started {
        Ok((id, true)) => session.home().resume(id, super::resume::plain()).await,
        Ok((_, false)) | Err(_) => Ok(()),
    };
    drive::close(session).await?;
    let (id, existed) = started?;
    match again {
        Err(fault) if fault.kind != FaultKind::Terminal => return Err(fault.into()),
        Ok(()) | Err(_) => {}
    }
    tell_started(context, &id, existed)?;
    Ok(Exit::Done)
}

/// A line to an engine in another process, which is started when there is none.
pub async fn engine_session(context: &Context) -> Result<(Session, ()), Error> {
    context.app.spawn_engine()?;
    Ok((context.app.attach("run --detach").await?, ()))
}
