//! The loop's deterministic half: takes inputs, decides, appends, and hands out what to perform.
//!
//! No thread, no await and no clock of its own: the same inputs at the same times over the same store give the same
//! records. The dispatcher drives it in production, the simulator in tests.
//!
//! Invariants: a project has one owner (its slot here); its records are appended in the order they were decided; no effect
//! and no answer leaves before its records are durable; a project that breaks is set aside and stops no other.

mod children;
mod commit;
mod fork;
mod requests;

use std::any::Any;
use std::collections::{HashMap, VecDeque};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use crate::domain::call::CallInput;
use crate::domain::effect::{ChildOrder, Effect};
use crate::domain::event::{Actor, Created, Event, HoldReason, StepOutcome};
use crate::domain::ids::{Attempt, Epoch, ProjectId, Seq, StepIx, TaskIx};
use crate::domain::limits;
use crate::domain::machine::ProjectStatus;
use crate::domain::project::{Command, Decided, Input, Project, Refusal, RefusalKind, SNAPSHOT_FORMAT, Turn};
use crate::domain::time::Millis;
use crate::domain::workflow::{Definition, Expressions, Graph};
use crate::journal::chain::{ChainHead, FrameBuilder};
use crate::journal::record::Record;
use crate::journal::store::Append;

pub use fork::Fork;

use super::archive::{Archive, Loaded};
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
    /// Start a project that begins with the records of another one, or find the one that was.
    Fork {
        /// What it needs.
        fork: Box<Fork>,
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
    /// An agent's walk puts a call on record.
    Call {
        /// The project.
        id: ProjectId,
        /// The task.
        task: TaskIx,
        /// The attempt.
        attempt: Attempt,
        /// What.
        input: CallInput,
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
    /// The projects that they belong to, each with its last position.
    pub committed: Vec<(ProjectId, Seq)>,
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
    committed: Vec<(ProjectId, Seq)>,
    /// Slots loaded in this turn.
    visitors: Vec<u32>,
}

/// What projects tell each other within a turn.
enum Internal {
    StartChild { parent: ProjectId, order: Box<ChildOrder> },
    ChildClosed { parent: ProjectId, task: TaskIx, child: ProjectId },
    StopChild { parent: ProjectId, task: TaskIx, child: ProjectId, undo: bool },
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
                committed: Vec::new(),
                visitors: Vec::new(),
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
        self.dismiss_visitors();
        Ok(self.hand_out(records))
    }

    fn settle_internal(&mut self) {
        while let Some(internal) = self.turn.internal.pop_front() {
            match internal {
                Internal::StartChild { parent, order } => self.start_child(parent, *order),
                Internal::ChildClosed { parent, task, child } => self.tell_parent(&parent, task, &child),
                Internal::StopChild { parent, task, child, undo } => self.stop_child(parent, task, &child, undo),
            }
        }
    }

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
        let loaded = self.load(id)?;
        let summarised = Some((loaded.project.status(), loaded.project.summary().changed));
        let slot = self.insert(Live {
            project: loaded.project,
            head: loaded.head,
            pending: VecDeque::new(),
            driven: false,
            snapshot: loaded.snapshot,
            summarised,
            // What was running runs no more, whatever the records say until it is recovered.
            active: 0,
        });
        self.turn.visitors.push(slot);
        Ok(slot)
    }

    /// A project as committed. A journal that breaks this program breaks nothing else.
    fn load(&self, id: &ProjectId) -> Result<Loaded, Error> {
        let loaded = catch_unwind(AssertUnwindSafe(|| self.archive.load(id)));
        loaded.unwrap_or_else(|panic| Err(Error::Defect { id: id.clone(), problem: said(&*panic) }))
    }

    /// Projects that were loaded for a command only are not kept.
    fn dismiss_visitors(&mut self) {
        for slot in std::mem::take(&mut self.turn.visitors) {
            if self.slots[slot as usize].as_ref().is_some_and(|live| !live.driven && live.pending.is_empty()) {
                self.forget(slot);
            }
        }
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
        // A timer may outlive its project; nothing else asks for one that is gone.
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
            Err(panic) => return Err(self.set_aside(slot, &*panic)),
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
                Effect::StopChild { task, child, undo } => {
                    self.turn.internal.push_back(Internal::StopChild { parent: id.clone(), task, child, undo });
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
    fn set_aside(&mut self, slot: u32, panic: &(dyn Any + Send)) -> Error {
        let problem = said(panic);
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
            if let Some(free_bytes) = self.disk_low {
                self.take(slot, Input::DiskLow { free_bytes }, Actor::Engine);
                continue;
            }
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
}

/// What a panic said.
fn said(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().cloned();
    let text = text.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned()));
    text.unwrap_or_else(|| "it gave no message".to_owned())
}
