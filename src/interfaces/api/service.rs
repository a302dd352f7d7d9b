//! The near side of the door: answers requests within the process that holds the home.

use std::path::PathBuf;
use std::sync::Arc;

use async_trait::async_trait;

use super::Door;
use super::artifacts;
use super::comparison::{self, Comparison};
use super::cost;
use super::fault::{Fault, FaultKind};
use super::logs::{self, Wanted};
use super::request::{Answer, Check, ForkRequest, Head, Progress, Removed, Request, StartRequest, Verified};
use super::sinks::SinkState;
use super::tables;
use super::timeline;
use super::transcript;
use crate::domain::event::Actor;
use crate::domain::ids::{Attempt, ProjectId, Seq, StepIx, TaskIx};
use crate::domain::limits;
use crate::domain::project::{Project, RecordedTree, RecordedTrees};
use crate::domain::time::Millis;
use crate::domain::view::Summary;
use crate::domain::workflow::WorkspaceKind;
use crate::engine::archive::Archive;
use crate::engine::{Fork, Handle, Start};
use crate::interfaces::metrics::Metrics;
use crate::journal::reader;
use crate::telemetry::mask::Masks;

/// What only the keeper of the home can do, because it knows its files. All of it may block.
pub trait Keeper: Send + Sync + 'static {
    /// The file that a running step writes its output to.
    fn live_log(&self, project: &ProjectId, task: TaskIx, attempt: Attempt, step: StepIx) -> PathBuf;
    /// Checks everything that is stored.
    fn check(&self) -> Vec<Check>;
    /// What the files on one side have that those on the other have not; an error says what git has no longer.
    fn compare(&self, between: &Between<'_>) -> Result<Comparison, String>;
    /// Removes a project that has ended while an engine is at work.
    fn delete(&self, id: &ProjectId) -> Result<(), Fault>;
    /// The time.
    fn now(&self) -> Millis;
    /// How far those are who are told of records.
    fn sinks(&self) -> Result<Vec<SinkState>, Fault>;
    /// Lets one of them try again, or pass over the record that it does not take.
    fn resume_sink(&self, sink: &str, skip: bool) -> Result<(), Fault>;
    /// Gives a fork its share of the trees of the project that it is forked from.
    fn adopt(&self, adopted: Adopted) -> Result<(), Fault>;
    /// Removes ended projects that have not changed since `before`, and what nobody names any more.
    fn remove(&self, before: Millis, dry_run: bool) -> Result<Removed, Fault>;
}

/// What is compared.
#[derive(Debug, Clone)]
pub enum Sides {
    /// Merged trees on each side, nothing for the base commit: before, and after.
    Trees(Vec<String>, Vec<String>),
    /// A commit with the one that it was made from.
    Commit(String),
}

/// A comparison in the repository of a project.
#[derive(Debug, Clone)]
pub struct Between<'b> {
    /// Whose trees they are.
    pub project: &'b ProjectId,
    /// The folder that it was started for.
    pub base_dir: &'b str,
    /// The commit that it began from.
    pub base_commit: Option<&'b str>,
    /// What is compared.
    pub sides: Sides,
}

/// What a fork needs in the repository.
#[derive(Debug, Clone)]
pub struct Adopted {
    /// The state that it begins with, of the project that it is forked from.
    pub project: Project,
    /// The fork.
    pub id: ProjectId,
    /// The trees that its records name.
    pub trees: Vec<RecordedTree>,
}

/// Answers requests: from the archive, and through the engine when there is one. Cheap to clone.
#[derive(Clone)]
pub struct Service {
    archive: Archive,
    engine: Option<Handle>,
    keeper: Arc<dyn Keeper>,
    masks: Masks,
    metrics: Arc<Metrics>,
}

impl Service {
    /// Over an archive; without an engine it only reads.
    pub fn new(archive: Archive, engine: Option<Handle>, keeper: Arc<dyn Keeper>) -> Self {
        let metrics = Arc::new(Metrics::new(archive.clone()));
        Self { archive, engine, keeper, masks: Masks::default(), metrics }
    }

    /// The same with known secrets kept out of what comes in: a start that carries one is refused, for it would not be what was
    /// meant without it; comments, signals, answers and added tasks lose it.
    #[must_use]
    pub fn masking(mut self, masks: Masks) -> Self {
        self.masks = masks;
        self
    }

    fn without_secrets(&self, request: Request) -> Result<Request, Fault> {
        let masker = self.masks.now();
        let takes_texts = matches!(
            request,
            Request::Start { .. } | Request::Fork { .. } | Request::Resume { .. } | Request::Command { .. }
        );
        if masker.is_empty() || !takes_texts {
            return Ok(request);
        }
        let defect =
            |error: serde_json::Error| Fault::new(FaultKind::Defect, format!("a request has no JSON form: {error}"));
        let mut value = serde_json::to_value(&request).map_err(defect)?;
        if !masker.value(&mut value) {
            return Ok(request);
        }
        if matches!(request, Request::Start { .. }) {
            let text = serde_json::to_vec(&request).map_err(defect)?;
            let names: Vec<String> = masker.names_in(&text).iter().map(ToString::to_string).collect();
            let message = format!(
                "the workflow or its inputs carry the value of a secret ({}), and all of it would be recorded; name it under \
                 `secrets` instead",
                names.join(", ")
            );
            return Err(Fault::new(FaultKind::Invalid, message));
        }
        serde_json::from_value(value).map_err(defect)
    }

    fn engine(&self) -> Result<&Handle, Fault> {
        let message = "the home is only open for reading here";
        self.engine.as_ref().ok_or_else(|| Fault::new(FaultKind::NotDriving, message))
    }

    async fn drives(&self, id: &ProjectId) -> Result<bool, Fault> {
        match &self.engine {
            Some(engine) => Ok(engine.drives(id).await?),
            None => Ok(false),
        }
    }

    /// Runs what blocks on the disk away from the threads that everybody shares.
    async fn read<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Archive) -> Result<T, Fault> + Send + 'static,
    ) -> Result<T, Fault> {
        let archive = self.archive.clone();
        match tokio::task::spawn_blocking(move || work(&archive)).await {
            Ok(result) => result,
            Err(error) => Err(Fault::new(FaultKind::Defect, format!("a request was not answered: {error}"))),
        }
    }

    fn progress(&self) -> Progress {
        let driven = self.engine.as_ref().map_or(0, |engine| engine.progress().driven);
        Progress { version: env!("CARGO_PKG_VERSION").to_owned(), pid: std::process::id(), driven }
    }

    async fn remove(&self, before: Millis, dry_run: bool) -> Result<Answer, Fault> {
        if self.engine.is_some() {
            let message = "an engine is at work in this home, and removing needs the home for itself";
            return Err(Fault::new(FaultKind::HomeBusy, message));
        }
        let keeper = self.keeper.clone();
        self.read(move |_| keeper.remove(before, dry_run).map(Answer::Removed)).await
    }

    async fn start(&self, start: StartRequest, by: String) -> Result<Answer, Fault> {
        let start = Start {
            id: start.id,
            definition: Arc::new(start.definition),
            inputs: start.inputs,
            env: start.env.into_iter().collect(),
            base_dir: start.base_dir,
            source: start.source,
            base_commit: start.base_commit,
            parent: None,
            depth: 0,
        };
        let (id, existed) = self.engine()?.start(start, actor(by)).await?;
        Ok(Answer::Started { id, existed })
    }

    async fn fork(&self, fork: ForkRequest, by: String) -> Result<Answer, Fault> {
        let engine = self.engine()?;
        let (keeper, wanted) = (self.keeper.clone(), fork.clone());
        // Its files first: what is durable of it must be able to go on.
        self.read(move |archive| adopt(archive, &*keeper, &wanted)).await?;
        let ForkRequest { source, at, id, models, budget } = fork;
        let about_source = about(&source);
        let fork = Fork { source: source.clone(), at, id, models, budget };
        let (id, existed) = engine.fork(fork, actor(by)).await.map_err(about_source)?;
        Ok(Answer::Started { id, existed })
    }

    async fn delete(&self, id: ProjectId) -> Result<Answer, Fault> {
        self.engine()?;
        let keeper = self.keeper.clone();
        self.read(move |archive| {
            let summary = archive.summary(&id)?;
            if !summary.status.is_terminal() {
                let message = format!("project {id} has not ended");
                return Err(Fault::new(FaultKind::WrongState, message).of(&id));
            }
            // The parent reads how it ended when it is resumed, and would run it again if it were gone.
            if let Some(parent) = &summary.parent
                && archive.summary(parent).is_ok_and(|parent| !parent.status.is_terminal())
            {
                let message = format!("project {id} is a child of {parent}, which has not ended");
                return Err(Fault::new(FaultKind::WrongState, message).of(&id));
            }
            keeper.delete(&id)
        })
        .await?;
        Ok(Answer::Deleted)
    }

    async fn records(&self, id: ProjectId, from: Seq, limit: usize, wait: bool) -> Result<Answer, Fault> {
        let mut engine = self.engine.clone();
        loop {
            // What changes from here on wakes us up again.
            if let Some(engine) = &mut engine {
                engine.seen();
            }
            let driven = wait && self.drives(&id).await?;
            let of = id.clone();
            let limit = limit.clamp(1, limits::FOLLOW_BATCH_RECORDS);
            let records = self.read(move |archive| Ok(archive.records(&of, from, limit)?)).await?;
            if !records.is_empty() || !driven {
                return Ok(Answer::Records { records });
            }
            let is_going_on = match &mut engine {
                Some(engine) => engine.changed().await,
                None => false,
            };
            if !is_going_on {
                return Ok(Answer::Records { records: Vec::new() });
            }
        }
    }
}

#[async_trait]
impl Door for Service {
    async fn call(&self, request: Request) -> Result<Answer, Fault> {
        match self.without_secrets(request)? {
            Request::Progress => Ok(Answer::Progress(self.progress())),
            Request::Start { start, by } => self.start(*start, by).await,
            Request::Fork { fork, by } => self.fork(fork, by).await,
            Request::Resume { id, command, by } => {
                self.engine()?.resume(id.clone(), command, actor(by)).await.map_err(about(&id))?;
                Ok(Answer::Taken { value: None, driven: true })
            }
            Request::Command { id, command, by } => {
                let given = self.engine()?.command(id.clone(), command, actor(by)).await;
                let value = given.map_err(about(&id))?;
                Ok(Answer::Taken { value, driven: self.drives(&id).await? })
            }
            Request::Find { prefix } => self.read(move |archive| find(archive, &prefix)).await,
            Request::Show { id } => self.read(move |archive| show(archive, &id)).await,
            Request::Why { id } => {
                let driven = self.drives(&id).await?;
                self.read(move |archive| {
                    let project = archive.load(&id)?.project;
                    Ok(Answer::Reasons { project: project.summary(), reasons: project.why(), driven })
                })
                .await
            }
            Request::Plan { id } => {
                let plan = move |archive: &Archive| Ok(archive.load(&id)?.project.recovery_plan());
                self.read(plan).await.map(|items| Answer::Plan { items })
            }
            Request::Definition { id } => self.read(move |archive| definition(archive, &id)).await,
            Request::Records { id, from, limit, wait } => self.records(id, from, limit, wait).await,
            Request::Log { id, task, attempt, step, offset, piece } => {
                let keeper = self.keeper.clone();
                self.read(move |archive| {
                    let wanted = Wanted { project: &id, task: &task, attempt, step, offset, piece };
                    let live_log = |task, attempt, step| keeper.live_log(&id, task, attempt, step);
                    logs::page(archive, &wanted, live_log).map(Answer::Log)
                })
                .await
            }
            Request::Tables { id } => {
                self.read(move |archive| Ok(Answer::Tables(Box::new(tables::tables(archive, &id)?)))).await
            }
            Request::Cost { id, children } => {
                self.read(move |archive| Ok(Answer::Cost(Box::new(cost::cost(archive, &id, children)?)))).await
            }
            Request::Artifacts { id, task } => {
                let list = move |archive: &Archive| artifacts::list(archive, &id, task.as_deref());
                self.read(list).await.map(|artifacts| Answer::Artifacts { artifacts })
            }
            Request::Artifact { id, task, name } => {
                let read = move |archive: &Archive| artifacts::content(archive, &id, task.as_deref(), &name);
                self.read(read).await.map(|content| Answer::Artifact(Box::new(content)))
            }
            Request::Transcript { id, wanted } => {
                let page = move |archive: &Archive| transcript::page(archive, &id, &wanted);
                self.read(page).await.map(|page| Answer::Transcript(Box::new(page)))
            }
            Request::Timeline { id, task } => {
                let read = move |archive: &Archive| timeline::timeline(archive, &id, task.as_deref());
                self.read(read).await.map(|timeline| Answer::Timeline(Box::new(timeline)))
            }
            Request::Compare { id, task } => {
                let keeper = self.keeper.clone();
                let read = move |archive: &Archive| comparison::compare(archive, &*keeper, &id, task.as_deref());
                self.read(read).await.map(|comparison| Answer::Compared(Box::new(comparison)))
            }
            Request::Names { id } => self.read(move |archive| names(archive, &id)).await,
            Request::Heads => self.read(heads).await.map(|heads| Answer::Heads { heads }),
            Request::Delete { id } => self.delete(id).await,
            Request::Verify { id } => self.read(move |archive| verify(archive, &id)).await,
            Request::Check => {
                let keeper = self.keeper.clone();
                self.read(move |_| Ok(Answer::Checked { findings: keeper.check() })).await
            }
            Request::Sinks => {
                let keeper = self.keeper.clone();
                self.read(move |_| Ok(Answer::Sinks { sinks: keeper.sinks()? })).await
            }
            Request::Metrics => {
                let (keeper, metrics) = (self.keeper.clone(), self.metrics.clone());
                let render = move |_: &Archive| metrics.render(keeper.now(), &keeper.sinks()?);
                self.read(render).await.map(|text| Answer::Metrics { text })
            }
            Request::ResumeSink { sink, skip } => {
                let keeper = self.keeper.clone();
                let resume = move |_: &Archive| {
                    keeper.resume_sink(&sink, skip)?;
                    Ok(Answer::Sinks { sinks: keeper.sinks()? })
                };
                self.read(resume).await
            }
            Request::Remove { before_ms, dry_run } => self.remove(Millis(before_ms), dry_run).await,
        }
    }
}

fn show(archive: &Archive, id: &ProjectId) -> Result<Answer, Fault> {
    let (project, ends) = archive.load_to_read(id)?;
    let mut view = project.view(&**archive.vault());
    if let Some(error) = ends {
        view.summary.note = error.to_string();
    }
    Ok(Answer::Shown(Box::new(view)))
}

fn names(archive: &Archive, id: &ProjectId) -> Result<Answer, Fault> {
    let project = archive.load_to_read(id)?.0;
    Ok(Answer::Names { names: project.tasks().iter().map(|task| task.name.to_string()).collect() })
}

/// Callers of the API say so in the name they give; no login name has a colon.
fn actor(by: String) -> Actor {
    match by.strip_prefix("api:") {
        Some(name) => Actor::Api(name.to_owned()),
        None => Actor::User(by),
    }
}

/// Where all journals end. What cannot be read has no end.
fn heads(archive: &Archive) -> Result<Vec<Head>, Fault> {
    let mut heads = Vec::new();
    for summary in archive.summaries()?.into_iter().flatten() {
        let Ok(Some(seq)) = archive.last_seq(&summary.id) else { continue };
        let terminal = summary.status.is_terminal();
        heads.push(Head { project: summary.id, created: summary.created, seq, terminal });
    }
    Ok(heads)
}

/// Hints name the project that was meant.
fn about(id: &ProjectId) -> impl FnOnce(crate::engine::Error) -> Fault {
    |error| Fault::from(error).of(id)
}

/// Keeps the files of a fork that is not there yet. What cannot be forked is told by the engine.
fn adopt(archive: &Archive, keeper: &dyn Keeper, fork: &ForkRequest) -> Result<(), Fault> {
    if fork.at.0 == 0 || fork.at.0 > limits::FORK_RECORDS || archive.store().summary(&fork.id)?.is_some() {
        return Ok(());
    }
    let project = archive.replay(&fork.source, fork.at)?.project;
    if project.created.workspace != WorkspaceKind::Worktree
        || project.seq() != fork.at.0
        || project.may_fork(&fork.source).is_err()
    {
        return Ok(());
    }
    let mut trees = RecordedTrees::default();
    archive.visit_to(&fork.source, fork.at, |record| trees.take(&record.event))?;
    keeper.adopt(Adopted { project, id: fork.id.clone(), trees: trees.into_found() })
}

fn find(archive: &Archive, prefix: &str) -> Result<Answer, Fault> {
    if let Ok(id) = ProjectId::new(prefix)
        && let Ok(summary) = archive.summary(&id)
    {
        return Ok(Answer::Found { projects: vec![summary], damaged: Vec::new() });
    }
    let (mut projects, mut damaged): (Vec<Summary>, Vec<String>) = (Vec::new(), Vec::new());
    for summary in archive.summaries()? {
        match summary {
            Ok(summary) if summary.id.as_str().starts_with(prefix) => projects.push(summary),
            Ok(_) => {}
            Err(problem) => damaged.push(format!("{}: {}", problem.project, problem.problem)),
        }
    }
    Ok(Answer::Found { projects, damaged })
}

fn definition(archive: &Archive, id: &ProjectId) -> Result<Answer, Fault> {
    let created = archive.load_to_read(id)?.0.created;
    let definition = archive.definition(id, &created.definition)?;
    Ok(Answer::Definition {
        definition: Box::new((*definition).clone()),
        digest: created.definition.digest,
        source: created.source.clone(),
    })
}

fn verify(archive: &Archive, id: &ProjectId) -> Result<Answer, Fault> {
    let stored = archive.store().last_frame(id)?;
    if stored.is_none() && archive.store().summary(id)?.is_none() {
        return Err(crate::engine::Error::UnknownProject(id.clone()).into());
    }
    let report = reader::verify(&**archive.store(), id);
    Ok(Answer::Verified(Verified {
        project: id.clone(),
        records: report.records,
        seq: report.head.seq,
        head: report.head.hash,
        epoch: report.epoch,
        unknown: report.unknown,
        first_bad: report.first_bad.map(|bad| (bad.seq, bad.problem)),
    }))
}
