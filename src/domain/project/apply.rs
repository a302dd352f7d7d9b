//! Applying a recorded event: state + event -> state. Pure and total over what [`super::Project::take`] emits; anything
//! else is a [`ReplayError`], which says that the journal and this program disagree.

use crate::domain::event::{Await, DoubtAnswer, Event, PhaseCause, SkipReason, StepOutcome};
use crate::domain::failure::Failure;
use crate::domain::ids::{Attempt, StepIx, TaskIx};
use crate::domain::machine::{Phase, ProjectStatus, TaskStatus, project as project_machine, task as task_machine};
use crate::domain::payload::{Payload, PayloadSource};
use crate::domain::time::Millis;
use crate::domain::workflow::Join;

use super::state::{Gate, Lease, More, Project, Signal, Step};

/// A record does not fit the state that the records before it made: corruption that kept its checksums, or a defect.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("record {seq} does not fit the state before it: {problem}")]
pub struct ReplayError {
    /// The record.
    pub seq: u64,
    /// Why.
    pub problem: String,
}

type Applied = Result<(), String>;

impl Project {
    /// Applies one recorded event that happened at `at`; `vault` holds the large values that records name.
    /// On error nothing may be concluded from the state any more.
    pub fn apply(&mut self, event: &Event, at: Millis, vault: &dyn PayloadSource) -> Result<(), ReplayError> {
        let seq = self.seq + 1;
        self.apply_inner(event, at, vault).map_err(|problem| ReplayError { seq, problem })?;
        self.seq = seq;
        Ok(())
    }

    fn apply_inner(&mut self, event: &Event, at: Millis, vault: &dyn PayloadSource) -> Applied {
        match event {
            Event::Created(_) => Err("a project is created once, by its first record".to_owned()),
            Event::PhaseEntered { phase, round, cause } => self.enter_phase(*phase, *round, cause, at),
            Event::GateAsked { phase, ask, due } => {
                self.move_project(project_machine::Input::AskGate, at)?;
                self.core.gate = Some(Gate { phase: *phase, ask: ask.clone(), due: *due, since: at, answered: None });
                Ok(())
            }
            // What follows (the next phase, a loop-back, the end) has a record of its own, and closes the gate.
            Event::GateAnswered { decision, comment, .. } => {
                let gate = self.core.gate.as_mut().filter(|gate| gate.answered.is_none()).ok_or("no gate is asked")?;
                gate.answered = Some((decision.clone(), comment.clone()));
                Ok(())
            }
            Event::Held { reason } => {
                let from = self.core.status;
                self.move_project(project_machine::Input::Hold, at)?;
                if from != ProjectStatus::Paused {
                    self.core.held_from = Some(from);
                    self.core.held_since = Some(at);
                }
                self.core.hold = Some(reason.clone());
                Ok(())
            }
            Event::Released { .. } => {
                self.move_project(project_machine::Input::Release, at)?;
                let since = self.core.held_since.take().unwrap_or(at);
                self.core.held_total_ms += at.since(since);
                self.core.held_from = None;
                self.core.hold = None;
                Ok(())
            }
            Event::BudgetRaised { caps } => {
                self.raise_caps(*caps);
                Ok(())
            }
            Event::AllowanceRaised { allowed } => self.raise_allowance(allowed),
            Event::CancelRequested { undo, .. } => {
                self.move_project(project_machine::Input::Cancel, at)?;
                self.core.cancel_undo = *undo;
                self.core.hold = None;
                self.core.held_from = None;
                self.core.held_since = None;
                self.core.gate = None;
                Ok(())
            }
            Event::Closed { status, reason, output } => {
                self.move_project(project_machine::Input::Close(*status), at)?;
                self.core.hold = None;
                self.core.gate = None;
                self.core.closing_note.clone_from(reason);
                self.core.closing_output = output.clone();
                Ok(())
            }
            Event::TasksAdded { phase, tasks, .. } => self.apply_tasks_added(*phase, tasks, at, vault),
            Event::Expanded { task, items, count } => self.apply_expanded(*task, items, *count, at, vault),
            Event::BranchOpened { task, branch, failure } => self.apply_branch(*task, *branch, failure, at),
            Event::UndoPlanned { tasks } => self.apply_undo_plan(tasks, at),
            Event::SignalReceived { name, payload, request } => {
                self.core.signals.push_back(Signal { name: name.clone(), payload: payload.clone() });
                if !request.is_empty() {
                    if self.core.requests.len() >= crate::domain::limits::REMEMBERED_REQUESTS {
                        self.core.requests.pop_front();
                    }
                    self.core.requests.push_back(request.clone());
                }
                Ok(())
            }
            Event::Refused { .. } | Event::Recovered { .. } => Ok(()),
            Event::StepStarted { .. }
            | Event::StepFinished { .. }
            | Event::StepInterrupted { .. }
            | Event::Diverged { .. }
            | Event::TaskInDoubt { .. }
            | Event::DoubtSettled { .. } => self.apply_to_step(event, at, vault),
            Event::CallStarted { task, attempt, call } => self.apply_call_started(*task, *attempt, call, at),
            Event::CallFinished { task, attempt, call, outcome } => {
                self.apply_call_finished(*task, *attempt, *call, outcome, at)
            }
            Event::CallUncertain { task, attempt, call, charged } => {
                self.apply_call_uncertain(*task, *attempt, *call, *charged)
            }
            Event::LeaseTaken { .. } | Event::LeaseRenewed { .. } | Event::LeaseExpired { .. } => {
                self.apply_to_lease(event)
            }
            Event::TaskReady { .. }
            | Event::TaskStarted { .. }
            | Event::TaskValidating { .. }
            | Event::TaskAwaits { .. }
            | Event::TaskAnswered { .. }
            | Event::TaskCompleted { .. }
            | Event::TaskBackoff { .. }
            | Event::TaskParked { .. }
            | Event::TaskExhausted { .. }
            | Event::TaskFailed { .. }
            | Event::TaskSkipped { .. }
            | Event::TaskCancelled { .. }
            | Event::TaskRetried { .. } => self.apply_to_task(event, at),
        }
    }

    fn apply_to_task(&mut self, event: &Event, at: Millis) -> Applied {
        use task_machine::Input as To;
        match event {
            Event::TaskReady { task } => self.apply_ready(*task, at),
            Event::TaskStarted { task, attempt } => self.apply_started(*task, *attempt, at),
            Event::TaskValidating { task } => self.move_task(*task, To::Validate, at),
            Event::TaskAwaits { task, attempt, what, due } => {
                let input = if matches!(what, Await::Approval { .. }) { To::AskApproval } else { To::Await };
                self.begin_attempt(*task, *attempt, at)?;
                let more = self.core.tasks[task.at()].more_mut();
                more.awaits = Some(what.clone());
                more.due = *due;
                // A claim is of one attempt.
                more.lease = None;
                self.open_question(*task);
                self.move_task(*task, input, at)
            }
            Event::TaskAnswered { task, result, .. } => {
                if let (Ok(_), Some(Await::Signal { name })) = (result, self.known(*task)?.awaits().cloned())
                    && let Some(at) = self.core.signals.iter().position(|signal| signal.name == name)
                {
                    self.core.signals.remove(at);
                }
                self.known_mut(*task)?.more_mut().answer = Some(result.clone());
                Ok(())
            }
            Event::TaskCompleted { task, output } => self.apply_completed(*task, output, at),
            Event::TaskBackoff { task, failure, due, .. } => {
                self.apply_setback(*task, To::Backoff, failure, Some(*due), at)
            }
            Event::TaskParked { task, attempt, failure, due } => {
                self.check_attempt(*task, *attempt)?;
                self.release_open_step(*task);
                let more = self.core.tasks[task.at()].more_mut();
                // The step that was parked is made again: a walk goes on where it was, a merge is looked for first.
                let is_over = |step: &mut Step| step.outcome.as_ref().is_none_or(|outcome| outcome.result.is_err());
                more.steps.pop_if(is_over);
                more.interrupted = true;
                more.maybe_ran = true;
                if due.is_none() {
                    more.forgiven = more.calls.len() as u32;
                }
                self.apply_setback(*task, To::Backoff, failure, *due, at)
            }
            Event::TaskExhausted { task, failure, .. } => self.apply_setback(*task, To::Exhaust, failure, None, at),
            Event::TaskFailed { task, failure, tolerated } => {
                let more = self.known_mut(*task)?.more_mut();
                more.failure = Some(failure.clone());
                more.tolerated = *tolerated;
                self.settle(*task, To::Fail, at)
            }
            Event::TaskSkipped { task, reason } => {
                if matches!(reason, SkipReason::Upstream { .. }) {
                    self.known_mut(*task)?.more_mut().skipped_upstream = true;
                }
                self.settle(*task, To::Skip, at)
            }
            Event::TaskCancelled { task } => self.settle(*task, To::Cancel, at),
            Event::TaskRetried { task } => {
                let was_terminal = self.known(*task)?.status.is_terminal();
                self.move_task(*task, To::Reset, at)?;
                self.reset_task(*task);
                if was_terminal {
                    self.tell_dependents(*task, |unmet| unmet + 1);
                    if let super::Origin::Item { of, .. } = self.task(*task).origin {
                        self.core.tasks[of.at()].more_mut().open_items += 1;
                    }
                }
                Ok(())
            }
            other => Err(format!("not an event of a task: {other:?}")),
        }
    }

    fn apply_to_step(&mut self, event: &Event, at: Millis, vault: &dyn PayloadSource) -> Applied {
        use task_machine::Input as To;
        match event {
            Event::StepStarted { task, attempt, step, input, effect, reserved, .. } => {
                self.check_attempt(*task, *attempt)?;
                self.reserve(*task, *reserved);
                let steps = &mut self.core.tasks[task.at()].more_mut().steps;
                // A step that is run again after an interruption takes its old place.
                steps.truncate(step.0 as usize);
                if steps.len() != step.0 as usize {
                    return Err(format!("step {step} of task {task} starts before the one before it"));
                }
                steps.push(Step { ix: *step, input: *input, effect: *effect, reserved: *reserved, outcome: None });
                Ok(())
            }
            Event::StepFinished { task, attempt, step, outcome } => {
                self.apply_step_finished(*task, *attempt, *step, outcome)?;
                if self.is_merge_step(*task, *step) { self.apply_merged(outcome, vault) } else { Ok(()) }
            }
            Event::StepInterrupted { task, attempt, step, crashed } => {
                self.check_attempt(*task, *attempt)?;
                self.release_open_step(*task);
                let more = self.core.tasks[task.at()].more_mut();
                more.maybe_ran |= more.steps.len() > step.0 as usize;
                more.steps.truncate(step.0 as usize);
                more.interrupted = true;
                more.crashes += u32::from(*crashed);
                self.move_task(*task, To::Interrupt, at)
            }
            Event::Diverged { task, attempt, .. } => self.check_attempt(*task, *attempt),
            Event::TaskInDoubt { task, attempt, .. } => {
                self.check_attempt(*task, *attempt)?;
                self.move_task(*task, To::Doubt, at)
            }
            Event::DoubtSettled { task, answer } => {
                // Whatever the answer, the open step is settled at what was reserved for it: it may have happened.
                let reserved = self.known(*task)?.open_step().map(|step| step.reserved);
                if let Some(reserved) = reserved {
                    self.settle_account(*task, reserved, reserved);
                }
                self.release_open_calls(*task);
                let more = self.core.tasks[task.at()].more_mut();
                more.steps.pop_if(|step| step.outcome.as_ref().is_none_or(|outcome| outcome.result.is_err()));
                // What the doubt interrupted does not count as an attempt: it goes on.
                more.interrupted = *answer == DoubtAnswer::Rerun;
                more.maybe_ran = more.interrupted;
                Ok(())
            }
            other => Err(format!("not an event of a step: {other:?}")),
        }
    }

    fn apply_to_lease(&mut self, event: &Event) -> Applied {
        match event {
            Event::LeaseTaken { task, worker, token, until } => {
                let more = self.known_mut(*task)?.more_mut();
                more.lease = Some(Lease { worker: worker.clone(), token: *token, until: *until });
                more.due = Some(*until);
                Ok(())
            }
            Event::LeaseRenewed { task, until } => {
                let more = self.known_mut(*task)?.more_mut();
                more.due = Some(*until);
                let lease = more.lease.as_mut().ok_or("no lease to renew")?;
                lease.until = *until;
                Ok(())
            }
            Event::LeaseExpired { task } => {
                let more = self.known_mut(*task)?.more_mut();
                more.lease = None;
                more.due = None;
                Ok(())
            }
            other => Err(format!("not an event of a lease: {other:?}")),
        }
    }

    // --- single events -----------------------------------------------------------------------------------------------

    fn enter_phase(&mut self, phase: Phase, round: u32, cause: &PhaseCause, at: Millis) -> Applied {
        self.move_project(project_machine::Input::Enter(phase), at)?;
        if let PhaseCause::LoopBack { from } = cause {
            self.core.loops_taken[*from as usize] += 1;
            self.remember_feedback(*from);
            self.core.came_from = Some(*from);
            self.reset_phases(phase, *from, at);
        } else {
            self.core.came_from = None;
            self.carry_trees();
        }
        self.core.gate = None;
        self.core.phase = Some(phase);
        self.core.rounds[phase as usize] = round;
        Ok(())
    }

    fn apply_ready(&mut self, task: TaskIx, at: Millis) -> Applied {
        let was = self.known(task)?.status;
        self.move_task(task, task_machine::Input::Ready, at)?;
        let attempt = self.task(task).attempt;
        if let Some(more) = &mut self.core.tasks[task.at()].more {
            // A person answered an agent: its attempt goes on.
            if was == TaskStatus::AwaitingApproval {
                more.interrupted = true;
                more.awaits = None;
            }
            let exhausted = was == TaskStatus::Backoff && more.due.is_none();
            if exhausted || matches!(was, TaskStatus::Debugging) {
                more.before_series = attempt.0;
                more.series_began = None;
                more.crashes = 0;
            }
            more.due = None;
            more.branch = None;
        }
        Ok(())
    }

    fn apply_started(&mut self, task: TaskIx, attempt: Attempt, at: Millis) -> Applied {
        self.begin_attempt(task, attempt, at)?;
        self.move_task(task, task_machine::Input::Start, at)
    }

    /// A new attempt starts without steps; an interrupted one goes on with those it has.
    fn begin_attempt(&mut self, task: TaskIx, attempt: Attempt, at: Millis) -> Applied {
        // What one that does not wait for all of its needs is told of.
        let taken = (self.known(task)?.spec.join == Join::Any).then(|| self.ended_needs(task));
        let state = self.known_mut(task)?;
        let goes_on = state.more.as_ref().is_some_and(|more| more.interrupted);
        let expected = if goes_on { state.attempt } else { state.attempt.next() };
        if attempt != expected {
            return Err(format!("attempt {attempt} of task {task} starts where {expected} was due"));
        }
        state.attempt = attempt;
        state.first_started.get_or_insert(at);
        let more = state.more_mut();
        more.series_began.get_or_insert(at);
        more.interrupted = false;
        more.answer = None;
        if !goes_on {
            more.taken = taken;
            more.steps.clear();
            more.calls.clear();
            more.forgiven = 0;
            more.crashes = 0;
            more.maybe_ran = false;
            let pinned = self.pin(task);
            if pinned.is_some() {
                self.core.tasks[task.at()].more_mut().pinned = pinned;
            }
        }
        Ok(())
    }

    fn apply_step_finished(&mut self, task: TaskIx, attempt: Attempt, step: StepIx, outcome: &StepOutcome) -> Applied {
        self.check_attempt(task, attempt)?;
        let more = self.core.tasks[task.at()].more_mut();
        (more.crashes, more.maybe_ran) = (0, false);
        let open = more.steps.last_mut().filter(|open| open.ix == step && open.outcome.is_none());
        let open = open.ok_or_else(|| format!("step {step} of task {task} is not running"))?;
        open.outcome = Some(Box::new(outcome.clone()));
        let (reserved, mut used) = (open.reserved, outcome.used);
        used.calls = reserved.calls;
        self.settle_account(task, reserved, used);
        self.release_open_calls(task);
        Ok(())
    }

    fn apply_completed(&mut self, task: TaskIx, output: &Payload, at: Millis) -> Applied {
        self.known(task)?;
        self.core.completions += 1;
        let (order, trees) = (self.core.completions, self.result_trees(task));
        let state = &mut self.core.tasks[task.at()];
        state.output = Some(output.clone());
        let keeps_more = state.spec.undo.is_some()
            || !trees.is_empty()
            || state.more.as_ref().is_some_and(|more| {
                more.item.is_some() || more.items.is_some() || more.branches > 0 || more.merges_for
            });
        if keeps_more {
            let more = state.more_mut();
            more.completed_as = order;
            more.trees = trees;
        }
        self.settle(task, task_machine::Input::Complete, at)?;
        let state = &mut self.core.tasks[task.at()];
        if keeps_more {
            let more = state.more_mut();
            more.steps = Vec::new();
            more.calls = Vec::new();
            more.previous = Vec::new();
            more.pinned = None;
            more.failure = None;
            more.awaits = None;
            more.answer = None;
        } else {
            // A completed task is mostly read for its output; 100,000 of them should cost no more than that.
            state.more = None;
        }
        Ok(())
    }

    fn apply_setback(
        &mut self,
        task: TaskIx,
        input: task_machine::Input,
        failure: &Failure,
        due: Option<Millis>,
        at: Millis,
    ) -> Applied {
        self.move_task(task, input, at)?;
        let more = self.core.tasks[task.at()].more_mut();
        if matches!(input, task_machine::Input::Backoff | task_machine::Input::Exhaust) && !more.interrupted {
            more.previous
                .push(super::task_flow::cut(failure.to_string(), crate::domain::limits::REMEMBERED_FAILURE_BYTES));
            let surplus = more.previous.len().saturating_sub(crate::domain::limits::REMEMBERED_FAILURES);
            more.previous.drain(..surplus);
        }
        more.failure = Some(failure.clone());
        more.due = due;
        more.awaits = None;
        more.answer = None;
        more.lease = None;
        more.branch = None;
        Ok(())
    }

    // --- building blocks ---------------------------------------------------------------------------------------------

    pub(super) fn known(&self, task: TaskIx) -> Result<&super::Task, String> {
        self.core.tasks.get(task.at()).ok_or_else(|| format!("there is no task {task}"))
    }

    fn known_mut(&mut self, task: TaskIx) -> Result<&mut super::Task, String> {
        self.core.tasks.get_mut(task.at()).ok_or_else(|| format!("there is no task {task}"))
    }

    pub(super) fn check_attempt(&self, task: TaskIx, attempt: Attempt) -> Applied {
        let present = self.known(task)?.attempt;
        if present == attempt { Ok(()) } else { Err(format!("task {task} is in attempt {present}, not {attempt}")) }
    }

    fn move_project(&mut self, input: project_machine::Input, at: Millis) -> Applied {
        let facts = project_machine::Facts { held_from: self.core.held_from };
        match project_machine::next(self.core.status, facts, input) {
            Ok(Some(to)) => {
                self.core.status = to;
                self.core.changed = at;
                Ok(())
            }
            Ok(None) => Ok(()),
            Err(illegal) => Err(illegal.to_string()),
        }
    }

    /// Moves a task and keeps every derived list in step.
    pub(super) fn move_task(&mut self, task: TaskIx, input: task_machine::Input, at: Millis) -> Applied {
        let from = self.known(task)?.status;
        let to = match task_machine::next(from, input) {
            Ok(Some(to)) => to,
            Ok(None) => return Ok(()),
            Err(illegal) => return Err(format!("{illegal}: task {task} ({})", self.task(task).name)),
        };
        self.unlist(task);
        let state = &mut self.core.tasks[task.at()];
        state.status = to;
        state.since = at;
        self.list(task);
        Ok(())
    }

    /// Moves a task to a terminal state and tells what needs it.
    fn settle(&mut self, task: TaskIx, input: task_machine::Input, at: Millis) -> Applied {
        self.known(task)?;
        self.release_open_step(task);
        self.move_task(task, input, at)?;
        if let Some(more) = &mut self.core.tasks[task.at()].more {
            more.due = None;
            more.lease = None;
            more.branch = None;
            more.interrupted = false;
        }
        self.tell_dependents(task, |unmet| unmet - 1);
        if let super::Origin::Item { of, .. } = self.task(task).origin {
            let more = self.core.tasks[of.at()].more_mut();
            more.open_items = more.open_items.checked_sub(1).ok_or("an item settled twice")?;
        }
        Ok(())
    }

    /// Changes the count of unsettled needs of everything that needs `task`.
    pub(super) fn tell_dependents(&mut self, task: TaskIx, change: impl Fn(u32) -> u32) {
        let dependents = std::mem::take(&mut self.core.tasks[task.at()].dependents);
        for dependent in &dependents {
            let state = &mut self.core.tasks[dependent.at()];
            state.unmet = change(state.unmet);
        }
        self.core.tasks[task.at()].dependents = dependents;
    }

    fn release_open_step(&mut self, task: TaskIx) {
        let is_in_doubt = self.task(task).status == TaskStatus::InDoubt;
        match self.task(task).open_step().map(|step| step.reserved) {
            // It may have happened, so it counts.
            Some(reserved) if is_in_doubt => self.settle_account(task, reserved, reserved),
            Some(reserved) => self.release_account(task, reserved),
            None => {}
        }
        self.release_open_calls(task);
    }

    /// Takes a task off the derived lists of its present state.
    pub(super) fn unlist(&mut self, ix: TaskIx) {
        let (key, task) = (self.urgency(ix), self.task(ix));
        let (status, group, phase, retired) = (task.status, task.group as usize, task.phase as usize, task.retired);
        let failed_hard = self.failed_hard(ix);
        match status {
            TaskStatus::Ready => drop(self.ready[group].remove(&key)),
            TaskStatus::Running | TaskStatus::Validating => {
                self.active.remove(&ix);
                self.active_by_group[group] -= 1;
            }
            TaskStatus::AwaitingApproval | TaskStatus::AwaitingSignal => drop(self.awaiting.remove(&ix)),
            TaskStatus::Pending
            | TaskStatus::Backoff
            | TaskStatus::InDoubt
            | TaskStatus::Debugging
            | TaskStatus::Completed
            | TaskStatus::Failed
            | TaskStatus::Skipped
            | TaskStatus::Cancelled => {}
        }
        if !retired {
            self.open[phase] -= u32::from(!status.is_terminal());
            self.failed[phase] -= u32::from(failed_hard);
        }
    }

    /// The inverse of [`Project::unlist`].
    pub(super) fn list(&mut self, ix: TaskIx) {
        let (key, task) = (self.urgency(ix), self.task(ix));
        let (status, group, phase, retired) = (task.status, task.group as usize, task.phase as usize, task.retired);
        let (worker, failed_hard) = (task.needs_worker(), self.failed_hard(ix));
        match status {
            TaskStatus::Ready if worker => drop(self.ready[group].insert(key)),
            TaskStatus::Running | TaskStatus::Validating => {
                self.active.insert(ix);
                self.active_by_group[group] += 1;
            }
            TaskStatus::AwaitingApproval | TaskStatus::AwaitingSignal => drop(self.awaiting.insert(ix)),
            TaskStatus::Ready
            | TaskStatus::Pending
            | TaskStatus::Backoff
            | TaskStatus::InDoubt
            | TaskStatus::Debugging
            | TaskStatus::Completed
            | TaskStatus::Failed
            | TaskStatus::Skipped
            | TaskStatus::Cancelled => {}
        }
        if !retired {
            self.open[phase] += u32::from(!status.is_terminal());
            self.failed[phase] += u32::from(failed_hard);
        }
    }

    /// Whether the task makes its phase fail. Items and branches answer to the task they belong to.
    fn failed_hard(&self, ix: TaskIx) -> bool {
        let task = self.task(ix);
        let own = matches!(task.origin, super::Origin::Declared(_) | super::Origin::Added);
        own && task.status == TaskStatus::Failed && !task.more.as_ref().is_some_and(|more| more.tolerated)
    }

    /// A new series of attempts; the items of a `foreach` stay.
    pub(super) fn reset_task(&mut self, ix: TaskIx) {
        let unmet = self.task(ix).needs.iter().filter(|need| !self.task(**need).status.is_terminal()).count();
        let task = &mut self.core.tasks[ix.at()];
        task.output = None;
        task.unmet = unmet as u32;
        let old = task.more.take().map(|more| *more).unwrap_or_default();
        task.more = Some(Box::new(More {
            before_series: task.attempt.0,
            item: old.item,
            items: old.items,
            open_items: old.open_items,
            merges_for: old.merges_for,
            gave: old.gave,
            ..More::default()
        }));
    }
}
