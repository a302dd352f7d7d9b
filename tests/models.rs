//! The provider of OpenAI's protocol against a server that does everything that real ones do, good and bad: one test per class
//! of failure, the ways a stream can arrive, and the server's own checks.

#[expect(dead_code, reason = "tests of other rooms use the rest")]
mod model_server;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use model_server::reply::End;
use model_server::reply::{delta, finish, usage};
use model_server::{ModelServer, Reply};
use proptest::prelude::*;
use serde_json::{Value, json};
use wfctl::agents::prices::{Billing, Prices};
use wfctl::agents::provider::openai::{Endpoint, IDLE_MS, OpenAi, http_client};
use wfctl::agents::provider::presets::Quirks;
use wfctl::agents::provider::{CallContext, ModelFailure, Provider};
use wfctl::agents::secrets::Secret;
use wfctl::domain::chat::{Message, ModelReply, ModelRequest, Stop, ToolCall, ToolSpec, Usage};
use wfctl::domain::failure::FailureClass;
use wfctl::domain::limits;
use wfctl::domain::time::Millis;

const KEY: &str = "sk-very-secret-key";

fn endpoint(base_url: &str) -> Endpoint {
    let headers = BTreeMap::from([("X-Title".to_owned(), Secret::new("wfctl").expect("a value"))]);
    Endpoint {
        base_url: base_url.to_owned(),
        key: Secret::new(KEY),
        headers,
        quirks: Quirks::default(),
        idle_ms: IDLE_MS,
    }
}

fn provider_of(endpoint: Endpoint) -> OpenAi {
    let mut prices = Prices::shipped();
    prices.bill("test", Billing::As("openai".into()));
    let http = http_client(&BTreeMap::new()).expect("a client");
    OpenAi::new(endpoint, http, Arc::new(prices), Arc::new(|| Millis(1_795_176_000_000))).expect("valid settings")
}

fn request() -> ModelRequest {
    ModelRequest {
        model: "test/gpt-5-mini".into(),
        messages: vec![Message::System { text: "be brief".into() }, Message::User { text: "go".into() }],
        tools: vec![ToolSpec {
            name: "read".into(),
            description: "Reads a file.".into(),
            parameters: json!({"type": "object", "properties": {"path": {"type": "string"}}}),
        }],
        answer: None,
        max_output_tokens: 100,
        temperature: None,
    }
}

fn context() -> CallContext {
    CallContext { project: "p".into(), task: "t".into(), role: "tester".into(), attempt: 1, turn: 3 }
}

async fn ask(provider: &OpenAi) -> Result<ModelReply, ModelFailure> {
    provider.complete(&request(), &context(), &|_| {}).await
}

async fn ask_once(reply: Reply) -> Result<ModelReply, ModelFailure> {
    let server = ModelServer::replies(vec![reply]);
    let result = ask(&provider_of(endpoint(&server.base_url()))).await;
    assert_eq!(server.counts().requests, 1, "nothing is sent twice");
    result
}

/// The failure of one reply, which must be of `class`.
async fn failing(reply: Reply, class: FailureClass) -> ModelFailure {
    let failed = ask_once(reply).await.expect_err("it fails");
    assert_eq!(failed.failure.class, class, "{}", failed.failure);
    assert!(failed.failure.message.starts_with("test/gpt-5-mini: "), "{}", failed.failure);
    failed
}

#[tokio::test]
async fn a_reply_arrives_with_its_usage_and_price() {
    let server = ModelServer::replies(vec![Reply::Stream {
        events: vec![
            delta(json!({"role": "assistant", "content": ""})),
            delta(json!({"content": "häl"})),
            delta(json!({"content": "lo 🙂"})),
            finish("stop"),
            json!({"model": "gpt-5-mini-2025-08-07", "choices": [], "usage": {
                "prompt_tokens": 1000, "completion_tokens": 200, "total_tokens": 1200,
                "prompt_tokens_details": {"cached_tokens": 600}, "completion_tokens_details": {"reasoning_tokens": 150}}}),
        ],
        end: End::Done,
    }]);
    let alive = AtomicUsize::new(0);
    let provider = provider_of(endpoint(&server.base_url()));
    let sign = |_: &str| {
        alive.fetch_add(1, Ordering::Relaxed);
    };
    let reply = provider.complete(&request(), &context(), &sign).await.unwrap();
    assert_eq!((reply.text.as_str(), reply.stop), ("hällo 🙂", Stop::Answered));
    let counted = Usage {
        input_tokens: 1000,
        cached_tokens: 600,
        output_tokens: 200,
        reasoning_tokens: 150,
        // 400 × 0.25 + 600 × 0.025 + 200 × 2.
        usd_micros: 515,
        estimated: false,
    };
    assert_eq!((reply.usage, reply.served_by.as_str()), (counted, "gpt-5-mini-2025-08-07"));
    assert!(alive.load(Ordering::Relaxed) >= 2, "the head and the body are signs of life");
    let asked = &server.asked()[0];
    assert_eq!(asked.header("authorization"), Some("Bearer sk-very-secret-key"));
    assert_eq!((asked.header("x-title"), asked.model()), (Some("wfctl"), "gpt-5-mini"));
    assert_eq!(asked.body.get("temperature"), None);
}

#[tokio::test]
async fn a_server_without_a_key_gets_none() {
    let server = ModelServer::replies(vec![Reply::After(Duration::from_millis(1), Box::new(Reply::text("ok")))]);
    let provider = provider_of(Endpoint { key: None, ..endpoint(&server.base_url()) });
    ask(&provider).await.unwrap();
    assert_eq!(server.asked()[0].header("authorization"), None);
}

#[tokio::test]
async fn calls_arrive_in_fragments_and_their_results_go_back() {
    let server = ModelServer::replies(vec![
        Reply::calls("I look.", &[("read", "{\"path\": \"a long enough path/of a file.rs\"}"), ("list", "{}")]),
        Reply::text("seen"),
    ]);
    let provider = provider_of(endpoint(&server.base_url()));
    let reply = ask(&provider).await.unwrap();
    assert_eq!((reply.text.as_str(), reply.stop), ("I look.", Stop::CalledTools));
    let call = |id: &str, name: &str, arguments: &str| ToolCall {
        id: id.into(),
        name: name.into(),
        arguments: arguments.into(),
    };
    let path = "{\"path\": \"a long enough path/of a file.rs\"}";
    assert_eq!(reply.calls, [call("call_read_0", "read", path), call("call_list_1", "list", "{}")]);
    let mut next = request();
    let results = reply.calls.iter().map(|call| Message::Tool { id: call.id.clone(), text: "content".into() });
    let results: Vec<Message> = results.collect();
    next.messages.push(Message::Assistant { text: reply.text, calls: reply.calls });
    next.messages.extend(results);
    assert_eq!(provider.complete(&next, &context(), &|_| {}).await.unwrap().text, "seen");
    assert_eq!(server.counts().completed, 2);
    let asked = &server.asked()[1];
    assert_eq!((asked.turns(), asked.last_text()), (1, "content"));
}

#[tokio::test]
async fn a_call_with_broken_json_is_handed_on_as_written() {
    let reply = ask_once(Reply::broken_call("read")).await.unwrap();
    assert_eq!(reply.calls[0].arguments, "{\"path\": \"src/main");
}

#[tokio::test]
async fn at_its_limit_a_reply_is_one() {
    let reply = ask_once(Reply::at_limit("half a sen")).await.unwrap();
    assert_eq!((reply.text.as_str(), reply.stop), ("half a sen", Stop::AtLimit));
    let silent = ask_once(Reply::at_limit("")).await.unwrap();
    assert_eq!(silent.stop, Stop::AtLimit, "reasoning alone used up the limit");
}

#[tokio::test]
async fn usage_that_is_missing_is_estimated_and_says_so() {
    let reply = ask_once(Reply::without_usage(&"word ".repeat(60))).await.unwrap();
    assert!(reply.usage.estimated);
    assert_eq!(reply.usage.output_tokens, 100, "a token for three of 300 bytes");
    assert!(reply.usage.input_tokens > 50 && reply.usage.usd_micros > 200, "{:?}", reply.usage);
}

#[tokio::test]
async fn what_a_provider_says_that_it_cost_goes_before_the_table() {
    let cost = json!({"choices": [], "usage": {"prompt_tokens": 10, "completion_tokens": 1, "cost": 0.0042}});
    let reply =
        ask_once(Reply::Stream { events: vec![delta(json!({"content": "x"})), finish("stop"), cost], end: End::Done });
    assert_eq!(reply.await.unwrap().usage.usd_micros, 4_200);
}

#[tokio::test]
async fn rate_limited_with_its_delay() {
    let failed = failing(Reply::rate_limited(7), FailureClass::RateLimited).await;
    assert_eq!((failed.failure.retry_after_ms, failed.sent, failed.usage), (Some(7_000), false, None));
}

#[tokio::test]
async fn quota_with_its_reset() {
    let body =
        json!({"error": {"type": "usage_limit_reached", "message": "limit", "resets_in_seconds": 3600}}).to_string();
    let reply = Reply::Status { status: 429, headers: Vec::new(), body };
    assert_eq!(failing(reply, FailureClass::Quota).await.failure.retry_after_ms, Some(3_600_000));
}

#[tokio::test]
async fn credits() {
    failing(Reply::refused(429, "insufficient_quota", "You exceeded your current quota"), FailureClass::Credits).await;
    failing(Reply::refused(402, "payment_required", "no money"), FailureClass::Credits).await;
}

#[tokio::test]
async fn overloaded() {
    assert!(!failing(Reply::overloaded(), FailureClass::Overloaded).await.sent);
    failing(Reply::refused(503, "x", "busy"), FailureClass::Overloaded).await;
    let in_stream = Reply::error_in_stream("half", json!({"type": "overloaded_error", "message": "Overloaded"}));
    let failed = failing(in_stream, FailureClass::Overloaded).await;
    assert_eq!((failed.partial.as_str(), failed.sent), ("half", true));
}

#[tokio::test]
async fn server_error() {
    assert!(failing(Reply::refused(500, "server_error", "oops"), FailureClass::HttpServer).await.sent);
    let events = vec![delta(json!({"content": "x"})), finish("error")];
    failing(Reply::Stream { events, end: End::Done }, FailureClass::HttpServer).await;
}

#[tokio::test]
async fn transport_keeps_what_arrived_and_estimates_it() {
    assert_eq!(failing(Reply::cut("half a sentence"), FailureClass::Transport).await.partial, "half a sentence");
    for end in [End::Cut, End::Unmarked] {
        let events = vec![delta(json!({"content": "half a "})), delta(json!({"content": "sentence"}))];
        let failed = failing(Reply::Stream { events, end }, FailureClass::Transport).await;
        assert_eq!((failed.partial.as_str(), failed.sent), ("half a sentence", true));
        assert!(failed.usage.is_some_and(|usage| usage.estimated && usage.output_tokens == 5));
    }
}

#[tokio::test]
async fn a_cut_behind_the_end_loses_nothing() {
    for end in [End::Cut, End::Unmarked, End::DoneTwice] {
        let events = vec![delta(json!({"content": "whole"})), finish("stop"), usage(10, 5)];
        assert_eq!(ask_once(Reply::Stream { events, end }).await.unwrap().text, "whole");
    }
}

#[tokio::test]
async fn idle_before_and_in_the_middle_of_an_answer() {
    for (reply, partial) in
        [(Reply::Hang(Box::new(Reply::Drop)), ""), (Reply::Stall(delta(json!({"content": "half"}))), "half")]
    {
        let server = ModelServer::replies(vec![reply]);
        let provider = provider_of(Endpoint { idle_ms: 200, ..endpoint(&server.base_url()) });
        let failed = ask(&provider).await.unwrap_err();
        assert_eq!(
            (failed.failure.class, failed.partial.as_str()),
            (FailureClass::Idle, partial),
            "{}",
            failed.failure
        );
        assert!(failed.sent && failed.failure.message.contains("no word for 200ms"));
    }
}

#[tokio::test]
async fn unreachable_sends_nothing() {
    // A port that is ours and that nobody listens at.
    let held = tokio::net::TcpSocket::new_v4().unwrap();
    held.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let free = held.local_addr().unwrap();
    let failed = ask(&provider_of(endpoint(&format!("http://{free}/v1")))).await.unwrap_err();
    assert_eq!((failed.failure.class, failed.sent), (FailureClass::Unreachable, false), "{}", failed.failure);
}

#[tokio::test]
async fn uncertain_when_the_connection_is_lost_before_any_answer() {
    let failed = failing(Reply::Drop, FailureClass::Uncertain).await;
    assert!(failed.sent && failed.usage.is_none(), "charged at what was reserved");
}

#[tokio::test]
async fn context_overflow() {
    failing(Reply::overflow(), FailureClass::ContextOverflow).await;
}

#[tokio::test]
async fn malformed() {
    let bytes = |text: &str| Reply::Bytes { pieces: vec![text.as_bytes().to_vec()], end: End::Done };
    failing(bytes("data: {\"choices\": [}\n\n"), FailureClass::Malformed).await;
    failing(bytes("data: 7\n\n"), FailureClass::Malformed).await;
    failing(
        Reply::Bytes { pieces: vec![b"data: {\"x\": \"\xff\"}\n\n".to_vec()], end: End::Done },
        FailureClass::Malformed,
    )
    .await;
}

#[tokio::test]
async fn oversized() {
    let piece = "x".repeat(limits::MODEL_REPLY_BYTES / 2 + 1);
    let events = vec![delta(json!({"content": piece})), delta(json!({"content": piece})), finish("stop")];
    failing(Reply::Stream { events, end: End::Done }, FailureClass::Oversized).await;
}

#[tokio::test]
async fn empty_reply() {
    let failed = failing(Reply::empty(), FailureClass::EmptyReply).await;
    assert_eq!(failed.usage.map(|usage| usage.input_tokens), Some(100), "it was billed");
    failing(Reply::text(" \n"), FailureClass::EmptyReply).await;
}

#[tokio::test]
async fn refusal() {
    let failed = failing(Reply::refusal("I cannot help with that."), FailureClass::Refusal).await;
    assert!(failed.failure.message.contains("I cannot help") && failed.usage.is_some());
    let events = vec![delta(json!({"content": "as fol"})), finish("content_filter")];
    let filtered = failing(Reply::Stream { events, end: End::Done }, FailureClass::Refusal).await;
    assert_eq!(filtered.partial, "as fol");
    failing(Reply::refused(400, "content_policy_violation", "no"), FailureClass::Refusal).await;
}

#[tokio::test]
async fn auth_without_showing_the_key() {
    let failed =
        failing(Reply::refused(401, "invalid_api_key", &format!("Incorrect key: {KEY}")), FailureClass::Auth).await;
    assert!(failed.failure.message.ends_with("Incorrect key: [secret]"), "{}", failed.failure);
    failing(Reply::refused(403, "permission_error", "not yours"), FailureClass::Auth).await;
}

#[tokio::test]
async fn bad_request() {
    failing(Reply::refused(400, "invalid_request_error", "Unsupported parameter"), FailureClass::BadRequest).await;
    let page = Reply::Status {
        status: 200,
        headers: vec![("content-type".into(), "text/html".into())],
        body: "<html>welcome</html>".into(),
    };
    assert!(failing(page, FailureClass::BadRequest).await.failure.message.contains("web page"));
    let moved =
        Reply::Status { status: 302, headers: vec![("location".into(), "/elsewhere".into())], body: String::new() };
    failing(moved, FailureClass::BadRequest).await;
}

#[tokio::test]
async fn an_explanation_without_end_is_cut() {
    let body = "x".repeat(limits::MODEL_ERROR_BYTES + 1);
    let failed = failing(Reply::Status { status: 500, headers: Vec::new(), body }, FailureClass::HttpServer).await;
    assert!(failed.failure.message.len() < 400);
}

#[tokio::test]
async fn no_more_output_is_asked_for_than_the_model_can() {
    let server = ModelServer::replies(vec![Reply::text("ok")]);
    let long = ModelRequest { model: "test/gpt-4o".into(), max_output_tokens: 99_999, ..request() };
    provider_of(endpoint(&server.base_url())).complete(&long, &context(), &|_| {}).await.unwrap();
    assert_eq!(server.asked()[0].body["max_tokens"], 16_384);
}

#[tokio::test]
async fn model_not_found() {
    failing(Reply::refused(404, "model_not_found", "no such model"), FailureClass::ModelNotFound).await;
}

#[tokio::test]
async fn a_server_that_does_not_stream_is_understood() {
    let body = json!({"model": "m", "choices": [{"message": {"role": "assistant", "content": "whole", "tool_calls": null},
        "finish_reason": "stop"}], "usage": {"prompt_tokens": 3, "completion_tokens": 1}});
    let reply = ask_once(Reply::Status { status: 200, headers: Vec::new(), body: body.to_string() }).await.unwrap();
    assert_eq!((reply.text.as_str(), reply.usage.input_tokens), ("whole", 3));
    let body = json!({"error": {"code": 429, "message": "slow down"}}).to_string();
    failing(Reply::Status { status: 200, headers: Vec::new(), body }, FailureClass::RateLimited).await;
}

#[tokio::test]
async fn a_dropped_call_is_cancelled() {
    let server = ModelServer::replies(vec![Reply::Hang(Box::new(Reply::text("late")))]);
    let provider = provider_of(endpoint(&server.base_url()));
    tokio::select! {
        _ = ask(&provider) => panic!("nobody released it"),
        _ = server.until(|counts| counts.requests == 1) => {}
    }
    server.until(|counts| counts.connections == 0).await;
    assert_eq!(server.counts().completed, 0);
}

#[tokio::test]
async fn one_connection_serves_call_after_call() {
    let server = ModelServer::start(|_| Reply::text("ok"));
    let provider = provider_of(endpoint(&server.base_url()));
    for _ in 0..5 {
        ask(&provider).await.unwrap();
    }
    assert_eq!((server.counts().most_connections, server.counts().completed), (1, 5));
}

#[tokio::test(flavor = "multi_thread")]
async fn two_hundred_calls_at_once() {
    let server = Arc::new(ModelServer::start(|asked| Reply::Hang(Box::new(Reply::text(asked.first_text("user"))))));
    let provider = Arc::new(provider_of(endpoint(&server.base_url())));
    let calls: Vec<_> = (0..200)
        .map(|number: usize| {
            let provider = provider.clone();
            tokio::spawn(async move {
                let mut request = request();
                request.messages[1] = Message::User { text: format!("number {number}") };
                provider.complete(&request, &context(), &|_| {}).await.unwrap().text == format!("number {number}")
            })
        })
        .collect();
    server.until(|counts| counts.requests == 200).await;
    server.release();
    for call in calls {
        assert!(call.await.unwrap(), "each has its own answer");
    }
    assert_eq!((server.counts().completed, server.counts().most_connections), (200, 200));
}

#[tokio::test]
async fn the_server_finds_each_broken_request() {
    let server = ModelServer::start(|_| Reply::text("ok"));
    let provider = provider_of(endpoint(&server.base_url()));
    let orphan = Message::Tool { id: "x".into(), text: "r".into() };
    let open = Message::Assistant {
        text: String::new(),
        calls: vec![ToolCall { id: "a".into(), name: "read".into(), arguments: "{}".into() }],
    };
    let mut twice = request();
    twice.tools.push(twice.tools[0].clone());
    let mut no_object = request();
    no_object.tools[0].parameters = json!({"type": "string"});
    let with = |message: &Message| ModelRequest {
        messages: [request().messages, vec![message.clone()]].concat(),
        ..request()
    };
    for (broken, wanted) in [
        (with(&orphan), "was not called"),
        (with(&open), "are missing"),
        (with(&Message::System { text: "late".into() }), "in the middle"),
        (twice, "is there twice"),
        (no_object, "not the schema of an object"),
        (ModelRequest { messages: Vec::new(), ..request() }, "no messages"),
        (ModelRequest { max_output_tokens: 0, ..request() }, "exactly one limit"),
        (ModelRequest { model: "test/".into(), ..request() }, "names no model"),
    ] {
        let failed = provider.complete(&broken, &context(), &|_| {}).await.unwrap_err();
        assert_eq!(failed.failure.class, FailureClass::BadRequest);
        let found = server.take_broken();
        assert!(found.len() == 1 && found[0].contains(wanted), "{found:?}");
    }
}

#[test]
#[should_panic(expected = "requests that a provider would refuse")]
fn a_broken_request_fails_the_test() {
    let server = ModelServer::start(|_| Reply::text("ok"));
    let provider = provider_of(endpoint(&server.base_url()));
    let broken = ModelRequest { messages: Vec::new(), ..request() };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async { provider.complete(&broken, &context(), &|_| {}).await.unwrap_err() });
    assert_eq!(server.block_until(|counts| counts.answered == 1).completed, 0);
}

/// A stream with everything in it: comments, three kinds of line ends, text of several bytes a character, calls in pieces.
fn busy_stream() -> Vec<u8> {
    let call = |piece: Value| delta(json!({"tool_calls": [piece]})).to_string();
    let events = [
        delta(json!({"role": "assistant", "content": "é"})).to_string(),
        delta(json!({"content": "🙂 ü"})).to_string(),
        call(json!({"index": 0, "id": "a", "function": {"name": "read", "arguments": "{\"p\""}})),
        call(json!({"index": 1, "id": "b", "function": {"name": "list", "arguments": "{}"}})),
        call(json!({"index": 0, "function": {"arguments": ":\"ß\"}"}})),
        finish("tool_calls").to_string(),
        usage(10, 5).to_string(),
    ];
    let ends = ["\n\n", "\r\n\r\n", "\r\r"];
    let mut text = ": hello\n\n".to_owned();
    for (at, event) in events.iter().enumerate() {
        text.push_str(&format!("data: {event}{}: keep-alive\n\n", ends[at % ends.len()]));
    }
    text.into_bytes()
}

#[tokio::test]
async fn a_stream_cut_into_pieces_at_every_place_is_the_same_reply() {
    let stream = busy_stream();
    let positions = stream.len();
    let pieces = stream.clone();
    let server = ModelServer::start(move |asked| {
        let (start, end) = pieces.split_at(asked.number % positions);
        Reply::Bytes { pieces: vec![start.to_vec(), end.to_vec()], end: End::Done }
    });
    let provider = provider_of(endpoint(&server.base_url()));
    let whole = ask(&provider).await.unwrap();
    assert_eq!((whole.text.as_str(), whole.calls.len()), ("é🙂 ü", 2));
    assert_eq!(whole.calls[0].arguments, "{\"p\":\"ß\"}");
    for _ in 1..positions {
        assert_eq!(ask(&provider).await.unwrap(), whole);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]
    #[test]
    fn a_stream_that_ends_anywhere_is_a_reply_or_a_failure_that_keeps_its_text(at in any::<prop::sample::Index>(), cut: bool) {
        let stream = busy_stream();
        let at = at.index(stream.len());
        let pieces = vec![stream[..at].to_vec()];
        let end = if cut { End::Cut } else { End::Unmarked };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let result = runtime.block_on(ask_once(Reply::Bytes { pieces, end }));
        match result {
            Ok(reply) => prop_assert_eq!((reply.text.as_str(), reply.calls.len()), ("é🙂 ü", 2)),
            Err(failed) => {
                prop_assert_eq!(failed.failure.class, FailureClass::Transport);
                prop_assert!("é🙂 ü".starts_with(&failed.partial) && failed.sent);
            }
        }
    }
}
