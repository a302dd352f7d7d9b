//! git, through libgit2 and a little by hand: worktrees of our own, exact checkpoints, merges in the object store.
//!
//! The user's checkout and index are never touched: all that a project leaves in a repository is objects, references under
//! `refs/wfctl/` and admin folders `worktrees/wfctl-*` while it runs, and branches under `ai/generated/<project>/`: `result`,
//! `integration`, and those of tasks that were not merged. A branch of the user's is moved by `land` alone.
//! No hook, filter or merge driver of a repository's configuration is ever run.
//!
//! Reading order: `repo`, `scan` (what is in a worktree), `checkpoint`, `restore`, `threeway`, `merge`, `pool`, `adopt`; then for tasks that
//! commit: `branches`, `queue/`, `conflict`, `land`.

mod adopt;
mod beneath;
mod blocking;
mod branches;
mod checkpoint;
mod conflict;
mod create;
mod desk;
mod error;
mod guard;
mod inquire;
mod inspect;
mod land;
mod merge;
mod names;
mod patch;
mod pool;
mod queue;
mod replica;
mod repo;
mod restore;
mod scan;
mod threeway;
mod tree_size;

pub use adopt::Adoption;
pub(in crate::workspace) use blocking::blocking;
pub use branches::{TaskCommit, commit_task};
pub use conflict::{
    ConflictContext, ConflictPath, Prepared, Side, commit_resolution, conflict_context, prepare_conflict,
};
pub use create::create;
pub use desk::{IntoFiles, branches_of, commit_here, create_branch, init, merge_here, merge_into, remotes};
pub use error::Error;
pub(in crate::workspace) use guard::guarded;
pub use guard::{Unreadable, is_local_variable};
pub use inquire::{changed_files, checked_out_branch, file_at, files_below, landing, tree_of, visit_changed};
pub use inspect::{Changed, Commit, Difference, Inspection};
pub use land::{LandOrder, Landed, land_back};
pub(in crate::workspace) use names::means_git;
pub use patch::{Compared, ComparedFile, compare_commit};
pub use pool::{Pools, Unpublished, Worktree};
pub use queue::{Flaky, Gate, GateReport, MergeFault, MergeRequest, Merged, Queue};
pub use replica::{align, replicate};
pub use repo::{base_commit, common_dir};

#[cfg(test)]
mod hostile_tests;
#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;
#[cfg(test)]
pub(crate) use testing::{commit_all, commit_on};
