//! What a new engine does with a project it has loaded, and the same as a plan for `resume --dry-run`.

use serde::{Deserialize, Serialize};

use crate::domain::effect::{Effect, TimerKey};
use crate::domain::event::{Actor, Await, Event, HoldReason};
use crate::domain::failure::FailureClass;
use crate::domain::ids::TaskIx;
use crate::domain::limits;
use crate::domain::machine::{ProjectStatus, TaskStatus};
use crate::domain::workflow::EffectClass;

use super::lifecycle::Taking;
use super::state::{Origin, Project};

/// One step that a resume deals with.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RecoveryItem {
    /// The task's name.
    pub task: String,
    /// The step: 0 is the action.
    pub step: u32,
    /// What is done with it.
    pub kind: RecoveryKind,
}

/// What a resume does with a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RecoveryKind {
    /// It has an outcome: read from the journal.
    ReadBack,
    /// It has none: run again.
    RunAgain,
    /// It has none: its worktree is restored, then it runs again.
    RestoreAndRun,
    /// It has none: looked for, then adopted or run.
    Probe,
    /// It has none and must not run twice: a person decides.
    Ask,
}

impl Project {
    /// What the next engine will do with the steps of attempts that have not ended.
    pub fn recovery_plan(&self) -> Vec<RecoveryItem> {
        let mut plan = Vec::new();
        if self.core.status.is_terminal() {
            return plan;
        }
        for task in &self.core.tasks {
            if task.status.is_terminal() || task.retired {
                continue;
            }
            for step in task.steps() {
                let going_on = task.status.is_active() || task.more.as_ref().is_some_and(|more| more.interrupted);
                let kind = match (&step.outcome, step.effect) {
                    (Some(_), _) if going_on => RecoveryKind::ReadBack,
                    (Some(_), _) => continue,
                    (None, EffectClass::Once) => RecoveryKind::Ask,
                    (None, EffectClass::Probed) => RecoveryKind::Probe,
                    (None, EffectClass::Restorable) => RecoveryKind::RestoreAndRun,
                    (None, EffectClass::Pure | EffectClass::Idempotent | EffectClass::Paid) => RecoveryKind::RunAgain,
                };
                plan.push(RecoveryItem { task: task.name.to_string(), step: step.ix.0, kind });
            }
        }
        plan
    }
}

impl Taking<'_> {
    /// Brings a loaded project to where the engine can go on with it: steps that were running are interrupted or in doubt,
    /// timers and children are set again, and what a cut-off commit left undone is done.
    pub fn recover(&mut self) {
        if self.project.core.status.is_terminal() {
            return;
        }
        let plan = self.project.recovery_plan();
        let count = |kinds: &[RecoveryKind]| plan.iter().filter(|item| kinds.contains(&item.kind)).count() as u32;
        self.emit(Event::Recovered {
            read_back: count(&[RecoveryKind::ReadBack]),
            run_again: count(&[RecoveryKind::RunAgain, RecoveryKind::RestoreAndRun]),
            probed: count(&[RecoveryKind::Probe]),
            in_doubt: count(&[RecoveryKind::Ask]),
        });
        let running: Vec<TaskIx> = self.project.active().collect();
        let poisoned: Vec<TaskIx> = running.into_iter().filter_map(|ix| self.interrupt(ix)).collect();
        if let Some(&task) = poisoned.first()
            && !self.project.core.status.is_held()
        {
            self.hold(HoldReason::Poison { task });
        }
        self.finish_cut_off();
        self.set_timers();
        match self.project.core.status {
            ProjectStatus::New => self.begin(),
            ProjectStatus::Cancelling => self.cancel_rest(),
            ProjectStatus::AwaitingApproval | ProjectStatus::Paused => {}
            ProjectStatus::Done | ProjectStatus::Failed | ProjectStatus::Cancelled => {}
            ProjectStatus::Planning
            | ProjectStatus::Design
            | ProjectStatus::Build
            | ProjectStatus::Test
            | ProjectStatus::Review
            | ProjectStatus::Deploy
            | ProjectStatus::Monitor => self.move_waiting(),
        }
    }

    /// One active task whose engine is gone. Gives the task back when it took an engine down too often.
    fn interrupt(&mut self, ix: TaskIx) -> Option<TaskIx> {
        let task = self.project.task(ix);
        let attempt = task.attempt;
        let open = task.open_step().map(|step| (step.ix, step.effect));
        let steps = task.steps().len() as u32;
        self.lose_calls(ix);
        match open {
            Some((step, EffectClass::Once)) => {
                self.emit(Event::TaskInDoubt { task: ix, attempt, step });
                None
            }
            Some((step, _)) => {
                self.emit(Event::StepInterrupted { task: ix, attempt, step, crashed: true });
                let crashes = self.project.task(ix).more.as_ref().map_or(0, |more| more.crashes);
                (crashes >= limits::STEP_RECOVERIES && crashes.is_multiple_of(limits::STEP_RECOVERIES)).then_some(ix)
            }
            None => {
                // Its last step's outcome is there, what follows from it was in a commit that did not come to pass.
                let step = crate::domain::ids::StepIx(steps);
                self.emit(Event::StepInterrupted { task: ix, attempt, step, crashed: false });
                None
            }
        }
    }

    /// What followed from a record and was in a commit that did not come to pass.
    fn finish_cut_off(&mut self) {
        for ix in self.project.indices() {
            let task = self.project.task(ix);
            let Some(more) = task.more.as_deref().filter(|_| !task.status.is_terminal()) else { continue };
            match (task.status, &more.awaits) {
                (TaskStatus::AwaitingApproval | TaskStatus::AwaitingSignal, _) if more.answer.is_some() => {
                    match more.answer.clone() {
                        Some(Ok(output)) => self.complete(ix, output),
                        Some(Err(failure)) => self.fail(ix, failure),
                        None => {}
                    }
                }
                (TaskStatus::AwaitingApproval, _) if self.project.is_answered(ix) => self.make_ready(ix),
                (TaskStatus::AwaitingSignal, Some(Await::Signal { name })) => {
                    let signal = self.project.core.signals.iter().find(|signal| signal.name == *name);
                    if let Some(payload) = signal.map(|signal| signal.payload.clone()) {
                        self.answer(Actor::Engine, ix, Ok(payload), String::new());
                    }
                }
                (TaskStatus::AwaitingSignal, Some(Await::Items)) => self.item_settled(ix),
                (TaskStatus::Debugging, _) => {
                    let branch = more.branch.filter(|branch| self.project.task(*branch).status.is_terminal());
                    if let Some(branch) = branch {
                        self.branch_settled(ix, branch);
                    }
                }
                (TaskStatus::Backoff, _) if more.due.is_none() => {
                    let class = more.failure.as_ref().map_or(FailureClass::Internal, |failure| failure.class);
                    if self.project.may_start() {
                        self.hold(HoldReason::Exhausted { task: ix, class });
                    }
                }
                _ => {}
            }
        }
    }

    fn set_timers(&mut self) {
        self.arm_wall_timer();
        if let Some(due) = self.project.core.gate.as_ref().and_then(|gate| gate.due) {
            self.effect(Effect::SetTimer { due, key: TimerKey::Gate });
        }
        for ix in self.project.indices() {
            let task = self.project.task(ix);
            if task.status.is_terminal() {
                continue;
            }
            if let Some(due) = task.due() {
                self.effect(Effect::SetTimer { due, key: TimerKey::Task(ix) });
            }
            // One that is being cancelled stops its children instead, in `cancel_rest`.
            let cancelling = self.project.core.status == ProjectStatus::Cancelling;
            if !cancelling && matches!(self.project.task(ix).awaits(), Some(Await::Child { .. })) {
                self.restart_child(ix);
            }
        }
    }

    /// Cancels what neither runs nor takes something back, and moves the rest on.
    pub fn cancel_rest(&mut self) {
        let undo_began = self.project.core.undo_planned;
        for ix in self.project.indices() {
            let task = self.project.task(ix);
            let undo = matches!(task.origin, Origin::Undo { .. });
            match (undo, task.status) {
                (true, TaskStatus::Pending) if undo_began => self.unblocked.push(ix),
                (_, status) if status.is_terminal() => {}
                (false, status) if status.is_active() => {}
                (true, _) => self.advance(ix),
                (false, _) => match task.awaits().cloned() {
                    Some(Await::Child { project }) => {
                        let undo = self.project.core.cancel_undo;
                        self.effect(Effect::StopChild { task: ix, child: project, undo });
                    }
                    _ => self.emit(Event::TaskCancelled { task: ix }),
                },
            }
        }
    }

    /// PENDING tasks that nothing holds back, and READY ones that need no worker.
    pub fn move_waiting(&mut self) {
        if let Some(phase) = self.project.core.phase {
            self.open_phase(phase);
        }
        for ix in self.project.indices() {
            let task = self.project.task(ix);
            let free = task.status == TaskStatus::Pending && !task.is_held_back() && !task.retired;
            if free && !matches!(task.origin, Origin::Declared(_) | Origin::Added) {
                self.unblocked.push(ix);
            } else if task.status == TaskStatus::Ready {
                self.advance(ix);
            }
        }
    }
}
