//! A finished project, run again from its records: nothing of the user's changes, no network is used, nothing is waited for.
//!
//! The records are gone through in their order (`course`). At each start and end of a step the engine's decision is made anew, at
//! the recorded time, and must be the recorded one; so names, delays and the ids of commits come out the same. Steps really run,
//! in worktrees of a private repository over the objects of the original one (`stage`); an agent's conversation is heard call by
//! call (`walk`), with models that say what they said (`models`). What people, timers, signals, children and other engines did is
//! taken from the records, and so is what happened outside: `http`, `land`, steps with `effect: once` or a probe.

mod compare;
mod course;
mod ends;
mod models;
mod stage;
mod walk;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::Serialize;

use super::adapters::Vault;
use super::lock::Lock;
use super::{App, error};
use crate::domain::event::{Created, Event};
use crate::domain::ids::ProjectId;
use crate::domain::limits;
use crate::domain::payload::PayloadSource as _;
use crate::domain::view::RecordView;
use crate::domain::workflow::{Definition, WorkspaceKind};
use crate::interfaces::api::{Fault, FaultKind};
use crate::journal::blobs::Blobs;
use crate::workspace::leftovers::Leftovers;
use crate::workspace::{Workspaces, duplicate, files, git};
pub use compare::Difference;
use compare::Places;
use course::{Course, Stop};
use stage::{Stage, Store};

/// Why a project cannot be run again.
#[derive(Debug, thiserror::Error)]
enum Error {
    /// Its journal or a blob is not readable.
    #[error("the records cannot be used: {problem}")]
    Damaged { problem: String },
    /// It has not ended.
    #[error("it has not ended; only a finished project is run again")]
    NotEnded,
    /// Its beginning is gone.
    #[error("{0}")]
    Gone(String),
    /// More records than are gone through.
    #[error("it has {0} records; at most {most} are run again", most = limits::REPLAY_RECORDS)]
    TooLong(usize),
}

impl Error {
    fn fault(&self, id: &ProjectId) -> error::Error {
        let kind = match self {
            Self::Damaged { .. } => FaultKind::Damaged,
            Self::NotEnded => FaultKind::WrongState,
            Self::Gone(problem) => return error::Error::Gone { project: id.clone(), problem: problem.clone() },
            Self::TooLong(_) => FaultKind::Limit,
        };
        error::Error::Fault(Fault::new(kind, format!("project {id} cannot be run again: {self}")).of(id))
    }
}

/// What was compared.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Counts {
    /// Tasks that ended.
    pub tasks: u64,
    /// Steps that ran again.
    pub steps: u64,
    /// Calls of models that were asked the same.
    pub model_calls: u64,
    /// Calls of tools, checks and commits that came out the same.
    pub tool_calls: u64,
    /// Steps that were not run: what happened outside is taken from the records.
    pub given: u64,
    /// Outputs that differ in durations, folders or the order of lines only.
    pub varied: u64,
}

/// What a replay came to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Replayed {
    /// The project.
    pub project: ProjectId,
    /// What was compared, up to the first difference.
    pub counts: Counts,
    /// The first thing that came otherwise.
    pub difference: Option<Difference>,
    /// Where its worktrees are, when they are kept.
    pub kept: Option<PathBuf>,
}

/// Runs a project again from its `records`. `tell` hears each record that came again; `interrupted` stops it, and `None` says so.
pub async fn replay(
    app: &App,
    records: &[RecordView],
    keep: bool,
    tell: &(dyn Fn(&RecordView) + Send + Sync),
    interrupted: impl Future<Output = ()>,
) -> Result<Option<Replayed>, error::Error> {
    let Some(first) = records.first() else {
        return Err(error::Error::Fault(Fault::new(FaultKind::Damaged, "the project has no records")));
    };
    let id = first.project.clone();
    let created = check(records).map_err(|error| error.fault(&id))?;
    let folder = app.places.home.join("replay");
    let made = |source| error::Error::io("make a folder for the replay", &folder, source);
    app.places.create()?;
    files::private_dir(&folder).map_err(made)?;
    let lock = folder.join(format!("{id}.lock"));
    let Some(_lock) = Lock::try_take(&lock).map_err(made)? else {
        let message = format!("project {id} is being run again by another process");
        return Err(Fault::new(FaultKind::WrongState, message).of(&id).into());
    };
    let own_home = folder.join(id.as_str());
    // What an earlier one left that was killed, or was asked to keep it.
    files::remove_tree(&own_home).map_err(made)?;
    let ran = run(app, &id, &created, records, &own_home, tell, interrupted).await;
    let keep = keep && matches!(ran, Ok(Some(_)));
    if !keep {
        files::remove_tree(&own_home).map_err(|source| error::Error::io("remove", &own_home, source))?;
        files::remove_if_there(&lock).map_err(|source| error::Error::io("remove", &lock, source))?;
    }
    Ok(ran?.map(|(counts, difference)| Replayed { project: id, counts, difference, kept: keep.then_some(own_home) }))
}

fn check(records: &[RecordView]) -> Result<Created, Error> {
    let damaged = |problem: &str| Error::Damaged { problem: problem.to_owned() };
    within(records.len())?;
    let Some(Event::Created(created)) = records.first().map(|record| &record.event) else {
        return Err(damaged("the first one does not create it"));
    };
    let ended = records.iter().rev().any(|record| matches!(record.event, Event::Closed { .. }));
    if !ended {
        return Err(Error::NotEnded);
    }
    Ok((**created).clone())
}

fn within(records: usize) -> Result<(), Error> {
    if records > limits::REPLAY_RECORDS { Err(Error::TooLong(records)) } else { Ok(()) }
}

type Ran = Option<(Counts, Option<Difference>)>;

async fn run(
    app: &App,
    id: &ProjectId,
    created: &Created,
    records: &[RecordView],
    own_home: &Path,
    tell: &(dyn Fn(&RecordView) + Send + Sync),
    interrupted: impl Future<Output = ()>,
) -> Result<Ran, error::Error> {
    let blobs = |dir: &Path| {
        let opened = Blobs::open(dir);
        opened.map_err(|error| error::Error::io("open the blobs", dir, std::io::Error::other(error))).map(Vault)
    };
    let own_blobs = own_home.join("blobs");
    files::private_dir(&own_blobs).map_err(|source| error::Error::io("create", &own_blobs, source))?;
    let store = Arc::new(Store { original: blobs(&app.places.journal().blobs)?, own: blobs(&own_blobs)? });
    let damaged = |problem: String| Error::Damaged { problem }.fault(id);
    let text = store.read_blob(&created.definition).map_err(|error| damaged(error.to_string()))?;
    let definition: Arc<Definition> =
        serde_json::from_slice(&text).map(Arc::new).map_err(|error| damaged(error.to_string()))?;
    let own_dir = own_folder(created, &definition, own_home, &app.places.home).map_err(|error| error.fault(id))?;
    let run_dir = own_home.join("run");
    let leftovers = Leftovers::open(run_dir.clone(), &stage::home_id(own_home))
        .map_err(|source| error::Error::io("open", &run_dir, source))?;
    let places = Places::new(id, &app.places.home, Path::new(&created.base_dir), own_home, &own_dir);
    app.secrets.learn_here();
    let stage = Stage {
        environment: app.environment.all().map(|(name, value)| (name.clone(), value.clone())).collect(),
        home: own_home.to_owned(),
        base_dir: created.base_dir.clone(),
        own_dir: own_dir.to_string_lossy().into_owned(),
        grace: app.config.grace,
        workspaces: Arc::new(Workspaces::new(own_home)),
        containments: Arc::new(app.containments(own_home)),
        leftovers: Arc::new(leftovers),
        store,
        secrets: app.secrets.clone(),
        masks: app.log.masks().clone(),
        clock: app.clock.clone(),
    };
    let course = Course::new(records, definition, stage, places, tell);
    let mut course = course.map_err(|error| error.fault(id))?;
    let going = tokio::select! {
        biased;
        going = course.run() => Some(going),
        () = interrupted => None,
    };
    course.stop_all(crate::domain::effect::StopCause::Shutdown).await;
    match going {
        None => Ok(None),
        Some(Ok(())) => Ok(Some((course.counts(), None))),
        Some(Err(Stop::Differs(difference))) => Ok(Some((course.counts(), Some(*difference)))),
        Some(Err(Stop::Broken(error))) => Err(error.fault(id)),
    }
}

/// The folder in which the project runs again: a private repository, or a copy of the folder it ran in.
fn own_folder(created: &Created, definition: &Definition, own_home: &Path, home: &Path) -> Result<PathBuf, Error> {
    let base_dir = Path::new(&created.base_dir);
    let own_dir = own_home.join("folder");
    let made = match created.workspace {
        WorkspaceKind::Worktree => {
            let commit = created.base_commit.as_deref().unwrap_or("no base commit");
            return git::replicate(base_dir, &own_dir, commit)
                .map_err(|error| Error::Gone(format!("its beginning is gone: {error}")));
        }
        WorkspaceKind::Dir if course::runs_in_the_folder(definition) => {
            duplicate(base_dir, &own_dir, home, limits::REPLAY_COPY_BYTES)
        }
        WorkspaceKind::Dir | WorkspaceKind::None => files::private_dir(&own_dir),
    };
    made.map_err(|error| Error::Gone(format!("its folder {} cannot be copied: {error}", base_dir.display())))?;
    Ok(own_dir)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_journal_that_is_too_long_is_refused() {
        assert!(within(limits::REPLAY_RECORDS).is_ok());
        assert!(matches!(within(limits::REPLAY_RECORDS + 1), Err(Error::TooLong(_))));
    }
}
