//! Conversations that no longer fit: what is pinned stays byte by byte, no result loses its call, facts survive.

use async_trait::async_trait;
use proptest::prelude::*;
use serde_json::json;

use super::super::transcript::{Gauge, Transcript, head_and_tail, unpaired};
use super::conversation::broken_site;
use super::support::*;
use crate::agents::memory_calls::MemoryCalls;
use crate::agents::provider::{CallContext, Heard, ModelFailure};
use crate::agents::walk::{Came, Choice, History, Models, Policy, Tried, run};
use crate::domain::budget::Amounts;
use crate::domain::call::CallKind;
use crate::domain::chat::{Message, ModelReply, ModelRequest, ToolCall};
use crate::domain::failure::{Failure, FailureClass};
use crate::domain::limits;

const SUM_UP: &str = "The conversation is too long";

/// Writes and reads large texts, `rounds` times; a summary is asked for when the window is nearly full.
fn talkative(rounds: u32) -> ScriptedModels {
    let mut models = ScriptedModels::new(move |turn, request| {
        if last_text(request).starts_with(SUM_UP) {
            return Line::Says("## Done: much".into());
        }
        if turn == 1 {
            return calls(&[("note", json!({"text": "tests run with make"})), ("run_checks", json!({}))]);
        }
        if turn <= rounds {
            return calls(&[write("main.rs", &format!("{turn} {}", "words ".repeat(300))), read("main.rs")]);
        }
        if turn == rounds + 1 { calls(&[write("main.rs", "fixed")]) } else { finish(handoff()) }
    });
    models.window = Some(6_000);
    models
}

#[tokio::test]
async fn a_summary_keeps_the_pinned_prefix_and_the_facts() {
    let models = talkative(12);
    let (end, record) = walk_over(Vec::new(), &order(role("handoff", "checks")), &models, &broken_site()).await;
    assert_eq!(end.answer, Ok(handoff()));
    let summaries = count(&record, CallKind::Compact);
    assert!(summaries >= 2, "{summaries}");
    let asked = models.asked();
    let pinned = &asked[0].messages[..2];
    for request in &asked {
        assert_eq!(&request.messages[..2], pinned);
        assert_eq!(request.tools, asked[0].tools);
    }
    let after = asked.iter().skip_while(|request| !last_text(request).starts_with(SUM_UP)).nth(1).unwrap();
    let Message::User { text } = &after.messages[2] else { panic!("the summary follows the task") };
    assert!(text.contains("## Done: much"), "{text}");
    assert!(text.contains("Your notes:\n- tests run with make\n"), "{text}");
    assert!(text.contains("Files that differ from where you started:\n- lib.rs\n- main.rs\n"), "{text}");
    assert!(text.contains("Checks that failed when they last ran:\n- tests\n"), "{text}");
    assert!(after.messages.len() > 3, "the newest turns are kept beside the summary");
}

#[tokio::test]
async fn an_overflow_that_the_provider_reports_is_answered_with_a_summary() {
    let lines = vec![
        calls(&[read("main.rs")]),
        Line::Says("## Done: read".into()),
        calls(&[write("main.rs", "fixed")]),
        finish(handoff()),
    ];
    let models = failing_once(2, FailureClass::ContextOverflow, lines);
    let (end, record) = walk_over(Vec::new(), &order(role("handoff", "checks")), &models, &broken_site()).await;
    assert_eq!(end.answer, Ok(handoff()));
    assert_eq!(count(&record, CallKind::Compact), 1);
}

#[tokio::test]
async fn summaries_without_a_changed_file_between_are_stuck() {
    let mut models = ScriptedModels::new(|turn, request| {
        if last_text(request).starts_with(SUM_UP) {
            return Line::Says("I plan.".into());
        }
        let command = format!("{turn} {}", "plan ".repeat(900));
        calls(&[("run_command", json!({ "command": command }))])
    });
    models.window = Some(6_000);
    let (end, record) = walk_over(Vec::new(), &order(role("handoff", "checks")), &models, &broken_site()).await;
    assert_eq!(class(&end), FailureClass::Stuck);
    assert_eq!(count(&record, CallKind::Compact), 3);
    assert!(end.answer.unwrap_err().message.contains("summed up 3 times without a changed file"));
}

#[tokio::test]
async fn a_window_too_small_for_the_task_ends_after_the_bound_of_summaries() {
    let models = ScriptedModels::new(|turn, request| {
        if last_text(request).starts_with(SUM_UP) {
            return Line::Says("short".into());
        }
        if request.messages.len() > 3 {
            Line::Fails(FailureClass::ContextOverflow)
        } else {
            calls(&[write("main.rs", &format!("{turn}"))])
        }
    });
    let (end, record) = walk_over(Vec::new(), &order(role("handoff", "checks")), &models, &broken_site()).await;
    assert_eq!(class(&end), FailureClass::ContextOverflow);
    assert!(count(&record, CallKind::Compact) <= limits::COMPACTIONS_PER_ATTEMPT as usize);
}

/// An exchange of `calls` calls whose results have these lengths.
fn said(transcript: &mut Transcript, number: usize, results: &[usize]) {
    let calls: Vec<ToolCall> = (0..results.len())
        .map(|at| ToolCall { id: format!("{number}.{at}"), name: "read_file".into(), arguments: "{}".into() })
        .collect();
    transcript.push(Some(Message::Assistant { text: "x".into(), calls: calls.clone() }));
    for (call, bytes) in calls.into_iter().zip(results) {
        transcript.add(Message::Tool { id: call.id, text: "é".repeat(*bytes) });
    }
}

proptest! {
    #[test]
    fn however_a_conversation_is_summed_up_prefix_and_pairs_hold(
        rounds in proptest::collection::vec((proptest::collection::vec(0usize..3_000, 0..4), 0u64..9_000, any::<bool>()), 1..12),
    ) {
        let pinned = vec![Message::System { text: "s".into() }, Message::User { text: "t".into() }];
        let mut transcript = Transcript::new(pinned.clone());
        for (number, (results, bytes, sum_up)) in rounds.into_iter().enumerate() {
            said(&mut transcript, number, &results);
            let request = transcript.to_sum_up("sum up", bytes, 100);
            prop_assert_eq!(unpaired(&request), None);
            prop_assert_eq!(&request[..2], &pinned[..]);
            if sum_up {
                transcript.sum_up("so far".into(), bytes);
                prop_assert!(!transcript.grown());
            }
            let messages = transcript.messages();
            assert_paired(&messages);
            prop_assert_eq!(unpaired(&messages), None);
            prop_assert_eq!(&messages[..2], &pinned[..]);
        }
    }
}

#[tokio::test]
async fn what_cannot_be_made_shorter_asks_for_a_larger_window() {
    struct Larger(ScriptedModels);
    #[async_trait]
    impl Models for Larger {
        fn next(&self, _: &Policy, history: &History) -> Choice {
            let overflowed = |tried: &[Tried]| {
                tried[0].came == Came::Summary
                    && matches!(&tried[1].came, Came::Nothing { failure, .. } if failure.class == FailureClass::ContextOverflow)
            };
            Choice::Ask(if history.tried.windows(2).any(overflowed) { "p/large" } else { "p/small" }.to_owned())
        }
        fn window(&self, _: &str) -> Option<u64> {
            None
        }
        fn reserve(&self, request: &ModelRequest) -> Result<Amounts, Failure> {
            self.0.reserve(request)
        }
        async fn complete(
            &self,
            request: &ModelRequest,
            context: &CallContext,
            heard: Heard<'_>,
        ) -> Result<ModelReply, ModelFailure> {
            self.0.complete(request, context, heard).await
        }
    }
    let models = Larger(ScriptedModels::new(|_, request| match request.model.as_str() {
        "p/large" => finish(judgement()),
        _ => Line::Fails(FailureClass::ContextOverflow),
    }));
    let calls = MemoryCalls::default();
    let end = run(&order(role("judgement", "none")), &calls, &models, &broken_site()).await;
    assert_eq!(end.answer, Ok(judgement()));
    assert_eq!(models.0.asked().len(), 2, "a conversation that has not begun has nothing to sum up");
}

#[test]
fn a_result_one_byte_past_the_bound_is_cut_for_a_summary() {
    let longest = limits::SUMMARISED_RESULT_BYTES;
    for (bytes, whole) in [(longest, true), (longest + 1, false)] {
        let mut transcript = Transcript::new(Vec::new());
        transcript.push(None);
        transcript.add(Message::Tool { id: "1".into(), text: "x".repeat(bytes) });
        let request = transcript.to_sum_up("sum up", u64::MAX, longest);
        let Message::Tool { text, .. } = &request[0] else { panic!("the result comes first") };
        assert_eq!(text.len() == bytes && !text.contains("left out"), whole, "{bytes}");
    }
    assert_eq!(head_and_tail("éééé", 5), "é\n[4 bytes left out]\né");
}

#[test]
fn tokens_are_estimated_as_the_provider_counted_last() {
    let mut gauge = Gauge::default();
    assert_eq!(gauge.tokens(4_000), 1_000);
    gauge.learn(3_000, 1_000);
    assert_eq!(gauge.tokens(6_001), 2_001);
    for (bytes, tokens) in [(100, 0), (100, 101), (1_600, 99)] {
        gauge.learn(bytes, tokens);
        assert_eq!(gauge.tokens(3_000), 1_000, "{tokens} tokens in {bytes} bytes cannot be");
    }
}

#[test]
fn what_is_not_paired_is_named() {
    let call = |id: &str| ToolCall { id: id.into(), name: "read_file".into(), arguments: "{}".into() };
    let reply =
        |ids: &[&str]| Message::Assistant { text: String::new(), calls: ids.iter().map(|id| call(id)).collect() };
    let result = |id: &str| Message::Tool { id: id.into(), text: "r".into() };
    assert_eq!(unpaired(&[reply(&["a"]), result("a")]), None);
    assert_eq!(unpaired(&[result("a")]).unwrap(), "the result \"a\" has no call");
    assert_eq!(unpaired(&[reply(&["a"])]).unwrap(), "the call \"a\" has no result");
    assert_eq!(unpaired(&[reply(&["a"]), reply(&["b"])]).unwrap(), "the call \"a\" has no result");
    assert_eq!(unpaired(&[reply(&["a", "a"])]).unwrap(), "two calls of one reply have the same id");
}
