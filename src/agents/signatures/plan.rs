//! The plan: what there is to do, cut into tasks that need each other. What becomes of it is a graph, so its names and edges are checked
//! before anyone works on it.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::text::Markdown;
use super::{Answer, links, pretty};
use crate::domain::limits;

/// A plan.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Plan {
    /// What it comes to, in a paragraph.
    pub summary: String,
    /// The tasks.
    pub tasks: Vec<PlannedTask>,
}

/// A task of a plan.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PlannedTask {
    /// `[a-z0-9-]`, unique in the plan.
    pub id: String,
    /// A few words.
    pub title: String,
    /// Everything that whoever does it has to know.
    pub description: String,
    /// Ids of the tasks that must be done before.
    pub needs: Vec<String>,
    /// Files that it will change, as far as can be said.
    pub files: Vec<String>,
    /// 1 to 10, the highest first.
    pub priority: u8,
    /// What must hold when it is done.
    pub acceptance: Vec<String>,
}

impl Answer for Plan {
    const NAME: &'static str = "plan";

    fn schema() -> Value {
        let texts = json!({ "type": "array", "items": { "type": "string", "minLength": 1 } });
        json!({
            "type": "object",
            "properties": {
                "summary": { "type": "string", "minLength": 1 },
                "tasks": {
                    "type": "array",
                    "minItems": 1,
                    "maxItems": limits::PLAN_TASKS,
                    "items": {
                        "type": "object",
                        "properties": {
                            "id": { "type": "string", "pattern": "^[a-z0-9][a-z0-9-]{0,62}$", "description": "Unique; lower-case letters, digits, hyphens." },
                            "title": { "type": "string", "minLength": 1 },
                            "description": { "type": "string", "minLength": 1, "description": "All that the worker has to know; it sees nothing else of the plan." },
                            "needs": texts,
                            "files": texts,
                            "priority": { "type": "integer", "minimum": 1, "maximum": 10, "description": "10 is the most urgent." },
                            "acceptance": texts
                        },
                        "required": ["id", "title", "description", "needs", "files", "priority", "acceptance"],
                        "additionalProperties": false
                    }
                }
            },
            "required": ["summary", "tasks"],
            "additionalProperties": false
        })
    }

    fn faults(&self) -> Vec<String> {
        faults_of(&self.tasks)
    }

    fn artifacts(&self, answer: &Value) -> Vec<(&'static str, String)> {
        vec![("plan.md", self.markdown()), ("plan.json", pretty(answer))]
    }
}

/// What is wrong with tasks as a graph: names twice, needs that are not there, circles.
pub(super) fn faults_of(tasks: &[PlannedTask]) -> Vec<String> {
    let all: Vec<(&str, &[String])> = tasks.iter().map(|task| (task.id.as_str(), task.needs.as_slice())).collect();
    links::faults("task", &all)
}

impl Plan {
    fn markdown(&self) -> String {
        let mut text = Markdown::titled("Plan");
        text.paragraph(&self.summary);
        for task in &self.tasks {
            text.heading(&format!("{}: {}", task.id, task.title)).paragraph(&task.description);
            let needs = if task.needs.is_empty() { "nothing".to_owned() } else { task.needs.join(", ") };
            let files = if task.files.is_empty() { "not known".to_owned() } else { task.files.join(", ") };
            text.paragraph(&format!("Needs: {needs}. Files: {files}. Priority: {}.", task.priority));
            let accepted: Vec<String> = task.acceptance.iter().map(|one| format!("- {}", one.trim())).collect();
            text.paragraph(&accepted.join("\n"));
        }
        text.done()
    }
}

#[cfg(test)]
mod tests {
    use super::super::Signature;
    use super::*;

    fn task(id: &str, needs: &[&str]) -> Value {
        json!({"id": id, "title": id, "description": "d", "needs": needs, "files": [], "priority": 5, "acceptance": ["works"]})
    }

    fn faults(tasks: Vec<Value>) -> Vec<String> {
        let plan = json!({"summary": "s", "tasks": tasks});
        Signature::named("plan").unwrap().check(&plan).err().unwrap_or_default()
    }

    #[test]
    fn a_cycle_is_named_by_its_path() {
        let circle = vec![task("a", &["b"]), task("b", &["c"]), task("c", &["d"]), task("d", &["b"]), task("e", &[])];
        assert_eq!(faults(circle), ["tasks need each other in a circle: b -> c -> d -> b"]);
        assert_eq!(faults(vec![task("a", &["a"])]), ["tasks need each other in a circle: a -> a"]);
        let diamond = vec![task("a", &["b", "c"]), task("b", &["d"]), task("c", &["d"]), task("d", &[])];
        assert_eq!(faults(diamond), [""; 0]);
    }

    #[test]
    fn ids_are_unique_well_formed_and_known() {
        let twice = faults(vec![task("a", &[]), task("a", &["x"])]);
        assert_eq!(twice, ["two tasks have the id \"a\"", "task \"a\" needs \"x\", and there is no such task"]);
        assert!(faults(vec![task("A b", &[])])[0].starts_with("/tasks/0/id:"));
    }

    #[test]
    fn one_task_past_the_bound_is_refused() {
        let many = |count: usize| (0..count).map(|n| task(&format!("t{n}"), &[])).collect::<Vec<_>>();
        assert_eq!(faults(many(limits::PLAN_TASKS)), [""; 0]);
        assert!(faults(many(limits::PLAN_TASKS + 1))[0].starts_with("/tasks:"));
    }

    #[test]
    fn its_artifacts_are_for_people_and_for_programs() {
        let plan = json!({"summary": "Two steps.", "tasks": [task("a", &[]), task("b", &["a"])]});
        let artifacts = Signature::named("plan").unwrap().artifacts(&plan);
        assert_eq!(artifacts[0].0, "plan.md");
        assert!(artifacts[0].1.contains("## b: b\n\nd\n\nNeeds: a. Files: not known. Priority: 5.\n\n- works\n"));
        assert_eq!(serde_json::from_str::<Value>(&artifacts[1].1).unwrap(), plan);
    }
}
