//! Why something asked of a home was not done, in a form that goes over the socket: a kind for codes and hints, texts for people.

use std::error::Error as _;

use serde::{Deserialize, Serialize};

use crate::domain::ids::ProjectId;
use crate::domain::project::RefusalKind;
use crate::engine::{self, StoreError};

/// Why something was not done. Nothing was changed, unless the kind says that the outcome is unknown.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("{message}")]
pub struct Fault {
    /// What kind of reason.
    pub kind: FaultKind,
    /// A lower-case fragment.
    pub message: String,
    /// What lies behind it, outermost first.
    #[serde(default)]
    pub causes: Vec<String>,
    /// The project it is about.
    #[serde(default)]
    pub project: Option<ProjectId>,
}

/// Kinds of faults.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FaultKind {
    /// No such project.
    UnknownProject,
    /// No such task.
    UnknownTask,
    /// The task has not written anything.
    NoLog,
    /// The repository has lost files that records name.
    NoFiles,
    /// No agent has begun to talk.
    NoConversation,
    /// No such artifact.
    NoArtifact,
    /// Several tasks have an artifact of that name.
    AmbiguousArtifact,
    /// The id belongs to another project.
    IdTaken,
    /// The project is terminal.
    Terminal,
    /// The project is not in a state where that makes sense.
    WrongState,
    /// More than one thing could be meant.
    Ambiguous,
    /// It was answered before.
    AlreadyAnswered,
    /// A lease token is wrong or void.
    StaleToken,
    /// A bound would be passed.
    Limit,
    /// What was given is not valid.
    Invalid,
    /// The project was written by a later release.
    ReadOnly,
    /// Records are damaged.
    Damaged,
    /// A defect of this program.
    Defect,
    /// Too little space.
    DiskLow,
    /// The store or the file system refused.
    Store,
    /// The engine is stopping.
    Stopped,
    /// An engine is at work, and this needs the home alone.
    HomeBusy,
    /// The home is only open for reading.
    NotDriving,
    /// A face was asked without a token that it knows.
    NoToken,
    /// The token is for a role that may not do that.
    NotAllowed,
    /// A page of another site asks, or under a name that is not this server's.
    Foreign,
    /// More is asked than can be answered; nothing was done.
    TooMany,
    /// A key that makes a request idempotent was used for another one.
    KeyReused,
    /// A face has nothing under that name.
    NoRoute,
    /// The other side speaks another protocol, or not at all any more: whether it was done is unknown.
    Connection,
}

/// What a fault means to people.
#[derive(Debug, Clone, Default)]
pub struct Explained {
    /// The stable code.
    pub code: String,
    /// A few words.
    pub title: String,
    /// What went wrong this time.
    pub message: String,
    /// What lies behind it, outermost first.
    pub causes: Vec<String>,
    /// What to do next.
    pub next: Option<String>,
    /// Of a workflow file: every problem.
    pub diagnostics: Option<serde_json::Value>,
    /// Of inputs: every problem.
    pub inputs: Option<serde_json::Value>,
}

impl Fault {
    /// A fault without causes.
    pub fn new(kind: FaultKind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into(), causes: Vec::new(), project: None }
    }

    /// Whether it is about the engine that was asked and not about what was asked of it.
    pub fn is_of_the_engine(&self) -> bool {
        matches!(self.kind, FaultKind::Stopped | FaultKind::Connection)
    }

    /// Names the project it is about.
    #[must_use]
    pub fn of(mut self, project: &ProjectId) -> Self {
        self.project = Some(project.clone());
        self
    }
}

impl From<RefusalKind> for FaultKind {
    fn from(kind: RefusalKind) -> Self {
        match kind {
            RefusalKind::Terminal => Self::Terminal,
            RefusalKind::WrongState => Self::WrongState,
            RefusalKind::UnknownTask => Self::UnknownTask,
            RefusalKind::Ambiguous => Self::Ambiguous,
            RefusalKind::AlreadyAnswered => Self::AlreadyAnswered,
            RefusalKind::StaleToken => Self::StaleToken,
            RefusalKind::Limit => Self::Limit,
            RefusalKind::Invalid => Self::Invalid,
            RefusalKind::Budget => Self::Limit,
        }
    }
}

impl From<engine::Error> for Fault {
    fn from(error: engine::Error) -> Self {
        use engine::Error;
        let (kind, project) = match &error {
            Error::UnknownProject(id) => (FaultKind::UnknownProject, Some(id)),
            Error::IdTaken { id, .. } => (FaultKind::IdTaken, Some(id)),
            Error::Refused(refusal) => (refusal.kind.into(), None),
            Error::ReadOnly { id, .. } => (FaultKind::ReadOnly, Some(id)),
            Error::Damaged { id, .. } => (FaultKind::Damaged, Some(id)),
            Error::Defect { id, .. } => (FaultKind::Defect, Some(id)),
            Error::Vault { .. } => (FaultKind::Store, None),
            Error::DiskLow { .. } => (FaultKind::DiskLow, None),
            Error::Store(error) => (of_store(error), None),
            Error::Stopped(_) => (FaultKind::Stopped, None),
        };
        let mut causes = Vec::new();
        // The store's own text is part of ours already; what lies behind it is not.
        let mut behind = error.source();
        while let Some(cause) = behind {
            let text = cause.to_string();
            if !error.to_string().contains(&text) {
                causes.push(text);
            }
            behind = cause.source();
        }
        Self { kind, message: error.to_string(), causes, project: project.cloned() }
    }
}

impl From<StoreError> for Fault {
    fn from(error: StoreError) -> Self {
        engine::Error::Store(error).into()
    }
}

fn of_store(error: &StoreError) -> FaultKind {
    match error {
        StoreError::Corrupt { .. } => FaultKind::Damaged,
        StoreError::Gap { .. } => FaultKind::Defect,
        StoreError::DiskFull => FaultKind::DiskLow,
        StoreError::Fenced { .. } | StoreError::Locked | StoreError::Io { .. } => FaultKind::Store,
    }
}
