//! Everything that touches the host: process groups, people's files, git repositories.
//!
//! This room knows nothing of machines, journals or scheduling; it is told what to do and says how it ended. No other room
//! spawns a process or writes into a person's folder. Reading order: `command_line`, `process`, `git/`, `lease`; for agents
//! `boundary` and `checks/`.
//! spawns a process or writes into a person's folder. Reading order: `command_line`, `process`, `git/`, `lease`; then `checks/`,
//! `secrets`, `index/`.

pub mod boundary;
pub mod checks;
pub mod command_line;
pub mod companion;
pub mod detached;
pub mod excerpt;
pub mod files;
pub mod git;
pub mod index;
pub mod leftovers;
pub mod process;
pub mod sandbox;
pub mod secrets;

mod capture;
mod duplicate;
mod group;
mod lease;
mod procfs;

pub use duplicate::duplicate;
pub use git::{
    Adoption, Compared, ComparedFile, ConflictContext, ConflictPath, Flaky, Gate, GateReport, LandOrder, Landed,
    MergeFault, MergeRequest, Merged, Prepared, Queue, Side, TaskCommit, Unpublished,
};
pub use lease::{Lease, Workspaces};
