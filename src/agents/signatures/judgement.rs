//! The judgement: a critic's scores of a piece of work against what it was meant to be.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::Answer;
use super::text::Markdown;

/// A judgement.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Judgement {
    /// Whether it is good enough.
    pub accept: bool,
    /// Why.
    pub summary: String,
    /// By criterion.
    pub scores: Vec<Score>,
    /// What would make it better, the most useful first.
    pub improvements: Vec<String>,
}

/// A score.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Score {
    /// What is judged.
    pub criterion: String,
    /// 0 to 10.
    pub score: u8,
    /// What in the work shows it.
    pub evidence: String,
}

impl Answer for Judgement {
    const NAME: &'static str = "judgement";

    fn schema() -> Value {
        let text = json!({ "type": "string", "minLength": 1 });
        json!({
            "type": "object",
            "properties": {
                "accept": { "type": "boolean" },
                "summary": text,
                "scores": {
                    "type": "array",
                    "minItems": 1,
                    "items": {
                        "type": "object",
                        "properties": {
                            "criterion": text,
                            "score": { "type": "integer", "minimum": 0, "maximum": 10 },
                            "evidence": { "type": "string", "minLength": 1, "description": "What in the work shows it: file, line, output." }
                        },
                        "required": ["criterion", "score", "evidence"],
                        "additionalProperties": false
                    }
                },
                "improvements": { "type": "array", "items": text }
            },
            "required": ["accept", "summary", "scores", "improvements"],
            "additionalProperties": false
        })
    }

    fn faults(&self) -> Vec<String> {
        let silent = !self.accept && self.improvements.is_empty();
        if silent { vec!["it is not accepted, but no improvement is named".to_owned()] } else { Vec::new() }
    }

    fn claims_success(&self) -> bool {
        self.accept
    }

    fn artifacts(&self, _: &Value) -> Vec<(&'static str, String)> {
        let mut text = Markdown::titled(if self.accept { "Judgement: accepted" } else { "Judgement: not accepted" });
        text.paragraph(&self.summary);
        text.list(
            "Scores",
            self.scores.iter().map(|one| format!("{}: {}/10. {}", one.criterion, one.score, one.evidence)),
        );
        text.list("Improvements", &self.improvements);
        vec![("judgement.md", text.done())]
    }
}

#[cfg(test)]
mod tests {
    use super::super::Signature;
    use super::*;

    #[test]
    fn a_no_says_what_would_be_better() {
        let signature = Signature::named("judgement").unwrap();
        let judgement = |accept: bool, improvements: Value| {
            let scores = json!([{"criterion": "correct", "score": 4, "evidence": "tests"}]);
            json!({"accept": accept, "summary": "s", "scores": scores, "improvements": improvements})
        };
        signature.check(&judgement(true, json!([]))).unwrap();
        signature.check(&judgement(false, json!(["test it"]))).unwrap();
        assert!(signature.check(&judgement(false, json!([]))).is_err());
        assert!(signature.claims_success(&judgement(true, json!([]))));
        assert!(!signature.claims_success(&judgement(false, json!(["test it"]))), "who is not accepted goes back");
        let text = &signature.artifacts(&judgement(false, json!(["test it"])))[0].1;
        assert!(text.starts_with("# Judgement: not accepted\n\ns\n\n## Scores\n\n- correct: 4/10. tests\n"));
    }
}
