//! What a server tells of its tools, as models are told of it: bounded, in a stable order, each with the class of its effect.

use std::collections::BTreeMap;

use rmcp::model::{Tool, ToolAnnotations};
use serde_json::Value;

use super::naming;
use crate::agents::walk::Offered;
use crate::domain::chat::ToolSpec;
use crate::domain::workflow::EffectClass;

/// Longest description that a model is given; what a tool is must be said by then.
const DESCRIPTION_BYTES: usize = 2 * 1024;
/// Largest schema of arguments: it is a part of every request.
const SCHEMA_BYTES: usize = 16 * 1024;

/// A tool on offer, and what its server calls it.
#[derive(Debug, Clone, PartialEq)]
pub struct Known {
    /// What models are told.
    pub offered: Offered,
    /// Its name there.
    pub there: String,
}

/// The tools that can be offered, by the name that models know. What cannot be is told in the log.
pub fn known(server: &str, tools: Vec<Tool>) -> BTreeMap<String, Known> {
    let mut known = BTreeMap::new();
    for tool in tools {
        match offer(server, &tool) {
            Ok((name, one)) => {
                known.entry(name).or_insert(one);
            }
            Err(why) => tracing::warn!(server, tool = %tool.name, why, "a tool cannot be offered"),
        }
    }
    known
}

fn offer(server: &str, tool: &Tool) -> Result<(String, Known), &'static str> {
    let name = naming::name(server, &tool.name).ok_or("its name is too long")?;
    let parameters = Value::Object(tool.input_schema.as_ref().clone());
    if parameters.get("type").and_then(Value::as_str) != Some("object") {
        return Err("its schema is not of an object");
    }
    if parameters.to_string().len() > SCHEMA_BYTES {
        return Err("its schema is too large");
    }
    if jsonschema::validator_for(&parameters).is_err() {
        return Err("its schema is no JSON Schema");
    }
    let described = tool.description.as_deref().unwrap_or_default();
    let mut end = described.len().min(DESCRIPTION_BYTES);
    while !described.is_char_boundary(end) {
        end -= 1;
    }
    let description = described[..end].to_owned();
    let offered = Offered {
        spec: ToolSpec { name: name.clone(), description, parameters },
        effect: effect(tool.annotations.as_ref()),
    };
    Ok((name, Known { offered, there: tool.name.to_string() }))
}

/// What may be done when the outcome of a call stays unknown. What says nothing of itself must not happen twice. Nothing is
/// `Pure`: a call to another process is put on record before it is made.
fn effect(annotations: Option<&ToolAnnotations>) -> EffectClass {
    let says = |hint: fn(&ToolAnnotations) -> Option<bool>| annotations.and_then(hint) == Some(true);
    match says(|it| it.read_only_hint) || says(|it| it.idempotent_hint) {
        true => EffectClass::Idempotent,
        false => EffectClass::Once,
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use serde_json::json;

    use super::*;

    fn tool(name: &str, schema: Value) -> Tool {
        let schema = schema.as_object().cloned().unwrap_or_default();
        Tool::new(name.to_owned(), "ü".repeat(DESCRIPTION_BYTES), Arc::new(schema))
    }

    #[test]
    fn only_what_fits_is_offered_and_always_in_the_same_order() {
        let fine = || json!({"type": "object", "properties": {"a": {"type": "string"}}});
        let tools = vec![
            tool("b", fine()),
            tool("a", fine()),
            tool("no-object", json!({"type": "string"})),
            tool("no-schema", json!({"type": "object", "required": 3})),
            tool("large", json!({"type": "object", "description": "x".repeat(SCHEMA_BYTES)})),
            tool(&"x".repeat(60), fine()),
        ];
        let known = known("s", tools);
        assert_eq!(known.keys().collect::<Vec<_>>(), ["mcp__s__a", "mcp__s__b"]);
        assert!(known["mcp__s__a"].offered.spec.description.len() <= DESCRIPTION_BYTES);
        assert_eq!(known["mcp__s__a"].there, "a");
    }

    #[test]
    fn what_does_not_say_that_it_may_be_repeated_is_once() {
        let effect = |annotations: ToolAnnotations| super::effect(Some(&annotations));
        assert_eq!(super::effect(None), EffectClass::Once);
        assert_eq!(effect(ToolAnnotations::new()), EffectClass::Once);
        assert_eq!(effect(ToolAnnotations::new().read_only(true)), EffectClass::Idempotent);
        assert_eq!(effect(ToolAnnotations::new().read_only(false).idempotent(true)), EffectClass::Idempotent);
        assert_eq!(effect(ToolAnnotations::new().destructive(false)), EffectClass::Once);
    }
}
