//! Everything that touches the host: process groups, people's files, git repositories.
//!
//! This room knows nothing of machines, journals or scheduling; it is told what to do and says how it ended. No other room
//! spawns a process or writes into a person's folder. Reading order: `command_line`, `process`, `git/`, `lease`.

pub mod command_line;
pub mod detached;
pub mod excerpt;
pub mod files;
pub mod git;
pub mod leftovers;
pub mod process;

mod capture;
mod group;
mod lease;
mod procfs;

pub use git::{Adoption, Unpublished};
pub use lease::{Lease, Workspaces};
