//! The merge queue: finished tasks become part of the project's integration branch, one compare-and-swap per batch.
//!
//! *Task completed* and *its commit is reachable from the integration branch* are one transition. Whoever asks writes down that
//! it will ask, asks, and writes down the answer; after a crash in between it asks again, and the queue finds the commit in
//! the branch and gives the same answer. What is waiting while a lane is busy becomes one batch: its members are merged one
//! after the other in the object store, the gates run once on the result, and the branch moves once.
//!
//! Decisions. Each member is a merge commit of its own, with the branch as first parent, even where the branch could simply be
//! moved forward: so the first-parent history is the list of completed tasks, and a member's answer (its merge commit, the
//! position of that in the list, the size of its batch) can be read from the repository alone. A member that conflicts with an
//! earlier one of its batch is told so only when that one is in the branch for good. A gate counts as red when it is red twice.
//!
//! Reading order: `request`, `lane` (who waits, who runs), `round` (one batch), `gates`, `store` (the repository's side),
//! `line` (what the branch contains).

mod gates;
mod lane;
mod line;
mod request;
mod round;
mod store;

pub use lane::Queue;
pub use request::{Flaky, Gate, GateReport, MergeFault, MergeRequest, Merged};

#[cfg(test)]
mod hostile_tests;
#[cfg(test)]
mod rig;
#[cfg(test)]
mod storm;
#[cfg(test)]
mod tests;
