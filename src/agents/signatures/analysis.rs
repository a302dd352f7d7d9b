//! The analysis: where a code base stands with regard to a goal, before anyone plans.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::Answer;
use super::text::Markdown;

/// An analysis.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Analysis {
    /// What there is, and how far it is from the goal.
    pub summary: String,
    /// What is missing or wrong, each with the place that shows it.
    pub gaps: Vec<String>,
    /// What comes first, the most urgent at the top.
    pub priorities: Vec<String>,
}

impl Answer for Analysis {
    const NAME: &'static str = "analysis";

    fn schema() -> Value {
        let text = json!({ "type": "string", "minLength": 1 });
        let texts = json!({ "type": "array", "items": text });
        json!({
            "type": "object",
            "properties": {
                "summary": text,
                "gaps": texts,
                "priorities": { "type": "array", "items": text, "description": "The most urgent first." }
            },
            "required": ["summary", "gaps", "priorities"],
            "additionalProperties": false
        })
    }

    fn artifacts(&self, _: &Value) -> Vec<(&'static str, String)> {
        let mut text = Markdown::titled("Analysis");
        text.paragraph(&self.summary).list("Gaps", &self.gaps).list("Priorities", &self.priorities);
        vec![("analysis.md", text.done())]
    }
}
