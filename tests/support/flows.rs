//! Workflows and outcomes in a few words.

use std::sync::Arc;

use wfctl::domain::budget::{Amounts, Caps};
use wfctl::domain::event::StepOutcome;
use wfctl::domain::failure::{Failure, FailureClass};
use wfctl::domain::machine::Phase;
use wfctl::domain::payload::Payload;
use wfctl::domain::retry::{OnExhausted, RetryPolicy};
use wfctl::domain::workflow::{
    Action, ApprovalSpec, BranchSpec, ChildSpec, Definition, ExternalSpec, Limits, LoopBack, OnTimeout, PhaseSpec,
    RetryRules, TaskSpec, WaitSpec, WorkspaceKind,
};

/// A command of its own name.
pub fn run(name: &str, needs: &[&str]) -> TaskSpec {
    with_needs(TaskSpec::new(name, Action::Run(name.to_owned())), needs)
}

pub fn with_needs(mut spec: TaskSpec, needs: &[&str]) -> TaskSpec {
    spec.needs = needs.iter().map(|need| (*need).to_owned()).collect();
    spec
}

pub fn approval(name: &str, timeout_ms: Option<u64>, on_timeout: OnTimeout) -> TaskSpec {
    TaskSpec::new(name, Action::Approval(ask(timeout_ms, on_timeout)))
}

pub fn ask(timeout_ms: Option<u64>, on_timeout: OnTimeout) -> ApprovalSpec {
    ApprovalSpec { ask: "sure?".to_owned(), timeout_ms, on_timeout }
}

pub fn wait_ms(name: &str, ms: u64) -> TaskSpec {
    TaskSpec::new(name, Action::Wait(WaitSpec::Duration { ms }))
}

pub fn wait_signal(name: &str, signal: &str, timeout_ms: Option<u64>) -> TaskSpec {
    TaskSpec::new(name, Action::Wait(WaitSpec::Signal { name: signal.to_owned(), timeout_ms }))
}

pub fn external(name: &str, lease_ms: u64) -> TaskSpec {
    TaskSpec::new(name, Action::External(ExternalSpec { queue: "queue".to_owned(), lease_ms, payload: String::new() }))
}

pub fn child(name: &str, workflow: &str) -> TaskSpec {
    TaskSpec::new(name, Action::Workflow(ChildSpec { workflow: workflow.to_owned(), inputs: Default::default() }))
}

pub fn branch(name: &str, max: u32) -> Arc<BranchSpec> {
    Arc::new(BranchSpec { action: Action::Run(name.to_owned()), max })
}

/// A policy without jitter: 1 s, 2 s, 4 s, ...
pub fn policy(max_attempts: u32, on_exhausted: OnExhausted) -> RetryPolicy {
    RetryPolicy { max_attempts, on_exhausted, jitter_percent: 0, ..RetryPolicy::default() }
}

pub fn retry(max_attempts: u32, on_exhausted: OnExhausted) -> Option<Arc<RetryRules>> {
    Some(Arc::new(RetryRules { all: policy(max_attempts, on_exhausted), ..RetryRules::default() }))
}

/// A workflow with the single phase BUILD.
pub fn flow(tasks: Vec<TaskSpec>) -> Definition {
    phases(vec![phase(Phase::Build, tasks)])
}

pub fn phases(phases: Vec<PhaseSpec>) -> Definition {
    Definition {
        name: "flow".to_owned(),
        description: String::new(),
        inputs: Default::default(),
        workspace: WorkspaceKind::None,
        limits: Limits::default(),
        budget: Caps::default(),
        env: Default::default(),
        pass_env: Vec::new(),
        retry: RetryRules::default(),
        models: Default::default(),
        merge: Default::default(),
        phases,
        children: Default::default(),
    }
}

pub fn phase(phase: Phase, tasks: Vec<TaskSpec>) -> PhaseSpec {
    PhaseSpec {
        phase,
        tasks: tasks.into_iter().map(Arc::new).collect(),
        approval: None,
        loop_back: None,
        budget: Default::default(),
    }
}

pub fn back_to(goto: Phase, max: u32) -> Option<LoopBack> {
    Some(LoopBack { goto, max })
}

pub fn outcome(result: Result<Payload, Failure>) -> StepOutcome {
    StepOutcome { result, log: None, code: None, duration_ms: 1, used: Amounts::default(), tree: None }
}

pub fn good() -> StepOutcome {
    outcome(Ok(Payload::inline(b"\"ok\"").unwrap()))
}

pub fn bad(class: FailureClass) -> StepOutcome {
    outcome(Err(Failure::new(class, "as planned")))
}
