//! Requests and their answers, as they go over the socket. A field that is added needs a serde default.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::artifacts::{Artifact, Content};
use super::comparison::Comparison;
use super::cost::Cost;
use super::sinks::SinkState;
use super::tables::Tables;
use super::timeline::Timeline;
use super::transcript::{Transcript, Wanted as WantedTranscript};
use crate::domain::budget::Caps;
use crate::domain::ids::{Digest, Epoch, ProjectId, Seq};
use crate::domain::project::{Command, RecoveryItem};
use crate::domain::time::Millis;
use crate::domain::view::{ProjectView, Reason, RecordView, Summary};
use crate::domain::workflow::Definition;

/// What is asked of a home.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Request {
    /// Whether anybody is there, and how busy.
    Progress,
    /// Start a project, or find the one that was started with the same id.
    Start {
        /// What to start.
        start: Box<StartRequest>,
        /// Who asks.
        by: String,
    },
    /// Start a project that begins with the records of another one, or find the one that was.
    Fork {
        /// What it needs.
        fork: ForkRequest,
        /// Who asks.
        by: String,
    },
    /// Drive a project from here on.
    Resume {
        /// The project.
        id: ProjectId,
        /// The command that goes with it.
        command: Command,
        /// Who asks.
        by: String,
    },
    /// Give a command.
    Command {
        /// The project.
        id: ProjectId,
        /// The command.
        command: Command,
        /// Who asks.
        by: String,
    },
    /// Projects whose ids begin with `prefix`, in id order; one with exactly this id comes alone.
    Find {
        /// The beginning; empty: all.
        prefix: String,
    },
    /// Everything about one project.
    Show {
        /// The project.
        id: ProjectId,
    },
    /// What it waits for.
    Why {
        /// The project.
        id: ProjectId,
    },
    /// What a resume would do with steps whose attempts have not ended.
    Plan {
        /// The project.
        id: ProjectId,
    },
    /// The pinned definition, and the file that it came from.
    Definition {
        /// The project.
        id: ProjectId,
    },
    /// Records after `from`.
    Records {
        /// The project.
        id: ProjectId,
        /// The position before the first one wanted.
        from: Seq,
        /// Most of them.
        limit: usize,
        /// Wait until there is at least one. An empty answer then says that nobody drives the project any more.
        wait: bool,
    },
    /// A piece of the output of a task's step.
    Log {
        /// The project.
        id: ProjectId,
        /// The task's name.
        task: String,
        /// The attempt; `None`: the last one.
        attempt: Option<u32>,
        /// The step; `None`: the last one of the attempt.
        step: Option<u32>,
        /// The first byte wanted.
        offset: u64,
        /// A smaller piece than a page, and then `offset` does not count.
        #[serde(default)]
        piece: Option<LogPiece>,
    },
    /// It as tables.
    Tables {
        /// The project.
        id: ProjectId,
    },
    /// What its models cost.
    Cost {
        /// The project.
        id: ProjectId,
        /// Count its children too, and theirs.
        children: bool,
    },
    /// The artifacts that its agents kept.
    Artifacts {
        /// The project.
        id: ProjectId,
        /// Only those of this task.
        task: Option<String>,
    },
    /// One artifact with its content.
    Artifact {
        /// The project.
        id: ProjectId,
        /// Its task; `None`: the only one that has it.
        task: Option<String>,
        /// Its name.
        name: String,
    },
    /// A piece of the conversation of an agent.
    Transcript {
        /// The project.
        id: ProjectId,
        /// Which piece.
        wanted: WantedTranscript,
    },
    /// When its attempts and waits were, of all tasks or of one.
    Timeline {
        /// The project.
        id: ProjectId,
        /// Only this task.
        #[serde(default)]
        task: Option<String>,
    },
    /// What it changed in the files of its repository, or one of its tasks did.
    Compare {
        /// The project.
        id: ProjectId,
        /// Only this task.
        #[serde(default)]
        task: Option<String>,
    },
    /// The names of its tasks, by index.
    Names {
        /// The project.
        id: ProjectId,
    },
    /// The last positions of all projects, in id order.
    Heads,
    /// Remove a project that has ended.
    Delete {
        /// The project.
        id: ProjectId,
    },
    /// Prove a project's whole journal.
    Verify {
        /// The project.
        id: ProjectId,
    },
    /// Check everything that is stored.
    Check,
    /// How far those are who are told of records.
    Sinks,
    /// Numbers for a monitoring system.
    Metrics,
    /// Let one of them try again.
    ResumeSink {
        /// Its name.
        sink: String,
        /// Pass over the record that it does not take.
        skip: bool,
    },
    /// Remove ended projects that have not changed since `before_ms`, and what nobody names any more.
    Remove {
        /// Wall time in milliseconds.
        before_ms: u64,
        /// Only say what would be removed.
        dry_run: bool,
    },
}

/// What a start needs.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct StartRequest {
    /// The id; `None`: one is made.
    pub id: Option<ProjectId>,
    /// The definition to pin.
    pub definition: Definition,
    /// The bound inputs.
    pub inputs: serde_json::Map<String, serde_json::Value>,
    /// Captured environment.
    pub env: BTreeMap<String, String>,
    /// The folder it is started for; absolute.
    pub base_dir: String,
    /// The workflow file; absolute.
    pub source: Option<String>,
    /// The commit that worktrees start from.
    pub base_commit: Option<String>,
}

/// What a fork needs.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ForkRequest {
    /// Whose records it begins with.
    pub source: ProjectId,
    /// The last one of them.
    pub at: Seq,
    /// Its id.
    pub id: ProjectId,
    /// What its agents ask instead; empty: no change.
    #[serde(default)]
    pub models: Vec<String>,
    /// Caps that take the place of those in force.
    #[serde(default)]
    pub budget: Option<Caps>,
}

/// What a home answers.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Answer {
    /// To [`Request::Progress`].
    Progress(Progress),
    /// To [`Request::Start`] and [`Request::Fork`].
    Started {
        /// The project.
        id: ProjectId,
        /// It was started before.
        existed: bool,
    },
    /// To [`Request::Resume`] and [`Request::Command`].
    Taken {
        /// What the command gives back: the token of a claim.
        value: Option<u64>,
        /// Whether this engine drives the project.
        driven: bool,
    },
    /// To [`Request::Find`].
    Found {
        /// The projects.
        projects: Vec<Summary>,
        /// What could not be read, in words.
        damaged: Vec<String>,
    },
    /// To [`Request::Show`].
    Shown(Box<ProjectView>),
    /// To [`Request::Why`].
    Reasons {
        /// The line of the project.
        project: Summary,
        /// What it waits for.
        reasons: Vec<Reason>,
        /// Whether this engine drives it: without one, nothing moves.
        driven: bool,
    },
    /// To [`Request::Plan`].
    Plan {
        /// The steps.
        items: Vec<RecoveryItem>,
    },
    /// To [`Request::Definition`].
    Definition {
        /// As pinned.
        definition: Box<Definition>,
        /// Its digest.
        digest: Digest,
        /// The file that it came from.
        source: Option<String>,
    },
    /// To [`Request::Records`].
    Records {
        /// In order.
        records: Vec<RecordView>,
    },
    /// To [`Request::Log`].
    Log(LogPage),
    /// To [`Request::Tables`].
    Tables(Box<Tables>),
    /// To [`Request::Cost`].
    Cost(Box<Cost>),
    /// To [`Request::Artifacts`].
    Artifacts {
        /// In the order of the tasks, then by name.
        artifacts: Vec<Artifact>,
    },
    /// To [`Request::Artifact`].
    Artifact(Box<Content>),
    /// To [`Request::Transcript`].
    Transcript(Box<Transcript>),
    /// To [`Request::Timeline`].
    Timeline(Box<Timeline>),
    /// To [`Request::Compare`].
    Compared(Box<Comparison>),
    /// To [`Request::Names`].
    Names {
        /// By index.
        names: Vec<String>,
    },
    /// To [`Request::Heads`].
    Heads {
        /// In id order.
        heads: Vec<Head>,
    },
    /// To [`Request::Delete`].
    Deleted,
    /// To [`Request::Verify`].
    Verified(Verified),
    /// To [`Request::Check`].
    Checked {
        /// What is not as it should be.
        findings: Vec<Check>,
    },
    /// To [`Request::Sinks`] and [`Request::ResumeSink`].
    Sinks {
        /// In the order of the configuration.
        sinks: Vec<SinkState>,
    },
    /// To [`Request::Metrics`].
    Metrics {
        /// In the text format of Prometheus.
        text: String,
    },
    /// To [`Request::Remove`].
    Removed(Removed),
}

/// How busy an engine is.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Progress {
    /// Its release.
    pub version: String,
    /// Its process.
    pub pid: u32,
    /// Projects driven and not terminal.
    pub driven: usize,
}

/// Which piece of a step's output is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LogPiece {
    /// From a byte on.
    From {
        /// The first byte.
        offset: u64,
        /// Most bytes.
        most: usize,
    },
    /// The end of what there is.
    End {
        /// Most bytes.
        most: usize,
    },
}

/// Where the journal of a project ends.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Head {
    /// The project.
    pub project: ProjectId,
    /// When it was created.
    pub created: Millis,
    /// The position of its last record.
    pub seq: Seq,
    /// Whether it has ended.
    pub terminal: bool,
}

/// A piece of a step's output.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogPage {
    /// The attempt it is of.
    pub attempt: u32,
    /// The step it is of.
    pub step: u32,
    /// The text; what is no UTF-8 is replaced.
    pub text: String,
    /// Where it begins.
    #[serde(default)]
    pub start: u64,
    /// Where the next piece begins.
    pub next: u64,
    /// Whether there is more already.
    pub more: bool,
    /// Whether the step still runs, so that there may be more later.
    pub live: bool,
}

/// What proving a journal found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Verified {
    /// The project.
    pub project: ProjectId,
    /// Records proven.
    pub records: u64,
    /// The last proven position.
    pub seq: Seq,
    /// Its hash: whoever noted it earlier can tell that nothing before it was exchanged.
    pub head: Digest,
    /// The highest epoch.
    pub epoch: Epoch,
    /// Whole records of kinds that this release does not know.
    pub unknown: u64,
    /// The first record that is not what was written.
    pub first_bad: Option<(Seq, String)>,
}

/// One thing that is not as it should be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Check {
    /// `error`, `warning` or `note`.
    pub severity: String,
    /// A stable name.
    pub kind: String,
    /// What it is.
    pub what: String,
    /// A project or a path.
    pub place: String,
    /// The command to type next; empty when there is nothing to do.
    pub next: String,
}

/// What `gc` removed, or would remove.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Removed {
    /// Projects.
    pub projects: Vec<ProjectId>,
    /// Blobs that nothing named.
    pub blobs: usize,
    /// What could not be removed, in words.
    pub problems: Vec<String>,
}
