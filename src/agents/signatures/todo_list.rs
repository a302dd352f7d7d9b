//! The todo list: milestones that are specified, built and tested one by one, each with the commands that show that it is done.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::text::Markdown;
use super::{Answer, links, pretty};
use crate::domain::limits;

/// A todo list.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TodoList {
    /// What it comes to, in a paragraph.
    pub summary: String,
    /// The milestones.
    pub todos: Vec<Todo>,
}

/// A milestone.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Todo {
    /// `[a-z0-9_-]`, unique in the list.
    pub id: String,
    /// A few words.
    pub title: String,
    /// Everything that whoever does it has to know.
    pub description: String,
    /// Who begins: the architect with a contract, the coder where none is needed, or the tester.
    pub agent_role: TodoRole,
    /// 1 to 10, the highest first.
    pub priority: u8,
    /// Ids of the milestones that must be done before.
    pub needs: Vec<String>,
    /// What must hold when it is done.
    pub acceptance_criteria: Vec<Criterion>,
    /// Files that it leaves.
    pub expected_artifacts: Vec<String>,
    /// What is measured, each with its threshold.
    pub metrics: Vec<String>,
    /// Of a branch: the milestone that it repairs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parent_id: Option<String>,
    /// Of a branch: why it was opened.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub branch_reason: Option<String>,
    /// Of a branch: what is known of the failure.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub debug_instructions: Option<String>,
    /// Of a branch: it is gone once its parent passes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub is_temporary: Option<bool>,
    /// Of a branch: most tries.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_debug_attempts: Option<u32>,
}

/// Whose a milestone is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TodoRole {
    /// Writes the contract first.
    Architect,
    /// Builds.
    Coder,
    /// Tests.
    Tester,
    /// Repairs: of a branch.
    Debugger,
}

/// Something that must hold.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Criterion {
    /// In words.
    pub description: String,
    /// A shell command that succeeds when it holds.
    pub command: String,
}

impl Criterion {
    /// The schema of a list of them, one at least.
    pub(super) fn list_schema() -> Value {
        json!({
            "type": "array",
            "minItems": 1,
            "items": {
                "type": "object",
                "properties": {
                    "description": { "type": "string", "minLength": 1 },
                    "command": { "type": "string", "minLength": 1, "description": "A shell command, run at the top of the repository, that succeeds when it holds." }
                },
                "required": ["description", "command"],
                "additionalProperties": false
            }
        })
    }
}

impl Answer for TodoList {
    const NAME: &'static str = "todo_list";

    fn schema() -> Value {
        let text = json!({ "type": "string", "minLength": 1 });
        let texts = json!({ "type": "array", "items": text });
        json!({
            "type": "object",
            "properties": {
                "summary": text,
                "todos": {
                    "type": "array",
                    "minItems": 1,
                    "maxItems": limits::PLAN_TASKS,
                    "items": {
                        "type": "object",
                        "properties": {
                            "id": { "type": "string", "pattern": "^[a-z0-9][a-z0-9_-]{0,62}$", "description": "Unique; lower-case letters, digits, hyphens, underscores." },
                            "title": text,
                            "description": { "type": "string", "minLength": 1, "description": "All that the worker has to know; it sees nothing else of the list." },
                            "agent_role": { "enum": ["architect", "coder", "tester", "debugger"], "description": "Who begins: `architect` where an interface has to be settled first, `coder` where none is needed, `tester` where only tests are missing. `debugger` is for branches." },
                            "priority": { "type": "integer", "minimum": 1, "maximum": 10, "description": "10 is the most urgent." },
                            "needs": texts,
                            "acceptance_criteria": Criterion::list_schema(),
                            "expected_artifacts": texts,
                            "metrics": texts,
                            "parent_id": text,
                            "branch_reason": text,
                            "debug_instructions": text,
                            "is_temporary": { "type": "boolean" },
                            "max_debug_attempts": { "type": "integer", "minimum": 1, "maximum": 10 }
                        },
                        "required": ["id", "title", "description", "agent_role", "priority", "needs", "acceptance_criteria", "expected_artifacts", "metrics"],
                        "additionalProperties": false
                    }
                }
            },
            "required": ["summary", "todos"],
            "additionalProperties": false
        })
    }

    fn faults(&self) -> Vec<String> {
        let all: Vec<(&str, &[String])> =
            self.todos.iter().map(|todo| (todo.id.as_str(), todo.needs.as_slice())).collect();
        let mut faults = links::faults("todo", &all);
        for todo in &self.todos {
            if (todo.agent_role == TodoRole::Debugger) != todo.parent_id.is_some() {
                faults.push(format!("todo {:?}: a branch has both the role `debugger` and a `parent_id`", todo.id));
            }
        }
        faults.truncate(limits::SCHEMA_ERRORS);
        faults
    }

    fn artifacts(&self, answer: &Value) -> Vec<(&'static str, String)> {
        let mut text = Markdown::titled("Todo list");
        text.paragraph(&self.summary);
        for todo in &self.todos {
            text.heading(&format!("{}: {}", todo.id, todo.title)).paragraph(&todo.description);
            let needs = if todo.needs.is_empty() { "nothing".to_owned() } else { todo.needs.join(", ") };
            text.paragraph(&format!("Needs: {needs}. Priority: {}.", todo.priority));
            let criteria = todo.acceptance_criteria.iter();
            let criteria: Vec<String> =
                criteria.map(|one| format!("- {}: `{}`", one.description, one.command)).collect();
            text.paragraph(&criteria.join("\n"));
        }
        vec![("todo_list.md", text.done()), ("todo_list.json", pretty(answer))]
    }
}

/// A list as others write it, in our words: `depends_on` or `dependencies` for `needs`, a priority as one of the words for it.
pub(super) fn in_our_words(list: &mut Value) {
    let todos = list.get_mut("todos").and_then(Value::as_array_mut);
    for todo in todos.into_iter().flatten().filter_map(Value::as_object_mut) {
        for name in ["depends_on", "dependencies"] {
            if !todo.contains_key("needs")
                && let Some(needs) = todo.remove(name)
            {
                todo.insert("needs".to_owned(), needs);
            }
        }
        let number = match todo.get("priority").and_then(Value::as_str) {
            Some("critical") => 10,
            Some("high") => 8,
            Some("normal" | "medium") => 5,
            Some("low") => 2,
            Some(_) | None => continue,
        };
        todo.insert("priority".to_owned(), number.into());
    }
}

#[cfg(test)]
mod tests {
    use super::super::Signature;
    use super::*;

    fn todo(id: &str, needs: &[&str]) -> Value {
        json!({"id": id, "title": id, "description": "d", "agent_role": "coder", "priority": 5, "needs": needs,
            "acceptance_criteria": [{"description": "it runs", "command": "true"}], "expected_artifacts": [], "metrics": []})
    }

    fn check(list: &Value) -> Result<(), Vec<String>> {
        Signature::named("todo_list").unwrap().check(list)
    }

    #[test]
    fn a_list_is_a_graph_with_a_command_for_each_milestone() {
        let mut list = json!({"summary": "s", "todos": [todo("t1_data", &[]), todo("t2", &["t1_data"])]});
        check(&list).unwrap();
        let text = &Signature::named("todo_list").unwrap().artifacts(&list)[0].1;
        assert!(text.contains("## t2: t2\n\nd\n\nNeeds: t1_data. Priority: 5.\n\n- it runs: `true`\n"), "{text}");
        list["todos"][1]["acceptance_criteria"] = json!([]);
        assert!(check(&list).unwrap_err()[0].starts_with("/todos/1/acceptance_criteria:"));
        let circle = json!({"summary": "s", "todos": [todo("a", &["b"]), todo("b", &["a"])]});
        assert!(check(&circle).unwrap_err()[0].contains("in a circle"));
    }

    #[test]
    fn a_branch_names_its_parent_and_is_the_debuggers() {
        let mut branch = todo("t2_branch_01", &[]);
        branch["agent_role"] = json!("debugger");
        let list = |branch: &Value| json!({"summary": "s", "todos": [branch]});
        assert!(check(&list(&branch)).unwrap_err()[0].contains("`parent_id`"));
        for (name, value) in [
            ("parent_id", json!("t2")),
            ("branch_reason", json!("test_failure")),
            ("debug_instructions", json!("Expected 28.5, got 32.1.")),
            ("is_temporary", json!(true)),
            ("max_debug_attempts", json!(3)),
        ] {
            branch[name] = value;
        }
        check(&list(&branch)).unwrap();
    }

    #[test]
    fn other_names_for_the_same_are_understood() {
        let mut list = json!({"summary": "s", "todos": [todo("a", &[]), todo("b", &[])]});
        list["todos"][1].as_object_mut().unwrap().remove("needs");
        list["todos"][1]["depends_on"] = json!(["a"]);
        list["todos"][1]["priority"] = json!("high");
        assert!(check(&list).is_err());
        in_our_words(&mut list);
        check(&list).unwrap();
        assert_eq!((&list["todos"][1]["needs"], &list["todos"][1]["priority"]), (&json!(["a"]), &json!(8)));
    }
}
