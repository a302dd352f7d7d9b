//! The package: what goes out, how it is run and how it is taken back.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::Answer;
use super::text::Markdown;

/// A package.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Package {
    /// What goes out.
    pub summary: String,
    /// Release notes.
    pub notes: String,
    /// How it is deployed, run and watched: commands, not intentions.
    pub runbook: String,
    /// How it is taken back.
    pub rollback: String,
    /// The pull request.
    pub pull_request: PullRequest,
}

/// A pull request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PullRequest {
    /// One line.
    pub title: String,
    /// What and why, how it was tested.
    pub body: String,
}

impl Answer for Package {
    const NAME: &'static str = "package";

    fn schema() -> Value {
        let text = json!({ "type": "string", "minLength": 1 });
        json!({
            "type": "object",
            "properties": {
                "summary": text,
                "notes": { "type": "string", "minLength": 1, "description": "Release notes for users." },
                "runbook": { "type": "string", "minLength": 1, "description": "How it is deployed, run and watched: commands." },
                "rollback": { "type": "string", "minLength": 1, "description": "How it is taken back: commands." },
                "pull_request": {
                    "type": "object",
                    "properties": { "title": { "type": "string", "minLength": 1, "maxLength": 120 }, "body": text },
                    "required": ["title", "body"],
                    "additionalProperties": false
                }
            },
            "required": ["summary", "notes", "runbook", "rollback", "pull_request"],
            "additionalProperties": false
        })
    }

    fn artifacts(&self, _: &Value) -> Vec<(&'static str, String)> {
        let mut package = Markdown::titled("Package");
        package.paragraph(&self.summary).heading("Notes").paragraph(&self.notes);
        let mut runbook = Markdown::titled("Runbook");
        runbook.paragraph(&self.runbook).heading("Rollback").paragraph(&self.rollback);
        let mut pull_request = Markdown::titled(&self.pull_request.title);
        pull_request.paragraph(&self.pull_request.body);
        vec![("package.md", package.done()), ("runbook.md", runbook.done()), ("pull-request.md", pull_request.done())]
    }
}

#[cfg(test)]
mod tests {
    use super::super::Signature;
    use super::*;

    #[test]
    fn it_becomes_three_documents() {
        let signature = Signature::named("package").unwrap();
        let answer = json!({"summary": "s", "notes": "n", "runbook": "run", "rollback": "back", "pull_request": {"title": "T", "body": "b"}});
        signature.check(&answer).unwrap();
        let artifacts = signature.artifacts(&answer);
        assert_eq!(artifacts[0], ("package.md", "# Package\n\ns\n\n## Notes\n\nn\n".to_owned()));
        assert_eq!(artifacts[1], ("runbook.md", "# Runbook\n\nrun\n\n## Rollback\n\nback\n".to_owned()));
        assert_eq!(artifacts[2], ("pull-request.md", "# T\n\nb\n".to_owned()));
    }
}
