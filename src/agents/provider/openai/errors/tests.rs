//! The table: what providers send, and the class it must become.

use reqwest::header::{HeaderName, HeaderValue};

use super::*;

/// 2026-11-20T12:00:00Z.
const NOW: Millis = Millis(1_795_176_000_000);

fn failure(status: u16, headers: &[(&str, &str)], body: &str) -> Failure {
    let header = |(name, value): &(&str, &str)| {
        (HeaderName::from_bytes(name.as_bytes()).unwrap(), HeaderValue::from_str(value).unwrap())
    };
    let headers: HeaderMap = headers.iter().map(header).collect();
    let status = (status != 200).then_some(status);
    Refused { status, headers: &headers, body: body.as_bytes() }.failure("openai/m", NOW)
}

fn class_of(status: u16, body: &str) -> FailureClass {
    failure(status, &[], body).class
}

#[test]
fn every_class_from_what_providers_really_say() {
    use FailureClass as C;
    let table = [
        (
            429,
            r#"{"error":{"message":"Rate limit reached","type":"tokens","code":"rate_limit_exceeded"}}"#,
            C::RateLimited,
        ),
        (429, r#"[{"error":{"code":429,"message":"slow down","status":"RESOURCE_EXHAUSTED"}}]"#, C::RateLimited),
        (429, "", C::RateLimited),
        (
            429,
            r#"{"error":{"message":"You exceeded your current quota","type":"insufficient_quota","code":"insufficient_quota"}}"#,
            C::Credits,
        ),
        (429, r#"{"error":{"type":"usage_limit_reached","resets_in_seconds":3600}}"#, C::Quota),
        (402, r#"{"error":{"code":402,"message":"Insufficient credits"}}"#, C::Credits),
        (400, r#"{"error":{"type":"invalid_request_error","message":"Your credit balance is too low"}}"#, C::Credits),
        (529, r#"{"error":{"type":"overloaded_error","message":"Overloaded"}}"#, C::Overloaded),
        (503, "<html>Service Unavailable</html>", C::Overloaded),
        (500, r#"{"error":{"message":"The server had an error","type":"server_error"}}"#, C::HttpServer),
        (502, "bad gateway", C::HttpServer),
        (504, "", C::HttpServer),
        (408, "", C::HttpServer),
        (
            400,
            r#"{"error":{"message":"This model's maximum context length is 128000 tokens","code":"context_length_exceeded"}}"#,
            C::ContextOverflow,
        ),
        (
            400,
            r#"{"error":{"type":"invalid_request_error","message":"prompt is too long: 210000 tokens > 200000 maximum"}}"#,
            C::ContextOverflow,
        ),
        (
            400,
            r#"[{"error":{"code":400,"message":"The input token count (1200000) exceeds the maximum","status":"INVALID_ARGUMENT"}}]"#,
            C::ContextOverflow,
        ),
        (413, "", C::ContextOverflow),
        (
            400,
            r#"{"error":{"code":"content_filter","innererror":{"code":"ResponsibleAIPolicyViolation"}}}"#,
            C::Refusal,
        ),
        (
            403,
            r#"{"error":{"code":403,"message":"Your input was flagged","metadata":{"reasons":["violence"]}}}"#,
            C::Refusal,
        ),
        (401, r#"{"error":{"message":"Incorrect API key provided","code":"invalid_api_key"}}"#, C::Auth),
        (403, r#"{"error":{"message":"Project does not have access"}}"#, C::Auth),
        (
            400,
            r#"[{"error":{"code":400,"message":"API key not valid.","status":"INVALID_ARGUMENT","details":[{"reason":"API_KEY_INVALID"}]}}]"#,
            C::Auth,
        ),
        (404, r#"{"error":{"message":"The model `x` does not exist","code":"model_not_found"}}"#, C::ModelNotFound),
        (404, r#"{"error":"model 'x' not found"}"#, C::ModelNotFound),
        (
            400,
            r#"{"error":{"message":"The model has been decommissioned","code":"model_decommissioned"}}"#,
            C::ModelNotFound,
        ),
        (400, r#"{"error":{"code":400,"message":"x/y is not a valid model ID"}}"#, C::ModelNotFound),
        (
            400,
            r#"{"error":{"message":"Unsupported parameter: 'temperature'","type":"invalid_request_error"}}"#,
            C::BadRequest,
        ),
        (422, r#"{"detail":"tools: wrong"}"#, C::BadRequest),
        (307, "", C::BadRequest),
        (200, r#"{"error":{"code":429,"message":"slow down"}}"#, C::RateLimited),
        (200, r#"{"error":{"code":502,"message":"Provider disconnected"}}"#, C::HttpServer),
        (200, r#"{"error":{"type":"overloaded_error"}}"#, C::Overloaded),
        (200, r#"{"error":{"message":"maximum context length"}}"#, C::ContextOverflow),
        (200, r#"{"error":"something"}"#, C::HttpServer),
    ];
    for (status, body, wanted) in table {
        assert_eq!(class_of(status, body), wanted, "{status} {body}");
    }
}

#[test]
fn a_server_error_is_one_whatever_words_it_uses() {
    assert_eq!(
        class_of(500, r#"{"error":{"message":"the model's context window is on fire"}}"#),
        FailureClass::HttpServer
    );
}

#[test]
fn delays_are_honoured_in_each_form() {
    let delay = |headers: &[(&str, &str)], body: &str| {
        let failure = failure(429, headers, body);
        (failure.class, failure.retry_after_ms)
    };
    let limited = |ms: u64| (FailureClass::RateLimited, Some(ms));
    assert_eq!(delay(&[("retry-after", "7")], ""), limited(7_000));
    assert_eq!(delay(&[("retry-after", "0.5")], ""), limited(500));
    assert_eq!(delay(&[("retry-after-ms", "1500"), ("retry-after", "2")], ""), limited(1_500));
    assert_eq!(delay(&[("retry-after", "Fri, 20 Nov 2026 12:00:30 GMT")], ""), limited(30_000));
    assert_eq!(
        delay(&[("x-ratelimit-reset-tokens", "6m0s"), ("x-ratelimit-reset-requests", "20ms")], ""),
        limited(360_000)
    );
    assert_eq!(delay(&[("x-ratelimit-reset-tokens", "2.59s")], ""), limited(2_590));
    assert_eq!(delay(&[("retry-after", "soon")], ""), (FailureClass::RateLimited, None));
    assert_eq!(delay(&[("retry-after", "99999999999999999999")], ""), limited(limits::DURATION_MS));
    let google = r#"{"error":{"status":"RESOURCE_EXHAUSTED","details":[{"retryDelay":"34.5s"}]}}"#;
    assert_eq!(delay(&[], google), limited(34_500));
    let reset = (FailureClass::Quota, Some(3_600_000));
    assert_eq!(delay(&[], r#"{"error":{"message":"limit","resets_at":1795179600}}"#), reset);
    assert_eq!(delay(&[], r#"{"error":{"code":"insufficient_quota","resets_at":"2026-11-20T13:00:00Z"}}"#), reset);
    let openrouter = r#"{"error":{"code":429,"message":"free-models-per-day","metadata":{"headers":{"X-RateLimit-Reset":"1795179600000"}}}}"#;
    assert_eq!(delay(&[], openrouter), reset);
}

#[test]
fn the_message_says_who_what_and_why_within_bounds() {
    let text = failure(500, &[], &format!("first\nline {}", "x".repeat(10_000))).message;
    assert!(text.starts_with("openai/m: status 500: first line xxx"), "{text}");
    assert!(text.len() < 400);
    let behind = r#"{"error":{"code":400,"message":"Provider returned error","metadata":{"raw":"bad tool schema"}}}"#;
    assert!(failure(400, &[], behind).message.ends_with("Provider returned error: bad tool schema"));
    assert!(failure(200, &[], "{\"error\":\"x\"}").message.contains("broke off its answer: x"));
}
