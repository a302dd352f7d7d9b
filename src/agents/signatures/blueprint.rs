//! The blueprint: what an application has to do, from a prompt and the documents of its interfaces, and how it will be laid out.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::text::Markdown;
use super::{Answer, pretty};

/// A blueprint.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Blueprint {
    /// What it comes to.
    pub summary: String,
    /// What it has to do, each so that it can be checked.
    pub requirements: Vec<Requirement>,
    /// What it is built with.
    pub tech_stack: Vec<Choice>,
    /// Files and folders, each with what it is for.
    pub structure: Vec<Place>,
    /// How much work it is.
    pub complexity: Complexity,
    /// What was assumed where nothing was said.
    pub assumptions: Vec<String>,
}

/// Something that it has to do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Requirement {
    /// A short name, unique.
    pub id: String,
    /// What holds when it is met.
    pub text: String,
}

/// What a layer is built with.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Choice {
    /// The layer.
    pub layer: String,
    /// The choice.
    pub choice: String,
    /// Why.
    pub why: String,
}

/// A file or a folder.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Place {
    /// Its path.
    pub path: String,
    /// What it is for.
    pub purpose: String,
}

/// How much work it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Complexity {
    /// A handful of tasks.
    Low,
    /// Some dozen.
    Medium,
    /// More.
    High,
}

impl Answer for Blueprint {
    const NAME: &'static str = "blueprint";

    fn schema() -> Value {
        let text = json!({ "type": "string", "minLength": 1 });
        let list = |fields: &[&str]| {
            let properties: serde_json::Map<String, Value> =
                fields.iter().map(|field| ((*field).to_owned(), text.clone())).collect();
            let item = json!({ "type": "object", "properties": properties, "required": fields, "additionalProperties": false });
            json!({ "type": "array", "minItems": 1, "items": item })
        };
        json!({
            "type": "object",
            "properties": {
                "summary": text,
                "requirements": list(&["id", "text"]),
                "tech_stack": list(&["layer", "choice", "why"]),
                "structure": list(&["path", "purpose"]),
                "complexity": { "enum": ["low", "medium", "high"] },
                "assumptions": { "type": "array", "items": text }
            },
            "required": ["summary", "requirements", "tech_stack", "structure", "complexity", "assumptions"],
            "additionalProperties": false
        })
    }

    fn faults(&self) -> Vec<String> {
        let mut faults = Vec::new();
        for (at, requirement) in self.requirements.iter().enumerate() {
            if self.requirements[..at].iter().any(|before| before.id == requirement.id) {
                faults.push(format!("two requirements have the id {:?}", requirement.id));
            }
        }
        faults
    }

    fn artifacts(&self, answer: &Value) -> Vec<(&'static str, String)> {
        let mut text = Markdown::titled("Blueprint");
        text.paragraph(&self.summary);
        text.list("Requirements", self.requirements.iter().map(|one| format!("{}: {}", one.id, one.text)));
        text.list(
            "Built with",
            self.tech_stack.iter().map(|one| format!("{}: {} ({})", one.layer, one.choice, one.why)),
        );
        text.list("Structure", self.structure.iter().map(|one| format!("`{}`: {}", one.path, one.purpose)));
        text.list("Assumed", &self.assumptions);
        vec![("blueprint.md", text.done()), ("blueprint.json", pretty(answer))]
    }
}

#[cfg(test)]
mod tests {
    use super::super::Signature;
    use super::*;

    #[test]
    fn requirements_have_names_of_their_own() {
        let signature = Signature::named("blueprint").unwrap();
        let one = json!({"id": "r1", "text": "GET / greets"});
        let mut blueprint = json!({"summary": "s", "requirements": [one], "tech_stack": [{"layer": "server", "choice": "http.server", "why": "no dependency"}],
            "structure": [{"path": "app.py", "purpose": "the server"}], "complexity": "low", "assumptions": []});
        signature.check(&blueprint).unwrap();
        assert!(signature.artifacts(&blueprint)[0].1.contains("- server: http.server (no dependency)\n"));
        blueprint["requirements"] = json!([one, one]);
        assert_eq!(signature.check(&blueprint).unwrap_err(), ["two requirements have the id \"r1\""]);
        blueprint["structure"] = json!([{"path": "app.py"}]);
        assert!(signature.check(&blueprint).unwrap_err()[0].starts_with("/structure/0:"));
    }
}
