//! The machine room: one home, the engine that holds it now, and steps that end when a test says so.
//!
//! After each turn the records that became durable are checked three ways: by the rules of `check`, against a shadow that
//! only ever saw records, and through a snapshot and back.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use wfctl::domain::call::CallInput;
use wfctl::domain::effect::{Effect, StepOrder, StopCause};
use wfctl::domain::event::{Actor, Created, Event, StepOutcome};
use wfctl::domain::ids::{Attempt, Digest, Epoch, ProjectId, Seq, TaskIx};
use wfctl::domain::machine::{ProjectStatus, TaskStatus};
use wfctl::domain::payload::{BlobRef, Payload, PayloadSource, UnreadablePayload};
use wfctl::domain::project::{Command, Project, Vault};
use wfctl::domain::time::Millis;
use wfctl::domain::view::{RecordView, Summary};
use wfctl::domain::workflow::Definition;
use wfctl::engine::archive::Archive;
use wfctl::engine::clock::ManualClock;
use wfctl::engine::core::{Core, Reply, Request, Start};
use wfctl::engine::entropy::SeededEntropy;
use wfctl::engine::error::Error;
use wfctl::journal::chain::{ChainHead, FrameBuilder};
use wfctl::journal::faulty_store::FaultyStore;
use wfctl::journal::memory_store::MemoryStore;
use wfctl::journal::record::Record;
use wfctl::journal::store::{self, Append, Damaged, Frame, Store};

use super::check::Model;

/// Blobs in memory.
#[derive(Debug, Default)]
pub struct MemoryVault(Mutex<BTreeMap<String, Vec<u8>>>);

impl MemoryVault {
    /// Every blob, as text.
    pub fn texts(&self) -> Vec<String> {
        let blobs = self.0.lock().unwrap();
        blobs.values().map(|bytes| String::from_utf8(bytes.clone()).expect("tests keep texts")).collect()
    }
}

impl PayloadSource for MemoryVault {
    fn read_blob(&self, blob: &BlobRef) -> Result<Vec<u8>, UnreadablePayload> {
        let found = self.0.lock().unwrap().get(&blob.digest.to_hex()).cloned();
        found.ok_or_else(|| UnreadablePayload { digest: blob.digest, problem: "missing".to_owned() })
    }
}

impl Vault for MemoryVault {
    fn keep_blob(&self, bytes: &[u8]) -> Result<BlobRef, UnreadablePayload> {
        let digest = Digest::of(bytes);
        self.0.lock().unwrap().insert(digest.to_hex(), bytes.to_vec());
        Ok(BlobRef { digest, bytes: bytes.len() as u64 })
    }
}

/// What is wrong with a store on purpose, to show that the rig notices.
#[derive(Debug, Default)]
pub struct Sabotage {
    /// Acknowledges commits without keeping them.
    pub forget_commits: AtomicBool,
    /// The next commit is written, the power fails before its sync.
    pub cut_next: AtomicBool,
}

/// The store of one engine: faults by plan, power cuts, sabotage.
pub struct SimStore {
    pub faulty: FaultyStore<MemoryStore>,
    pub sabotage: Sabotage,
}

impl Store for SimStore {
    fn commit(&self, epoch: Epoch, appends: &[Append]) -> Result<(), store::Error> {
        if self.sabotage.forget_commits.load(Ordering::SeqCst) {
            return Ok(());
        }
        if self.sabotage.cut_next.load(Ordering::SeqCst) {
            self.faulty.inner().commit_unsynced(epoch, appends)?;
            let source = std::io::Error::other("the power fails");
            return Err(store::Error::Io { context: "before the sync".to_owned(), source });
        }
        self.faulty.commit(epoch, appends)
    }
    fn take_over(&self) -> Result<Epoch, store::Error> {
        self.faulty.take_over()
    }
    fn epoch(&self) -> Result<Epoch, store::Error> {
        self.faulty.epoch()
    }
    fn frames(&self, project: &ProjectId, from: Seq, max_bytes: usize) -> Result<Vec<Frame>, store::Error> {
        self.faulty.frames(project, from, max_bytes)
    }
    fn last_frame(&self, project: &ProjectId) -> Result<Option<Frame>, store::Error> {
        self.faulty.last_frame(project)
    }
    fn summary(&self, project: &ProjectId) -> Result<Option<Summary>, store::Error> {
        self.faulty.summary(project)
    }
    fn summaries(&self) -> Result<Vec<Result<Summary, Damaged>>, store::Error> {
        self.faulty.summaries()
    }
    fn projects(&self) -> Result<Vec<ProjectId>, store::Error> {
        self.faulty.projects()
    }
    fn rebuild_summaries(&self, epoch: Epoch, summaries: &[Summary]) -> Result<(), store::Error> {
        self.faulty.rebuild_summaries(epoch, summaries)
    }
    fn remove(&self, epoch: Epoch, project: &ProjectId) -> Result<(), store::Error> {
        self.faulty.remove(epoch, project)
    }
    fn size_on_disk(&self) -> u64 {
        0
    }
}

/// What one project's records have shown so far.
struct Seen {
    shadow: Project,
    model: Model,
}

/// The room.
pub struct Rig {
    /// What survives engines and power.
    pub disk: MemoryStore,
    pub store: Arc<SimStore>,
    pub vault: Arc<MemoryVault>,
    pub clock: Arc<ManualClock>,
    pub core: Option<Core<u64>>,
    pub epoch: Epoch,
    pub workers: usize,
    seed: u64,
    /// Steps that were handed out and have not ended.
    pub running: Vec<StepOrder>,
    /// Steps that were told to stop.
    pub stops: Vec<(ProjectId, TaskIx, Attempt, StopCause)>,
    pub closed: Vec<ProjectId>,
    pub abandoned: Vec<ProjectId>,
    seen: BTreeMap<ProjectId, Seen>,
    next_reply: u64,
    /// Every transition that any record took, by machine.
    pub taken: super::check::Taken,
}

pub const BEGIN: Millis = Millis(1_700_000_000_000);

impl Rig {
    pub fn new(workers: usize, seed: u64) -> Self {
        let disk = MemoryStore::new();
        let store =
            Arc::new(SimStore { faulty: FaultyStore::new(disk.clone(), Vec::new()), sabotage: Sabotage::default() });
        let mut rig = Self {
            disk,
            store,
            vault: Arc::default(),
            clock: Arc::new(ManualClock::new(BEGIN)),
            core: None,
            epoch: Epoch(0),
            workers,
            seed,
            running: Vec::new(),
            stops: Vec::new(),
            closed: Vec::new(),
            abandoned: Vec::new(),
            seen: BTreeMap::new(),
            next_reply: 0,
            taken: Default::default(),
        };
        rig.boot().expect("a new home opens");
        rig
    }

    /// A new engine takes the home over. What ran in the old one is gone.
    pub fn boot(&mut self) -> Result<(), Error> {
        self.core = None;
        let epoch = self.store.take_over()?;
        self.core = Some(self.core_of(epoch));
        self.epoch = epoch;
        self.running.clear();
        Ok(())
    }

    /// A core of any epoch, also one that does not own the store any more.
    pub fn core_of(&self, epoch: Epoch) -> Core<u64> {
        let entropy = Arc::new(SeededEntropy::new(self.seed ^ (epoch.0 << 32)));
        Core::new(self.archive(), self.clock.clone(), entropy, epoch, self.workers)
    }

    pub fn archive(&self) -> Archive {
        Archive::new(self.store.clone(), self.vault.clone(), None)
    }

    /// The same, past all faults.
    pub fn true_archive(&self) -> Archive {
        Archive::new(Arc::new(self.disk.clone()), self.vault.clone(), None)
    }

    pub fn core(&mut self) -> &mut Core<u64> {
        self.core.as_mut().expect("an engine holds the home")
    }

    /// The engine dies; the power may go with it, taking all but `survivors` unsynced commits.
    pub fn crash(&mut self, survivors: usize) {
        self.core = None;
        self.disk.power_cut(survivors);
        self.store.faulty.heal();
        self.store.sabotage.cut_next.store(false, Ordering::SeqCst);
        self.running.clear();
    }

    /// A crash, then a new engine that resumes everything.
    pub fn restart(&mut self) {
        self.crash(0);
        self.boot().expect("a healed home opens");
        self.verify().unwrap();
        for id in self.open_projects() {
            let _ = self.resume(&id);
        }
    }

    /// All projects on the disk.
    pub fn projects(&self) -> Vec<ProjectId> {
        self.disk.projects().expect("memory does not fail")
    }

    pub fn open_projects(&self) -> Vec<ProjectId> {
        let summaries = self.disk.summaries().unwrap().into_iter().map(Result::unwrap);
        summaries.filter(|summary| !summary.status.is_terminal()).map(|summary| summary.id).collect()
    }

    /// One turn, its effects performed, its records checked. Replies come in the order of the requests.
    pub fn turn(&mut self, requests: Vec<Request>) -> Result<Vec<Result<Reply, Error>>, Error> {
        let first = self.next_reply;
        let count = requests.len();
        let addressed = requests.into_iter().zip(first..).map(|(request, reply)| (request, Some(reply)));
        let addressed: Vec<_> = addressed.collect();
        self.next_reply += count as u64;
        let turned = self.core().turn(addressed)?;
        self.verify().unwrap_or_else(|problem| panic!("{problem}"));
        for (id, effect) in turned.effects {
            match effect {
                Effect::RunStep(order) => {
                    let recorded = self.seen[&id].model.step_runs(order.task.0, order.attempt.0, order.step.0);
                    assert!(recorded, "{id}: a step runs without its record: {}", order.key());
                    let place = |order: &StepOrder| (order.task, order.attempt, order.step);
                    let mut same = self.running.iter().filter(|other| place(other) == place(&order));
                    let twice = same.any(|other| other.project == order.project);
                    assert!(!twice, "{} is handed out twice by one engine", order.key());
                    self.running.push(*order);
                }
                Effect::StopStep { task, attempt, cause } => self.stops.push((id, task, attempt, cause)),
                Effect::SetTimer { .. } | Effect::StartChild(_) | Effect::StopChild { .. } => {
                    unreachable!("the core performs these itself")
                }
            }
        }
        self.closed.extend(turned.closed);
        self.abandoned.extend(turned.abandoned);
        let mut replies: BTreeMap<u64, Result<Reply, Error>> = turned.replies.into_iter().collect();
        Ok((first..first + count as u64)
            .map(|reply| replies.remove(&reply).unwrap_or(Ok(Reply::Taken(None))))
            .collect())
    }

    /// Checks every record that is durable and was not seen before, and the live states against what records say.
    pub fn verify(&mut self) -> Result<(), String> {
        let archive = self.true_archive();
        for id in self.projects() {
            let from = self.seen.get(&id).map_or(0, |seen| seen.shadow.seq());
            let last = archive.store().last_frame(&id).map_err(|error| error.to_string())?;
            let Some(last) = last else { continue };
            if last.first.0 <= from && self.seen.contains_key(&id) {
                continue;
            }
            for record in archive.records(&id, Seq(from), usize::MAX).map_err(|error| error.to_string())? {
                self.see(&id, &record, &archive).map_err(|problem| format!("{id} record {}: {problem}", record.seq))?;
            }
            let live = self.core.as_ref().and_then(|core| core.project(&id));
            self.compare(&id, live)?;
        }
        if let Some(core) = &self.core {
            if core.active() > self.workers {
                return Err(format!("{} steps run on {} workers", core.active(), self.workers));
            }
            for id in core.driven() {
                if !self.seen.contains_key(&id) {
                    return Err(format!("{id} is driven and has no record"));
                }
            }
        }
        Ok(())
    }

    fn see(&mut self, id: &ProjectId, record: &RecordView, archive: &Archive) -> Result<(), String> {
        match self.seen.get_mut(id) {
            Some(seen) => {
                seen.model.see(record, &*self.vault, &mut self.taken)?;
                seen.shadow.apply(&record.event, record.at, &*self.vault).map_err(|error| error.to_string())?;
            }
            None => {
                let Event::Created(created) = &record.event else {
                    return Err("the first record creates nothing".to_owned());
                };
                let definition = archive.definition(id, &created.definition).map_err(|error| error.to_string())?;
                let shadow =
                    Project::create(id.clone(), (**created).clone(), definition.clone(), record.at, &*self.vault)
                        .map_err(|error| error.to_string())?;
                let model = Model::new(record, &definition)?;
                self.seen.insert(id.clone(), Seen { shadow, model });
            }
        }
        Ok(())
    }

    fn compare(&self, id: &ProjectId, live: Option<&Project>) -> Result<(), String> {
        let Seen { shadow, model } = &self.seen[id];
        model.agrees(shadow)?;
        let Some(live) = live else { return Ok(()) };
        same(live, shadow).map_err(|problem| format!("{id}: live and replayed state differ in {problem}"))?;
        if live.seq() % 4 != 0 {
            return Ok(());
        }
        let bytes = live.to_snapshot();
        let back = Project::from_snapshot(id.clone(), &bytes, live.definition.clone(), &*self.vault)
            .map_err(|problem| format!("{id}: its snapshot cannot be read: {problem}"))?;
        same(live, &back).map_err(|problem| format!("{id}: a snapshot and back differ in {problem}"))
    }

    // --- shorthands --------------------------------------------------------------------------------------------------

    pub fn ask(&mut self, request: Request) -> Result<Reply, Error> {
        self.turn(vec![request])?.remove(0)
    }

    pub fn start(&mut self, name: &str, definition: Definition) -> ProjectId {
        let id = ProjectId::new(name).unwrap();
        let reply = self.ask(start(&id, &Arc::new(definition))).unwrap();
        assert_eq!(reply, Reply::Started { id: id.clone(), existed: false });
        id
    }

    /// A project whose start was cut off after its first record.
    pub fn plant(&mut self, name: &str, definition: Definition) -> ProjectId {
        let id = ProjectId::new(name).unwrap();
        let created = Created {
            workflow: definition.name.clone(),
            definition: self.vault.keep_blob(&definition.to_canonical_json()).unwrap(),
            inputs: Payload::inline(b"{}").unwrap(),
            env: Vec::new(),
            base_dir: "/".to_owned(),
            source: None,
            workspace: definition.workspace,
            base_commit: None,
            seed: 7,
            parent: None,
            depth: 0,
        };
        let project = Project::create(id.clone(), created.clone(), Arc::new(definition), BEGIN, &*self.vault).unwrap();
        let event = Event::Created(Box::new(created));
        let record = Record { seq: Seq(1), epoch: self.epoch, at: BEGIN, actor: person(), event };
        let mut frame = FrameBuilder::new(&id, ChainHead::genesis(&id));
        frame.push(&record).unwrap();
        let (frame, head) = frame.finish().unwrap();
        let append = Append { project: id.clone(), frame, last: head.seq, summary: Some(project.summary()) };
        self.disk.commit(self.epoch, &[append]).unwrap();
        self.verify().unwrap();
        id
    }

    pub fn command(&mut self, id: &ProjectId, command: Command) -> Result<Reply, Error> {
        self.ask(Request::Command { id: id.clone(), command, actor: person() })
    }

    pub fn resume(&mut self, id: &ProjectId) -> Result<Reply, Error> {
        self.ask(resume(id))
    }

    pub fn pass(&mut self, ms: u64) {
        self.clock.advance(ms);
        self.turn(Vec::new()).unwrap();
    }

    /// The running step of the task of that name ends.
    pub fn end(&mut self, name: &str, outcome: StepOutcome) {
        let request = self.ended(name, outcome);
        self.turn(vec![request]).unwrap();
    }

    pub fn ended(&mut self, name: &str, outcome: StepOutcome) -> Request {
        let at = self.running.iter().position(|order| &*order.name == name);
        let at = at.unwrap_or_else(|| panic!("{name} does not run; these do: {:?}", self.names()));
        let order = self.running.remove(at);
        report(&order, outcome)
    }

    /// The walk of a running agent of that name says something.
    pub fn call(&mut self, name: &str, input: CallInput) -> Result<Reply, Error> {
        let order = self.order(name);
        let (id, task, attempt) = (order.project.clone(), order.task, order.attempt);
        self.ask(Request::Call { id, task, attempt, input })
    }

    /// What the task of that name was told to do.
    pub fn order(&self, name: &str) -> &StepOrder {
        let found = self.running.iter().find(|order| &*order.name == name);
        found.unwrap_or_else(|| panic!("{name} does not run; these do: {:?}", self.names()))
    }

    pub fn names(&self) -> Vec<String> {
        self.running.iter().map(|order| order.name.to_string()).collect()
    }

    pub fn project(&self, id: &ProjectId) -> &Project {
        &self.seen[id].shadow
    }

    pub fn status(&self, id: &ProjectId) -> ProjectStatus {
        self.project(id).status()
    }

    pub fn task(&self, id: &ProjectId, name: &str) -> TaskStatus {
        let project = self.project(id);
        project.task(project.find(name).unwrap_or_else(|| panic!("no task {name}"))).status
    }

    pub fn records(&self, id: &ProjectId) -> Vec<RecordView> {
        self.true_archive().records(id, Seq(0), usize::MAX).unwrap()
    }

    /// Whether anything of a project reached the disk.
    pub fn disk_has(&self, id: &ProjectId) -> bool {
        self.seen.contains_key(id)
    }

    /// How often a person, a loop-back or a retry allowed a task to run again.
    pub fn reruns(&self, id: &ProjectId, name: &str) -> u32 {
        self.seen[id].model.reruns.get(name).copied().unwrap_or(0)
    }

    pub fn count(&self, id: &ProjectId, wanted: impl Fn(&Event) -> bool) -> usize {
        self.records(id).iter().filter(|record| wanted(&record.event)).count()
    }
}

/// Where two states of one project differ, derived parts included.
pub fn same(a: &Project, b: &Project) -> Result<(), String> {
    if a.tasks() != b.tasks() {
        let at = a.tasks().iter().zip(b.tasks()).position(|(a, b)| a != b);
        let at = at.unwrap_or(a.tasks().len().min(b.tasks().len()));
        return Err(format!("task {at}: {:?} and {:?}", a.tasks().get(at), b.tasks().get(at)));
    }
    let derived = |project: &Project| {
        let awaiting: Vec<TaskIx> = project.awaiting().collect();
        let active: Vec<TaskIx> = project.active().collect();
        (project.next_ready(), project.ready_count(), awaiting, active, project.counts())
    };
    if derived(a) != derived(b) {
        return Err(format!("{:?} and {:?}", derived(a), derived(b)));
    }
    if a.to_snapshot() == b.to_snapshot() { Ok(()) } else { Err("the stored state".to_owned()) }
}

pub fn person() -> Actor {
    Actor::User("tester".to_owned())
}

pub fn start(id: &ProjectId, definition: &Arc<Definition>) -> Request {
    let start = Start {
        id: Some(id.clone()),
        definition: definition.clone(),
        inputs: Default::default(),
        env: Vec::new(),
        base_dir: "/".to_owned(),
        source: None,
        base_commit: None,
        parent: None,
        depth: 0,
    };
    Request::Start { start: Box::new(start), actor: person() }
}

pub fn resume(id: &ProjectId) -> Request {
    let command = Command::Resume { in_doubt: None, budget: None, comment: String::new() };
    Request::Resume { id: id.clone(), command, actor: person() }
}

pub fn report(order: &StepOrder, outcome: StepOutcome) -> Request {
    Request::Outcome {
        id: order.project.clone(),
        task: order.task,
        attempt: order.attempt,
        step: order.step,
        outcome: Box::new(outcome),
    }
}
