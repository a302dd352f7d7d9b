//! A runner on a temporary home, for the tests of each kind of step.

use std::ffi::OsString;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tempfile::TempDir;

use super::{Runner, Settings};
use crate::domain::budget::Amounts;
use crate::domain::effect::{StepOrder, StepRequest, WorkspaceOrder};
use crate::domain::event::StepOutcome;
use crate::domain::ids::{Attempt, Digest, ProjectId, StepIx, TaskIx};
use crate::domain::payload::PayloadSource as _;
use crate::domain::sandbox::{Allowance, Backend};
use crate::domain::time::Millis;
use crate::domain::workflow::{EffectClass, Timeouts, WorkspaceKind};
use crate::engine::ports::{Clock, StepControl, StepHandle, StepRunner as _, step_control};
use crate::secrets::Shelf;
use crate::steps::{Containments, MemorySink, NoModels, PayloadSink, Places};
use crate::telemetry::mask::Masks;
use crate::workspace::Workspaces;
use crate::workspace::index::Indexes;
use crate::workspace::leftovers::Leftovers;

/// 1994-11-06T08:49:37Z, the date of the example in RFC 9110.
pub(in crate::steps) const NOW: Millis = Millis(784_111_777_000);

/// A clock that stands still.
struct Still;

impl Clock for Still {
    fn now(&self) -> Millis {
        NOW
    }

    fn monotonic_ms(&self) -> u64 {
        7
    }
}

/// The value of the one secret of a [`Rig`], `TOKEN`, which the engine has as `TOKEN_OF_ENGINE`.
pub(in crate::steps) const TOKEN: &str = "hunter2/hunter2+token";

fn shelf(masks: &Masks) -> Shelf {
    let declared = [("TOKEN", "env:TOKEN_OF_ENGINE"), ("GONE", "env:GONE")];
    let declared = declared.map(|(name, origin)| (name.to_owned(), origin.parse().unwrap())).into();
    let environment = [("TOKEN_OF_ENGINE".to_owned(), TOKEN.to_owned())].into();
    Shelf::new(declared, environment, None, masks.clone())
}

/// A runner and all that it needs.
pub(in crate::steps) struct Rig {
    pub home: TempDir,
    pub runner: Arc<Runner>,
    pub sink: Arc<MemorySink>,
}

impl Rig {
    pub fn new() -> Self {
        let sink = Arc::new(MemorySink::default());
        Self { sink: sink.clone(), ..Self::with_sink(sink) }
    }

    /// With another sink; `sink` of the result stays empty.
    pub fn with_sink(sink: Arc<dyn PayloadSink>) -> Self {
        let home = tempfile::tempdir().unwrap();
        let variables = [
            ("PATH", "/bin:/usr/bin"),
            ("WFCTL_SECRET", "x"),
            ("KEPT", "1"),
            ("GIT_EDITOR", "vi"),
            ("TOKEN_OF_ENGINE", TOKEN),
        ];
        let masks = Masks::default();
        let runner = Arc::new(Runner::new(Settings {
            environment: variables.iter().map(|(name, value)| (OsString::from(name), OsString::from(value))).collect(),
            grace: Duration::from_millis(100),
            shutdown_grace: Duration::from_millis(50),
            logs_dir: home.path().join("logs"),
            workspaces: Arc::new(Workspaces::new(home.path())),
            containments: Arc::new(Containments::new(Places::new(home.path(), "/nonexistent".into()))),
            leftovers: Arc::new(Leftovers::open(home.path().join("run"), "h").unwrap()),
            sink,
            source: Arc::new(MemorySink::default()),
            models: Arc::new(NoModels),
            secrets: Arc::new(shelf(&masks)),
            masks,
            indexes: Arc::new(Indexes::new(home.path().join("indexes"))),
            servers: None,
            memories: None,
            recalled: None,
            clock: Arc::new(Still),
        }));
        Self { home, runner, sink: Arc::default() }
    }

    pub fn order(&self, request: StepRequest) -> StepOrder {
        StepOrder {
            project: ProjectId::new("p").unwrap(),
            task: TaskIx(3),
            name: "build".into(),
            attempt: Attempt(2),
            step: StepIx(0),
            request,
            input: Digest::default(),
            effect: EffectClass::Pure,
            maybe_ran: false,
            timeouts: Timeouts::default(),
            calls: Vec::new(),
            // The stage of a sandbox is the product's own binary, which unit tests do not have.
            allowed: Arc::new(Allowance { backend: Backend::None, ..Allowance::default() }),
            workspace: WorkspaceOrder {
                kind: WorkspaceKind::Dir,
                base_dir: self.home.path().to_str().unwrap().into(),
                base_commit: None,
                trees: vec![],
            },
            env: vec![],
            secrets: vec![],
            reserved: Amounts::default(),
        }
    }

    /// Runs to the end, never stopped.
    pub async fn run(&self, order: StepOrder) -> StepOutcome {
        let (_handle, control) = step_control(0);
        self.runner.run(order, control).await
    }

    /// A running step that can be stopped.
    pub fn start(&self, order: StepOrder) -> (StepHandle, tokio::task::JoinHandle<StepOutcome>) {
        let (handle, control): (StepHandle, StepControl) = step_control(0);
        let runner = self.runner.clone();
        (handle, tokio::spawn(async move { runner.run(order, control).await }))
    }

    /// The live log of [`Rig::order`]'s step.
    pub fn live_log(&self) -> PathBuf {
        self.runner.live_log(&ProjectId::new("p").unwrap(), TaskIx(3), Attempt(2), StepIx(0))
    }

    /// The value of a step that went well.
    pub fn value(&self, outcome: &StepOutcome) -> serde_json::Value {
        let payload = outcome.result.as_ref().unwrap_or_else(|failure| panic!("{failure}"));
        serde_json::from_slice(&self.sink.read(payload).unwrap()).unwrap()
    }
}

/// The failure of a step that did not.
pub(in crate::steps) fn failure(outcome: &StepOutcome) -> crate::domain::failure::Failure {
    outcome.result.clone().expect_err("the step went well")
}
