//! The delegation: what a planner of a scope hands on, as tasks for workers and as narrower scopes for planners below it.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::text::Markdown;
use super::{Answer, PlannedTask, pretty};
use crate::domain::limits;

/// What a planner hands on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Delegation {
    /// What it comes to, in a paragraph.
    pub summary: String,
    /// Work for workers; each sees its own task and the files, nothing else.
    pub tasks: Vec<PlannedTask>,
    /// Parts that are planned by planners of their own.
    pub scopes: Vec<ScopeToPlan>,
    /// What this planner wants to know at its next turn, rewritten as a whole.
    pub scratchpad: String,
    /// Nothing in the scope is left to do.
    pub complete: bool,
}

/// A part of the work that a planner of its own takes over.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ScopeToPlan {
    /// `[a-z0-9-]`, unique in the answer.
    pub id: String,
    /// A few words.
    pub title: String,
    /// What belongs to it and what does not.
    pub description: String,
    /// Patterns of the files that are its own.
    pub files: Vec<String>,
}

impl Answer for Delegation {
    const NAME: &'static str = "delegation";

    fn schema() -> Value {
        let texts = json!({ "type": "array", "items": { "type": "string", "minLength": 1 } });
        let id = json!({ "type": "string", "pattern": "^[a-z0-9][a-z0-9-]{0,31}$", "description": "Unique; lower-case letters, digits, hyphens." });
        json!({
            "type": "object",
            "properties": {
                "summary": { "type": "string", "minLength": 1 },
                "tasks": {
                    "type": "array",
                    "maxItems": limits::PLAN_TASKS,
                    "items": {
                        "type": "object",
                        "properties": {
                            "id": id,
                            "title": { "type": "string", "minLength": 1 },
                            "description": { "type": "string", "minLength": 1, "description": "All that the worker has to know; it sees nothing else." },
                            "needs": texts,
                            "files": texts,
                            "priority": { "type": "integer", "minimum": 1, "maximum": 10, "description": "10 critical, 8 high, 5 normal, 2 low." },
                            "acceptance": texts
                        },
                        "required": ["id", "title", "description", "needs", "files", "priority", "acceptance"],
                        "additionalProperties": false
                    }
                },
                "scopes": {
                    "type": "array",
                    "maxItems": limits::PLAN_SCOPES,
                    "items": {
                        "type": "object",
                        "properties": {
                            "id": id,
                            "title": { "type": "string", "minLength": 1 },
                            "description": { "type": "string", "minLength": 1, "description": "What belongs to it and what does not." },
                            "files": texts
                        },
                        "required": ["id", "title", "description", "files"],
                        "additionalProperties": false
                    }
                },
                "scratchpad": { "type": "string", "description": "What you want to know at your next turn: rewritten, not appended to." },
                "complete": { "type": "boolean", "description": "Nothing in your scope is left to do." }
            },
            "required": ["summary", "tasks", "scopes", "scratchpad", "complete"],
            "additionalProperties": false
        })
    }

    fn faults(&self) -> Vec<String> {
        let mut faults = super::plan::faults_of(&self.tasks);
        let mut ids: BTreeSet<&str> = self.tasks.iter().map(|task| task.id.as_str()).collect();
        for scope in self.scopes.iter().filter(|scope| !ids.insert(scope.id.as_str())) {
            faults.push(format!("the id {:?} is used twice", scope.id));
        }
        let nothing = self.tasks.is_empty() && self.scopes.is_empty();
        if nothing && !self.complete {
            faults
                .push("there is neither a task nor a scope, and it is not complete: say what is to be done".to_owned());
        }
        if self.complete && !nothing {
            faults.push("it is complete and hands on work: it is one or the other".to_owned());
        }
        faults.truncate(limits::SCHEMA_ERRORS);
        faults
    }

    fn artifacts(&self, answer: &Value) -> Vec<(&'static str, String)> {
        let mut text = Markdown::titled("Delegation");
        text.paragraph(&self.summary);
        text.list("Scopes", self.scopes.iter().map(|scope| format!("{}: {}", scope.id, scope.title)));
        text.list("Tasks", self.tasks.iter().map(|task| format!("{} ({}): {}", task.id, task.priority, task.title)));
        text.heading("Scratchpad").paragraph(&self.scratchpad);
        vec![("delegation.md", text.done()), ("delegation.json", pretty(answer))]
    }
}

#[cfg(test)]
mod tests {
    use super::super::Signature;
    use super::*;

    fn faults(tasks: Value, scopes: Value, complete: bool) -> Vec<String> {
        let answer = json!({"summary": "s", "tasks": tasks, "scopes": scopes, "scratchpad": "", "complete": complete});
        Signature::named("delegation").unwrap().check(&answer).err().unwrap_or_default()
    }

    #[test]
    fn a_planner_hands_on_work_or_is_done() {
        let task = |id: &str, needs: &[&str]| json!({"id": id, "title": id, "description": "d", "needs": needs, "files": [], "priority": 5, "acceptance": []});
        let scope = |id: &str| json!({"id": id, "title": id, "description": "d", "files": []});
        assert_eq!(faults(json!([task("a", &[])]), json!([scope("b")]), false), [""; 0]);
        assert_eq!(faults(json!([]), json!([]), true), [""; 0]);
        assert!(faults(json!([]), json!([]), false)[0].contains("neither a task nor a scope"));
        assert!(faults(json!([task("a", &[])]), json!([]), true)[0].contains("one or the other"));
        assert_eq!(faults(json!([task("a", &[])]), json!([scope("a")]), false), ["the id \"a\" is used twice"]);
        assert_eq!(
            faults(json!([task("a", &["b"]), task("b", &["a"])]), json!([]), false),
            ["tasks need each other in a circle: a -> b -> a"]
        );
    }

    #[test]
    fn one_scope_past_the_bound_is_refused() {
        let scopes = |count: usize| -> Value {
            (0..count).map(|n| json!({"id": format!("s{n}"), "title": "t", "description": "d", "files": []})).collect()
        };
        assert_eq!(faults(json!([]), scopes(limits::PLAN_SCOPES), false), [""; 0]);
        assert!(faults(json!([]), scopes(limits::PLAN_SCOPES + 1), false)[0].starts_with("/scopes:"));
    }
}
