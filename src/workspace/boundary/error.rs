//! Why something could not be done with a file of a worktree. The messages are written for a model: what, where, and what to
//! do instead.

use std::io;

use crate::domain::failure::{Failure, FailureClass};

/// Why not.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The text is no path inside the worktree.
    #[error("`{path}` is not a path inside the worktree: {why}")]
    Outside {
        /// The text, made harmless.
        path: String,
        /// Why.
        why: String,
    },
    /// It belongs to the repository itself.
    #[error(
        "`{0}` belongs to git itself and is not open to tools; use git_status, git_diff and git_log to look at history"
    )]
    Protected(String),
    /// wfctl obeys it.
    #[error("`{0}` tells wfctl what to do in this repository; only a person changes it, so leave it as it is")]
    Obeyed(String),
    /// A link is on the way, or at its end.
    #[error("`{at}` is a symbolic link, and none is followed; name the file itself (asked for: `{path}`)")]
    Link {
        /// What was asked for.
        path: String,
        /// The link.
        at: String,
    },
    /// A pipe, a socket, a device.
    #[error("`{0}` is not a regular file but a pipe, a socket or a device")]
    Special(String),
    /// There is nothing.
    #[error("`{0}` does not exist")]
    NotFound(String),
    /// A folder, where a file was meant.
    #[error("`{0}` is a folder, not a file; use list_files to see what is in it")]
    IsFolder(String),
    /// A file, where a folder was meant.
    #[error("`{0}` is not a folder")]
    NotFolder(String),
    /// Something is there already.
    #[error("`{0}` exists already")]
    Exists(String),
    /// The root itself is meant.
    #[error("the root of the worktree cannot be moved")]
    Root,
    /// Larger than the bound.
    #[error(
        "`{path}` has {bytes} bytes, more than the {most} that tools take; use run_command to look at a part of it"
    )]
    TooLarge {
        /// Which file.
        path: String,
        /// Its size.
        bytes: u64,
        /// The bound.
        most: u64,
    },
    /// The file system said no.
    #[error("`{path}`: {source}")]
    Io {
        /// Where.
        path: String,
        /// Why.
        source: io::Error,
    },
}

impl Error {
    /// The failure of the attempt, when the host and not the asked path is at fault: nothing that a model says would help.
    pub fn ends(&self) -> Option<Failure> {
        let Self::Io { source, .. } = self else { return None };
        let host = matches!(
            source.kind(),
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded | io::ErrorKind::ReadOnlyFilesystem
        );
        host.then(|| Failure::new(FailureClass::Workspace, self.to_string()))
    }
}
