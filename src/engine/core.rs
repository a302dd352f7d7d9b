//! The loop's deterministic half: takes inputs, decides, appends, and hands out what to perform.
//!
//! No thread, no await and no clock of its own: the same inputs at the same times over the same store give the same
//! records. The dispatcher drives it in production, the simulator in tests.
//!
//! Invariants: a project has one owner (its slot here); its records are appended in the order they were decided; no effect
//! and no answer leaves before its records are durable; a project that breaks is set aside and stops no other.

use std::collections::{HashMap, VecDeque};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use crate::domain::effect::{ChildOrder, Effect};
use crate::domain::event::{Actor, Created, Event, HoldReason, StepOutcome};
use crate::domain::ids::{Attempt, Epoch, ProjectId, StepIx, TaskIx};
use crate::domain::limits;
use crate::domain::machine::ProjectStatus;
use crate::domain::project::{Command, Decided, Input, Project, Refusal, RefusalKind, SNAPSHOT_FORMAT, Turn};
use crate::domain::time::Millis;
use crate::domain::view::Summary;
use crate::domain::workflow::{Definition, Expressions};
use crate::journal::chain::{ChainHead, FrameBuilder};
use crate::journal::record::Record;
use crate::journal::store::Append;

use super::archive::Archive;
use super::error::Error;
use super::ports::{Clock, Entropy};
use super::scheduler::Scheduler;
use super::timers::Timers;

/// What a start needs.
#[derive(Debug, Clone)]
pub struct Start {
    /// The id; `None`: one is made from the workflow's name.
    pub id: Option<ProjectId>,
    /// The definition to pin.
    pub definition: Arc<Definition>,
    /// The bound inputs.
    pub inputs: serde_json::Map<String, serde_json::Value>,
    /// Captured environment.
    pub env: Vec<(String, String)>,
    /// The folder it is started for.
    pub base_dir: String,
    /// The workflow file.
    pub source: Option<String>,
    /// The commit that worktrees start from.
    pub base_commit: Option<String>,
    /// The parent's task.
    pub parent: Option<(ProjectId, TaskIx)>,
    /// Nesting depth.
    pub depth: u32,
}

/// What the engine is asked.
#[derive(Debug)]
pub enum Request {
    /// Start a project, or find the one that was started with the same id.
    Start {
        /// What it needs.
        start: Box<Start>,
        /// Who asks.
        actor: Actor,
    },
    /// Drive a project from here on, recovering it first when this engine has not driven it before.
    Resume {
        /// The project.
        id: ProjectId,
        /// The command that goes with it.
        command: Command,
        /// Who asks.
        actor: Actor,
    },
    /// A command that does not change who drives the project.
    Command {
        /// The project.
        id: ProjectId,
        /// The command.
        command: Command,
        /// Who asks.
        actor: Actor,
    },
    /// A step ended.
    Outcome {
        /// The project.
        id: ProjectId,
        /// The task.
        task: TaskIx,
        /// The attempt.
        attempt: Attempt,
        /// The step.
        step: StepIx,
        /// How.
        outcome: Box<StepOutcome>,
    },
    /// Whether this engine drives a project.
    Drives {
        /// The project.
        id: ProjectId,
    },
    /// The room left on the disk changed sides of the floor.
    Disk {
        /// Free bytes.
        free_bytes: u64,
        /// Whether that is below the floor.
        low: bool,
    },
}

/// What it answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reply {
    /// Started, or found.
    Started {
        /// The id.
        id: ProjectId,
        /// It existed before.
        existed: bool,
    },
    /// The command was taken; some give a value back.
    Taken(Option<u64>),
    /// Whether the project is driven.
    Drives(bool),
}

/// What a turn leaves to be done, all of it justified by durable records.
#[derive(Debug)]
pub struct Turned<R> {
    /// To perform.
    pub effects: Vec<(ProjectId, Effect)>,
    /// To answer.
    pub replies: Vec<(R, Result<Reply, Error>)>,
    /// Projects that became terminal.
    pub closed: Vec<ProjectId>,
    /// Projects that were set aside because of a defect; their steps must be stopped.
    pub abandoned: Vec<ProjectId>,
    /// How many records were appended.
    pub records: u64,
}

struct Live {
    project: Project,
    head: ChainHead,
    /// Decided, not yet appended.
    pending: VecDeque<Record>,
    /// This engine runs its tasks; otherwise it only records commands.
    driven: bool,
    snapshot: u64,
    summarised: Option<(ProjectStatus, Millis)>,
    active: usize,
}

/// The engine's state. `R` is what a reply is addressed to.
pub struct Core<R> {
    archive: Archive,
    clock: Arc<dyn Clock>,
    entropy: Arc<dyn Entropy>,
    expressions: Expressions,
    epoch: Epoch,
    workers: usize,
    ahead: usize,
    slots: Vec<Option<Box<Live>>>,
    by_id: HashMap<ProjectId, u32>,
    scheduler: Scheduler,
    timers: Timers,
    active: usize,
    driven_count: usize,
    draining: bool,
    disk_low: Option<u64>,
    turn: TurnState<R>,
}

struct TurnState<R> {
    dirty: Vec<u32>,
    effects: Vec<(ProjectId, Effect)>,
    replies: Vec<(R, Option<u32>, Result<Reply, Error>)>,
    internal: VecDeque<Internal>,
    closed: Vec<ProjectId>,
    abandoned: Vec<ProjectId>,
}

/// What projects tell each other within a turn.
enum Internal {
    StartChild { parent: ProjectId, order: Box<ChildOrder> },
    ChildClosed { parent: ProjectId, task: TaskIx, child: ProjectId },
    StopChild { child: ProjectId, undo: bool, parent: ProjectId },
}

impl<R> Core<R> {
    /// A core that owns `epoch` of the archive's store and runs at most `workers` steps at once.
    pub fn new(
        archive: Archive,
        clock: Arc<dyn Clock>,
        entropy: Arc<dyn Entropy>,
        epoch: Epoch,
        workers: usize,
    ) -> Self {
        Self {
            archive,
            clock,
            entropy,
            expressions: Expressions::new(),
            epoch,
            workers: workers.max(1),
            ahead: 0,
            slots: Vec::new(),
            by_id: HashMap::new(),
            scheduler: Scheduler::default(),
            timers: Timers::default(),
            active: 0,
            driven_count: 0,
            draining: false,
            disk_low: None,
            turn: TurnState {
                dirty: Vec::new(),
                effects: Vec::new(),
                replies: Vec::new(),
                internal: VecDeque::new(),
                closed: Vec::new(),
                abandoned: Vec::new(),
            },
        }
    }

    /// Decides on up to `ahead` starts more than there are workers, so that a worker that becomes free finds a step whose
    /// intent is durable already, instead of waiting for a commit. Whoever performs the effects queues them.
    #[must_use]
    pub fn starting_ahead(mut self, ahead: usize) -> Self {
        self.ahead = ahead;
        self
    }

    /// When [`Core::turn`] should be called even without an input.
    pub fn next_due(&self) -> Option<Millis> {
        self.timers.next_due()
    }

    /// From here on nothing new is started; what runs is interrupted by the caller.
    pub fn drain(&mut self) {
        self.draining = true;
    }

    /// Steps in flight.
    pub fn active(&self) -> usize {
        self.active
    }

    /// Projects that this engine drives and that are not terminal.
    pub fn driven(&self) -> Vec<ProjectId> {
        let driven = self.slots.iter().flatten().filter(|live| live.driven);
        driven.map(|live| live.project.id.clone()).collect()
    }

    /// How many those are.
    pub fn driven_count(&self) -> usize {
        self.driven_count
    }

    /// The live state of a project, for the simulator's checks.
    pub fn project(&self, id: &ProjectId) -> Option<&Project> {
        self.by_id.get(id).and_then(|slot| self.slots[*slot as usize].as_ref()).map(|live| &live.project)
    }

    /// One turn: everything in `requests`, every due timer, every start that fits; one durable commit; what follows.
    ///
    /// On an error the store refused the commit: nothing of this turn may be believed, and the core must be dropped.
    pub fn turn(&mut self, requests: impl IntoIterator<Item = (Request, Option<R>)>) -> Result<Turned<R>, Error> {
        for (request, reply_to) in requests {
            self.request(request, reply_to);
        }
        let now = self.clock.now();
        while let Some((slot, key)) = self.timers.pop_due(now) {
            self.take(slot, Input::Due(key), Actor::Engine);
        }
        self.settle_internal();
        self.schedule();
        let records = self.commit()?;
        Ok(self.hand_out(records))
    }

    fn settle_internal(&mut self) {
        while let Some(internal) = self.turn.internal.pop_front() {
            match internal {
                Internal::StartChild { parent, order } => self.start_child(parent, *order),
                Internal::ChildClosed { parent, task, child } => self.tell_parent(&parent, task, &child),
                Internal::StopChild { child, undo, parent } => {
                    let comment = format!("its parent {parent} was cancelled");
                    let command = if undo { Command::Cancel { undo, comment } } else { Command::Kill { comment } };
                    if let Ok(slot) = self.slot_of(&child) {
                        self.take(slot, Input::Command(command), Actor::Parent(parent));
                    }
                }
            }
        }
    }

    // --- requests ----------------------------------------------------------------------------------------------------

    fn request(&mut self, request: Request, reply_to: Option<R>) {
        let (slot, reply) = match request {
            Request::Start { start, actor } => match self.start(*start, actor) {
                Ok((slot, reply)) => (slot, Ok(reply)),
                Err(error) => (None, Err(error)),
            },
            Request::Resume { id, command, actor } => self.resume(&id, command, actor),
            Request::Command { id, command, actor } => self.command(&id, command, actor),
            Request::Outcome { id, task, attempt, step, outcome } => {
                if let Some(&slot) = self.by_id.get(&id) {
                    self.take(slot, Input::StepDone { task, attempt, step, outcome }, Actor::Engine);
                }
                return;
            }
            Request::Drives { id } => {
                let live = self.by_id.get(&id).and_then(|slot| self.slots[*slot as usize].as_ref());
                (None, Ok(Reply::Drives(live.is_some_and(|live| live.driven))))
            }
            Request::Disk { free_bytes, low } => {
                self.disk(free_bytes, low);
                return;
            }
        };
        if let Some(reply_to) = reply_to {
            self.turn.replies.push((reply_to, slot, reply));
        }
    }

    fn disk(&mut self, free_bytes: u64, low: bool) {
        self.disk_low = low.then_some(free_bytes);
        let driven: Vec<u32> = (0..self.slots.len() as u32)
            .filter(|slot| self.slots[*slot as usize].as_ref().is_some_and(|live| live.driven))
            .collect();
        for slot in driven {
            let input = if low { Input::DiskLow { free_bytes } } else { Input::DiskOk };
            self.take(slot, input, Actor::Engine);
        }
    }

    fn command(&mut self, id: &ProjectId, command: Command, actor: Actor) -> (Option<u32>, Result<Reply, Error>) {
        match self.slot_of(id) {
            Ok(slot) => {
                let reply = self.take_command(slot, command, actor);
                self.forget_terminal(slot);
                (Some(slot), reply)
            }
            Err(error) => (None, Err(error)),
        }
    }

    fn take_command(&mut self, slot: u32, command: Command, actor: Actor) -> Result<Reply, Error> {
        let mut decided = Decided::default();
        let taken = self.take_into(slot, Input::Command(command), actor, &mut decided)?;
        taken?;
        Ok(Reply::Taken(decided.answer))
    }

    fn resume(&mut self, id: &ProjectId, command: Command, actor: Actor) -> (Option<u32>, Result<Reply, Error>) {
        let slot = match self.slot_of(id) {
            Ok(slot) => slot,
            Err(error) => return (None, Err(error)),
        };
        let Some(live) = self.slots[slot as usize].as_mut() else {
            return (None, Err(Error::UnknownProject(id.clone())));
        };
        if live.project.status().is_terminal() {
            let status = live.project.status();
            let refusal =
                Refusal::new(RefusalKind::Terminal, format!("project {id} is {status}; there is nothing to resume"));
            self.forget_terminal(slot);
            return (None, Err(refusal.into()));
        }
        if self.drive(slot) {
            let message = format!("a step of {id} took the engine down too often; resume it again to try once more");
            return (Some(slot), Err(Refusal::new(RefusalKind::WrongState, message).into()));
        }
        let reply = self.take_command(slot, command, actor);
        if let Some(free_bytes) = self.disk_low {
            self.take(slot, Input::DiskLow { free_bytes }, Actor::Engine);
        }
        (Some(slot), reply)
    }

    /// From here on this engine runs the project's tasks. True when taking it over showed that one of them is poison:
    /// the project is held then, and whoever resumed it is asked to think again.
    fn drive(&mut self, slot: u32) -> bool {
        let poison = |core: &Self| {
            let live = core.slots[slot as usize].as_ref();
            live.is_some_and(|live| matches!(live.project.hold(), Some(HoldReason::Poison { .. })))
        };
        let before = poison(self);
        match self.slots[slot as usize].as_mut() {
            Some(live) if !live.driven => live.driven = true,
            Some(_) | None => return false,
        }
        self.driven_count += 1;
        self.take(slot, Input::Recover, Actor::Engine);
        !before && poison(self)
    }

    fn start(&mut self, start: Start, actor: Actor) -> Result<(Option<u32>, Reply), Error> {
        if let Some(free_bytes) = self.disk_low {
            return Err(Error::DiskLow { free_bytes });
        }
        let vault = self.archive.vault().clone();
        let definition = start.definition.to_canonical_json();
        let inputs = serde_json::Value::Object(start.inputs).to_string().into_bytes();
        let kept = |what: &'static str| {
            move |error: crate::domain::payload::UnreadablePayload| Error::Vault { what, problem: error.problem }
        };
        let inputs = vault.keep(inputs).map_err(kept("the inputs"))?;
        let definition_ref = vault.keep_blob(&definition).map_err(kept("the definition"))?;
        if let Some(id) = &start.id
            && let Some(found) = self.find_started(id, &definition_ref, &inputs)?
        {
            return Ok((None, found));
        }
        let id = start.id.unwrap_or_else(|| self.fresh_id(&start.definition.name));
        let created = Created {
            workflow: start.definition.name.clone(),
            definition: definition_ref,
            inputs,
            env: start.env,
            base_dir: start.base_dir,
            source: start.source,
            workspace: start.definition.workspace,
            base_commit: start.base_commit,
            seed: self.entropy.next(),
            parent: start.parent,
            depth: start.depth,
        };
        let definition = self.archive.remember(definition_ref.digest, &start.definition);
        let slot = self.create(id.clone(), created, definition, actor)?;
        Ok((Some(slot), Reply::Started { id, existed: false }))
    }

    /// A start with the id of a project that exists: the same one again, or somebody else's.
    fn find_started(
        &mut self,
        id: &ProjectId,
        definition: &crate::domain::payload::BlobRef,
        inputs: &crate::domain::payload::Payload,
    ) -> Result<Option<Reply>, Error> {
        let created = match self.by_id.get(id).and_then(|slot| self.slots[*slot as usize].as_ref()) {
            Some(live) => live.project.created.clone(),
            None if self.archive.store().summary(id)?.is_none() => return Ok(None),
            None => self.archive.load(id)?.project.created,
        };
        if created.definition != *definition {
            return Err(Error::IdTaken { id: id.clone(), what: "another definition".to_owned() });
        }
        if created.inputs != *inputs {
            return Err(Error::IdTaken { id: id.clone(), what: "the same workflow with other inputs".to_owned() });
        }
        Ok(Some(Reply::Started { id: id.clone(), existed: true }))
    }

    fn fresh_id(&self, workflow: &str) -> ProjectId {
        loop {
            let id = ProjectId::fresh(workflow, self.entropy.next());
            let taken = self.by_id.contains_key(&id) || !matches!(self.archive.store().summary(&id), Ok(None));
            if !taken {
                return id;
            }
        }
    }

    fn create(
        &mut self,
        id: ProjectId,
        created: Created,
        definition: Arc<Definition>,
        actor: Actor,
    ) -> Result<u32, Error> {
        let now = self.clock.now();
        let event = Event::Created(Box::new(created.clone()));
        let project = Project::create(id.clone(), created, definition, now, &**self.archive.vault())
            .map_err(|error| Error::Defect { id: id.clone(), problem: error.to_string() })?;
        let head = ChainHead::genesis(&id);
        let slot = self.insert(Live {
            project,
            head,
            pending: VecDeque::new(),
            driven: true,
            snapshot: 0,
            summarised: None,
            active: 0,
        });
        self.push_records(slot, [(actor, event)], now);
        self.take(slot, Input::Begin, Actor::Engine);
        Ok(slot)
    }

    // --- children ----------------------------------------------------------------------------------------------------

    fn start_child(&mut self, parent: ProjectId, order: ChildOrder) {
        let status = match self.by_id.get(&order.child).and_then(|slot| self.slots[*slot as usize].as_ref()) {
            Some(live) if live.driven => return,
            Some(live) => Ok(Some(live.project.status())),
            None => self.archive.store().summary(&order.child).map(|found| found.map(|summary| summary.status)),
        };
        match status {
            Ok(Some(status)) if status.is_terminal() => self.tell_parent(&parent, order.task, &order.child),
            Ok(Some(_)) => self.resume_child(parent, &order),
            Ok(None) => {
                let start = Start {
                    id: Some(order.child),
                    definition: order.definition,
                    inputs: order.inputs,
                    env: Vec::new(),
                    base_dir: order.base_dir.to_string(),
                    source: None,
                    base_commit: self.by_id.get(&parent).and_then(|slot| {
                        self.slots[*slot as usize].as_ref().and_then(|live| live.project.created.base_commit.clone())
                    }),
                    parent: Some((parent.clone(), order.task)),
                    depth: order.depth,
                };
                if let Err(error) = self.start(start, Actor::Parent(parent.clone())) {
                    self.child_failed(&parent, order.task, &error.to_string());
                }
            }
            Err(error) => self.child_failed(&parent, order.task, &error.to_string()),
        }
    }

    /// A child that exists and that this engine does not drive yet.
    fn resume_child(&mut self, parent: ProjectId, order: &ChildOrder) {
        let slot = match self.slot_of(&order.child) {
            Ok(slot) => slot,
            Err(error) => return self.child_failed(&parent, order.task, &error.to_string()),
        };
        let poisoned = self.drive(slot);
        let hold = self.slots[slot as usize].as_ref().and_then(|live| live.project.hold());
        if !poisoned && !matches!(hold, Some(HoldReason::Person { .. })) {
            let command = Command::Resume { in_doubt: None, budget: None, comment: String::new() };
            // A refusal means that it goes on by itself, or waits for someone; both are fine.
            let _ = self.take_command(slot, command, Actor::Parent(parent));
        }
    }

    fn child_failed(&mut self, parent: &ProjectId, task: TaskIx, reason: &str) {
        if let Some(&slot) = self.by_id.get(parent) {
            let (status, reason) = (ProjectStatus::Failed, reason.to_owned());
            let input = Input::ChildClosed { task, status, reason, output: Default::default() };
            self.take(slot, input, Actor::Engine);
        }
    }

    fn tell_parent(&mut self, parent: &ProjectId, task: TaskIx, child: &ProjectId) {
        let Some(&slot) = self.by_id.get(parent) else { return };
        let live = self.by_id.get(child).and_then(|slot| self.slots[*slot as usize].as_ref());
        let end = match live {
            Some(live) => Ok((
                live.project.status(),
                live.project.closing_note().to_owned(),
                live.project.closing_output().clone(),
            )),
            None => self.archive.load(child).map(|loaded| {
                let project = loaded.project;
                (project.status(), project.closing_note().to_owned(), project.closing_output().clone())
            }),
        };
        match end {
            Ok((status, reason, output)) if status.is_terminal() => {
                let child = Actor::Engine;
                self.take(slot, Input::ChildClosed { task, status, reason, output }, child);
            }
            Ok(_) => {}
            Err(error) => self.child_failed(parent, task, &error.to_string()),
        }
    }

    // --- slots -------------------------------------------------------------------------------------------------------

    fn insert(&mut self, live: Live) -> u32 {
        let slot = self.slots.len() as u32;
        self.driven_count += usize::from(live.driven);
        self.by_id.insert(live.project.id.clone(), slot);
        self.slots.push(Some(Box::new(live)));
        slot
    }

    /// The slot of a project, loading it when it is not in memory. A project loaded here is not driven.
    fn slot_of(&mut self, id: &ProjectId) -> Result<u32, Error> {
        if let Some(&slot) = self.by_id.get(id) {
            return Ok(slot);
        }
        let loaded = self.archive.load(id)?;
        let summarised = Some((loaded.project.status(), loaded.project.summary().changed));
        Ok(self.insert(Live {
            project: loaded.project,
            head: loaded.head,
            pending: VecDeque::new(),
            driven: false,
            snapshot: loaded.snapshot,
            summarised,
            // What was running runs no more, whatever the records say until it is recovered.
            active: 0,
        }))
    }

    /// Forgets a project that is terminal and wholly on record: nothing can happen to it any more.
    fn forget_terminal(&mut self, slot: u32) {
        let live = self.slots[slot as usize].as_ref();
        if live.is_some_and(|live| live.project.status().is_terminal() && live.pending.is_empty()) {
            self.forget(slot);
        }
    }

    fn forget(&mut self, slot: u32) {
        if let Some(live) = self.slots[slot as usize].take() {
            self.active -= live.active;
            self.driven_count -= usize::from(live.driven);
            self.by_id.remove(&live.project.id);
        }
    }

    // --- deciding ----------------------------------------------------------------------------------------------------

    fn take(&mut self, slot: u32, input: Input, actor: Actor) {
        let mut decided = Decided::default();
        if let Err(error) = self.take_into(slot, input, actor, &mut decided) {
            tracing::error!(%error, "project set aside");
        }
    }

    /// Gives an input to a project. The outer error is a defect, the inner one a refusal.
    fn take_into(
        &mut self,
        slot: u32,
        input: Input,
        actor: Actor,
        decided: &mut Decided,
    ) -> Result<Result<(), Refusal>, Error> {
        let now = self.clock.now();
        let Some(live) = self.slots[slot as usize].as_mut() else { return Ok(Ok(())) };
        let was_terminal = live.project.status().is_terminal();
        let turn = Turn {
            now,
            actor,
            vault: &**self.archive.vault(),
            expressions: &self.expressions,
            entropy: self.entropy.next(),
        };
        let project = &mut live.project;
        let taken = catch_unwind(AssertUnwindSafe(|| project.take(input, &turn, decided)));
        let taken = match taken {
            Ok(taken) => taken,
            Err(panic) => return Err(self.set_aside(slot, &panic)),
        };
        let active = if live.driven { live.project.active_count() } else { 0 };
        self.active = self.active + active - live.active;
        live.active = active;
        let (id, driven) = (live.project.id.clone(), live.driven);
        let closed = !was_terminal && live.project.status().is_terminal();
        let parent = live.project.created.parent.clone().filter(|_| closed);
        let events = std::mem::take(&mut decided.events);
        self.push_records(slot, events, now);
        for effect in std::mem::take(&mut decided.effects) {
            match effect {
                Effect::StopChild { child, undo } => {
                    self.turn.internal.push_back(Internal::StopChild { child, undo, parent: id.clone() });
                }
                // What is not driven is only recorded: these effects are derived again when it is resumed.
                _ if !driven => {}
                Effect::SetTimer { due, key } => self.timers.set(due, slot, key),
                Effect::StartChild(order) => {
                    self.turn.internal.push_back(Internal::StartChild { parent: id.clone(), order });
                }
                effect @ (Effect::RunStep(_) | Effect::StopStep { .. }) => self.turn.effects.push((id.clone(), effect)),
            }
        }
        if closed {
            self.turn.closed.push(id.clone());
        }
        if let Some((parent, task)) = parent {
            self.turn.internal.push_back(Internal::ChildClosed { parent, task, child: id });
        }
        self.scheduler.offer(slot);
        Ok(taken)
    }

    fn push_records(&mut self, slot: u32, events: impl IntoIterator<Item = (Actor, Event)>, at: Millis) {
        let epoch = self.epoch;
        let Some(live) = self.slots[slot as usize].as_mut() else { return };
        let was_clean = live.pending.is_empty();
        let mut seq = live.pending.back().map_or(live.head.seq, |record| record.seq);
        for (actor, event) in events {
            seq = seq.next();
            live.pending.push_back(Record { seq, epoch, at, actor, event });
        }
        if was_clean && !live.pending.is_empty() {
            self.turn.dirty.push(slot);
        }
    }

    /// A defect in one project: what it decided in this turn is dropped with it; its journal is as it was.
    fn set_aside(&mut self, slot: u32, panic: &Box<dyn std::any::Any + Send>) -> Error {
        let problem = panic
            .downcast_ref::<String>()
            .cloned()
            .or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned()))
            .unwrap_or_else(|| "it gave no message".to_owned());
        let id = self.slots[slot as usize].as_ref().map(|live| live.project.id.clone());
        let id = id.expect("only a project that is there can break");
        self.forget(slot);
        self.turn.dirty.retain(|dirty| *dirty != slot);
        self.turn.effects.retain(|(of, _)| *of != id);
        self.turn.closed.retain(|of| *of != id);
        self.turn.internal.retain(|internal| match internal {
            Internal::StartChild { parent, .. } | Internal::StopChild { parent, .. } => *parent != id,
            Internal::ChildClosed { child, .. } => *child != id,
        });
        for (_, of, reply) in &mut self.turn.replies {
            if *of == Some(slot) {
                *reply = Err(Error::Defect { id: id.clone(), problem: problem.clone() });
            }
        }
        self.turn.abandoned.push(id.clone());
        Error::Defect { id, problem }
    }

    /// Starts ready tasks while workers are free; projects take turns.
    fn schedule(&mut self) {
        if self.draining {
            return;
        }
        let mut later = Vec::new();
        while self.active < self.workers + self.ahead
            && let Some(slot) = self.scheduler.next()
        {
            let Some(live) = self.slots[slot as usize].as_ref().filter(|live| live.driven) else { continue };
            let Some(task) = live.project.next_ready() else { continue };
            // A step that must not run twice is not put on record before it can really begin: a crash in between would
            // leave a doubt where there is none.
            if self.active >= self.workers && live.project.runs_once(task) {
                later.push(slot);
                continue;
            }
            let before = live.project.seq();
            self.take(slot, Input::Start(task), Actor::Engine);
            let after = self.slots[slot as usize].as_ref().map_or(u64::MAX, |live| live.project.seq());
            assert!(after > before, "a start that decides nothing would be tried forever");
            self.settle_internal();
        }
        for slot in later {
            self.scheduler.offer(slot);
        }
    }

    // --- appending ---------------------------------------------------------------------------------------------------

    fn commit(&mut self) -> Result<u64, Error> {
        let mut records = 0;
        let mut dirty = std::mem::take(&mut self.turn.dirty);
        let mut unfinished = dirty.clone();
        while !unfinished.is_empty() {
            let mut appends = Vec::with_capacity(unfinished.len());
            let mut heads = Vec::with_capacity(unfinished.len());
            let mut rest = Vec::new();
            for &slot in &unfinished {
                let Some(live) = self.slots[slot as usize].as_mut() else { continue };
                let (append, head) = match next_append(live) {
                    Ok(made) => made,
                    Err(problem) => {
                        // One project's record cannot be encoded: that project stops, the others go on.
                        let error = self.set_aside(slot, &(Box::new(problem) as Box<dyn std::any::Any + Send>));
                        tracing::error!(%error, "project set aside");
                        continue;
                    }
                };
                if !live.pending.is_empty() {
                    rest.push(slot);
                }
                records += append.last.0 - append.frame.first.0 + 1;
                appends.push(append);
                heads.push((slot, head));
            }
            if !appends.is_empty() {
                self.archive.store().commit(self.epoch, &appends)?;
            }
            for (slot, head) in heads {
                if let Some(live) = self.slots[slot as usize].as_mut() {
                    live.head = head;
                }
            }
            unfinished = rest;
        }
        for slot in dirty.drain(..) {
            self.after_commit(slot);
        }
        Ok(records)
    }

    fn after_commit(&mut self, slot: u32) {
        let Some(live) = self.slots[slot as usize].as_mut() else { return };
        if live.project.status().is_terminal() {
            self.forget(slot);
            return;
        }
        let every = limits::SNAPSHOT_EVERY_RECORDS.max(2 * live.project.tasks().len() as u64);
        if live.project.seq() - live.snapshot >= every {
            self.snapshot(slot);
        }
    }

    fn snapshot(&mut self, slot: u32) {
        let (Some(live), Some(snapshots)) = (self.slots[slot as usize].as_mut(), self.archive.snapshots()) else {
            return;
        };
        debug_assert_eq!(live.project.seq(), live.head.seq.0, "a snapshot is taken of what is committed");
        snapshots.save(&live.project.id, live.head.seq, live.head.hash, SNAPSHOT_FORMAT, live.project.to_snapshot());
        live.snapshot = live.project.seq();
    }

    /// Snapshots of long journals, so that the next engine need not replay them: for an orderly stop.
    pub fn snapshot_all(&mut self) {
        const WORTH_IT: u64 = 200;
        for slot in 0..self.slots.len() as u32 {
            let worth =
                self.slots[slot as usize].as_ref().is_some_and(|live| live.project.seq() - live.snapshot >= WORTH_IT);
            if worth {
                self.snapshot(slot);
            }
        }
    }

    fn hand_out(&mut self, records: u64) -> Turned<R> {
        let replies = std::mem::take(&mut self.turn.replies);
        Turned {
            effects: std::mem::take(&mut self.turn.effects),
            replies: replies.into_iter().map(|(to, _, reply)| (to, reply)).collect(),
            closed: std::mem::take(&mut self.turn.closed),
            abandoned: std::mem::take(&mut self.turn.abandoned),
            records,
        }
    }
}

/// The next frame of a project's pending records, as much as a frame holds.
fn next_append(live: &mut Live) -> Result<(Append, ChainHead), String> {
    let mut builder = FrameBuilder::new(&live.project.id, live.head);
    while let Some(record) = live.pending.front() {
        if !builder.is_empty() && builder.bytes() >= limits::FRAME_BYTES / 2 {
            break;
        }
        builder.push(record).map_err(|error| error.to_string())?;
        live.pending.pop_front();
    }
    let (frame, head) = builder.finish().ok_or("a project without pending records is not dirty")?;
    let key = (live.project.status(), live.project.summary_changed());
    let summary = match (live.pending.is_empty(), live.summarised) {
        (true, summarised) if summarised != Some(key) => {
            live.summarised = Some(key);
            Some(live.project.summary())
        }
        // The rest of its records may not come to pass: the index must not say more than the journal.
        (false, None) => {
            let created = live.project.created_at;
            live.summarised = Some((ProjectStatus::New, created));
            let note = String::new();
            Some(Summary { status: ProjectStatus::New, changed: created, note, ..live.project.summary() })
        }
        (true, _) | (false, Some(_)) => None,
    };
    Ok((Append { project: live.project.id.clone(), frame, last: head.seq, summary }, head))
}
