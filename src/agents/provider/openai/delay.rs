//! How long a provider asks to be left alone: `retry-after` in its three forms, rate limit headers, fields of error objects.

use reqwest::header::HeaderMap;
use serde_json::Value;

use crate::domain::limits;
use crate::domain::time::{Millis, parse_duration};

/// What it asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Wish {
    /// Milliseconds from now.
    pub delay_ms: Option<u64>,
    /// It is the time at which a quota comes back, not a pause between requests.
    pub is_reset: bool,
}

impl Wish {
    /// This wish, or `other` where this one says nothing.
    pub(super) fn or(self, other: Self) -> Self {
        if self.delay_ms.is_some() { self } else { other }
    }

    fn pause(delay_ms: u64) -> Self {
        Self { delay_ms: Some(delay_ms.min(limits::DURATION_MS)), is_reset: false }
    }

    fn reset(delay_ms: u64) -> Self {
        Self { is_reset: true, ..Self::pause(delay_ms) }
    }
}

/// Reads `retry-after-ms`, `retry-after` (RFC 9110, 10.2.3: seconds or a date), or the longest `x-ratelimit-reset-*`.
pub(super) fn of_headers(headers: &HeaderMap, now: Millis) -> Wish {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).map(str::trim);
    let after_ms =
        text("retry-after-ms").and_then(|text| text.parse::<f64>().ok()).and_then(|ms| milliseconds(ms / 1000.0));
    let after = || {
        let text = text("retry-after")?;
        text.parse::<f64>().ok().and_then(milliseconds).or_else(|| Some(http_date(text)?.since(now)))
    };
    if let Some(delay_ms) = after_ms.or_else(after) {
        return Wish::pause(delay_ms);
    }
    let resets = ["x-ratelimit-reset-requests", "x-ratelimit-reset-tokens"];
    let longest = resets.iter().filter_map(|name| spelled(text(name)?)).max();
    longest.map_or(Wish::default(), Wish::pause)
}

/// Reads what error objects carry: `resets_at`, `resets_in_seconds`, Google's `retryDelay`, OpenRouter's copied header.
pub(super) fn of_body(error: &Value, now: Millis) -> Wish {
    let seconds = error.get("resets_in_seconds").and_then(Value::as_f64).and_then(milliseconds);
    let at = || match error.get("resets_at")? {
        Value::String(text) => Millis::from_rfc3339(text),
        Value::Number(seconds) => seconds.as_u64().map(|seconds| Millis(seconds.saturating_mul(1000))),
        Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => None,
    };
    if let Some(delay_ms) = seconds.or_else(|| Some(at()?.since(now))) {
        return Wish::reset(delay_ms);
    }
    let copied = error.pointer("/metadata/headers/X-RateLimit-Reset").and_then(Value::as_str);
    if let Some(at_ms) = copied.and_then(|text| text.parse().ok()) {
        return Wish::reset(Millis(at_ms).since(now));
    }
    let details = error.get("details").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
    let delay = details.iter().find_map(|detail| spelled(detail.get("retryDelay")?.as_str()?));
    delay.map_or(Wish::default(), Wish::pause)
}

fn milliseconds(seconds: f64) -> Option<u64> {
    let ms = (seconds * 1000.0).ceil();
    // The cast saturates.
    (ms >= 0.0).then_some(ms as u64)
}

/// `6m0s`, `20ms`, `34.5s`.
fn spelled(text: &str) -> Option<u64> {
    let decimal = text.strip_suffix('s').and_then(|seconds| seconds.parse::<f64>().ok()).and_then(milliseconds);
    decimal.or_else(|| parse_duration(text))
}

/// Reads the one date format that servers still may send: `Sun, 06 Nov 1994 08:49:37 GMT` (RFC 9110, 5.6.7).
fn http_date(text: &str) -> Option<Millis> {
    const MONTHS: [&str; 12] = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let mut parts = text.split_once(", ")?.1.strip_suffix(" GMT")?.split(' ');
    let (day, month, year, time) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
    let month = MONTHS.iter().position(|name| *name == month)? + 1;
    Millis::from_rfc3339(&format!("{year}-{month:02}-{day}T{time}Z"))
}
