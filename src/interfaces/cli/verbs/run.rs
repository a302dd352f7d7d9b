//! `wfctl run`: start a project and follow it.

use std::path::PathBuf;

use super::super::args;
use super::super::context::Context;
use super::super::error::Error;
use super::super::exit::Exit;
use super::super::given;
use super::super::terminal::{Tone, harmless};
use super::super::trusting::{self, Consent};
use super::super::workflows::{self, Found};
use super::{allow, drive, landing, models, secrets};
use crate::app::{Need, Session, git_root};
use crate::domain::ids::{ProjectId, Seq};
use crate::domain::workflow::{Definition, WorkspaceKind, tree};
use crate::interfaces::api::{FaultKind, Home, Line, StartRequest};

/// Starts it.
pub async fn run(context: &Context, arguments: args::Run) -> Result<Exit, Error> {
    let mut found = workflows::load(&context.terminal, &arguments.workflow)?;
    let files = std::mem::take(&mut found.files);
    let start = request(context, &arguments, found)?;
    if arguments.dry_run {
        return plan(context, &start);
    }
    let brought = trusting::of_start(context, files, &start)?;
    trusting::settle(context, brought, Consent::from_flag(arguments.trust))?;
    secrets::have(context, &start.definition.all_secrets()).await?;
    if arguments.detach {
        return detach(context, start).await;
    }
    let mut interrupts = drive::Interrupts::listen()?;
    let Some(session) = interrupts.unless(context.app.open(Need::Drive, "run")).await else {
        return Ok(Exit::Interrupted);
    };
    let session = session?;
    let started = match session.home().start(start).await {
        Ok((id, existed)) => begin(context, &session, id, existed).await,
        Err(fault) => Err(fault.into()),
    };
    match started {
        Ok((id, from)) => drive::drive(context, session, &[(id, from)], &mut interrupts).await,
        Err(error) => {
            drive::close(session).await?;
            Err(error)
        }
    }
}

/// Tells that it is started; one that existed is driven from here on.
pub(super) async fn begin(
    context: &Context,
    session: &Session,
    id: ProjectId,
    existed: bool,
) -> Result<(ProjectId, Seq), Error> {
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

/// Tells the id, and whether it is an old one.
pub fn tell_started(context: &Context, id: &ProjectId, existed: bool) -> Result<(), Error> {
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
    request_with(context, arguments, found, inputs)
}

/// The same with inputs that are bound already; those of `arguments` do not count.
pub(super) fn request_with(
    context: &Context,
    arguments: &args::Run,
    mut found: Found,
    inputs: serde_json::Map<String, serde_json::Value>,
) -> Result<StartRequest, Error> {
    found.definition.models = models::chosen(context, &arguments.models, &found.definition)?;
    models::check(context, &found.definition)?;
    found.definition = allow::pinned(context, found.definition, &arguments.allow, &arguments.contained)?;
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
    landing::check(context, &found.definition, &inputs, &base_dir)?;
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

/// Starts it in the engine that holds the home, or in one that is started for it. It gets an id here, so that asking a second
/// engine after the first one went away is the same start.
async fn detach(context: &Context, start: StartRequest) -> Result<Exit, Error> {
    let mut interrupts = drive::Interrupts::listen()?;
    let id = match &start.id {
        Some(id) => id.clone(),
        None => context.app.fresh_id(&start.definition.name),
    };
    let start = StartRequest { id: Some(id), ..start };
    let started = in_engine(context, &mut interrupts, async |home| {
        let (id, existed) = home.start(start.clone()).await?;
        if existed {
            match home.resume(&id, super::resume::plain()).await {
                Err(fault) if fault.kind != FaultKind::Terminal => return Err(fault.into()),
                Ok(()) | Err(_) => {}
            }
        }
        Ok((id, existed))
    });
    let Some((id, existed)) = started.await? else { return Ok(Exit::Interrupted) };
    tell_started(context, &id, existed)?;
    Ok(Exit::Done)
}

/// How often an engine that goes away just then is replaced by another one.
const ENGINES: usize = 5;

/// Asks an engine in another process, which is started when there is none. An idle engine may end between our finding it and
/// its answer; what is asked must be safe to ask of the next one.
pub async fn in_engine<T>(
    context: &Context,
    interrupts: &mut drive::Interrupts,
    ask: impl AsyncFn(&Home) -> Result<T, Error>,
) -> Result<Option<T>, Error> {
    let mut engines = 0;
    loop {
        engines += 1;
        context.app.spawn_engine()?;
        let Some(session) = interrupts.unless(context.app.attach("run --detach")).await else { return Ok(None) };
        let session = session?;
        let answer = ask(session.home()).await;
        drive::close(session).await?;
        match answer {
            Err(Error::Fault(fault)) if fault.is_of_the_engine() && engines < ENGINES => {}
            answer => return answer.map(Some),
        }
    }
}
