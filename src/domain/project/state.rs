//! The state of a project as the records make it. What can be derived from the rest is rebuilt, never stored.

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::domain::budget::{Amounts, Caps, Ledger};
use crate::domain::call::RecordedCall;
use crate::domain::event::{Await, Created, Decision, HoldReason, StepOutcome};
use crate::domain::failure::Failure;
use crate::domain::ids::{Attempt, Digest, ProjectId, StepIx, TaskIx};
use crate::domain::limits;
use crate::domain::machine::{Phase, ProjectStatus, TaskStatus};
use crate::domain::payload::{BlobRef, Payload};
use crate::domain::sandbox::Allowance;
use crate::domain::time::Millis;
use crate::domain::workflow::{Definition, EffectClass, Join, LoopBack, PhaseSpec, TaskSpec};

/// One run of a workflow.
#[derive(Debug, Clone)]
pub struct Project {
    /// Its id.
    pub id: ProjectId,
    /// What was fixed at its start.
    pub created: Arc<Created>,
    /// When it was created.
    pub created_at: Millis,
    /// The pinned definition.
    pub definition: Arc<Definition>,
    /// What its commands may reach at most.
    pub(super) allowed: Arc<Allowance>,
    /// The inputs that expressions see.
    pub inputs: Arc<serde_json::Value>,
    /// What the records say beyond that.
    pub(super) core: Core,
    /// Tasks by name.
    pub(super) names: HashMap<Arc<str>, TaskIx>,
    /// READY tasks that need a worker, by group, most urgent first: see [`Project::urgency`].
    pub(super) ready: Vec<BTreeSet<(i64, TaskIx)>>,
    /// Tasks in AWAITING_SIGNAL or AWAITING_APPROVAL.
    pub(super) awaiting: BTreeSet<TaskIx>,
    /// Tasks in RUNNING or VALIDATING.
    pub(super) active: BTreeSet<TaskIx>,
    /// Active tasks by group: 0 is "no group", the others follow the order of the definition's limits, the last is the mergers'.
    pub(super) active_by_group: Vec<u32>,
    /// Tasks of each phase that are not terminal.
    pub(super) open: [u32; 7],
    /// Tasks of each phase that failed and are not tolerated.
    pub(super) failed: [u32; 7],
    /// How many records have been applied; equals the journal's last position.
    pub(super) seq: u64,
}

/// The stored part of the state: what a snapshot holds.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Core {
    pub status: ProjectStatus,
    pub changed: Millis,
    pub held_from: Option<ProjectStatus>,
    pub hold: Option<HoldReason>,
    pub held_since: Option<Millis>,
    pub held_total_ms: u64,
    pub phase: Option<Phase>,
    pub rounds: [u32; 7],
    pub loops_taken: [u32; 7],
    pub gate: Option<Gate>,
    /// What its commands may reach, as JSON, once that was changed.
    pub allowed: Option<String>,
    pub caps: Caps,
    pub ledger: Ledger,
    /// What each phase used, over all its rounds.
    pub phase_ledgers: [Ledger; 7],
    /// A person raised the caps: those of the phases no longer hold.
    pub phase_caps_off: bool,
    /// The head of the integration branch, once something was merged.
    pub integration: Option<Integration>,
    /// From which phase the present one was gone back to.
    pub came_from: Option<Phase>,
    /// What was wrong when it went back the last time.
    pub feedback: Vec<Feedback>,
    pub signals: VecDeque<Signal>,
    pub requests: VecDeque<String>,
    pub cancel_undo: bool,
    pub undo_planned: bool,
    pub closing_note: String,
    pub closing_output: Payload,
    pub carried_trees: Vec<String>,
    pub completions: u64,
    pub tasks: Vec<Task>,
    /// Specs of tasks added while running, by their index; JSON.
    pub added: BTreeMap<u32, String>,
}

/// The head of a project's integration branch, as the journal knows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Integration {
    /// The commit.
    pub commit: String,
    /// Its tree.
    pub tree: String,
    /// How many merges made it.
    pub position: u64,
}

/// Why a phase failed, for the phase that it goes back to.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Feedback {
    /// The phase that failed.
    pub phase: Phase,
    /// The task; empty: a person at the gate.
    pub task: String,
    /// One line.
    pub message: String,
    /// Its log, or what the agent answered.
    pub log: Option<BlobRef>,
}

/// What an attempt in a project with an integration branch began from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pinned {
    /// The commit that its work is built on; `None`: the project's base.
    pub commit: Option<String>,
    /// The trees its files come from.
    pub trees: Vec<String>,
}

/// The gate behind a phase, while it is asked.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Gate {
    /// The phase.
    pub phase: Phase,
    /// The question.
    pub ask: String,
    /// The deadline.
    pub due: Option<Millis>,
    /// Since when.
    pub since: Millis,
    /// The answer and what was said with it, until what follows is on record too.
    pub answered: Option<(Decision, String)>,
}

/// A signal that no wait has taken yet.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Signal {
    /// Its name.
    pub name: String,
    /// Its payload.
    pub payload: Payload,
}

/// Where a task comes from: with the definition, this gives its spec and name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Origin {
    /// Stands in the definition at this position.
    Declared(u32),
    /// Added while running.
    Added,
    /// One item of a `foreach`.
    Item {
        /// The `foreach` task.
        of: TaskIx,
        /// Its position in the list.
        index: u32,
    },
    /// A branch that repairs a failing task.
    Branch {
        /// The failing task.
        of: TaskIx,
        /// Which branch; the first is 1.
        number: u32,
    },
    /// Takes a completed task back.
    Undo {
        /// The completed task.
        of: TaskIx,
    },
}

/// One task.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Task {
    /// Where it comes from.
    pub origin: Origin,
    /// Its name; empty in a snapshot where it follows from the origin.
    #[serde(skip)]
    pub name: Arc<str>,
    /// What it does.
    #[serde(skip, default = "no_spec")]
    pub spec: Arc<TaskSpec>,
    /// Its phase.
    pub phase: Phase,
    /// The round of the phase in which it was created; part of the names of items of later rounds.
    pub round: u32,
    /// Belongs to a round that is over; no longer counted.
    pub retired: bool,
    /// Its state.
    pub status: TaskStatus,
    /// Since when.
    pub since: Millis,
    /// What it needs.
    pub needs: Box<[TaskIx]>,
    /// What needs it.
    #[serde(skip)]
    pub dependents: Vec<TaskIx>,
    /// How many of its needs are not settled.
    #[serde(skip)]
    pub unmet: u32,
    /// Its group, an index into the project's lists; 0 is "no group".
    #[serde(skip)]
    pub(super) group: u16,
    /// The last attempt; 0 before the first.
    pub attempt: Attempt,
    /// When its first attempt started.
    pub first_started: Option<Millis>,
    /// Its output, when completed.
    pub output: Option<Payload>,
    /// Everything that most tasks do not have.
    pub more: Option<Box<More>>,
}

fn no_spec() -> Arc<TaskSpec> {
    thread_local! {
        static NOTHING: Arc<TaskSpec> =
            Arc::new(TaskSpec::new("", crate::domain::workflow::Action::Run(String::new())));
    }
    NOTHING.with(Arc::clone)
}

/// The rarer parts of a task's state.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct More {
    /// Steps of the present attempt.
    pub steps: Vec<Step>,
    /// The present attempt was interrupted and goes on under its number.
    pub interrupted: bool,
    /// How often an engine died in the middle of the present step.
    pub crashes: u32,
    /// The step that runs next was begun before and not seen to end.
    pub maybe_ran: bool,
    /// An answer from outside that nothing followed from yet.
    pub answer: Option<Result<Payload, Failure>>,
    /// Attempts before the present series.
    pub before_series: u32,
    /// When the present series began.
    pub series_began: Option<Millis>,
    /// The end of a backoff, a wait, a deadline or a lease.
    pub due: Option<Millis>,
    /// What it waits for from outside.
    pub awaits: Option<Await>,
    /// Its last failure.
    pub failure: Option<Failure>,
    /// Failed, but what needs it goes on.
    pub tolerated: bool,
    /// Skipped because something it needs did.
    pub skipped_upstream: bool,
    /// The claim of an external worker.
    pub lease: Option<Lease>,
    /// The item of a `foreach`, as JSON.
    pub item: Option<String>,
    /// Items not yet settled, of a `foreach`.
    pub open_items: u32,
    /// First index and number of the items of a `foreach`: those it began with, then those that were added.
    pub items: Option<Vec<(TaskIx, u32)>>,
    /// Of an item: what it gives is on record.
    pub gave: bool,
    /// Of a task that began when one of its needs had ended: those that had.
    pub taken: Option<Vec<TaskIx>>,
    /// Branches opened so far.
    pub branches: u32,
    /// The open branch.
    pub branch: Option<TaskIx>,
    /// Order of completion, for undo.
    pub completed_as: u64,
    /// The trees that its result consists of (worktree projects only).
    pub trees: Vec<String>,
    /// The calls of an agent in the present attempt.
    pub calls: Vec<RecordedCall>,
    /// When its last call began or ended.
    pub call_since: Option<Millis>,
    /// Calls before this one no longer count as failures in a row: someone resumed the project since.
    pub forgiven: u32,
    /// How earlier attempts failed, the last ones.
    pub previous: Vec<String>,
    /// A branch that resolves a conflict of its task with the integration branch.
    pub merges_for: bool,
    /// Of its branches, those that were to resolve a conflict: they have an allowance of their own.
    pub mergers: u32,
    /// What the present attempt began from.
    pub pinned: Option<Pinned>,
}

/// The claim of an external worker.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lease {
    /// Who.
    pub worker: String,
    /// What later calls must show.
    pub token: u64,
    /// When it is void.
    pub until: Millis,
}

/// One journaled step of the present attempt.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Step {
    /// Its position.
    pub ix: StepIx,
    /// Digest of its request.
    pub input: Digest,
    /// What may be done when its outcome stays unknown.
    pub effect: EffectClass,
    /// Held back in the ledger while it runs.
    pub reserved: Amounts,
    /// How it ended; `None` while it runs.
    pub outcome: Option<Box<StepOutcome>>,
}

impl Task {
    /// The items of a `foreach`, in the order in which they came.
    pub fn items(&self) -> impl DoubleEndedIterator<Item = TaskIx> + '_ {
        let parts = self.more.as_ref().and_then(|more| more.items.as_deref()).unwrap_or_default();
        parts.iter().flat_map(|(first, count)| (first.0..first.0 + count).map(TaskIx))
    }

    /// The item that it was made for, as a JSON value; null when it is none's.
    pub fn item(&self) -> serde_json::Value {
        let item = self.more.as_ref().and_then(|more| more.item.as_deref());
        item.and_then(|item| serde_json::from_str(item).ok()).unwrap_or_default()
    }

    /// Whether too few of its needs have ended for it to begin.
    pub(super) fn is_held_back(&self) -> bool {
        match self.spec.join {
            Join::All | Join::Settled => self.unmet > 0,
            Join::Any => !self.needs.is_empty() && self.unmet as usize == self.needs.len(),
        }
    }

    /// The rarer parts, made on first use.
    pub(super) fn more_mut(&mut self) -> &mut More {
        self.more.get_or_insert_default()
    }

    /// The end of a backoff, a wait, a deadline or a lease.
    pub fn due(&self) -> Option<Millis> {
        self.more.as_ref().and_then(|more| more.due)
    }

    /// What it waits for from outside.
    pub fn awaits(&self) -> Option<&Await> {
        self.more.as_ref().and_then(|more| more.awaits.as_ref())
    }

    /// Its last failure.
    pub fn failure(&self) -> Option<&Failure> {
        self.more.as_ref().and_then(|more| more.failure.as_ref())
    }

    /// The steps of the present attempt.
    pub fn steps(&self) -> &[Step] {
        self.more.as_ref().map_or(&[], |more| &more.steps)
    }

    /// The calls of the present attempt.
    pub fn calls(&self) -> &[RecordedCall] {
        self.more.as_ref().map_or(&[], |more| &more.calls)
    }

    /// The step that runs now.
    pub fn open_step(&self) -> Option<&Step> {
        self.steps().last().filter(|step| step.outcome.is_none())
    }

    /// Whether what needs it may go on.
    pub fn lets_dependents_go_on(&self) -> bool {
        match self.status {
            TaskStatus::Completed => true,
            TaskStatus::Skipped => !self.more.as_ref().is_some_and(|more| more.skipped_upstream),
            TaskStatus::Failed => self.more.as_ref().is_some_and(|more| more.tolerated),
            TaskStatus::Pending
            | TaskStatus::Ready
            | TaskStatus::Running
            | TaskStatus::Validating
            | TaskStatus::Backoff
            | TaskStatus::AwaitingApproval
            | TaskStatus::AwaitingSignal
            | TaskStatus::InDoubt
            | TaskStatus::Debugging
            | TaskStatus::Cancelled => false,
        }
    }

    /// Whether it runs on a worker, as opposed to waiting for someone.
    pub(super) fn needs_worker(&self) -> bool {
        use crate::domain::workflow::Action;
        let is_template = self.spec.foreach.is_some();
        match self.spec.action {
            Action::Run(_) | Action::Http(_) | Action::Agent(_) | Action::Land(_) => !is_template,
            Action::Approval(_) | Action::Wait(_) | Action::Workflow(_) | Action::External(_) => false,
        }
    }
}

impl Project {
    /// Its state.
    pub fn status(&self) -> ProjectStatus {
        self.core.status
    }

    /// When its state last changed.
    pub fn summary_changed(&self) -> Millis {
        self.core.changed
    }

    /// Its tasks, by index.
    pub fn tasks(&self) -> &[Task] {
        &self.core.tasks
    }

    /// One task. Indices come from this project's own events, so they exist.
    pub fn task(&self, ix: TaskIx) -> &Task {
        &self.core.tasks[ix.at()]
    }

    /// A task by name.
    pub fn find(&self, name: &str) -> Option<TaskIx> {
        self.names.get(name).copied()
    }

    /// The journal position that this state is of.
    pub fn seq(&self) -> u64 {
        self.seq
    }

    /// Why it is held.
    pub fn hold(&self) -> Option<&HoldReason> {
        self.core.hold.as_ref()
    }

    /// The question that its gate asks.
    pub fn gate(&self) -> Option<&Gate> {
        self.core.gate.as_ref()
    }

    /// The phase entered last.
    pub fn phase(&self) -> Option<Phase> {
        self.core.phase
    }

    /// How it ended, in one line.
    pub fn closing_note(&self) -> &str {
        &self.core.closing_note
    }

    /// Its output, once it is DONE.
    pub fn closing_output(&self) -> &Payload {
        &self.core.closing_output
    }

    /// What a phase has spent and reserved.
    pub fn phase_ledger(&self, phase: Phase) -> &Ledger {
        &self.core.phase_ledgers[phase as usize]
    }

    /// The head of its integration branch.
    pub fn integration(&self) -> Option<&Integration> {
        self.core.integration.as_ref()
    }

    /// What is spent and reserved.
    pub fn ledger(&self) -> &Ledger {
        &self.core.ledger
    }

    /// The caps in force.
    pub fn caps(&self) -> &Caps {
        &self.core.caps
    }

    /// Of the tasks that one needs, those that have ended.
    pub(super) fn ended_needs(&self, ix: TaskIx) -> Vec<TaskIx> {
        self.task(ix).needs.iter().copied().filter(|need| self.task(*need).status.is_terminal()).collect()
    }

    /// How many of its tasks run at once, at most.
    fn most_workers(&self) -> Option<u32> {
        let limits = &self.definition.limits;
        let of_input = || limits.workers_from.as_ref().map(|number| number.value(&self.inputs, 1, u32::MAX));
        limits.workers.or_else(of_input)
    }

    /// How often a phase's loop-back is taken, at most.
    pub(super) fn most_loops(&self, spec: &PhaseSpec, back: LoopBack) -> u32 {
        let from_input = spec.loop_back_max.as_ref();
        from_input.map_or(back.max, |number| number.value(&self.inputs, 0, limits::LOOPBACK_ROUNDS))
    }

    /// The most urgent READY task whose group has room, if the project may start one.
    pub fn next_ready(&self) -> Option<TaskIx> {
        if !self.may_start() {
            return None;
        }
        if self.most_workers().is_some_and(|most| self.active.len() >= most as usize) {
            return None;
        }
        let with_room = self.ready.iter().enumerate().filter(|(group, _)| self.group_has_room(*group));
        let first = with_room.filter_map(|(group, waiting)| waiting.first().map(|first| (group, first)));
        let mergers = usize::from(Self::merger_group(&self.definition));
        let may_start = first.filter(|(group, (_, ix))| *group != mergers || self.sees_what_is_merged(*ix));
        may_start.map(|(_, first)| first).min().map(|(_, ix)| *ix)
    }

    /// Whether everything that a merger's conflict may be with is on record as merged. The answers of one batch come in any
    /// order: a merger that began before the others are known would resolve against a branch that is not there any more.
    fn sees_what_is_merged(&self, merger: TaskIx) -> bool {
        let since = self.task(merger).since;
        let is_merging = |ix: TaskIx| self.task(ix).open_step().is_some_and(|step| self.is_merge_step(ix, step.ix));
        !self.active().any(|ix| self.task(ix).since <= since && is_merging(ix))
    }

    /// Tasks that run now.
    pub fn active(&self) -> impl Iterator<Item = TaskIx> + '_ {
        self.active.iter().copied()
    }

    /// How many tasks run now.
    pub fn active_count(&self) -> usize {
        self.active.len()
    }

    /// Tasks that wait for something outside.
    pub fn awaiting(&self) -> impl Iterator<Item = TaskIx> + '_ {
        self.awaiting.iter().copied()
    }

    /// How many tasks wait for a worker.
    pub fn ready_count(&self) -> usize {
        self.ready.iter().map(BTreeSet::len).sum()
    }

    /// Whether tasks may be started at all in the present state.
    pub(super) fn may_start(&self) -> bool {
        self.core.status.phase().is_some() || self.core.status == ProjectStatus::Cancelling
    }

    /// Whether it is being cancelled, or is held in the middle of that.
    pub(super) fn is_cancelling(&self) -> bool {
        self.course() == ProjectStatus::Cancelling
    }

    /// Its state, or the one that it goes back to when it is released.
    pub(super) fn course(&self) -> ProjectStatus {
        match self.core.status {
            ProjectStatus::Paused => self.core.held_from.unwrap_or(ProjectStatus::Paused),
            status => status,
        }
    }

    fn group_has_room(&self, group: usize) -> bool {
        let most = match group.checked_sub(1) {
            None => None,
            Some(_) if group == usize::from(Self::merger_group(&self.definition)) => Some(limits::MERGERS),
            Some(named) => self.definition.limits.groups.values().nth(named).copied(),
        };
        most.is_none_or(|most| self.active_by_group[group] < most)
    }

    /// The index of a task's group in the lists by group.
    pub(super) fn group_of(definition: &Definition, spec: &TaskSpec) -> u16 {
        let named =
            spec.group.as_ref().and_then(|group| definition.limits.groups.keys().position(|name| name == group));
        named.map_or(0, |position| position as u16 + 1)
    }

    /// The index of the tasks that resolve conflicts: behind the groups that have a name.
    pub(super) fn merger_group(definition: &Definition) -> u16 {
        definition.limits.groups.len() as u16 + 1
    }

    /// The key that orders READY tasks: smaller is more urgent.
    ///
    /// A task gains one level of priority per minute of waiting. Since all age at the same rate, the order of two waiting
    /// tasks never changes, and "ready since, minus one minute per level" is a fixed key: aging costs nothing.
    pub(super) fn urgency(&self, ix: TaskIx) -> (i64, TaskIx) {
        const AGING_MS_PER_LEVEL: i64 = 60_000;
        let task = self.task(ix);
        (task.since.0 as i64 - i64::from(task.spec.priority) * AGING_MS_PER_LEVEL, ix)
    }

    /// The deadline of the wall-time cap, when there is one and the clock runs.
    pub(super) fn wall_deadline(&self) -> Option<Millis> {
        let cap_ms = self.core.caps.wall_ms?;
        self.core.held_since.is_none().then(|| self.created_at.plus(cap_ms).plus(self.core.held_total_ms))
    }
}
