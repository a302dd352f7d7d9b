//! The decomposition: a blueprint as atomic tasks, each for a specialist, with the rules that its work is held against.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::text::Markdown;
use super::todo_list::Criterion;
use super::{Answer, links, pretty};
use crate::domain::limits;

/// A decomposition.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Decomposition {
    /// What it comes to.
    pub summary: String,
    /// The tasks.
    pub tasks: Vec<AtomicTask>,
}

/// A task for one specialist.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AtomicTask {
    /// `[a-z0-9_-]`, unique.
    pub id: String,
    /// Whose it is.
    #[serde(rename = "type")]
    pub specialist: Specialist,
    /// A few words.
    pub title: String,
    /// What is to be done.
    pub description: String,
    /// What the worker is told: all that it has to know.
    pub prompt: String,
    /// Ids of the tasks that must be done before.
    pub dependencies: Vec<String>,
    /// 1 to 10, the highest first.
    pub priority: u8,
    /// Seconds.
    pub estimated_time: u32,
    /// What the worker will need: tools, documents.
    pub tools: Vec<String>,
    /// What must hold when it is done.
    pub validation_rules: Vec<Criterion>,
}

/// A specialist.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Specialist {
    /// Endpoints, data, logic.
    Backend,
    /// What people see.
    Frontend,
    /// Tests and their data.
    Testing,
    /// Building, pipelines, deployment.
    Devops,
    /// Documents.
    Docs,
}

impl Answer for Decomposition {
    const NAME: &'static str = "decomposition";

    fn schema() -> Value {
        let text = json!({ "type": "string", "minLength": 1 });
        let texts = json!({ "type": "array", "items": text });
        json!({
            "type": "object",
            "properties": {
                "summary": text,
                "tasks": {
                    "type": "array",
                    "minItems": 1,
                    "maxItems": limits::PLAN_TASKS,
                    "items": {
                        "type": "object",
                        "properties": {
                            "id": { "type": "string", "pattern": "^[a-z0-9][a-z0-9_-]{0,62}$", "description": "Unique; lower-case letters, digits, hyphens, underscores." },
                            "type": { "enum": ["backend", "frontend", "testing", "devops", "docs"] },
                            "title": text,
                            "description": text,
                            "prompt": { "type": "string", "minLength": 1, "description": "What the specialist is told; it sees nothing else of this list." },
                            "dependencies": texts,
                            "priority": { "type": "integer", "minimum": 1, "maximum": 10, "description": "10 is the most urgent." },
                            "estimated_time": { "type": "integer", "minimum": 1, "maximum": 604800, "description": "Seconds." },
                            "tools": texts,
                            "validation_rules": Criterion::list_schema()
                        },
                        "required": ["id", "type", "title", "description", "prompt", "dependencies", "priority", "estimated_time", "tools", "validation_rules"],
                        "additionalProperties": false
                    }
                }
            },
            "required": ["summary", "tasks"],
            "additionalProperties": false
        })
    }

    fn faults(&self) -> Vec<String> {
        let all: Vec<(&str, &[String])> =
            self.tasks.iter().map(|task| (task.id.as_str(), task.dependencies.as_slice())).collect();
        links::faults("task", &all)
    }

    fn artifacts(&self, answer: &Value) -> Vec<(&'static str, String)> {
        let mut text = Markdown::titled("Tasks");
        text.paragraph(&self.summary);
        for task in &self.tasks {
            text.heading(&format!("{}: {}", task.id, task.title)).paragraph(&task.description);
            let after = if task.dependencies.is_empty() { "nothing".to_owned() } else { task.dependencies.join(", ") };
            text.paragraph(&format!(
                "For {:?}. After: {after}. Priority: {}. About {} s.",
                task.specialist, task.priority, task.estimated_time
            ));
            let rules = task.validation_rules.iter().map(|rule| format!("- {}: `{}`", rule.description, rule.command));
            text.paragraph(&rules.collect::<Vec<_>>().join("\n"));
        }
        vec![("tasks.md", text.done()), ("tasks.json", pretty(answer))]
    }
}

#[cfg(test)]
mod tests {
    use super::super::Signature;
    use super::*;

    #[test]
    fn tasks_are_for_specialists_and_form_a_graph() {
        let signature = Signature::named("decomposition").unwrap();
        let task = |id: &str, kind: &str, after: &[&str]| {
            json!({"id": id, "type": kind, "title": id, "description": "d", "prompt": "p",
            "dependencies": after, "priority": 5, "estimated_time": 600, "tools": [],
            "validation_rules": [{"description": "it runs", "command": "true"}]})
        };
        let of = |tasks: &[Value]| json!({"summary": "s", "tasks": tasks});
        let good = of(&[task("api", "backend", &[]), task("page", "frontend", &["api"])]);
        signature.check(&good).unwrap();
        assert!(signature.artifacts(&good)[0].1.contains("For Frontend. After: api. Priority: 5. About 600 s."));
        assert!(signature.check(&of(&[task("api", "poet", &[])])).unwrap_err()[0].starts_with("/tasks/0/type:"));
        let lost =
            signature.check(&of(&[task("page", "frontend", &["apy"]), task("api", "backend", &[])])).unwrap_err();
        assert!(lost[0].starts_with("task \"page\" needs \"apy\", and there is no such task."), "{lost:?}");
    }
}
