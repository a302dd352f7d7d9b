//! What expressions can read: `inputs`, `env`, `project`, and per task `tasks`, `with`, `item`, `index`, `handoffs`, `open`.

use std::collections::BTreeMap;

use minijinja::value::{Serde, Value};
use serde::Serialize;

/// What an expression sees of a task that is done.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct TaskValue {
    /// Its output; null when it was skipped.
    pub output: serde_json::Value,
    /// The name of its state.
    pub status: String,
    /// Why it failed: `{class, message}`, or null.
    pub failure: serde_json::Value,
}

/// The values of one evaluation. Cheap to clone: values are shared.
#[derive(Debug, Clone)]
pub struct Context {
    roots: BTreeMap<&'static str, Value>,
    tasks: BTreeMap<String, Value>,
}

impl Context {
    /// What all tasks of a project share. Each argument is a JSON object.
    pub fn new(inputs: &serde_json::Value, env: &serde_json::Value, project: &serde_json::Value) -> Self {
        let roots = [("inputs", inputs), ("env", env), ("project", project)];
        Self {
            roots: roots.into_iter().map(|(name, value)| (name, Value::from(Serde(value)))).collect(),
            tasks: BTreeMap::new(),
        }
    }

    /// Makes a task readable. Only the tasks that a text mentions need to be added, see [`super::mentions`].
    pub fn set_task(&mut self, name: &str, task: &TaskValue) {
        self.tasks.insert(name.to_owned(), Value::from(Serde(task)));
    }

    /// Sets `item` and `index` of a `foreach` task; the index counts from 0.
    pub fn set_item(&mut self, item: &serde_json::Value, index: usize) {
        self.roots.insert("item", Value::from(Serde(item)));
        self.roots.insert("index", Value::from(index));
    }

    /// Sets `with`: an object whose texts have been rendered.
    pub fn set_with(&mut self, with: &serde_json::Value) {
        self.roots.insert("with", Value::from(Serde(with)));
    }

    /// Sets `handoffs`, what has become of the tasks that this one needs, and `open`, the ids of those that have not ended.
    pub fn set_handoffs(&mut self, handoffs: &serde_json::Value, open: &serde_json::Value) {
        self.roots.insert("handoffs", Value::from(Serde(handoffs)));
        self.roots.insert("open", Value::from(Serde(open)));
    }

    /// Sets `output`, what an element has made, and `serial`, how many elements there are, for the elements that it gives.
    pub fn set_output(&mut self, output: &serde_json::Value, serial: usize) {
        self.roots.insert("output", Value::from(Serde(output)));
        self.roots.insert("serial", Value::from(serial));
    }

    pub(super) fn to_value(&self) -> Value {
        let tasks = Value::from_pairs(self.tasks.iter().map(|(name, task)| (name.as_str(), task.clone())));
        let roots = self.roots.iter().map(|(name, value)| (*name, value.clone()));
        Value::from_pairs(roots.chain([("tasks", tasks)]))
    }
}
