//! Workflows and outcomes in a few words.

use std::sync::Arc;

use wfctl::domain::budget::{Amounts, Caps};
use wfctl::domain::call::{CallIntent, CallKind, CallOutcome};
use wfctl::domain::chat::Usage;
use wfctl::domain::event::StepOutcome;
use wfctl::domain::failure::{Failure, FailureClass};
use wfctl::domain::ids::{CallIx, Digest};
use wfctl::domain::machine::Phase;
use wfctl::domain::payload::Payload;
use wfctl::domain::retry::{OnExhausted, RetryPolicy};
use wfctl::domain::workflow::{
    Action, AgentSpec, ApprovalSpec, BranchSpec, ChildSpec, Definition, EffectClass, ExternalSpec, Limits, LoopBack,
    OnTimeout, PhaseSpec, RetryRules, TaskSpec, WaitSpec, WorkspaceKind,
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
        sandbox: Default::default(),
        allowed: None,
        name: "flow".to_owned(),
        description: String::new(),
        inputs: Default::default(),
        workspace: WorkspaceKind::None,
        limits: Limits::default(),
        budget: Caps::default(),
        env: Default::default(),
        pass_env: Vec::new(),
        secrets: Vec::new(),
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
        loop_back_max: None,
        budget: Default::default(),
    }
}

pub fn back_to(goto: Phase, max: u32) -> Option<LoopBack> {
    Some(LoopBack { goto, max })
}

pub fn outcome(result: Result<Payload, Failure>) -> StepOutcome {
    StepOutcome { result, log: None, code: None, duration_ms: 1, used: Amounts::default(), tree: None, ran_under: None }
}

pub fn good() -> StepOutcome {
    outcome(Ok(Payload::inline(b"\"ok\"").unwrap()))
}

pub fn bad(class: FailureClass) -> StepOutcome {
    outcome(Err(Failure::new(class, "as planned")))
}

/// An agent; what it does are the calls that a test makes for it.
pub fn agent(name: &str, needs: &[&str]) -> TaskSpec {
    let spec = AgentSpec {
        role: "implementer".to_owned(),
        models: Vec::new(),
        tools: Vec::new(),
        turns: None,
        budget: Caps::default(),
    };
    with_needs(TaskSpec::new(name, Action::Agent(spec)), needs)
}

/// Its files are merged.
pub fn merging(spec: TaskSpec) -> TaskSpec {
    TaskSpec { merge: true, ..spec }
}

/// A workflow whose files flow along the edges.
pub fn in_worktrees(definition: Definition) -> Definition {
    Definition { workspace: WorkspaceKind::Worktree, ..definition }
}

pub fn call(ix: u32, kind: CallKind, effect: EffectClass, reserved: Amounts) -> CallIntent {
    let label = "a/model".to_owned();
    CallIntent {
        ix: CallIx(ix),
        kind,
        label,
        input: Digest::of(&ix.to_be_bytes()),
        shown: String::new(),
        effect,
        reserved,
    }
}

/// A model call that holds back so many tokens, and as many millionths of a dollar.
pub fn model(ix: u32, tokens: u64) -> CallIntent {
    call(ix, CallKind::Model, EffectClass::Paid, Amounts { calls: 0, tokens, usd_micros: tokens })
}

pub fn tool(ix: u32) -> CallIntent {
    call(ix, CallKind::Tool, EffectClass::Restorable, Amounts::default())
}

pub fn ended(result: Result<Payload, Failure>, tokens: u64) -> CallOutcome {
    let usage = Usage { input_tokens: tokens, usd_micros: tokens, ..Usage::default() };
    CallOutcome {
        result,
        duration_ms: 1,
        usage: (tokens > 0).then_some(usage),
        full: None,
        tree: None,
        ran_under: None,
    }
}

pub fn answered(tokens: u64) -> CallOutcome {
    ended(Ok(Payload::inline(b"\"said\"").unwrap()), tokens)
}

/// What the merge queue answers after so many merges.
pub fn merged(position: u64) -> StepOutcome {
    let answer = serde_json::json!({
        "commit": format!("c{position}"), "integration": format!("h{position}"),
        "tree": format!("t{position}"), "position": position,
    });
    outcome(Ok(Payload::inline(answer.to_string().as_bytes()).unwrap()))
}

/// A step that left files behind.
pub fn left(tree: &str) -> StepOutcome {
    StepOutcome { tree: Some(tree.to_owned()), ..good() }
}
