//! The fault scenarios that engines of this kind must survive, in-process, each with its number in its name.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use wfctl::domain::budget::Caps;
use wfctl::domain::event::{Decision, DoubtAnswer, Event, HoldReason, StepOutcome};
use wfctl::domain::failure::{Failure, FailureClass};
use wfctl::domain::ids::{ProjectId, Seq};
use wfctl::domain::limits;
use wfctl::domain::machine::{Phase, ProjectStatus as P, TaskStatus as T};
use wfctl::domain::project::{Command, RefusalKind};
use wfctl::domain::retry::OnExhausted;
use wfctl::domain::time::Millis;
use wfctl::domain::workflow::{Definition, EffectClass, OnTimeout, TaskSpec};
use wfctl::engine::core::{Reply, Request};
use wfctl::engine::error::Error;
use wfctl::journal::faulty_store::{Fault, Lasting, Planned};
use wfctl::journal::record::Record;
use wfctl::journal::store;
use wfctl::journal::{chain, codec};

use super::support::flows::*;
use super::support::rig::*;

fn none() -> String {
    String::new()
}

fn pause() -> Command {
    Command::Pause { comment: none() }
}

fn go_on() -> Command {
    Command::Resume { in_doubt: None, budget: None, comment: none() }
}

fn cancel(undo: bool) -> Command {
    Command::Cancel { undo, comment: none() }
}

fn yes(task: Option<&str>) -> Command {
    Command::Answer { task: task.map(str::to_owned), decision: Decision::Approved, comment: none() }
}

fn no(task: Option<&str>) -> Command {
    Command::Answer { task: task.map(str::to_owned), decision: Decision::Rejected, comment: none() }
}

fn signal(name: &str, request: &str, value: i32) -> Command {
    Command::Signal { name: name.to_owned(), payload: serde_json::json!(value), request: request.to_owned() }
}

fn refused(reply: Result<Reply, Error>) -> RefusalKind {
    match reply {
        Err(Error::Refused(refusal)) => refusal.kind,
        other => panic!("not refused: {other:?}"),
    }
}

fn once(name: &str) -> TaskSpec {
    TaskSpec { effect: Some(EffectClass::Once), ..run(name, &[]) }
}

fn three() -> Definition {
    flow(vec![run("a", &[]), run("b", &["a"]), run("c", &["b"])])
}

/// Runs everything that runs, to its good end.
fn drain(rig: &mut Rig) {
    while let Some(order) = rig.running.pop() {
        let request = report(&order, good());
        rig.turn(vec![request]).unwrap();
    }
}

#[test]
fn fault_01_crash_at_every_access_until_green() {
    for fault in [Fault::Before, Fault::After, Fault::DiskFull] {
        for access in 1.. {
            let mut rig = Rig::new(2, 1);
            let before = rig.store.faulty.accesses();
            rig.store.faulty.plan(Planned { access: before + access, fault, lasting: Lasting::Once });
            let id = ProjectId::new("p").unwrap();
            let definition = Arc::new(three());
            let mut crashes = 0;
            // An engine that meets the fault dies; the next one does what the last one could not.
            while !rig.disk_has(&id) || !rig.status(&id).is_terminal() {
                let request = match rig.running.pop() {
                    Some(order) => report(&order, good()),
                    None if rig.disk_has(&id) => resume(&id),
                    None => start(&id, &definition),
                };
                if rig.turn(vec![request]).is_err() {
                    crashes += 1;
                    rig.crash(0);
                    while rig.boot().is_err() {}
                    rig.verify().unwrap();
                }
            }
            assert_eq!(rig.status(&id), P::Done, "access {access}");
            assert!(crashes <= 1);
            if rig.store.faulty.accesses() < before + access {
                break;
            }
        }
    }
}

#[test]
fn fault_02_crash_between_effect_and_commit_runs_again_or_asks() {
    for (spec, again) in [(run("a", &[]), true), (once("a"), false)] {
        let mut rig = Rig::new(2, 1);
        let id = rig.start("p", flow(vec![spec]));
        // The step has had its effect, the commit of its outcome does not come to pass.
        let outcome = rig.ended("a", good());
        rig.store.sabotage.cut_next.store(true, Ordering::SeqCst);
        assert!(rig.turn(vec![outcome]).is_err());
        rig.restart();
        assert_eq!(rig.names() == ["a"], again);
        assert_eq!(rig.task(&id, "a"), if again { T::Running } else { T::InDoubt });
        if !again {
            let in_doubt = Some(DoubtAnswer::Done);
            rig.command(&id, Command::Resume { in_doubt, budget: None, comment: none() }).unwrap();
        }
        drain(&mut rig);
        assert_eq!(rig.status(&id), P::Done);
        assert_eq!(rig.count(&id, |event| matches!(event, Event::StepFinished { .. })), usize::from(again));
    }
}

#[test]
fn fault_03_accepted_means_journaled() {
    let mut rig = Rig::new(2, 1);
    let id = rig.start("p", three());
    rig.crash(0);
    rig.boot().unwrap();
    assert_eq!(rig.open_projects(), [id]);
    // And what was not journaled was not accepted.
    let other = ProjectId::new("q").unwrap();
    rig.store.sabotage.cut_next.store(true, Ordering::SeqCst);
    assert!(rig.turn(vec![start(&other, &Arc::new(three()))]).is_err());
    rig.crash(0);
    rig.boot().unwrap();
    assert!(!rig.open_projects().contains(&other));
}

#[test]
fn fault_04_killed_in_recovery_again_and_again() {
    let mut rig = Rig::new(2, 1);
    let id = rig.start("p", flow(vec![run("a", &[]), once("b"), run("c", &[])]));
    for access in 1..8 {
        rig.crash(0);
        let access = rig.store.faulty.accesses() + access;
        rig.store.faulty.plan(Planned { access, fault: Fault::After, lasting: Lasting::UntilHealed });
        if rig.boot().is_ok() {
            let _ = rig.turn(vec![resume(&id)]);
        }
    }
    rig.restart();
    assert_eq!(rig.task(&id, "b"), T::InDoubt);
    assert_eq!(rig.project(&id).active_count() + rig.project(&id).ready_count(), 2, "both others are on their way");
}

/// Adds what a later release wrote: a record of a kind that is not known here, in a sound frame, behind one that is known.
fn written_by_a_later_release(rig: &Rig, id: &ProjectId) {
    let last = store::Store::last_frame(&rig.disk, id).unwrap().unwrap();
    let head = chain::head_after(id, &last).unwrap();
    let record = |seq: Seq| {
        let event = Event::Recovered { read_back: 0, run_again: 0, probed: 0, in_doubt: 0 };
        Record { seq, epoch: rig.epoch, at: BEGIN, actor: person(), event }
    };
    let mut frame = chain::FrameBuilder::new(id, head);
    frame.push(&record(head.seq.next())).unwrap();
    let mut bytes = Vec::new();
    codec::encode(&record(head.seq.next().next()), &mut bytes).unwrap();
    let body = codec::open(&bytes).unwrap().1.len();
    let kind_at = bytes.len() - body - 1;
    bytes[kind_at] = 250;
    frame.push_encoded(&bytes).unwrap();
    rig.disk.load(id, frame.finish().unwrap().0);
}

#[test]
fn fault_06_a_kind_of_a_newer_release_stops_one_project_only() {
    let mut rig = Rig::new(4, 1);
    let (new, old) = (rig.start("new", three()), rig.start("old", three()));
    let known = rig.records(&new).len();
    rig.crash(0);
    written_by_a_later_release(&rig, &new);
    let report = wfctl::journal::reader::verify(&rig.disk, &new);
    assert_eq!((report.first_bad, report.records), (None, known as u64 + 2), "the chain is sound");
    rig.core = None;
    let mut core = rig.core_of(store::Store::take_over(&*rig.store).unwrap());
    let replies: Vec<Request> = vec![
        resume(&new),
        Request::Command { id: new.clone(), command: cancel(false), actor: person() },
        Request::Command { id: new.clone(), command: Command::Kill { comment: none() }, actor: person() },
        resume(&old),
    ];
    let turned = core.turn(replies.into_iter().zip([1, 2, 3, 4].map(Some))).unwrap();
    for (to, reply) in &turned.replies {
        match (to, reply) {
            (4, reply) => assert!(reply.is_ok(), "the other project goes on"),
            (_, Err(Error::ReadOnly { id, problem })) => {
                assert!(*id == new && problem.contains("kind 250"), "{problem}");
            }
            (_, other) => panic!("{other:?}"),
        }
    }
    assert_eq!(turned.effects.len(), 1);
    // It is told as far as it is understood, and nothing was written to it.
    let archive = rig.true_archive();
    assert_eq!(archive.records(&new, Seq(0), 1_000).unwrap().len(), known + 1);
    assert!(matches!(archive.records(&new, Seq(known as u64 + 1), 1_000), Err(Error::ReadOnly { .. })));
    let (project, ends) = archive.load_to_read(&new).unwrap();
    assert_eq!((project.status(), project.seq()), (P::Build, known as u64 + 1));
    assert!(matches!(ends, Some(Error::ReadOnly { .. })));
    let report = wfctl::journal::reader::verify(&rig.disk, &new);
    assert_eq!(report.records, known as u64 + 2);
}

#[test]
fn fault_08_a_power_cut_takes_only_what_was_not_acknowledged() {
    for survivors in [0, 1] {
        let mut rig = Rig::new(2, 1);
        let id = rig.start("p", three());
        rig.end("a", good());
        let outcome = rig.ended("b", good());
        rig.store.sabotage.cut_next.store(true, Ordering::SeqCst);
        assert!(rig.turn(vec![outcome]).is_err());
        rig.crash(survivors);
        rig.boot().unwrap();
        rig.verify().unwrap();
        rig.resume(&id).unwrap();
        assert_eq!(rig.task(&id, "a"), T::Completed);
        assert_eq!(rig.names(), [if survivors == 1 { "c" } else { "b" }]);
    }
}

#[test]
fn fault_09_an_engine_that_lost_the_home_cannot_write() {
    let mut rig = Rig::new(2, 1);
    let id = rig.start("p", three());
    let mut stale = rig.core.take().unwrap();
    let order = rig.running.pop().unwrap();
    rig.boot().unwrap();
    rig.resume(&id).unwrap();
    for request in [report(&order, good()), resume(&id)] {
        let refused = stale.turn([(request, None)]);
        assert!(matches!(refused, Err(Error::Store(store::Error::Fenced { .. }))));
        stale = rig.core_of(wfctl::domain::ids::Epoch(1));
    }
    // Two resumes at once through one engine: the second finds it running.
    rig.turn(vec![resume(&id), resume(&id)]).unwrap();
    assert_eq!(rig.names(), ["a"]);
}

#[test]
fn fault_12_the_same_id_twice_is_one_project() {
    let mut rig = Rig::new(2, 1);
    let id = ProjectId::new("p").unwrap();
    let (one, other) = (Arc::new(three()), Arc::new(flow(vec![run("z", &[])])));
    let replies = rig.turn(vec![start(&id, &one), start(&id, &one), start(&id, &other)]).unwrap();
    assert!(matches!(replies[0], Ok(Reply::Started { existed: false, .. })));
    assert!(matches!(replies[1], Ok(Reply::Started { existed: true, .. })));
    assert!(matches!(replies[2], Err(Error::IdTaken { .. })));
    drain(&mut rig);
    assert!(matches!(rig.ask(start(&id, &one)), Ok(Reply::Started { existed: true, .. })), "also when it is done");
}

#[test]
fn fault_13_an_outcome_of_an_old_attempt_is_kept_and_changes_nothing() {
    let mut rig = Rig::new(2, 1);
    let id = rig.start("p", flow(vec![TaskSpec { retry: retry(3, OnExhausted::Fail), ..run("a", &[]) }]));
    let order = rig.running[0].clone();
    rig.end("a", bad(FailureClass::Exit));
    rig.pass(1_000);
    let late = report(&order, good());
    rig.turn(vec![late]).unwrap();
    assert_eq!(rig.task(&id, "a"), T::Running);
    assert_eq!(rig.count(&id, |event| matches!(event, Event::Refused { .. })), 1);
}

#[test]
fn fault_14_cancel_during_backoff_before_start_while_paused_and_after_the_end() {
    let mut rig = Rig::new(1, 1);
    let id = rig.start("p", flow(vec![run("a", &[]), run("b", &[])]));
    rig.end("a", bad(FailureClass::Exit));
    assert_eq!(rig.task(&id, "a"), T::Backoff);
    rig.command(&id, pause()).unwrap();
    rig.command(&id, cancel(false)).unwrap();
    assert_eq!(rig.task(&id, "a"), T::Cancelled);
    rig.end("b", bad(FailureClass::Cancelled));
    assert_eq!(rig.status(&id), P::Cancelled);
    rig.command(&id, cancel(true)).unwrap();
    assert_eq!(refused(rig.command(&id, pause())), RefusalKind::Terminal);
    // A stale timer of the backoff finds nothing to do.
    rig.pass(10_000);
    let done = rig.start("q", flow(vec![run("a", &[])]));
    rig.end("a", good());
    assert_eq!(refused(rig.command(&done, cancel(false))), RefusalKind::Terminal);
}

#[test]
fn fault_14_a_second_cancel_leaves_the_undo_commands_alone() {
    let mut rig = Rig::new(2, 1);
    let undo = |name: &str, needs: &[&str]| TaskSpec { undo: Some("back".to_owned()), ..run(name, needs) };
    let id = rig.start("p", flow(vec![undo("a", &[]), undo("b", &["a"]), run("c", &["b"])]));
    rig.end("a", good());
    rig.end("b", good());
    rig.command(&id, cancel(true)).unwrap();
    rig.end("c", bad(FailureClass::Cancelled));
    assert_eq!(rig.names(), ["b.undo"]);
    rig.command(&id, cancel(false)).unwrap();
    rig.end("b.undo", good());
    rig.end("a.undo", good());
    assert_eq!(rig.status(&id), P::Cancelled);
    assert_eq!(rig.task(&id, "a.undo"), T::Completed);
}

#[test]
fn fault_14_a_resume_in_the_turn_that_ends_a_project_loses_nothing() {
    let mut rig = Rig::new(1, 1);
    let id = rig.start("p", three());
    let kill = Request::Command { id: id.clone(), command: Command::Kill { comment: none() }, actor: person() };
    let replies = rig.turn(vec![kill, resume(&id)]).unwrap();
    assert!(replies[0].is_ok() && replies[1].is_err());
    rig.restart();
    assert_eq!(rig.status(&id), P::Cancelled);
}

#[test]
fn fault_15_a_crash_in_a_backoff_waits_the_rest_and_counts_no_attempt() {
    let mut rig = Rig::new(1, 1);
    let id = rig.start("p", flow(vec![TaskSpec { retry: retry(2, OnExhausted::Fail), ..run("a", &[]) }]));
    rig.end("a", bad(FailureClass::Exit));
    rig.clock.advance(600);
    rig.restart();
    rig.pass(399);
    assert_eq!(rig.task(&id, "a"), T::Backoff);
    rig.pass(1);
    assert_eq!(rig.running[0].attempt.0, 2);
    // The crash in the middle of the last attempt does not use it up, and nothing waits after it.
    rig.restart();
    assert_eq!((rig.running[0].attempt.0, rig.running[0].maybe_ran), (2, true));
    rig.end("a", bad(FailureClass::Exit));
    assert_eq!(rig.status(&id), P::Failed);
}

#[test]
fn fault_16_finished_steps_stay_finished_through_rounds_of_crashes() {
    let mut rig = Rig::new(1, 1);
    let names: Vec<String> = (0..20).map(|n| format!("t{n}")).collect();
    let tasks = names.iter().enumerate().map(
        |(n, name)| {
            if n == 0 { run(name, &[]) } else { run(name, &[names[n - 1].as_str()]) }
        },
    );
    let id = rig.start("p", flow(tasks.collect()));
    for name in &names {
        rig.restart();
        assert_eq!(rig.names(), std::slice::from_ref(name));
        rig.end(name, good());
    }
    assert_eq!(rig.status(&id), P::Done);
    assert_eq!(rig.count(&id, |event| matches!(event, Event::StepFinished { .. })), 20);
}

#[test]
fn fault_17_pause_matrix() {
    let mut rig = Rig::new(4, 1);
    let checked = TaskSpec { validate: vec!["check".to_owned()], ..run("a", &[]) };
    let id = rig.start("p", flow(vec![checked, run("b", &[]), wait_signal("s", "go", Some(5_000)), run("c", &["s"])]));
    rig.end("b", bad(FailureClass::Exit));
    rig.command(&id, pause()).unwrap();
    rig.command(&id, pause()).unwrap();
    assert_eq!(rig.count(&id, |event| matches!(event, Event::Held { .. })), 1, "a second pause is none");
    // The step in flight ends, its check does not begin; the retry becomes due and does not start; the signal counts.
    rig.end("a", good());
    rig.command(&id, signal("go", "r1", 1)).unwrap();
    rig.command(&id, signal("go", "r1", 2)).unwrap();
    rig.pass(10_000);
    assert_eq!(rig.names(), Vec::<String>::new());
    assert_eq!(rig.task(&id, "s"), T::Completed);
    rig.restart();
    rig.pass(1);
    let names = rig.names();
    assert!(["a", "b", "c"].iter().all(|name| names.iter().any(|running| running == name)), "{names:?}");
    assert_eq!(rig.running.iter().find(|order| &*order.name == "a").unwrap().step.0, 1, "only the check is left");
    drain(&mut rig);
    assert_eq!(rig.status(&id), P::Done);
}

#[test]
fn fault_17_a_gate_is_not_answered_while_paused() {
    let mut rig = Rig::new(1, 1);
    let mut build = phase(Phase::Build, vec![run("a", &[])]);
    build.approval = Some(ask(None, OnTimeout::Reject));
    let id = rig.start("p", phases(vec![build]));
    rig.end("a", good());
    rig.command(&id, pause()).unwrap();
    assert_eq!(refused(rig.command(&id, yes(None))), RefusalKind::WrongState);
    rig.command(&id, go_on()).unwrap();
    rig.command(&id, yes(None)).unwrap();
    assert_eq!(rig.status(&id), P::Done);
}

#[test]
fn fault_17_a_persons_pause_outlasts_a_full_disk() {
    let mut rig = Rig::new(1, 1);
    let id = rig.start("p", three());
    rig.turn(vec![Request::Disk { free_bytes: 1, low: true }]).unwrap();
    rig.command(&id, pause()).unwrap();
    rig.turn(vec![Request::Disk { free_bytes: 1 << 40, low: false }]).unwrap();
    assert!(matches!(rig.project(&id).hold(), Some(HoldReason::Person { .. })));
}

#[test]
fn fault_18_a_timed_out_attempt_is_retried_and_its_later_words_are_dropped() {
    for class in [FailureClass::Timeout, FailureClass::Idle] {
        let mut rig = Rig::new(1, 1);
        let id = rig.start("p", flow(vec![run("a", &[])]));
        let order = rig.running[0].clone();
        rig.end("a", bad(class));
        rig.pass(60_000);
        rig.turn(vec![report(&order, good())]).unwrap();
        assert_eq!((rig.task(&id, "a"), rig.running[0].attempt.0), (T::Running, 2));
    }
}

#[test]
fn fault_19_a_poisonous_step_is_held_and_the_others_go_on() {
    let mut rig = Rig::new(4, 1);
    let id = rig.start("p", flow(vec![run("a", &[]), run("b", &[])]));
    for _ in 0..4 {
        rig.restart();
    }
    assert_eq!(rig.running.len(), 2);
    rig.crash(0);
    rig.boot().unwrap();
    assert_eq!(refused(rig.resume(&id)), RefusalKind::WrongState);
    assert!(matches!(rig.project(&id).hold(), Some(HoldReason::Poison { .. })));
    assert_eq!(rig.project(&id).ready_count(), 2, "every step that ran is taken back");
    rig.resume(&id).unwrap();
    assert_eq!(rig.running.len(), 2);
}

#[test]
fn fault_20_exhausted_pauses_and_a_resume_begins_a_new_series() {
    let mut rig = Rig::new(1, 1);
    let id = rig.start("p", flow(vec![TaskSpec { retry: retry(2, OnExhausted::Pause), ..run("a", &[]) }]));
    rig.end("a", bad(FailureClass::Exit));
    rig.pass(1_000);
    rig.end("a", bad(FailureClass::Exit));
    assert_eq!(rig.status(&id), P::Paused);
    rig.restart();
    assert_eq!(rig.running[0].attempt.0, 3);
    rig.end("a", bad(FailureClass::Exit));
    rig.pass(1_000);
    rig.end("a", good());
    assert_eq!(rig.status(&id), P::Done);
}

#[test]
fn fault_21_signals_before_the_wait_twice_and_in_any_order() {
    let mut rig = Rig::new(1, 1);
    let waits = vec![
        run("a", &[]),
        with_needs(wait_signal("s", "x", None), &["a"]),
        with_needs(wait_signal("t", "y", None), &["s"]),
    ];
    let id = rig.start("p", flow(waits));
    for command in [signal("y", "2", 2), signal("x", "1", 1), signal("x", "1", 9)] {
        rig.command(&id, command).unwrap();
    }
    rig.restart();
    rig.end("a", good());
    assert_eq!(rig.status(&id), P::Done);
    let output = |name: &str| rig.project(&id).task(rig.project(&id).find(name).unwrap()).output.clone().unwrap();
    assert_eq!(output("s"), wfctl::domain::payload::Payload::inline(b"1").unwrap());
    assert_eq!(refused(rig.command(&id, signal("x", "3", 1))), RefusalKind::Terminal);
}

#[test]
fn fault_21_one_approval_answered_twice_keeps_the_first_answer() {
    let mut rig = Rig::new(1, 1);
    let id = rig.start("p", flow(vec![approval("ask", None, OnTimeout::Reject), run("a", &["ask"])]));
    rig.command(&id, yes(Some("ask"))).unwrap();
    assert_eq!(refused(rig.command(&id, no(Some("ask")))), RefusalKind::AlreadyAnswered);
    assert_eq!(rig.task(&id, "ask"), T::Completed);
    assert_eq!(rig.count(&id, |event| matches!(event, Event::Refused { .. })), 1);
}

#[test]
fn fault_22_clocks_jump_and_many_timers_fire_once_and_in_order() {
    let mut rig = Rig::new(1, 1);
    let waits = (0..50u64).map(|n| wait_ms(&format!("w{n}"), 1_000 * (50 - n)));
    let id = rig.start("p", flow(waits.collect()));
    rig.clock.jump_to(Millis(BEGIN.0 - 3_600_000));
    rig.pass(0);
    assert_eq!(rig.count(&id, |event| matches!(event, Event::TaskCompleted { .. })), 0);
    rig.crash(0);
    rig.clock.jump_to(Millis(BEGIN.0 + 3_600_000));
    rig.boot().unwrap();
    rig.resume(&id).unwrap();
    let done: Vec<u32> = rig
        .records(&id)
        .iter()
        .filter_map(|record| match record.event {
            Event::TaskCompleted { task, .. } => Some(task.0),
            _ => None,
        })
        .collect();
    assert_eq!(done, (0..50).rev().collect::<Vec<u32>>());
    assert_eq!(rig.status(&id), P::Done);
}

#[test]
fn fault_22_a_raised_wall_cap_still_holds() {
    let mut rig = Rig::new(1, 1);
    let mut definition = three();
    definition.budget = Caps { wall_ms: Some(10_000), ..Caps::default() };
    let id = rig.start("p", definition);
    rig.pass(5_000);
    let budget = Some(Caps { wall_ms: Some(20_000), ..Caps::default() });
    rig.command(&id, Command::Resume { in_doubt: None, budget, comment: none() }).unwrap();
    rig.pass(6_000);
    assert_eq!(rig.status(&id), P::Build);
    rig.pass(9_000);
    assert_eq!(rig.status(&id), P::Paused);
}

#[test]
fn fault_23_the_parent_closes_first_and_the_childs_words_are_late() {
    let mut rig = Rig::new(4, 1);
    let mut definition = flow(vec![child("c", "below"), run("a", &[])]);
    definition.children.insert("below".to_owned(), Arc::new(flow(vec![run("inner", &[])])));
    let id = rig.start("p", definition.clone());
    let inner = rig.ended("inner", good());
    rig.command(&id, Command::Kill { comment: none() }).unwrap();
    let below = ProjectId::new("p.0.1").unwrap();
    assert_eq!((rig.status(&id), rig.status(&below)), (P::Cancelled, P::Cancelled));
    rig.turn(vec![inner]).unwrap();
    assert_eq!(rig.status(&below), P::Cancelled);
    // A child that a command has loaded is driven all the same once its parent is resumed.
    let id = rig.start("q", definition);
    rig.crash(0);
    rig.boot().unwrap();
    let below = ProjectId::new("q.0.1").unwrap();
    rig.command(&below, signal("x", "", 1)).unwrap();
    assert_eq!(rig.names(), Vec::<String>::new());
    rig.resume(&id).unwrap();
    drain(&mut rig);
    assert_eq!((rig.status(&id), rig.status(&below)), (P::Done, P::Done));
}

#[test]
fn fault_25_a_definition_stays_as_pinned_and_serialises_the_same() {
    let mut rig = Rig::new(1, 1);
    let id = rig.start("p", three());
    let pinned = rig.project(&id).definition.clone();
    let text = pinned.to_canonical_json();
    let again: Definition = serde_json::from_slice(&text).unwrap();
    assert_eq!((again.to_canonical_json(), again), (text, (*pinned).clone()));
    let other = Arc::new(flow(vec![run("a", &[])]));
    assert!(matches!(rig.ask(start(&id, &other)), Err(Error::IdTaken { .. })), "changed in flight");
    rig.restart();
    drain(&mut rig);
    assert_eq!(rig.project(&id).tasks().len(), 3);
}

#[test]
fn fault_26_ten_thousand_items_with_one_failing() {
    let mut rig = Rig::new(10_000, 1);
    let each = TaskSpec { foreach: Some("10000".to_owned()), retry: retry(1, OnExhausted::Fail), ..run("each", &[]) };
    let id = rig.start("p", flow(vec![each, run("after", &["each"]), run("last", &["after"])]));
    let orders = std::mem::take(&mut rig.running);
    assert_eq!(orders.len(), 10_000);
    let outcomes = orders.iter().enumerate();
    let requests = outcomes.map(|(n, order)| report(order, if n == 777 { bad(FailureClass::Exit) } else { good() }));
    let requests: Vec<Request> = requests.collect();
    rig.turn(requests).unwrap();
    assert_eq!(rig.status(&id), P::Failed);
    assert_eq!(
        (rig.task(&id, "each"), rig.task(&id, "after"), rig.task(&id, "last")),
        (T::Failed, T::Skipped, T::Skipped)
    );
    assert!(rig.project(&id).closing_note().contains("1 of 10000 items failed, first each[777]"));
}

#[test]
fn fault_27_terminal_is_terminal() {
    let mut rig = Rig::new(1, 1);
    let id = rig.start("p", flow(vec![run("a", &[])]));
    let order = rig.running[0].clone();
    rig.end("a", good());
    let last = rig.records(&id).len();
    for command in [pause(), go_on(), cancel(true), yes(None), signal("x", "", 1), Command::Retry { task: None }] {
        assert_eq!(refused(rig.command(&id, command)), RefusalKind::Terminal);
    }
    assert_eq!(refused(rig.resume(&id)), RefusalKind::Terminal);
    rig.turn(vec![report(&order, bad(FailureClass::Exit))]).unwrap();
    assert_eq!(rig.records(&id).len(), last);
}

#[test]
fn fault_28_bad_output_is_one_clear_failure() {
    for class in [FailureClass::Oversized, FailureClass::NotFound] {
        let mut rig = Rig::new(1, 1);
        let id = rig.start("p", flow(vec![TaskSpec { retry: retry(5, OnExhausted::Fail), ..run("a", &[]) }]));
        rig.end("a", outcome(Err(Failure::new(class, "cut"))));
        assert_eq!((rig.status(&id), rig.running.len()), (P::Failed, 0));
        assert!(rig.project(&id).closing_note().contains("cut"));
    }
}

#[test]
fn steps_of_a_project_that_is_not_driven_take_no_worker() {
    let mut rig = Rig::new(1, 1);
    let id = rig.start("p", three());
    rig.crash(0);
    rig.boot().unwrap();
    rig.command(&id, signal("x", "", 1)).unwrap();
    rig.start("q", three());
    assert_eq!(&*rig.running[0].project.to_string(), "q");
}

#[test]
fn a_once_step_that_was_stopped_in_order_is_in_doubt_and_its_doubt_is_no_attempt() {
    let mut rig = Rig::new(1, 1);
    let id = rig.start("p", flow(vec![once("a")]));
    rig.end("a", bad(FailureClass::Interrupted));
    assert_eq!(rig.task(&id, "a"), T::InDoubt);
    let in_doubt = Some(DoubtAnswer::Rerun);
    rig.command(&id, Command::Resume { in_doubt, budget: None, comment: none() }).unwrap();
    assert_eq!((rig.running[0].attempt.0, rig.running[0].maybe_ran), (1, true));
}

#[test]
fn fault_18_a_once_step_of_unknown_effect_asks_instead_of_being_retried() {
    use FailureClass as F;
    let broke = |class, code| StepOutcome { code, ..bad(class) };
    let in_doubt = [
        broke(F::Timeout, None),
        broke(F::Idle, None),
        broke(F::Signal, None),
        broke(F::Signal, Some(137)),
        broke(F::Transport, None),
        broke(F::Oversized, None),
        broke(F::Internal, None),
        broke(F::Malformed, Some(200)),
        broke(F::Malformed, Some(0)),
        broke(F::Workspace, Some(0)),
    ];
    let known = [
        broke(F::Exit, Some(1)),
        broke(F::HttpServer, Some(503)),
        broke(F::RateLimited, Some(429)),
        broke(F::Unreachable, None),
        broke(F::Malformed, None),
        broke(F::Workspace, None),
    ];
    for (outcome, status) in in_doubt.map(|it| (it, T::InDoubt)).into_iter().chain(known.map(|it| (it, T::Backoff))) {
        let mut rig = Rig::new(1, 1);
        let id = rig.start("p", flow(vec![once("a"), run("b", &["a"])]));
        rig.end("a", outcome.clone());
        assert_eq!(rig.task(&id, "a"), status, "{outcome:?}");
        assert_eq!(rig.count(&id, |event| matches!(event, Event::StepFinished { .. })), 1, "how it ended is on record");
        rig.pass(3_600_000);
        assert_eq!(rig.running.is_empty(), status == T::InDoubt, "{outcome:?}");
    }
}

#[test]
fn fault_18_each_answer_to_a_doubt_is_heard_also_after_a_crash() {
    for answer in [DoubtAnswer::Rerun, DoubtAnswer::Done, DoubtAnswer::Fail] {
        let mut rig = Rig::new(1, 1);
        let id = rig.start("p", flow(vec![once("a"), run("b", &["a"])]));
        rig.end("a", bad(FailureClass::Timeout));
        rig.restart();
        assert_eq!((rig.task(&id, "a"), rig.running.len()), (T::InDoubt, 0));
        rig.command(&id, Command::Resume { in_doubt: Some(answer), budget: None, comment: none() }).unwrap();
        match answer {
            DoubtAnswer::Rerun => assert_eq!((rig.names(), rig.running[0].maybe_ran), (vec!["a".to_owned()], true)),
            DoubtAnswer::Done => assert_eq!(rig.names(), ["b"]),
            DoubtAnswer::Fail => assert_eq!(rig.status(&id), P::Failed),
        }
        assert_eq!(rig.project(&id).ledger().spent.calls, 1, "the call was made, whatever it did");
    }
}

#[test]
fn fault_14_what_is_cancelled_in_doubt_has_been_paid() {
    for command in [cancel(true), Command::Kill { comment: none() }] {
        let mut rig = Rig::new(1, 1);
        let id = rig.start("p", flow(vec![once("a")]));
        rig.restart();
        assert_eq!(rig.task(&id, "a"), T::InDoubt);
        rig.command(&id, command).unwrap();
        let ledger = *rig.project(&id).ledger();
        assert_eq!((rig.status(&id), ledger.spent.calls, ledger.reserved.calls), (P::Cancelled, 1, 0));
    }
}

#[test]
fn fault_14_an_action_that_succeeded_is_undone_although_its_checks_were_not_done() {
    let spec = || TaskSpec {
        validate: vec!["check".to_owned()],
        undo: Some("back".to_owned()),
        retry: retry(2, OnExhausted::Fail),
        ..run("b", &["a"])
    };
    let first = || TaskSpec { undo: Some("back".to_owned()), ..run("a", &[]) };
    for how in ["while checked", "interrupted", "in a backoff", "before its action ended"] {
        let mut rig = Rig::new(1, 1);
        let id = rig.start("p", flow(vec![first(), spec()]));
        rig.end("a", good());
        if how != "before its action ended" {
            rig.end("b", good());
        }
        match how {
            "interrupted" => {
                rig.core().drain();
                rig.end("b", bad(FailureClass::Interrupted));
                rig.crash(0);
                rig.boot().unwrap();
            }
            "in a backoff" => rig.end("b", bad(FailureClass::Exit)),
            _ => {}
        }
        rig.turn(vec![Request::Resume { id: id.clone(), command: cancel(true), actor: person() }]).unwrap();
        if rig.task(&id, "b").is_active() {
            rig.end("b", bad(FailureClass::Cancelled));
        }
        assert_eq!(rig.task(&id, "b"), T::Cancelled, "{how}");
        if how != "before its action ended" {
            assert_eq!(rig.names(), ["b.undo"], "{how}");
            rig.end("b.undo", good());
        }
        assert_eq!(rig.names(), ["a.undo"], "{how}");
        rig.end("a.undo", good());
        assert_eq!(rig.status(&id), P::Cancelled, "{how}");
    }
}

#[test]
fn a_claim_does_not_outlive_its_attempt() {
    let mut rig = Rig::new(1, 1);
    let repaired =
        TaskSpec { on_failure: Some(branch("repair", 1)), retry: retry(1, OnExhausted::Fail), ..external("a", 5_000) };
    let id = rig.start("p", flow(vec![repaired]));
    let claim = || Command::Claim { task: "a".to_owned(), worker: "w".to_owned() };
    let Reply::Taken(Some(token)) = rig.command(&id, claim()).unwrap() else { panic!("a claim gives a token") };
    let result = |token, result| Command::Result { task: "a".to_owned(), token, result };
    rig.command(&id, result(token, Err("no".to_owned()))).unwrap();
    rig.end("a.fix1", good());
    assert_eq!(refused(rig.command(&id, result(token, Ok(serde_json::json!(1))))), RefusalKind::StaleToken);
    rig.command(&id, claim()).unwrap();
    rig.pass(5_000);
    rig.command(&id, result(0, Ok(serde_json::json!(1)))).unwrap();
    assert_eq!(rig.status(&id), P::Done);
}

/// A string of JSON has two quotes around it.
#[test]
fn one_byte_past_the_largest_signal_and_one_signal_past_the_most_are_refused() {
    let mut rig = Rig::new(1, 1);
    let id = rig.start("p", flow(vec![wait_signal("s", "never", None)]));
    let sized = |bytes: usize| {
        let payload = serde_json::json!("x".repeat(bytes - 2));
        Command::Signal { name: "x".to_owned(), payload, request: none() }
    };
    rig.command(&id, sized(limits::SIGNAL_PAYLOAD_BYTES)).unwrap();
    assert_eq!(refused(rig.command(&id, sized(limits::SIGNAL_PAYLOAD_BYTES + 1))), RefusalKind::Limit);
    let one = || Request::Command { id: id.clone(), command: signal("x", "", 1), actor: person() };
    let replies = rig.turn((1..limits::PENDING_SIGNALS).map(|_| one()).collect()).unwrap();
    assert!(replies.iter().all(Result::is_ok));
    assert_eq!(refused(rig.ask(one())), RefusalKind::Limit);
}

#[test]
fn one_byte_past_the_longest_comment_is_refused_and_does_not_break_the_project() {
    let mut rig = Rig::new(1, 1);
    let id = rig.start("p", three());
    let comment = |bytes: usize| Command::Pause { comment: "x".repeat(bytes) };
    let request = |bytes: usize| signal("x", &"r".repeat(bytes), 1);
    for command in [comment(limits::COMMENT_BYTES + 1), request(limits::NAME_BYTES + 1), comment(1 << 20)] {
        assert_eq!(refused(rig.command(&id, command)), RefusalKind::Limit);
    }
    rig.command(&id, request(limits::NAME_BYTES)).unwrap();
    rig.command(&id, comment(limits::COMMENT_BYTES)).unwrap();
    assert_eq!(rig.status(&id), P::Paused);
}
