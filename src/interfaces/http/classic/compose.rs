//! Workflows written here. What callers said is never part of a workflow's text: it is given as inputs, which templates only
//! name.

use serde_json::{Map, Value, json};

use super::todo::{Item, TodoList, Who};

/// The workflow of a plan.
pub const PLAN: &str = "plan";
/// Its task.
pub const PLAN_TASK: &str = "plan";
/// The workflow of an execution.
pub const EXECUTE: &str = "execute";
/// What the workflow of a task for one agent begins with.
pub const AGENT: &str = "agent-";

/// A planner cuts a request into tasks.
pub fn plan() -> (String, Value) {
    let definition = json!({
        "name": PLAN,
        "description": "A request as a list of tasks.",
        "inputs": {"request": {"type": "string", "required": true}},
        "workspace": "worktree",
        "tasks": {PLAN_TASK: {"agent": "planner", "with": {"goal": "{{ inputs.request }}"}}},
    });
    (PLAN.to_owned(), definition)
}

/// One task for one agent.
pub fn task(role: &str) -> (String, Value) {
    let name = format!("{AGENT}{role}");
    let definition = json!({
        "name": name,
        "description": "One task for one agent.",
        "inputs": {"task": {"type": "object", "required": true}},
        "workspace": "worktree",
        "tasks": {role: {"agent": role, "with": {"task": "{{ inputs.task }}"}, "merge": true}},
    });
    (name, definition)
}

/// The tasks of a list, each when those that it needs are merged.
pub fn execution(list: &TodoList) -> (String, Value) {
    let mut tasks = Map::new();
    for (at, item) in list.items.iter().enumerate() {
        tasks.insert(item.id.clone(), one(at, item));
    }
    let definition = json!({
        "name": EXECUTE,
        "description": "The tasks of a list.",
        "inputs": {"list": {"type": "object", "required": true}},
        "workspace": "worktree",
        "tasks": tasks,
    });
    (EXECUTE.to_owned(), definition)
}

fn one(at: usize, item: &Item) -> Value {
    let given = format!("{{{{ inputs.list.tasks[{at}] }}}}");
    let mut task = match &item.who {
        Who::Agent(role) => json!({
            "agent": role,
            "with": {"task": given, "goal": "{{ inputs.list.summary }}"},
            "merge": true,
        }),
        Who::Outside(queue) => json!({"external": {"queue": queue, "payload": given}}),
    };
    if let Some(task) = task.as_object_mut() {
        task.insert("needs".to_owned(), json!(item.needs));
        if let Some(priority) = &item.priority {
            task.insert("priority".to_owned(), priority.clone());
        }
    }
    task
}
