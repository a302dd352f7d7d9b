//! An engine in the test's own process over the home of a rig, whose agents say what a script says. The binary then reads
//! what it recorded.

use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use wfctl::domain::budget::Amounts;
use wfctl::domain::call::{CallInput, CallIntent, CallKind, CallOutcome};
use wfctl::domain::chat::{ModelReply, Stop, ToolCall, Usage};
use wfctl::domain::effect::{StepOrder, StepRequest};
use wfctl::domain::event::{Actor, StepOutcome};
use wfctl::domain::failure::{Failure, FailureClass};
use wfctl::domain::ids::{CallIx, Digest, ProjectId, Seq};
use wfctl::domain::payload::{BlobRef, Payload, PayloadSource, UnreadablePayload};
use wfctl::domain::project::Vault;
use wfctl::domain::time::Millis;
use wfctl::domain::view::RecordView;
use wfctl::domain::workflow::{EffectClass, NoChildren, read};
use wfctl::engine::archive::Archive;
use wfctl::engine::clock::ManualClock;
use wfctl::engine::entropy::SeededEntropy;
use wfctl::engine::ports::{StepControl, StepRunner};
use wfctl::engine::{Engine, Parts, Start};
use wfctl::journal::blobs::Blobs;
use wfctl::journal::doctor::Places;
use wfctl::journal::sled_store::SledStore;
use wfctl::journal::store::Store as _;

use crate::rig::Rig;

/// 2026-11-21T12:00:00Z.
const NOW: Millis = Millis(1_795_262_400_000);

/// One call of a script.
#[derive(Debug, Clone)]
pub struct Scene {
    pub kind: CallKind,
    pub label: &'static str,
    pub shown: &'static str,
    pub result: Result<String, Failure>,
    pub usage: Option<Usage>,
    pub duration_ms: u64,
    /// It is begun, and its answer never comes.
    pub hangs: bool,
}

/// A call that answers.
pub fn scene(kind: CallKind, label: &'static str, text: impl Into<String>) -> Scene {
    Scene { kind, label, shown: "", result: Ok(text.into()), usage: None, duration_ms: 2, hangs: false }
}

/// A reply of a model.
pub fn reply(label: &'static str, text: &str, calls: &[(&str, &str)], usage: Usage, duration_ms: u64) -> Scene {
    let calls: Vec<ToolCall> = calls
        .iter()
        .enumerate()
        .map(|(at, (name, arguments))| ToolCall {
            id: format!("c{at}"),
            name: (*name).to_owned(),
            arguments: (*arguments).to_owned(),
        })
        .collect();
    let stop = if calls.is_empty() { Stop::Answered } else { Stop::CalledTools };
    let reply = ModelReply { text: text.to_owned(), calls, stop, usage, served_by: label.to_owned() };
    let text = serde_json::to_string(&reply).unwrap();
    Scene { usage: Some(usage), duration_ms, ..scene(CallKind::Model, label, text) }
}

impl Scene {
    pub fn shown(self, shown: &'static str) -> Self {
        Self { shown, ..self }
    }

    pub fn failing(self, class: FailureClass, message: &str) -> Self {
        Self { result: Err(Failure::new(class, message)), ..self }
    }

    pub fn hanging(self) -> Self {
        Self { hangs: true, ..self }
    }

    fn intent(&self, ix: u32) -> CallIntent {
        let is_paid = matches!(self.kind, CallKind::Model | CallKind::Compact);
        let reserved = if is_paid { Amounts { calls: 1, tokens: 1000, usd_micros: 5000 } } else { Amounts::default() };
        CallIntent {
            ix: CallIx(ix),
            kind: self.kind,
            label: self.label.to_owned(),
            input: Digest::of(format!("{ix} {}", self.label).as_bytes()),
            shown: self.shown.to_owned(),
            effect: if is_paid { EffectClass::Paid } else { EffectClass::Pure },
            reserved,
        }
    }
}

/// Runs every agent by one script, and notes what it really did: a call that is on record is read back and not made again.
struct Scripted {
    script: Mutex<Vec<Scene>>,
    made: Mutex<Vec<String>>,
    vault: Arc<Shelf>,
}

#[async_trait]
impl StepRunner for Scripted {
    async fn run(&self, order: StepOrder, mut control: StepControl) -> StepOutcome {
        assert!(matches!(order.request, StepRequest::Agent(_)), "only agents are scripted");
        let result = self.walk(&order, &mut control).await;
        let used = Amounts::default();
        StepOutcome { result, log: None, code: None, duration_ms: 9, used, tree: None, ran_under: None }
    }
}

impl Scripted {
    async fn walk(&self, order: &StepOrder, control: &mut StepControl) -> Result<Payload, Failure> {
        let stopped = || Failure::new(FailureClass::Interrupted, "stopped");
        let script = self.script.lock().unwrap().clone();
        for (ix, scene) in (0u32..).zip(&script) {
            let intent = scene.intent(ix);
            if let Some(known) = order.calls.get(ix as usize) {
                assert_eq!(known.input, intent.input, "the walk is the one that was recorded");
                if known.outcome.is_some() {
                    continue;
                }
            }
            control.calls().put(CallInput::Begin(Box::new(intent))).await.map_err(|_| stopped())?;
            self.made.lock().unwrap().push(format!("{} {ix} {}", order.project, scene.label));
            if scene.hangs {
                control.stopped().await;
                return Err(stopped());
            }
            let result = match &scene.result {
                Ok(text) => Ok(self.vault.keep(text.clone().into_bytes()).unwrap()),
                Err(failure) => Err(failure.clone()),
            };
            let (usage, duration_ms) = (scene.usage, scene.duration_ms);
            let outcome =
                CallOutcome { result: result.clone(), duration_ms, usage, full: None, tree: None, ran_under: None };
            control.calls().put(CallInput::End(CallIx(ix), Box::new(outcome))).await.map_err(|_| stopped())?;
            // A tool that fails is the agent's to deal with.
            if scene.kind == CallKind::Model {
                result?;
            }
        }
        Ok(Payload::Inline(br#""done""#.as_slice().into()))
    }
}

/// The blobs of the home.
/// Blobs as a vault.
pub struct Shelf(pub Blobs);

impl PayloadSource for Shelf {
    fn read_blob(&self, blob: &BlobRef) -> Result<Vec<u8>, UnreadablePayload> {
        self.0.read_blob(blob)
    }
}

impl Vault for Shelf {
    fn keep_blob(&self, bytes: &[u8]) -> Result<BlobRef, UnreadablePayload> {
        Ok(self.0.put(bytes).unwrap())
    }
}

/// The engine.
pub struct Stage {
    pub engine: Engine,
    pub clock: Arc<ManualClock>,
    runner: Arc<Scripted>,
    runtime: tokio::runtime::Runtime,
}

impl Stage {
    /// Opens the home of a rig.
    pub fn open(rig: &Rig) -> Self {
        let places = Places::in_home(&rig.folder().join("home"));
        std::fs::create_dir_all(&places.store).unwrap();
        // A home without it was never used.
        std::fs::write(rig.folder().join("home/lock"), "").unwrap();
        let store = Arc::new(SledStore::open(&places.store).unwrap());
        let vault = Arc::new(Shelf(Blobs::open(&places.blobs).unwrap()));
        let epoch = store.take_over().unwrap();
        let runner = Arc::new(Scripted { script: Mutex::default(), made: Mutex::default(), vault: vault.clone() });
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let clock = Arc::new(ManualClock::new(NOW));
        let parts = Parts {
            archive: Archive::new(store, vault, None),
            epoch,
            runner: runner.clone(),
            clock: clock.clone(),
            entropy: Arc::new(SeededEntropy::new(7)),
            disk: None,
            workers: 2,
            closed: Box::new(|_| ()),
        };
        let engine = {
            let _inside = runtime.enter();
            Engine::start(parts).unwrap()
        };
        Self { engine, clock, runner, runtime }
    }

    /// What agents say from now on.
    pub fn script(&self, scenes: impl IntoIterator<Item = Scene>) {
        *self.runner.script.lock().unwrap() = scenes.into_iter().collect();
    }

    /// What was really done since the last time this was asked.
    pub fn made(&self) -> Vec<String> {
        std::mem::take(&mut *self.runner.made.lock().unwrap())
    }

    /// Starts a project of a workflow's text.
    pub fn start(&self, id: &str, workflow: &str) -> ProjectId {
        let (definition, _) = read(workflow.as_bytes(), "w.yaml", &NoChildren).unwrap();
        let start = Start {
            id: Some(ProjectId::new(id).unwrap()),
            definition: Arc::new(definition),
            inputs: serde_json::Map::new(),
            env: Vec::new(),
            base_dir: "/".to_owned(),
            source: None,
            base_commit: Some("0".repeat(40)),
            parent: None,
            depth: 0,
        };
        let started = self.engine.handle().start(start, Actor::User("tester".to_owned()));
        self.runtime.block_on(started).unwrap().0
    }

    /// Waits for a record.
    pub fn until(&self, id: &ProjectId, is_it: impl Fn(&RecordView) -> bool) -> RecordView {
        let mut from = Seq(0);
        loop {
            let records = self.runtime.block_on(self.engine.handle().follow(id, from)).unwrap();
            assert!(!records.is_empty(), "the engine ended before");
            for record in records {
                from = record.seq;
                if is_it(&record) {
                    return record;
                }
            }
        }
    }

    /// Runs something on the engine's runtime.
    pub fn wait<T>(&self, what: impl Future<Output = T>) -> T {
        self.runtime.block_on(what)
    }

    /// Gives the home back.
    pub fn close(self) {
        let Self { engine, runner, runtime, .. } = self;
        assert_eq!(runtime.block_on(engine.shutdown()), None);
        drop(runner);
        drop(runtime);
    }
}
