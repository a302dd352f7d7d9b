//! Small histories in which something interesting happens: together they take every transition of both machines, and each
//! is kept as a golden history.

#[path = "agent_scenarios.rs"]
mod agents;

use std::sync::Arc;

use wfctl::domain::event::{Decision, DoubtAnswer};
use wfctl::domain::failure::FailureClass as F;
use wfctl::domain::ids::ProjectId;
use wfctl::domain::machine::Phase;
use wfctl::domain::project::Command;
use wfctl::domain::retry::OnExhausted;
use wfctl::domain::sandbox::{GitAccess, SandboxSpec};
use wfctl::domain::workflow::{Definition, EffectClass, OnTimeout, TaskSpec};

use super::support::flows::*;
use super::support::rig::*;

/// A scenario: the room it leaves and the project it is about.
pub type Scenario = fn() -> (Rig, ProjectId);

pub fn all() -> Vec<(&'static str, Scenario)> {
    let mut all = agents::all();
    all.extend([
        ("lifecycle", lifecycle as Scenario),
        ("retries", retries),
        ("validations", validations),
        ("validation_exhausted", validation_exhausted),
        ("branches", branches),
        ("branch_fails", branch_fails),
        ("approvals", approvals),
        ("external", external_work),
        ("external_gives_up", external_gives_up),
        ("signal_expires", signal_expires),
        ("doubts", doubts),
        ("once_unknown", once_unknown),
        ("undo_unchecked", undo_unchecked),
        ("crashes", crashes),
        ("foreach_and_when", foreach_and_when),
        ("bad_templates", bad_templates),
        ("cancel_with_undo", cancel_with_undo),
        ("cancel_at_once", cancel_at_once),
        ("undo_exhausted", undo_exhausted),
        ("kill", kill),
        ("killed_while_held", killed_while_held),
        ("gates", gates),
        ("gate_rejected", gate_rejected),
        ("gate_cancelled", gate_cancelled),
        ("gate_killed", gate_killed),
        ("gate_ends", gate_ends),
        ("cut_off_start_paused", cut_off_start_paused),
        ("cut_off_start_cancelled", cut_off_start_cancelled),
        ("cut_off_start_killed", cut_off_start_killed),
        ("no_phase", no_phase),
        ("retry_by_person", retry_by_person),
        ("child", child_project),
        ("allows_more", allows_more),
    ]);
    all
}

fn none() -> String {
    String::new()
}

fn resume(in_doubt: Option<DoubtAnswer>) -> Command {
    Command::Resume { in_doubt, budget: None, comment: none() }
}

fn answer(task: Option<&str>, decision: Decision) -> Command {
    Command::Answer { task: task.map(str::to_owned), decision, comment: none() }
}

fn cancel(undo: bool) -> Command {
    Command::Cancel { undo, comment: none() }
}

fn kill_it() -> Command {
    Command::Kill { comment: none() }
}

fn pause() -> Command {
    Command::Pause { comment: none() }
}

fn with(spec: TaskSpec, attempts: u32, end: OnExhausted) -> TaskSpec {
    TaskSpec { retry: retry(attempts, end), ..spec }
}

fn drain(rig: &mut Rig) {
    while let Some(order) = rig.running.pop() {
        let request = report(&order, good());
        rig.turn(vec![request]).unwrap();
    }
}

fn begin(definition: Definition) -> (Rig, ProjectId) {
    let mut rig = Rig::new(8, 1);
    let id = rig.start("p", definition);
    (rig, id)
}

fn lifecycle() -> (Rig, ProjectId) {
    let mut all: Vec<_> = Phase::ALL.into_iter().map(|at| phase(at, vec![run(at.name(), &[])])).collect();
    let skipped = with_needs(TaskSpec { when: Some("false".to_owned()), ..run("never", &[]) }, &["build"]);
    all[2].tasks.push(Arc::new(skipped));
    all[3].loop_back = back_to(Phase::Build, 1);
    all[3].tasks = vec![Arc::new(with(run("test", &[]), 1, OnExhausted::Fail))];
    let (mut rig, id) = begin(phases(all));
    for name in ["planning", "design", "build"] {
        rig.end(name, good());
    }
    rig.end("test", bad(F::Exit));
    drain(&mut rig);
    (rig, id)
}

fn retries() -> (Rig, ProjectId) {
    let (mut rig, id) = begin(flow(vec![with(run("a", &[]), 2, OnExhausted::Pause), run("b", &["a"])]));
    rig.end("a", bad(F::Exit));
    rig.pass(1_000);
    rig.end("a", bad(F::Exit));
    rig.command(&id, resume(None)).unwrap();
    drain(&mut rig);
    (rig, id)
}

/// A command that may not reach what it needs; a person allows it, twice, and it goes on.
fn allows_more() -> (Rig, ProjectId) {
    let mut a = with(run("a", &[]), 1, OnExhausted::Pause);
    a.sandbox = Some(Arc::new(SandboxSpec { git: Some(GitAccess::Write), ..SandboxSpec::default() }));
    let (mut rig, id) = begin(flow(vec![a, run("b", &["a"])]));
    assert_eq!(rig.order("a").allowed.git, GitAccess::Read, "what it asks for is not yet allowed");
    rig.end("a", bad(F::Exit));
    let more = SandboxSpec { git: Some(GitAccess::Write), ..SandboxSpec::default() };
    rig.command(&id, Command::Allow { more: more.clone() }).unwrap();
    rig.command(&id, Command::Allow { more }).unwrap();
    rig.command(&id, resume(None)).unwrap();
    assert_eq!(rig.order("a").allowed.git, GitAccess::Write);
    drain(&mut rig);
    (rig, id)
}

fn checked(name: &str, attempts: u32, end: OnExhausted) -> TaskSpec {
    with(TaskSpec { validate: vec!["check".to_owned()], ..run(name, &[]) }, attempts, end)
}

fn validations() -> (Rig, ProjectId) {
    let (mut rig, id) = begin(flow(vec![checked("a", 2, OnExhausted::Fail), checked("b", 1, OnExhausted::Continue)]));
    rig.end("a", good());
    rig.end("a", bad(F::Exit));
    rig.pass(1_000);
    rig.end("a", good());
    rig.end("a", bad(F::Interrupted));
    rig.end("b", good());
    rig.end("b", bad(F::Exit));
    drain(&mut rig);
    (rig, id)
}

fn validation_exhausted() -> (Rig, ProjectId) {
    let (mut rig, id) = begin(flow(vec![checked("a", 1, OnExhausted::Pause), checked("b", 1, OnExhausted::Pause)]));
    rig.end("a", good());
    rig.end("b", good());
    rig.end("a", bad(F::Exit));
    rig.command(&id, kill_it()).unwrap();
    (rig, id)
}

fn branches() -> (Rig, ProjectId) {
    let spec = |spec: TaskSpec| TaskSpec { on_failure: Some(branch("repair", 1)), ..spec };
    let a = spec(with(run("a", &[]), 1, OnExhausted::Fail));
    let b = spec(checked("b", 1, OnExhausted::Fail));
    let (mut rig, id) = begin(flow(vec![a, b]));
    rig.end("a", bad(F::Exit));
    rig.end("b", good());
    rig.end("b", bad(F::Exit));
    drain(&mut rig);
    (rig, id)
}

fn branch_fails() -> (Rig, ProjectId) {
    let spec = |name: &str, end| TaskSpec { on_failure: Some(branch("repair", 1)), ..with(run(name, &[]), 1, end) };
    let names = [("a", OnExhausted::Fail), ("b", OnExhausted::Pause), ("c", OnExhausted::Fail)];
    let (mut rig, id) = begin(flow(names.map(|(name, end)| spec(name, end)).to_vec()));
    for name in ["a", "b", "c", "a.fix1", "b.fix1"] {
        rig.end(name, bad(F::Exit));
    }
    rig.command(&id, cancel(false)).unwrap();
    drain(&mut rig);
    (rig, id)
}

fn approvals() -> (Rig, ProjectId) {
    let ask = |name: &str, on_timeout| approval(name, Some(1_000), on_timeout);
    let (mut rig, id) = begin(flow(vec![ask("a", OnTimeout::Reject), ask("b", OnTimeout::Approve), run("c", &["a"])]));
    rig.command(&id, answer(Some("a"), Decision::Rejected)).unwrap();
    rig.pass(1_000);
    (rig, id)
}

fn external_work() -> (Rig, ProjectId) {
    let spec = TaskSpec { on_failure: Some(branch("repair", 1)), ..with(external("a", 5_000), 2, OnExhausted::Fail) };
    let (mut rig, id) = begin(flow(vec![spec]));
    let claim = || Command::Claim { task: "a".to_owned(), worker: "w".to_owned() };
    let result = |result| Command::Result { task: "a".to_owned(), token: 0, result };
    rig.command(&id, claim()).unwrap();
    rig.pass(5_000);
    rig.command(&id, result(Err("no".to_owned()))).unwrap();
    rig.pass(1_000);
    rig.command(&id, result(Err("no".to_owned()))).unwrap();
    rig.end("a.fix1", good());
    rig.command(&id, result(Ok(serde_json::json!(1)))).unwrap();
    (rig, id)
}

fn external_gives_up() -> (Rig, ProjectId) {
    let (mut rig, id) = begin(flow(vec![with(external("a", 5_000), 1, OnExhausted::Fail)]));
    rig.command(&id, Command::Result { task: "a".to_owned(), token: 0, result: Err("no".to_owned()) }).unwrap();
    (rig, id)
}

fn signal_expires() -> (Rig, ProjectId) {
    let (mut rig, id) = begin(flow(vec![wait_signal("s", "go", Some(1_000))]));
    rig.pass(1_000);
    rig.command(&id, resume(None)).unwrap();
    let payload = serde_json::json!({ "by": "hand" });
    rig.command(&id, Command::Signal { name: "go".to_owned(), payload, request: "r".to_owned() }).unwrap();
    (rig, id)
}

fn doubts() -> (Rig, ProjectId) {
    let once = |name: &str| TaskSpec { effect: Some(EffectClass::Once), ..run(name, &[]) };
    let (mut rig, id) = begin(flow(vec![once("a"), with_needs(once("b"), &["a"]), with_needs(once("c"), &["b"])]));
    for answer in [DoubtAnswer::Rerun, DoubtAnswer::Done, DoubtAnswer::Done, DoubtAnswer::Fail] {
        rig.restart();
        rig.command(&id, resume(Some(answer))).unwrap();
        if rig.names() == ["a"] {
            continue;
        }
    }
    (rig, id)
}

fn once_unknown() -> (Rig, ProjectId) {
    let once = TaskSpec { effect: Some(EffectClass::Once), ..run("a", &[]) };
    let (mut rig, id) = begin(flow(vec![once]));
    rig.end("a", bad(F::Timeout));
    rig.restart();
    rig.command(&id, resume(Some(DoubtAnswer::Rerun))).unwrap();
    rig.end("a", bad(F::Transport));
    rig.command(&id, cancel(true)).unwrap();
    (rig, id)
}

/// Cancelled between an action and the end of its checks: it is undone all the same.
fn undo_unchecked() -> (Rig, ProjectId) {
    let undo = |spec: TaskSpec| TaskSpec { undo: Some("back".to_owned()), ..spec };
    let (mut rig, id) = begin(flow(vec![undo(run("a", &[])), undo(checked("b", 1, OnExhausted::Fail))]));
    rig.end("a", good());
    rig.end("b", good());
    rig.command(&id, cancel(true)).unwrap();
    rig.end("b", bad(F::Cancelled));
    drain(&mut rig);
    (rig, id)
}

fn crashes() -> (Rig, ProjectId) {
    let (mut rig, id) = begin(flow(vec![checked("a", 1, OnExhausted::Fail), wait_ms("w", 5_000)]));
    rig.restart();
    rig.end("a", good());
    rig.restart();
    drain(&mut rig);
    rig.pass(5_000);
    (rig, id)
}

fn foreach_and_when() -> (Rig, ProjectId) {
    let each = TaskSpec { foreach: Some("[1, 2, 3]".to_owned()), ..run("each", &[]) };
    let none = TaskSpec { foreach: Some("[]".to_owned()), ..run("none", &[]) };
    let never = TaskSpec { when: Some("false".to_owned()), ..run("never", &[]) };
    let (mut rig, id) = begin(flow(vec![each, none, never, run("after", &["each", "none", "never"])]));
    drain(&mut rig);
    (rig, id)
}

fn bad_templates() -> (Rig, ProjectId) {
    let bad = |name: &str, end| with(TaskSpec { when: Some("1 +".to_owned()), ..run(name, &[]) }, 1, end);
    let (mut rig, id) =
        begin(flow(vec![bad("a", OnExhausted::Continue), bad("b", OnExhausted::Pause), run("c", &["b"])]));
    rig.command(&id, kill_it()).unwrap();
    (rig, id)
}

fn cancel_with_undo() -> (Rig, ProjectId) {
    let undo = |name: &str, needs: &[&str]| TaskSpec { undo: Some("back".to_owned()), ..run(name, needs) };
    let (mut rig, id) = begin(flow(vec![undo("a", &[]), undo("b", &["a"]), run("c", &["b"])]));
    rig.end("a", good());
    rig.end("b", good());
    rig.command(&id, cancel(true)).unwrap();
    rig.end("c", bad(F::Cancelled));
    drain(&mut rig);
    (rig, id)
}

/// One task in every state that a cancel can find.
fn one_of_each() -> (Rig, ProjectId) {
    let once = TaskSpec { effect: Some(EffectClass::Once), ..run("doubt", &[]) };
    let fixed = TaskSpec { on_failure: Some(branch("repair", 1)), ..with(run("debug", &[]), 1, OnExhausted::Fail) };
    let (mut rig, id) = begin(flow(vec![
        once,
        fixed,
        run("back", &[]),
        run("run", &[]),
        checked("check", 2, OnExhausted::Fail),
        approval("ask", None, OnTimeout::Reject),
        wait_signal("wait", "x", None),
        run("late", &["run"]),
        TaskSpec { group: Some("g".to_owned()), ..run("g0", &[]) },
        TaskSpec { group: Some("g".to_owned()), ..run("g1", &[]) },
    ]));
    rig.end("doubt", bad(F::Interrupted));
    rig.end("debug", bad(F::Exit));
    rig.end("back", bad(F::Exit));
    rig.end("check", good());
    // Ready and not started: interrupted while nothing may start.
    rig.core().drain();
    rig.end("g1", bad(F::Interrupted));
    (rig, id)
}

fn cancel_at_once() -> (Rig, ProjectId) {
    let (mut rig, id) = one_of_each();
    rig.command(&id, cancel(false)).unwrap();
    drain(&mut rig);
    (rig, id)
}

fn kill() -> (Rig, ProjectId) {
    let (mut rig, id) = one_of_each();
    rig.command(&id, kill_it()).unwrap();
    (rig, id)
}

fn undo_exhausted() -> (Rig, ProjectId) {
    let undo = with(TaskSpec { undo: Some("back".to_owned()), ..run("a", &[]) }, 1, OnExhausted::Pause);
    let (mut rig, id) = begin(flow(vec![undo, run("b", &["a"])]));
    rig.end("a", good());
    rig.command(&id, cancel(true)).unwrap();
    rig.end("b", bad(F::Cancelled));
    rig.end("a.undo", bad(F::Exit));
    rig.restart();
    drain(&mut rig);
    (rig, id)
}

fn killed_while_held() -> (Rig, ProjectId) {
    let (mut rig, id) = begin(flow(vec![run("a", &[])]));
    rig.command(&id, pause()).unwrap();
    rig.command(&id, kill_it()).unwrap();
    (rig, id)
}

fn gated(loop_back: bool) -> (Rig, ProjectId) {
    let mut build = phase(Phase::Build, vec![run("a", &[])]);
    let mut test = phase(Phase::Test, vec![run("b", &[])]);
    build.approval = Some(ask(None, OnTimeout::Reject));
    test.approval = Some(ask(Some(1_000), OnTimeout::Reject));
    test.loop_back = if loop_back { back_to(Phase::Build, 1) } else { None };
    let (mut rig, id) = begin(phases(vec![build, test]));
    rig.end("a", good());
    (rig, id)
}

fn gates() -> (Rig, ProjectId) {
    let (mut rig, id) = gated(true);
    rig.command(&id, pause()).unwrap();
    rig.command(&id, resume(None)).unwrap();
    for round in 0..2 {
        rig.command(&id, answer(None, Decision::Approved)).unwrap();
        rig.end("b", good());
        if round == 0 {
            rig.pass(1_000);
            rig.end("a", good());
        }
    }
    rig.command(&id, answer(None, Decision::Approved)).unwrap();
    (rig, id)
}

fn gate_rejected() -> (Rig, ProjectId) {
    let (mut rig, id) = gated(false);
    rig.command(&id, answer(None, Decision::Rejected)).unwrap();
    (rig, id)
}

fn gate_cancelled() -> (Rig, ProjectId) {
    let (mut rig, id) = gated(false);
    rig.command(&id, pause()).unwrap();
    rig.command(&id, resume(None)).unwrap();
    rig.command(&id, cancel(false)).unwrap();
    (rig, id)
}

fn gate_killed() -> (Rig, ProjectId) {
    let (mut rig, id) = gated(false);
    rig.command(&id, kill_it()).unwrap();
    (rig, id)
}

fn gate_ends() -> (Rig, ProjectId) {
    let mut build = phase(Phase::Build, vec![run("a", &[])]);
    build.approval = Some(ask(Some(1_000), OnTimeout::Approve));
    let (mut rig, id) = begin(phases(vec![build]));
    rig.end("a", good());
    rig.pass(1_000);
    (rig, id)
}

fn cut_off_start_paused() -> (Rig, ProjectId) {
    let mut rig = Rig::new(8, 1);
    let id = rig.plant("p", flow(vec![run("a", &[])]));
    rig.command(&id, pause()).unwrap();
    rig.command(&id, resume(None)).unwrap();
    rig.command(&id, pause()).unwrap();
    rig.command(&id, cancel(false)).unwrap();
    (rig, id)
}

fn cut_off_start_cancelled() -> (Rig, ProjectId) {
    let mut rig = Rig::new(8, 1);
    let id = rig.plant("p", flow(vec![run("a", &[])]));
    rig.command(&id, cancel(true)).unwrap();
    (rig, id)
}

fn cut_off_start_killed() -> (Rig, ProjectId) {
    let mut rig = Rig::new(8, 1);
    let id = rig.plant("p", flow(vec![run("a", &[])]));
    rig.command(&id, kill_it()).unwrap();
    (rig, id)
}

fn no_phase() -> (Rig, ProjectId) {
    begin(phases(Vec::new()))
}

fn retry_by_person() -> (Rig, ProjectId) {
    let (mut rig, id) =
        begin(flow(vec![with(run("a", &[]), 1, OnExhausted::Fail), run("b", &["a"]), run("c", &[]), run("d", &[])]));
    rig.end("a", bad(F::Exit));
    rig.end("d", bad(F::Exit));
    rig.command(&id, Command::Retry { task: None }).unwrap();
    drain(&mut rig);
    (rig, id)
}

fn child_project() -> (Rig, ProjectId) {
    let mut definition = flow(vec![child("c", "below"), run("a", &["c"])]);
    definition.children.insert("below".to_owned(), Arc::new(flow(vec![run("inner", &[])])));
    let (mut rig, id) = begin(definition);
    rig.restart();
    drain(&mut rig);
    (rig, id)
}
