//! The tools that the walk answers itself, because they are about the conversation and not about the files: its end, its evidence, a
//! person, a note, commits.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::domain::chat::ToolSpec;
use crate::domain::limits;

/// A tool of the walk.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum OwnTool {
    /// Ends the conversation with the typed answer.
    Finish,
    /// Asks a person.
    AskHuman,
    /// Runs the repository's checks; what they say counts as evidence.
    RunChecks,
    /// Keeps a note that no summary forgets.
    Note,
    /// Commits the files.
    GitCommit,
    /// Commits the files, and gives the message under which the merge queue takes them in when the task is done.
    GitCommitAndPush,
}

impl OwnTool {
    const ALL: [Self; 6] =
        [Self::RunChecks, Self::GitCommit, Self::GitCommitAndPush, Self::Note, Self::AskHuman, Self::Finish];

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Finish => "finish",
            Self::AskHuman => "ask_human",
            Self::RunChecks => "run_checks",
            Self::Note => "note",
            Self::GitCommit => "git_commit",
            Self::GitCommitAndPush => "git_commit_and_push",
        }
    }

    pub(super) fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|tool| tool.name() == name)
    }

    /// Those among a role's tools, and `finish`, each once and always in the same order.
    pub(super) fn of_role(names: &[String]) -> Vec<Self> {
        let wanted = |tool: &Self| *tool == Self::Finish || names.iter().any(|name| name == tool.name());
        Self::ALL.into_iter().filter(wanted).collect()
    }

    /// How the model is told of it. `answer` is the schema of the role's answer.
    pub(super) fn spec(self, answer: &Value) -> ToolSpec {
        let (description, parameters) = match self {
            Self::Finish => (
                "Ends your work with its result. Call it once, alone, when the work is done or cannot be done; say honestly which.",
                answer.clone(),
            ),
            Self::AskHuman => (
                "Asks a person and waits for the answer, which may take days. Only for decisions that the task, the repository and its \
                 instructions leave open and that would be costly to get wrong.",
                text(
                    "question",
                    "What you need to know, understandable on its own, and what you would do without an answer.",
                ),
            ),
            Self::RunChecks => (
                "Runs the repository's own checks (build, tests, lints) over the present files and reports what fails. They must be green \
                 after your last change before you can finish.",
                json!({ "type": "object", "properties": {}, "additionalProperties": false }),
            ),
            Self::Note => (
                "Keeps a short note for yourself: a decision, a fact about the code, what is left to do. Notes stay when older parts of the \
                 conversation are summed up.",
                text("text", "The note."),
            ),
            Self::GitCommit => (
                "Commits everything that is changed in the worktree on the task's own branch.",
                text("message", "A subject line, a blank line, why."),
            ),
            Self::GitCommitAndPush => (
                "Commits everything that is changed in the worktree on the task's own branch. Nothing is pushed by you: when the task is \
                 done, the merge queue checks the work and takes it into the project's branch, under the last message that you gave here.",
                text("message", "A subject line, a blank line, why."),
            ),
        };
        ToolSpec { name: self.name().to_owned(), description: description.to_owned(), parameters }
    }
}

/// The schema of arguments that are one text.
fn text(name: &str, description: &str) -> Value {
    let text =
        json!({ "type": "string", "minLength": 1, "maxLength": limits::COMMENT_BYTES, "description": description });
    json!({ "type": "object", "properties": { name: text }, "required": [name], "additionalProperties": false })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_tool_is_found_by_its_name_and_has_a_schema_that_compiles() {
        for tool in OwnTool::ALL {
            assert_eq!(OwnTool::named(tool.name()), Some(tool));
            jsonschema::validator_for(&tool.spec(&json!({"type": "object"})).parameters).unwrap();
        }
        assert_eq!(OwnTool::named("read_file"), None);
    }
}
