//! The engine's [`StepRunner`]: one order in, one outcome out, whatever happens in between.
//!
//! A panic of an adapter ends its step as `internal` and nothing else. See `shell.rs` and `http.rs` for the kinds.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use tracing::Instrument as _;

use super::agent::{AgentStep, ModelSource, Recalled, Shell};
use super::containment::Containments;
use super::http::{Client, HttpStep};
use super::merge::MergeStep;
use super::secrets::SecretSource;
use super::shell::ShellStep;
use super::sink::PayloadSink;
use crate::agents::mcp::Servers;
use crate::agents::memory::Memories;
use crate::domain::budget::Amounts;
use crate::domain::effect::{StepOrder, StepRequest, StopCause};
use crate::domain::event::StepOutcome;
use crate::domain::failure::{Failure, FailureClass};
use crate::domain::ids::{Attempt, ProjectId, StepIx, TaskIx};
use crate::domain::payload::{BlobRef, Payload, PayloadSource};
use crate::domain::sandbox::Attestation;
use crate::engine::ports::{Clock, StepControl, StepRunner};
use crate::telemetry::mask::{Masker, Masks};
use crate::workspace::index::Indexes;
use crate::workspace::leftovers::Leftovers;
use crate::workspace::{Workspaces, checks};

/// What a runner is made of.
pub struct Settings {
    /// The environment that commands inherit, as captured by `config`; `WFCTL_*` is taken out.
    pub environment: Vec<(OsString, OsString)>,
    /// Between SIGTERM and SIGKILL of a step that is stopped.
    pub grace: Duration,
    /// The same when the engine itself is shutting down.
    pub shutdown_grace: Duration,
    /// Where live logs are, one file per running step; see [`Runner::live_log`].
    pub logs_dir: PathBuf,
    /// Where steps run.
    pub workspaces: Arc<Workspaces>,
    /// What keeps their commands in their place.
    pub containments: Arc<Containments>,
    /// The register of running commands.
    pub leftovers: Arc<Leftovers>,
    /// Where outputs go.
    pub sink: Arc<dyn PayloadSink>,
    /// Where they are read back from.
    pub source: Arc<dyn PayloadSource + Send + Sync>,
    /// The models of agents.
    pub models: Arc<dyn ModelSource>,
    /// Indexes of repositories.
    pub indexes: Arc<Indexes>,
    /// Servers of tools for agents; `None` where nobody is asked, in a replay.
    pub servers: Option<Arc<Servers>>,
    /// What agents remember; `None` where nobody is asked, in a replay.
    pub memories: Option<Arc<Memories>>,
    /// What memory said, in a replay.
    pub recalled: Option<Arc<Recalled>>,
    /// Secrets that steps are handed by name.
    pub secrets: Arc<dyn SecretSource>,
    /// Values that are struck out of all that steps say.
    pub masks: Masks,
    /// Measures durations and signs of life.
    pub clock: Arc<dyn Clock>,
}

/// The file below the folder of live logs that a running step's output is being written to; it is there once there is
/// output, and goes away at the end.
pub fn live_log(logs_dir: &Path, project: &ProjectId, task: TaskIx, attempt: Attempt, step: StepIx) -> PathBuf {
    logs_dir.join(project.as_str()).join(format!("{task}.{attempt}.{step}.log"))
}

/// Runs steps of all kinds.
pub struct Runner {
    pub(super) settings: Arc<Settings>,
    http: Client,
}

impl Runner {
    /// A runner of steps; it touches nothing before its first step.
    pub fn new(settings: Settings) -> Self {
        Self { settings: Arc::new(settings), http: Client::default() }
    }

    /// The file that a running step's output is being written to; it is there once there is output, and goes away at the end.
    pub fn live_log(&self, project: &ProjectId, task: TaskIx, attempt: Attempt, step: StepIx) -> PathBuf {
        self.settings.live_log(project, task, attempt, step)
    }

    async fn outcome(&self, order: StepOrder, control: StepControl) -> Done {
        self.settings.secrets.learn().await;
        match &order.request {
            StepRequest::Run { .. } => ShellStep { settings: &self.settings, order: &order }.run(control).await,
            StepRequest::Http { .. } => {
                HttpStep { client: &self.http, settings: &self.settings, order: &order }.run(control).await
            }
            StepRequest::Agent(_) => {
                let step = AgentStep { settings: self.settings.clone(), order: Arc::new(order) };
                let walk: Pin<Box<dyn Future<Output = Done> + Send>> = Box::pin(step.run(control));
                walk.await
            }
            StepRequest::Merge(_) | StepRequest::Land(_) => {
                let order = Arc::new(order);
                MergeStep { settings: &self.settings, order: &order }.run(control).await
            }
        }
    }
}

impl Settings {
    /// The servers of tools.
    pub(super) fn servers(&self) -> Result<&Servers, Failure> {
        let message = "tools of MCP servers are not asked in a replay, and what they said is not played yet";
        self.servers.as_deref().ok_or_else(|| Failure::new(FailureClass::NotFound, message))
    }

    pub(super) fn live_log(&self, project: &ProjectId, task: TaskIx, attempt: Attempt, step: StepIx) -> PathBuf {
        live_log(&self.logs_dir, project, task, attempt, step)
    }

    /// Reads a value back.
    pub(super) fn read(&self, payload: &Payload) -> Result<Vec<u8>, Failure> {
        let read = || self.source.read(payload).map(std::borrow::Cow::into_owned);
        Ok(if matches!(payload, Payload::Inline(_)) { read() } else { off_the_loop(read) }?)
    }

    /// Runs the checks that the repository in `dir` has.
    pub(super) async fn checked(&self, shell: &Shell<'_>, dir: &Path) -> Result<checks::Report, Failure> {
        checks::run(&self.checks_of(dir).await?, shell).await
    }

    /// The checks that the tree in `dir` has.
    pub(super) async fn checks_of(&self, dir: &Path) -> Result<Vec<checks::Check>, Failure> {
        let root = dir.to_owned();
        let found = tokio::task::spawn_blocking(move || checks::detect(&root)).await;
        found.map_err(|error| Failure::new(FailureClass::Internal, format!("no checks are found: {error}")))
    }

    /// Keeps a value that was made by `value.rs`, without known secrets: JSON may have spelt out what its text did not show.
    pub(super) fn keep(&self, value: &[u8]) -> Result<Payload, Failure> {
        let masker = self.masks.now();
        let value = &*masker.json(value);
        // A small value touches no disk; a large one is worth a thread's attention for the moment that a sync takes.
        let kept = match Payload::inline(value) {
            Some(payload) => Ok(payload),
            None => off_the_loop(|| self.sink.put(value)),
        };
        kept.map_err(|error| Failure::new(FailureClass::Internal, format!("cannot keep the output: {error}")))
    }
}

/// Runs what blocks without holding up other steps on this thread, where the runtime allows it.
pub(super) fn off_the_loop<T>(blocking: impl FnOnce() -> T) -> T {
    match tokio::runtime::Handle::try_current().map(|handle| handle.runtime_flavor()) {
        Ok(tokio::runtime::RuntimeFlavor::MultiThread) => tokio::task::block_in_place(blocking),
        Ok(_) | Err(_) => blocking(),
    }
}

/// A step's end as its adapter tells it.
#[derive(Debug)]
pub(super) struct Done {
    pub result: Result<Payload, Failure>,
    pub log: Option<BlobRef>,
    pub code: Option<i32>,
    pub tree: Option<String>,
    pub ran_under: Option<Arc<Attestation>>,
}

impl From<Failure> for Done {
    fn from(failure: Failure) -> Self {
        Self { result: Err(failure), log: None, code: None, tree: None, ran_under: None }
    }
}

/// What a stopped step failed with.
pub(super) fn stopped(cause: StopCause) -> Failure {
    match cause {
        StopCause::Timeout => Failure::new(FailureClass::Timeout, "stopped: it took longer than its time limit"),
        StopCause::Idle => Failure::new(FailureClass::Idle, "stopped: it was silent for longer than its idle limit"),
        StopCause::Cancel => Failure::new(FailureClass::Cancelled, "stopped: the project is being cancelled"),
        StopCause::Shutdown => Failure::new(FailureClass::Interrupted, "stopped: the engine is shutting down"),
    }
}

#[async_trait]
impl StepRunner for Arc<Runner> {
    async fn run(&self, order: StepOrder, control: StepControl) -> StepOutcome {
        let start_ms = self.settings.clock.monotonic_ms();
        let runner = self.clone();
        let task = tokio::spawn(async move { runner.outcome(order, control).await }.in_current_span());
        let done = task.await.unwrap_or_else(|error| {
            let message = match error.try_into_panic() {
                Ok(panic) => format!("the step panicked: {}", panic_message(panic.as_ref())),
                Err(_) => "the step was dropped by the runtime".to_owned(),
            };
            let message = self.settings.masks.now().text(message);
            tracing::error!(message, "a step did not end in order");
            Failure::new(FailureClass::Internal, message).into()
        });
        let masker = self.settings.masks.now();
        StepOutcome {
            result: done.result.map_err(|failure| masked(&masker, failure)),
            log: done.log,
            code: done.code,
            duration_ms: self.settings.clock.monotonic_ms().saturating_sub(start_ms),
            used: Amounts::default(),
            tree: done.tree,
            ran_under: done.ran_under,
        }
    }
}

/// A failure without known secrets in its message.
pub(super) fn masked(masker: &Masker, failure: Failure) -> Failure {
    Failure { message: masker.text(failure.message), ..failure }
}

fn panic_message(panic: &(dyn std::any::Any + Send)) -> &str {
    let text = panic.downcast_ref::<&str>().copied();
    text.or_else(|| panic.downcast_ref::<String>().map(String::as_str)).unwrap_or("no message")
}

#[cfg(test)]
pub(super) mod testing;

#[cfg(test)]
mod tests {
    use std::io;
    use std::path::Path;

    use super::testing::{Rig, failure};
    use super::*;
    use crate::domain::workflow::OutputFormat;

    struct Panics;

    impl PayloadSink for Panics {
        fn put(&self, _: &[u8]) -> io::Result<Payload> {
            panic!("no room")
        }

        fn put_log(&self, _: &Path) -> io::Result<Option<BlobRef>> {
            panic!("no room")
        }
    }

    #[tokio::test]
    async fn a_panic_ends_the_step_and_nothing_else() {
        let rig = Rig::with_sink(Arc::new(Panics));
        let request =
            |command: &str| StepRequest::Run { command: command.to_owned(), probe: None, output: OutputFormat::Auto };
        let outcome = rig.run(rig.order(request("echo x"))).await;
        let failure = failure(&outcome);
        assert_eq!((failure.class, failure.message.as_str()), (FailureClass::Internal, "the step panicked: no room"));
        assert!(rig.run(rig.order(request("true"))).await.result.is_ok());
    }
}
