//! The state machines: one file each, all of the same shape (table, state, input, handlers, invariants, tests).
//!
//! A machine answers one question: may this input happen in this state, and which state follows? It decides with a
//! `statig` hierarchy, so that what all children of a superstate answer stands once. The persisted states are our own
//! enums with stable names.

pub mod project;
pub mod task;

pub use project::{Phase, ProjectStatus};
pub use task::TaskStatus;
