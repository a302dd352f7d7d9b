//! The review: a verdict and what must change.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::text::Markdown;
use super::{Answer, Severity};

/// A review.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Review {
    /// The verdict.
    pub verdict: ReviewVerdict,
    /// Why.
    pub summary: String,
    /// What must or should change.
    pub requests: Vec<ChangeRequest>,
}

/// Whether the change may go in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ReviewVerdict {
    /// As it is.
    Approve,
    /// Not yet.
    RequestChanges,
}

/// A wish for a change.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ChangeRequest {
    /// The file.
    pub file: String,
    /// The line, from 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub line: Option<u32>,
    /// How bad it is.
    pub severity: Severity,
    /// What is wrong, and what would be right.
    pub what: String,
}

impl Answer for Review {
    const NAME: &'static str = "review";

    fn schema() -> Value {
        json!({
            "type": "object",
            "properties": {
                "verdict": { "enum": ["approve", "request_changes"] },
                "summary": { "type": "string", "minLength": 1 },
                "requests": {
                    "type": "array",
                    "items": {
                        "type": "object",
                        "properties": {
                            "file": { "type": "string", "minLength": 1 },
                            "line": { "type": "integer", "minimum": 1, "maximum": u32::MAX },
                            "severity": Severity::schema(),
                            "what": { "type": "string", "minLength": 1, "description": "What is wrong, how it shows, what would be right." }
                        },
                        "required": ["file", "severity", "what"],
                        "additionalProperties": false
                    }
                }
            },
            "required": ["verdict", "summary", "requests"],
            "additionalProperties": false
        })
    }

    fn faults(&self) -> Vec<String> {
        let nothing_asked = self.verdict == ReviewVerdict::RequestChanges && self.requests.is_empty();
        let grave = self.requests.iter().any(|request| request.severity >= Severity::High);
        if nothing_asked {
            vec!["the verdict is request_changes, but no change is requested".to_owned()]
        } else if grave && self.verdict == ReviewVerdict::Approve {
            vec!["the verdict is approve, but a request is of severity high or critical".to_owned()]
        } else {
            Vec::new()
        }
    }

    fn claims_success(&self) -> bool {
        self.verdict == ReviewVerdict::Approve
    }

    fn artifacts(&self, _: &Value) -> Vec<(&'static str, String)> {
        let verdict = match self.verdict {
            ReviewVerdict::Approve => "Review: approved",
            ReviewVerdict::RequestChanges => "Review: changes requested",
        };
        let mut text = Markdown::titled(verdict);
        text.paragraph(&self.summary);
        let requests = self.requests.iter().map(|one| {
            let line = one.line.map(|line| format!(":{line}")).unwrap_or_default();
            format!("**{}** `{}{line}`: {}", one.severity.name(), one.file, one.what)
        });
        text.list("Requests", requests);
        vec![("review.md", text.done())]
    }
}

#[cfg(test)]
mod tests {
    use super::super::Signature;
    use super::*;

    #[test]
    fn verdict_and_requests_agree() {
        let signature = Signature::named("review").unwrap();
        let review = |verdict: &str, requests: Value| json!({"verdict": verdict, "summary": "s", "requests": requests});
        let of = |severity: &str| json!([{"file": "a.rs", "line": 3, "severity": severity, "what": "w"}]);
        signature.check(&review("approve", json!([]))).unwrap();
        signature.check(&review("approve", of("low"))).unwrap();
        signature.check(&review("request_changes", of("high"))).unwrap();
        assert!(signature.check(&review("approve", of("high"))).unwrap_err()[0].contains("severity high"));
        assert!(signature.check(&review("request_changes", json!([]))).unwrap_err()[0].contains("no change"));
        assert!(signature.check(&review("approve", of("awful"))).unwrap_err()[0].starts_with("/requests/0/severity"));
        let text = &signature.artifacts(&review("request_changes", of("high")))[0].1;
        assert_eq!(text, "# Review: changes requested\n\ns\n\n## Requests\n\n- **high** `a.rs:3`: w\n");
    }
}
