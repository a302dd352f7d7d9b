//! The rules of calls inside an agent's step, of the budget that they share with steps, and of merges.

use wfctl::domain::budget::{Amounts, Caps, Ledger};
use wfctl::domain::call::{CallIntent, CallKind, CallOutcome};
use wfctl::domain::event::Event;
use wfctl::domain::failure::{Failure, FailureClass};
use wfctl::domain::limits;
use wfctl::domain::machine::{Phase, ProjectStatus as P, TaskStatus as T};
use wfctl::domain::project::Project;
use wfctl::domain::workflow::EffectClass;

use super::{Checked, Kind, Model, Taken, ensure};

/// What is charged or held back: calls, tokens, money.
pub(super) type Sum = [u64; 3];

/// One call as its records tell it.
#[derive(Debug, Clone)]
pub(super) struct Call {
    kind: CallKind,
    effect: EffectClass,
    reserved: Sum,
    open: bool,
    /// The class of its failure, once it ended.
    ended: Option<Option<FailureClass>>,
}

/// What a project and each of its phases have used or hold back.
#[derive(Debug, Clone, Default)]
pub(super) struct Accounts {
    all: Sum,
    of_phase: [Sum; 7],
    phase_caps_off: bool,
    /// A call that was begun while nothing may begin: its end is the next record, and it cost nothing.
    noted: Option<(u32, u32)>,
}

fn sum_of(amounts: Amounts) -> Sum {
    [amounts.calls, amounts.tokens, amounts.usd_micros]
}

fn caps_of(caps: &Caps) -> [Option<u64>; 3] {
    [caps.calls, caps.tokens, caps.usd_micros]
}

fn add(to: &mut Sum, what: Sum) {
    to.iter_mut().zip(what).for_each(|(to, what)| *to += what);
}

/// Classes that nothing but a provider of models fails an agent's step with.
fn of_providers(class: FailureClass) -> bool {
    use FailureClass as C;
    let waits = [C::RateLimited, C::Quota, C::Overloaded, C::HttpServer, C::Transport, C::Unreachable, C::Uncertain];
    waits.contains(&class) || [C::Credits, C::Auth, C::ModelNotFound].contains(&class)
}

impl Model {
    /// Takes from both accounts what was `freed`, adds what was `taken`.
    pub(super) fn account(&mut self, ix: u32, freed: Sum, taken: Sum) -> Checked {
        let phase = self.tasks[ix as usize].phase as usize;
        for sum in [&mut self.accounts.all, &mut self.accounts.of_phase[phase]] {
            for (at, freed) in freed.into_iter().enumerate() {
                sum[at] = sum[at].checked_sub(freed).ok_or("more is given back than was held")?;
            }
            add(sum, taken);
        }
        Ok(())
    }

    /// No cap is passed. Asked where something is reserved: what a call used beyond that is nobody's promise.
    pub(super) fn within_caps(&self, phase: Phase) -> Checked {
        let holds = |used: Sum, caps: &Caps| {
            used.iter().zip(caps_of(caps)).all(|(used, cap)| cap.is_none_or(|cap| *used <= cap))
        };
        let accounts = &self.accounts;
        ensure(holds(accounts.all, &self.caps), || format!("{:?} is more than {:?}", accounts.all, self.caps))?;
        let of_phase = self.definition.phase(phase).map_or_else(Caps::default, |spec| spec.budget);
        let used = accounts.of_phase[phase as usize];
        ensure(accounts.phase_caps_off || holds(used, &of_phase), || {
            format!("{phase}: {used:?} is more than {of_phase:?}")
        })
    }

    pub(super) fn raise(&mut self, caps: Caps) {
        self.accounts.phase_caps_off |= caps_of(&caps) != caps_of(&self.caps);
        self.caps = caps;
    }

    /// What a live state has in its ledgers is what the records add up to.
    pub(super) fn accounts_agree(&self, project: &Project) -> Checked {
        let total = |ledger: &Ledger| {
            let mut all = sum_of(ledger.spent);
            add(&mut all, sum_of(ledger.reserved));
            all
        };
        let theirs = total(project.ledger());
        ensure(theirs == self.accounts.all, || {
            format!("{theirs:?} in the ledger, {:?} by the records", self.accounts.all)
        })?;
        for phase in Phase::ALL {
            let (theirs, mine) = (total(project.phase_ledger(phase)), self.accounts.of_phase[phase as usize]);
            ensure(theirs == mine, || format!("{theirs:?} in the ledger of {phase}, {mine:?} by the records"))?;
        }
        let mut held = Sum::default();
        for task in &self.tasks {
            held[0] += task.steps.iter().filter(|(_, outcome)| outcome.is_none()).count() as u64;
            task.calls.iter().filter(|call| call.open).for_each(|call| add(&mut held, call.reserved));
        }
        let theirs = sum_of(project.ledger().reserved);
        ensure(theirs == held, || format!("{theirs:?} is reserved where {held:?} is open"))
    }

    /// Before every record but the end of a call that was only noted.
    pub(super) fn nothing_noted(&mut self, event: &Event) -> Checked {
        let Some((task, call)) = self.accounts.noted.take() else { return Ok(()) };
        let ends = matches!(event, Event::CallFinished { task: of, call: ix, .. } if (of.0, ix.0) == (task, call));
        ensure(ends, || format!("call {call} of task {task} begins while nothing may"))
    }

    pub(super) fn call_event(&mut self, event: &Event, taken: &mut Taken) -> Checked {
        match event {
            Event::CallStarted { task, attempt, call } => self.call_started(task.0, attempt.0, call),
            Event::CallFinished { task, attempt, call, outcome } => {
                self.call_finished(task.0, attempt.0, call.0, outcome)
            }
            Event::CallUncertain { task, attempt, call, charged } => {
                self.in_attempt(task.0, attempt.0)?;
                let open = self.tasks[task.at()].calls.get_mut(call.0 as usize).filter(|call| call.open);
                let open = open.ok_or("no such call is open")?;
                ensure(open.effect == EffectClass::Paid, || format!("a {} call is charged", open.effect.name()))?;
                ensure(sum_of(*charged) == open.reserved, || "charged other than what was reserved".to_owned())?;
                open.open = false;
                Ok(())
            }
            Event::TaskParked { task, attempt, failure, due } => {
                self.parked(task.0, attempt.0, failure, due.map(|due| due.0), taken)
            }
            other => Err(format!("unknown to the checker: {other:?}")),
        }
    }

    fn in_attempt(&self, ix: u32, attempt: u32) -> Checked {
        let task = self.tasks.get(ix as usize).ok_or_else(|| format!("there is no task {ix}"))?;
        ensure(task.attempt == attempt, || format!("attempt {}", task.attempt))
    }

    fn call_started(&mut self, ix: u32, attempt: u32, call: &CallIntent) -> Checked {
        ensure(self.step_runs(ix, attempt, 0), || "no walk of that attempt runs".to_owned())?;
        let task = &mut self.tasks[ix as usize];
        ensure(task.status == T::Running, || format!("a call of a task in {}", task.status))?;
        ensure(task.calls.iter().all(|call| !call.open), || "another call is open".to_owned())?;
        // One whose outcome was lost is made again under its number.
        task.calls.pop_if(|last| last.ended.is_none());
        ensure(task.calls.len() == call.ix.0 as usize, || format!("call {} after {}", call.ix, task.calls.len()))?;
        ensure(task.calls.len() < limits::CALLS_PER_ATTEMPT, || "one call too many".to_owned())?;
        let reserved = sum_of(call.reserved);
        task.calls.push(Call { kind: call.kind, effect: call.effect, reserved, open: true, ended: None });
        let (phase, undo) = (task.phase, matches!(task.kind, Kind::Undo(_)));
        if self.may_start().is_err() || self.status == P::Cancelling && !undo {
            ensure(reserved == Sum::default(), || format!("a call begins while the project is {}", self.status))?;
            self.accounts.noted = Some((ix, call.ix.0));
        }
        self.account(ix, Sum::default(), reserved)?;
        if reserved == Sum::default() { Ok(()) } else { self.within_caps(phase) }
    }

    fn call_finished(&mut self, ix: u32, attempt: u32, call: u32, outcome: &CallOutcome) -> Checked {
        self.in_attempt(ix, attempt)?;
        let open = self.tasks[ix as usize].calls.get_mut(call as usize).filter(|call| call.open);
        let open = open.ok_or("no such call is open")?;
        open.open = false;
        open.ended = Some(outcome.result.as_ref().err().map(|failure| failure.class));
        let (reserved, kind) = (open.reserved, open.kind);
        let status = self.tasks[ix as usize].status;
        let answers = kind == CallKind::Ask && status == T::AwaitingApproval;
        ensure(status == T::Running || answers, || format!("a call of a task in {status} ends"))?;
        let usage = outcome.usage.unwrap_or_default();
        self.account(ix, reserved, [reserved[0], usage.input_tokens + usage.output_tokens, usage.usd_micros])
    }

    fn parked(&mut self, ix: u32, attempt: u32, failure: &Failure, due: Option<u64>, taken: &mut Taken) -> Checked {
        self.in_attempt(ix, attempt)?;
        let task = &mut self.tasks[ix as usize];
        let merge_failed = task.spec.merge && task.steps.len() == task.spec.validate.len() + 2;
        if merge_failed {
            // The repository is at fault: only the merge is made again, when a person has looked.
            let at_fault = matches!(failure.class, FailureClass::Workspace | FailureClass::Internal);
            ensure(at_fault && due.is_none(), || format!("a merge is parked for {}", failure.class))?;
            ensure(task.steps.pop().is_some_and(|(_, ended)| ended == Some(false)), || "its merge runs".to_owned())?;
            self.step_task(ix, "Backoff", &[T::Validating], T::Backoff, taken)?;
        } else {
            let by_model = task.calls.last().is_some_and(|call| {
                matches!(call.kind, CallKind::Model | CallKind::Compact) && call.ended == Some(Some(failure.class))
            });
            ensure(by_model || of_providers(failure.class), || "parked, and no model has failed".to_owned())?;
            self.end_walk(ix)?;
            self.free_open_step(ix)?;
            self.step_task(ix, "Backoff", &[T::Running], T::Backoff, taken)?;
        }
        let task = &mut self.tasks[ix as usize];
        (task.goes_on, task.due) = (true, due);
        Ok(())
    }

    /// The walk over calls is over: what is open is given back, unless it may have been paid for.
    pub(super) fn end_walk(&mut self, ix: u32) -> Checked {
        let Some(open) = self.tasks[ix as usize].calls.iter_mut().find(|call| call.open) else { return Ok(()) };
        ensure(open.effect != EffectClass::Paid, || "a call that may have been paid for is given back".to_owned())?;
        open.open = false;
        let reserved = open.reserved;
        self.account(ix, reserved, Sum::default())
    }

    /// An agent waits for the answer to its question.
    pub(super) fn asks(&mut self, ix: u32) -> Checked {
        let Some(last) = self.tasks[ix as usize].calls.last_mut() else { return Ok(()) };
        ensure(last.kind == CallKind::Ask && last.ended.is_none(), || {
            "an agent waits and has asked nothing".to_owned()
        })?;
        ensure(last.reserved == Sum::default(), || "a question costs something".to_owned())?;
        last.open = true;
        Ok(())
    }

    /// A person answered: the attempt goes on.
    pub(super) fn is_answered(&mut self, ix: u32) -> Checked {
        let task = &mut self.tasks[ix as usize];
        let answered = task.calls.last().is_some_and(|last| last.kind == CallKind::Ask && last.ended.is_some());
        ensure(answered, || "goes on without an answer".to_owned())?;
        task.goes_on = true;
        Ok(())
    }

    // --- merges ------------------------------------------------------------------------------------------------------

    fn merge_step(&self, ix: u32) -> Option<usize> {
        let spec = &self.tasks[ix as usize].spec;
        (spec.merge && self.worktree).then_some(spec.validate.len() + 1)
    }

    /// A task whose files are merged is completed by that and nothing else.
    pub(super) fn is_merged(&self, ix: u32) -> Checked {
        let task = &self.tasks[ix as usize];
        let merged = self.merge_step(ix).is_none_or(|at| matches!(task.steps.get(at), Some((_, Some(true)))));
        let is_list = !task.items.is_empty();
        ensure(merged || is_list || task.status == T::InDoubt, || {
            format!("completed without a merge: {:?}", task.steps)
        })
    }

    /// A branch is opened: to resolve a conflict, or to repair. Gives the kind.
    pub(super) fn branch_kind(&mut self, ix: u32, number: u32, failure: &Failure) -> Result<Kind, String> {
        let at_merge = self.merge_step(ix).is_some_and(|at| self.tasks[ix as usize].steps.len() == at + 1);
        let task = &mut self.tasks[ix as usize];
        if !(at_merge && failure.class == FailureClass::Conflict) {
            let most = task.spec.on_failure.as_ref().map_or(0, |branch| branch.max);
            ensure(number - task.mergers <= most, || format!("branch {number} of {most}"))?;
            return Ok(Kind::Branch(ix));
        }
        task.steps.pop();
        task.goes_on = true;
        task.mergers += 1;
        let (mut at, mut count) = (ix, 0);
        loop {
            count += self.tasks[at as usize].mergers;
            match self.tasks[at as usize].kind {
                Kind::Merger(of) => at = of,
                _ => break,
            }
        }
        ensure(count <= limits::MERGE_BRANCHES, || format!("{count} mergers for one conflict"))?;
        Ok(Kind::Merger(ix))
    }
}
