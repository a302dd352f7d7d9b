//! git, through libgit2 and a little by hand: worktrees of our own, exact checkpoints, merges in the object store.
//!
//! The user's checkout, index and branches are never touched: all that a project leaves in a repository is objects, references
//! under `refs/wfctl/` and admin folders `worktrees/wfctl-*` while it runs, and one branch `ai/generated/<project>/result` at the end.
//! No hook, filter or merge driver of a repository's configuration is ever run.
//!
//! Reading order: `repo`, `scan` (what is in a worktree), `checkpoint`, `restore`, `merge`, `pool`, `adopt`.

mod adopt;
mod checkpoint;
mod error;
mod merge;
mod pool;
mod repo;
mod restore;
mod scan;

pub use adopt::Adoption;
pub use error::Error;
pub use pool::{Pools, Unpublished, Worktree};
pub use repo::base_commit;

#[cfg(test)]
mod tests;
