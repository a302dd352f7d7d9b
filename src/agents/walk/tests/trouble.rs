//! Replies that cannot be used, calls that fail, bounds that are reached, agents that get nowhere.

use serde_json::{Value, json};

use super::conversation::broken_site;
use super::support::*;
use crate::agents::memory_calls::MemoryCalls;
use crate::agents::walk::run;
use crate::domain::call::CallKind;
use crate::domain::chat::ToolCall;
use crate::domain::failure::FailureClass;
use crate::domain::limits;
use crate::domain::machine::TurnState;

fn quiet() -> MemorySite {
    MemorySite::with(&[("main.rs", "text")])
}

#[tokio::test]
async fn malformed_calls_are_told_three_times_and_then_end_the_attempt() {
    let broken = || Line::Raw(vec![("read_file", "{\"path\": ".into())]);
    let models = ScriptedModels::lines(vec![broken(), broken(), broken(), finish(judgement())]);
    let (end, _) = walk_over(Vec::new(), &order(role("judgement", "none")), &models, &quiet()).await;
    assert_eq!(end.answer, Ok(judgement()));
    assert!(last_text(&models.asked()[1]).starts_with("error: the arguments are not JSON: EOF"));
    let models = ScriptedModels::new(move |_, _| broken());
    let (end, _) = walk_over(Vec::new(), &order(role("judgement", "none")), &models, &quiet()).await;
    assert_eq!((class(&end), end.state), (FailureClass::Malformed, TurnState::Failed));
    assert_eq!(models.asked().len(), limits::MALFORMED_REPAIRS as usize + 1);
}

#[tokio::test]
async fn what_is_wrong_with_a_call_is_said() {
    let odd = Line::Raw(vec![
        ("lunch", "{}".into()),
        ("read_file", "{\"file\": \"a\"}".into()),
        ("read_file", "{\"path\": \"main.rs\"}".into()),
        ("run_checks", String::new()),
    ]);
    let models = ScriptedModels::lines(vec![odd, finish(judgement())]);
    let (end, record) = walk_over(Vec::new(), &order(role("judgement", "none")), &models, &quiet()).await;
    assert_eq!(end.answer, Ok(judgement()));
    let text = serde_json::to_string(&models.asked()[1].messages).unwrap();
    assert!(text.contains("there is no tool \\\"lunch\\\"; there are: read_file, "), "{text}");
    assert!(text.contains("\\\"path\\\" is a required property"), "{text}");
    assert_eq!((count(&record, CallKind::Tool), count(&record, CallKind::Check)), (1, 1));
}

#[tokio::test]
async fn one_call_past_the_bound_of_a_reply_is_told() {
    let many: Vec<(&str, Value)> = (0..=limits::TOOL_CALLS_PER_REPLY).map(|_| read("main.rs")).collect();
    let models = ScriptedModels::lines(vec![calls(&many), finish(judgement())]);
    let site = quiet();
    let (end, _) = walk_over(Vec::new(), &order(role("judgement", "none")), &models, &site).await;
    assert_eq!(end.answer, Ok(judgement()));
    assert_eq!(site.runs.lock().unwrap().len(), limits::TOOL_CALLS_PER_REPLY);
    assert_eq!(site.running.lock().unwrap().1, limits::PARALLEL_TOOLS);
    assert!(last_text(&models.asked()[1]).contains("at most 64 tools"));
}

#[tokio::test]
async fn answers_that_do_not_fit_are_refused_three_times() {
    let circle = json!({"summary": "s", "tasks": [
        {"id": "a", "title": "a", "description": "d", "needs": ["b"], "files": [], "priority": 1, "acceptance": []},
        {"id": "b", "title": "b", "description": "d", "needs": ["a"], "files": [], "priority": 1, "acceptance": []},
    ]});
    let models = ScriptedModels::new(move |turn, _| {
        if turn == 1 { finish(json!({})) } else { calls(&[read(&format!("f{turn}")), ("finish", circle.clone())]) }
    });
    let (end, _) = walk_over(Vec::new(), &order(role("plan", "none")), &models, &quiet()).await;
    assert_eq!(class(&end), FailureClass::Malformed);
    assert_eq!(models.asked().len(), limits::MALFORMED_REPAIRS as usize + 1);
    assert!(last_text(&models.asked()[1]).contains("\"summary\" is a required property"));
    assert!(last_text(&models.asked()[2]).contains("tasks need each other in a circle: a -> b -> a"));
    assert!(end.answer.unwrap_err().message.contains("a -> b -> a"));
}

#[tokio::test]
async fn the_same_call_with_the_same_result_is_told_once_and_then_stuck() {
    let models = ScriptedModels::new(|_, _| calls(&[read("main.rs")]));
    let (end, _) = walk_over(Vec::new(), &order(role("judgement", "none")), &models, &quiet()).await;
    assert_eq!((class(&end), end.state), (FailureClass::Stuck, TurnState::Stuck));
    assert_eq!(end.turns, 8, "four to be told, four more");
    assert!(last_text(&models.asked()[4]).contains("the same call gave the same result 4 times"));
}

#[tokio::test]
async fn the_same_error_and_alternating_calls_are_repetition() {
    let models = ScriptedModels::new(|_, _| calls(&[read("missing")]));
    let (end, _) = walk_over(Vec::new(), &order(role("judgement", "none")), &models, &quiet()).await;
    assert_eq!((class(&end), end.turns), (FailureClass::Stuck, 6));
    let models = ScriptedModels::new(|turn, _| calls(&[read(if turn % 2 == 0 { "main.rs" } else { "missing" })]));
    let (end, _) = walk_over(Vec::new(), &order(role("judgement", "none")), &models, &quiet()).await;
    assert_eq!((class(&end), end.turns), (FailureClass::Stuck, 12));
    assert!(last_text(&models.asked()[6]).contains("the same two calls in turn"));
}

#[tokio::test]
async fn waiting_for_something_is_no_repetition() {
    let talk = || {
        ScriptedModels::new(|turn, _| match turn {
            1..=12 => calls(&[("run_command", json!({"command": "make status"}))]),
            _ => finish(judgement()),
        })
    };
    let order = order(role("judgement", "none"));
    let slow = MemoryCalls::default().ticking(limits::WAITING_TOOL_MS);
    let end = run(&order, &slow, &talk(), &quiet()).await;
    assert_eq!(end.answer, Ok(judgement()), "each time it took as long as what waits");
    let quick = MemoryCalls::default().ticking(limits::WAITING_TOOL_MS - 1);
    let end = run(&order, &quick, &talk(), &quiet()).await;
    assert_eq!(class(&end), FailureClass::Stuck);
}

#[tokio::test]
async fn red_checks_send_an_answer_given_as_text_back_too() {
    let text = || Line::Says(handoff().to_string());
    let models = ScriptedModels::lines(vec![text(), calls(&[write("main.rs", "fixed")]), text()]);
    let (end, record) = walk_over(Vec::new(), &order(role("handoff", "checks")), &models, &broken_site()).await;
    assert_eq!(end.answer, Ok(handoff()));
    assert_eq!(count(&record, CallKind::Check), 2);
    assert!(last_text(&models.asked()[1]).starts_with("error: not finished: the checks are red."));
}

#[tokio::test]
async fn ids_that_a_model_gave_twice_are_told_apart() {
    let same = |text: &str| format!("{{\"path\": \"{text}\"}}");
    let call = |path: &str| ToolCall { id: String::new(), name: "read_file".into(), arguments: same(path) };
    let twice = super::super::driver::distinct(vec![call("a"), call("b"), call("c")]);
    let ids: Vec<&str> = twice.iter().map(|call| call.id.as_str()).collect();
    assert_eq!(ids, ["call_0", "call_1", "call_2"]);
    let mut named = vec![call("a"), call("b")];
    named.iter_mut().for_each(|call| call.id = "x".into());
    let ids: Vec<String> = super::super::driver::distinct(named).into_iter().map(|call| call.id).collect();
    assert_eq!(ids, ["x", "xcall_1"]);
}

#[tokio::test]
async fn a_monologue_is_reminded_told_and_stuck() {
    let models = ScriptedModels::new(|turn, _| Line::Says(format!("thought {turn}")));
    let (end, _) = walk_over(Vec::new(), &order(role("judgement", "none")), &models, &quiet()).await;
    assert_eq!((class(&end), end.turns), (FailureClass::Stuck, 4));
    assert!(last_text(&models.asked()[3]).contains("3 replies in a row without a call"));
}

#[tokio::test]
async fn turns_without_progress_are_told_and_then_stuck() {
    let mut order = order(role("judgement", "none"));
    order.limits.no_progress_turns = Some(6);
    let wander = |turn: u32, _: &_| calls(&[("run_command", json!({"command": format!("look {turn}")}))]);
    let models = ScriptedModels::new(wander);
    let (end, _) = walk_over(Vec::new(), &order, &models, &quiet()).await;
    assert_eq!(class(&end), FailureClass::Stuck);
    assert_eq!(end.turns, 6 + limits::NO_PROGRESS_GRACE_TURNS);
    assert!(last_text(&models.asked()[6]).starts_with("In the last 6 turns no file changed"));
    let models = ScriptedModels::new(|turn, _| match turn {
        1..=30 => calls(&[write("main.rs", &format!("{turn}"))]),
        _ => finish(judgement()),
    });
    let (end, _) = walk_over(Vec::new(), &order, &models, &quiet()).await;
    assert_eq!(end.answer, Ok(judgement()), "changing files is progress");
}

#[tokio::test]
async fn the_turns_of_a_role_are_its_bound() {
    let mut order = order(role("judgement", "none"));
    order.limits.turns = Some(5);
    let models = ScriptedModels::new(|turn, _| calls(&[write("main.rs", &format!("{turn}"))]));
    let (end, _) = walk_over(Vec::new(), &order, &models, &quiet()).await;
    assert_eq!((class(&end), end.turns), (FailureClass::Turns, 5));
}

#[tokio::test]
async fn a_bound_of_tokens_or_money_is_held_before_the_call() {
    let talk = || ScriptedModels::new(|turn, _| calls(&[write("main.rs", &format!("{turn}"))]));
    let mut order = order(role("judgement", "none"));
    // Each reply uses 110 tokens, and 1,100 are held back before it.
    order.limits.tokens = Some(1_100 + 3 * 110);
    let models = talk();
    let (end, record) = walk_over(Vec::new(), &order, &models, &quiet()).await;
    assert_eq!((class(&end), models.asked().len()), (FailureClass::Budget, 4));
    assert_eq!(count(&record, CallKind::Model), 4, "nothing is on record of the call that was too much");
    order.limits.tokens = None;
    order.limits.usd_micros = Some(50 + 5);
    let models = talk();
    let (end, _) = walk_over(Vec::new(), &order, &models, &quiet()).await;
    assert_eq!((class(&end), models.asked().len()), (FailureClass::Budget, 2));
}

#[tokio::test]
async fn what_needs_waiting_ends_the_walk_and_the_same_walk_goes_on() {
    for waits in [FailureClass::RateLimited, FailureClass::Quota, FailureClass::Overloaded, FailureClass::Uncertain] {
        let order = order(role("handoff", "checks"));
        let lines = vec![calls(&[write("main.rs", "fixed")]), finish(handoff())];
        let (models, site) = (failing_once(2, waits, lines), broken_site());
        let (end, record) = walk_over(Vec::new(), &order, &models, &site).await;
        let failure = end.answer.unwrap_err();
        assert_eq!((failure.class, failure.retry_after_ms), (waits, Some(1_500)));
        assert_eq!(end.state, TurnState::AwaitingModel, "it goes on later");
        let failed = record.last().unwrap().outcome.as_ref().unwrap();
        let usage = failed.usage.unwrap();
        assert!(
            usage.estimated && usage.input_tokens == 1_100,
            "sent without an answer: charged at what was held back"
        );
        let (end, after) = walk_over(record.clone(), &order, &models, &site).await;
        assert_eq!(end.answer, Ok(handoff()));
        assert_eq!(after[..record.len()], record[..], "the failed call stays on record, another one follows");
        assert_eq!(models.asked().len(), 3);
        assert_eq!(models.asked()[1], models.asked()[2], "the same request");
    }
}

#[tokio::test]
async fn a_refusal_goes_to_the_next_model_at_once() {
    let models = failing_once(1, FailureClass::Refusal, vec![finish(judgement())]);
    let (end, record) = walk_over(Vec::new(), &order(role("judgement", "none")), &models, &quiet()).await;
    assert_eq!(end.answer, Ok(judgement()));
    let labels: Vec<&str> =
        record.iter().filter(|call| call.kind == CallKind::Model).map(|call| call.label.as_str()).collect();
    assert_eq!(labels, ["p/a", "p/b"]);
}

#[tokio::test]
async fn models_that_all_refuse_end_the_attempt() {
    let models = ScriptedModels::new(|_, _| Line::Fails(FailureClass::Refusal));
    let (end, _) = walk_over(Vec::new(), &order(role("judgement", "none")), &models, &quiet()).await;
    assert_eq!(class(&end), FailureClass::Refusal);
    assert_eq!(models.asked().len(), limits::MODEL_FAILURES_IN_A_ROW as usize + 1);
}

#[tokio::test]
async fn a_reply_cut_too_often_is_truncated() {
    let models = ScriptedModels::new(|_, _| Line::Cut("and then ".into()));
    let (end, _) = walk_over(Vec::new(), &order(role("judgement", "none")), &models, &quiet()).await;
    assert_eq!(class(&end), FailureClass::Truncated);
    assert_eq!(end.turns, limits::CONTINUATIONS + 1);
}

#[tokio::test]
async fn empty_replies_are_not_kept_and_end_the_attempt_after_three() {
    let models = ScriptedModels::new(|_, _| Line::Says(" ".into()));
    let (end, _) = walk_over(Vec::new(), &order(role("judgement", "none")), &models, &quiet()).await;
    assert_eq!((class(&end), end.turns), (FailureClass::EmptyReply, 4));
}
