//! What can go wrong around agents, one defect at a time.

use wfctl::domain::budget::Amounts;
use wfctl::domain::call::{CallInput, CallKind, CallOutcome};
use wfctl::domain::chat::Usage;
use wfctl::domain::effect::StepRequest;
use wfctl::domain::failure::{Failure, FailureClass as F};
use wfctl::domain::ids::CallIx;
use wfctl::domain::limits;
use wfctl::domain::machine::{ProjectStatus as P, TaskStatus as T};
use wfctl::domain::project::{Command, RefusalKind};
use wfctl::domain::retry::OnExhausted;
use wfctl::domain::workflow::{Action, EffectClass, LandSpec, TaskSpec};
use wfctl::engine::error::Error;

use super::support::flows::*;
use super::support::rig::*;

fn begin(intent: wfctl::domain::call::CallIntent) -> CallInput {
    CallInput::Begin(Box::new(intent))
}

fn cancel() -> Command {
    Command::Cancel { undo: false, comment: String::new() }
}

#[test]
fn mergers_of_mergers_are_counted_together() {
    let mut rig = Rig::new(4, 1);
    let spec = TaskSpec { retry: retry(1, OnExhausted::Fail), ..merging(agent("a", &[])) };
    let id = rig.start("p", in_worktrees(flow(vec![spec])));
    let mut name = "a".to_owned();
    let mut mergers = 0;
    while !rig.status(&id).is_terminal() {
        rig.end(&name, left("t"));
        rig.end(&name, bad(F::Conflict));
        rig.restart();
        name.push_str(".fix1");
        mergers += u32::from(rig.names() == [name.clone()]);
    }
    assert_eq!((mergers, rig.status(&id)), (limits::MERGE_BRANCHES, P::Failed));
}

#[test]
fn repairs_and_mergers_have_allowances_of_their_own() {
    let mut rig = Rig::new(4, 1);
    let spec = TaskSpec {
        on_failure: Some(branch("repair", 1)),
        retry: retry(1, OnExhausted::Fail),
        ..merging(agent("a", &[]))
    };
    let id = rig.start("p", in_worktrees(flow(vec![spec])));
    rig.end("a", left("t"));
    rig.end("a", bad(F::Conflict));
    rig.end("a.fix1", left("u"));
    rig.end("a.fix1", merged(1));
    rig.end("a", outcome(Err(Failure::new(F::Validation, "red"))));
    assert_eq!((rig.task(&id, "a"), rig.names()), (T::Debugging, vec!["a.fix2".to_owned()]));
}

#[test]
fn a_merger_that_is_retried_by_hand_is_still_a_merger() {
    let mut rig = Rig::new(4, 1);
    let id = rig.start("p", in_worktrees(flow(vec![merging(agent("a", &[]))])));
    rig.end("a", left("t"));
    rig.end("a", bad(F::Conflict));
    rig.end("a.fix1", bad(F::Exit));
    assert_eq!(rig.task(&id, "a.fix1"), T::Backoff);
    rig.command(&id, Command::Retry { task: Some("a.fix1".to_owned()) }).unwrap();
    let project = rig.project(&id);
    let again = wfctl::domain::project::Project::from_snapshot(
        id.clone(),
        &project.to_snapshot(),
        project.definition.clone(),
        &*rig.vault,
    );
    same(project, &again.unwrap()).unwrap();
    let StepRequest::Agent(request) = &rig.order("a.fix1").request else { panic!("an agent") };
    assert!(request.resolves.is_some());
}

#[test]
fn a_cancel_completes_what_is_merged_and_nothing_that_is_not() {
    for (ends_with_merge, status) in [(false, T::Cancelled), (true, T::Completed)] {
        let mut rig = Rig::new(4, 1);
        let id = rig.start("p", in_worktrees(flow(vec![merging(agent("a", &[]))])));
        if ends_with_merge {
            rig.end("a", left("t"));
        }
        rig.command(&id, cancel()).unwrap();
        rig.end("a", if ends_with_merge { merged(1) } else { left("t") });
        assert_eq!((rig.task(&id, "a"), rig.status(&id)), (status, P::Cancelled));
    }
}

#[test]
fn one_call_past_the_most_ends_the_attempt() {
    let mut rig = Rig::new(1, 1);
    let id = rig.start("p", flow(vec![TaskSpec { retry: retry(1, OnExhausted::Fail), ..agent("a", &[]) }]));
    let most = limits::CALLS_PER_ATTEMPT as u32;
    let all = |calls: std::ops::Range<u32>| CallInput::Note(calls.map(|ix| (tool(ix), answered(0))).collect());
    rig.call("a", all(0..most - 1)).unwrap();
    rig.call("a", begin(model(most - 1, 10))).unwrap();
    // The last one was lost: it is not one more.
    rig.restart();
    rig.call("a", begin(model(most - 1, 10))).unwrap();
    rig.call("a", CallInput::End(CallIx(most - 1), Box::new(answered(1)))).unwrap();
    let refused = rig.call("a", begin(tool(most)));
    assert!(matches!(refused, Err(Error::Refused(refusal)) if refusal.kind == RefusalKind::Limit));
    assert_eq!(rig.status(&id), P::Failed);
    assert!(rig.project(&id).closing_note().contains("at most 10000 calls"));
}

#[test]
fn what_a_model_wrote_fits_into_a_record_and_its_numbers_into_the_ledger() {
    let mut rig = Rig::new(1, 1);
    let id = rig.start("p", flow(vec![agent("a", &[])]));
    let long = "é".repeat(limits::RECORD_BYTES);
    let intent = wfctl::domain::call::CallIntent { label: long.clone(), shown: long, ..tool(0) };
    rig.call("a", begin(intent)).unwrap();
    let usage = Usage { input_tokens: u64::MAX, output_tokens: u64::MAX, ..Usage::default() };
    let absurd = CallOutcome { usage: Some(usage), ..answered(0) };
    assert_eq!((absurd.used().tokens, rig.status(&id)), (u64::MAX, P::Build));
}

#[test]
fn a_walk_that_ends_well_in_the_middle_of_a_paid_call_is_charged() {
    let mut rig = Rig::new(1, 1);
    let id = rig.start("p", flow(vec![agent("a", &[])]));
    rig.call("a", begin(model(0, 10))).unwrap();
    rig.end("a", good());
    assert_eq!(rig.project(&id).ledger().spent.tokens, 10);
}

#[test]
fn notes_are_taken_all_or_none() {
    let mut rig = Rig::new(1, 1);
    let id = rig.start("p", flow(vec![agent("a", &[])]));
    let before = rig.project(&id).seq();
    let gap = CallInput::Note(vec![(tool(0), answered(0)), (tool(2), answered(0))]);
    assert!(rig.call("a", gap).is_err());
    assert_eq!(rig.project(&id).seq(), before);
}

#[test]
fn a_quota_that_ends_in_another_age_is_waited_for_as_long_as_anything() {
    let mut rig = Rig::new(1, 1);
    let id = rig.start("p", flow(vec![agent("a", &[])]));
    let quota = Failure { retry_after_ms: Some(u64::MAX), ..Failure::new(F::Quota, "used up") };
    rig.call("a", begin(model(0, 10))).unwrap();
    rig.call("a", CallInput::End(CallIx(0), Box::new(ended(Err(quota.clone()), 0)))).unwrap();
    rig.end("a", outcome(Err(quota)));
    rig.pass(limits::DURATION_MS);
    assert_eq!(rig.task(&id, "a"), T::Running);
}

#[test]
fn an_order_to_land_is_the_same_when_it_is_made_again() {
    let mut rig = Rig::new(1, 1);
    let land = TaskSpec::new("land", Action::Land(LandSpec { into: "main".to_owned(), back: None }));
    let id = rig.start("p", in_worktrees(flow(vec![merging(agent("a", &[])), with_needs(land, &["a"])])));
    rig.pass(1_000);
    rig.end("a", left("t"));
    rig.end("a", merged(1));
    let first = rig.order("land").request.clone();
    rig.pass(1_000);
    rig.restart();
    assert_eq!((rig.status(&id), &rig.order("land").request), (P::Build, &first));
}

#[test]
fn what_is_not_merged_passes_a_task_without_files() {
    let mut rig = Rig::new(4, 1);
    let ask = TaskSpec::new("wait", Action::Wait(wfctl::domain::workflow::WaitSpec::Duration { ms: 10 }));
    let tasks = vec![run("x", &[]), merging(agent("m", &["x"])), with_needs(ask, &["x", "m"]), run("after", &["wait"])];
    let id = rig.start("p", in_worktrees(flow(tasks)));
    rig.end("x", left("tx"));
    rig.end("m", left("tm"));
    rig.end("m", merged(1));
    rig.pass(10);
    assert_eq!(
        (rig.status(&id), rig.order("after").workspace.trees.clone()),
        (P::Build, vec!["t1".into(), "tx".into()])
    );
}

#[test]
fn a_later_phase_begins_from_the_head_of_its_moment() {
    use wfctl::domain::machine::Phase;
    let mut rig = Rig::new(1, 1);
    let build = phase(Phase::Build, vec![merging(agent("a", &[]))]);
    let test = phase(Phase::Test, vec![merging(agent("b", &[])), run("c", &[])]);
    rig.start("p", in_worktrees(phases(vec![build, test])));
    rig.end("a", left("ta"));
    rig.end("a", merged(1));
    rig.end("b", left("tb"));
    rig.end("b", merged(2));
    // The head that the phase began with is part of the present one; merged with it once more, it would only conflict.
    assert_eq!(rig.order("c").workspace.trees, ["t2"]);
}

#[test]
fn an_answer_ends_a_question_once() {
    let mut rig = Rig::new(1, 1);
    let id = rig.start("p", flow(vec![agent("a", &[])]));
    let question = call(0, CallKind::Ask, EffectClass::Pure, Amounts { tokens: 5, ..Amounts::default() });
    rig.call("a", CallInput::Ask(Box::new(question), "so?".to_owned())).unwrap();
    assert_eq!(rig.project(&id).ledger().reserved.tokens, 0);
    rig.command(&id, cancel()).unwrap();
    // The words of the walk that asked come after the end.
    let late = rig.ended("a", bad(F::Interrupted));
    rig.turn(vec![late]).unwrap();
    assert_eq!(rig.status(&id), P::Cancelled);
}
