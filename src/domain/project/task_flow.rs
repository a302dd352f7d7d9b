//! A task's way: ready, started or waiting, set back, failed; and what its end means for others.

use crate::domain::effect::{Effect, TimerKey};
use crate::domain::event::{Actor, Await, Decision, Event, HoldReason, SkipReason};
use crate::domain::failure::{Failure, FailureClass};
use crate::domain::ids::{Attempt, TaskIx};
use crate::domain::limits;
use crate::domain::machine::TaskStatus;
use crate::domain::payload::Payload;
use crate::domain::retry::{OnExhausted, Verdict, split_mix};
use crate::domain::time::Millis;
use crate::domain::workflow::{Action, ApprovalSpec, EffectClass, ExternalSpec, Join, OnTimeout, WaitSpec};

use super::lifecycle::Taking;
use super::state::Origin;

impl Taking<'_> {
    /// A PENDING task whose needs are settled: skipped when one of them went wrong, else READY.
    pub fn unblock(&mut self, ix: TaskIx) {
        let task = self.project.task(ix);
        let undo = matches!(task.origin, Origin::Undo { .. });
        let in_reach = self.project.core.phase.is_some_and(|phase| task.phase <= phase) || undo;
        if task.status != TaskStatus::Pending || task.is_held_back() || task.retired || !in_reach {
            return;
        }
        if self.is_given_up(ix) {
            return;
        }
        // Items start with their `foreach`, which may have to wait for its needs again when it is retried.
        if let Origin::Item { of, .. } = task.origin
            && self.project.task(of).status == TaskStatus::Pending
        {
            return;
        }
        let bad = task.needs.iter().copied().find(|need| !self.project.task(*need).lets_dependents_go_on());
        let bad = bad.filter(|_| task.spec.join == Join::All);
        match bad {
            Some(need) if !undo => self.skip(ix, SkipReason::Upstream { task: need }),
            Some(_) | None => self.make_ready(ix),
        }
    }

    pub fn make_ready(&mut self, ix: TaskIx) {
        self.emit(Event::TaskReady { task: ix });
        self.advance(ix);
    }

    /// What a READY task does without a worker: be skipped, expand, ask, wait. One that needs a worker stays READY.
    pub fn advance(&mut self, ix: TaskIx) {
        if !self.project.may_start() || self.project.task(ix).status != TaskStatus::Ready {
            return;
        }
        let spec = self.project.task(ix).spec.clone();
        if let Some(source) = &spec.foreach {
            if let Err(failure) = self.expand(ix, source) {
                self.fail(ix, failure);
            }
            return;
        }
        if let Some(condition) = &spec.when {
            match self.holds(ix, condition) {
                Ok(true) => {}
                Ok(false) => return self.skip(ix, SkipReason::Condition),
                Err(failure) => return self.fail(ix, failure),
            }
        }
        let begun = match &spec.action {
            Action::Run(_) | Action::Http(_) | Action::Agent(_) | Action::Land(_) => Ok(()),
            Action::Approval(approval) => self.ask(ix, approval),
            Action::Wait(wait) => self.wait(ix, wait),
            Action::External(external) => self.offer(ix, external),
            Action::Workflow(child) => self.start_child(ix, child),
        };
        if let Err(failure) = begun {
            self.fail(ix, failure);
        }
    }

    fn ask(&mut self, ix: TaskIx, approval: &ApprovalSpec) -> Result<(), Failure> {
        let ask = cut(self.render(ix, &approval.ask)?, limits::COMMENT_BYTES);
        let due = approval.timeout_ms.map(|timeout_ms| self.turn.now.plus(timeout_ms));
        self.await_outside(ix, Await::Approval { ask }, due);
        Ok(())
    }

    fn wait(&mut self, ix: TaskIx, wait: &WaitSpec) -> Result<(), Failure> {
        match wait {
            WaitSpec::Duration { ms } => self.await_outside(ix, Await::Time, Some(self.turn.now.plus(*ms))),
            WaitSpec::Until(template) => {
                let text = cut(self.render(ix, template)?, limits::NAME_BYTES);
                let until = Millis::from_rfc3339(text.trim()).ok_or_else(|| {
                    Failure::new(FailureClass::Expression, format!("{text:?} is not a time like 2026-01-31T08:00:00Z"))
                })?;
                self.await_outside(ix, Await::Time, Some(until));
            }
            WaitSpec::Signal { name, timeout_ms } => {
                let name = self.render(ix, name)?;
                if name.len() > limits::NAME_BYTES {
                    let message =
                        format!("a signal's name has at most {} bytes, not {}", limits::NAME_BYTES, name.len());
                    return Err(Failure::new(FailureClass::Oversized, message));
                }
                let due = timeout_ms.map(|timeout_ms| self.turn.now.plus(timeout_ms));
                self.await_outside(ix, Await::Signal { name: name.clone() }, due);
                let waiting = self.project.core.signals.iter().find(|signal| signal.name == name);
                if let Some(payload) = waiting.map(|signal| signal.payload.clone()) {
                    self.answer(Actor::Engine, ix, Ok(payload), String::new());
                }
            }
        }
        Ok(())
    }

    fn offer(&mut self, ix: TaskIx, external: &ExternalSpec) -> Result<(), Failure> {
        let payload = self.render(ix, &external.payload)?;
        if payload.len() > limits::EXTERNAL_PAYLOAD_BYTES {
            let (most, got) = (limits::EXTERNAL_PAYLOAD_BYTES, payload.len());
            let message = format!("what a worker is given has at most {most} bytes, not {got}");
            return Err(Failure::new(FailureClass::Oversized, message));
        }
        self.await_outside(ix, Await::External { queue: external.queue.clone(), payload }, None);
        Ok(())
    }

    pub fn await_outside(&mut self, ix: TaskIx, what: Await, due: Option<Millis>) {
        let attempt = self.next_attempt(ix);
        self.emit(Event::TaskAwaits { task: ix, attempt, what, due });
        if let Some(due) = due {
            self.effect(Effect::SetTimer { due, key: TimerKey::Task(ix) });
        }
    }

    /// The number under which the task starts next: an interrupted attempt goes on.
    pub fn next_attempt(&self, ix: TaskIx) -> Attempt {
        let task = self.project.task(ix);
        let goes_on = task.more.as_ref().is_some_and(|more| more.interrupted);
        if goes_on { task.attempt } else { task.attempt.next() }
    }

    /// Settles a wait: a person, a signal, a time, a worker or a child has answered.
    pub fn answer(&mut self, actor: Actor, ix: TaskIx, result: Result<Payload, Failure>, comment: String) {
        self.emit_by(actor, Event::TaskAnswered { task: ix, result: result.clone(), comment });
        match result {
            Ok(output) => self.complete(ix, output),
            Err(failure) => self.fail(ix, failure),
        }
    }

    pub fn answer_approval(&mut self, actor: Actor, ix: TaskIx, decision: Decision, comment: String) {
        if self.answer_agent(ix, &decision, &comment) {
            return;
        }
        let said = |word: &str| if comment.is_empty() { word.to_owned() } else { format!("{word}: {comment}") };
        let result = match decision {
            Decision::Approved => {
                let value = serde_json::json!({ "approved": true, "comment": comment });
                self.turn.vault.keep(value.to_string().into_bytes()).map_err(Failure::from)
            }
            Decision::Rejected => Err(Failure::new(FailureClass::Rejected, said("rejected"))),
        };
        self.answer(actor, ix, result, comment);
    }

    /// A timer of a task.
    pub fn task_due(&mut self, ix: TaskIx) {
        let Some(task) = self.project.core.tasks.get(ix.at()) else { return };
        let Some(due) = task.due() else { return };
        if due > self.turn.now {
            // The clock went back, or the deadline was moved: wait on.
            self.effect(Effect::SetTimer { due, key: TimerKey::Task(ix) });
            return;
        }
        let (status, awaits) = (task.status, task.awaits().cloned());
        match (status, awaits) {
            (TaskStatus::Backoff, _) => self.make_ready(ix),
            (TaskStatus::AwaitingSignal, Some(Await::Time)) => {
                let now = serde_json::Value::String(due.to_rfc3339()).to_string();
                let output = self.turn.vault.keep(now.into_bytes()).map_err(Failure::from);
                self.answer(Actor::Engine, ix, output, String::new());
            }
            (TaskStatus::AwaitingSignal, Some(Await::Signal { name })) => {
                let message = format!("no signal {name:?} before the deadline");
                self.answer(Actor::Engine, ix, Err(Failure::new(FailureClass::Expired, message)), String::new());
            }
            (TaskStatus::AwaitingSignal, Some(Await::External { .. })) => self.emit(Event::LeaseExpired { task: ix }),
            (TaskStatus::AwaitingApproval, Some(Await::Approval { .. })) => {
                let Action::Approval(approval) = self.project.task(ix).spec.action.clone() else { return };
                let comment = "no answer before the deadline".to_owned();
                match approval.on_timeout {
                    OnTimeout::Approve => self.answer_approval(Actor::Engine, ix, Decision::Approved, comment),
                    OnTimeout::Reject => {
                        let failure = Failure::new(FailureClass::Expired, "no approval before the deadline");
                        self.answer(Actor::Engine, ix, Err(failure), comment);
                    }
                }
            }
            // A timer that outlived what it was for.
            _ => {}
        }
    }

    // --- ends and setbacks -------------------------------------------------------------------------------------------

    pub fn complete(&mut self, ix: TaskIx, output: Payload) {
        if let Err(failure) = self.give_items(ix, &output) {
            return self.fail(ix, failure);
        }
        self.emit(Event::TaskCompleted { task: ix, output });
        self.settled(ix);
    }

    /// What an item gives is on record before its end is, so that its `foreach` does not end in between.
    fn give_items(&mut self, ix: TaskIx, output: &Payload) -> Result<(), Failure> {
        let Origin::Item { of, .. } = self.project.task(ix).origin else { return Ok(()) };
        if self.is_given_up(ix) {
            return Ok(());
        }
        let items = self.further_items(ix, output)?;
        if items.is_empty() { Ok(()) } else { self.add_items(of, items) }
    }

    pub fn skip(&mut self, ix: TaskIx, reason: SkipReason) {
        self.emit(Event::TaskSkipped { task: ix, reason });
        self.settled(ix);
    }

    /// An attempt failed, or could not begin: retry, branch, pause or fail, as the policy of the transition says.
    pub fn fail(&mut self, ix: TaskIx, failure: Failure) {
        let task = self.project.task(ix);
        if self.is_given_up(ix) {
            self.emit(Event::TaskCancelled { task: ix });
            return;
        }
        // What must not happen twice has happened: only a person may have it done again.
        let once_done = task.steps().iter().any(|step| {
            step.effect == EffectClass::Once && step.outcome.as_ref().is_some_and(|outcome| outcome.result.is_ok())
        });
        let rules = self.project.retry_rules(ix);
        let policy = if task.status == TaskStatus::Validating { rules.for_validating() } else { rules.for_running() };
        let more = task.more.as_deref();
        let in_series = task.attempt.0 - more.map_or(0, |more| more.before_series);
        let elapsed_ms = more.and_then(|more| more.series_began).map_or(0, |began| self.turn.now.since(began));
        let seed = self.project.created.seed ^ split_mix(u64::from(ix.0));
        // What fails before it starts (a template, a condition) will fail again: it is not a try.
        let verdict = match task.status {
            TaskStatus::Ready | TaskStatus::Debugging => Verdict::NotRetried,
            _ if once_done => Verdict::NotRetried,
            _ => policy.verdict(in_series.max(1), elapsed_ms, &failure, seed),
        };
        let (attempt, on_exhausted) = (task.attempt, policy.on_exhausted);
        if let Verdict::Retry { delay_ms } = verdict {
            let due = self.turn.now.plus(delay_ms);
            self.emit(Event::TaskBackoff { task: ix, attempt, failure, delay_ms, due });
            self.effect(Effect::SetTimer { due, key: TimerKey::Task(ix) });
            return;
        }
        let branches = task.more.as_ref().map_or(0, |more| more.branches);
        let may_branch =
            matches!(task.status, TaskStatus::Running | TaskStatus::Validating | TaskStatus::AwaitingSignal);
        let may_branch = may_branch && !once_done;
        let repairs = branches - task.more.as_ref().map_or(0, |more| more.mergers);
        let branch = task.spec.on_failure.as_ref().filter(|branch| may_branch && repairs < branch.max);
        if branch.is_some() {
            self.open_branch(ix, branches + 1, failure);
            return;
        }
        self.give_up(ix, failure, on_exhausted);
    }

    pub fn open_branch(&mut self, ix: TaskIx, number: u32, failure: Failure) {
        self.emit(Event::BranchOpened { task: ix, branch: number, failure });
        if let Some(branch) = self.project.task(ix).more.as_ref().and_then(|more| more.branch) {
            self.make_ready(branch);
        }
    }

    pub fn give_up(&mut self, ix: TaskIx, failure: Failure, on_exhausted: OnExhausted) {
        let task = self.project.task(ix);
        // A person's no, a failed child and a failed item are answers, not accidents: there is nothing to resume.
        let is_answer = matches!(task.status, TaskStatus::AwaitingApproval | TaskStatus::Pending)
            || matches!(failure.class, FailureClass::Rejected)
            || matches!(task.awaits(), Some(Await::Items));
        let is_branch = matches!(task.origin, Origin::Branch { .. });
        let attempt = task.attempt;
        match on_exhausted {
            OnExhausted::Pause if !is_answer && !is_branch => {
                let class = failure.class;
                self.emit(Event::TaskExhausted { task: ix, attempt, failure });
                self.hold(HoldReason::Exhausted { task: ix, class });
            }
            OnExhausted::Pause | OnExhausted::Fail => self.fail_for_good(ix, failure, false),
            OnExhausted::Continue => self.fail_for_good(ix, failure, true),
        }
    }

    pub fn fail_for_good(&mut self, ix: TaskIx, failure: Failure, tolerated: bool) {
        self.emit(Event::TaskFailed { task: ix, failure, tolerated });
        self.settled(ix);
    }

    /// After a task became terminal: its dependents, its `foreach`, the task it was a branch of.
    pub fn settled(&mut self, ix: TaskIx) {
        let task = self.project.task(ix);
        let free = task.dependents.iter().copied().filter(|dependent| {
            let dependent = self.project.task(*dependent);
            !dependent.is_held_back() && dependent.status == TaskStatus::Pending
        });
        let free: Vec<TaskIx> = free.collect();
        self.unblocked.extend(free.into_iter().rev());
        match self.project.task(ix).origin {
            Origin::Item { of, .. } => self.item_settled(of),
            Origin::Branch { of, .. } => self.branch_settled(of, ix),
            Origin::Declared(_) | Origin::Added | Origin::Undo { .. } => {}
        }
    }

    pub fn item_settled(&mut self, of: TaskIx) {
        let parent = self.project.task(of);
        let waiting = matches!(parent.awaits(), Some(Await::Items)) && parent.status == TaskStatus::AwaitingSignal;
        if !waiting || parent.more.as_ref().is_none_or(|more| more.open_items > 0) {
            return;
        }
        let count = parent.items().count();
        let failed: Vec<TaskIx> =
            parent.items().filter(|item| !self.project.task(*item).lets_dependents_go_on()).collect();
        match failed.first() {
            None => match self.collect_outputs(of) {
                Ok(output) => self.complete(of, output),
                Err(failure) => self.fail(of, failure),
            },
            Some(first) => {
                // Those that were only skipped for another's sake say nothing about what went wrong.
                let told = failed.iter().find(|item| self.project.task(**item).failure().is_some()).unwrap_or(first);
                let item = self.project.task(*told);
                let class = item.failure().map_or(FailureClass::Cancelled, |failure| failure.class);
                let why = item.failure().map_or_else(|| item.status.to_string(), ToString::to_string);
                let message = format!("{} of {count} items failed, first {}: {why}", failed.len(), item.name);
                let policy = self.project.retry_rules(of).for_running().on_exhausted;
                self.give_up(of, Failure::new(class, message), policy);
            }
        }
    }

    pub fn branch_settled(&mut self, of: TaskIx, branch: TaskIx) {
        if self.project.task(of).status != TaskStatus::Debugging {
            return;
        }
        if self.project.task(branch).lets_dependents_go_on() {
            self.make_ready(of);
            return;
        }
        let class = self.project.task(of).failure().map_or(FailureClass::Internal, |failure| failure.class);
        let what = self.project.task(of).failure().map_or_else(String::new, |failure| failure.message.clone());
        let branch = self.project.task(branch);
        let why = branch.failure().map_or_else(String::new, |failure| format!(": {}", failure.message));
        let message = cut(format!("{what}; its branch {} did not repair it{why}", branch.name), limits::COMMENT_BYTES);
        let policy = self.project.retry_rules(of).for_running().on_exhausted;
        self.give_up(of, Failure::new(class, message), policy);
    }

    // --- foreach -----------------------------------------------------------------------------------------------------

    fn expand(&mut self, ix: TaskIx, source: &str) -> Result<(), Failure> {
        if self.project.task(ix).more.as_ref().is_some_and(|more| more.items.is_some()) {
            // Retried: its items are there, those to be run again are PENDING.
            self.await_outside(ix, Await::Items, None);
            self.unblocked.extend(self.project.task(ix).items().rev());
            self.item_settled(ix);
            return Ok(());
        }
        let items = self.items(ix, source)?;
        let refused = |problem| Failure::new(FailureClass::Expression, format!("the foreach: {problem}"));
        let items = self.placed(ix, items, None).map_err(refused)?;
        self.have_room(items.len())?;
        let (count, first) = (items.len(), TaskIx(self.project.core.tasks.len() as u32));
        let items = self.turn.vault.keep(serde_json::Value::Array(items).to_string().into_bytes())?;
        self.emit(Event::Expanded { task: ix, items, count: count as u32 });
        self.await_outside(ix, Await::Items, None);
        for offset in 0..count as u32 {
            let item = TaskIx(first.0 + offset);
            if !self.project.task(item).is_held_back() {
                self.make_ready(item);
            }
        }
        if count == 0 {
            self.item_settled(ix);
        }
        Ok(())
    }
}

/// At most `most` bytes of a text that is only shown.
pub(super) fn cut(mut text: String, most: usize) -> String {
    if text.len() > most {
        let mut end = most;
        while !text.is_char_boundary(end) {
            end -= 1;
        }
        text.truncate(end);
        text.push('…');
    }
    text
}
