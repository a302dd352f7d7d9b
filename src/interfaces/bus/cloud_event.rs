//! A record as a CloudEvent (version 1.0, JSON, structured mode): <https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/spec.md>.
//!
//! `id` is the record's place (`project/position`), so that whoever gets it twice can tell. `partitionkey` and `sequence` are the
//! spec's own extensions for order within a project; `traceparent` is the project's
//! place among traces (see `otlp/`).

use serde_json::{Value, json};

use super::channel;
use super::otlp;
use super::sink::Entry;
use crate::domain::time::Millis;

/// The media type of a request whose body is one event.
pub const MEDIA_TYPE: &str = "application/cloudevents+json";

/// A record as an event.
pub fn of(entry: &Entry) -> Value {
    let record = &entry.record;
    let mut event = json!({
        "specversion": "1.0",
        "id": id(entry),
        "source": format!("/wfctl/projects/{}", record.project),
        "type": format!("wfctl.{}", channel::kind(&record.event)),
        "subject": record.task.as_deref().unwrap_or(record.project.as_str()),
        "time": record.at.to_rfc3339(),
        "datacontenttype": "application/json",
        "partitionkey": record.project,
        "sequence": format!("{:020}", record.seq.0),
        "workflow": entry.names.workflow,
        "traceparent": otlp::traceparent(entry),
        "data": record,
    });
    if let (Some(role), Some(object)) = (entry.role(), event.as_object_mut()) {
        object.insert("role".to_owned(), Value::from(role));
    }
    event
}

/// A record's place, unique among all records of a home.
pub fn id(entry: &Entry) -> String {
    let (project, seq) = entry.at();
    format!("{project}/{seq}")
}

/// An event that says nothing but that it arrived.
pub fn test_event(now: Millis) -> Value {
    json!({
        "specversion": "1.0",
        "id": format!("test/{}", now.0),
        "source": "/wfctl",
        "type": "wfctl.Test",
        "time": now.to_rfc3339(),
        "datacontenttype": "application/json",
        "data": {"message": "sent by `wfctl bus test`"},
    })
}

#[cfg(test)]
mod tests {
    use super::super::testing::entries;
    use super::*;

    #[test]
    fn an_event_has_what_the_specification_asks_for() {
        for entry in entries() {
            let event = of(&entry);
            for name in ["specversion", "id", "source", "type"] {
                assert!(event[name].as_str().is_some_and(|text| !text.is_empty()), "{name}: {event}");
            }
            assert_eq!(event["specversion"], "1.0");
            assert_eq!(event["id"], format!("p/{}", entry.record.seq));
            assert_eq!(Millis::from_rfc3339(event["time"].as_str().unwrap()), Some(entry.record.at));
            let attributes = event.as_object().unwrap().keys();
            assert!(
                attributes.into_iter().all(|name| name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit()))
            );
            assert_eq!(event["data"]["seq"], entry.record.seq.0);
        }
    }
}
