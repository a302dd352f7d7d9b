//! The project's own course: phases forward and back, gates, holds, cancel, the end.

use crate::domain::budget::Dimension;
use crate::domain::effect::{Effect, StopCause, TimerKey};
use crate::domain::event::{Actor, Await, Decision, Event, HoldReason, PhaseCause};
use crate::domain::ids::TaskIx;
use crate::domain::machine::{Phase, ProjectStatus, TaskStatus};
use crate::domain::workflow::OnTimeout;

use super::input::{Decided, Input, Refusal, RefusalKind, Turn};
use super::state::{Origin, Project};

/// One turn of one project: state, what it may depend on, and what it has decided so far.
pub(super) struct Taking<'t> {
    pub project: &'t mut Project,
    pub turn: &'t Turn<'t>,
    pub out: &'t mut Decided,
    /// PENDING tasks whose needs have just been settled; a list instead of recursion, for chains of any length.
    pub unblocked: Vec<TaskIx>,
}

impl Project {
    /// Decides on `input` and applies what follows. A refusal has changed nothing but possibly recorded itself in `out`.
    pub fn take(&mut self, input: Input, turn: &Turn<'_>, out: &mut Decided) -> Result<(), Refusal> {
        let mut taking = Taking { project: self, turn, out, unblocked: Vec::new() };
        let taken = match input {
            Input::Begin => {
                taking.begin();
                Ok(())
            }
            Input::Start(task) => {
                taking.start(task);
                Ok(())
            }
            Input::StepDone { task, attempt, step, outcome } => {
                taking.step_done(task, attempt, step, outcome);
                Ok(())
            }
            Input::Call { task, attempt, input } => taking.call(task, attempt, input),
            Input::Due(key) => {
                taking.due(key);
                Ok(())
            }
            Input::ChildClosed { task, status, reason, output } => {
                taking.child_closed(task, status, &reason, output);
                Ok(())
            }
            Input::Recover => {
                taking.recover();
                Ok(())
            }
            Input::DiskLow { free_bytes } => {
                if taking.project.may_start() {
                    taking.hold(HoldReason::Disk { free_bytes });
                }
                Ok(())
            }
            Input::DiskOk => {
                if matches!(taking.project.core.hold, Some(HoldReason::Disk { .. })) {
                    taking.release(Actor::Engine, "there is room on the disk again".to_owned());
                }
                Ok(())
            }
            Input::Command(command) => taking.command(command),
        };
        taking.go_on();
        taken
    }
}

impl Taking<'_> {
    /// Decides an event: applies it and hands it out.
    ///
    /// # Panics
    /// When the event does not fit the state: a defect of this room. The engine catches it and sets the project aside.
    pub fn emit(&mut self, event: Event) {
        self.emit_by(Actor::Engine, event);
    }

    /// The same, caused by whoever gave the input.
    pub fn emit_as_asked(&mut self, event: Event) {
        self.emit_by(self.turn.actor.clone(), event);
    }

    pub fn emit_by(&mut self, actor: Actor, event: Event) {
        if let Err(error) = self.project.apply(&event, self.turn.now, self.turn.vault) {
            panic!("{} decided an event that does not fit its own state: {error}: {event:?}", self.project.id);
        }
        self.out.events.push((actor, event));
    }

    pub fn effect(&mut self, effect: Effect) {
        self.out.effects.push(effect);
    }

    /// What follows by itself, until nothing does.
    fn go_on(&mut self) {
        loop {
            if let Some(ix) = self.unblocked.pop() {
                self.unblock(ix);
                continue;
            }
            let status = self.project.core.status;
            let done = match status.phase() {
                Some(phase) if self.project.open[phase as usize] == 0 && self.project.active.is_empty() => {
                    self.phase_done(phase);
                    true
                }
                Some(_) => false,
                None if status == ProjectStatus::AwaitingApproval => self.gate_answered(),
                None => status == ProjectStatus::Cancelling && self.cancel_goes_on(),
            };
            if !done {
                return;
            }
        }
    }

    // --- phases ------------------------------------------------------------------------------------------------------

    pub fn begin(&mut self) {
        if self.project.core.status != ProjectStatus::New {
            return;
        }
        self.arm_wall_timer();
        match self.project.definition.phases.first().map(|spec| spec.phase) {
            Some(first) => self.enter(first, PhaseCause::Started),
            None => self.close(ProjectStatus::Failed, "the workflow declares no phase".to_owned()),
        }
    }

    fn enter(&mut self, phase: Phase, cause: PhaseCause) {
        let round = self.project.core.rounds[phase as usize] + 1;
        self.emit(Event::PhaseEntered { phase, round, cause });
        // A deadline that passed while a gate was asked has found nothing to hold.
        if self.project.wall_deadline().is_some_and(|due| due <= self.turn.now) {
            self.hold(HoldReason::Budget { dimension: Dimension::Wall });
        }
        self.open_phase(phase);
    }

    /// Finds the tasks of a phase that nothing holds back. In reverse, since `unblocked` is taken from its end.
    pub fn open_phase(&mut self, phase: Phase) {
        let tasks = self.project.core.tasks.iter().enumerate().rev();
        let free = tasks.filter(|(_, task)| {
            task.phase == phase && !task.is_held_back() && task.status == TaskStatus::Pending && !task.retired
        });
        self.unblocked.extend(free.map(|(at, _)| TaskIx(at as u32)));
    }

    fn phase_done(&mut self, phase: Phase) {
        if self.project.failed[phase as usize] > 0 {
            let reason = self.failure_of_phase(phase);
            self.go_back_or_fail(phase, reason);
            return;
        }
        let Some(approval) = self.project.definition.phase(phase).and_then(|spec| spec.approval.clone()) else {
            self.forward(phase);
            return;
        };
        match self.render_for_project(&approval.ask) {
            Ok(ask) => {
                let ask = super::task_flow::cut(ask, crate::domain::limits::COMMENT_BYTES);
                let due = approval.timeout_ms.map(|timeout_ms| self.turn.now.plus(timeout_ms));
                self.emit(Event::GateAsked { phase, ask, due });
                if let Some(due) = due {
                    self.effect(Effect::SetTimer { due, key: TimerKey::Gate });
                }
            }
            Err(failure) => {
                self.close(ProjectStatus::Failed, format!("the gate of {phase} cannot be asked: {failure}"))
            }
        }
    }

    fn failure_of_phase(&self, phase: Phase) -> String {
        let failed = |task: &&super::Task| {
            task.phase == phase
                && task.status == TaskStatus::Failed
                && !task.retired
                && !matches!(task.origin, Origin::Item { .. } | Origin::Branch { .. })
                && !task.more.as_ref().is_some_and(|more| more.tolerated)
        };
        let mut tasks = self.project.core.tasks.iter().filter(failed);
        let Some(first) = tasks.next() else { return format!("phase {phase} failed") };
        let what = first.failure().map_or_else(String::new, |failure| format!(": {failure}"));
        match tasks.count() {
            0 => format!("task {} failed{what}", first.name),
            more => format!("task {} and {more} more failed{what}", first.name),
        }
    }

    fn forward(&mut self, from: Phase) {
        let next = self.project.definition.phases.iter().map(|spec| spec.phase).find(|phase| *phase > from);
        match next {
            Some(phase) => self.enter(phase, PhaseCause::Forward),
            None => self.close(ProjectStatus::Done, String::new()),
        }
    }

    fn go_back_or_fail(&mut self, from: Phase, reason: String) {
        let spec = self.project.definition.phase(from);
        let back = spec.and_then(|spec| Some((spec.loop_back?, self.project.most_loops(spec, spec.loop_back?))));
        let taken = self.project.core.loops_taken[from as usize];
        match back {
            Some((back, most)) if taken < most => self.enter(back.goto, PhaseCause::LoopBack { from }),
            Some((back, most)) => {
                let reason = format!("{reason} (went back to {} {taken} of {most} times)", back.goto);
                self.close(ProjectStatus::Failed, reason);
            }
            None => self.close(ProjectStatus::Failed, reason),
        }
    }

    pub fn answer_gate(&mut self, actor: Actor, decision: Decision, comment: String) {
        let open = self.project.core.gate.as_ref().filter(|gate| gate.answered.is_none());
        let Some(phase) = open.map(|gate| gate.phase) else { return };
        self.emit_by(actor, Event::GateAnswered { phase, decision, comment });
        self.gate_answered();
    }

    /// What follows from the answer of a gate; false when there is none. Also after a crash between the two.
    fn gate_answered(&mut self) -> bool {
        let Some(gate) = &self.project.core.gate else { return false };
        let (phase, Some((decision, comment))) = (gate.phase, gate.answered.clone()) else { return false };
        match decision {
            Decision::Approved => self.forward(phase),
            Decision::Rejected => {
                let reason = if comment.is_empty() { String::new() } else { format!(": {comment}") };
                self.go_back_or_fail(phase, format!("the gate after {phase} was rejected{reason}"));
            }
        }
        true
    }

    pub fn gate_due(&mut self) {
        let Some(gate) = &self.project.core.gate else { return };
        let (phase, Some(due)) = (gate.phase, gate.due) else { return };
        if self.project.core.status != ProjectStatus::AwaitingApproval {
            return;
        }
        if due > self.turn.now {
            // The clock went back, or this is the timer of an earlier gate: wait on.
            self.effect(Effect::SetTimer { due, key: TimerKey::Gate });
            return;
        }
        let on_timeout = self.project.definition.phase(phase).and_then(|spec| spec.approval.as_ref());
        let decision = match on_timeout.map(|approval| approval.on_timeout).unwrap_or_default() {
            OnTimeout::Approve => Decision::Approved,
            OnTimeout::Reject => Decision::Rejected,
        };
        self.answer_gate(Actor::Engine, decision, "no answer before the deadline".to_owned());
    }

    // --- hold and release --------------------------------------------------------------------------------------------

    pub fn hold(&mut self, reason: HoldReason) {
        if self.project.core.status != ProjectStatus::Paused {
            self.emit(Event::Held { reason });
        }
    }

    /// Goes on where it was held: exhausted series begin anew, waiting tasks move on, timers are set again.
    pub fn release(&mut self, actor: Actor, comment: String) {
        if self.project.core.status != ProjectStatus::Paused {
            return;
        }
        self.emit_by(actor, Event::Released { comment });
        self.arm_wall_timer();
        if self.project.core.status == ProjectStatus::Cancelling {
            self.cancel_rest();
        }
        if let Some(gate) = &self.project.core.gate
            && let Some(due) = gate.due
        {
            self.effect(Effect::SetTimer { due, key: TimerKey::Gate });
        }
        if self.project.core.status == ProjectStatus::New {
            self.begin();
            return;
        }
        for ix in self.project.indices() {
            let task = self.project.task(ix);
            if task.status == TaskStatus::Backoff && task.due().is_none() {
                self.make_ready(ix);
            } else if self.project.core.status.phase().is_some() && matches!(task.awaits(), Some(Await::Child { .. })) {
                // It may not have been started for want of room; one that exists is not started again.
                self.restart_child(ix);
            }
        }
        if self.project.may_start() {
            self.move_waiting();
        }
    }

    pub fn arm_wall_timer(&mut self) {
        if let Some(due) = self.project.wall_deadline() {
            self.effect(Effect::SetTimer { due, key: TimerKey::Wall });
        }
    }

    pub fn wall_due(&mut self) {
        match self.project.wall_deadline() {
            // The cap was raised or the clock went back: wait on.
            Some(due) if due > self.turn.now => self.effect(Effect::SetTimer { due, key: TimerKey::Wall }),
            Some(_) if self.project.core.status.phase().is_some() => {
                self.hold(HoldReason::Budget { dimension: Dimension::Wall });
            }
            Some(_) | None => {}
        }
    }

    // --- the end -----------------------------------------------------------------------------------------------------

    /// A second cancel changes nothing, except that it releases what is held in the middle of the first.
    pub fn cancel(&mut self, undo: bool, comment: String) {
        if self.project.is_cancelling() {
            return self.release(self.turn.actor.clone(), comment);
        }
        self.emit_as_asked(Event::CancelRequested { undo, comment });
        self.cancel_tasks(StopWhat::IdleOnly);
    }

    pub fn kill(&mut self, comment: String) {
        self.cancel_tasks(StopWhat::Everything);
        let reason = if comment.is_empty() { "killed".to_owned() } else { format!("killed: {comment}") };
        let output = crate::domain::payload::Payload::default();
        self.emit_as_asked(Event::Closed { status: ProjectStatus::Cancelled, reason, output });
    }

    /// Cancels what does not run, and stops what does. With `Everything`, what runs is cancelled at once as well; the
    /// outcome that its step reports later finds a terminal task and is dropped.
    pub fn cancel_tasks(&mut self, what: StopWhat) {
        for ix in self.project.indices() {
            let (status, attempt) = (self.project.task(ix).status, self.project.task(ix).attempt);
            if status.is_terminal() {
                continue;
            }
            if status.is_active() {
                self.effect(Effect::StopStep { task: ix, attempt, cause: StopCause::Cancel });
                if what == StopWhat::IdleOnly {
                    continue;
                }
                self.lose_calls(ix);
            }
            if let Some(Await::Child { project }) = self.project.task(ix).awaits().cloned() {
                let undo = self.project.core.cancel_undo && what == StopWhat::IdleOnly;
                self.effect(Effect::StopChild { task: ix, child: project, undo });
                if what == StopWhat::IdleOnly {
                    // Like a running step: it is cancelled when the child has ended, its own undo included.
                    continue;
                }
            }
            self.emit(Event::TaskCancelled { task: ix });
        }
    }

    /// One step toward CANCELLED; false when it has to wait for something.
    fn cancel_goes_on(&mut self) -> bool {
        if !self.project.active.is_empty() || !self.project.awaiting.is_empty() {
            return false;
        }
        if self.project.core.cancel_undo && !self.project.core.undo_planned {
            let mut done: Vec<(u64, TaskIx)> = self.project.indices().filter_map(|ix| self.undoable(ix)).collect();
            done.sort_unstable_by(|a, b| b.cmp(a));
            if !done.is_empty() {
                let first = TaskIx(self.project.core.tasks.len() as u32);
                let done: Vec<TaskIx> = done.into_iter().map(|(_, ix)| ix).collect();
                for part in done.chunks(crate::domain::limits::UNDO_PLAN_TASKS) {
                    self.emit(Event::UndoPlanned { tasks: part.to_vec() });
                }
                self.unblocked.push(first);
                return true;
            }
        }
        if self.project.open.iter().sum::<u32>() > 0 {
            return false;
        }
        self.close(ProjectStatus::Cancelled, "cancelled".to_owned());
        true
    }

    fn undoable(&self, ix: TaskIx) -> Option<(u64, TaskIx)> {
        let task = self.project.task(ix);
        let order = match task.status {
            TaskStatus::Completed => task.more.as_ref().map_or(0, |more| more.completed_as),
            // Its action is done and only its checks were not: the latest of all.
            TaskStatus::Cancelled if self.project.action_succeeded(ix) => u64::MAX,
            _ => return None,
        };
        (task.spec.undo.is_some() && task.spec.foreach.is_none()).then_some((order, ix))
    }

    pub fn close(&mut self, status: ProjectStatus, reason: String) {
        let output = if status == ProjectStatus::Done { self.final_output() } else { Default::default() };
        self.emit(Event::Closed { status, reason, output });
    }

    /// Refuses a command and keeps the refusal in the journal, unless the project is terminal and its journal complete.
    pub fn refuse_on_record(&mut self, what: String, kind: RefusalKind, why: String) -> Refusal {
        if !self.project.core.status.is_terminal() {
            self.emit_as_asked(Event::Refused { what, why: why.clone() });
        }
        Refusal::new(kind, why)
    }
}

/// How much [`Taking::cancel_tasks`] cancels at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum StopWhat {
    /// What does not run; the rest is cancelled when its step has ended.
    IdleOnly,
    /// All of it.
    Everything,
}

impl Project {
    /// All task indices, retired ones included.
    pub(super) fn indices(&self) -> impl Iterator<Item = TaskIx> + use<> {
        (0..self.core.tasks.len() as u32).map(TaskIx)
    }
}
