//! What can go wrong with a repository, and which class of failure it is for a step.

use std::io;
use std::path::PathBuf;

use crate::domain::failure::{Failure, FailureClass};

/// Why something could not be done with a repository.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// There is none here or above.
    #[error("not a git repository: {}", .0.display())]
    NoRepository(PathBuf),
    /// HEAD names no commit yet.
    #[error("the repository has no commits yet: {}", .0.display())]
    NoCommits(PathBuf),
    /// A repository without a work tree.
    #[error("the repository is bare: {}", .0.display())]
    Bare(PathBuf),
    /// The order names no base commit, or something that is not one.
    #[error("not a commit of this repository: {0}")]
    NoSuchCommit(String),
    /// The order names a tree that is not there.
    #[error("not a tree of this repository: {0}")]
    NoSuchTree(String),
    /// Two trees changed the same place.
    #[error("cannot merge the files of the tasks: {}", paths(.0))]
    Conflict(Vec<String>),
    /// A tree holds a name that must not be written (`..`, `.git`).
    #[error("the tree holds a path that is not allowed: {0:?}")]
    Path(String),
    /// More or larger files than a checkpoint takes.
    #[error("the worktree is too large: {0}; is something not ignored that should be?")]
    TooLarge(String),
    /// More of something, or something larger, than is read of a repository.
    #[error("the repository is refused: {0}")]
    Bound(String),
    /// The repository's `.git` leads into another checkout.
    #[error("{} leads to {}, the git folder of another checkout", link.display(), target.display())]
    Elsewhere {
        /// The `.git` of the folder.
        link: PathBuf,
        /// Where it leads.
        target: PathBuf,
    },
    /// The result branch exists with something else.
    #[error("branch {0} exists with another commit; delete or rename it")]
    BranchTaken(String),
    /// No local branch of that name.
    #[error("no branch {0} in this repository")]
    NoSuchBranch(String),
    /// The user's checkout is on no branch.
    #[error("the checkout is on no branch (its HEAD is detached); name the branch to merge into")]
    NoBranch,
    /// A reference that we move is moved by others all the time.
    #[error("{0} is moved by someone else again and again")]
    Moving(String),
    /// A resolution that still has the markers of the conflict.
    #[error("conflict markers are left in: {}", paths(.0))]
    Unresolved(Vec<String>),
    /// What was asked makes no sense here.
    #[error("{0}")]
    Refused(String),
    /// libgit2 said no.
    #[error("git: {}", .0.message())]
    Git(#[from] git2::Error),
    /// The file system said no.
    #[error("{}: {source}", path.display())]
    Io {
        /// Where.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

/// The first paths of a conflict, and how many more there are.
fn paths(all: &[String]) -> String {
    const SHOWN: usize = 10;
    let shown = all.iter().take(SHOWN).map(String::as_str).collect::<Vec<_>>().join(", ");
    match all.len().checked_sub(SHOWN) {
        None | Some(0) => shown,
        Some(more) => format!("{shown} and {more} more"),
    }
}

/// Puts the path into an error of the file system.
pub(super) trait At<T> {
    fn at(self, path: &std::path::Path) -> Result<T, Error>;
}

impl<T> At<T> for io::Result<T> {
    fn at(self, path: &std::path::Path) -> Result<T, Error> {
        self.map_err(|source| Error::Io { path: path.to_owned(), source })
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        let class = match &error {
            Error::Conflict(_) | Error::Unresolved(_) => FailureClass::Conflict,
            Error::TooLarge(_) | Error::Bound(_) => FailureClass::Oversized,
            // It is not there the second time either: a person has to make it, or name another one.
            Error::NoBranch | Error::NoSuchBranch(_) => FailureClass::NotFound,
            Error::NoRepository(_)
            | Error::NoCommits(_)
            | Error::Bare(_)
            | Error::NoSuchCommit(_)
            | Error::NoSuchTree(_)
            | Error::Path(_)
            | Error::Elsewhere { .. }
            | Error::BranchTaken(_)
            | Error::Moving(_)
            | Error::Refused(_)
            | Error::Git(_)
            | Error::Io { .. } => FailureClass::Workspace,
        };
        Failure::new(class, error.to_string())
    }
}
