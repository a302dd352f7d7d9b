//! The contract of a milestone: what its code promises, exact enough that code and tests are written against it apart.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::text::Markdown;
use super::{Answer, commit, pretty};

/// A contract.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct InterfaceContract {
    /// What it comes to.
    pub summary: String,
    /// Functions, classes, methods, endpoints.
    pub interfaces: Vec<Interface>,
    /// The data that they take and give.
    pub data_models: Vec<DataModel>,
    /// Files with tests that are to be filled in.
    pub test_skeletons: Vec<TestSkeleton>,
    /// An OpenAPI document, when there is an HTTP interface.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub openapi: Option<Value>,
    /// The message of the commit.
    pub commit_message: String,
}

/// Something that can be called.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Interface {
    /// Its full name.
    pub name: String,
    /// What it is.
    pub kind: InterfaceKind,
    /// As it is written in the language.
    pub signature: String,
    /// What it does, what is idempotent, bounds.
    pub description: String,
    /// What it takes.
    pub parameters: Vec<Typed>,
    /// What it gives.
    pub returns: String,
    /// Exceptions or errors, each with when.
    pub raises: Vec<String>,
    /// Calls with their results.
    pub examples: Vec<Example>,
}

/// What can be called.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum InterfaceKind {
    /// A function.
    Function,
    /// A class.
    Class,
    /// A method.
    Method,
    /// An HTTP endpoint.
    Endpoint,
    /// A command line.
    Command,
}

/// A name with a type.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Typed {
    /// The name.
    pub name: String,
    /// The type, in the language's words.
    #[serde(rename = "type")]
    pub type_name: String,
    /// What it means, with its unit.
    pub description: String,
}

/// A call with its result.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Example {
    /// The call.
    pub call: String,
    /// What it gives.
    pub gives: String,
}

/// A record of data.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DataModel {
    /// Its name.
    pub name: String,
    /// How it is written: a dataclass, a struct, a table.
    pub form: String,
    /// Its fields.
    pub fields: Vec<Typed>,
}

/// A file with tests that are to be filled in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TestSkeleton {
    /// The file.
    pub path: String,
    /// What its tests show.
    pub covers: Vec<String>,
}

impl Answer for InterfaceContract {
    const NAME: &'static str = "contract";

    fn schema() -> Value {
        let text = json!({ "type": "string", "minLength": 1 });
        let texts = json!({ "type": "array", "items": text });
        let object = |properties: Value| {
            let required: Vec<&String> = properties.as_object().map(|all| all.keys().collect()).unwrap_or_default();
            json!({ "type": "object", "properties": properties, "required": required, "additionalProperties": false })
        };
        let list = |item: Value| json!({ "type": "array", "items": item });
        let typed = object(json!({ "name": text, "type": text, "description": text }));
        let interface = object(json!({
            "name": text,
            "kind": { "enum": ["function", "class", "method", "endpoint", "command"] },
            "signature": { "type": "string", "minLength": 1, "description": "As it is written in the language." },
            "description": text,
            "parameters": list(typed.clone()),
            "returns": text,
            "raises": { "type": "array", "items": text, "description": "Each error with when it comes." },
            "examples": list(object(json!({ "call": text, "gives": text }))),
        }));
        json!({
            "type": "object",
            "properties": {
                "summary": text,
                "interfaces": { "type": "array", "minItems": 1, "items": interface },
                "data_models": list(object(json!({ "name": text, "form": text, "fields": list(typed) }))),
                "test_skeletons": list(object(json!({ "path": text, "covers": texts }))),
                "openapi": { "type": "object", "description": "An OpenAPI document, only when there is an HTTP interface." },
                "commit_message": commit::schema()
            },
            "required": ["summary", "interfaces", "data_models", "test_skeletons", "commit_message"],
            "additionalProperties": false
        })
    }

    fn faults(&self) -> Vec<String> {
        let mut faults = Vec::new();
        for (at, interface) in self.interfaces.iter().enumerate() {
            if self.interfaces[..at].iter().any(|before| before.name == interface.name) {
                faults.push(format!("two interfaces have the name {:?}", interface.name));
            }
        }
        let has_endpoint = self.interfaces.iter().any(|interface| interface.kind == InterfaceKind::Endpoint);
        if has_endpoint && self.openapi.is_none() {
            faults.push("there is an endpoint and no `openapi` document".to_owned());
        }
        faults
    }

    fn artifacts(&self, answer: &Value) -> Vec<(&'static str, String)> {
        let mut text = Markdown::titled("Contract");
        text.paragraph(&self.summary);
        for interface in &self.interfaces {
            text.heading(&interface.name);
            text.paragraph(&format!("`{}`", interface.signature)).paragraph(&interface.description);
            let parameters = interface.parameters.iter();
            let parameters = parameters.map(|one| format!("- `{}`: {}: {}", one.name, one.type_name, one.description));
            let raises = interface.raises.iter().map(|one| format!("- raises {one}"));
            let examples = interface.examples.iter().map(|one| format!("- `{}` gives `{}`", one.call, one.gives));
            let lines: Vec<String> = parameters.chain(raises).chain(examples).collect();
            text.paragraph(&lines.join("\n")).paragraph(&format!("Gives {}.", interface.returns));
        }
        for model in &self.data_models {
            let fields =
                model.fields.iter().map(|one| format!("`{}`: {}: {}", one.name, one.type_name, one.description));
            text.list(&format!("{} ({})", model.name, model.form), fields);
        }
        text.list("Tests", self.test_skeletons.iter().map(|one| format!("`{}`: {}", one.path, one.covers.join("; "))));
        let mut artifacts = vec![("contract.md", text.done()), ("contract.json", pretty(answer))];
        artifacts.extend(self.openapi.as_ref().map(|document| ("openapi.json", pretty(document))));
        artifacts
    }
}

#[cfg(test)]
mod tests {
    use super::super::Signature;
    use super::*;

    #[test]
    fn an_endpoint_has_a_document_and_names_are_unique() {
        let signature = Signature::named("contract").unwrap();
        let interface = json!({"name": "rsi", "kind": "function", "signature": "def rsi(closes, period=14)", "description": "d",
            "parameters": [{"name": "closes", "type": "list[float]", "description": "prices"}], "returns": "list[float | None]",
            "raises": ["ValueError: period < 1"], "examples": [{"call": "rsi([1, 2], 1)", "gives": "[None, 100.0]"}]});
        let mut contract = json!({"summary": "s", "interfaces": [interface], "data_models": [], "test_skeletons": [], "commit_message": "c"});
        signature.check(&contract).unwrap();
        let artifacts = signature.artifacts(&contract);
        assert!(artifacts[0].1.contains("- `rsi([1, 2], 1)` gives `[None, 100.0]`"), "{}", artifacts[0].1);
        contract["interfaces"][0]["kind"] = json!("endpoint");
        assert_eq!(signature.check(&contract).unwrap_err(), ["there is an endpoint and no `openapi` document"]);
        contract["openapi"] = json!({"openapi": "3.1.0"});
        signature.check(&contract).unwrap();
        assert_eq!(signature.artifacts(&contract)[2].0, "openapi.json");
        contract["interfaces"] = json!([contract["interfaces"][0], contract["interfaces"][0]]);
        assert_eq!(signature.check(&contract).unwrap_err(), ["two interfaces have the name \"rsi\""]);
        contract["interfaces"] = json!([{"name": "rsi"}]);
        assert!(signature.check(&contract).unwrap_err()[0].starts_with("/interfaces/0:"));
    }
}
