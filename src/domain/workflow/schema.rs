//! The JSON Schema (2020-12) of workflow files, for editors: made from the table in `keys.rs` that the reader uses too.
//! The reader checks more than a schema can (cycles, names, templates).

use serde_json::{Map, Value, json};

use super::keys::{OBJECTS, Object, Shape, WORKFLOW};
use crate::domain::limits;

/// Where the schema says it lives.
pub const SCHEMA_ID: &str = "urn:wfctl:schema:workflow:1";

/// The schema that `wfctl schema workflow` prints.
pub fn workflow_schema() -> Value {
    let definitions: Map<String, Value> =
        OBJECTS.iter().map(|object| (object.name.to_owned(), object_schema(object))).collect();
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": SCHEMA_ID,
        "title": "wfctl workflow",
        "description": "A workflow for wfctl: tasks, what they need, and what happens when they fail.",
        "$ref": format!("#/$defs/{}", WORKFLOW.name),
        "$defs": definitions,
    })
}

fn object_schema(object: &Object) -> Value {
    let mut properties = Map::new();
    for key in object.keys {
        let mut schema = shape_schema(&key.shape);
        if let Some(schema) = schema.as_object_mut() {
            schema.insert("description".to_owned(), key.doc.into());
        }
        properties.insert(key.name.to_owned(), schema);
    }
    let required: Vec<&str> = object.keys.iter().filter(|key| key.required).map(|key| key.name).collect();
    let mut schema = json!({
        "title": object.title,
        "type": "object",
        "additionalProperties": false,
        "properties": properties,
    });
    if let Some(fields) = schema.as_object_mut() {
        if !required.is_empty() {
            fields.insert("required".to_owned(), required.into());
        }
        if !object.one_of.is_empty() {
            let choices: Vec<Value> = object.one_of.iter().map(|key| json!({"required": [key]})).collect();
            fields.insert("oneOf".to_owned(), choices.into());
        }
    }
    schema
}

fn shape_schema(shape: &Shape) -> Value {
    match shape {
        Shape::Text | Shape::Template | Shape::Expression => json!({"type": "string"}),
        Shape::Name => {
            json!({"type": "string", "pattern": "^[A-Za-z0-9][A-Za-z0-9_.-]*$", "maxLength": limits::NAME_BYTES})
        }
        Shape::WorkflowName => {
            json!({"type": "string", "pattern": "^[a-z0-9][a-z0-9._-]*$", "maxLength": limits::NAME_BYTES})
        }
        Shape::Duration => {
            json!({"type": "string", "pattern": "^\\s*([0-9]+(ms|s|m|h|d)\\s*)+$", "examples": ["30s", "1h30m"]})
        }
        Shape::Integer(min, max) => json!({"type": "integer", "minimum": min, "maximum": max}),
        Shape::Number(min, max) => json!({"type": "number", "minimum": min, "maximum": max}),
        Shape::Boolean => json!({"type": "boolean"}),
        Shape::Choice(choices) => json!({"enum": choices}),
        Shape::Scalar => json!({"type": ["string", "number", "boolean"]}),
        Shape::Any => json!({}),
        Shape::List(item) => json!({"type": "array", "items": shape_schema(item)}),
        Shape::Map(value) => json!({"type": "object", "additionalProperties": shape_schema(value)}),
        Shape::Object(object) => json!({"$ref": format!("#/$defs/{}", object.name)}),
        Shape::Either(shapes) => json!({"anyOf": shapes.iter().map(shape_schema).collect::<Vec<_>>()}),
    }
}
