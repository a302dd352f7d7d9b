//! Where steps run again: worktrees, a register of commands and blobs of the replay's own. A step that runs is heard call by call.

use std::ffi::OsString;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;

use super::models::{Played, Source};
use crate::app::adapters::Vault;
use crate::domain::call::CallInput;
use crate::domain::effect::{StepOrder, StepRequest, StopCause};
use crate::domain::event::StepOutcome;
use crate::domain::ids::Digest;
use crate::domain::payload::{BlobRef, PayloadSource, UnreadablePayload};
use crate::domain::project;
use crate::engine::clock::SystemClock;
use crate::engine::ports::{CallDenied, CallPort, Clock as _, StepHandle, StepRunner as _, step_control};
use crate::secrets::Shelf;
use crate::steps::{Containments, Recalled, Runner, Settings};
use crate::telemetry::mask::Masks;
use crate::workspace::Workspaces;
use crate::workspace::leftovers::Leftovers;

/// What was said to the record, and who waits for leave to go on.
pub type Said = (CallInput, oneshot::Sender<Result<(), CallDenied>>);

/// The blobs of the original, which are only read, and those of the replay.
#[derive(Debug)]
pub struct Store {
    /// The home's.
    pub original: Vault,
    /// The replay's.
    pub own: Vault,
}

impl PayloadSource for Store {
    fn read_blob(&self, blob: &BlobRef) -> Result<Vec<u8>, UnreadablePayload> {
        self.own.read_blob(blob).or_else(|_| self.original.read_blob(blob))
    }
}

impl project::Vault for Store {
    fn keep_blob(&self, bytes: &[u8]) -> Result<BlobRef, UnreadablePayload> {
        self.own.keep_blob(bytes)
    }
}

/// What all steps of a replay share.
pub struct Stage {
    pub environment: Vec<(OsString, OsString)>,
    pub home: PathBuf,
    pub base_dir: String,
    /// What `base_dir` is here.
    pub own_dir: String,
    pub grace: Duration,
    pub workspaces: Arc<Workspaces>,
    pub containments: Arc<Containments>,
    pub leftovers: Arc<Leftovers>,
    pub store: Arc<Store>,
    /// The same secrets are handed out, and struck out of the same texts, as the engine would.
    pub secrets: Arc<Shelf>,
    pub masks: Masks,
    pub clock: Arc<SystemClock>,
}

/// What a leg of a conversation is told from its records.
pub struct Leg {
    /// Its models.
    pub models: Arc<Played>,
    /// What memory said.
    pub memory: Arc<Recalled>,
}

/// A step that runs.
pub struct Live {
    /// As the engine ordered it.
    pub order: Box<StepOrder>,
    handle: StepHandle,
    said: mpsc::UnboundedReceiver<Said>,
    task: JoinHandle<StepOutcome>,
    /// Set once the task has been heard to end: it must not be asked again.
    ended: Option<StepOutcome>,
}

/// What a step does next.
pub enum Heard {
    /// It puts a call on record.
    Says(CallInput, oneshot::Sender<Result<(), CallDenied>>),
    /// It ended.
    Ends(Box<StepOutcome>),
    /// Nothing, for too long.
    Silence,
}

impl Stage {
    /// Begins a step.
    pub fn begin(&self, order: Box<StepOrder>, leg: Option<Leg>) -> Live {
        let (models, recalled) = leg.map(|leg| (leg.models, leg.memory)).unzip();
        let runner = Arc::new(Runner::new(Settings {
            environment: self.environment.clone(),
            grace: self.grace,
            shutdown_grace: self.grace,
            logs_dir: self.home.join("logs"),
            workspaces: self.workspaces.clone(),
            containments: self.containments.clone(),
            leftovers: self.leftovers.clone(),
            sink: Arc::new(self.store.own.clone()),
            source: self.store.clone(),
            models: Arc::new(Source::new(models, &self.environment, &self.masks)),
            secrets: self.secrets.clone(),
            masks: self.masks.clone(),
            indexes: Arc::new(crate::workspace::index::Indexes::new(self.home.join("code"))),
            servers: None,
            memories: None,
            recalled,
            clock: self.clock.clone(),
        }));
        let (handle, control) = step_control(self.clock.monotonic_ms());
        // The walk sends what has happened and does not wait for it: whatever it sends must have room at once.
        let (says, said) = mpsc::unbounded_channel();
        let control = control.recording(Arc::new(Line(says)));
        let moved = self.moved((*order).clone());
        let task = tokio::spawn(async move { runner.run(moved, control).await });
        Live { order, handle, said, task, ended: None }
    }

    /// The order with this replay's folder in place of the original one.
    fn moved(&self, mut order: StepOrder) -> StepOrder {
        let moved = |text: &str| text.replace(&self.base_dir, &self.own_dir);
        order.workspace.base_dir = self.own_dir.as_str().into();
        for (_, value) in &mut order.env {
            *value = moved(value);
        }
        if let StepRequest::Run { command, .. } = &mut order.request {
            *command = moved(command);
        }
        order
    }
}

impl Live {
    /// What it does next, waited for at most so long.
    pub async fn next(&mut self, patience: Duration) -> Heard {
        if let Some(ended) = &self.ended {
            return Heard::Ends(Box::new(ended.clone()));
        }
        tokio::select! {
            biased;
            Some((input, reply)) = self.said.recv() => Heard::Says(input, reply),
            ended = &mut self.task => {
                let ended = outcome_of(ended);
                self.ended = Some(ended.clone());
                Heard::Ends(Box::new(ended))
            }
            () = tokio::time::sleep(patience) => Heard::Silence,
        }
    }

    /// Stops it and waits until everything that it started is dead.
    pub async fn stop(mut self, cause: StopCause) -> StepOutcome {
        self.handle.stop(cause);
        self.said.close();
        // Whoever waits for leave to go on gets none.
        while self.said.recv().await.is_some() {}
        match self.ended {
            Some(ended) => ended,
            None => outcome_of(self.task.await),
        }
    }
}

fn outcome_of(ended: Result<StepOutcome, tokio::task::JoinError>) -> StepOutcome {
    use crate::domain::failure::{Failure, FailureClass};
    ended.unwrap_or_else(|error| StepOutcome {
        result: Err(Failure::new(FailureClass::Internal, error.to_string())),
        log: None,
        code: None,
        duration_ms: 0,
        used: Default::default(),
        tree: None,
        ran_under: None,
    })
}

/// The step's line to the comparison.
struct Line(mpsc::UnboundedSender<Said>);

#[async_trait]
impl CallPort for Line {
    async fn put(&self, input: CallInput) -> Result<(), CallDenied> {
        let (reply, answer) = oneshot::channel();
        self.0.send((input, reply)).map_err(|_| CallDenied::Stopped)?;
        answer.await.unwrap_or(Err(CallDenied::Stopped))
    }
}

/// A name for a replay's home among others.
pub fn home_id(home: &std::path::Path) -> String {
    Digest::of(home.as_os_str().as_encoded_bytes()).to_hex()[..16].to_owned()
}
