//! What the engine answers instead of what was asked.

use crate::domain::ids::ProjectId;
use crate::domain::project::Refusal;
use crate::journal::store;

pub use crate::journal::store::Error as StoreError;

/// What the engine answers instead of what was asked. Nothing was changed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// No project has this id.
    #[error("there is no project {0}")]
    UnknownProject(ProjectId),
    /// The id belongs to a project of another workflow or with other inputs.
    #[error("the id {id} belongs to a project of {what}")]
    IdTaken {
        /// The id.
        id: ProjectId,
        /// In what it differs.
        what: String,
    },
    /// The project's state does not take the command.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// The project's journal was written by a newer release: it can be read as far as it is understood, not changed.
    #[error("{id} is read-only for this release: {problem}")]
    ReadOnly {
        /// The project.
        id: ProjectId,
        /// What is not understood.
        problem: String,
    },
    /// The project's records are damaged.
    #[error("the journal of {id} is damaged: {problem}")]
    Damaged {
        /// The project.
        id: ProjectId,
        /// What and where.
        problem: String,
    },
    /// A defect of this program, contained to one project, which was set aside.
    #[error("a defect of wfctl stopped project {id}: {problem}")]
    Defect {
        /// The project.
        id: ProjectId,
        /// What went wrong.
        problem: String,
    },
    /// A large value could not be kept.
    #[error("cannot keep {what}: {problem}")]
    Vault {
        /// Which value.
        what: &'static str,
        /// Why.
        problem: String,
    },
    /// Too little space is left to accept new work.
    #[error("only {free_bytes} bytes are free on the disk of the home")]
    DiskLow {
        /// Free bytes.
        free_bytes: u64,
    },
    /// The store refused; the engine stops, what was not acknowledged did not happen.
    #[error("the store refused: {0}")]
    Store(#[from] store::Error),
    /// The engine has stopped or is stopping.
    #[error("the engine has stopped{}", if .0.is_empty() { String::new() } else { format!(": {}", .0) })]
    Stopped(String),
}
