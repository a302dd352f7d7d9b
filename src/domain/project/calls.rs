//! Calls inside an agent's step: on record before they are made, charged when their outcome is lost, answered by people, and
//! parked when a provider says "later".

use crate::domain::budget::Amounts;
use crate::domain::call::{CallInput, CallIntent, CallKind, CallOutcome, RecordedCall};
use crate::domain::effect::{Effect, TimerKey};
use crate::domain::event::{Await, Decision, Event, HoldReason, StepOutcome};
use crate::domain::failure::{Failure, FailureClass};
use crate::domain::ids::{Attempt, CallIx, StepIx, TaskIx};
use crate::domain::limits;
use crate::domain::machine::TaskStatus;
use crate::domain::retry::{RetryPolicy, Verdict, split_mix};
use crate::domain::time::Millis;
use crate::domain::workflow::{Action, EffectClass};

use super::input::{Refusal, RefusalKind};
use super::lifecycle::Taking;
use super::state::Project;

impl Taking<'_> {
    /// An agent's walk puts something on record. A refusal ends the walk; it is not recorded itself.
    pub fn call(&mut self, ix: TaskIx, attempt: Attempt, input: CallInput) -> Result<(), Refusal> {
        self.is_walking(ix, attempt)?;
        match input {
            CallInput::Begin(intent) => {
                self.may_begin(ix)?;
                self.has_room(ix, attempt, 1)?;
                self.check_call(ix, intent.ix, 0)?;
                if let Some(dimension) = self.project.would_break(ix, intent.reserved) {
                    self.hold(HoldReason::Budget { dimension });
                    return Err(Refusal::new(RefusalKind::Budget, format!("the budget of {dimension} is used up")));
                }
                self.emit(Event::CallStarted { task: ix, attempt, call: shortened(intent) });
            }
            CallInput::End(call, outcome) => {
                let open = self.project.task(ix).calls().get(call.0 as usize);
                if !open.is_some_and(|open| open.is_open) {
                    return Err(out_of_step(format!("call {call} is not open")));
                }
                self.emit(Event::CallFinished { task: ix, attempt, call, outcome });
            }
            CallInput::Note(calls) => self.note(ix, attempt, calls)?,
            CallInput::Ask(intent, question) => {
                self.may_begin(ix)?;
                self.has_room(ix, attempt, 1)?;
                self.check_call(ix, intent.ix, 0)?;
                let intent = Box::new(CallIntent { reserved: Amounts::default(), ..*intent });
                self.emit(Event::CallStarted { task: ix, attempt, call: shortened(intent) });
                let ask = super::task_flow::cut(question, limits::COMMENT_BYTES);
                self.emit(Event::StepInterrupted { task: ix, attempt, step: StepIx(0), crashed: false });
                self.await_outside(ix, Await::Approval { ask }, None);
            }
        }
        Ok(())
    }

    /// Whether there is a walk that may speak. What it has done already is put on record whatever became of the project.
    fn is_walking(&self, ix: TaskIx, attempt: Attempt) -> Result<(), Refusal> {
        let task = self.project.core.tasks.get(ix.at()).ok_or_else(|| out_of_step(format!("there is no task {ix}")))?;
        let runs = task.status == TaskStatus::Running && task.attempt == attempt && task.open_step().is_some();
        if runs {
            Ok(())
        } else {
            Err(out_of_step(format!("{} is {} in attempt {}", task.name, task.status, task.attempt)))
        }
    }

    fn may_begin(&self, ix: TaskIx) -> Result<(), Refusal> {
        if !self.project.may_start() || self.is_given_up(ix) {
            return Err(Refusal::new(RefusalKind::WrongState, format!("the project is {}", self.project.status())));
        }
        Ok(())
    }

    /// A walk makes one call after the other: only the next one may begin, or the last one again when its outcome was lost.
    /// `behind`: how many calls come before it in the same input.
    fn check_call(&self, ix: TaskIx, call: CallIx, behind: usize) -> Result<(), Refusal> {
        let calls = self.project.task(ix).calls();
        let lost = calls.last().is_some_and(|last| last.outcome.is_none());
        let next = calls.len() - usize::from(lost) + behind;
        if calls.last().is_some_and(|last| last.is_open) || call.0 as usize != next {
            return Err(out_of_step(format!("call {call} is not the next one")));
        }
        Ok(())
    }

    /// Calls made before they are put on record: all of them, or none.
    fn note(&mut self, ix: TaskIx, attempt: Attempt, calls: Vec<(CallIntent, CallOutcome)>) -> Result<(), Refusal> {
        self.has_room(ix, attempt, calls.len())?;
        for (behind, (intent, outcome)) in calls.iter().enumerate() {
            self.check_call(ix, intent.ix, behind)?;
            if intent.reserved != Amounts::default() || outcome.used() != Amounts::default() {
                return Err(out_of_step(format!("call {} costs something and was not begun", intent.ix)));
            }
        }
        for (intent, outcome) in calls {
            let call = intent.ix;
            self.emit(Event::CallStarted { task: ix, attempt, call: shortened(Box::new(intent)) });
            self.emit(Event::CallFinished { task: ix, attempt, call, outcome: Box::new(outcome) });
        }
        Ok(())
    }

    /// At its bound an attempt fails: were the call only refused, the walk would be taken up again to be refused again.
    fn has_room(&mut self, ix: TaskIx, attempt: Attempt, more: usize) -> Result<(), Refusal> {
        let calls = self.project.task(ix).calls();
        let lost = usize::from(calls.last().is_some_and(|last| last.outcome.is_none()));
        if calls.len() - lost + more <= limits::CALLS_PER_ATTEMPT {
            return Ok(());
        }
        let message = format!("an attempt has at most {} calls", limits::CALLS_PER_ATTEMPT);
        let outcome = StepOutcome {
            result: Err(Failure::new(FailureClass::Turns, message.clone())),
            log: None,
            code: None,
            duration_ms: 0,
            used: Amounts::default(),
            tree: None,
            ran_under: None,
        };
        self.step_done(ix, attempt, StepIx(0), Box::new(outcome));
        Err(Refusal::new(RefusalKind::Limit, message))
    }

    /// Calls that cost money and were cut off are charged, once each time.
    pub fn lose_calls(&mut self, ix: TaskIx) {
        let task = self.project.task(ix);
        let attempt = task.attempt;
        let lost: Vec<(CallIx, Amounts)> = task
            .calls()
            .iter()
            .filter(|call| call.is_open && call.effect == EffectClass::Paid)
            .map(|call| (call.ix, call.reserved))
            .collect();
        for (call, charged) in lost {
            self.emit(Event::CallUncertain { task: ix, attempt, call, charged });
        }
    }

    /// A person answers what an agent asked: the answer is the call's outcome, and the same attempt goes on.
    pub fn answer_agent(&mut self, ix: TaskIx, decision: &Decision, comment: &str) -> bool {
        let task = self.project.task(ix);
        let asked = task.calls().iter().find(|call| call.is_open && call.kind == CallKind::Ask);
        let (Some(call), attempt) = (asked.map(|call| call.ix), task.attempt) else { return false };
        let word = if *decision == Decision::Approved { "yes" } else { "no" };
        let answer = if comment.is_empty() { word.to_owned() } else { format!("{word}: {comment}") };
        let result = self.turn.vault.keep(answer.into_bytes()).map_err(Failure::from);
        let outcome = CallOutcome { result, duration_ms: 0, usage: None, full: None, tree: None, ran_under: None };
        self.emit_as_asked(Event::CallFinished { task: ix, attempt, call, outcome: Box::new(outcome) });
        self.make_ready(ix);
        true
    }

    /// Whether the failure of an agent's step is a provider's, so that the conversation goes on later instead of anew.
    pub fn is_of_provider(&self, ix: TaskIx, failure: &Failure) -> bool {
        use FailureClass as C;
        if matches!(
            failure.class,
            C::RateLimited
                | C::Quota
                | C::Credits
                | C::Overloaded
                | C::HttpServer
                | C::Transport
                | C::Unreachable
                | C::Uncertain
                | C::Auth
                | C::Budget
                | C::ModelNotFound
        ) {
            return matches!(self.project.task(ix).spec.action, Action::Agent(_));
        }
        let last = self.project.task(ix).calls().last();
        failure.class == C::Idle
            && last.is_some_and(|call| call.failed_with() == Some(failure.class) && call.asks_a_model())
    }

    /// A merge cannot be made for a reason that is not the work's: it waits until someone has looked.
    pub fn park_merge(&mut self, ix: TaskIx, failure: Failure) {
        let (attempt, class) = (self.project.task(ix).attempt, failure.class);
        self.emit(Event::TaskParked { task: ix, attempt, failure, due: None });
        self.hold(HoldReason::Exhausted { task: ix, class });
    }

    /// The provider of a model makes an agent wait: as long as it said, after a delay that grows with each failure in a row, or
    /// until someone resumes the project. What the work itself is given when it fails says nothing of providers: a conversation
    /// that was paid for is never given up because nobody answers for a while.
    pub fn park(&mut self, ix: TaskIx, failure: Failure) {
        let attempt = self.project.task(ix).attempt;
        let in_a_row = self.project.failures_in_a_row(ix);
        let verdict = match failure.retry_after_ms {
            // The provider knows when: waiting for it is no try.
            Some(delay_ms) if is_a_limit(failure.class) && in_a_row < limits::PROVIDER_WAITS => {
                Verdict::Retry { delay_ms: delay_ms.min(limits::DURATION_MS) }
            }
            Some(_) | None => {
                let seed = self.project.created.seed ^ split_mix(u64::from(ix.0));
                RetryPolicy::of_providers().verdict(in_a_row.max(1), 0, &failure, seed)
            }
        };
        if let Verdict::Retry { delay_ms } = verdict {
            let due = self.turn.now.plus(delay_ms);
            self.emit(Event::TaskParked { task: ix, attempt, failure, due: Some(due) });
            self.effect(Effect::SetTimer { due, key: TimerKey::Task(ix) });
            return;
        }
        let class = failure.class;
        self.emit(Event::TaskParked { task: ix, attempt, failure, due: None });
        self.hold(HoldReason::Exhausted { task: ix, class });
    }
}

/// Whether a provider answers and says when it will again.
fn is_a_limit(class: FailureClass) -> bool {
    matches!(class, FailureClass::RateLimited | FailureClass::Quota)
}

/// What a model wrote is of any length; a record is not.
fn shortened(mut intent: Box<CallIntent>) -> Box<CallIntent> {
    intent.label = super::task_flow::cut(intent.label, limits::NAME_BYTES);
    intent.shown = super::task_flow::cut(intent.shown, limits::EXCERPT_BYTES);
    intent
}

fn out_of_step(problem: String) -> Refusal {
    Refusal::new(RefusalKind::WrongState, problem)
}

impl RecordedCall {
    /// The class of its failure.
    fn failed_with(&self) -> Option<FailureClass> {
        self.outcome.as_ref().and_then(|outcome| outcome.result.as_ref().err()).map(|failure| failure.class)
    }

    fn asks_a_model(&self) -> bool {
        matches!(self.kind, CallKind::Model | CallKind::Compact)
    }
}

impl Project {
    /// How many model calls failed since the last one that was answered, or since someone resumed the project.
    fn failures_in_a_row(&self, ix: TaskIx) -> u32 {
        let forgiven = self.task(ix).more.as_ref().map_or(0, |more| more.forgiven) as usize;
        let since = self.task(ix).calls().iter().skip(forgiven).rev().filter(|call| call.asks_a_model());
        since.take_while(|call| call.failed_with().is_some()).count() as u32
    }

    pub(super) fn apply_call_started(
        &mut self,
        task: TaskIx,
        attempt: Attempt,
        call: &CallIntent,
        now: Millis,
    ) -> Result<(), String> {
        self.check_attempt(task, attempt)?;
        let at = call.ix.0 as usize;
        let calls = &self.core.tasks[task.at()].more_mut().calls;
        let again = at + 1 == calls.len() && calls.last().is_some_and(|last| !last.is_open && last.outcome.is_none());
        if !again && at != calls.len() {
            return Err(format!("call {} of task {task} starts where {} was due", call.ix, calls.len()));
        }
        let recorded = RecordedCall {
            ix: call.ix,
            kind: call.kind,
            label: call.label.clone(),
            input: call.input,
            effect: call.effect,
            reserved: call.reserved,
            lost: calls.get(at).map_or(0, |known| known.lost),
            is_open: true,
            outcome: None,
        };
        self.reserve(task, call.reserved);
        let more = self.core.tasks[task.at()].more_mut();
        more.call_since = Some(now);
        more.calls.truncate(at);
        more.calls.push(recorded);
        Ok(())
    }

    pub(super) fn apply_call_finished(
        &mut self,
        task: TaskIx,
        attempt: Attempt,
        call: CallIx,
        outcome: &CallOutcome,
        now: Millis,
    ) -> Result<(), String> {
        self.check_attempt(task, attempt)?;
        let more = self.core.tasks[task.at()].more_mut();
        more.crashes = 0;
        more.call_since = Some(now);
        let open = more.calls.get_mut(call.0 as usize).filter(|open| open.is_open);
        let open = open.ok_or_else(|| format!("call {call} of task {task} is not open"))?;
        let reserved = open.reserved;
        open.outcome = Some(Box::new(outcome.clone()));
        open.is_open = false;
        let used = Amounts { calls: reserved.calls, ..outcome.used() };
        self.settle_account(task, reserved, used);
        Ok(())
    }

    pub(super) fn apply_call_uncertain(
        &mut self,
        task: TaskIx,
        attempt: Attempt,
        call: CallIx,
        charged: Amounts,
    ) -> Result<(), String> {
        self.check_attempt(task, attempt)?;
        let more = self.core.tasks[task.at()].more_mut();
        let open = more.calls.get_mut(call.0 as usize).filter(|open| open.is_open);
        let open = open.ok_or_else(|| format!("call {call} of task {task} is not open"))?;
        open.lost += 1;
        open.is_open = false;
        let reserved = open.reserved;
        self.settle_account(task, reserved, charged);
        Ok(())
    }

    /// At the end of a walk: what is still open was not made, or changed nothing that counts.
    pub(super) fn release_open_calls(&mut self, task: TaskIx) {
        let Some(more) = &mut self.core.tasks[task.at()].more else { return };
        let Some(open) = more.calls.last_mut().filter(|last| last.is_open) else { return };
        open.is_open = false;
        let reserved = open.reserved;
        self.release_account(task, reserved);
    }

    /// The question that an agent waits with stays open until a person has answered it. It holds nothing back.
    pub(super) fn open_question(&mut self, task: TaskIx) {
        let Some(more) = &mut self.core.tasks[task.at()].more else { return };
        if let Some(asked) = more.calls.last_mut().filter(|last| last.kind == CallKind::Ask && last.outcome.is_none()) {
            asked.is_open = true;
        }
    }

    /// Whether what an agent asked has been answered, and only the record that it goes on is missing.
    pub(super) fn is_answered(&self, task: TaskIx) -> bool {
        let last = self.task(task).calls().last();
        last.is_some_and(|last| last.kind == CallKind::Ask && last.outcome.is_some())
    }
}
