//! The table of all tools: what clients are told of them, and calling one by its name.

use std::pin::Pin;
use std::sync::{Arc, LazyLock};

use rmcp::model::{self, CallToolResult, ContentBlock, JsonObject, ToolAnnotations};
use schemars::JsonSchema;
use schemars::generate::SchemaSettings;
use serde_json::Value;

use super::{Effect, Tool};
use super::{artifacts, cost, decide, events, fork, list, logs, show, start, steer, why};
use crate::domain::workflow::did_you_mean;
use crate::interfaces::api::{Fault, FaultKind};
use crate::interfaces::mcp::desk;
use crate::interfaces::mcp::parts::Parts;
use crate::interfaces::mcp::refusal::Refusal;

type Answered = Pin<Box<dyn Future<Output = Result<Value, Refusal>> + Send>>;

/// A tool without its types.
pub struct Entry {
    /// What clients are told.
    pub tool: model::Tool,
    /// What it may change.
    pub effect: Effect,
    run: fn(Arc<Parts>, JsonObject) -> Answered,
}

static TABLE: LazyLock<Vec<Entry>> = LazyLock::new(|| {
    vec![
        entry::<list::List>(),
        entry::<show::Show>(),
        entry::<why::Why>(),
        entry::<events::Events>(),
        entry::<cost::Cost>(),
        entry::<artifacts::Artifacts>(),
        entry::<logs::Logs>(),
        entry::<start::Start>(),
        entry::<decide::Approve>(),
        entry::<decide::Reject>(),
        entry::<steer::Pause>(),
        entry::<steer::Resume>(),
        entry::<steer::Cancel>(),
        entry::<fork::Fork>(),
    ]
});

/// All tools, those that only look first.
pub fn all() -> impl Iterator<Item = &'static Entry> {
    TABLE.iter()
}

/// A tool by its name.
pub fn find(name: &str) -> Option<&'static Entry> {
    all().find(|entry| entry.tool.name == name)
}

/// Calls a tool.
pub async fn call(entry: &Entry, parts: &Arc<Parts>, arguments: JsonObject) -> CallToolResult {
    match (entry.run)(parts.clone(), arguments).await {
        Ok(answer) => {
            // For clients that do not read structured content.
            let mut result = CallToolResult::success(vec![ContentBlock::text(answer.to_string())]);
            result.structured_content = Some(answer);
            result
        }
        Err(refusal) => refusal.to_result(),
    }
}

fn entry<T: Tool>() -> Entry {
    let annotations = match T::EFFECT {
        Effect::Looks => ToolAnnotations::new().read_only(true).destructive(false).idempotent(true).open_world(false),
        Effect::Holds => ToolAnnotations::new().read_only(false).destructive(false).idempotent(true).open_world(false),
        Effect::Steers => ToolAnnotations::new().read_only(false).destructive(true).idempotent(true).open_world(true),
        Effect::Starts => ToolAnnotations::new().read_only(false).destructive(true).idempotent(false).open_world(true),
    };
    let input = schema::<T>(SchemaSettings::draft2020_12());
    let output = schema::<T::Answer>(SchemaSettings::draft2020_12().for_serialize());
    let tool = model::Tool::new(T::NAME, T::ABOUT, input)
        .with_title(T::TITLE)
        .with_raw_output_schema(Arc::new(output))
        .with_annotations(annotations);
    Entry { tool, effect: T::EFFECT, run: |parts, arguments| Box::pin(run::<T>(parts, arguments)) }
}

async fn run<T: Tool>(parts: Arc<Parts>, arguments: JsonObject) -> Result<Value, Refusal> {
    let tool: T = read::<T>(arguments).map_err(|fault| (parts.explain)(&fault))?;
    let tool = tool.prepare(&parts).await.map_err(|trouble| trouble.explained(&parts))?;
    let answer = desk::ask(&parts, T::NEED, move |room| tool.clone().run(room)).await?;
    serde_json::to_value(answer).map_err(|error| {
        (parts.explain)(&Fault::new(FaultKind::Defect, format!("the answer of {} is not JSON: {error}", T::NAME)))
    })
}

fn read<T: Tool>(arguments: JsonObject) -> Result<T, Fault> {
    let given: Vec<String> = arguments.keys().cloned().collect();
    serde_json::from_value(Value::Object(arguments)).map_err(|error| {
        let message = format!("the arguments of {} are not valid: {error}", T::NAME);
        let known = schema::<T>(SchemaSettings::draft2020_12());
        let names = || known.get("properties").and_then(Value::as_object).into_iter().flat_map(|map| map.keys());
        let unknown = given.iter().filter(|name| !names().any(|known| known == *name));
        let causes = unknown.filter_map(|name| did_you_mean(name, names().map(String::as_str))).collect();
        Fault { causes, ..Fault::new(FaultKind::Invalid, message) }
    })
}

/// The schema of a type, without what says nothing to a client: the names of our types, and formats that are not of JSON Schema.
fn schema<T: JsonSchema>(settings: SchemaSettings) -> JsonObject {
    let mut schema = settings.into_generator().into_root_schema_for::<T>().to_value();
    tidy(&mut schema);
    let Value::Object(mut object) = schema else { return JsonObject::new() };
    object.remove("title");
    object.remove("description");
    object
}

fn tidy(schema: &mut Value) {
    match schema {
        Value::Object(object) => {
            let is_ours = |format: &Value| format.as_str().is_some_and(|it| it.starts_with("uint") || it == "double");
            if object.get("format").is_some_and(is_ours) {
                object.remove("format");
            }
            object.values_mut().for_each(tidy);
        }
        Value::Array(items) => items.iter_mut().for_each(tidy),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_tool_is_told_whole() {
        let mut names = std::collections::BTreeSet::new();
        for entry in all() {
            let tool = &entry.tool;
            assert!(names.insert(tool.name.to_string()), "{} twice", tool.name);
            let about = tool.description.as_deref().unwrap_or_default();
            assert!(about.len() > 40 && about.ends_with('.'), "{}: {about}", tool.name);
            for schema in [Some(&tool.input_schema), tool.output_schema.as_ref()] {
                let schema = schema.expect("both schemas are there");
                assert_eq!(schema["type"], "object", "{}", tool.name);
                let schema = Value::Object(schema.as_ref().clone());
                jsonschema::draft202012::meta::validate(&schema).expect("a valid schema");
                assert!(!schema.to_string().contains("\"format\":\"uint"), "{}", tool.name);
            }
            let properties = tool.input_schema.get("properties").and_then(Value::as_object);
            for (name, property) in properties.into_iter().flatten() {
                assert!(property.get("description").is_some(), "{}.{name} says nothing", tool.name);
            }
            assert_eq!(tool.input_schema["additionalProperties"], false, "{}", tool.name);
            let hints = tool.annotations.as_ref().expect("every tool has hints");
            assert_eq!(hints.read_only_hint, Some(!entry.effect.acts()), "{}", tool.name);
        }
        assert_eq!(names.len(), 14);
    }

    #[test]
    fn arguments_that_are_wrong_are_told_with_the_right_ones() {
        let arguments = |value: Value| value.as_object().cloned().unwrap_or_default();
        let fault = read::<show::Show>(arguments(serde_json::json!({"project": "x", "taks": "y"}))).unwrap_err();
        assert!(fault.message.contains("unknown field `taks`"), "{}", fault.message);
        assert_eq!(fault.causes, ["Did you mean `task`?"]);
        let fault = read::<show::Show>(JsonObject::new()).unwrap_err();
        assert!(fault.message.contains("missing field `project`"), "{}", fault.message);
    }
}
