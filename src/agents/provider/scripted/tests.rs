//! A script as a person writes it, and the ways in which it can be wrong.

use serde_json::json;

use super::*;
use crate::domain::chat::{Message, Usage};

const SCRIPT: &str = r#"
conversations:
  - role: planner
    turns:
      - json: {tasks: [{name: parser}, {name: printer}]}
  - role: implementer
    task: build-*
    attempt: 2
    turns:
      - say: second attempt
  - role: implementer
    task: build-*
    turns:
      - say: I begin with {{ task }}; {{ unknown }} stays.
        calls:
          - write: {path: "src/{{ 1 }}.rs", content: "fn {{1}}() { format!(\"{{}}\") }\n", mode: 6}
          - list:
      - fails:
          - {class: rate-limited, retry_after: 2s}
          - {class: transport, sent: true, partial: half an ans, message: cut}
        calls: [{run: "{\"command\": "}]
        repeat: 2
      - say: Done.
        stop: at_limit
        usage: {input: 900, cached: 800, output: 20, reasoning: 5, usd: 0.01}
"#;

fn context(role: &str, task: &str, attempt: u32, turn: u32) -> CallContext {
    CallContext { project: "p".into(), task: task.into(), role: role.into(), attempt, turn }
}

fn request() -> ModelRequest {
    ModelRequest {
        model: "scripted/x".into(),
        messages: vec![Message::User { text: "go".into() }],
        tools: Vec::new(),
        answer: None,
        max_output_tokens: 10,
        temperature: None,
    }
}

async fn ask(provider: &Scripted, context: &CallContext) -> Result<ModelReply, ModelFailure> {
    provider.complete(&request(), context, &|_| {}).await
}

#[tokio::test]
async fn answers_are_chosen_by_role_task_attempt_and_turn() {
    let provider = Scripted::parse("demo.yaml", SCRIPT).unwrap();
    let plan = ask(&provider, &context("planner", "any", 3, 1)).await.unwrap();
    assert_eq!(plan.text, r#"{"tasks":[{"name":"parser"},{"name":"printer"}]}"#);
    assert_eq!((plan.stop, plan.usage.estimated, plan.usage.usd_micros), (Stop::Answered, true, 0));
    let first = ask(&provider, &context("implementer", "build-a", 1, 1)).await.unwrap();
    assert_eq!(first.text, "I begin with build-a; {{ unknown }} stays.");
    assert_eq!(first.stop, Stop::CalledTools);
    let arguments: Value = serde_json::from_str(&first.calls[0].arguments).unwrap();
    assert_eq!(arguments, json!({"path": "src/a.rs", "content": "fn a() { format!(\"{{}}\") }\n", "mode": 6}));
    assert_eq!((&*first.calls[1].id, &*first.calls[1].name, &*first.calls[1].arguments), ("call_1_1", "list", "{}"));
    assert_eq!(ask(&provider, &context("implementer", "build-a", 1, 1)).await.unwrap(), first);
    let second = ask(&provider, &context("implementer", "build-a", 2, 1)).await.unwrap();
    assert_eq!(second.text, "second attempt");
    let last = ask(&provider, &context("implementer", "build-a", 1, 4)).await.unwrap();
    let counted = Usage {
        input_tokens: 900,
        cached_tokens: 800,
        output_tokens: 20,
        reasoning_tokens: 5,
        usd_micros: 10_000,
        estimated: false,
    };
    assert_eq!((last.stop, last.usage), (Stop::AtLimit, counted));
}

#[tokio::test]
async fn injected_failures_come_first_and_per_call() {
    let provider = Scripted::parse("demo.yaml", SCRIPT).unwrap();
    for turn in [2, 3] {
        let context = context("implementer", "build-a", 1, turn);
        let limited = ask(&provider, &context).await.unwrap_err();
        assert_eq!((limited.failure.class, limited.failure.retry_after_ms), (FailureClass::RateLimited, Some(2_000)));
        let cut = ask(&provider, &context).await.unwrap_err();
        assert_eq!((cut.failure.message.as_str(), cut.partial.as_str(), cut.sent), ("cut", "half an ans", true));
        assert!(cut.usage.unwrap().estimated);
        let reply = ask(&provider, &context).await.unwrap();
        assert_eq!(reply.calls[0].arguments, "{\"command\": ", "what a model writes badly stays as it is");
    }
}

#[tokio::test]
async fn what_is_not_there_is_a_clear_error() {
    let provider = Scripted::parse("demo.yaml", SCRIPT).unwrap();
    let message = |failure: ModelFailure| {
        assert_eq!(failure.failure.class, FailureClass::BadRequest);
        failure.failure.message
    };
    let turn = message(ask(&provider, &context("implementer", "build-a", 1, 5)).await.unwrap_err());
    assert!(turn.contains("demo.yaml has no answer for role implementer, task build-a, attempt 1, turn 5"), "{turn}");
    assert!(turn.contains("role implementer, task build-* has 4 turns"), "{turn}");
    let role = message(ask(&provider, &context("tester", "t", 1, 1)).await.unwrap_err());
    assert!(role.contains("it has: role planner, task *; role implementer, task build-*, attempt 2; "), "{role}");
    let mut broken = request();
    broken.messages.push(Message::Tool { id: "a".into(), text: String::new() });
    let broken = provider.complete(&broken, &context("planner", "x", 1, 1), &|_| {}).await.unwrap_err();
    assert!(message(broken).contains("the conversation is broken: message 1 is the result of call \"a\""));
}

#[test]
fn a_wrong_script_is_refused_with_its_place() {
    let answer = |answer: &str| format!("conversations:\n  - turns:\n      - {answer}\n");
    for (text, wanted) in [
        ("conversations: [".to_owned(), "not YAML"),
        ("talks: []".to_owned(), "at the top: unknown field `talks`"),
        ("conversations:\n  - {rol: x, turns: []}".to_owned(), "conversation 1: unknown field `rol`"),
        (answer("{says: x}"), "conversation 1, turn 1: unknown field `says`"),
        (answer("{say: x, json: {}}"), "not both"),
        (answer("{calls: [{a: {}, b: {}}]}"), "a call is one tool"),
        (answer("{calls: [{a: 3}]}"), "a call is one tool"),
        (answer("{repeat: 0}"), "`repeat` is 0"),
        (answer("{delay_ms: 99999999999999}"), "too long"),
        (answer("{fails: [{class: rate-limit}]}"), "there are exit, "),
        (answer("{fails: [{class: idle, retry_after: soon}]}"), "is no duration"),
        (answer("{usage: {input: 1, cached: 2, output: 0}}"), "part of the input"),
        (answer("{usage: {input: 1, output: 0, usd: -1}}"), "no amount of money"),
    ] {
        let error = Scripted::parse("demo.yaml", &text).map(|_| ()).unwrap_err().to_string();
        assert!(error.contains(wanted) && error.contains("demo.yaml"), "{error}");
    }
}

#[test]
fn a_script_that_is_too_long_or_not_there_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("long.yaml");
    std::fs::File::create(&path).unwrap().set_len(limits::SCRIPT_BYTES + 1).unwrap();
    let error = Scripted::open(&path).map(|_| ()).unwrap_err().to_string();
    assert!(error.contains("more than"), "{error}");
    let error = Scripted::open(&dir.path().join("none.yaml")).map(|_| ()).unwrap_err().to_string();
    assert!(error.contains("none.yaml"), "{error}");
}

#[tokio::test]
async fn an_answer_is_said_word_by_word_while_it_takes_its_time() {
    let script = "conversations: [{turns: [{say: 'one two  three', delay_ms: 3}, {say: at once}]}]";
    let provider = Scripted::parse("say.yaml", script).unwrap();
    let said = std::sync::Mutex::new(Vec::new());
    let heard = |text: &str| said.lock().unwrap().push(text.to_owned());
    for turn in [1, 2] {
        provider.complete(&request(), &context("planner", "a", 1, turn), &heard).await.unwrap();
    }
    let said = said.into_inner().unwrap();
    assert_eq!(said.concat(), "one two  threeat once");
    assert!(said.len() > 3 && said[0] == "one ", "{said:?}");
}
