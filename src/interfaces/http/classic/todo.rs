//! A list of tasks as callers give it: a plan of ours, or one with the names that others use for the same things.

use serde_json::{Map, Value, json};

use crate::domain::limits;
use crate::interfaces::http::problem::Problem;

/// Whoever is not named otherwise does it.
const WORKER: &str = "implementer";
/// What stands for work that is done outside.
const OUTSIDE: &str = "external";

/// A list of tasks.
#[derive(Debug, Clone, PartialEq)]
pub struct TodoList {
    /// What it comes to.
    pub summary: String,
    /// The tasks.
    pub items: Vec<Item>,
}

/// A task of a list.
#[derive(Debug, Clone, PartialEq)]
pub struct Item {
    /// Unique in the list.
    pub id: String,
    /// A few words.
    pub title: String,
    /// Who does it.
    pub who: Who,
    /// Ids of the tasks that must be done before.
    pub needs: Vec<String>,
    /// 1 to 10, or a word.
    pub priority: Option<Value>,
    /// The task as it was given: what whoever does it is told.
    pub given: Map<String, Value>,
}

/// Who does a task.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Who {
    /// An agent of this role.
    Agent(String),
    /// A worker outside, by queue.
    Outside(String),
}

impl TodoList {
    /// Reads a list.
    pub fn parse(list: &Value) -> Result<Self, Problem> {
        let wrong = |what: &str| Problem::invalid(format!("todo_list: {what}"));
        let object = list.as_object().ok_or_else(|| wrong("it is no object"))?;
        let tasks = ["tasks", "items", "todos"].iter().find_map(|key| object.get(*key));
        let tasks = tasks.and_then(Value::as_array).ok_or_else(|| wrong("it has no `tasks`"))?;
        if tasks.is_empty() || tasks.len() > limits::PLAN_TASKS {
            return Err(wrong(&format!("it has {} tasks, not 1 to {}", tasks.len(), limits::PLAN_TASKS)));
        }
        let summary = ["summary", "title", "description", "goal"].iter().find_map(|key| object.get(*key)?.as_str());
        let items = tasks.iter().enumerate().map(|(at, task)| Item::parse(at, task)).collect::<Result<_, _>>()?;
        Ok(Self { summary: summary.unwrap_or_default().to_owned(), items })
    }

    /// The list as an input of a workflow.
    pub fn to_input(&self) -> Value {
        let tasks: Vec<&Map<String, Value>> = self.items.iter().map(|item| &item.given).collect();
        json!({"summary": self.summary, "tasks": tasks})
    }
}

impl Item {
    fn parse(at: usize, task: &Value) -> Result<Self, Problem> {
        let wrong = |what: String| Problem::invalid(format!("todo_list: task {at}: {what}"));
        let given = task.as_object().ok_or_else(|| wrong("it is no object".to_owned()))?.clone();
        let text = |keys: &[&str]| keys.iter().find_map(|key| given.get(*key)?.as_str()).map(str::to_owned);
        let id = text(&["id", "task_id"]).ok_or_else(|| wrong("it has no `id`".to_owned()))?;
        let needs = ["needs", "dependencies", "depends_on"].iter().find_map(|key| given.get(*key));
        let needs = needs.map(|needs| needs.as_array().ok_or_else(|| wrong("`needs` is no list".to_owned())));
        let needs = needs.transpose()?.map(Vec::as_slice).unwrap_or_default();
        let needs = needs
            .iter()
            .map(|need| need.as_str().map(str::to_owned).ok_or_else(|| wrong("`needs` is no list of ids".to_owned())))
            .collect::<Result<_, _>>()?;
        let role = text(&["agent_role", "role", "agent"]);
        let who = match role.as_deref() {
            None => Who::Agent(WORKER.to_owned()),
            Some(OUTSIDE) => Who::Outside(text(&["queue"]).unwrap_or_else(|| OUTSIDE.to_owned())),
            Some(role) => Who::Agent(role_of(role).to_owned()),
        };
        let title = text(&["title", "name"]).unwrap_or_else(|| id.clone());
        let priority =
            given.get("priority").filter(|priority| !priority.is_null()).map(|priority| match priority.as_str() {
                // Others say `medium`.
                Some("medium") => json!("normal"),
                _ => priority.clone(),
            });
        Ok(Self { id, title, who, needs, priority, given })
    }
}

/// The role that is meant: others call some of them differently.
pub fn role_of(name: &str) -> &str {
    match name {
        "coder" => "implementer",
        "architect" => "designer",
        own => own,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_in_the_words_of_others_is_understood() {
        let list = json!({"title": "t", "todos": [
            {"id": "t1", "title": "Load", "agent_role": "coder", "priority": "medium"},
            {"id": "t2", "agent_role": "external", "queue": "lab", "dependencies": ["t1"]},
        ]});
        let list = TodoList::parse(&list).unwrap();
        assert_eq!(list.items[0].who, Who::Agent("implementer".to_owned()));
        assert_eq!(list.items[0].priority, Some(json!("normal")));
        assert_eq!(list.items[1].who, Who::Outside("lab".to_owned()));
        assert_eq!(list.items[1].needs, ["t1"]);
        assert_eq!(list.to_input()["tasks"][0]["title"], "Load");
    }

    #[test]
    fn what_is_no_list_is_refused() {
        let many = json!({"tasks": vec![json!({"id": "x"}); limits::PLAN_TASKS + 1]});
        for bad in [json!(1), json!({}), json!({"tasks": []}), json!({"tasks": [1]}), json!({"tasks": [{}]}), many] {
            assert!(TodoList::parse(&bad).is_err());
        }
    }
}
