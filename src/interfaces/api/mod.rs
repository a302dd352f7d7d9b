//! What can be asked of a home, and what it answers: plain data, and one [`Door`] with two sides.
//!
//! [`Service`] answers within the process that holds the home; `socket::Client` asks it from another one. A face holds a
//! `dyn Door` and cannot tell which of the two it is.

mod artifacts;
mod comparison;
mod cost;
mod fault;
mod home;
mod lines;
mod logs;
mod names;
mod request;
mod service;
mod sinks;
mod tables;
mod timeline;
mod transcript;

pub use artifacts::{Artifact, Content};
pub use comparison::{ChangedFile, Comparison};
pub use cost::{Chosen, Cost, Latency, Route, Row, Tally};
pub use fault::{Explained, Fault, FaultKind};
pub use home::{Home, Pinned, Why};
pub use lines::Line;
pub use names::{Directory, TaskNames};
pub use request::{
    Answer, Check, ForkRequest, Head, LogPage, LogPiece, Progress, Removed, Request, StartRequest, Verified,
};
pub use service::{Adopted, Between, Keeper, Service, Sides};
pub use sinks::SinkState;
pub use tables::{CycleRow, PlannerRow, Tables, TaskRow};
pub use timeline::{AttemptEnd, AttemptRow, StepRow, Timeline, WaitCause, WaitRow};
pub use transcript::{End as CallEnd, Entry as CallEntry, Transcript, Wanted as WantedTranscript};

use async_trait::async_trait;

/// Where a request can be made.
#[async_trait]
pub trait Door: Send + Sync {
    /// Asks; the answer comes when what was asked for is durable.
    async fn call(&self, request: Request) -> Result<Answer, Fault>;
}
