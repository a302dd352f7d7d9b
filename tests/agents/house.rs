//! A home, a small git repository, and engines over them, one after the other: each is put together as the product does it, with
//! a clock that stands still, and may die at a commit of its store.

use std::collections::{BTreeMap, HashMap};
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio_util::task::TaskTracker;
use wfctl::agents::memory::{Embedder, Memories};
use wfctl::app::{Closing, ModelsHere};
use wfctl::domain::event::{Actor, Await, Decision, Event};
use wfctl::domain::ids::{Digest, ProjectId, Seq};
use wfctl::domain::machine::ProjectStatus;
use wfctl::domain::payload::{BlobRef, Payload, PayloadSource, UnreadablePayload};
use wfctl::domain::project::{Command, Vault};
use wfctl::domain::sandbox::{Allowance, Backend};
use wfctl::domain::time::Millis;
use wfctl::domain::view::RecordView;
use wfctl::domain::workflow::{Definition, ModelsSpec, NoChildren, ProviderSpec, read};
use wfctl::engine::archive::Archive;
use wfctl::engine::clock::ManualClock;
use wfctl::engine::entropy::SeededEntropy;
use wfctl::engine::{Engine, Parts, Start};
use wfctl::journal::memory_store::MemoryStore;
use wfctl::journal::store::{Error, Store as _};
use wfctl::steps::{Containments, PayloadSink, Places, Runner, Settings};
use wfctl::workspace::Workspaces;
use wfctl::workspace::leftovers::Leftovers;

use crate::home::Hooked;

/// 2026-11-21T12:00:00Z.
pub const NOW: Millis = Millis(1_795_262_400_000);

/// Longer than anything takes, on any machine.
const PATIENCE: Duration = Duration::from_secs(60);

/// Blobs in memory, for everyone who keeps or reads some.
#[derive(Default)]
pub struct Shelf(Mutex<HashMap<Digest, Vec<u8>>>);

impl Shelf {
    fn keep_all(&self, bytes: Vec<u8>) -> BlobRef {
        let blob = BlobRef { digest: Digest::of(&bytes), bytes: bytes.len() as u64 };
        self.0.lock().unwrap().insert(blob.digest, bytes);
        blob
    }
}

impl PayloadSource for Shelf {
    fn read_blob(&self, blob: &BlobRef) -> Result<Vec<u8>, UnreadablePayload> {
        let known = self.0.lock().unwrap().get(&blob.digest).cloned();
        known.ok_or(UnreadablePayload { digest: blob.digest, problem: "it was never put".to_owned() })
    }
}

impl Vault for Shelf {
    fn keep_blob(&self, bytes: &[u8]) -> Result<BlobRef, UnreadablePayload> {
        Ok(self.keep_all(bytes.to_vec()))
    }
}

impl PayloadSink for Shelf {
    fn put(&self, content: &[u8]) -> std::io::Result<Payload> {
        Ok(Payload::inline(content).unwrap_or_else(|| Payload::Blob(self.keep_all(content.to_vec()))))
    }

    fn put_log(&self, path: &Path) -> std::io::Result<Option<BlobRef>> {
        match std::fs::read(path) {
            Ok(content) => Ok(Some(self.keep_all(content))),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }
}

/// A folder in memory where there is one: what is synced here does not have to survive the machine.
fn folder() -> tempfile::TempDir {
    let memory = Path::new("/dev/shm");
    let in_memory = tempfile::Builder::new().prefix("wfctl-").tempdir_in(memory).ok().filter(|_| memory.is_dir());
    in_memory.unwrap_or_else(|| tempfile::tempdir().unwrap())
}

/// What becomes of an engine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    Lives,
    /// This commit, counted from 1, is refused, and the engine dies of it.
    DiesBefore(u64),
    /// This commit is durable, and the engine dies before it knows.
    DiesAfter(u64),
    /// A planted bug: the commits before this one, at which it dies, are acknowledged and never become durable.
    Forgets {
        at: u64,
        commits: u64,
    },
}

/// A home and a repository; durable through all lives of its engines.
pub struct House {
    folder: tempfile::TempDir,
    store: MemoryStore,
    pub shelf: Arc<Shelf>,
    pub clock: Arc<ManualClock>,
    environment: BTreeMap<String, String>,
    pub workers: usize,
    /// What makes vectors for the memory of agents.
    pub embedder: Option<Arc<dyn Embedder>>,
}

impl House {
    /// With a repository of these files, its branch `main` checked out and a branch `release` beside it.
    pub fn new(files: &[(&str, &str)]) -> Self {
        let house = Self::bare();
        wfctl::workspace::git::create(&house.repository(), files, "release", NOW).unwrap();
        house
    }

    /// Without a repository.
    pub fn bare() -> Self {
        Self {
            folder: folder(),
            store: MemoryStore::new(),
            shelf: Arc::default(),
            clock: Arc::new(ManualClock::new(NOW)),
            environment: BTreeMap::new(),
            workers: 1,
            embedder: None,
        }
    }

    pub fn with_workers(self, workers: usize) -> Self {
        Self { workers, ..self }
    }

    /// A variable in the environment of engines that are opened from now on.
    pub fn set(&mut self, name: &str, value: &str) {
        self.environment.insert(name.to_owned(), value.to_owned());
    }

    pub fn repository(&self) -> PathBuf {
        self.folder.path().join("repository")
    }

    pub fn home(&self) -> PathBuf {
        self.folder.path().join("home")
    }

    /// git in the repository.
    #[expect(clippy::disallowed_methods, reason = "a test looks at a repository with git itself")]
    pub fn git(&self, arguments: &[&str]) -> String {
        let mut command = std::process::Command::new("git");
        command.args(["-c", "user.name=tester", "-c", "user.email=t@localhost", "-c", "protocol.file.allow=always"]);
        command.args(arguments).current_dir(self.repository());
        command.env_clear().env("PATH", "/usr/local/bin:/usr/bin:/bin").env("GIT_CONFIG_NOSYSTEM", "1");
        let output = command.env("HOME", self.folder.path()).output().unwrap();
        let told = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "git {arguments:?}: {told}");
        String::from_utf8_lossy(&output.stdout).trim_end().to_owned()
    }

    /// A file as a branch has it.
    pub fn file(&self, branch: &str, path: &str) -> String {
        self.git(&["show", &format!("{branch}:{path}")])
    }

    /// The files below a folder of the home.
    pub fn left_in_home(&self, folder: &str) -> Vec<PathBuf> {
        let mut left = Vec::new();
        let mut open = vec![self.home().join(folder)];
        while let Some(dir) = open.pop() {
            for entry in std::fs::read_dir(dir).into_iter().flatten().flatten() {
                left.push(entry.path());
                if entry.file_type().unwrap().is_dir() {
                    open.push(entry.path());
                }
            }
        }
        left.sort();
        left
    }

    /// The read side.
    pub fn archive(&self) -> Archive {
        Archive::new(Arc::new(self.store.clone()), self.shelf.clone(), None)
    }

    /// All records of a project.
    pub fn records(&self, id: &ProjectId) -> Vec<RecordView> {
        self.archive().records(id, Seq(0), usize::MAX).unwrap()
    }

    /// An engine that lives.
    pub fn open(&self) -> Life {
        self.open_with(Fate::Lives)
    }

    /// Work under `fate`: how many commits it took to its good end. `None`: the engine died of it, and the power is cut.
    pub fn under(&self, fate: Fate, begin: impl Fn(&Life) -> Option<Driven>) -> Option<u64> {
        let life = self.open_with(fate);
        match begin(&life) {
            Some(Driven::Ended(ProjectStatus::Done)) => {
                let commits = life.commits();
                life.close();
                Some(commits)
            }
            Some(Driven::Died) | None => {
                life.bury();
                self.cut_power();
                None
            }
            Some(other) => panic!("{fate:?}: {other:?}"),
        }
    }

    /// What the store only claimed to have kept is lost.
    pub fn cut_power(&self) {
        self.store.power_cut(0);
    }

    /// An engine, as `app` makes one.
    pub fn open_with(&self, fate: Fate) -> Life {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        let _inside = runtime.enter();
        std::fs::create_dir_all(self.home().join("run")).unwrap();
        let leftovers = Leftovers::open(self.home().join("run"), "house").unwrap();
        runtime.block_on(leftovers.reap()).unwrap();
        let commits = Arc::new(AtomicU64::new(0));
        let store = Arc::new(mortal(self.store.clone(), fate, commits.clone()));
        let epoch = self.store.take_over().unwrap();
        let archive = Archive::new(store, self.shelf.clone(), None);
        let workspaces = Arc::new(Workspaces::new(&self.home()));
        let last = Closing::new(archive.clone(), workspaces.clone());
        runtime.block_on(last.catch_up());
        let texts = [("PATH", "/usr/local/bin:/usr/bin:/bin")].map(|(name, value)| (name.into(), value.into()));
        let environment: Vec<(OsString, OsString)> = texts.into();
        let runner = Runner::new(Settings {
            environment,
            grace: Duration::from_millis(100),
            shutdown_grace: Duration::from_millis(50),
            logs_dir: self.home().join("logs"),
            workspaces,
            containments: Arc::new(Containments::new(Places::new(&self.home(), env!("CARGO_BIN_EXE_wfctl").into()))),
            leftovers: Arc::new(leftovers),
            sink: self.shelf.clone(),
            source: self.shelf.clone(),
            models: Arc::new(ModelsHere::new(
                self.environment.clone(),
                None,
                &ModelsSpec::default(),
                self.clock.clone(),
                wfctl::telemetry::mask::Masks::default(),
            )),
            secrets: Arc::new(wfctl::secrets::Shelf::default()),
            masks: wfctl::telemetry::mask::Masks::default(),
            indexes: Arc::new(wfctl::workspace::index::Indexes::new(self.home().join("code"))),
            servers: None,
            memories: Some(Arc::new(Memories::new(&self.home().join("memory"), self.embedder.clone()))),
            recalled: None,
            clock: self.clock.clone(),
        });
        let closing = TaskTracker::new();
        let (of_closed, handle) = (closing.clone(), runtime.handle().clone());
        let closed = move |id: &ProjectId| {
            let (last, id) = (last.clone(), id.clone());
            of_closed.spawn_on(async move { last.finish(&id).await }, &handle);
        };
        let engine = Engine::start(Parts {
            archive,
            epoch,
            runner: Arc::new(Arc::new(runner)),
            clock: self.clock.clone(),
            entropy: Arc::new(SeededEntropy::new(7)),
            disk: None,
            workers: self.workers,
            closed: Box::new(closed),
        });
        drop(_inside);
        Life { engine: engine.unwrap(), runtime, closing, commits }
    }

    /// What a start of `definition` in the repository needs.
    pub fn start(&self, id: &str, definition: Definition, inputs: serde_json::Value) -> Start {
        let base_commit = Workspaces::new(&self.home()).base_commit(&self.repository()).ok();
        Start {
            id: Some(ProjectId::new(id).unwrap()),
            definition: Arc::new(uncontained(definition)),
            inputs: inputs.as_object().cloned().unwrap_or_default(),
            env: Vec::new(),
            base_dir: self.repository().to_str().unwrap().to_owned(),
            source: None,
            base_commit,
            parent: None,
            depth: 0,
        }
    }
}

/// A store that follows its fate. Once dead it takes nothing more.
fn mortal(inner: MemoryStore, fate: Fate, commits: Arc<AtomicU64>) -> Hooked {
    Hooked::new(Arc::new(inner.clone()), move |store, epoch, appends| {
        let killed =
            || Error::Io { context: "the engine is killed".to_owned(), source: std::io::Error::other("killed") };
        let commit = commits.fetch_add(1, Ordering::SeqCst) + 1;
        match fate {
            Fate::DiesBefore(at) if commit >= at => Err(killed()),
            Fate::DiesAfter(at) if commit > at => Err(killed()),
            Fate::DiesAfter(at) if commit == at => store.commit(epoch, appends).and(Err(killed())),
            Fate::Forgets { at, .. } if commit >= at => Err(killed()),
            Fate::Forgets { at, commits } if commit + commits >= at => inner.commit_unsynced(epoch, appends),
            Fate::Forgets { .. } | Fate::Lives | Fate::DiesBefore(_) | Fate::DiesAfter(_) => {
                store.commit(epoch, appends)
            }
        }
    })
}

/// How far an engine came with a project.
#[derive(Debug, PartialEq, Eq)]
pub enum Driven {
    Ended(ProjectStatus),
    /// It is held and nobody but a person can help.
    Held,
    /// The engine died.
    Died,
}

/// One engine.
pub struct Life {
    pub engine: Engine,
    runtime: tokio::runtime::Runtime,
    closing: TaskTracker,
    commits: Arc<AtomicU64>,
}

fn tester() -> Actor {
    Actor::User("tester".to_owned())
}

impl Life {
    /// Starts a project, or takes up one that was started; `None` when the engine died of it.
    pub fn begin(&self, start: Start) -> Option<ProjectId> {
        let id = start.id.clone().unwrap();
        let begun = self.runtime.block_on(self.engine.handle().start(start, tester()));
        let (_, existed) = begun.ok()?;
        if existed { self.resume(&id) } else { Some(id) }
    }

    /// Takes a project up as `wfctl resume` does.
    pub fn resume(&self, id: &ProjectId) -> Option<ProjectId> {
        let resume = Command::Resume { in_doubt: None, budget: None, comment: String::new() };
        self.runtime.block_on(self.engine.handle().resume(id.clone(), resume, tester())).ok().map(|()| id.clone())
    }

    /// Gives a command.
    pub fn command(&self, id: &ProjectId, command: Command) -> bool {
        self.runtime.block_on(self.engine.handle().command(id.clone(), command, tester())).is_ok()
    }

    /// Waits for a record behind `from`; `None` when the engine ended before.
    pub fn until(&self, id: &ProjectId, from: Seq, is_it: impl Fn(&Event) -> bool) -> Option<RecordView> {
        let mut from = from;
        loop {
            let records = self.follow(id, from).unwrap();
            from = records.last()?.seq;
            if let Some(found) = records.into_iter().find(|record| is_it(&record.event)) {
                return Some(found);
            }
        }
    }

    /// The next records; a test that waits longer has failed.
    fn follow(&self, id: &ProjectId, from: Seq) -> Result<Vec<RecordView>, wfctl::engine::Error> {
        let handle = self.engine.handle();
        let next = async { tokio::time::timeout(PATIENCE, handle.follow(id, from)).await };
        self.runtime.block_on(next).unwrap_or_else(|_| {
            let project = handle.archive().load(id).unwrap().project;
            panic!("nothing happens behind record {from}: {:?}", project.why())
        })
    }

    /// Follows a project to its end, saying yes to whatever is asked.
    pub fn drive(&self, id: &ProjectId) -> Driven {
        let mut from = Seq(0);
        let mut asked = 0;
        loop {
            let records = match self.follow(id, from) {
                Ok(records) if !records.is_empty() => records,
                Ok(_) | Err(_) => return Driven::Died,
            };
            from = records.last().unwrap().seq;
            let mut held = false;
            for record in &records {
                match &record.event {
                    Event::Closed { status, .. } => return Driven::Ended(*status),
                    Event::TaskAwaits { what: Await::Approval { .. }, .. } => asked += 1,
                    Event::TaskAnswered { .. } => asked -= 1,
                    Event::Held { .. } => held = true,
                    Event::Released { .. } => held = false,
                    _ => {}
                }
            }
            if held {
                return Driven::Held;
            }
            if asked > 0 {
                let answer = Command::Answer { task: None, decision: Decision::Approved, comment: String::new() };
                self.command(id, answer);
            }
        }
    }

    /// Commits asked of the store so far.
    pub fn commits(&self) -> u64 {
        self.commits.load(Ordering::SeqCst)
    }

    /// Makes the loop look at its clock.
    pub fn poke(&self, id: &ProjectId) {
        self.runtime.block_on(self.engine.handle().drives(id)).unwrap();
    }

    /// Ends in order, and waits for what follows the end of projects. Says why, if the engine had ended by itself.
    pub fn close(self) -> Option<String> {
        let Self { engine, runtime, closing, .. } = self;
        let why = runtime.block_on(engine.shutdown());
        closing.close();
        runtime.block_on(closing.wait());
        why
    }

    /// What is left of an engine that died: nothing of it runs when this returns.
    pub fn bury(self) {
        let Self { engine, runtime, .. } = self;
        runtime.block_on(engine.shutdown());
    }
}

/// A workflow's text as a definition whose agents ask `test/m` at `base_url`.
pub fn definition(text: &str, base_url: &str) -> Definition {
    let (mut definition, _) = read(text.as_bytes(), "w.yaml", &NoChildren).unwrap();
    let provider = ProviderSpec { base_url: Some(base_url.to_owned()), free: true, ..ProviderSpec::default() };
    let models = ModelsSpec {
        default: vec!["test/m".to_owned()],
        roles: BTreeMap::new(),
        providers: [("test".to_owned(), provider)].into(),
        ..ModelsSpec::default()
    };
    definition.models = definition.models.over(&models);
    definition
}

/// The house stands in memory, below `/dev`, which no sandbox shows as it is; `binary.rs` has commands contained.
fn uncontained(definition: Definition) -> Definition {
    let allowed = Allowance { backend: Backend::None, ..Allowance::default() };
    Definition { allowed: Some(Arc::new(allowed)), ..definition }
}
