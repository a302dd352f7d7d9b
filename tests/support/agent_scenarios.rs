//! Histories of agents: their calls, what they cost, what they wait for; plans, merges, and ways back with what was learnt.

use wfctl::domain::budget::{Amounts, Caps, Dimension};
use wfctl::domain::call::{CallInput, CallKind};
use wfctl::domain::effect::StepRequest;
use wfctl::domain::event::{Decision, Event, HoldReason};
use wfctl::domain::failure::{Failure, FailureClass as F};
use wfctl::domain::ids::{CallIx, ProjectId};
use wfctl::domain::machine::{Phase, ProjectStatus as P, TaskStatus as T};
use wfctl::domain::payload::PayloadSource as _;
use wfctl::domain::project::{Command, RefusalKind};
use wfctl::domain::retry::OnExhausted;
use wfctl::domain::workflow::{Definition, EffectClass, ItemGraph, TaskSpec};
use wfctl::engine::core::Reply;
use wfctl::engine::error::Error;

use super::super::support::flows::*;
use super::super::support::rig::*;
use super::{Scenario, answer, begin, cancel, drain, none, pause, resume, with};

pub fn all() -> Vec<(&'static str, Scenario)> {
    vec![
        ("agent", agent_to_the_end as Scenario),
        ("agent_asks", asks),
        ("agent_loses_a_call", loses_a_call),
        ("agent_parked", parked),
        ("agent_token_cap", token_cap),
        ("agent_phase_cap", phase_cap),
        ("agent_paused", paused),
        ("agent_cancelled", cancelled),
        ("plan", plan),
        ("plan_fails", plan_fails),
        ("plan_in_a_circle", plan_in_a_circle),
        ("merges", merges),
        ("merge_gate_red", merge_gate_red),
        ("feedback", feedback),
    ]
}

fn start(rig: &mut Rig, name: &str, ix: u32, tokens: u64) {
    rig.call(name, CallInput::Begin(Box::new(model(ix, tokens)))).unwrap();
}

fn end(rig: &mut Rig, name: &str, ix: u32, tokens: u64) {
    rig.call(name, CallInput::End(CallIx(ix), Box::new(answered(tokens)))).unwrap();
}

fn fail(rig: &mut Rig, name: &str, ix: u32, failure: &Failure) {
    rig.call(name, CallInput::End(CallIx(ix), Box::new(ended(Err(failure.clone()), 0)))).unwrap();
    rig.end(name, outcome(Err(failure.clone())));
}

fn refused(reply: Result<Reply, Error>) -> RefusalKind {
    match reply {
        Err(Error::Refused(refusal)) => refusal.kind,
        other => panic!("not refused: {other:?}"),
    }
}

fn attempt(rig: &Rig, id: &ProjectId, name: &str) -> u32 {
    let project = rig.project(id);
    project.task(project.find(name).unwrap()).attempt.0
}

fn tokens(rig: &Rig, id: &ProjectId) -> (u64, u64) {
    let ledger = rig.project(id).ledger();
    (ledger.spent.tokens, ledger.reserved.tokens)
}

fn agent_to_the_end() -> (Rig, ProjectId) {
    let (mut rig, id) = begin(flow(vec![agent("a", &[])]));
    let prompt = call(0, CallKind::Prompt, EffectClass::Pure, Amounts::default());
    rig.call("a", CallInput::Note(vec![(prompt, answered(0))])).unwrap();
    start(&mut rig, "a", 1, 100);
    assert_eq!(tokens(&rig, &id), (0, 100));
    end(&mut rig, "a", 1, 60);
    rig.call("a", CallInput::Begin(Box::new(tool(2)))).unwrap();
    rig.call("a", CallInput::End(CallIx(2), Box::new(answered(0)))).unwrap();
    assert_eq!(tokens(&rig, &id), (60, 0));
    rig.end("a", good());
    assert_eq!(rig.status(&id), P::Done);
    (rig, id)
}

fn asks() -> (Rig, ProjectId) {
    let (mut rig, id) = begin(flow(vec![agent("a", &[]), agent("b", &[])]));
    let question = |ix| Box::new(call(ix, CallKind::Ask, EffectClass::Pure, Amounts::default()));
    for name in ["a", "b"] {
        start(&mut rig, name, 0, 10);
        end(&mut rig, name, 0, 10);
        rig.call(name, CallInput::Ask(question(1), "which way?".to_owned())).unwrap();
        rig.end(name, bad(F::Interrupted));
        assert_eq!(rig.task(&id, name), T::AwaitingApproval);
    }
    // The question outlasts the engine, and each kind of answer goes to the agent.
    rig.restart();
    rig.command(&id, answer(Some("a"), Decision::Approved)).unwrap();
    rig.command(&id, answer(None, Decision::Rejected)).unwrap();
    for name in ["a", "b"] {
        let order = rig.order(name);
        let said = order.calls[1].outcome.as_ref().and_then(|outcome| outcome.result.clone().ok()).unwrap();
        let said = String::from_utf8(rig.vault.read(&said).unwrap().into_owned()).unwrap();
        assert!(said.starts_with(if name == "a" { "yes" } else { "no" }), "{said}");
        assert_eq!((order.attempt.0, order.calls.len()), (1, 2));
        start(&mut rig, name, 2, 10);
        end(&mut rig, name, 2, 10);
    }
    drain(&mut rig);
    assert_eq!(rig.status(&id), P::Done);
    (rig, id)
}

fn loses_a_call() -> (Rig, ProjectId) {
    let (mut rig, id) = begin(flow(vec![agent("a", &[])]));
    start(&mut rig, "a", 0, 100);
    rig.restart();
    assert_eq!(tokens(&rig, &id), (100, 0));
    let known = rig.order("a").calls[0].clone();
    assert_eq!((known.lost, known.outcome.is_none()), (1, true));
    start(&mut rig, "a", 0, 100);
    end(&mut rig, "a", 0, 40);
    // One that costs nothing is only made again.
    rig.call("a", CallInput::Begin(Box::new(tool(1)))).unwrap();
    assert_eq!(refused(rig.call("a", CallInput::Begin(Box::new(tool(1))))), RefusalKind::WrongState);
    rig.restart();
    assert_eq!(refused(rig.call("a", CallInput::End(CallIx(1), Box::new(answered(0))))), RefusalKind::WrongState);
    rig.call("a", CallInput::Begin(Box::new(tool(1)))).unwrap();
    rig.end("a", good());
    assert_eq!((tokens(&rig, &id), rig.status(&id)), ((140, 0), P::Done));
    (rig, id)
}

fn parked() -> (Rig, ProjectId) {
    let policy = |name| with(agent(name, &[]), 2, OnExhausted::Pause);
    let (mut rig, id) = begin(flow(vec![policy("a")]));
    let limited = Failure { retry_after_ms: Some(7_000), ..Failure::new(F::RateLimited, "slow down") };
    start(&mut rig, "a", 0, 10);
    fail(&mut rig, "a", 0, &limited);
    rig.pass(6_999);
    assert_eq!(rig.task(&id, "a"), T::Backoff);
    rig.pass(1);
    start(&mut rig, "a", 1, 10);
    end(&mut rig, "a", 1, 10);
    // The quota is used up for hours, in which the engine is replaced.
    let quota = Failure { retry_after_ms: Some(5 * 3_600_000), ..Failure::new(F::Quota, "used up") };
    start(&mut rig, "a", 2, 10);
    fail(&mut rig, "a", 2, &quota);
    rig.pass(3_600_000);
    rig.restart();
    assert_eq!(rig.task(&id, "a"), T::Backoff);
    rig.pass(4 * 3_600_000);
    assert_eq!((rig.task(&id, "a"), rig.order("a").calls.len()), (T::Running, 3));
    // No money: only a person can help.
    start(&mut rig, "a", 3, 10);
    fail(&mut rig, "a", 3, &Failure::new(F::Credits, "no money left"));
    assert!(matches!(rig.project(&id).hold(), Some(HoldReason::Exhausted { class: F::Credits, .. })));
    rig.restart();
    rig.command(&id, resume(None)).unwrap();
    start(&mut rig, "a", 4, 10);
    end(&mut rig, "a", 4, 10);
    assert_eq!(attempt(&rig, &id, "a"), 1);
    // A retry by hand, though, starts afresh.
    start(&mut rig, "a", 5, 10);
    fail(&mut rig, "a", 5, &quota);
    rig.command(&id, Command::Retry { task: Some("a".to_owned()) }).unwrap();
    assert_eq!((attempt(&rig, &id, "a"), rig.order("a").calls.len()), (2, 0));
    rig.end("a", good());
    (rig, id)
}

fn raised(tokens: u64) -> Command {
    Command::Resume { in_doubt: None, budget: Some(Caps { tokens: Some(tokens), ..Caps::default() }), comment: none() }
}

fn capped(definition: Definition) -> (Rig, ProjectId) {
    let (mut rig, id) = begin(definition);
    start(&mut rig, "a", 0, 60);
    assert_eq!(refused(rig.call("b", CallInput::Begin(Box::new(model(0, 60))))), RefusalKind::Budget);
    assert_eq!(rig.project(&id).hold(), Some(&HoldReason::Budget { dimension: Dimension::Tokens }));
    rig.end("b", bad(F::Interrupted));
    end(&mut rig, "a", 0, 60);
    rig.end("a", good());
    assert_eq!(refused(rig.command(&id, resume(None))), RefusalKind::WrongState);
    rig.command(&id, raised(150)).unwrap();
    start(&mut rig, "b", 0, 60);
    end(&mut rig, "b", 0, 60);
    assert_eq!(attempt(&rig, &id, "b"), 1);
    rig.end("b", good());
    assert_eq!(rig.status(&id), P::Done);
    (rig, id)
}

fn token_cap() -> (Rig, ProjectId) {
    let mut definition = flow(vec![agent("a", &[]), agent("b", &[])]);
    definition.budget.tokens = Some(100);
    capped(definition)
}

fn phase_cap() -> (Rig, ProjectId) {
    let mut build = phase(Phase::Build, vec![agent("a", &[]), agent("b", &[])]);
    build.budget.tokens = Some(100);
    capped(phases(vec![build]))
}

fn paused() -> (Rig, ProjectId) {
    let (mut rig, id) = begin(flow(vec![agent("a", &[])]));
    start(&mut rig, "a", 0, 10);
    rig.command(&id, pause()).unwrap();
    end(&mut rig, "a", 0, 10);
    assert_eq!(refused(rig.call("a", CallInput::Begin(Box::new(model(1, 10))))), RefusalKind::WrongState);
    // What was read already is kept; what it would cost is not.
    rig.call("a", CallInput::Note(vec![(tool(1), answered(0))])).unwrap();
    assert_eq!(refused(rig.call("a", CallInput::Note(vec![(model(2, 1), answered(0))]))), RefusalKind::WrongState);
    rig.end("a", bad(F::Interrupted));
    rig.command(&id, resume(None)).unwrap();
    assert_eq!(rig.order("a").calls.len(), 2);
    rig.end("a", good());
    (rig, id)
}

fn cancelled() -> (Rig, ProjectId) {
    let (mut rig, id) = begin(flow(vec![agent("a", &[]), agent("b", &[])]));
    start(&mut rig, "a", 0, 10);
    start(&mut rig, "b", 0, 10);
    rig.command(&id, cancel(true)).unwrap();
    end(&mut rig, "a", 0, 5);
    assert_eq!(refused(rig.call("a", CallInput::Begin(Box::new(model(1, 10))))), RefusalKind::WrongState);
    rig.end("a", bad(F::Cancelled));
    // Stopped in the middle, and killed: both may have to be paid.
    rig.command(&id, Command::Kill { comment: none() }).unwrap();
    assert_eq!(tokens(&rig, &id), (15, 0));
    (rig, id)
}

fn planned(items: &str, after: bool) -> Definition {
    let graph = ItemGraph { id: "id".to_owned(), needs: "needs".to_owned() };
    let each = TaskSpec { foreach: Some(items.to_owned()), item_graph: Some(graph), ..run("each", &[]) };
    let tasks = if after { vec![each, run("after", &["each"])] } else { vec![each] };
    flow(tasks.into_iter().map(|spec| with(spec, 1, OnExhausted::Fail)).collect())
}

const PLAN: &str = r#"[{"id": "c", "needs": ["a", "b"]}, {"id": "b", "needs": ["a"]}, {"id": "a"}, {"id": "d"}]"#;

fn plan() -> (Rig, ProjectId) {
    let (mut rig, id) = begin(planned(PLAN, true));
    assert_eq!(rig.names(), ["each[2]", "each[3]"]);
    rig.end("each[2]", good());
    rig.restart();
    assert_eq!(rig.names(), ["each[1]", "each[3]"]);
    rig.end("each[1]", good());
    rig.end("each[0]", good());
    rig.end("each[3]", good());
    drain(&mut rig);
    assert_eq!(rig.status(&id), P::Done);
    (rig, id)
}

fn plan_fails() -> (Rig, ProjectId) {
    let (mut rig, id) = begin(planned(PLAN, false));
    rig.end("each[2]", bad(F::Exit));
    assert_eq!((rig.task(&id, "each[0]"), rig.task(&id, "each[1]")), (T::Skipped, T::Skipped));
    // Only what failed and what was skipped for its sake runs again.
    rig.command(&id, Command::Retry { task: Some("each[2]".to_owned()) }).unwrap();
    rig.end("each[3]", good());
    rig.end("each[2]", bad(F::Exit));
    assert_eq!(rig.status(&id), P::Failed);
    let note = rig.project(&id).closing_note().to_owned();
    assert!(note.contains("3 of 4 items failed, first each[2]: as planned (exit)"), "{note}");
    (rig, id)
}

fn plan_in_a_circle() -> (Rig, ProjectId) {
    let items = r#"[{"id": "a", "needs": ["c"]}, {"id": "b", "needs": ["a"]}, {"id": "c", "needs": ["b"]}]"#;
    let (rig, id) = begin(planned(items, false));
    let note = rig.project(&id).closing_note().to_owned();
    assert!(note.contains("a -> b -> c -> a"), "{note}");
    (rig, id)
}

fn merges() -> (Rig, ProjectId) {
    let three = ["a", "b", "c"].map(|name| merging(agent(name, &[])));
    let (mut rig, id) = begin(in_worktrees(flow(three.to_vec())));
    for (n, name) in ["a", "b"].into_iter().enumerate() {
        rig.end(name, left(name));
        rig.end(name, merged(n as u64 + 1));
        assert_eq!(rig.task(&id, name), T::Completed);
    }
    rig.end("c", left("tc"));
    rig.end("c", bad(F::Conflict));
    assert_eq!(rig.task(&id, "c"), T::Debugging);
    let order = rig.order("c.fix1");
    assert_eq!(order.workspace.trees, ["t2"], "a merger begins from the head of the branch");
    let StepRequest::Agent(request) = &order.request else { panic!("a merger is an agent") };
    assert_eq!(request.resolves.as_ref().and_then(|resolves| resolves.tree.clone()).as_deref(), Some("tc"));
    rig.restart();
    rig.end("c.fix1", left("fixed"));
    rig.end("c.fix1", merged(3));
    // Only its merge is asked for again, as one that may have happened.
    let order = rig.order("c");
    assert!(matches!(order.request, StepRequest::Merge(_)) && order.maybe_ran && order.attempt.0 == 1);
    rig.end("c", merged(3));
    assert_eq!((rig.status(&id), attempt(&rig, &id, "c")), (P::Done, 1));
    assert_eq!(rig.project(&id).outcome_trees(), ["t3"]);
    (rig, id)
}

fn merge_gate_red() -> (Rig, ProjectId) {
    let a = with(merging(agent("a", &[])), 2, OnExhausted::Fail);
    let (mut rig, id) = begin(in_worktrees(flow(vec![a])));
    rig.end("a", left("ta"));
    rig.end("a", outcome(Err(Failure::new(F::Validation, "the tests are red"))));
    assert_eq!(rig.task(&id, "a"), T::Backoff);
    rig.pass(1_000);
    let StepRequest::Agent(request) = &rig.order("a").request else { panic!("an agent") };
    assert_eq!(request.previous, ["the tests are red (validation)"]);
    rig.end("a", left("tb"));
    // An answer that says nothing of the branch is none.
    rig.end("a", good());
    assert_eq!((rig.status(&id), rig.project(&id).integration().cloned()), (P::Failed, None));
    (rig, id)
}

fn feedback() -> (Rig, ProjectId) {
    let what = "{{ project.round }} {{ project.came_from }} {{ project.feedback }}";
    let told = TaskSpec::new("build", wfctl::domain::workflow::Action::Run(what.to_owned()));
    let mut test = phase(Phase::Test, vec![with(run("test", &[]), 1, OnExhausted::Fail)]);
    test.loop_back = back_to(Phase::Build, 1);
    let (mut rig, id) = begin(phases(vec![phase(Phase::Build, vec![told]), test]));
    let command = |rig: &Rig| match &rig.order("build").request {
        StepRequest::Run { command, .. } => command.clone(),
        other => panic!("{other:?}"),
    };
    assert!(command(&rig).starts_with("1 ") && !command(&rig).contains("as planned"));
    rig.end("build", good());
    rig.end("test", bad(F::Exit));
    rig.restart();
    let again = command(&rig);
    assert!(again.starts_with("2 test") && again.contains("as planned (exit)"), "{again}");
    drain(&mut rig);
    assert_eq!(rig.status(&id), P::Done);
    assert_eq!(rig.count(&id, |event| matches!(event, Event::PhaseEntered { .. })), 4);
    (rig, id)
}
