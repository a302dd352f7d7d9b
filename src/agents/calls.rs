//! The line of an agent's walk to the record. The engine's side is in `steps/`; tests keep the record in memory.

use async_trait::async_trait;

use crate::domain::call::{CallIntent, CallOutcome, RecordedCall};
use crate::domain::failure::Failure;
use crate::domain::ids::CallIx;
use crate::domain::payload::Payload;

/// Why a call may not be made. The walk ends at once; what is on record stays, and the same attempt goes on later.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Denied {
    /// A cap leaves no room for what would be reserved; the project is held until it is raised.
    Budget,
    /// The project is held, cancelled or the engine stops.
    Stopped,
}

/// Records calls, in the order in which they are given. When `begin` or `ask` returns, what it was given and everything before
/// it is durable; `end` and `note` may return earlier, as what they tell has happened, and whatever a walk does to the world next
/// begins with a `begin`. A refusal that comes after they returned is told by the next `begin`.
#[async_trait]
pub trait Calls: Send + Sync {
    /// The calls that this attempt has on record from before; those without an outcome were lost in the middle and are
    /// made again under their number.
    fn recorded(&self) -> &[RecordedCall];

    /// Puts a call on record before it is made.
    async fn begin(&self, intent: CallIntent) -> Result<(), Denied>;

    /// Puts the outcome of a call on record that was begun; see above when it is durable.
    async fn end(&self, ix: CallIx, outcome: CallOutcome) -> Result<(), Denied>;

    /// Both at once, for calls that change nothing and cost nothing, which are made before they are on record.
    async fn note(&self, calls: Vec<(CallIntent, CallOutcome)>) -> Result<(), Denied>;

    /// Asks a person. The walk ends with [`Denied::Stopped`]; when the answer is there, it starts over, and the call's
    /// outcome is the answer.
    async fn ask(&self, intent: CallIntent, question: String) -> Result<(), Denied>;

    /// Keeps a value durably; small ones stay inline.
    fn keep(&self, value: &[u8]) -> Result<Payload, Failure>;

    /// Reads a value back.
    fn read(&self, value: &Payload) -> Result<Vec<u8>, Failure>;

    /// Monotonic milliseconds, for durations.
    fn monotonic_ms(&self) -> u64;

    /// The conversation showed a sign of life (a token, a line of output).
    fn alive(&self);

    /// The next words of the reply to a call, for whoever watches: nobody waits for them, and they are on no record. A sign of
    /// life, too.
    fn said(&self, ix: CallIx, text: &str);
}
