//! Findings: what a monitor saw that needs work; each may become a task.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::text::Markdown;
use super::{Answer, pretty};

/// Findings.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Findings {
    /// What was looked at, and how it is.
    pub summary: String,
    /// What needs work.
    pub issues: Vec<Issue>,
}

/// Something that needs work.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Issue {
    /// One line.
    pub title: String,
    /// What was seen, where, since when; how to see it again.
    pub description: String,
    /// How bad it is.
    pub severity: Severity,
}

/// How bad something is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// A matter of taste.
    Low,
    /// Should change.
    Medium,
    /// Must change.
    High,
    /// Loses data, leaks, or does not work at all.
    Critical,
}

impl Severity {
    /// The stable name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Low => "low",
            Self::Medium => "medium",
            Self::High => "high",
            Self::Critical => "critical",
        }
    }

    pub(super) fn schema() -> Value {
        json!({ "enum": [Self::Low, Self::Medium, Self::High, Self::Critical] })
    }
}

impl Answer for Findings {
    const NAME: &'static str = "findings";

    fn schema() -> Value {
        let text = json!({ "type": "string", "minLength": 1 });
        json!({
            "type": "object",
            "properties": {
                "summary": text,
                "issues": {
                    "type": "array",
                    "items": {
                        "type": "object",
                        "properties": {
                            "title": text,
                            "description": { "type": "string", "minLength": 1, "description": "What was seen, where; how to see it again." },
                            "severity": Severity::schema()
                        },
                        "required": ["title", "description", "severity"],
                        "additionalProperties": false
                    }
                }
            },
            "required": ["summary", "issues"],
            "additionalProperties": false
        })
    }

    /// What is grave becomes new tasks; the rest is kept for people.
    fn claims_success(&self) -> bool {
        self.issues.iter().all(|issue| issue.severity < Severity::High)
    }

    fn artifacts(&self, answer: &Value) -> Vec<(&'static str, String)> {
        let mut text = Markdown::titled("Findings");
        text.paragraph(&self.summary);
        for issue in &self.issues {
            text.heading(&format!("{} ({})", issue.title, issue.severity.name())).paragraph(&issue.description);
        }
        vec![("findings.md", text.done()), ("findings.json", pretty(answer))]
    }
}

#[cfg(test)]
mod tests {
    use super::super::Signature;
    use super::*;

    #[test]
    fn severities_have_the_names_that_they_are_written_with() {
        for severity in [Severity::Low, Severity::Medium, Severity::High, Severity::Critical] {
            assert_eq!(json!(severity), json!(severity.name()));
        }
        assert!(Severity::High > Severity::Medium);
    }

    #[test]
    fn each_issue_has_its_heading() {
        let signature = Signature::named("findings").unwrap();
        let answer = json!({"summary": "s", "issues": [{"title": "slow", "description": "d", "severity": "medium"}]});
        signature.check(&answer).unwrap();
        assert_eq!(signature.artifacts(&answer)[0].1, "# Findings\n\ns\n\n## slow (medium)\n\nd\n");
    }
}
