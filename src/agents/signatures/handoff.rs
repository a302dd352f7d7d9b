//! The handoff: what a worker reports up when its change is done.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::text::Markdown;
use super::{Answer, commit};

/// A handoff.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Handoff {
    /// What was done, and what was not.
    pub summary: String,
    /// The changes.
    pub changes: Vec<Change>,
    /// Tests added or changed, and what they show.
    pub tests: Vec<String>,
    /// What may go wrong, what is open.
    pub risks: Vec<String>,
    /// The message of the commit: a line, a blank line, the why.
    pub commit_message: String,
}

/// What became of a file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Change {
    /// The file.
    pub file: String,
    /// What changed in it and why.
    pub what: String,
}

impl Answer for Handoff {
    const NAME: &'static str = "handoff";

    fn schema() -> Value {
        let text = json!({ "type": "string", "minLength": 1 });
        let texts = json!({ "type": "array", "items": text });
        json!({
            "type": "object",
            "properties": {
                "summary": { "type": "string", "minLength": 1, "description": "What was done, and what was not." },
                "changes": {
                    "type": "array",
                    "items": {
                        "type": "object",
                        "properties": { "file": text, "what": text },
                        "required": ["file", "what"],
                        "additionalProperties": false
                    }
                },
                "tests": texts,
                "risks": texts,
                "commit_message": commit::schema()
            },
            "required": ["summary", "changes", "tests", "risks", "commit_message"],
            "additionalProperties": false
        })
    }

    fn faults(&self) -> Vec<String> {
        commit::faults(&self.commit_message)
    }

    fn artifacts(&self, _: &Value) -> Vec<(&'static str, String)> {
        let mut text = Markdown::titled("Handoff");
        text.paragraph(&self.summary);
        text.list("Changes", self.changes.iter().map(|change| format!("`{}`: {}", change.file, change.what)));
        text.list("Tests", &self.tests).list("Risks", &self.risks);
        text.heading("Commit message").paragraph(&self.commit_message);
        vec![("handoff.md", text.done())]
    }
}

#[cfg(test)]
mod tests {
    use super::super::Signature;
    use super::*;

    #[test]
    fn a_commit_message_begins_with_its_subject() {
        let signature = Signature::named("handoff").unwrap();
        let mut answer = json!({"summary": "s", "changes": [{"file": "a.rs", "what": "w"}], "tests": [], "risks": ["r"], "commit_message": "Do it"});
        signature.check(&answer).unwrap();
        let text = &signature.artifacts(&answer)[0].1;
        assert_eq!(
            text,
            "# Handoff\n\ns\n\n## Changes\n\n- `a.rs`: w\n\n## Risks\n\n- r\n\n## Commit message\n\nDo it\n"
        );
        answer["commit_message"] = json!("\nbody");
        assert_eq!(signature.check(&answer).unwrap_err(), ["/commit_message: its first line is empty"]);
    }
}
