//! A door with one method per request, so that a face need not take answers apart.

use std::sync::Arc;

use super::Door;
use super::artifacts::{Artifact, Content};
use super::comparison::Comparison;
use super::cost::Cost;
use super::fault::{Fault, FaultKind};
use super::request::{
    Answer, Check, ForkRequest, Head, LogPage, LogPiece, Progress, Removed, Request, StartRequest, Verified,
};
use super::sinks::SinkState;
use super::tables::Tables;
use super::timeline::Timeline;
use super::transcript::{Transcript, Wanted as WantedTranscript};
use crate::domain::ids::{Digest, ProjectId, Seq};
use crate::domain::limits;
use crate::domain::project::{Command, RecoveryItem};
use crate::domain::time::Millis;
use crate::domain::view::{ProjectView, Reason, RecordView, Summary};
use crate::domain::workflow::Definition;

/// A home, wherever its engine is. Cheap to clone.
#[derive(Clone)]
pub struct Home {
    door: Arc<dyn Door>,
    by: String,
}

/// What a project waits for.
#[derive(Debug, Clone)]
pub struct Why {
    /// Its line.
    pub project: Summary,
    /// What it waits for.
    pub reasons: Vec<Reason>,
    /// Whether an engine drives it.
    pub driven: bool,
}

/// A definition as pinned.
#[derive(Debug, Clone)]
pub struct Pinned {
    /// The definition.
    pub definition: Definition,
    /// Its digest.
    pub digest: Digest,
    /// The file that it came from.
    pub source: Option<String>,
}

/// Takes the expected answer apart; any other one is a fault of the other side.
macro_rules! answered {
    ($answer:expr, $pattern:pat => $value:expr) => {{
        let $pattern = $answer else {
            return Err(Fault::new(FaultKind::Connection, "the engine answered something else than it was asked"));
        };
        Ok($value)
    }};
}

impl Home {
    /// Asks at `door`, as `by`.
    pub fn new(door: Arc<dyn Door>, by: String) -> Self {
        Self { door, by }
    }

    /// The same home, asked by someone else.
    #[must_use]
    pub fn asked_by(&self, by: String) -> Self {
        Self { door: self.door.clone(), by }
    }

    /// How busy the engine is.
    pub async fn progress(&self) -> Result<Progress, Fault> {
        answered!(self.door.call(Request::Progress).await?, Answer::Progress(progress) => progress)
    }

    /// Starts a project durably; the second value says that it existed before.
    pub async fn start(&self, start: StartRequest) -> Result<(ProjectId, bool), Fault> {
        let request = Request::Start { start: Box::new(start), by: self.by.clone() };
        answered!(self.door.call(request).await?, Answer::Started { id, existed } => (id, existed))
    }

    /// Forks a project durably; the second value says that the fork existed before.
    pub async fn fork(&self, fork: ForkRequest) -> Result<(ProjectId, bool), Fault> {
        let request = Request::Fork { fork, by: self.by.clone() };
        answered!(self.door.call(request).await?, Answer::Started { id, existed } => (id, existed))
    }

    /// Lets the engine drive a project.
    pub async fn resume(&self, id: &ProjectId, command: Command) -> Result<(), Fault> {
        let request = Request::Resume { id: id.clone(), command, by: self.by.clone() };
        answered!(self.door.call(request).await?, Answer::Taken { .. } => ())
    }

    /// Gives a command; the value it gives back, and whether an engine drives the project.
    pub async fn command(&self, id: &ProjectId, command: Command) -> Result<(Option<u64>, bool), Fault> {
        let request = Request::Command { id: id.clone(), command, by: self.by.clone() };
        answered!(self.door.call(request).await?, Answer::Taken { value, driven } => (value, driven))
    }

    /// Projects by the beginning of their ids, and what could not be read.
    pub async fn find(&self, prefix: &str) -> Result<(Vec<Summary>, Vec<String>), Fault> {
        let request = Request::Find { prefix: prefix.to_owned() };
        answered!(self.door.call(request).await?, Answer::Found { projects, damaged } => (projects, damaged))
    }

    /// Everything about one project.
    pub async fn show(&self, id: &ProjectId) -> Result<ProjectView, Fault> {
        answered!(self.door.call(Request::Show { id: id.clone() }).await?, Answer::Shown(view) => *view)
    }

    /// What a project waits for.
    pub async fn why(&self, id: &ProjectId) -> Result<Why, Fault> {
        let answer = self.door.call(Request::Why { id: id.clone() }).await?;
        answered!(answer, Answer::Reasons { project, reasons, driven } => Why { project, reasons, driven })
    }

    /// What a resume would do.
    pub async fn plan(&self, id: &ProjectId) -> Result<Vec<RecoveryItem>, Fault> {
        answered!(self.door.call(Request::Plan { id: id.clone() }).await?, Answer::Plan { items } => items)
    }

    /// The pinned definition.
    pub async fn definition(&self, id: &ProjectId) -> Result<Pinned, Fault> {
        let answer = self.door.call(Request::Definition { id: id.clone() }).await?;
        answered!(answer, Answer::Definition { definition, digest, source } => {
            Pinned { definition: *definition, digest, source }
        })
    }

    /// The records after `from`, one page of them; with `wait`, at least one unless nobody drives the project.
    pub async fn records(&self, id: &ProjectId, from: Seq, wait: bool) -> Result<Vec<RecordView>, Fault> {
        let request = Request::Records { id: id.clone(), from, limit: limits::FOLLOW_BATCH_RECORDS, wait };
        answered!(self.door.call(request).await?, Answer::Records { records } => records)
    }

    /// A piece of a step's output.
    pub async fn log(
        &self,
        id: &ProjectId,
        task: &str,
        attempt: Option<u32>,
        step: Option<u32>,
        offset: u64,
    ) -> Result<LogPage, Fault> {
        let request = Request::Log { id: id.clone(), task: task.to_owned(), attempt, step, offset, piece: None };
        answered!(self.door.call(request).await?, Answer::Log(page) => page)
    }

    /// A small piece of a step's output; `of` is the attempt and the step, the last ones if they are not named.
    pub async fn log_piece(
        &self,
        id: &ProjectId,
        task: &str,
        of: (Option<u32>, Option<u32>),
        piece: LogPiece,
    ) -> Result<LogPage, Fault> {
        let (attempt, step) = of;
        let (task, piece) = (task.to_owned(), Some(piece));
        let request = Request::Log { id: id.clone(), task, attempt, step, offset: 0, piece };
        answered!(self.door.call(request).await?, Answer::Log(page) => page)
    }

    /// It as tables.
    pub async fn tables(&self, id: &ProjectId) -> Result<Tables, Fault> {
        let answer = self.door.call(Request::Tables { id: id.clone() }).await?;
        answered!(answer, Answer::Tables(tables) => *tables)
    }

    /// What its models cost, with `children` those of its children too.
    pub async fn cost(&self, id: &ProjectId, children: bool) -> Result<Cost, Fault> {
        let answer = self.door.call(Request::Cost { id: id.clone(), children }).await?;
        answered!(answer, Answer::Cost(cost) => *cost)
    }

    /// The artifacts that its agents kept, of all tasks or of one.
    pub async fn artifacts(&self, id: &ProjectId, task: Option<String>) -> Result<Vec<Artifact>, Fault> {
        let answer = self.door.call(Request::Artifacts { id: id.clone(), task }).await?;
        answered!(answer, Answer::Artifacts { artifacts } => artifacts)
    }

    /// One artifact with its content.
    pub async fn artifact(&self, id: &ProjectId, task: Option<String>, name: &str) -> Result<Content, Fault> {
        let request = Request::Artifact { id: id.clone(), task, name: name.to_owned() };
        answered!(self.door.call(request).await?, Answer::Artifact(content) => *content)
    }

    /// A piece of the conversation of an agent.
    pub async fn transcript(&self, id: &ProjectId, wanted: WantedTranscript) -> Result<Transcript, Fault> {
        let answer = self.door.call(Request::Transcript { id: id.clone(), wanted }).await?;
        answered!(answer, Answer::Transcript(transcript) => *transcript)
    }

    /// When its attempts and waits were, of all tasks or of one.
    pub async fn timeline(&self, id: &ProjectId, task: Option<String>) -> Result<Timeline, Fault> {
        let answer = self.door.call(Request::Timeline { id: id.clone(), task }).await?;
        answered!(answer, Answer::Timeline(timeline) => *timeline)
    }

    /// What it, or one of its tasks, changed in the files of its repository.
    pub async fn compare(&self, id: &ProjectId, task: Option<String>) -> Result<Comparison, Fault> {
        let answer = self.door.call(Request::Compare { id: id.clone(), task }).await?;
        answered!(answer, Answer::Compared(comparison) => *comparison)
    }

    /// The names of its tasks, by index.
    pub async fn names(&self, id: &ProjectId) -> Result<Vec<String>, Fault> {
        answered!(self.door.call(Request::Names { id: id.clone() }).await?, Answer::Names { names } => names)
    }

    /// Where the journals of all projects end.
    pub async fn heads(&self) -> Result<Vec<Head>, Fault> {
        answered!(self.door.call(Request::Heads).await?, Answer::Heads { heads } => heads)
    }

    /// Removes a project that has ended; what only it names goes with the next `gc`.
    pub async fn delete(&self, id: &ProjectId) -> Result<(), Fault> {
        answered!(self.door.call(Request::Delete { id: id.clone() }).await?, Answer::Deleted => ())
    }

    /// Proves a project's journal.
    pub async fn verify(&self, id: &ProjectId) -> Result<Verified, Fault> {
        answered!(self.door.call(Request::Verify { id: id.clone() }).await?, Answer::Verified(verified) => verified)
    }

    /// Checks everything that is stored.
    pub async fn check(&self) -> Result<Vec<Check>, Fault> {
        answered!(self.door.call(Request::Check).await?, Answer::Checked { findings } => findings)
    }

    /// How far those are who are told of records.
    pub async fn sinks(&self) -> Result<Vec<SinkState>, Fault> {
        answered!(self.door.call(Request::Sinks).await?, Answer::Sinks { sinks } => sinks)
    }

    /// Lets one of them try again, or pass over the record that it does not take; how far they are then.
    pub async fn resume_sink(&self, sink: &str, skip: bool) -> Result<Vec<SinkState>, Fault> {
        let request = Request::ResumeSink { sink: sink.to_owned(), skip };
        answered!(self.door.call(request).await?, Answer::Sinks { sinks } => sinks)
    }

    /// Numbers for a monitoring system, in the text format of Prometheus.
    pub async fn metrics(&self) -> Result<String, Fault> {
        answered!(self.door.call(Request::Metrics).await?, Answer::Metrics { text } => text)
    }

    /// Removes what has ended before a moment.
    pub async fn remove(&self, before: Millis, dry_run: bool) -> Result<Removed, Fault> {
        let request = Request::Remove { before_ms: before.0, dry_run };
        answered!(self.door.call(request).await?, Answer::Removed(removed) => removed)
    }
}
