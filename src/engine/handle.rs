//! The engine as everyone else sees it: start it, ask it, read from it, stop it.

use std::sync::Arc;

use tokio::sync::{broadcast, mpsc, oneshot, watch};

use crate::domain::event::Actor;
use crate::domain::ids::{Epoch, ProjectId, Seq};
use crate::domain::limits;
use crate::domain::project::Command;
use crate::domain::view::RecordView;

use super::archive::Archive;
use super::core::{Core, Fork, Reply, Request, Start};
use super::deltas::{Delta, Deltas};
use super::dispatcher::{Committed, Dispatcher, Message, Progress};
use super::error::Error;
use super::ports::{Clock, Disk, Entropy, StepRunner};
use super::worker_pool::WorkerPool;

/// What an engine is made of.
pub struct Parts {
    /// The store, its blobs and snapshots.
    pub archive: Archive,
    /// The epoch that the store gave on take-over.
    pub epoch: Epoch,
    /// Runs steps.
    pub runner: Arc<dyn StepRunner>,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Randomness.
    pub entropy: Arc<dyn Entropy>,
    /// Room on the disk; `None` for a store in memory.
    pub disk: Option<Arc<dyn Disk>>,
    /// Most steps at once.
    pub workers: usize,
    /// Told of each project that became terminal, after that is durable.
    pub closed: Box<dyn Fn(&ProjectId) + Send>,
}

/// A running engine. Dropping it stops it in order; [`Engine::shutdown`] also waits for that.
pub struct Engine {
    handle: Handle,
    thread: Option<std::thread::JoinHandle<()>>,
}

/// A line to a running engine. Cheap to clone.
#[derive(Clone)]
pub struct Handle {
    messages: mpsc::Sender<Message>,
    archive: Archive,
    progress: watch::Receiver<Progress>,
    commits: broadcast::Sender<Committed>,
    deltas: Deltas,
}

impl Engine {
    /// Starts the loop on a thread of its own; steps run on the current tokio runtime.
    ///
    /// # Panics
    /// Outside a tokio runtime.
    pub fn start(parts: Parts) -> std::io::Result<Self> {
        let (messages, messages_rx) = mpsc::channel(limits::INPUT_QUEUE);
        let (outcomes, outcomes_rx) = mpsc::unbounded_channel();
        let (progress_tx, progress) = watch::channel(Progress::default());
        let (commits, _) = broadcast::channel(limits::COMMITS_TOLD);
        let runtime = tokio::runtime::Handle::current();
        let deltas = Deltas::default();
        let pool = WorkerPool::new(parts.runner, parts.clock.clone(), outcomes, runtime, parts.workers, deltas.clone());
        let core = Core::new(parts.archive.clone(), parts.clock.clone(), parts.entropy, parts.epoch, parts.workers)
            .starting_ahead(parts.workers.min(limits::STARTS_AHEAD));
        let told = commits.clone();
        let dispatcher = Dispatcher::new(
            core,
            pool,
            parts.clock,
            parts.disk,
            messages_rx,
            outcomes_rx,
            progress_tx,
            told,
            parts.closed,
        );
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build()?;
        let thread = std::thread::Builder::new()
            .name("wfctl-engine".to_owned())
            .spawn(move || runtime.block_on(dispatcher.run()))?;
        Ok(Self {
            handle: Handle { messages, archive: parts.archive, progress, commits, deltas },
            thread: Some(thread),
        })
    }

    /// A line to it.
    pub fn handle(&self) -> &Handle {
        &self.handle
    }

    /// Interrupts what runs, records that, and waits until the loop has ended. Says why, if it ended by itself.
    pub async fn shutdown(mut self) -> Option<String> {
        // A loop that has ended already needs no telling.
        let _ = self.handle.messages.send(Message::Shutdown).await;
        let why = self.handle.ended().await;
        if let Some(thread) = self.thread.take() {
            let _ = tokio::task::spawn_blocking(move || thread.join()).await;
        }
        why
    }
}

impl Handle {
    async fn ask(&self, request: Request) -> Result<Reply, Error> {
        let (reply_to, reply) = oneshot::channel();
        let sent = self.messages.send(Message::Request(Box::new(request), reply_to)).await;
        if sent.is_err() {
            return Err(self.stopped());
        }
        match reply.await {
            Ok(reply) => reply,
            Err(_) => Err(self.stopped()),
        }
    }

    fn stopped(&self) -> Error {
        Error::Stopped(self.progress.borrow().ended.as_deref().unwrap_or_default().to_owned())
    }

    /// Starts a project, durably: when this returns, it survives anything. The second value says that it existed before:
    /// starting again with the same id, definition and inputs is the same start.
    pub async fn start(&self, start: Start, actor: Actor) -> Result<(ProjectId, bool), Error> {
        match self.ask(Request::Start { start: Box::new(start), actor }).await? {
            Reply::Started { id, existed } => Ok((id, existed)),
            Reply::Taken(_) | Reply::Drives(_) => Err(unasked()),
        }
    }

    /// Starts a project that begins with the records of another one and goes on from there. The second value says that it
    /// existed before: forking again with the same id, position and models is the same fork.
    pub async fn fork(&self, fork: Fork, actor: Actor) -> Result<(ProjectId, bool), Error> {
        match self.ask(Request::Fork { fork: Box::new(fork), actor }).await? {
            Reply::Started { id, existed } => Ok((id, existed)),
            Reply::Taken(_) | Reply::Drives(_) => Err(unasked()),
        }
    }

    /// Drives a project from here on.
    pub async fn resume(&self, id: ProjectId, command: Command, actor: Actor) -> Result<(), Error> {
        self.ask(Request::Resume { id, command, actor }).await.map(drop)
    }

    /// Gives a command; some give a value back (the token of a claim).
    pub async fn command(&self, id: ProjectId, command: Command, actor: Actor) -> Result<Option<u64>, Error> {
        match self.ask(Request::Command { id, command, actor }).await? {
            Reply::Taken(value) => Ok(value),
            Reply::Started { .. } | Reply::Drives(_) => Err(unasked()),
        }
    }

    /// Whether this engine drives a project: false for one that it never took up, and for one that is terminal or set aside.
    pub async fn drives(&self, id: &ProjectId) -> Result<bool, Error> {
        match self.ask(Request::Drives { id: id.clone() }).await? {
            Reply::Drives(driven) => Ok(driven),
            Reply::Started { .. } | Reply::Taken(_) => Err(unasked()),
        }
    }

    /// The read side.
    pub fn archive(&self) -> &Archive {
        &self.archive
    }

    /// The loop's progress.
    pub fn progress(&self) -> Progress {
        self.progress.borrow().clone()
    }

    /// The same as it changes, for whoever must not keep the engine from ending.
    pub fn watch(&self) -> watch::Receiver<Progress> {
        self.progress.clone()
    }

    /// Marks everything committed so far as seen, so that [`Handle::changed`] waits for what comes after.
    pub fn seen(&mut self) {
        self.progress.borrow_and_update();
    }

    /// Resolves when something new is committed, or the loop has ended; false in the latter case.
    pub async fn changed(&mut self) -> bool {
        self.progress.changed().await.is_ok() && self.progress.borrow().ended.is_none()
    }

    /// What is committed from here on, commit by commit. Whoever is too slow is told so and reads the archive: the loop waits
    /// for nobody.
    pub fn commits(&self) -> broadcast::Receiver<Committed> {
        self.commits.subscribe()
    }

    /// What models say from here on, as it arrives. All words of a reply are told before its record is committed. Whoever is too
    /// slow misses some: they are on no record, and the loop waits for nobody.
    pub fn deltas(&self) -> broadcast::Receiver<Arc<Delta>> {
        self.deltas.listen()
    }

    /// Resolves when the loop has ended, with the reason if it was not told to.
    pub async fn ended(&self) -> Option<String> {
        let mut progress = self.progress.clone();
        let ended = progress.wait_for(|progress| progress.ended.is_some()).await;
        let why = ended.ok().and_then(|progress| progress.ended.clone())?;
        (!why.is_empty()).then(|| why.to_string())
    }

    /// The next records after `from`; waits until there are some. Empty when the loop has ended and nothing is left.
    pub async fn follow(&self, id: &ProjectId, from: Seq) -> Result<Vec<RecordView>, Error> {
        let mut progress = self.progress.clone();
        loop {
            progress.borrow_and_update();
            let (archive, of) = (self.archive.clone(), id.clone());
            let read = move || archive.records(&of, from, limits::FOLLOW_BATCH_RECORDS);
            let records =
                tokio::task::spawn_blocking(read).await.map_err(|error| Error::Stopped(error.to_string()))??;
            if !records.is_empty() || progress.borrow().ended.is_some() {
                return Ok(records);
            }
            if progress.changed().await.is_err() {
                return Ok(Vec::new());
            }
        }
    }
}

fn unasked() -> Error {
    Error::Stopped("it answered something else than it was asked".to_owned())
}
