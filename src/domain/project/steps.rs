//! Attempts as walks over steps: step 0 is the action, the following ones are the validations. A step that has an outcome
//! in the journal is read back, never run again.

use crate::domain::budget::Amounts;
use crate::domain::effect::{Effect, StepOrder, StepRequest, TimerKey, WorkspaceOrder};
use crate::domain::event::{Event, HoldReason, StepOutcome};
use crate::domain::failure::{Failure, FailureClass};
use crate::domain::ids::{Attempt, Digest, StepIx, TaskIx};
use crate::domain::limits;
use crate::domain::machine::TaskStatus;
use crate::domain::payload::Payload;
use crate::domain::sandbox::Allowance;
use crate::domain::workflow::{Action, AgentSpec, EffectClass, OutputFormat, Timeouts, WorkspaceKind};

use super::lifecycle::Taking;
use super::state::{Origin, Project};

impl Taking<'_> {
    /// A worker is free for a READY task.
    pub fn start(&mut self, ix: TaskIx) {
        let Some(task) = self.project.core.tasks.get(ix.at()) else { return };
        if task.status != TaskStatus::Ready || !task.needs_worker() || !self.project.may_start() {
            return;
        }
        let attempt = self.next_attempt(ix);
        let goes_on = attempt == task.attempt;
        let next = if goes_on { task.steps().len() } else { 0 };
        let action = match self.action_request(ix) {
            Ok(action) => action,
            Err(failure) => return self.fail(ix, failure),
        };
        if !self.budget_allows(ix) {
            return;
        }
        self.emit(Event::TaskStarted { task: ix, attempt });
        if next == 0 {
            self.start_step(ix, attempt, StepIx(0), action);
            return;
        }
        // Read back what is there: the same action must still be what ran.
        let (recorded, present) = (self.project.task(ix).steps()[0].input, digest_of(&action));
        if recorded != present {
            self.emit(Event::Diverged { task: ix, attempt, step: StepIx(0), recorded, present });
            let message = format!("what would run now ({present:?}) is not what ran ({recorded:?})");
            return self.fail(ix, Failure::new(FailureClass::Diverged, message));
        }
        let last = &self.project.task(ix).steps()[next - 1];
        let ended = last.outcome.as_ref().and_then(|outcome| Some((outcome.result.clone().err()?, outcome.code)));
        match ended {
            // The engine stopped between the failure and what follows from it.
            Some((failure, code)) => self.step_failed(ix, last.ix, failure, code),
            None => self.next_step(ix, attempt, StepIx(next as u32)),
        }
    }

    fn step_failed(&mut self, ix: TaskIx, step: StepIx, failure: Failure, code: Option<i32>) {
        if self.project.is_merge_conflict(ix, &failure) {
            return self.resolve_conflict(ix, failure);
        }
        // The repository, not the work, is at fault: what the agent did stands, and only its merge is asked for again.
        let is_merge = self.project.is_merge_step(ix, step);
        if is_merge
            && matches!(failure.class, FailureClass::Workspace | FailureClass::Internal)
            && !self.is_given_up(ix)
        {
            return self.park_merge(ix, failure);
        }
        let task = self.project.task(ix);
        let must_not_repeat = task.steps().last().is_some_and(|last| last.effect == EffectClass::Once);
        if must_not_repeat && may_have_happened(failure.class, code) {
            let attempt = task.attempt;
            self.emit(Event::TaskInDoubt { task: ix, attempt, step });
            return;
        }
        let is_check = step.0 > 0 && failure.class == FailureClass::Exit;
        let class = if is_check { FailureClass::Validation } else { failure.class };
        if is_check && self.project.task(ix).status == TaskStatus::Running {
            self.emit(Event::TaskValidating { task: ix });
        }
        self.fail(ix, Failure { class, ..failure });
    }

    /// The step after those that have an outcome: a validation, or the end of the attempt.
    fn next_step(&mut self, ix: TaskIx, attempt: Attempt, step: StepIx) {
        let spec = self.project.task(ix).spec.clone();
        let Some(check) = spec.validate.get(step.at() - 1) else {
            let action = self.project.task(ix).steps()[0].outcome.as_ref();
            let output = action.and_then(|outcome| outcome.result.clone().ok()).unwrap_or_default();
            if !self.project.is_merge_step(ix, step) {
                return self.complete(ix, output);
            }
            // What is wrong with what it gives is found before its work is merged.
            return match self.further_items(ix, &output) {
                Ok(_) => self.start_merge(ix, attempt, step),
                Err(failure) => self.fail(ix, failure),
            };
        };
        if !self.may_go_on(ix, attempt, step) {
            return;
        }
        let command = self.render(ix, check);
        match command {
            Ok(command) => {
                let output = OutputFormat::Text;
                self.start_step(ix, attempt, step, StepRequest::Run { command, probe: None, output });
            }
            Err(failure) => self.fail(ix, failure),
        }
    }

    /// Before a further step: a held project ends what runs and starts nothing, and the attempt goes on there when it is released.
    fn may_go_on(&mut self, ix: TaskIx, attempt: Attempt, step: StepIx) -> bool {
        if self.project.task(ix).status == TaskStatus::Running {
            self.emit(Event::TaskValidating { task: ix });
        }
        let goes_on = self.project.may_start() && self.budget_allows(ix);
        if !goes_on {
            self.emit(Event::StepInterrupted { task: ix, attempt, step, crashed: false });
        }
        goes_on
    }

    /// The last step of a task whose files are merged.
    fn start_merge(&mut self, ix: TaskIx, attempt: Attempt, step: StepIx) {
        if self.may_go_on(ix, attempt, step) {
            let order = self.project.merge_order(ix, self.turn.vault);
            self.start_step(ix, attempt, step, StepRequest::Merge(Box::new(order)));
        }
    }

    /// A branch task is opened that resolves the conflict; the attempt waits for it in its merge.
    fn resolve_conflict(&mut self, ix: TaskIx, failure: Failure) {
        let branches = self.project.task(ix).more.as_ref().map_or(0, |more| more.branches);
        if self.is_given_up(ix) {
            self.emit(Event::TaskCancelled { task: ix });
        } else if self.project.mergers_so_far(ix) < limits::MERGE_BRANCHES {
            self.open_branch(ix, branches + 1, failure);
        } else {
            let policy = self.project.retry_rules(ix).for_validating().on_exhausted;
            self.give_up(ix, failure, policy);
        }
    }

    fn start_step(&mut self, ix: TaskIx, attempt: Attempt, step: StepIx, request: StepRequest) {
        let env = match self.environment(ix) {
            Ok(env) => env,
            Err(failure) => return self.fail(ix, failure),
        };
        let input = digest_of(&request);
        let trees = if step.0 == 0 { self.project.start_trees(ix) } else { self.project.trees_after_action(ix) };
        let task = self.project.task(ix);
        let effect = match step.0 {
            0 => self.project.effect_class(ix),
            _ if self.project.is_merge_step(ix, step) => EffectClass::Probed,
            _ => EffectClass::Pure,
        };
        let maybe_ran = task.more.as_ref().is_some_and(|more| more.maybe_ran);
        let workspace = WorkspaceOrder {
            kind: self.project.created.workspace,
            base_dir: self.project.created.base_dir.as_str().into(),
            base_commit: self.project.created.base_commit.as_deref().map(Into::into),
            trees: trees.clone(),
        };
        let allowed = self.project.reach_of(ix);
        let order = StepOrder {
            project: self.project.id.clone(),
            task: ix,
            name: task.name.clone(),
            attempt,
            step,
            input,
            effect,
            maybe_ran,
            timeouts: timeouts(&request, task.spec.timeout, &allowed),
            allowed,
            workspace,
            env,
            secrets: self.project.definition.secrets_of(&task.spec),
            reserved: Amounts::ONE_CALL,
            calls: if step.0 == 0 { task.calls().to_vec() } else { Vec::new() },
            request,
        };
        self.emit(Event::StepStarted {
            task: ix,
            attempt,
            step,
            input,
            shown: shown(&order, &self.project.task(ix).spec.action),
            effect,
            reserved: Amounts::ONE_CALL,
            tree: match trees.as_slice() {
                [only] => Some(only.clone()),
                _ => None,
            },
        });
        self.effect(Effect::RunStep(Box::new(order)));
    }

    /// Whether one more step fits the caps; if not, the project is held.
    fn budget_allows(&mut self, ix: TaskIx) -> bool {
        match self.project.would_break(ix, Amounts::ONE_CALL) {
            None => true,
            Some(dimension) => {
                self.hold(HoldReason::Budget { dimension });
                false
            }
        }
    }

    /// A step reports how it ended.
    pub fn step_done(&mut self, ix: TaskIx, attempt: Attempt, step: StepIx, outcome: Box<StepOutcome>) {
        if self.project.core.status.is_terminal() {
            return;
        }
        let Some(task) = self.project.core.tasks.get(ix.at()) else { return };
        let was_stopped = matches!(&outcome.result, Err(failure) if failure.class == FailureClass::Interrupted);
        if was_stopped && task.status == TaskStatus::AwaitingApproval {
            // An agent's walk that ended because it asked a person.
            return;
        }
        let fits = task.attempt == attempt && task.open_step().is_some_and(|open| open.ix == step);
        if !fits || !task.status.is_active() {
            let what = format!("an outcome of {} attempt {attempt} step {step}", task.name);
            let why = format!("the task is {} in attempt {}", task.status, task.attempt);
            self.emit(Event::Refused { what, why });
            return;
        }
        // What it has not told the outcome of may have been paid for, however it ended.
        self.lose_calls(ix);
        let outcome = self.readable(ix, step, outcome);
        if let Err(failure) = &outcome.result {
            let class = failure.class;
            if class == FailureClass::Interrupted {
                return self.interrupted(ix, attempt, step);
            }
            if step.0 == 0 && self.is_of_provider(ix, failure) && !self.is_given_up(ix) {
                return self.park(ix, failure.clone());
            }
        }
        let (result, code) = (outcome.result.clone(), outcome.code);
        self.emit(Event::StepFinished { task: ix, attempt, step, outcome });
        match result {
            _ if self.is_given_up(ix) => match result {
                // Its work is on the integration branch: that and "completed" are one.
                Ok(_) if self.project.is_merge_step(ix, step) => self.next_step(ix, attempt, step.next()),
                // It ran to its end before it could be stopped: what it did can be taken back.
                Ok(output) if self.project.task(ix).status == TaskStatus::Running && !self.project.merges(ix) => {
                    self.complete(ix, output);
                }
                Ok(_) | Err(_) => self.emit(Event::TaskCancelled { task: ix }),
            },
            Ok(_) => self.next_step(ix, attempt, step.next()),
            Err(failure) => self.step_failed(ix, step, failure, code),
        }
    }

    /// A merge that says that it worked and not what it made has not worked.
    fn readable(&self, ix: TaskIx, step: StepIx, mut outcome: Box<StepOutcome>) -> Box<StepOutcome> {
        if let Ok(payload) = &outcome.result
            && self.project.is_merge_step(ix, step)
            && let Err(problem) = super::integration::merged_of(payload, self.turn.vault)
        {
            outcome.result = Err(Failure::new(FailureClass::Internal, problem));
        }
        outcome
    }

    /// A step was stopped in its middle by an engine that stops in order: as after a crash, whether it happened is unknown.
    fn interrupted(&mut self, ix: TaskIx, attempt: Attempt, step: StepIx) {
        let once = self.project.task(ix).open_step().is_some_and(|open| open.effect == EffectClass::Once);
        if self.is_given_up(ix) {
            self.emit(Event::TaskCancelled { task: ix });
        } else if once {
            self.emit(Event::TaskInDoubt { task: ix, attempt, step });
        } else {
            self.emit(Event::StepInterrupted { task: ix, attempt, step, crashed: false });
        }
    }

    /// Whether the project is being cancelled and the task is not part of that.
    pub fn is_given_up(&self, ix: TaskIx) -> bool {
        self.project.is_cancelling() && !matches!(self.project.task(ix).origin, Origin::Undo { .. })
    }

    pub fn due(&mut self, key: TimerKey) {
        if self.project.core.status.is_terminal() {
            return;
        }
        match key {
            TimerKey::Task(ix) => self.task_due(ix),
            TimerKey::Gate => self.gate_due(),
            TimerKey::Wall => self.wall_due(),
        }
    }

    /// Settles the doubt about a step of an IN_DOUBT task.
    pub fn settle_doubt(&mut self, ix: TaskIx, answer: crate::domain::event::DoubtAnswer) {
        use crate::domain::event::DoubtAnswer;
        self.emit_as_asked(Event::DoubtSettled { task: ix, answer });
        match answer {
            DoubtAnswer::Rerun => self.make_ready(ix),
            DoubtAnswer::Done => self.complete(ix, Payload::default()),
            DoubtAnswer::Fail => {
                let message = "a person decided that its step did not work";
                self.fail_for_good(ix, Failure::new(FailureClass::Rejected, message), false);
            }
        }
    }
}

impl Project {
    /// Whether the action of a task has ended well in its present attempt, whatever its checks say.
    pub(super) fn action_succeeded(&self, ix: TaskIx) -> bool {
        let action = self.task(ix).steps().first().and_then(|step| step.outcome.as_ref());
        action.is_some_and(|outcome| outcome.result.is_ok())
    }

    /// Whether the action of a task must not run twice.
    pub fn runs_once(&self, ix: TaskIx) -> bool {
        self.effect_class(ix) == EffectClass::Once
    }

    /// What may be done with the action of a task when its outcome stays unknown.
    fn effect_class(&self, ix: TaskIx) -> EffectClass {
        let task = self.task(ix);
        if let Some(declared) = task.spec.effect {
            return declared;
        }
        if task.spec.probe.is_some() {
            return EffectClass::Probed;
        }
        match &task.spec.action {
            Action::Http(request) => match request.method.as_str() {
                "GET" | "HEAD" => EffectClass::Pure,
                "PUT" | "DELETE" => EffectClass::Idempotent,
                _ => EffectClass::Once,
            },
            // Its calls have classes of their own; the walk over them may begin again at any time.
            Action::Agent(_) => EffectClass::Restorable,
            Action::Land(_) => EffectClass::Probed,
            Action::Run(_) | Action::Approval(_) | Action::Wait(_) | Action::Workflow(_) | Action::External(_) => {
                match self.created.workspace {
                    WorkspaceKind::Worktree => EffectClass::Restorable,
                    WorkspaceKind::Dir | WorkspaceKind::None => EffectClass::Idempotent,
                }
            }
        }
    }
}

impl StepIx {
    fn at(self) -> usize {
        self.0 as usize
    }
}

/// Whether a step that failed like this may have had its effect all the same. A command's own exit code and a server's status
/// say what happened; a step that was stopped, broke off, or succeeded with an output that cannot be used does not.
fn may_have_happened(class: FailureClass, code: Option<i32>) -> bool {
    use FailureClass as Class;
    match class {
        _ if code == Some(0) => true,
        Class::Timeout | Class::Idle | Class::Signal | Class::Transport | Class::Oversized | Class::Internal => true,
        // With a code there was an answer, which only could not be read; without one the request could not be made.
        Class::Malformed => code.is_some(),
        Class::Interrupted | Class::Cancelled | Class::Uncertain => true,
        Class::Exit
        | Class::NotFound
        | Class::Validation
        | Class::Unreachable
        | Class::HttpClient
        | Class::HttpServer
        | Class::RateLimited
        | Class::Rejected
        | Class::Expired
        | Class::Expression
        | Class::Conflict
        | Class::Workspace
        | Class::Child
        | Class::Diverged
        | Class::Poison
        | Class::Quota
        | Class::Credits
        | Class::Overloaded
        | Class::ContextOverflow
        | Class::Truncated
        | Class::EmptyReply
        | Class::Refusal
        | Class::Auth
        | Class::BadRequest
        | Class::ModelNotFound
        | Class::Stuck
        | Class::Turns
        | Class::Budget
        | Class::Sandbox => false,
    }
}

/// The identity of a request: a walk that meets another one than it recorded has diverged.
fn digest_of(request: &StepRequest) -> Digest {
    let text = match request {
        StepRequest::Run { command, probe, output } => {
            format!("run\0{command}\0{}\0{output:?}", probe.as_deref().unwrap_or_default())
        }
        StepRequest::Http { request, output } => {
            format!("http\0{}\0{output:?}", json(request))
        }
        // What earlier attempts failed with and which models there are is not what is asked.
        StepRequest::Agent(agent) => {
            let spec = AgentSpec { models: Vec::new(), ..agent.spec.clone() };
            format!("agent\0{}\0{}\0{}", json(&spec), agent.with, json(&agent.resolves))
        }
        StepRequest::Merge(order) => format!("merge\0{}", json(order)),
        StepRequest::Land(order) => match &order.back {
            None => format!("land\0{}", order.into),
            Some(before) => format!("land back\0{}", json(before)),
        },
    };
    Digest::of(text.as_bytes())
}

/// A part of a request as text that stays the same from release to release.
fn json(part: &impl serde::Serialize) -> String {
    serde_json::to_string(part).expect("a request holds only text keys, so it serialises")
}

/// The text of a request for the journal, when it does not stand in the definition word for word.
fn shown(order: &StepOrder, action: &Action) -> String {
    let text = match (&order.request, action) {
        (StepRequest::Run { command, .. }, Action::Run(declared)) if command == declared => return String::new(),
        (StepRequest::Run { command, .. }, _) => command.clone(),
        (StepRequest::Http { request, .. }, _) => format!("{} {}", request.method, request.url),
        (StepRequest::Agent(agent), _) => agent.spec.role.clone(),
        (StepRequest::Merge(order), _) => format!("merge {}", order.tree.as_deref().unwrap_or_default()),
        (StepRequest::Land(order), _) => format!("land {} into {}", order.commit, order.into),
    };
    let mut end = text.len().min(limits::EXCERPT_BYTES);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text[..end].to_owned()
}

/// The time limits of a step: a command without a limit of its own has the usual one.
fn timeouts(request: &StepRequest, own: Timeouts, allowed: &Allowance) -> Timeouts {
    match request {
        StepRequest::Run { .. } => Timeouts { total_ms: own.total_ms.or(allowed.task_timeout_ms), ..own },
        // A conversation is bounded by turns and budget, and its commands each by a limit of their own.
        StepRequest::Http { .. } | StepRequest::Agent(_) | StepRequest::Merge(_) | StepRequest::Land(_) => own,
    }
}
