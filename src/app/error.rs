//! Why a home cannot be opened.

use std::io;
use std::path::{Path, PathBuf};

use super::lock::Holder;
use crate::config;
use crate::domain::ids::ProjectId;
use crate::interfaces::api::Fault;
use crate::journal::store;

/// Why a home cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// No variable tells where the home is.
    #[error("there is no place for the home of wfctl: HOME is not set")]
    NoHome,
    /// A setting cannot be used.
    #[error(transparent)]
    Config(#[from] config::Error),
    /// Another process holds the home and cannot be asked.
    #[error("the home is held by {}", held_by(.holder.as_ref()))]
    Held {
        /// The home.
        home: PathBuf,
        /// Who, as far as it is known.
        holder: Option<Holder>,
        /// In which way it cannot be asked.
        how: HeldHow,
    },
    /// The system refused.
    #[error("cannot {doing} ({})", path.display())]
    Io {
        /// What was being done.
        doing: &'static str,
        /// With which file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A worktree project needs a commit to begin with.
    #[error("the workflow runs in git worktrees, and {0}")]
    NoCommit(String),
    /// A worktree project needs a repository.
    #[error("the workflow runs in git worktrees, and {0}")]
    NoRepository(String),
    /// What a project began from is not there any more.
    #[error("project {project} cannot be run again: {problem}")]
    Gone {
        /// The project.
        project: ProjectId,
        /// What is gone.
        problem: String,
    },
    /// The store refused.
    #[error(transparent)]
    Fault(#[from] Fault),
}

/// In which way the holder of a home cannot be asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HeldHow {
    /// It listens and does not answer: it is stopped or hangs.
    Silent,
    /// It does not listen.
    Unreachable,
    /// It answers, but this needs the home alone.
    Busy,
}

impl Error {
    pub(super) fn io(doing: &'static str, path: &Path, source: io::Error) -> Self {
        Self::Io { doing, path: path.to_owned(), source }
    }

    pub(super) fn store(error: store::Error) -> Self {
        Self::Fault(error.into())
    }
}

fn held_by(holder: Option<&Holder>) -> String {
    match holder {
        Some(holder) => {
            format!("pid {} on {} (`{}`) since {}", holder.pid, holder.host, holder.command, holder.since)
        }
        None => "another process".to_owned(),
    }
}
