//! The rules of a history, stated over its records alone: a second, smaller model of what DESIGN promises. It shares no
//! code with `Project::apply`, so that one mistake is not made twice.

mod calls;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use wfctl::domain::budget::Caps;
use wfctl::domain::event::{Await, DoubtAnswer, Event, PhaseCause, SkipReason};
use wfctl::domain::machine::{Phase, ProjectStatus as P, TaskStatus as T};
use wfctl::domain::payload::PayloadSource;
use wfctl::domain::project::Project;
use wfctl::domain::retry::split_mix;
use wfctl::domain::view::RecordView;
use wfctl::domain::workflow::{Action, Definition, EffectClass, Join, TaskSpec, WorkspaceKind};

/// The transitions that were taken, by machine.
#[derive(Debug, Default, Clone)]
pub struct Taken {
    pub task: BTreeSet<(T, String, T)>,
    pub project: BTreeSet<(P, String, P)>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Plain,
    Item(u32),
    Branch(u32),
    Merger(u32),
    Undo(u32),
}

#[derive(Debug, Clone)]
struct Task {
    kind: Kind,
    spec: Arc<TaskSpec>,
    needs: Vec<u32>,
    phase: Phase,
    status: T,
    attempt: u32,
    /// Attempts before the present series.
    before: u32,
    goes_on: bool,
    /// Outcomes of the steps of the attempt; the last one may be open.
    steps: Vec<(EffectClass, Option<bool>)>,
    due: Option<u64>,
    tolerated: bool,
    upstream: bool,
    completed_as: usize,
    retired: bool,
    items: Vec<(u32, u32)>,
    child: Option<String>,
    token: Option<(u64, u64)>,
    /// Calls of the attempt.
    calls: Vec<calls::Call>,
    /// Branches that were to resolve a conflict.
    mergers: u32,
}

/// One project as its records tell it.
#[derive(Debug, Clone)]
pub struct Model {
    definition: Arc<Definition>,
    seed: u64,
    seq: u64,
    epoch: u64,
    status: P,
    before_hold: Option<P>,
    phase: Option<Phase>,
    loops: BTreeMap<Phase, u32>,
    tasks: Vec<Task>,
    names: BTreeMap<String, u32>,
    /// Items by their ids, per `foreach`.
    item_ids: BTreeMap<u32, BTreeMap<String, u32>>,
    caps: Caps,
    accounts: calls::Accounts,
    worktree: bool,
    completions: usize,
    /// Tasks that occupy a worker, in all and by group.
    running: usize,
    running_of: BTreeMap<String, usize>,
    requests: BTreeSet<String>,
    /// What a person allowed beyond one effect of a `once` step, by task.
    pub reruns: BTreeMap<String, u32>,
}

type Checked = Result<(), String>;

fn ensure(holds: bool, problem: impl FnOnce() -> String) -> Checked {
    if holds { Ok(()) } else { Err(problem()) }
}

impl Model {
    /// After the first record.
    pub fn new(record: &RecordView, definition: &Arc<Definition>) -> Result<Self, String> {
        let Event::Created(created) = &record.event else { return Err("nothing is created".to_owned()) };
        ensure(record.seq.0 == 1, || "a history begins at 1".to_owned())?;
        let mut model = Self {
            definition: definition.clone(),
            seed: created.seed,
            seq: 1,
            epoch: record.epoch.0,
            status: P::New,
            before_hold: None,
            phase: None,
            loops: BTreeMap::new(),
            tasks: Vec::new(),
            names: BTreeMap::new(),
            item_ids: BTreeMap::new(),
            caps: definition.budget,
            accounts: Default::default(),
            worktree: created.workspace == WorkspaceKind::Worktree,
            completions: 0,
            running: 0,
            running_of: BTreeMap::new(),
            requests: BTreeSet::new(),
            reruns: BTreeMap::new(),
        };
        let declared: Vec<_> = definition.tasks().map(|(phase, spec)| (phase, spec.clone())).collect();
        for (phase, spec) in &declared {
            model.push(Kind::Plain, spec.clone(), *phase);
        }
        for (at, (_, spec)) in declared.iter().enumerate() {
            model.tasks[at].needs = spec.needs.iter().map(|need| model.names[need]).collect();
        }
        Ok(model)
    }

    fn push(&mut self, kind: Kind, spec: Arc<TaskSpec>, phase: Phase) -> u32 {
        let ix = self.tasks.len() as u32;
        if kind == Kind::Plain {
            self.names.insert(spec.name.clone(), ix);
        }
        self.tasks.push(Task {
            kind,
            spec,
            needs: Vec::new(),
            phase,
            status: T::Pending,
            attempt: 0,
            before: 0,
            goes_on: false,
            steps: Vec::new(),
            due: None,
            tolerated: false,
            upstream: false,
            completed_as: 0,
            retired: false,
            items: Vec::new(),
            child: None,
            token: None,
            calls: Vec::new(),
            mergers: 0,
        });
        ix
    }

    /// Whether this very step is open.
    pub fn step_runs(&self, task: u32, attempt: u32, step: u32) -> bool {
        self.tasks.get(task as usize).is_some_and(|task| {
            task.attempt == attempt
                && task.steps.len() == step as usize + 1
                && task.steps.last().is_some_and(|(_, outcome)| outcome.is_none())
        })
    }

    /// Whether a live state agrees with what the records told.
    pub fn agrees(&self, project: &Project) -> Checked {
        ensure(project.status() == self.status, || format!("state {} where {} is due", project.status(), self.status))?;
        ensure(project.tasks().len() == self.tasks.len(), || "another number of tasks".to_owned())?;
        for (ix, (theirs, mine)) in project.tasks().iter().zip(&self.tasks).enumerate() {
            let (a, b) = (theirs.status, mine.status);
            ensure(a == b && theirs.attempt.0 == mine.attempt, || format!("task {ix} is {a} where {b} is due"))?;
        }
        self.accounts_agree(project)
    }

    /// The next record.
    pub fn see(&mut self, record: &RecordView, vault: &dyn PayloadSource, taken: &mut Taken) -> Checked {
        ensure(record.seq.0 == self.seq + 1, || format!("follows record {}", self.seq))?;
        ensure(record.epoch.0 >= self.epoch, || format!("epoch {} after {}", record.epoch, self.epoch))?;
        ensure(!matches!(self.status, P::Done | P::Failed | P::Cancelled), || {
            format!("after the project was {}: {:?}", self.status, record.event)
        })?;
        (self.seq, self.epoch) = (record.seq.0, record.epoch.0);
        let seen =
            self.nothing_noted(&record.event).and_then(|()| self.event(&record.event, record.at.0, vault, taken));
        seen.map_err(|problem| {
            let event: String = format!("{:?}", record.event).chars().take(200).collect();
            format!("{problem}: {event}")
        })?;
        self.limits()
    }

    /// The place of what a task did among all that was done; 0: it did nothing, or did it to no end.
    fn done_as(&self, ix: u32) -> usize {
        let task = &self.tasks[ix as usize];
        match task.status {
            T::Completed => task.completed_as,
            T::Cancelled if task.steps.first().is_some_and(|(_, outcome)| *outcome == Some(true)) => usize::MAX,
            _ => 0,
        }
    }

    fn may_start(&self) -> Checked {
        let working = self.status.phase().is_some() || self.status == P::Cancelling;
        ensure(working, || format!("something starts while the project is {}", self.status))
    }

    fn event(&mut self, event: &Event, at: u64, vault: &dyn PayloadSource, taken: &mut Taken) -> Checked {
        match event {
            Event::Created(_) => Err("created again".to_owned()),
            Event::PhaseEntered { phase, round: _, cause } => self.enter(*phase, cause, taken),
            Event::GateAsked { .. } => {
                ensure(self.status.phase().is_some(), || "a gate outside a phase".to_owned())?;
                self.turn_to("AskGate", P::AwaitingApproval, taken)
            }
            Event::GateAnswered { .. } => ensure(self.status == P::AwaitingApproval, || "no gate is asked".to_owned()),
            Event::Held { .. } => {
                if self.status != P::Paused {
                    self.before_hold = Some(self.status);
                    self.turn_to("Hold", P::Paused, taken)?;
                }
                Ok(())
            }
            Event::Released { .. } => {
                ensure(self.status == P::Paused, || "released and not held".to_owned())?;
                let back = self.before_hold.take().ok_or("held from nowhere")?;
                self.turn_to("Release", back, taken)
            }
            Event::BudgetRaised { caps } => {
                self.raise(*caps);
                Ok(())
            }
            Event::AllowanceRaised { .. } => Ok(()),
            Event::CancelRequested { .. } => {
                self.before_hold = None;
                self.turn_to("Cancel", P::Cancelling, taken)
            }
            Event::Closed { status, .. } => self.close(*status, taken),
            Event::TasksAdded { phase, tasks, .. } => {
                let text = vault.read(tasks).map_err(|error| error.to_string())?;
                let specs: Vec<TaskSpec> = serde_json::from_slice(&text).map_err(|error| error.to_string())?;
                let first = self.tasks.len();
                for spec in &specs {
                    self.push(Kind::Plain, Arc::new(spec.clone()), *phase);
                }
                for (at, spec) in specs.iter().enumerate() {
                    self.tasks[first + at].needs = spec.needs.iter().map(|need| self.names[need]).collect();
                }
                Ok(())
            }
            Event::Expanded { task, count, items } => {
                let (of, first) = (self.tasks[task.at()].clone(), self.tasks.len() as u32);
                ensure(of.spec.foreach.is_some(), || "nothing to expand".to_owned())?;
                // Afterwards it grows only by what an item of it gives.
                let grows = of.spec.kinds.values().any(|kind| kind.more.is_some()) || of.spec.more.is_some();
                match of.items.is_empty() {
                    true => {
                        self.may_start()?;
                        self.needs_settled(task.0)?;
                        ensure(of.status == T::Ready, || format!("expanded while it is {}", of.status))?;
                    }
                    false => ensure(grows && of.status == T::AwaitingSignal, || format!("grows while {}", of.status))?,
                }
                let items = vault.read(items).map_err(|error| error.to_string())?;
                let items: Vec<serde_json::Value> =
                    serde_json::from_slice(&items).map_err(|error| error.to_string())?;
                ensure(items.len() == *count as usize, || format!("{} items are not {count}", items.len()))?;
                for item in &items {
                    let kind = item["kind"].as_str().and_then(|kind| of.spec.kinds.get(kind));
                    self.push(Kind::Item(task.0), kind.unwrap_or(&of.spec).clone(), of.phase);
                }
                self.tasks[task.at()].items.push((first, *count));
                self.link_items(&of.spec, task.0, first, &items)
            }
            Event::BranchOpened { task, branch, failure } => {
                let kind = self.branch_kind(task.0, *branch, failure)?;
                self.step_task(task.0, "Branch", &[T::Running, T::Validating, T::AwaitingSignal], T::Debugging, taken)?;
                let of = self.tasks[task.at()].clone();
                self.tasks[task.at()].due = None;
                let mut spec = (*of.spec).clone();
                // A branch merges its repair where its task merges its work.
                let repair = spec.on_failure.as_ref().map(|branch| &branch.action);
                let has_files = matches!(repair, Some(Action::Agent(_) | Action::Run(_)));
                spec.merge = matches!(kind, Kind::Merger(_)) || spec.merge && has_files;
                if matches!(kind, Kind::Branch(_)) {
                    // What its task is held against is run when that is tried again.
                    spec.validate.clear();
                }
                self.push(kind, Arc::new(spec), of.phase);
                Ok(())
            }
            Event::UndoPlanned { tasks } => {
                // What was cancelled between its action and the end of its checks comes first, in the order of the file.
                let order: Vec<(usize, u32)> = tasks.iter().map(|task| (self.done_as(task.0), task.0)).collect();
                ensure(order.iter().all(|(order, _)| *order > 0), || "undoes what never happened".to_owned())?;
                ensure(order.is_sorted_by(|a, b| a > b), || format!("undo order {order:?}"))?;
                let missed = (0..self.tasks.len() as u32).find(|ix| {
                    let task = &self.tasks[*ix as usize];
                    let can = task.spec.undo.is_some() && matches!(task.kind, Kind::Plain | Kind::Item(_));
                    let is_one = task.spec.foreach.is_none() || matches!(task.kind, Kind::Item(_));
                    can && is_one && self.done_as(*ix) > 0 && !tasks.iter().any(|planned| planned.0 == *ix)
                });
                ensure(missed.is_none(), || format!("task {missed:?} happened and is not undone"))?;
                let mut before = None;
                for task in tasks {
                    let of = self.tasks[task.at()].clone();
                    let spec = Arc::new(TaskSpec { merge: false, ..(*of.spec).clone() });
                    let ix = self.push(Kind::Undo(task.0), spec, of.phase);
                    self.tasks[ix as usize].needs = before.into_iter().collect();
                    before = Some(ix);
                }
                Ok(())
            }
            Event::SignalReceived { request, .. } => {
                let new = request.is_empty() || self.requests.insert(request.clone());
                ensure(new, || format!("request {request} is taken twice"))
            }
            Event::Refused { .. } | Event::Recovered { .. } => Ok(()),
            other => self.task_event(other, at, taken),
        }
    }

    fn task_event(&mut self, event: &Event, at: u64, taken: &mut Taken) -> Checked {
        const ACTIVE: &[T] = &[T::Running, T::Validating];
        match event {
            Event::TaskReady { task } => {
                let ix = task.0;
                let old = self.tasks[task.at()].clone();
                if old.status == T::Backoff && old.due.is_some_and(|due| due > at) {
                    return Err(format!("ready at {at}, before its backoff ends"));
                }
                if old.status == T::Pending {
                    self.needs_settled(ix)?;
                }
                if old.status == T::AwaitingApproval {
                    self.is_answered(ix)?;
                }
                let from = [T::Pending, T::Backoff, T::InDoubt, T::Debugging, T::AwaitingApproval];
                self.step_task(ix, "Ready", &from, T::Ready, taken)?;
                let task = &mut self.tasks[task.at()];
                if old.status == T::Debugging || old.status == T::Backoff && old.due.is_none() {
                    task.before = task.attempt;
                }
                if old.status == T::Backoff && old.due.is_none() {
                    *self.reruns.entry(task.spec.name.clone()).or_default() += 1;
                }
                task.due = None;
                Ok(())
            }
            Event::TaskStarted { task, attempt } => {
                self.may_start()?;
                self.needs_settled(task.0)?;
                self.begin(task.0, attempt.0)?;
                self.step_task(task.0, "Start", &[T::Ready], T::Running, taken)
            }
            Event::TaskAwaits { task, attempt, what, due } => {
                self.may_start()?;
                self.needs_settled(task.0)?;
                self.begin(task.0, attempt.0)?;
                self.asks(task.0)?;
                let approval = matches!(what, Await::Approval { .. });
                let (input, to) =
                    if approval { ("AskApproval", T::AwaitingApproval) } else { ("Await", T::AwaitingSignal) };
                self.tasks[task.at()].due = due.map(|due| due.0);
                self.tasks[task.at()].child = match what {
                    Await::Child { project } => Some(project.to_string()),
                    _ => None,
                };
                self.step_task(task.0, input, &[T::Ready], to, taken)
            }
            Event::StepStarted { task, attempt, step, effect, .. } => {
                self.may_start()?;
                let state = &mut self.tasks[task.at()];
                ensure(ACTIVE.contains(&state.status), || format!("a step of a task in {}", state.status))?;
                ensure(state.attempt == attempt.0, || format!("attempt {}", state.attempt))?;
                ensure(state.steps.len() == step.0 as usize, || format!("step {step} after {:?}", state.steps))?;
                ensure(state.steps.iter().all(|(_, outcome)| *outcome == Some(true)), || {
                    format!("step {step} after {:?}", state.steps)
                })?;
                state.steps.push((*effect, None));
                let phase = state.phase;
                self.account(task.0, [0; 3], [1, 0, 0])?;
                self.within_caps(phase)
            }
            Event::StepFinished { task, attempt, step, outcome } => {
                ensure(self.step_runs(task.0, attempt.0, step.0), || "no such step runs".to_owned())?;
                let last = self.tasks[task.at()].steps.last_mut().expect("just seen");
                last.1 = Some(outcome.result.is_ok());
                self.end_walk(task.0)?;
                self.account(task.0, [0; 3], [0, outcome.used.tokens, outcome.used.usd_micros])
            }
            Event::StepInterrupted { task, .. } => {
                self.end_walk(task.0)?;
                self.free_open_step(task.0)?;
                self.tasks[task.at()].goes_on = true;
                self.step_task(task.0, "Interrupt", ACTIVE, T::Ready, taken)
            }
            Event::Diverged { task, .. } => {
                ensure(self.tasks[task.at()].status == T::Running, || "diverged and not running".to_owned())
            }
            Event::TaskValidating { task } => self.step_task(task.0, "Validate", &[T::Running], T::Validating, taken),
            Event::TaskAnswered { task, .. } => {
                let status = self.tasks[task.at()].status;
                ensure(matches!(status, T::AwaitingApproval | T::AwaitingSignal), || format!("answered in {status}"))
            }
            Event::TaskCompleted { task, .. } => {
                let state = &self.tasks[task.at()];
                ensure(state.steps.iter().all(|(_, outcome)| *outcome == Some(true)), || {
                    format!("completed with steps {:?}", state.steps)
                })?;
                self.is_merged(task.0)?;
                self.completions += 1;
                self.tasks[task.at()].completed_as = self.completions;
                let from = [T::Running, T::Validating, T::AwaitingApproval, T::AwaitingSignal, T::InDoubt];
                self.step_task(task.0, "Complete", &from, T::Completed, taken)
            }
            Event::TaskBackoff { task, attempt, failure, delay_ms, due } => {
                self.check_delay(task.0, attempt.0, *delay_ms, failure.retry_after_ms, failure.class)?;
                ensure(due.0 == at + delay_ms, || "its due time is not its delay away".to_owned())?;
                self.tasks[task.at()].due = Some(due.0);
                self.step_task(task.0, "Backoff", &[T::Running, T::Validating, T::AwaitingSignal], T::Backoff, taken)
            }
            Event::TaskExhausted { task, .. } => {
                self.tasks[task.at()].due = None;
                let from = [T::Ready, T::Running, T::Validating, T::AwaitingSignal, T::Debugging];
                self.step_task(task.0, "Exhaust", &from, T::Backoff, taken)
            }
            Event::TaskFailed { task, tolerated, .. } => {
                self.tasks[task.at()].tolerated = *tolerated;
                self.end_walk(task.0)?;
                self.free_open_step(task.0)?;
                let from = [
                    T::Ready,
                    T::Running,
                    T::Validating,
                    T::AwaitingApproval,
                    T::AwaitingSignal,
                    T::InDoubt,
                    T::Debugging,
                ];
                self.step_task(task.0, "Fail", &from, T::Failed, taken)
            }
            Event::TaskSkipped { task, reason } => {
                if let SkipReason::Upstream { task: need } = reason {
                    ensure(!self.lets_go_on(need.0), || format!("skipped for task {need}, which is fine"))?;
                    self.tasks[task.at()].upstream = true;
                }
                self.step_task(task.0, "Skip", &[T::Pending, T::Ready], T::Skipped, taken)
            }
            Event::TaskCancelled { task } => {
                self.end_walk(task.0)?;
                match self.tasks[task.at()].status {
                    // It may have happened, so it counts.
                    T::InDoubt => drop(self.tasks[task.at()].steps.pop_if(|(_, outcome)| outcome.is_none())),
                    _ => self.free_open_step(task.0)?,
                }
                let from: Vec<T> = T::ALL.iter().copied().filter(|status| !status.is_terminal()).collect();
                self.step_task(task.0, "Cancel", &from, T::Cancelled, taken)
            }
            Event::TaskInDoubt { task, attempt, step } => {
                let state = &self.tasks[task.at()];
                let last = state.steps.last().copied().filter(|_| state.attempt == attempt.0);
                let last = last.filter(|_| state.steps.len() == step.0 as usize + 1);
                let Some((effect, None | Some(false))) = last else {
                    return Err("no step of it has an unknown effect".to_owned());
                };
                ensure(effect == EffectClass::Once, || format!("a {} step is no reason to ask", effect.name()))?;
                self.step_task(task.0, "Doubt", &[T::Running], T::InDoubt, taken)
            }
            Event::DoubtSettled { task, answer } => {
                self.end_walk(task.0)?;
                let state = &mut self.tasks[task.at()];
                ensure(state.status == T::InDoubt, || "nothing was in doubt".to_owned())?;
                state.steps.retain(|(_, outcome)| *outcome == Some(true));
                if *answer == DoubtAnswer::Rerun {
                    state.goes_on = true;
                    *self.reruns.entry(state.spec.name.clone()).or_default() += 1;
                }
                Ok(())
            }
            Event::TaskRetried { task } => {
                let from = [T::Failed, T::Skipped, T::Backoff];
                self.step_task(task.0, "Reset", &from, T::Pending, taken)?;
                let state = &mut self.tasks[task.at()];
                state.reset();
                *self.reruns.entry(state.spec.name.clone()).or_default() += 1;
                Ok(())
            }
            Event::LeaseTaken { task, token, until, .. } => {
                let state = &mut self.tasks[task.at()];
                ensure(state.status == T::AwaitingSignal, || "nothing to claim".to_owned())?;
                let free = state.token.is_none_or(|(_, until)| until <= at);
                state.token = Some((*token, until.0));
                ensure(free, || "claimed by two".to_owned())
            }
            Event::LeaseRenewed { task, until } => {
                let state = &mut self.tasks[task.at()];
                let live = state.token.is_some_and(|(_, until)| until > at);
                state.token = state.token.map(|(token, _)| (token, until.0));
                ensure(live, || "a void lease is renewed".to_owned())
            }
            Event::LeaseExpired { task } => {
                let state = &mut self.tasks[task.at()];
                let void = state.token.is_some_and(|(_, until)| until <= at);
                state.token = None;
                ensure(void, || "a lease expires early".to_owned())
            }
            other => self.call_event(other, taken),
        }
    }

    /// The items of a plan that say themselves what they need.
    fn link_items(&mut self, of: &TaskSpec, foreach: u32, first: u32, items: &[serde_json::Value]) -> Checked {
        let Some(graph) = &of.item_graph else { return Ok(()) };
        let ids = self.item_ids.entry(foreach).or_default();
        if first == self.tasks[foreach as usize].items[0].0 {
            ids.clear();
        }
        for (at, item) in items.iter().enumerate() {
            let taken = ids.insert(item[&graph.id].to_string(), first + at as u32);
            ensure(taken.is_none(), || format!("two items are {}", item[&graph.id]))?;
        }
        for (at, item) in items.iter().enumerate() {
            let needs = item[&graph.needs].as_array().cloned().unwrap_or_default();
            let needs: Result<Vec<u32>, &str> = needs
                .iter()
                .map(|need| ids.get(&need.to_string()).copied().ok_or("it needs nothing there is"))
                .collect();
            self.tasks[first as usize + at].needs = needs?;
        }
        Ok(())
    }

    fn step_task(&mut self, ix: u32, input: &str, from: &[T], to: T, taken: &mut Taken) -> Checked {
        let task = self.tasks.get_mut(ix as usize).ok_or_else(|| format!("there is no task {ix}"))?;
        ensure(from.contains(&task.status), || format!("task {ix} goes from {} to {to}", task.status))?;
        let open = task.steps.last().is_some_and(|(_, outcome)| outcome.is_none());
        let set_back = matches!(to, T::Backoff | T::Debugging | T::Validating);
        ensure(!(open && set_back), || format!("task {ix} goes to {to} while its step runs"))?;
        taken.task.insert((task.status, input.to_owned(), to));
        let active = |status: T| usize::from(matches!(status, T::Running | T::Validating));
        let (before, after) = (active(task.status), active(to));
        self.running = self.running + after - before;
        if let (Kind::Plain | Kind::Item(_), Some(group)) = (task.kind, &task.spec.group) {
            let running = self.running_of.entry(group.clone()).or_default();
            *running = *running + after - before;
        }
        task.status = to;
        if to.is_terminal() {
            task.due = None;
            task.token = None;
            task.goes_on = false;
        }
        Ok(())
    }

    fn turn_to(&mut self, input: &str, to: P, taken: &mut Taken) -> Checked {
        taken.project.insert((self.status, input.to_owned(), to));
        self.status = to;
        Ok(())
    }

    fn begin(&mut self, ix: u32, attempt: u32) -> Checked {
        let task = &mut self.tasks[ix as usize];
        let expected = if task.goes_on { task.attempt } else { task.attempt + 1 };
        ensure(attempt == expected, || format!("attempt {attempt} where {expected} is due"))?;
        if !task.goes_on {
            task.steps.clear();
            task.calls.clear();
        }
        task.goes_on = false;
        task.attempt = attempt;
        task.token = None;
        Ok(())
    }

    fn lets_go_on(&self, ix: u32) -> bool {
        let task = &self.tasks[ix as usize];
        match task.status {
            T::Completed => true,
            T::Skipped => !task.upstream,
            T::Failed => task.tolerated,
            _ => false,
        }
    }

    /// What it needs has become what it has to.
    fn needs_join(&self, ix: u32) -> Checked {
        let task = &self.tasks[ix as usize];
        let ended = |need: &u32| self.tasks[*need as usize].status.is_terminal();
        let bad = match task.spec.join {
            Join::All => task.needs.iter().find(|need| !self.lets_go_on(**need)),
            Join::Settled => task.needs.iter().find(|need| !ended(need)),
            Join::Any if task.needs.iter().any(ended) => None,
            Join::Any => task.needs.first(),
        };
        ensure(bad.is_none(), || format!("task {ix} moves before task {bad:?}"))
    }

    fn needs_settled(&self, ix: u32) -> Checked {
        let task = &self.tasks[ix as usize];
        match task.kind {
            Kind::Item(of) => {
                self.needs_join(ix)?;
                self.needs_settled(of)
            }
            Kind::Branch(of) | Kind::Merger(of) => {
                let status = self.tasks[of as usize].status;
                ensure(status == T::Debugging, || format!("a branch runs for a task in {status}"))
            }
            Kind::Undo(_) => {
                ensure(self.status == P::Cancelling || self.before_hold == Some(P::Cancelling), || {
                    "an undo without a cancel".to_owned()
                })?;
                let unsettled = task.needs.iter().find(|need| !self.tasks[**need as usize].status.is_terminal());
                ensure(unsettled.is_none(), || format!("undo {ix} before {unsettled:?}"))
            }
            Kind::Plain => {
                let cancelling = self.status == P::Cancelling;
                ensure(!cancelling, || format!("task {ix} moves on while the project is cancelled"))?;
                ensure(self.phase.is_some_and(|now| task.phase <= now), || "its phase is not there yet".to_owned())?;
                self.needs_join(ix)
            }
        }
    }

    fn free_open_step(&mut self, ix: u32) -> Checked {
        match self.tasks[ix as usize].steps.pop_if(|(_, outcome)| outcome.is_none()) {
            Some(_) => self.account(ix, [1, 0, 0], [0; 3]),
            None => Ok(()),
        }
    }

    fn check_delay(
        &self,
        ix: u32,
        attempt: u32,
        delay_ms: u64,
        asked_ms: Option<u64>,
        class: wfctl::domain::failure::FailureClass,
    ) -> Checked {
        let task = &self.tasks[ix as usize];
        ensure(task.attempt == attempt, || format!("attempt {attempt} fails in attempt {}", task.attempt))?;
        let rules = task.spec.retry.as_deref().unwrap_or(&self.definition.retry);
        let policy = if task.status == T::Validating { rules.for_validating() } else { rules.for_running() };
        let in_series = (attempt - task.before).max(1);
        ensure(policy.retries(class), || format!("{class} is retried"))?;
        ensure(in_series < policy.max_attempts, || format!("attempt {in_series} of {}", policy.max_attempts))?;
        let due_ms = policy.delay_ms(in_series, self.seed ^ split_mix(u64::from(ix))).max(asked_ms.unwrap_or(0));
        ensure(delay_ms == due_ms, || format!("waits {delay_ms} ms where {due_ms} are due"))
    }

    fn enter(&mut self, phase: Phase, cause: &PhaseCause, taken: &mut Taken) -> Checked {
        let open = self.tasks.iter().position(|task| {
            self.phase.is_some_and(|now| task.phase <= now) && !task.retired && !task.status.is_terminal()
        });
        ensure(open.is_none(), || format!("a phase is left while task {open:?} is open"))?;
        match cause {
            PhaseCause::Started => ensure(self.status == P::New, || "started twice".to_owned())?,
            PhaseCause::Forward => {
                let next = self.definition.phases.iter().map(|spec| spec.phase).find(|next| Some(*next) > self.phase);
                ensure(next == Some(phase), || format!("{next:?} is next"))?;
            }
            PhaseCause::LoopBack { from } => {
                let back = self.definition.phase(*from).and_then(|spec| spec.loop_back).ok_or("no such loop-back")?;
                let times = self.loops.entry(*from).or_default();
                *times += 1;
                ensure(back.goto == phase && *times <= back.max, || format!("{times} of {back:?}"))?;
                for task in self.tasks.iter_mut().filter(|task| task.phase >= phase && task.phase <= *from) {
                    if task.kind != Kind::Plain {
                        task.retired = true;
                        continue;
                    }
                    if task.status.is_terminal() {
                        taken.task.insert((task.status, "Reset".to_owned(), T::Pending));
                    }
                    task.status = T::Pending;
                    task.items.clear();
                    task.reset();
                    *self.reruns.entry(task.spec.name.clone()).or_default() += 1;
                }
            }
        }
        ensure(self.status == P::New || self.status == P::AwaitingApproval || self.status.phase().is_some(), || {
            format!("a phase begins in {}", self.status)
        })?;
        self.phase = Some(phase);
        self.turn_to("Enter", P::of(phase), taken)
    }

    fn close(&mut self, status: P, taken: &mut Taken) -> Checked {
        let open = |task: &Task| !task.retired && !task.status.is_terminal();
        let left = match status {
            // What comes after the phase that failed was never begun.
            P::Failed => self.tasks.iter().position(|task| open(task) && task.status != T::Pending),
            _ => self.tasks.iter().position(open),
        };
        ensure(left.is_none(), || format!("closed while task {left:?} is open"))?;
        if status == P::Done {
            let failed = self.tasks.iter().position(|task| {
                task.kind == Kind::Plain && !task.retired && task.status == T::Failed && !task.tolerated
            });
            ensure(failed.is_none(), || format!("done although task {failed:?} failed"))?;
        }
        ensure(status.is_terminal(), || "closed without an end".to_owned())?;
        self.turn_to("Close", status, taken)
    }

    fn limits(&self) -> Checked {
        let most = self.definition.limits.workers;
        let running = self.running;
        ensure(most.is_none_or(|most| running <= most as usize), || format!("{running} run of {most:?}"))?;
        for (group, most) in &self.definition.limits.groups {
            let running = self.running_of.get(group).copied().unwrap_or(0);
            ensure(running <= *most as usize, || format!("{running} run of {most} in group {group}"))?;
        }
        Ok(())
    }
}

impl Task {
    fn reset(&mut self) {
        self.before = self.attempt;
        self.goes_on = false;
        self.steps.clear();
        self.calls.clear();
        self.mergers = 0;
        self.due = None;
        self.tolerated = false;
        self.upstream = false;
        self.token = None;
    }
}
