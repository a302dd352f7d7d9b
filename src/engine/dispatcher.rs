//! The loop's other half: a thread that collects inputs, turns the core, and performs what the turn left to do.
//!
//! While a commit is on its way to the disk, inputs pile up; the next turn takes them all. That is the group commit: the
//! busier the engine, the more transitions share one sync.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{broadcast, mpsc, oneshot, watch};

use crate::domain::effect::{Effect, StopCause};
use crate::domain::ids::{ProjectId, Seq};
use crate::domain::limits;

use super::core::{Core, Reply, Request, Turned};
use super::error::Error;
use super::ports::{Clock, Disk};
use super::worker_pool::WorkerPool;

/// Where a reply goes.
pub type ReplyTo = oneshot::Sender<Result<Reply, Error>>;

/// What reaches the loop from outside.
pub enum Message {
    /// A request, with where its reply goes.
    Request(Box<Request>, ReplyTo),
    /// Stop in order: interrupt what runs, record that, end.
    Shutdown,
}

/// What the loop tells everyone who watches.
#[derive(Debug, Clone, Default)]
pub struct Progress {
    /// Counts commits; a change means that there is something new to read.
    pub commits: u64,
    /// Projects driven and not terminal.
    pub driven: usize,
    /// Why the loop ended, once it has.
    pub ended: Option<Arc<str>>,
}

/// The projects that one commit wrote to, each with its last position.
pub type Committed = Arc<[(ProjectId, Seq)]>;

/// How often the room on the disk is looked at while there is work.
const DISK_CHECK_MS: u64 = 1_000;
/// Longest sleep: a clock that was set forward is noticed after it.
const LONGEST_SLEEP_MS: u64 = 60_000;
/// How long an orderly stop waits for steps to end before it leaves them to the next engine.
const SHUTDOWN_GRACE_MS: u64 = 15_000;

/// The loop.
pub struct Dispatcher {
    core: Core<ReplyTo>,
    pool: WorkerPool,
    clock: Arc<dyn Clock>,
    disk: Option<Arc<dyn Disk>>,
    messages: mpsc::Receiver<Message>,
    outcomes: mpsc::UnboundedReceiver<(Request, Option<ReplyTo>)>,
    progress: watch::Sender<Progress>,
    commits: broadcast::Sender<Committed>,
    closed: Box<dyn Fn(&ProjectId) + Send>,
    disk_checked_ms: u64,
    disk_low: bool,
    stop_by_ms: Option<u64>,
}

impl Dispatcher {
    /// Everything the loop needs. `closed` is told of each project that became terminal, after that is durable.
    #[expect(clippy::too_many_arguments, reason = "the loop is wired once, by `Engine::start`")]
    pub fn new(
        core: Core<ReplyTo>,
        pool: WorkerPool,
        clock: Arc<dyn Clock>,
        disk: Option<Arc<dyn Disk>>,
        messages: mpsc::Receiver<Message>,
        outcomes: mpsc::UnboundedReceiver<(Request, Option<ReplyTo>)>,
        progress: watch::Sender<Progress>,
        commits: broadcast::Sender<Committed>,
        closed: Box<dyn Fn(&ProjectId) + Send>,
    ) -> Self {
        Self {
            core,
            pool,
            clock,
            disk,
            messages,
            outcomes,
            progress,
            commits,
            closed,
            disk_checked_ms: 0,
            disk_low: false,
            stop_by_ms: None,
        }
    }

    /// Runs until it is told to stop, everyone has left, or the store refuses.
    pub async fn run(mut self) {
        let ended = match self.cycle().await {
            Ok(()) => {
                self.core.snapshot_all();
                String::new()
            }
            Err(error) => {
                tracing::error!(%error, "the engine stops");
                self.pool.stop_all(StopCause::Shutdown);
                error.to_string()
            }
        };
        // What is still queued gets an answer: it was not accepted.
        self.messages.close();
        while let Some(message) = self.messages.recv().await {
            if let Message::Request(_, reply_to) = message {
                let _ = reply_to.send(Err(Error::Stopped(ended.clone())));
            }
        }
        self.progress.send_modify(|progress| progress.ended = Some(Arc::from(ended)));
    }

    async fn cycle(&mut self) -> Result<(), Error> {
        let mut messages = Vec::new();
        let mut outcomes = Vec::new();
        let mut everyone_left = false;
        loop {
            let sleep = tokio::time::sleep(self.sleep());
            tokio::select! {
                biased;
                got = self.outcomes.recv_many(&mut outcomes, limits::INPUTS_PER_COMMIT) => debug_assert!(got > 0),
                got = self.messages.recv_many(&mut messages, limits::INPUTS_PER_COMMIT), if !everyone_left => {
                    if got == 0 {
                        everyone_left = true;
                        messages.push(Message::Shutdown);
                    }
                }
                () = sleep => {}
            }
            // Whatever else is there joins this commit.
            while outcomes.len() < limits::INPUTS_PER_COMMIT
                && let Ok(outcome) = self.outcomes.try_recv()
            {
                outcomes.push(outcome);
            }
            while messages.len() < limits::INPUTS_PER_COMMIT
                && let Ok(message) = self.messages.try_recv()
            {
                messages.push(message);
            }
            let mut requests: Vec<(Request, Option<ReplyTo>)> = Vec::with_capacity(outcomes.len() + messages.len() + 1);
            requests.extend(self.look_at_disk().map(|request| (request, None)));
            requests.append(&mut outcomes);
            for message in messages.drain(..) {
                match message {
                    Message::Request(request, reply_to) => requests.push((*request, Some(reply_to))),
                    Message::Shutdown => self.begin_stop(),
                }
            }
            let turned = self.core.turn(requests)?;
            self.perform(turned);
            if self.stop_by_ms.is_some_and(|by| self.pool.running() == 0 || self.clock.monotonic_ms() >= by)
                && self.outcomes.is_empty()
            {
                return Ok(());
            }
        }
    }

    fn begin_stop(&mut self) {
        if self.stop_by_ms.is_none() {
            self.stop_by_ms = Some(self.clock.monotonic_ms() + SHUTDOWN_GRACE_MS);
            self.core.drain();
            self.pool.stop_all(StopCause::Shutdown);
        }
    }

    fn sleep(&self) -> Duration {
        let now = self.clock.now();
        let timer_ms = self.core.next_due().map_or(LONGEST_SLEEP_MS, |due| due.since(now));
        let watches_disk = self.disk.is_some() && (self.disk_low || self.core.active() > 0);
        let most_ms = match (self.stop_by_ms, watches_disk) {
            (Some(_), _) => 50,
            (None, true) => DISK_CHECK_MS,
            (None, false) => LONGEST_SLEEP_MS,
        };
        Duration::from_millis(timer_ms.min(most_ms))
    }

    /// A request when the room on the disk has changed sides of the floor.
    fn look_at_disk(&mut self) -> Option<Request> {
        let (now_ms, disk) = (self.clock.monotonic_ms(), self.disk.as_ref()?);
        if self.disk_checked_ms != 0 && now_ms < self.disk_checked_ms + DISK_CHECK_MS {
            return None;
        }
        self.disk_checked_ms = now_ms.max(1);
        let free_bytes = disk.free_bytes()?;
        let low = free_bytes < limits::DISK_FLOOR_BYTES;
        if low == self.disk_low {
            return None;
        }
        self.disk_low = low;
        Some(Request::Disk { free_bytes, low })
    }

    fn perform(&mut self, turned: Turned<ReplyTo>) {
        for (id, effect) in turned.effects {
            match effect {
                Effect::RunStep(order) => self.pool.start(*order),
                Effect::StopStep { task, attempt, cause } => self.pool.stop(&id, task, attempt, cause),
                Effect::SetTimer { .. } | Effect::StartChild(_) | Effect::StopChild { .. } => {
                    unreachable!("the core performs these itself")
                }
            }
        }
        for id in &turned.abandoned {
            self.pool.stop_project(id, StopCause::Shutdown);
        }
        // Readers first: whoever is told "started" finds the project when they look.
        if turned.records > 0 || !turned.abandoned.is_empty() {
            let driven = self.core.driven_count();
            self.progress.send_modify(|progress| {
                progress.commits += 1;
                progress.driven = driven;
            });
        }
        if !turned.committed.is_empty() && self.commits.receiver_count() > 0 {
            // Without anybody who listens it is nobody's loss.
            let _ = self.commits.send(turned.committed.into());
        }
        for id in &turned.closed {
            (self.closed)(id);
        }
        for (reply_to, reply) in turned.replies {
            // Whoever asked may have gone; what they asked for has happened all the same.
            let _ = reply_to.send(reply);
        }
        if self.stop_by_ms.is_some() {
            self.pool.stop_all(StopCause::Shutdown);
        }
    }
}
