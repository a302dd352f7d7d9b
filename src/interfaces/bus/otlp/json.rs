//! Spans as OTLP/JSON: <https://opentelemetry.io/docs/specs/otlp/#json-protobuf-encoding>. Ids are hexadecimal, numbers of 64 bits are
//! texts, kinds are numbers.

use serde_json::{Value as Json, json};

use super::spans::{Attributes, Span, Value};
use crate::domain::time::Millis;

const INTERNAL: u8 = 1;
const CLIENT: u8 = 3;
const FAILED: u8 = 2;

/// The body of a request that exports `spans`.
pub fn request(service: &str, spans: &[Span]) -> Json {
    let version = env!("CARGO_PKG_VERSION");
    json!({
        "resourceSpans": [{
            "resource": {"attributes": [
                attribute("service.name", &Value::Text(service.to_owned())),
                attribute("service.version", &Value::Text(version.to_owned())),
            ]},
            "scopeSpans": [{
                "scope": {"name": "wfctl", "version": version},
                "spans": spans.iter().map(span).collect::<Vec<_>>(),
            }],
        }],
    })
}

fn span(span: &Span) -> Json {
    let moment = |(at, name): &(Millis, String)| json!({"timeUnixNano": nanos(*at), "name": name});
    let link = |(trace, id): &([u8; 16], [u8; 8])| json!({"traceId": hex(trace), "spanId": hex(id)});
    json!({
        "traceId": hex(&span.trace),
        "spanId": hex(&span.id),
        "parentSpanId": span.parent.map(|id| hex(&id)).unwrap_or_default(),
        "name": span.name,
        "kind": if span.is_client { CLIENT } else { INTERNAL },
        "startTimeUnixNano": nanos(span.start),
        "endTimeUnixNano": nanos(span.end),
        "attributes": attributes(&span.attributes),
        "events": span.moments.iter().map(moment).collect::<Vec<_>>(),
        "links": span.link.iter().map(link).collect::<Vec<_>>(),
        "status": match &span.failure {
            Some(message) => json!({"code": FAILED, "message": message}),
            None => json!({}),
        },
    })
}

fn attributes(attributes: &Attributes) -> Vec<Json> {
    attributes.iter().map(|(name, value)| attribute(name, value)).collect()
}

fn attribute(name: &str, value: &Value) -> Json {
    let value = match value {
        Value::Text(text) => json!({"stringValue": text}),
        Value::Number(number) => json!({"intValue": number.to_string()}),
        Value::Decimal(number) => json!({"doubleValue": number}),
        Value::Flag(flag) => json!({"boolValue": flag}),
    };
    json!({"key": name, "value": value})
}

fn nanos(at: Millis) -> String {
    at.0.saturating_mul(1_000_000).to_string()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
