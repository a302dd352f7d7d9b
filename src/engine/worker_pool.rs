//! Runs steps beside the loop: one task of the runtime per step, supervised. Time limits are kept here, and the outcome is
//! sent back whatever happens, a panic of the runner included.

use std::collections::HashMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use async_trait::async_trait;
use futures_util::FutureExt as _;
use tokio::sync::{AcquireError, OwnedSemaphorePermit, Semaphore, mpsc, oneshot, watch};
use tracing::Instrument as _;

use crate::domain::call::CallInput;
use crate::domain::effect::{StepOrder, StopCause};
use crate::domain::event::StepOutcome;
use crate::domain::failure::{Failure, FailureClass};
use crate::domain::ids::{Attempt, CallIx, ProjectId, TaskIx};
use crate::domain::project::RefusalKind;
use crate::domain::workflow::Timeouts;

use super::core::Request;
use super::deltas::{Deltas, Mouth};
use super::dispatcher::ReplyTo;
use super::error::Error;
use super::ports::{CallDenied, CallPort, Clock, StepControl, StepHandle, StepRunner, step_control};

type Key = (ProjectId, TaskIx);
type Running = HashMap<Key, Entry>;

/// A place in the queue for a worker.
type Permit = Pin<Box<dyn Future<Output = Result<OwnedSemaphorePermit, AcquireError>> + Send>>;

/// One step in flight.
struct Entry {
    attempt: Attempt,
    handle: Arc<StepHandle>,
    /// Closed when the step is over.
    over: watch::Receiver<()>,
}

/// The steps in flight.
#[derive(Clone)]
pub struct WorkerPool {
    runner: Arc<dyn StepRunner>,
    clock: Arc<dyn Clock>,
    running: Arc<Mutex<Running>>,
    outcomes: Outcomes,
    runtime: tokio::runtime::Handle,
    permits: Arc<Semaphore>,
    deltas: Deltas,
}

/// What running steps tell the loop, with where an answer goes.
pub type Outcomes = mpsc::UnboundedSender<(Request, Option<ReplyTo>)>;

/// A running step's line to the record.
struct CallLine {
    project: ProjectId,
    task: TaskIx,
    attempt: Attempt,
    engine: Outcomes,
    mouth: Mouth,
}

#[async_trait]
impl CallPort for CallLine {
    async fn put(&self, input: CallInput) -> Result<(), CallDenied> {
        let (reply_to, reply) = oneshot::channel();
        let (id, task, attempt) = (self.project.clone(), self.task, self.attempt);
        // A closed channel and a reply that never comes mean that the engine is gone.
        if self.engine.send((Request::Call { id, task, attempt, input }, Some(reply_to))).is_err() {
            return Err(CallDenied::Stopped);
        }
        match reply.await {
            Ok(Ok(_)) => Ok(()),
            Ok(Err(Error::Refused(refusal))) if refusal.kind == RefusalKind::Budget => Err(CallDenied::Budget),
            Ok(Err(error)) => {
                tracing::debug!(project = %self.project, task = %self.task, %error, "a walk ends");
                Err(CallDenied::Stopped)
            }
            Err(_) => Err(CallDenied::Stopped),
        }
    }

    fn said(&self, call: CallIx, text: &str) {
        self.mouth.say(call, text);
    }
}

impl WorkerPool {
    /// A pool that runs at most `workers` steps at once on `runtime` and sends their outcomes to `outcomes`. What is
    /// started beyond that waits its turn; how much that can be is bounded by the scheduler, and so is the queue of
    /// outcomes.
    pub fn new(
        runner: Arc<dyn StepRunner>,
        clock: Arc<dyn Clock>,
        outcomes: Outcomes,
        runtime: tokio::runtime::Handle,
        workers: usize,
        deltas: Deltas,
    ) -> Self {
        let permits = Arc::new(Semaphore::new(workers.clamp(1, Semaphore::MAX_PERMITS)));
        Self { runner, clock, running: Arc::default(), outcomes, runtime, permits, deltas }
    }

    /// Starts a step. One of the same task that still runs (its project was set aside and resumed) is stopped and waited for
    /// first, and its outcome is dropped: two executions of one step never overlap.
    pub fn start(&self, order: StepOrder) {
        let (handle, control) = step_control(self.clock.monotonic_ms());
        let control = control.recording(Arc::new(CallLine {
            project: order.project.clone(),
            task: order.task,
            attempt: order.attempt,
            engine: self.outcomes.clone(),
            mouth: self.deltas.of(&order),
        }));
        let handle = Arc::new(handle);
        let (running, over) = watch::channel(());
        let key = (order.project.clone(), order.task);
        let entry = Entry { attempt: order.attempt, handle: handle.clone(), over };
        let before = self.lock().insert(key.clone(), entry);
        let pool = self.clone();
        // Asked for here and not in the task: steps get workers in the order in which they were started.
        let mut permit: Permit = Box::pin(self.permits.clone().acquire_owned());
        let permit = match permit.as_mut().now_or_never() {
            Some(free) => Box::pin(std::future::ready(free)),
            None => permit,
        };
        self.runtime.spawn(async move {
            if let Some(mut before) = before {
                before.handle.stop(StopCause::Shutdown);
                // An error says that it is over.
                while before.over.changed().await.is_ok() {}
            }
            let (attempt, step) = (order.attempt, order.step);
            // Whatever is logged about it says which it was, at any level.
            let named = tracing::error_span!(
                "step", project = %key.0, task = %order.name, attempt = attempt.0, step = step.0
            );
            let outcome = Box::new(pool.supervise(order, &handle, control, permit).instrument(named).await);
            let is_mine = |entry: &Entry| Arc::ptr_eq(&entry.handle, &handle);
            if pool.lock().get(&key).is_some_and(is_mine) {
                let (id, task) = key.clone();
                // The outcome first, then "nothing runs": whoever stops the engine must not miss it. A closed channel
                // means that the engine is gone.
                let _ = pool.outcomes.send((Request::Outcome { id, task, attempt, step, outcome }, None));
                let mut all = pool.lock();
                if all.get(&key).is_some_and(is_mine) {
                    all.remove(&key);
                }
            }
            drop(running);
        });
    }

    async fn supervise(
        &self,
        order: StepOrder,
        handle: &StepHandle,
        mut control: StepControl,
        permit: Permit,
    ) -> StepOutcome {
        let _permit = tokio::select! {
            biased;
            permit = permit => permit,
            cause = control.stopped() => return not_begun(cause),
        };
        control.alive(self.clock.monotonic_ms());
        let timeouts = order.timeouts;
        let mut run = Guarded(self.runner.run(order, control));
        tokio::select! {
            biased;
            outcome = &mut run => outcome,
            cause = self.overdue(timeouts, handle) => {
                handle.stop(cause);
                run.await
            }
        }
    }

    /// Resolves when a time limit is passed; never when there is none.
    async fn overdue(&self, timeouts: Timeouts, handle: &StepHandle) -> StopCause {
        let total = async {
            match timeouts.total_ms {
                Some(total_ms) => tokio::time::sleep(Duration::from_millis(total_ms)).await,
                None => std::future::pending().await,
            }
        };
        let idle = async {
            let Some(idle_ms) = timeouts.idle_ms else { return std::future::pending().await };
            loop {
                let silent_ms = self.clock.monotonic_ms().saturating_sub(handle.alive_ms());
                if silent_ms >= idle_ms {
                    return;
                }
                tokio::time::sleep(Duration::from_millis(idle_ms - silent_ms)).await;
            }
        };
        tokio::select! {
            () = total => StopCause::Timeout,
            () = idle => StopCause::Idle,
        }
    }

    /// Asks a step to stop. One that has ended already is left alone.
    pub fn stop(&self, project: &ProjectId, task: TaskIx, attempt: Attempt, cause: StopCause) {
        let running = self.lock();
        if let Some(entry) = running.get(&(project.clone(), task)).filter(|entry| entry.attempt == attempt) {
            entry.handle.stop(cause);
        }
    }

    /// Asks all steps of a project to stop.
    pub fn stop_project(&self, project: &ProjectId, cause: StopCause) {
        self.lock().iter().filter(|((of, _), _)| of == project).for_each(|(_, entry)| entry.handle.stop(cause));
    }

    /// Asks every step to stop.
    pub fn stop_all(&self, cause: StopCause) {
        self.lock().values().for_each(|entry| entry.handle.stop(cause));
    }

    /// How many steps run.
    pub fn running(&self) -> usize {
        self.lock().len()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Running> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A step's future whose panic becomes an outcome: a runner that breaks must not take the outcome with it.
struct Guarded<'r>(Pin<Box<dyn Future<Output = StepOutcome> + Send + 'r>>);

impl Future for Guarded<'_> {
    type Output = StepOutcome;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<StepOutcome> {
        let polled = catch_unwind(AssertUnwindSafe(|| self.0.as_mut().poll(context)));
        polled.unwrap_or_else(|_| {
            Poll::Ready(failed(
                FailureClass::Internal,
                "the step's runner broke; the log of the engine tells where".to_owned(),
            ))
        })
    }
}

/// The outcome of a step that was stopped while it waited for a worker.
fn not_begun(cause: StopCause) -> StepOutcome {
    match cause {
        StopCause::Shutdown => failed(FailureClass::Interrupted, "the engine stopped before it began".to_owned()),
        StopCause::Cancel | StopCause::Timeout | StopCause::Idle => {
            failed(FailureClass::Cancelled, "cancelled before it began".to_owned())
        }
    }
}

fn failed(class: FailureClass, message: String) -> StepOutcome {
    StepOutcome {
        result: Err(Failure::new(class, message)),
        log: None,
        code: None,
        duration_ms: 0,
        used: Default::default(),
        tree: None,
        ran_under: None,
    }
}
