//! Walks that are killed at every write to their record and taken up again: what is on record at the end is what an undisturbed walk
//! leaves there.

use serde_json::json;

use super::conversation::{broken_site, repair};
use super::support::*;
use crate::agents::memory_calls::{Break, MemoryCalls};
use crate::agents::walk::run;
use crate::domain::call::{CallKind, CallOutcome, RecordedCall};
use crate::domain::failure::FailureClass;
use crate::domain::payload::Payload;

/// What must be the same whenever a walk was killed: everything but durations and how often a call was lost.
fn essence(record: &[RecordedCall]) -> Vec<String> {
    let outcome = |call: &RecordedCall| {
        call.outcome.as_ref().map(|outcome| CallOutcome { duration_ms: 0, ..CallOutcome::clone(outcome) })
    };
    record
        .iter()
        .map(|call| format!("{} {} {} {} {:?}", call.ix, call.kind, call.label, call.input, outcome(call)))
        .collect()
}

/// Calls of models that have an outcome.
fn replies(record: &[RecordedCall]) -> usize {
    let ended = record.iter().filter(|call| call.outcome.is_some()).cloned().collect::<Vec<_>>();
    count(&ended, CallKind::Model) + count(&ended, CallKind::Compact)
}

/// A conversation long enough to be summed up twice.
fn long_talk() -> ScriptedModels {
    let mut models = ScriptedModels::new(|turn, request| {
        if last_text(request).starts_with("The conversation is too long") {
            return Line::Says(format!("## Done: {turn} turns"));
        }
        match turn {
            1..=9 => calls(&[write("main.rs", &format!("{turn} {}", "words ".repeat(300))), read("main.rs")]),
            10 => calls(&[write("main.rs", "fixed")]),
            _ => finish(handoff()),
        }
    });
    models.window = Some(6_000);
    models
}

async fn sweep(models: impl Fn() -> ScriptedModels, site: impl Fn() -> MemorySite, output: &str) {
    let order = order(role(output, "checks"));
    let calls = MemoryCalls::default();
    let whole = run(&order, &calls, &models(), &site()).await;
    assert!(whole.answer.is_ok(), "{whole:?}");
    let undisturbed = essence(&calls.record());
    for at in 0..calls.writes() {
        for breaks in [Break::Before(at), Break::After(at)] {
            let (models, site) = (models(), site());
            let first = MemoryCalls::default().broken(breaks);
            let end = run(&order, &first, &models, &site).await;
            assert_eq!(class(&end), FailureClass::Interrupted, "{breaks:?}");
            let (sent_before, known) = (models.asked().len(), replies(&first.record()));
            if !first.record().is_empty() {
                site.files.lock().unwrap().insert("main.rs".into(), "half a write".into());
            }
            let (end, record) = walk_over(first.record(), &order, &models, &site).await;
            assert_eq!(end.answer, whole.answer, "{breaks:?}");
            assert_eq!(
                (&end.tree, &end.artifacts, end.turns),
                (&whole.tree, &whole.artifacts, whole.turns),
                "{breaks:?}"
            );
            assert_eq!(essence(&record), undisturbed, "{breaks:?}");
            let lost: u32 = record.iter().map(|call| call.lost).sum();
            assert!(lost <= 1, "{breaks:?}");
            let sent = models.asked().len();
            assert_eq!(
                sent - sent_before,
                replies(&record) - known,
                "{breaks:?}: no reply on record is asked for again"
            );
        }
    }
}

#[tokio::test]
async fn killed_at_any_write_a_walk_ends_as_if_undisturbed() {
    sweep(|| ScriptedModels::lines(repair()), broken_site, "handoff").await;
}

#[tokio::test]
async fn killed_at_any_write_a_walk_with_summaries_ends_as_if_undisturbed() {
    sweep(long_talk, broken_site, "handoff").await;
}

#[tokio::test]
async fn killed_at_any_write_a_walk_with_a_refusal_and_broken_calls_ends_as_if_undisturbed() {
    let lines = || {
        vec![
            Line::Raw(vec![("read_file", "{\"path\"".into()), ("read_file", "{\"path\": \"main.rs\"}".into())]),
            Line::Raw(vec![("launch", "{}".into())]),
            calls(&[write("main.rs", "fixed")]),
            finish(json!({"summary": 1})),
            finish(handoff()),
        ]
    };
    let refused_by_the_first = || {
        let lines = lines();
        ScriptedModels::new(move |turn, request| match (turn, request.model.as_str()) {
            (3, "p/a") => Line::Fails(FailureClass::Refusal),
            _ => lines[turn as usize - 1].clone(),
        })
    };
    sweep(refused_by_the_first, broken_site, "handoff").await;
}

#[tokio::test]
async fn a_finished_walk_is_rebuilt_byte_by_byte_without_any_call() {
    let order = order(role("handoff", "checks"));
    let site = broken_site();
    let (whole, record) = walk_over(Vec::new(), &order, &long_talk(), &site).await;
    let nobody = ScriptedModels::new(|turn, _| panic!("reply {turn} is on record"));
    // Another folder, as a new engine's is: it has what the attempt began from.
    let other = MemorySite::default();
    other.trees.lock().unwrap().clone_from(&site.trees.lock().unwrap());
    let (again, same) = walk_over(record.clone(), &order, &nobody, &other).await;
    assert_eq!(again, whole);
    assert_eq!(same, record);
    assert!(other.runs.lock().unwrap().is_empty());
    assert_eq!(*other.files.lock().unwrap(), *site.files.lock().unwrap(), "the work is there to be taken");
}

#[tokio::test]
async fn every_request_on_record_is_the_one_that_was_sent() {
    let models = long_talk();
    let (_, record) = walk_over(Vec::new(), &order(role("handoff", "checks")), &models, &broken_site()).await;
    let kinds = [CallKind::Model, CallKind::Compact];
    let on_record: Vec<_> = record.iter().filter(|call| kinds.contains(&call.kind)).map(|call| call.input).collect();
    let sent: Vec<_> = models.asked().iter().map(|request| request.digest()).collect();
    assert_eq!(on_record, sent);
}

#[tokio::test]
async fn a_changed_outcome_is_a_divergence_that_shows_both_sides() {
    let order = order(role("handoff", "checks"));
    let (_, mut record) = walk_over(Vec::new(), &order, &ScriptedModels::lines(repair()), &broken_site()).await;
    let tool = record.iter().position(|call| call.kind == CallKind::Tool).unwrap();
    record[tool].outcome.as_mut().unwrap().result = Ok(Payload::Inline(b"something else".as_slice().into()));
    let nobody = ScriptedModels::new(|_, _| panic!("nothing is asked after a divergence"));
    let (end, after) = walk_over(record.clone(), &order, &nobody, &broken_site()).await;
    let failure = end.answer.unwrap_err();
    assert_eq!(failure.class, FailureClass::Diverged);
    let next = record.iter().skip(tool).find(|call| call.kind == CallKind::Model).unwrap();
    assert!(failure.message.starts_with(&format!("call {} was model \"p/a\" with input {}", next.ix, next.input)));
    assert!(failure.message.contains("and is now model \"p/a\" with input"), "{}", failure.message);
    assert_eq!(after, record, "the record stays as it was");
}

#[tokio::test]
async fn other_inputs_than_those_on_record_diverge_at_the_first_call() {
    let mut order = order(role("handoff", "checks"));
    let (_, record) = walk_over(Vec::new(), &order, &ScriptedModels::lines(repair()), &broken_site()).await;
    order.with = json!({"goal": "something else"});
    let (end, _) = walk_over(record, &order, &ScriptedModels::lines(repair()), &broken_site()).await;
    assert_eq!(class(&end), FailureClass::Diverged);
}

#[tokio::test]
async fn an_edited_role_or_new_standing_instructions_do_not_touch_a_walk_that_has_begun() {
    let mut order = order(role("handoff", "checks"));
    let first = MemoryCalls::default().broken(Break::Before(4));
    let site = broken_site();
    run(&order, &first, &ScriptedModels::lines(repair()), &site).await;
    order.role.prompt = "You are someone else.".into();
    let mut site = site;
    site.standing = vec![crate::agents::walk::Standing { path: "AGENTS.md".into(), text: "New.".into() }];
    let (end, _) = walk_over(first.record(), &order, &ScriptedModels::lines(repair()), &site).await;
    assert_eq!(end.answer, Ok(handoff()));
}

#[tokio::test]
async fn a_question_ends_the_walk_and_its_answer_is_the_result() {
    let ask = ("ask_human", json!({"question": "Which one?"}));
    let lines = || vec![calls(&[write("main.rs", "fixed"), ask.clone(), read("main.rs")]), finish(handoff())];
    let order = order(role("handoff", "checks"));
    let site = broken_site();
    let line = MemoryCalls::default();
    let end = run(&order, &line, &ScriptedModels::lines(lines()), &site).await;
    assert_eq!(class(&end), FailureClass::Interrupted);
    let asked = line.questions();
    assert_eq!(asked.len(), 1);
    assert_eq!(asked[0].1, "Which one?");
    let again = MemoryCalls::over(line.record());
    let end = run(&order, &again, &ScriptedModels::lines(lines()), &site).await;
    assert_eq!(class(&end), FailureClass::Interrupted, "taken up again without an answer it asks again");
    assert_eq!(again.questions(), asked);
    let mut record = again.record();
    record[asked[0].0.0 as usize].outcome = Some(Box::new(CallOutcome {
        result: Ok(Payload::Inline(b"the second".as_slice().into())),
        duration_ms: 0,
        usage: None,
        full: None,
        tree: None,
        ran_under: None,
    }));
    let models = ScriptedModels::lines(lines());
    let (end, _) = walk_over(record, &order, &models, &site).await;
    assert_eq!(end.answer, Ok(handoff()));
    let texts = serde_json::to_string(&models.asked()[0].messages).unwrap();
    assert!(texts.contains("the second"), "{texts}");
}
