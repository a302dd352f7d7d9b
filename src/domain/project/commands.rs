//! What people, API callers and parents ask for. A refused command changes nothing; a refusal that an audit will want to
//! see (a second, different answer; a stale token) is recorded.

use std::collections::HashSet;

use crate::domain::budget::{Caps, Dimension};
use crate::domain::effect::{Effect, TimerKey};
use crate::domain::event::{Await, Decision, DoubtAnswer, Event, HoldReason};
use crate::domain::failure::{Failure, FailureClass};
use crate::domain::ids::TaskIx;
use crate::domain::limits;
use crate::domain::machine::{ProjectStatus, TaskStatus};
use crate::domain::workflow::Action;

use super::input::{Command, Refusal, RefusalKind};
use super::lifecycle::Taking;
use super::state::Origin;

type Taken = Result<(), Refusal>;

impl Taking<'_> {
    pub fn command(&mut self, command: Command) -> Taken {
        let status = self.project.core.status;
        if status.is_terminal() {
            return match command {
                // A cancel that comes too late has nothing left to do, and that is fine.
                Command::Cancel { .. } | Command::Kill { .. } if status == ProjectStatus::Cancelled => Ok(()),
                _ => Err(self
                    .refuse(RefusalKind::Terminal, format!("the project is {status}; nothing more can happen to it"))),
            };
        }
        if let Some(problem) = command.too_long() {
            return Err(self.refuse(RefusalKind::Limit, problem));
        }
        match command {
            Command::Pause { comment } => self.pause(comment),
            Command::Resume { in_doubt, budget, comment } => self.resume(in_doubt, budget, comment),
            Command::Allow { more } => self.allow(&more),
            Command::Cancel { undo, comment } => {
                self.cancel(undo, comment);
                Ok(())
            }
            Command::Kill { comment } => {
                self.kill(comment);
                Ok(())
            }
            Command::Retry { task } => self.retry(task),
            Command::Answer { task, decision, comment } => self.answer_command(task, decision, comment),
            Command::Signal { name, payload, request } => self.signal(name, &payload, request),
            Command::Add { tasks, phase } => self.add(tasks, phase),
            Command::Claim { task, worker } => self.claim(&task, worker),
            Command::Heartbeat { task, token } => self.heartbeat(&task, token),
            Command::Result { task, token, result } => self.result(&task, token, result),
        }
    }

    pub(super) fn refuse(&self, kind: RefusalKind, message: String) -> Refusal {
        Refusal::new(kind, message)
    }

    pub(super) fn named(&self, name: &str) -> Result<TaskIx, Refusal> {
        self.project.find(name).ok_or_else(|| {
            let near = self.project.names.keys().filter(|known| strsim::damerau_levenshtein(known, name) <= 2).min();
            let hint = near.map_or_else(String::new, |near| format!("; did you mean {near:?}?"));
            self.refuse(RefusalKind::UnknownTask, format!("there is no task {name:?}{hint}"))
        })
    }

    fn pause(&mut self, comment: String) -> Taken {
        match self.project.core.status {
            ProjectStatus::Paused if matches!(self.project.core.hold, Some(HoldReason::Person { .. })) => Ok(()),
            ProjectStatus::Cancelling => {
                Err(self.refuse(RefusalKind::WrongState, "the project is being cancelled".to_owned()))
            }
            // Also when it is held already: a person's pause does not end when the disk has room again.
            _ => {
                self.emit_as_asked(Event::Held { reason: HoldReason::Person { comment } });
                Ok(())
            }
        }
    }

    fn resume(&mut self, in_doubt: Option<DoubtAnswer>, budget: Option<Caps>, comment: String) -> Taken {
        let doubtful: Vec<TaskIx> =
            self.project.indices().filter(|ix| self.project.task(*ix).status == TaskStatus::InDoubt).collect();
        let caps = budget.map(|given| self.project.core.caps.raised_by(&given));
        if let Some(HoldReason::Budget { dimension }) = &self.project.core.hold
            && !caps.is_some_and(|caps| caps.allows_more(&self.project.core.caps, *dimension))
            && !self.lifts_phase_cap(budget.as_ref(), *dimension)
        {
            let message = format!("the budget of {dimension} is used up; give more with --budget {dimension}=...");
            return Err(self.refuse(RefusalKind::WrongState, message));
        }
        if in_doubt.is_some() && doubtful.is_empty() {
            return Err(self.refuse(RefusalKind::WrongState, "no task is in doubt".to_owned()));
        }
        if let Some(caps) = caps {
            self.emit_as_asked(Event::BudgetRaised { caps });
            self.arm_wall_timer();
        }
        if let Some(answer) = in_doubt {
            for ix in doubtful {
                self.settle_doubt(ix, answer);
            }
        }
        self.release(self.turn.actor.clone(), comment);
        Ok(())
    }

    /// Whether a given cap takes the place of a phase's: the project had none in that dimension, so only a phase's was reached.
    fn lifts_phase_cap(&self, given: Option<&Caps>, dimension: Dimension) -> bool {
        let of = |caps: &Caps| match dimension {
            Dimension::Calls => caps.calls,
            Dimension::Tokens => caps.tokens,
            Dimension::Usd => caps.usd_micros,
            Dimension::Wall => caps.wall_ms,
        };
        of(&self.project.core.caps).is_none() && given.and_then(of).is_some()
    }

    // --- retry -------------------------------------------------------------------------------------------------------

    fn retry(&mut self, task: Option<String>) -> Taken {
        let wanted: Vec<TaskIx> = match &task {
            Some(name) => vec![self.named(name)?],
            None => self.project.indices().filter(|ix| self.retryable(*ix)).collect(),
        };
        if let Some(ix) = wanted.iter().find(|ix| !self.retryable(**ix)) {
            let task = self.project.task(*ix);
            let message = format!(
                "task {} is {} in a project that is {}; only a failed, skipped or waiting one of its present phase is retried",
                task.name, task.status, self.project.core.status
            );
            return Err(self.refuse(RefusalKind::WrongState, message));
        }
        if wanted.is_empty() {
            return Err(self.refuse(RefusalKind::WrongState, "no task has failed".to_owned()));
        }
        let mut list = wanted;
        let mut seen: HashSet<TaskIx> = list.iter().copied().collect();
        let mut at = 0;
        while let Some(&ix) = list.get(at) {
            at += 1;
            let items = self.project.task(ix).items().filter(|item| self.retryable(*item));
            let parent = match self.project.task(ix).origin {
                Origin::Item { of, .. } if self.retryable(of) => Some(of),
                Origin::Item { .. }
                | Origin::Declared(_)
                | Origin::Added
                | Origin::Branch { .. }
                | Origin::Undo { .. } => None,
            };
            let below = self.project.task(ix).dependents.iter().copied().filter(|ix| self.skipped_upstream(*ix));
            let more: Vec<TaskIx> = items.chain(parent).chain(below).filter(|ix| seen.insert(*ix)).collect();
            list.extend(more);
        }
        for &ix in &list {
            self.emit_as_asked(Event::TaskRetried { task: ix });
        }
        if matches!(self.project.core.hold, Some(HoldReason::Exhausted { .. })) {
            self.release(self.turn.actor.clone(), "retry".to_owned());
        }
        self.unblocked.extend(list.into_iter().rev());
        Ok(())
    }

    fn retryable(&self, ix: TaskIx) -> bool {
        let task = self.project.task(ix);
        let now = match self.project.course() {
            // A cancel only takes back.
            ProjectStatus::Cancelling => matches!(task.origin, Origin::Undo { .. }),
            // The phase is done; what comes next depends on the gate alone.
            ProjectStatus::AwaitingApproval => false,
            _ => self.project.core.phase == Some(task.phase) && !task.retired,
        };
        // A branch that failed is history: its task opens a new one.
        let failed = task.status == TaskStatus::Failed && !matches!(task.origin, Origin::Branch { .. });
        // What went on without a tolerated failure is not called back.
        let untouched = task.dependents.iter().all(|dependent| {
            self.project.task(*dependent).status == TaskStatus::Pending || self.skipped_upstream(*dependent)
        });
        let failed = failed && untouched;
        now && (failed || task.status == TaskStatus::Backoff || self.skipped_upstream(ix))
    }

    fn skipped_upstream(&self, ix: TaskIx) -> bool {
        let task = self.project.task(ix);
        task.status == TaskStatus::Skipped && task.more.as_ref().is_some_and(|more| more.skipped_upstream)
    }

    // --- answers -----------------------------------------------------------------------------------------------------

    fn answer_command(&mut self, task: Option<String>, decision: Decision, comment: String) -> Taken {
        let open: Vec<TaskIx> = self
            .project
            .awaiting()
            .filter(|ix| self.project.task(*ix).status == TaskStatus::AwaitingApproval)
            .collect();
        let ix = match (task, self.project.core.gate.is_some(), open.as_slice()) {
            (Some(name), ..) => self.named(&name)?,
            (None, true, []) if self.project.core.status == ProjectStatus::Paused => {
                let message = "the project is paused; resume it, then answer".to_owned();
                return Err(self.refuse(RefusalKind::WrongState, message));
            }
            (None, true, []) => {
                self.answer_gate(self.turn.actor.clone(), decision, comment);
                return Ok(());
            }
            (None, false, [only]) => *only,
            (None, false, []) => {
                let what = format!("{decision:?}");
                return Err(self.refuse_on_record(
                    what,
                    RefusalKind::WrongState,
                    "nothing waits for an approval".to_owned(),
                ));
            }
            (None, _, several) => {
                let names: Vec<&str> = several.iter().map(|ix| &*self.project.task(*ix).name).collect();
                let message = format!("several approvals are open; name one of: {}", names.join(", "));
                return Err(self.refuse(RefusalKind::Ambiguous, message));
            }
        };
        let task = self.project.task(ix);
        // An agent asks while it waits for a person, and only then.
        let asks = matches!(task.spec.action, Action::Approval(_)) || task.status == TaskStatus::AwaitingApproval;
        if !asks {
            let message = format!("task {} asks for no approval, it is a {}", task.name, task.spec.action.keyword());
            return Err(self.refuse(RefusalKind::Invalid, message));
        }
        match task.status {
            TaskStatus::AwaitingApproval => {
                self.answer_approval(self.turn.actor.clone(), ix, decision, comment);
                Ok(())
            }
            status if status.is_terminal() => {
                let (name, what) = (task.name.clone(), format!("{decision:?} {}", task.name));
                let message = format!("task {name} was answered before and is {status}; the first answer stands");
                Err(self.refuse_on_record(what, RefusalKind::AlreadyAnswered, message))
            }
            status => {
                let message = format!("task {} is {status} and does not ask yet", task.name);
                Err(self.refuse(RefusalKind::WrongState, message))
            }
        }
    }

    fn signal(&mut self, name: String, payload: &serde_json::Value, request: String) -> Taken {
        if !request.is_empty() && self.project.core.requests.contains(&request) {
            return Ok(());
        }
        let payload = payload.to_string().into_bytes();
        if name.is_empty() || name.len() > limits::NAME_BYTES {
            let message = format!("a signal's name has 1 to {} bytes", limits::NAME_BYTES);
            return Err(self.refuse(RefusalKind::Invalid, message));
        }
        if payload.len() > limits::SIGNAL_PAYLOAD_BYTES || self.project.core.signals.len() >= limits::PENDING_SIGNALS {
            let message = "the payload is too large, or too many signals wait to be taken";
            return Err(self.refuse(RefusalKind::Limit, message.to_owned()));
        }
        let payload = self.keep(payload)?;
        self.emit_as_asked(Event::SignalReceived { name: name.clone(), payload: payload.clone(), request });
        let waiting = self.project.awaiting().find(
            |ix| matches!(self.project.task(*ix).awaits(), Some(Await::Signal { name: wanted }) if *wanted == name),
        );
        if let Some(ix) = waiting {
            self.answer(crate::domain::event::Actor::Engine, ix, Ok(payload), String::new());
        }
        Ok(())
    }

    pub(super) fn keep(&self, bytes: Vec<u8>) -> Result<crate::domain::payload::Payload, Refusal> {
        self.turn.vault.keep(bytes).map_err(|error| self.refuse(RefusalKind::Limit, error.to_string()))
    }

    // --- external workers --------------------------------------------------------------------------------------------

    fn external(&self, name: &str) -> Result<TaskIx, Refusal> {
        let ix = self.named(name)?;
        let task = self.project.task(ix);
        match task.awaits() {
            Some(Await::External { .. }) if task.status == TaskStatus::AwaitingSignal => Ok(ix),
            _ => {
                let message = format!("task {name} is {} and waits for no worker", task.status);
                Err(self.refuse(RefusalKind::WrongState, message))
            }
        }
    }

    fn lease_ms(&self, ix: TaskIx) -> u64 {
        match &self.project.task(ix).spec.action {
            Action::External(external) => external.lease_ms,
            Action::Run(_)
            | Action::Approval(_)
            | Action::Wait(_)
            | Action::Http(_)
            | Action::Workflow(_)
            | Action::Agent(_)
            | Action::Land(_) => 0,
        }
    }

    fn claim(&mut self, name: &str, worker: String) -> Taken {
        let ix = self.external(name)?;
        if let Some(lease) = self.project.task(ix).more.as_ref().and_then(|more| more.lease.as_ref())
            && lease.until > self.turn.now
        {
            let message = format!("task {name} is taken by {} until {}", lease.worker, lease.until);
            return Err(self.refuse(RefusalKind::WrongState, message));
        }
        // Never 0: that stands for "no claim".
        let token = self.turn.entropy | 1;
        let until = self.turn.now.plus(self.lease_ms(ix));
        self.emit_as_asked(Event::LeaseTaken { task: ix, worker, token, until });
        self.effect(Effect::SetTimer { due: until, key: TimerKey::Task(ix) });
        self.out.answer = Some(token);
        Ok(())
    }

    fn check_token(&mut self, ix: TaskIx, token: u64, what: &str) -> Taken {
        let lease = self.project.task(ix).more.as_ref().and_then(|more| more.lease.as_ref());
        let valid = match lease {
            Some(lease) => lease.token == token && lease.until > self.turn.now,
            None => token == 0,
        };
        if valid {
            return Ok(());
        }
        let message = format!("the claim {token} of task {} is not, or no longer, valid", self.project.task(ix).name);
        Err(self.refuse_on_record(what.to_owned(), RefusalKind::StaleToken, message))
    }

    fn heartbeat(&mut self, name: &str, token: u64) -> Taken {
        let ix = self.external(name)?;
        self.check_token(ix, token, "heartbeat")?;
        if self.project.task(ix).more.as_ref().is_some_and(|more| more.lease.is_some()) {
            let until = self.turn.now.plus(self.lease_ms(ix));
            self.emit_as_asked(Event::LeaseRenewed { task: ix, until });
        }
        Ok(())
    }

    fn result(&mut self, name: &str, token: u64, result: Result<serde_json::Value, String>) -> Taken {
        let ix = self.external(name)?;
        self.check_token(ix, token, "result")?;
        let result = match result {
            Ok(value) => {
                let bytes = value.to_string().into_bytes();
                if bytes.len() > limits::SIGNAL_PAYLOAD_BYTES {
                    let message = format!("a result has at most {} bytes", limits::SIGNAL_PAYLOAD_BYTES);
                    return Err(self.refuse(RefusalKind::Limit, message));
                }
                Ok(self.keep(bytes)?)
            }
            Err(message) => Err(Failure::new(FailureClass::Exit, message)),
        };
        self.answer(self.turn.actor.clone(), ix, result, String::new());
        Ok(())
    }
}
