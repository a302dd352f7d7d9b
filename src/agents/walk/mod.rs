//! The walk of one attempt of an agent: a conversation with a model, its tools, its evidence, its answer.
//!
//! A walk is a deterministic function of its record. When it is taken up again it starts over: each call that has an outcome is
//! read back, the others are made. So nothing in here may depend on time, chance, or what a folder looks like, except through
//! outcomes on record; the choice of a model is on record as the label of its call.
//!
//! Reading order: `order` (what is asked), `models` and `worksite` (what is needed), `record` (the line to the journal), `prompt`
//! (call 0), `driver` (the loop, decided by `domain/machine/agent_turn.rs`), `talk` (models), `hands` (tools), `embedding` (what
//! memory has to be paid for), `evidence`.

mod compaction;
mod driver;
mod embedding;
mod evidence;
mod hands;
mod models;
mod order;
mod own_tools;
mod prompt;
mod record;
mod stuck;
mod talk;
mod transcript;
mod worksite;

pub use driver::run;
pub use models::{Came, Choice, History, Models, Policy, Tried, needs_waiting};
pub use order::{AgentEnd, AgentOrder, Artifact, Limits};
pub use prompt::remembered;
pub use worksite::{
    Asks, Brief, CheckReport, Offered, Standing, TestTally, ToolResult, ToolRun, WholeOutputs, Worksite,
};

#[cfg(test)]
mod tests;
