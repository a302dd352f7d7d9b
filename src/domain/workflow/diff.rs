//! What differs between two definitions, for `wfctl diff`: as data and as text.

use std::collections::BTreeMap;
use std::fmt;

use serde::Serialize;
use serde_json::Value;

use super::spec::Definition;

/// Longest value shown in the text.
const VALUE_CHARS: usize = 100;

/// The differences, in the order of the new definition; removed tasks come last.
#[derive(Debug, Clone, PartialEq, Default, Serialize)]
pub struct Diff {
    /// Changed settings of the workflow and its phases, by path (`budget.tokens`, `phases.test.loop_back`).
    pub settings: Vec<Change>,
    /// Names of new tasks.
    pub added: Vec<String>,
    /// Names of tasks that are gone.
    pub removed: Vec<String>,
    /// Changed tasks with what changed in them.
    pub changed: Vec<(String, Vec<Change>)>,
}

/// One changed field; `None` where it is absent.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Change {
    /// The field, dotted.
    pub field: String,
    /// Its value before.
    pub before: Option<Value>,
    /// Its value after.
    pub after: Option<Value>,
}

impl Diff {
    /// Whether the two definitions are the same.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// What has changed from `before` to `after`.
pub fn diff(before: &Definition, after: &Definition) -> Diff {
    let (old_tasks, new_tasks) = (tasks(before), tasks(after));
    let mut diff = Diff { settings: changes(&settings(before), &settings(after)), ..Diff::default() };
    for (_, task) in after.tasks() {
        match (old_tasks.get(task.name.as_str()), new_tasks.get(task.name.as_str())) {
            (Some(old), Some(new)) => {
                let changes = changes(old, new);
                if !changes.is_empty() {
                    diff.changed.push((task.name.clone(), changes));
                }
            }
            _ => diff.added.push(task.name.clone()),
        }
    }
    diff.removed = before
        .tasks()
        .filter(|(_, task)| !new_tasks.contains_key(task.name.as_str()))
        .map(|(_, task)| task.name.clone())
        .collect();
    diff
}

/// Each task as JSON with its phase, by name.
fn tasks(definition: &Definition) -> BTreeMap<&str, Value> {
    let json =
        |task: &super::TaskSpec| serde_json::to_value(task).expect("a task holds only text keys, so it serialises");
    definition
        .tasks()
        .map(|(phase, task)| {
            let mut value = json(task);
            value["phase"] = phase.name().into();
            (task.name.as_str(), value)
        })
        .collect()
}

/// Everything but the tasks.
fn settings(definition: &Definition) -> Value {
    let mut value = serde_json::to_value(definition).expect("a definition holds only text keys, so it serialises");
    let mut phases = serde_json::Map::new();
    for spec in &definition.phases {
        phases.insert(
            spec.phase.name().to_owned(),
            serde_json::json!({"approval": spec.approval, "loop_back": spec.loop_back}),
        );
    }
    value["phases"] = phases.into();
    value
}

fn changes(before: &Value, after: &Value) -> Vec<Change> {
    let (mut old, mut new) = (BTreeMap::new(), BTreeMap::new());
    flatten(before, String::new(), &mut old);
    flatten(after, String::new(), &mut new);
    let mut fields: Vec<&String> = old.keys().chain(new.keys()).collect();
    fields.sort();
    fields.dedup();
    let change = |field: &String| Change {
        field: field.clone(),
        before: old.get(field).map(|v| (*v).clone()),
        after: new.get(field).map(|v| (*v).clone()),
    };
    fields.into_iter().map(change).filter(|change| change.before != change.after).collect()
}

/// Objects become dotted paths; lists and plain values stay whole. Depth is that of the file, which is bounded.
fn flatten<'v>(value: &'v Value, path: String, into: &mut BTreeMap<String, &'v Value>) {
    match value {
        Value::Object(fields) if !fields.is_empty() => {
            for (key, value) in fields {
                let path = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
                flatten(value, path, into);
            }
        }
        Value::Null => {}
        _ => {
            into.insert(path, value);
        }
    }
}

impl fmt::Display for Diff {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for change in &self.settings {
            write_change(f, "", change)?;
        }
        for name in &self.added {
            writeln!(f, "+ task {name}")?;
        }
        for (name, changes) in &self.changed {
            writeln!(f, "~ task {name}")?;
            for change in changes {
                write_change(f, "    ", change)?;
            }
        }
        for name in &self.removed {
            writeln!(f, "- task {name}")?;
        }
        Ok(())
    }
}

fn write_change(f: &mut fmt::Formatter<'_>, indent: &str, change: &Change) -> fmt::Result {
    let show = |value: &Value| value.to_string().chars().take(VALUE_CHARS).collect::<String>();
    match (&change.before, &change.after) {
        (Some(before), Some(after)) => writeln!(f, "{indent}~ {}: {} -> {}", change.field, show(before), show(after)),
        (None, Some(after)) => writeln!(f, "{indent}+ {}: {}", change.field, show(after)),
        (Some(before), None) => writeln!(f, "{indent}- {}: {}", change.field, show(before)),
        (None, None) => Ok(()),
    }
}
