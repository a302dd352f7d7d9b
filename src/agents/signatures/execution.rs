//! The execution: a worker's structured handoff to the planner that its task came from.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::text::Markdown;
use super::{Answer, commit};

/// What a worker hands up.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Execution {
    /// What was done, and what was not.
    pub done: String,
    /// For whoever works there next.
    pub notes: Vec<String>,
    /// What may go wrong.
    pub concerns: Vec<String>,
    /// Where it was done otherwise than the task said, and why.
    pub deviations: Vec<String>,
    /// What was found that the planner did not know.
    pub findings: Vec<String>,
    /// On the task itself: what was unclear, too large, wrong.
    pub feedback: Vec<String>,
    /// The message of the commit: a line, a blank line, the why.
    pub commit_message: String,
}

impl Answer for Execution {
    const NAME: &'static str = "execution";

    fn schema() -> Value {
        let text = json!({ "type": "string", "minLength": 1 });
        let texts = |description: &str| json!({ "type": "array", "items": text, "description": description });
        json!({
            "type": "object",
            "properties": {
                "done": { "type": "string", "minLength": 1, "description": "What was done, and what was not." },
                "notes": texts("For whoever works there next."),
                "concerns": texts("What may go wrong."),
                "deviations": texts("Where it was done otherwise than the task said, and why."),
                "findings": texts("What was found that the planner did not know."),
                "feedback": texts("On the task itself: what was unclear, too large, wrong."),
                "commit_message": commit::schema()
            },
            "required": ["done", "notes", "concerns", "deviations", "findings", "feedback", "commit_message"],
            "additionalProperties": false
        })
    }

    fn faults(&self) -> Vec<String> {
        commit::faults(&self.commit_message)
    }

    fn artifacts(&self, _: &Value) -> Vec<(&'static str, String)> {
        let mut text = Markdown::titled("Handoff");
        text.paragraph(&self.done).list("Notes", &self.notes).list("Concerns", &self.concerns);
        text.list("Deviations", &self.deviations).list("Findings", &self.findings).list("Feedback", &self.feedback);
        text.heading("Commit message").paragraph(&self.commit_message);
        vec![("handoff.md", text.done())]
    }
}
