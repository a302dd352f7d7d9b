//! What the engine needs from the world, as traits. `app.rs` plugs the real ones in, tests plug in their own.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use async_trait::async_trait;
use tokio::sync::watch;

use crate::domain::call::CallInput;
use crate::domain::effect::{StepOrder, StopCause};
use crate::domain::event::StepOutcome;
use crate::domain::ids::{CallIx, Digest, ProjectId, Seq};
use crate::domain::time::Millis;

/// Wall and monotonic time.
pub trait Clock: Send + Sync + 'static {
    /// The wall clock; may jump.
    fn now(&self) -> Millis;
    /// Milliseconds since some fixed moment; never goes back.
    fn monotonic_ms(&self) -> u64;
    /// The same in microseconds, for what is measured and not decided by.
    fn monotonic_us(&self) -> u64 {
        self.monotonic_ms().saturating_mul(1000)
    }
}

/// A source of randomness.
pub trait Entropy: Send + Sync + 'static {
    /// The next random number.
    fn next(&self) -> u64;
}

/// Runs steps. One call is one execution of one step.
#[async_trait]
pub trait StepRunner: Send + Sync + 'static {
    /// Runs `order` to its end and says how it ended. Never panics on bad input, never returns before everything that the
    /// step started is dead. `control` tells when to stop, and is told of signs of life.
    async fn run(&self, order: StepOrder, control: StepControl) -> StepOutcome;
}

/// Where the walk of an agent's step puts its calls on record.
#[async_trait]
pub trait CallPort: Send + Sync {
    /// Returns once what was said is durable. What several of these say is put on record in the order in which they are first
    /// polled; one that is dropped then is put on record all the same.
    async fn put(&self, input: CallInput) -> Result<(), CallDenied>;

    /// The next words of the reply to a call that is on record: told to whoever watches now, and kept nowhere. Returns at once.
    fn said(&self, call: CallIx, text: &str) {
        // A record has no use for words that are not the whole reply.
        let _ = (call, text);
    }
}

/// Why a call was not put on record: the walk must end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CallDenied {
    /// A cap leaves no room; the project is held.
    Budget,
    /// The project is held, cancelled, or the engine stops.
    Stopped,
}

/// Nothing is recorded: for steps that are run outside an engine.
struct NoCalls;

#[async_trait]
impl CallPort for NoCalls {
    async fn put(&self, _: CallInput) -> Result<(), CallDenied> {
        Err(CallDenied::Stopped)
    }
}

/// The engine's line to one running step.
#[derive(Clone)]
pub struct StepControl {
    stop: watch::Receiver<Option<StopCause>>,
    alive_ms: Arc<AtomicU64>,
    calls: Arc<dyn CallPort>,
}

/// The engine's end of a [`StepControl`].
#[derive(Debug)]
pub struct StepHandle {
    stop: watch::Sender<Option<StopCause>>,
    alive_ms: Arc<AtomicU64>,
}

/// A connected pair. `now_ms` is the monotonic time of the start.
pub fn step_control(now_ms: u64) -> (StepHandle, StepControl) {
    let (stop, stop_rx) = watch::channel(None);
    let alive_ms = Arc::new(AtomicU64::new(now_ms));
    let control = StepControl { stop: stop_rx, alive_ms: alive_ms.clone(), calls: Arc::new(NoCalls) };
    (StepHandle { stop, alive_ms }, control)
}

impl StepControl {
    /// The same with a line to the record.
    #[must_use]
    pub fn recording(mut self, calls: Arc<dyn CallPort>) -> Self {
        self.calls = calls;
        self
    }

    /// The line to the record.
    pub fn calls(&self) -> &dyn CallPort {
        &*self.calls
    }

    /// Resolves when the step must stop, with the reason; never, while it may run.
    pub async fn stopped(&mut self) -> StopCause {
        loop {
            if let Some(cause) = *self.stop.borrow_and_update() {
                return cause;
            }
            if self.stop.changed().await.is_err() {
                // The engine is gone without a word: the step must not outlive it.
                return StopCause::Shutdown;
            }
        }
    }

    /// Whether the step must stop, without waiting.
    pub fn stop_asked(&self) -> Option<StopCause> {
        *self.stop.borrow()
    }

    /// The step showed a sign of life (output, progress) at monotonic `now_ms`.
    pub fn alive(&self, now_ms: u64) {
        self.alive_ms.fetch_max(now_ms, Ordering::Relaxed);
    }
}

impl StepHandle {
    /// Asks the step to stop; the first reason given stays.
    pub fn stop(&self, cause: StopCause) {
        self.stop.send_if_modified(|asked| asked.is_none() && asked.replace(cause).is_none());
    }

    /// Monotonic time of the last sign of life.
    pub fn alive_ms(&self) -> u64 {
        self.alive_ms.load(Ordering::Relaxed)
    }
}

/// A cache of project states, so that a resume need not replay a whole journal. Losing it loses nothing.
pub trait SnapshotCache: Send + Sync + 'static {
    /// Keeps `bytes`, the state in `format` at `seq`, whose record has the hash `head`. Best effort.
    fn save(&self, project: &ProjectId, seq: Seq, head: Digest, format: u16, bytes: Vec<u8>);
    /// The newest sound snapshot in `format`.
    fn load(&self, project: &ProjectId, format: u16) -> Option<(Seq, Digest, Vec<u8>)>;
}

/// Tells how much room is left where the home lives.
pub trait Disk: Send + Sync + 'static {
    /// Free bytes, or `None` when the system does not say.
    fn free_bytes(&self) -> Option<u64>;
}
