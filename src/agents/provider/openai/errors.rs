//! What a provider's refusal means: status, headers and error object to a class, a message and a wish for a delay.
//!
//! Providers agree on little but the status, and not always on that; what they say in words (`code`, `type`, known phrases of
//! the message) goes before it. The order of the questions in [`class`] is the point of this file.

use reqwest::header::HeaderMap;
use serde_json::Value;

use super::delay::{self, Wish};
use crate::domain::failure::{Failure, FailureClass};
use crate::domain::limits;
use crate::domain::time::Millis;

/// A refusal as it came.
pub(super) struct Refused<'r> {
    /// The status; `None` for an error in the middle of a stream.
    pub status: Option<u16>,
    /// The headers; empty for an error in the middle of a stream.
    pub headers: &'r HeaderMap,
    /// The body or the event.
    pub body: &'r [u8],
}

/// What of the error object matters.
#[derive(Debug, Default)]
struct Told {
    message: String,
    /// `code`, `type`, `status` and reasons, in lower case.
    words: Vec<String>,
    /// A status given in the object.
    status: Option<u16>,
    wish: Wish,
}

impl Refused<'_> {
    /// What it means. `who` opens the message: `openai/gpt-5: status 429: …`.
    pub(super) fn failure(&self, who: &str, now: Millis) -> Failure {
        let told = told(self.body, now);
        let status = self.status.or(told.status);
        let wish = told.wish.or(delay::of_headers(self.headers, now));
        let class = class(status, &told, wish);
        let mut message = match self.status {
            Some(status) => format!("{who}: status {status}"),
            None => format!("{who}: the provider broke off its answer"),
        };
        let words: String = told.message.split_whitespace().collect::<Vec<_>>().join(" ");
        if !words.is_empty() {
            message.push_str(": ");
            message.extend(words.chars().take(limits::MESSAGE_CHARS));
        }
        Failure { class, message, retry_after_ms: wish.delay_ms }
    }
}

/// Whether a request that failed in this way may have been billed: the model may have been at work.
pub(super) fn may_be_billed(class: FailureClass) -> bool {
    matches!(class, FailureClass::HttpServer | FailureClass::Refusal)
}

fn class(status: Option<u16>, told: &Told, wish: Wish) -> FailureClass {
    let says = |words: &[&str]| told.words.iter().any(|said| words.contains(&said.as_str()));
    let message = told.message.to_lowercase();
    let mentions = |phrases: &[&str]| phrases.iter().any(|phrase| message.contains(phrase));
    let client_error = status.is_none_or(|status| (400..500).contains(&status));
    if client_error {
        if says(&["insufficient_quota", "usage_limit_reached", "billing_hard_limit_reached", "quota_exceeded"]) {
            // A quota that comes back at a known time is waited for; one that does not is a matter of money.
            return if wish.delay_ms.is_some() { FailureClass::Quota } else { FailureClass::Credits };
        }
        if status == Some(402)
            || mentions(&["credit balance is too low", "insufficient credits", "insufficient balance"])
        {
            return FailureClass::Credits;
        }
        if says(&["context_length_exceeded", "request_too_large", "string_above_max_length"])
            || status == Some(413)
            || mentions(&[
                "maximum context length",
                "context window",
                "context length",
                "prompt is too long",
                "input token count",
                "too many input tokens",
            ])
        {
            return FailureClass::ContextOverflow;
        }
        if says(&["content_filter", "content_policy_violation", "responsibleaipolicyviolation", "moderation", "safety"])
            || mentions(&["content management policy", "content policy", "usage policy", "flagged"])
        {
            return FailureClass::Refusal;
        }
        if says(&["model_not_found", "model_decommissioned", "unknown_model"])
            || matches!(status, Some(404 | 410))
            || (mentions(&["model"])
                && mentions(&["does not exist", "is not a valid model", "not found", "decommissioned"]))
        {
            return FailureClass::ModelNotFound;
        }
        if says(&[
            "invalid_api_key",
            "api_key_invalid",
            "authentication_error",
            "permission_error",
            "permission_denied",
        ]) || mentions(&["api key not valid", "invalid api key"])
            || matches!(status, Some(401 | 403))
        {
            return FailureClass::Auth;
        }
    }
    if says(&["overloaded_error", "overloaded", "unavailable", "engine_overloaded"])
        || matches!(status, Some(503 | 529))
    {
        return FailureClass::Overloaded;
    }
    if status == Some(429)
        || says(&["rate_limit_error", "rate_limit_exceeded", "resource_exhausted", "too_many_requests"])
    {
        return if wish.is_reset { FailureClass::Quota } else { FailureClass::RateLimited };
    }
    match status {
        Some(408 | 425 | 500..) => FailureClass::HttpServer,
        Some(300..) => FailureClass::BadRequest,
        _ if says(&["invalid_request_error", "invalid_argument", "bad_request"]) => FailureClass::BadRequest,
        // An error in the middle of an answer that does not say more than that.
        _ => FailureClass::HttpServer,
    }
}

/// Reads the error object in its many forms: `{"error": {…}}`, `{"error": "…"}`, `[{"error": {…}}]`, `{"message": …}`, or text.
fn told(body: &[u8], now: Millis) -> Told {
    let Ok(value) = serde_json::from_slice::<Value>(body) else {
        return Told { message: String::from_utf8_lossy(body).into_owned(), ..Told::default() };
    };
    let value = value.get(0).unwrap_or(&value);
    let error = value.get("error").filter(|error| !error.is_null()).unwrap_or(value);
    let mut told = Told { wish: delay::of_body(error, now), ..Told::default() };
    let message = [Some(error), error.get("message"), error.get("detail"), value.get("message")];
    told.message = message.into_iter().flatten().find_map(Value::as_str).unwrap_or_default().to_owned();
    // OpenRouter keeps what the provider behind it said in here.
    if let Some(raw) = error.pointer("/metadata/raw").and_then(Value::as_str) {
        told.message = format!("{}: {raw}", told.message);
    }
    let mut words = vec![error.get("code"), error.get("type"), error.get("status"), error.pointer("/innererror/code")];
    if error.pointer("/metadata/reasons").is_some_and(Value::is_array) {
        told.words.push("moderation".to_owned());
    }
    let details = error.get("details").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
    words.extend(details.iter().map(|detail| detail.get("reason")));
    for word in words.into_iter().flatten() {
        match word {
            Value::String(word) => told.words.push(word.to_lowercase()),
            Value::Number(number) => told.status = number.as_u64().and_then(|status| u16::try_from(status).ok()),
            Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => {}
        }
    }
    told
}

#[cfg(test)]
mod tests;
