//! What a walk needs of models: which one is asked next, what a request may cost, and its reply. The router and the providers
//! stand behind it.

use async_trait::async_trait;

use crate::agents::provider::{CallContext, Heard, ModelFailure};
use crate::domain::budget::Amounts;
use crate::domain::chat::{ModelReply, ModelRequest};
use crate::domain::failure::{Failure, FailureClass};

/// Which models a conversation may ask, in order of preference.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Policy {
    /// The role.
    pub role: String,
    /// `provider/model` each; empty: whatever is configured.
    pub models: Vec<String>,
}

/// A call of a model that was made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tried {
    /// The model.
    pub model: String,
    /// What came of it.
    pub came: Came,
}

/// What came of a call of a model.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Came {
    /// A reply.
    Reply,
    /// A summary: the conversation is as short as it can be made. Also on record before an overflow of a conversation that has
    /// nothing to sum up: only a larger window helps then.
    Summary,
    /// Nothing.
    Nothing {
        /// Why not.
        failure: Failure,
        /// The walk has ended on it and was taken up again since: what there was to wait for is over.
        waited: bool,
    },
}

/// What the choice of the next model depends on.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct History {
    /// The calls of the conversation, oldest first. Staying with the model of the last reply keeps its prompt cache warm.
    pub tried: Vec<Tried>,
    /// Estimated tokens of the request.
    pub tokens: u64,
}

/// Who is asked next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Choice {
    /// This model, now.
    Ask(String),
    /// Nobody now: the walk ends with this failure (its `retry_after_ms` kept), and is taken up again later.
    Wait(Failure),
    /// Nobody any more: the attempt fails.
    GiveUp(Failure),
}

/// Router, providers and prices as one.
#[async_trait]
pub trait Models: Send + Sync {
    /// Who is asked next. It may depend on the present (cool-downs): the choice is on record with the call.
    fn next(&self, policy: &Policy, history: &History) -> Choice;

    /// The context window of `model` in tokens, when it is known.
    fn window(&self, model: &str) -> Option<u64>;

    /// What `request` may use at most, or why it may not be sent (a price is not known).
    fn reserve(&self, request: &ModelRequest) -> Result<Amounts, Failure>;

    /// Sends `request` once.
    async fn complete(
        &self,
        request: &ModelRequest,
        context: &CallContext,
        heard: Heard<'_>,
    ) -> Result<ModelReply, ModelFailure>;
}

/// Whether another call makes sense only after some time, on whatever model of the same provider.
pub fn needs_waiting(class: FailureClass) -> bool {
    use FailureClass as C;
    matches!(
        class,
        C::RateLimited
            | C::Quota
            | C::Overloaded
            | C::HttpServer
            | C::Transport
            | C::Unreachable
            | C::Idle
            | C::Timeout
            | C::Uncertain
    )
}

/// Whether a failure of this class passes only when a person does something about it.
pub(super) fn needs_person(class: FailureClass) -> bool {
    matches!(class, FailureClass::Auth | FailureClass::Credits | FailureClass::ModelNotFound)
}
