//! The assessment: what a planner makes of the handoffs in its inbox.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::Answer;
use super::text::Markdown;

/// An assessment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Assessment {
    /// What the handoffs come to.
    pub summary: String,
    /// What has to be done because of them.
    pub follow_up: Vec<String>,
    /// The scope is done, and the files show it.
    pub is_complete: bool,
}

impl Answer for Assessment {
    const NAME: &'static str = "assessment";

    fn schema() -> Value {
        let text = json!({ "type": "string", "minLength": 1 });
        json!({
            "type": "object",
            "properties": {
                "summary": text,
                "follow_up": { "type": "array", "items": text },
                "is_complete": { "type": "boolean", "description": "The scope is done, and the files show it." }
            },
            "required": ["summary", "follow_up", "is_complete"],
            "additionalProperties": false
        })
    }

    fn faults(&self) -> Vec<String> {
        let both = self.is_complete && !self.follow_up.is_empty();
        if both { vec!["it is complete and asks for more: it is one or the other".to_owned()] } else { Vec::new() }
    }

    fn artifacts(&self, _: &Value) -> Vec<(&'static str, String)> {
        let mut text = Markdown::titled(if self.is_complete { "Assessment: complete" } else { "Assessment" });
        text.paragraph(&self.summary).list("To follow", &self.follow_up);
        vec![("assessment.md", text.done())]
    }
}

#[cfg(test)]
mod tests {
    use super::super::Signature;
    use super::*;

    #[test]
    fn what_is_complete_asks_for_nothing() {
        let check = |complete: bool, follow_up: Value| {
            let answer = json!({"summary": "s", "follow_up": follow_up, "is_complete": complete});
            Signature::named("assessment").unwrap().check(&answer)
        };
        check(true, json!([])).unwrap();
        check(false, json!([])).unwrap();
        assert!(check(true, json!(["more"])).unwrap_err()[0].contains("one or the other"));
    }
}
