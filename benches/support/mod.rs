//! What the benches share: the floor (an append and an `fdatasync` of the same bytes to a plain file, in the same run), the
//! table that is printed, a home on disk, and the in-process no-op step.

#![expect(dead_code, reason = "each bench uses a part of it")]
#![expect(clippy::disallowed_methods, reason = "a bench measures wall time")]
#![expect(clippy::print_stdout, reason = "a bench prints its table")]

use std::fs::{File, OpenOptions};
use std::io::Write as _;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use wfctl::domain::effect::StepOrder;
use wfctl::domain::event::{Actor, StepOutcome};
use wfctl::domain::ids::{Digest, ProjectId, Seq};
use wfctl::domain::payload::{BlobRef, Payload, PayloadSource, UnreadablePayload};
use wfctl::domain::project::{Command, Vault};
use wfctl::domain::workflow::{Action, Definition, Limits, PhaseSpec, RetryRules, TaskSpec, WorkspaceKind};
use wfctl::engine::archive::Archive;
use wfctl::engine::clock::SystemClock;
use wfctl::engine::entropy::SystemEntropy;
use wfctl::engine::ports::{SnapshotCache, StepControl, StepRunner};
use wfctl::engine::{Engine, Handle, Parts, Start};
use wfctl::journal::blobs::Blobs;
use wfctl::journal::chain::ChainHead;
use wfctl::journal::sled_store::SledStore;
use wfctl::journal::snapshot::Snapshots;
use wfctl::journal::store::Store;

/// Smoke runs (`WFCTL_BENCH_SMOKE=1`, as in CI) do less of everything: they show that the bench works, not how fast.
pub fn smoke() -> bool {
    std::env::var_os("WFCTL_BENCH_SMOKE").is_some() || std::env::args().any(|arg| arg == "--test")
}

/// `full` in a real run, `small` in a smoke run.
pub fn scaled(full: usize, small: usize) -> usize {
    if smoke() { small } else { full }
}

/// The median of what `measure` says, over `rounds` rounds.
pub fn median(rounds: usize, mut measure: impl FnMut() -> Duration) -> Duration {
    let mut all: Vec<Duration> = (0..rounds).map(|_| measure()).collect();
    all.sort_unstable();
    all[all.len() / 2]
}

/// How long `work` takes.
pub fn timed<T>(work: impl FnOnce() -> T) -> (T, Duration) {
    let start = Instant::now();
    let done = work();
    (done, start.elapsed())
}

/// A plain file to append to: the floor of everything durable.
pub struct Floor {
    file: File,
}

impl Floor {
    /// In `dir`.
    pub fn new(dir: &Path) -> Self {
        let file = OpenOptions::new().create(true).append(true).open(dir.join("floor")).expect("a writable folder");
        Self { file }
    }

    /// `count` times: append `bytes` and sync.
    pub fn syncs(&mut self, count: usize, bytes: &[u8]) -> Duration {
        let start = Instant::now();
        for _ in 0..count {
            self.file.write_all(bytes).expect("room on the disk");
            self.file.sync_data().expect("a disk that syncs");
        }
        start.elapsed()
    }
}

/// One line of the table.
pub fn report(what: &str, measured: &str, ratio: &str, must: &str, aim: &str) {
    println!("| {what} | {measured} | {ratio} | {must} | {aim} |");
}

/// The head of the table.
pub fn head() {
    println!("| what | measured | against the floor of this run | must | aim |");
    println!("|---|---|---|---|---|");
}

/// Milliseconds with two digits.
pub fn ms(duration: Duration) -> String {
    format!("{:.2} ms", duration.as_secs_f64() * 1e3)
}

/// `a` in multiples of `b`.
pub fn ratio(a: Duration, b: Duration) -> String {
    format!("{:.2} x", a.as_secs_f64() / b.as_secs_f64())
}

/// Peak and present resident memory of this process in MiB.
pub fn memory_mib() -> (u64, u64) {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let of = |key: &str| {
        let line = status.lines().find(|line| line.starts_with(key)).unwrap_or_default();
        line.split_whitespace().nth(1).and_then(|kib| kib.parse::<u64>().ok()).unwrap_or(0) / 1024
    };
    (of("VmHWM"), of("VmRSS"))
}

/// Blobs as the engine wants them.
pub struct DiskVault(pub Blobs);

impl PayloadSource for DiskVault {
    fn read_blob(&self, blob: &BlobRef) -> Result<Vec<u8>, UnreadablePayload> {
        self.0.read_blob(blob)
    }
}

impl Vault for DiskVault {
    fn keep_blob(&self, bytes: &[u8]) -> Result<BlobRef, UnreadablePayload> {
        let failed =
            |error: &dyn std::fmt::Display| UnreadablePayload { digest: Digest::of(bytes), problem: error.to_string() };
        self.0.put(bytes).map_err(|error| failed(&error))
    }
}

/// Snapshots as the engine wants them.
pub struct DiskSnapshots(pub Snapshots);

impl SnapshotCache for DiskSnapshots {
    fn save(&self, project: &ProjectId, seq: Seq, head: Digest, format: u16, bytes: Vec<u8>) {
        self.0.save(project, &ChainHead { seq, hash: head }, format, &bytes).expect("room for a snapshot");
    }

    fn load(&self, project: &ProjectId, format: u16) -> Option<(Seq, Digest, Vec<u8>)> {
        self.0.load(project, format).map(|found| (found.head.seq, found.head.hash, found.state))
    }
}

/// A step that is done when it is started.
pub struct NoOp;

#[async_trait::async_trait]
impl StepRunner for NoOp {
    async fn run(&self, _: StepOrder, _: StepControl) -> StepOutcome {
        done()
    }
}

/// The outcome of a step that did nothing.
pub fn done() -> StepOutcome {
    StepOutcome {
        result: Ok(Payload::default()),
        log: None,
        code: Some(0),
        duration_ms: 0,
        used: Default::default(),
        tree: None,
        ran_under: None,
    }
}

/// The read side of a home on disk, and the engine's epoch.
pub fn open(dir: &Path) -> (Archive, Arc<dyn Store>) {
    let store: Arc<dyn Store> = Arc::new(SledStore::open(&dir.join("store")).expect("a store that opens"));
    let vault = Arc::new(DiskVault(Blobs::open(&dir.join("blobs")).expect("a folder for blobs")));
    let snapshots = Arc::new(DiskSnapshots(Snapshots::new(&dir.join("snapshots"))));
    (Archive::new(store.clone(), vault, Some(snapshots)), store)
}

/// An engine over a home on disk.
pub fn engine(dir: &Path, runner: Arc<dyn StepRunner>, workers: usize) -> Engine {
    let (archive, store) = open(dir);
    let epoch = store.take_over().expect("a store that can be owned");
    let parts = Parts {
        archive,
        epoch,
        runner,
        clock: Arc::new(SystemClock::default()),
        entropy: Arc::new(SystemEntropy),
        disk: None,
        workers,
        closed: Box::new(|_| {}),
    };
    Engine::start(parts).expect("a thread for the engine")
}

/// A definition of `run: true` tasks.
pub fn definition(name: &str, tasks: Vec<TaskSpec>) -> Arc<Definition> {
    use wfctl::domain::machine::Phase;
    Arc::new(Definition {
        sandbox: Default::default(),
        allowed: None,
        name: name.to_owned(),
        description: String::new(),
        inputs: Default::default(),
        workspace: WorkspaceKind::None,
        limits: Limits::default(),
        budget: Default::default(),
        env: Default::default(),
        pass_env: Vec::new(),
        secrets: Vec::new(),
        retry: RetryRules::default(),
        models: Default::default(),
        merge: Default::default(),
        phases: vec![PhaseSpec {
            phase: Phase::Build,
            tasks: tasks.into_iter().map(Arc::new).collect(),
            approval: None,
            loop_back: None,
            loop_back_max: None,
            budget: Default::default(),
        }],
        children: Default::default(),
    })
}

/// One `run: true` task.
pub fn task(name: String, needs: Vec<String>) -> TaskSpec {
    TaskSpec { needs, ..TaskSpec::new(name, Action::Run("true".to_owned())) }
}

/// `count` tasks, each needing the one before.
pub fn chain(count: usize) -> Vec<TaskSpec> {
    let needs = |at: usize| at.checked_sub(1).map(|before| format!("t{before}")).into_iter().collect();
    (0..count).map(|at| task(format!("t{at}"), needs(at))).collect()
}

/// One task, `width` that need it, one that needs them all.
pub fn fan(width: usize) -> Vec<TaskSpec> {
    let mut tasks = vec![task("first".to_owned(), Vec::new())];
    tasks.extend((0..width).map(|at| task(format!("t{at}"), vec!["first".to_owned()])));
    tasks.push(task("last".to_owned(), (0..width).map(|at| format!("t{at}")).collect()));
    tasks
}

/// A start of a definition.
pub fn start_of(definition: &Arc<Definition>, id: Option<&str>) -> Start {
    Start {
        id: id.map(|id| ProjectId::new(id).expect("a valid id")),
        definition: definition.clone(),
        inputs: Default::default(),
        env: Vec::new(),
        base_dir: "/".to_owned(),
        source: None,
        base_commit: None,
        parent: None,
        depth: 0,
    }
}

/// Who the benches are.
pub fn bench_user() -> Actor {
    Actor::User("bench".to_owned())
}

/// A plain resume.
pub fn resume_command() -> Command {
    Command::Resume { in_doubt: None, budget: None, comment: String::new() }
}

/// Waits until no driven project is left, and says that all `ids` are DONE.
pub async fn until_done(handle: &Handle, ids: &[ProjectId]) {
    let mut handle = handle.clone();
    while handle.progress().driven > 0 {
        assert!(handle.changed().await, "the engine ended: {:?}", handle.progress().ended);
    }
    for id in ids {
        let status = handle.archive().summary(id).expect("a summary").status;
        assert_eq!(status.name(), "DONE", "{id}");
    }
}

/// A runtime like the product's.
pub fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("a runtime")
}
