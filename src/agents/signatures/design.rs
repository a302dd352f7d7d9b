//! The design: the contracts between the parts, and the decision that led to them.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::text::Markdown;
use super::{Answer, pretty};

/// A design.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Design {
    /// What it comes to.
    pub summary: String,
    /// What the parts promise each other.
    pub contracts: Vec<Contract>,
    /// The decision.
    pub adr: Adr,
    /// An OpenAPI document, when there is an HTTP interface.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub openapi: Option<Value>,
}

/// What a part promises.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Contract {
    /// The part.
    pub name: String,
    /// Signatures, types, formats, errors.
    pub definition: String,
}

/// An architecture decision record.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Adr {
    /// What is decided.
    pub title: String,
    /// What led to it.
    pub context: String,
    /// The decision and what was decided against.
    pub decision: String,
    /// What follows, good and bad.
    pub consequences: String,
}

impl Answer for Design {
    const NAME: &'static str = "design";

    fn schema() -> Value {
        let text = json!({ "type": "string", "minLength": 1 });
        json!({
            "type": "object",
            "properties": {
                "summary": text,
                "contracts": {
                    "type": "array",
                    "items": {
                        "type": "object",
                        "properties": { "name": text, "definition": { "type": "string", "minLength": 1, "description": "Signatures, types, formats, errors: exact enough to build both sides apart." } },
                        "required": ["name", "definition"],
                        "additionalProperties": false
                    }
                },
                "adr": {
                    "type": "object",
                    "properties": { "title": text, "context": text, "decision": text, "consequences": text },
                    "required": ["title", "context", "decision", "consequences"],
                    "additionalProperties": false
                },
                "openapi": { "type": "object", "description": "An OpenAPI document, only when there is an HTTP interface." }
            },
            "required": ["summary", "contracts", "adr"],
            "additionalProperties": false
        })
    }

    fn artifacts(&self, _: &Value) -> Vec<(&'static str, String)> {
        let mut design = Markdown::titled("Design");
        design.paragraph(&self.summary);
        for contract in &self.contracts {
            design.heading(&contract.name).paragraph(&contract.definition);
        }
        let mut adr = Markdown::titled(&self.adr.title);
        adr.heading("Context").paragraph(&self.adr.context);
        adr.heading("Decision").paragraph(&self.adr.decision);
        adr.heading("Consequences").paragraph(&self.adr.consequences);
        let mut artifacts = vec![("design.md", design.done()), ("adr.md", adr.done())];
        artifacts.extend(self.openapi.as_ref().map(|document| ("openapi.json", pretty(document))));
        artifacts
    }
}

#[cfg(test)]
mod tests {
    use super::super::Signature;
    use super::*;

    #[test]
    fn an_interface_becomes_an_artifact_of_its_own() {
        let signature = Signature::named("design").unwrap();
        let adr = json!({"title": "Use files", "context": "c", "decision": "d", "consequences": "e"});
        let mut answer =
            json!({"summary": "s", "contracts": [{"name": "store", "definition": "fn get()"}], "adr": adr});
        signature.check(&answer).unwrap();
        let names = |answer: &Value| signature.artifacts(answer).into_iter().map(|(name, _)| name).collect::<Vec<_>>();
        assert_eq!(names(&answer), ["design.md", "adr.md"]);
        answer["openapi"] = json!({"openapi": "3.1.0"});
        signature.check(&answer).unwrap();
        assert_eq!(names(&answer), ["design.md", "adr.md", "openapi.json"]);
        assert!(signature.artifacts(&answer)[1].1.starts_with("# Use files\n\n## Context\n\nc\n"));
    }
}
