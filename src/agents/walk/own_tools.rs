//! The tools that the walk answers itself, because they are about the conversation: its end, its evidence, a person, and what was
//! cut from an earlier result.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::domain::chat::ToolSpec;

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
    /// Reads the whole of a result that was cut.
    ReadOutput,
}

impl OwnTool {
    const ALL: [Self; 4] = [Self::Finish, Self::AskHuman, Self::RunChecks, Self::ReadOutput];

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Finish => "finish",
            Self::AskHuman => "ask_human",
            Self::RunChecks => "run_checks",
            Self::ReadOutput => "read_output",
        }
    }

    pub(super) fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|tool| tool.name() == name)
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
                json!({
                    "type": "object",
                    "properties": { "question": { "type": "string", "minLength": 1, "description": "What you need to know, and what you would do otherwise." } },
                    "required": ["question"],
                    "additionalProperties": false
                }),
            ),
            Self::RunChecks => (
                "Runs the repository's own checks (build, tests, lints) over the present files and reports what fails. They must be green \
                 after your last change before you can finish.",
                json!({ "type": "object", "properties": {}, "additionalProperties": false }),
            ),
            Self::ReadOutput => (
                "Reads lines of a result that was cut, by the name given where it was cut.",
                json!({
                    "type": "object",
                    "properties": {
                        "output": { "type": "string", "description": "The name, e.g. call-12." },
                        "from_line": { "type": "integer", "minimum": 1, "description": "The first line, from 1. Default 1." },
                        "lines": { "type": "integer", "minimum": 1, "maximum": 400, "description": "How many. Default 200." },
                        "containing": { "type": "string", "description": "Only lines that contain this text." }
                    },
                    "required": ["output"],
                    "additionalProperties": false
                }),
            ),
        };
        ToolSpec { name: self.name().to_owned(), description: description.to_owned(), parameters }
    }
}

/// The arguments of `read_output`.
#[derive(Debug, Deserialize)]
pub(super) struct ReadOutput {
    pub(super) output: String,
    from_line: Option<usize>,
    lines: Option<usize>,
    containing: Option<String>,
}

impl ReadOutput {
    /// The lines asked for, numbered, at most `bytes` of them.
    pub(super) fn excerpt(&self, whole: &str, bytes: usize) -> String {
        let wanted = self.containing.as_deref().unwrap_or_default();
        let numbered = whole.lines().enumerate().skip(self.from_line.unwrap_or(1).saturating_sub(1));
        let found = numbered.filter(|(_, line)| line.contains(wanted)).take(self.lines.unwrap_or(200));
        let mut text = String::new();
        for (at, line) in found {
            let line = super::transcript::head_and_tail(line, bytes / 4);
            if text.len() + line.len() > bytes {
                text.push_str(&format!("[cut: go on with from_line {}]", at + 1));
                return text;
            }
            text.push_str(&format!("{}: {line}\n", at + 1));
        }
        if text.is_empty() { format!("no such line; the output has {} lines", whole.lines().count()) } else { text }
    }
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

    #[test]
    fn an_excerpt_is_numbered_filtered_and_bounded() {
        let read = |arguments: Value| serde_json::from_value::<ReadOutput>(arguments).unwrap();
        let whole = (1..=50).map(|n| format!("line {n}\n")).collect::<String>();
        let some = read(json!({"output": "call-1", "from_line": 9, "lines": 2}));
        assert_eq!(some.excerpt(&whole, 1000), "9: line 9\n10: line 10\n");
        let found = read(json!({"output": "call-1", "containing": "33"}));
        assert_eq!(found.excerpt(&whole, 1000), "33: line 33\n");
        let none = read(json!({"output": "call-1", "from_line": 51}));
        assert_eq!(none.excerpt(&whole, 1000), "no such line; the output has 50 lines");
        let all = read(json!({"output": "call-1"}));
        assert_eq!(all.excerpt(&whole, 24), "1: line 1\n2: line 2\n[cut: go on with from_line 3]");
    }
}
