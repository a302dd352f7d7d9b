//! Whole conversations: tools, checks, the answer and its artifacts.

use serde_json::json;

use super::support::*;
use crate::domain::call::CallKind;
use crate::domain::chat::Message;
use crate::domain::machine::TurnState;

/// Reads, writes something wrong, is refused by the checks, repairs it, finishes.
pub(super) fn repair() -> Vec<Line> {
    vec![
        calls(&[read("main.rs"), read("lib.rs"), ("note", json!({"text": "main is broken"}))]),
        calls(&[write("main.rs", "half"), ("run_command", json!({"command": "make"})), read("main.rs")]),
        finish(handoff()),
        calls(&[write("main.rs", "fixed"), ("git_commit", json!({"message": "Fix main"}))]),
        calls(&[("run_checks", json!({}))]),
        finish(handoff()),
    ]
}

pub(super) fn broken_site() -> MemorySite {
    MemorySite::with(&[("main.rs", "broken"), ("lib.rs", "fine")])
}

#[tokio::test]
async fn a_conversation_runs_from_its_prompt_to_its_artifacts() {
    let (models, site) = (ScriptedModels::lines(repair()), broken_site());
    let (end, record) = walk_over(Vec::new(), &order(role("handoff", "checks")), &models, &site).await;
    assert_eq!(end.answer, Ok(handoff()));
    assert_eq!((end.state, end.turns), (TurnState::Done, 6));
    let kinds: Vec<&str> = record.iter().map(|call| call.kind.name()).collect();
    let expected =
        "prompt model tool tool tool model tool tool tool model check model tool commit model check model artifact";
    assert_eq!(kinds.join(" "), expected);
    assert!(record.iter().all(|call| call.outcome.is_some()));
    assert_eq!(site.files.lock().unwrap()["main.rs"], "fixed");
    assert_eq!(*site.checks.lock().unwrap(), 2, "green checks over the same files are not run again");
    assert_eq!(end.tree, record.iter().rev().find_map(|call| call.outcome.as_ref()?.tree.clone()));
    assert_eq!(end.artifacts[0].name, "handoff.md");
    assert_eq!((end.usage.input_tokens, end.usage.usd_micros), (600, 30));
    let red = &models.asked()[3];
    assert!(last_text(red).contains("the checks are red"), "{}", last_text(red));
    assert!(last_text(red).contains("main is broken"));
}

#[tokio::test]
async fn what_is_pushed_keeps_its_message_and_is_pushed_once() {
    let push = |message: &str| ("git_commit_and_push", json!({"message": message}));
    let lines = || {
        vec![
            calls(&[write("main.rs", "half"), push("Half of it")]),
            calls(&[write("main.rs", "fixed"), push("Fix main"), push("Fix main again")]),
            finish(handoff()),
        ]
    };
    let (models, site) = (ScriptedModels::lines(lines()), broken_site());
    let mut who = role("handoff", "checks");
    who.tools.push("git_commit_and_push".to_owned());
    let (end, record) = walk_over(Vec::new(), &order(who.clone()), &models, &site).await;
    assert_eq!((end.answer, end.message.as_deref()), (Ok(handoff()), Some("Fix main")));
    assert_eq!(record.iter().filter(|call| call.kind == CallKind::Commit).count(), 3);
    let asked = models.asked();
    let told = last_text(&asked[2]);
    assert!(told.contains("error: nothing has changed since your last commit"), "{told}");
    // Read back, it is the same, and nobody is asked.
    let models = ScriptedModels::lines(Vec::new());
    let (again, _) = walk_over(record, &order(who), &models, &site).await;
    assert_eq!((again.message.as_deref(), models.asked().len()), (Some("Fix main"), 0));
}

#[tokio::test]
async fn requests_are_append_only() {
    let (models, site) = (ScriptedModels::lines(repair()), broken_site());
    walk_over(Vec::new(), &order(role("handoff", "checks")), &models, &site).await;
    for pair in models.asked().windows(2) {
        let (before, after) = (&pair[0].messages, &pair[1].messages);
        assert_eq!(&after[..before.len()], &before[..], "a request begins with the one before it");
        assert_eq!(pair[0].tools, pair[1].tools);
    }
}

#[tokio::test]
async fn neighbours_that_change_nothing_run_side_by_side_and_results_keep_their_order() {
    let reads = || calls(&[read("a"), read("b"), read("c"), write("a", "2"), read("a"), read("b")]);
    let models = ScriptedModels::lines(vec![reads(), finish(judgement())]);
    let site = MemorySite::with(&[("a", "1"), ("b", "B"), ("c", "C")]);
    let (end, record) = walk_over(Vec::new(), &order(role("judgement", "none")), &models, &site).await;
    assert_eq!(end.answer, Ok(judgement()));
    assert_eq!(site.running.lock().unwrap().1, 3, "the first three at once, the write alone");
    let results: Vec<String> = models.asked()[1]
        .messages
        .iter()
        .filter_map(|message| match message {
            Message::Tool { text, .. } => Some(text.clone()),
            _ => None,
        })
        .collect();
    assert_eq!(results, ["1", "B", "C", "written", "2", "B"]);
    assert_eq!(count(&record, CallKind::Tool), 6);
}

#[tokio::test]
async fn an_answer_as_text_is_accepted_when_it_fits() {
    let text = format!("```json\n{}\n```", judgement());
    let models = ScriptedModels::lines(vec![Line::Says("I think about it.".into()), Line::Says(text)]);
    let (end, _) = walk_over(Vec::new(), &order(role("judgement", "none")), &models, &MemorySite::default()).await;
    assert_eq!(end.answer, Ok(judgement()));
    assert!(last_text(&models.asked()[1]).starts_with("You called no tool"));
}

#[tokio::test]
async fn a_report_of_failure_needs_no_green_checks() {
    let report =
        json!({"verdict": "fail", "summary": "s", "failures": [{"name": "n", "message": "m"}], "added_tests": []});
    let models = ScriptedModels::lines(vec![finish(report.clone())]);
    let site = broken_site();
    let (end, _) = walk_over(Vec::new(), &order(role("test_report", "checks")), &models, &site).await;
    assert_eq!(end.answer, Ok(report));
    assert_eq!(*site.checks.lock().unwrap(), 0);
}

#[tokio::test]
async fn a_cut_reply_is_continued_and_read_as_one() {
    let text = judgement().to_string();
    let (head, tail) = text.split_at(text.len() / 2);
    let models = ScriptedModels::lines(vec![Line::Cut(head.into()), Line::Says(tail.into())]);
    let (end, _) = walk_over(Vec::new(), &order(role("judgement", "none")), &models, &MemorySite::default()).await;
    assert_eq!(end.answer, Ok(judgement()));
    assert!(last_text(&models.asked()[1]).starts_with("Your reply was cut"));
}

#[tokio::test]
async fn the_whole_of_a_cut_result_can_be_read() {
    let long = "x".repeat(5_000);
    let handle = crate::domain::ids::Digest::of(long.as_bytes()).to_hex();
    let ask = calls(&[("read_output", json!({ "handle": handle }))]);
    let models = ScriptedModels::lines(vec![calls(&[read("long")]), ask, finish(judgement())]);
    let site = MemorySite::with(&[("long", &long)]);
    let (end, _) = walk_over(Vec::new(), &order(role("judgement", "none")), &models, &site).await;
    assert_eq!(end.answer, Ok(judgement()));
    assert_eq!(last_text(&models.asked()[2]), "5000 bytes");
}

#[tokio::test]
async fn the_prompt_holds_rules_standing_instructions_task_and_what_failed_before() {
    let models = ScriptedModels::lines(vec![finish(judgement())]);
    let standing = vec![super::super::Standing { path: "AGENTS.md".into(), text: "Use tabs.".into() }];
    let site = MemorySite { standing, ..MemorySite::default() };
    let mut order = order(role("judgement", "none"));
    order.attempt = 3;
    order.previous = vec!["first log".into(), "second log".into()];
    walk_over(Vec::new(), &order, &models, &site).await;
    let request = &models.asked()[0];
    let [Message::System { text: system }, Message::User { text: task }] = &request.messages[..] else {
        panic!("a system text and a task");
    };
    assert!(system.starts_with("You work.\n\nHow you work:"));
    assert!(system.contains("from AGENTS.md:\n\nUse tabs.\n"));
    assert!(task.contains("## goal\n\nmake main work\n"));
    assert!(task.contains("## Map of the repository\n\nmain.rs: fn main"));
    assert!(task.contains("This is attempt 3."));
    assert!(task.contains("### Failure 2\n\nsecond log\n"));
}
