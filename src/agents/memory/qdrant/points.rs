//! A chunk as a point of a collection, and filters in the server's words. Pure.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::super::chunk::{Chunk, Filters, Metadata};
use crate::domain::ids::Digest;

/// Fields of a payload that are filtered or ordered by, with the kind of their index.
pub(super) const INDEXED: [(&str, &str); 9] = [
    ("repository", "keyword"),
    ("model", "keyword"),
    ("type", "keyword"),
    ("source", "keyword"),
    ("task_id", "keyword"),
    ("version", "keyword"),
    ("platform", "keyword"),
    ("tags", "keyword"),
    ("timestamp", "datetime"),
];

/// A chunk as a server has it.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Point {
    pub(super) chunk: Chunk,
    /// The model of its vector.
    pub(super) model: String,
}

/// The payload of a point.
#[derive(Serialize, Deserialize)]
struct Payload {
    repository: String,
    model: String,
    chunk: String,
    content: String,
    #[serde(flatten)]
    metadata: Known,
}

/// The metadata in a payload, which may have more in it: others may write there, too.
#[derive(Serialize, Deserialize)]
struct Known {
    #[serde(rename = "type")]
    kind: super::super::chunk::Kind,
    source: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    task_id: Option<String>,
    timestamp: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    version: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    platform: Option<super::super::chunk::Platform>,
    #[serde(default)]
    tags: Vec<String>,
}

impl From<Metadata> for Known {
    fn from(of: Metadata) -> Self {
        let Metadata { kind, source, task_id, timestamp, version, platform, tags } = of;
        Self { kind, source, task_id, timestamp, version, platform, tags }
    }
}

impl From<Known> for Metadata {
    fn from(of: Known) -> Self {
        let Known { kind, source, task_id, timestamp, version, platform, tags } = of;
        Self { kind, source, task_id, timestamp, version, platform, tags }
    }
}

/// The id of a chunk's point: a UUID (version 8, RFC 9562) that follows from the repository and the chunk's id, so that storing twice
/// is once, whoever does it.
pub(super) fn point_id(repository: &str, chunk: &str) -> String {
    let mut bytes = [0; 16];
    bytes.copy_from_slice(&Digest::of(format!("{repository}\0{chunk}").as_bytes()).0[..16]);
    bytes[6] = bytes[6] & 0x0f | 0x80;
    bytes[8] = bytes[8] & 0x3f | 0x80;
    let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    format!("{}-{}-{}-{}-{}", &hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..])
}

/// A point for the server.
pub(super) fn written(repository: &str, model: &str, chunk: &Chunk, vector: &[f32]) -> Value {
    let payload = Payload {
        repository: repository.to_owned(),
        model: model.to_owned(),
        chunk: chunk.id.clone(),
        content: chunk.content.clone(),
        metadata: chunk.metadata.clone().into(),
    };
    json!({ "id": point_id(repository, &chunk.id), "vector": vector, "payload": payload })
}

/// Points of an answer, with their scores where it has them. An error says what is none of ours.
pub(super) fn read_all(points: &Value) -> Result<Vec<(Point, Option<f64>)>, String> {
    let all = points.as_array().ok_or("its answer has no list of points")?;
    let read = |point: &Value| {
        let payload: Payload = Payload::deserialize(&point["payload"])
            .map_err(|error| format!("the point {} is none that was stored here: {error}", point["id"]))?;
        let chunk = Chunk { id: payload.chunk, content: payload.content, metadata: payload.metadata.into() };
        Ok((Point { chunk, model: payload.model }, point["score"].as_f64()))
    };
    all.iter().map(read).collect()
}

/// Whether the server can tell all of `filters`: it has no beginnings of texts.
pub(super) fn is_whole(filters: &Filters) -> bool {
    filters.source.as_ref().is_none_or(|source| !source.ends_with(['/', '*']))
}

/// The points of a repository that `filters` mean, and whose vectors are of `model`, when it is given.
pub(super) fn filter(repository: &str, filters: &Filters, model: Option<&str>) -> Value {
    let is = |key: &str, value: &str| json!({ "key": key, "match": { "value": value } });
    let mut must = vec![is("repository", repository)];
    must.extend(model.map(|model| is("model", model)));
    must.extend(filters.kind.map(|kind| is("type", kind.name())));
    must.extend(filters.source.as_ref().filter(|_| is_whole(filters)).map(|source| is("source", source)));
    must.extend(filters.task_id.as_ref().map(|task| is("task_id", task)));
    must.extend(filters.version.as_ref().map(|version| is("version", version)));
    must.extend(filters.platform.map(|platform| is("platform", platform.name())));
    must.extend(filters.tags.iter().map(|tag| is("tags", &tag.trim().to_lowercase())));
    must.extend(filters.since.as_ref().map(|since| json!({ "key": "timestamp", "range": { "gte": since } })));
    json!({ "must": must })
}

/// The points of a repository whose vectors are of `model`.
pub(super) fn of_model(repository: &str, model: &str) -> Value {
    filter(repository, &Filters::default(), Some(model))
}
