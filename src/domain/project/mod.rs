//! A project: its state, what happens to it, and what follows.
//!
//! [`Project::take`] is the whole of the loop's first half: it decides on an input, applies each event as it is decided
//! (so that the next decision of the same turn sees it), and hands out the events to append and the effects to perform.
//! [`Project::apply`] alone, over the recorded events, gives the same state: that is what resume and `doctor` rely on.

mod accounts;
mod additions;
mod agent_views;
mod apply;
mod calls;
mod child;
mod commands;
mod fork;
mod growth;
mod input;
mod integration;
mod item_graph;
mod lifecycle;
mod more_items;
mod output;
mod reach;
mod recover;
mod render;
mod snapshot;
mod state;
mod steps;
mod task_flow;
mod trees;
mod views;
mod why;

pub use apply::ReplayError;
pub use fork::{RecordedTree, RecordedTrees, with_models};
pub use input::{Command, Decided, Input, Refusal, RefusalKind, Turn, Vault};
pub use integration::Merged;
pub use recover::{RecoveryItem, RecoveryKind};
pub use snapshot::SNAPSHOT_FORMAT;
pub use state::{Feedback, Gate, Integration, Lease, Origin, Project, Signal, Step, Task};
