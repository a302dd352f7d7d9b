//! Providers of models: one request in, one complete reply out. None of them retries or records anything.
//!
//! `openai/` speaks to every endpoint of that protocol, `presets` knows the well-known ones; `scripted` and `recorded` answer
//! without a network; `gate` keeps a provider's limits; `registry` makes them all from the configuration.

pub mod conversation;
pub mod gate;
pub mod openai;
pub mod presets;
pub mod recorded;
pub mod registry;
pub mod scripted;

use std::sync::Arc;

use async_trait::async_trait;

use crate::domain::chat::{ModelReply, ModelRequest, Usage};
use crate::domain::failure::Failure;
use crate::domain::time::Millis;

/// Wall-clock time, handed in: what a provider's dates mean.
pub type WallClock = Arc<dyn Fn() -> Millis + Send + Sync>;
/// Monotonic milliseconds, handed in: for rates and durations.
pub type MonotonicClock = Arc<dyn Fn() -> u64 + Send + Sync>;

/// Both clocks.
#[derive(Clone)]
pub struct Clocks {
    /// What time it is.
    pub wall: WallClock,
    /// How much time has passed.
    pub monotonic_ms: MonotonicClock,
}

/// What a provider may need to know beyond the request. Scripted providers choose their answer by it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct CallContext {
    /// The project's id.
    pub project: String,
    /// The task's name.
    pub task: String,
    /// The role.
    pub role: String,
    /// The attempt, from 1.
    pub attempt: u32,
    /// The model call's number in its conversation, from 1; the same when it is sent again.
    pub turn: u32,
}

/// A call that gave no usable reply.
#[derive(Debug, Clone, PartialEq)]
pub struct ModelFailure {
    /// Its class (see `domain/failure.rs`) and message; `retry_after_ms` as the provider asked.
    pub failure: Failure,
    /// The request may have reached the provider and may be billed.
    pub sent: bool,
    /// What was used, when the provider said so or it can be estimated from what arrived.
    pub usage: Option<Usage>,
    /// The text that arrived before the stream was cut.
    pub partial: String,
}

/// Called with each sign of life of a call, and with the text of the reply that came with it; `""` when none did.
pub type Heard<'h> = &'h (dyn Fn(&str) + Send + Sync);

/// A source of replies. Dropping the future of [`Provider::complete`] cancels the call.
#[async_trait]
pub trait Provider: Send + Sync {
    /// Sends `request` and collects its reply. `heard` is called with each sign of life (a chunk of a stream).
    async fn complete(
        &self,
        request: &ModelRequest,
        context: &CallContext,
        heard: Heard<'_>,
    ) -> Result<ModelReply, ModelFailure>;
}
