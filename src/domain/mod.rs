//! The pure core: what projects and tasks are, what may happen to them, and what happens next.
//!
//! No file, clock, randomness, environment, logging or await in here; whatever a decision depends on is an argument.
//! Reading order: `ids`, `event`, `machine/`, `project/` (decide and apply), `workflow/` (definitions).

pub mod budget;
pub mod call;
pub mod chat;
pub mod effect;
pub mod event;
pub mod failure;
pub mod ids;
pub mod limits;
pub mod machine;
pub mod payload;
pub mod policy;
pub mod project;
pub mod retry;
pub mod sandbox;
pub mod secret;
pub mod time;
pub mod tool_server;
pub mod view;
pub mod workflow;
