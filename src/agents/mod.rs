//! Agents: a role's conversation with a model, its tools, and what it answers. Every model and tool call goes through
//! [`Calls`], which puts it on record first; a walk that starts over reads back what is there.
//!
//! This room knows nothing of projects, journals or scheduling: it is given a task in words, a worktree and a line to the
//! record, and ends with a typed answer. Reading order: `calls`, `provider/`, `tools/`, `memory/`, `roles/`, `signatures/`, `walk/`.

pub mod calls;
pub mod mcp;
pub mod memory;
pub mod memory_calls;
pub mod prices;
pub mod provider;
pub mod roles;
pub mod router;
pub mod secrets;
pub mod signatures;
pub mod tools;
pub mod walk;

pub use calls::{Calls, Denied};
