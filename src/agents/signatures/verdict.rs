//! The verdict: whether a cycle of work has reached the goal, or another one begins.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::Answer;
use super::text::Markdown;

/// A judge's verdict.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Verdict {
    /// Go on with a fresh cycle, or stop.
    pub decision: Course,
    /// Why.
    pub summary: String,
    /// What was seen that shows it.
    pub evidence: Vec<Shown>,
    /// What the next cycle has to see to.
    pub next: Vec<String>,
}

/// What follows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Course {
    /// Another cycle, from the files as they are.
    Continue,
    /// The goal is reached.
    Stop,
}

/// Something claimed, with what shows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Shown {
    /// A part of the goal.
    pub claim: String,
    /// A file and line, a command and its output.
    pub shown_by: String,
}

impl Answer for Verdict {
    const NAME: &'static str = "verdict";

    fn schema() -> Value {
        let text = json!({ "type": "string", "minLength": 1 });
        json!({
            "type": "object",
            "properties": {
                "decision": { "type": "string", "enum": ["continue", "stop"] },
                "summary": text,
                "evidence": {
                    "type": "array",
                    "items": {
                        "type": "object",
                        "properties": {
                            "claim": { "type": "string", "minLength": 1, "description": "A part of the goal." },
                            "shown_by": { "type": "string", "minLength": 1, "description": "A file and line, a command and its output." }
                        },
                        "required": ["claim", "shown_by"],
                        "additionalProperties": false
                    }
                },
                "next": { "type": "array", "items": text, "description": "What the next cycle has to see to." }
            },
            "required": ["decision", "summary", "evidence", "next"],
            "additionalProperties": false
        })
    }

    fn faults(&self) -> Vec<String> {
        match self.decision {
            Course::Stop if self.evidence.is_empty() => {
                vec!["it stops without evidence: name what shows that the goal is reached".to_owned()]
            }
            Course::Continue if self.next.is_empty() => vec!["it goes on, but names nothing that is left".to_owned()],
            Course::Stop | Course::Continue => Vec::new(),
        }
    }

    fn claims_success(&self) -> bool {
        self.decision == Course::Stop
    }

    fn artifacts(&self, _: &Value) -> Vec<(&'static str, String)> {
        let mut text = Markdown::titled(match self.decision {
            Course::Stop => "Verdict: stop, the goal is reached",
            Course::Continue => "Verdict: another cycle",
        });
        text.paragraph(&self.summary);
        text.list("Evidence", self.evidence.iter().map(|one| format!("{}: {}", one.claim, one.shown_by)));
        text.list("Next", &self.next);
        vec![("verdict.md", text.done())]
    }
}

#[cfg(test)]
mod tests {
    use super::super::Signature;
    use super::*;

    #[test]
    fn a_judge_stops_on_evidence_alone() {
        let check = |decision: &str, evidence: Value, next: Value| {
            let answer = json!({"decision": decision, "summary": "s", "evidence": evidence, "next": next});
            let signature = Signature::named("verdict").unwrap();
            (signature.check(&answer), signature.claims_success(&answer))
        };
        let shown = json!([{"claim": "it adds", "shown_by": "cargo test: 3 passed"}]);
        assert_eq!(check("stop", shown, json!([])), (Ok(()), true));
        assert!(check("stop", json!([]), json!([])).0.unwrap_err()[0].contains("without evidence"));
        assert_eq!(check("continue", json!([]), json!(["subtract"])), (Ok(()), false));
        assert!(check("continue", json!([]), json!([])).0.is_err());
    }
}
