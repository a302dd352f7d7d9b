//! Snapshots: the stored part of the state as bytes, and the way back. A snapshot is a cache: whoever finds it unreadable
//! replays the records instead.

use std::collections::HashMap;
use std::sync::Arc;

use bincode::Options as _;
use serde::{Deserialize, Serialize};

use crate::domain::event::Created;
use crate::domain::ids::{ProjectId, TaskIx};
use crate::domain::payload::PayloadSource;
use crate::domain::time::Millis;
use crate::domain::workflow::{Definition, TaskSpec};

use super::growth::{ItemShapes, branch_spec, item_id, merger_spec, undo_spec};
use super::state::{Core, Origin, Project};

/// The version of the snapshot's form; any change of `Core` or what it holds needs the next number.
pub const SNAPSHOT_FORMAT: u16 = 8;

#[derive(Serialize, Deserialize)]
struct Stored<'s> {
    created: std::borrow::Cow<'s, Created>,
    created_at: Millis,
    seq: u64,
    core: std::borrow::Cow<'s, Core>,
}

impl Project {
    /// The state as bytes.
    pub fn to_snapshot(&self) -> Vec<u8> {
        let stored = Stored {
            created: std::borrow::Cow::Borrowed(&self.created),
            created_at: self.created_at,
            seq: self.seq,
            core: std::borrow::Cow::Borrowed(&self.core),
        };
        bincode::options().serialize(&stored).expect("the state holds only sized values, which bincode always takes")
    }

    /// The definition that a snapshot's project is pinned to, without reading the rest of it.
    pub fn created_of_snapshot(bytes: &[u8]) -> Result<Created, String> {
        bincode::options().allow_trailing_bytes().deserialize(bytes).map_err(|error| error.to_string())
    }

    /// The state that [`Project::to_snapshot`] wrote. Everything derived is rebuilt.
    pub fn from_snapshot(
        id: ProjectId,
        bytes: &[u8],
        definition: Arc<Definition>,
        vault: &dyn PayloadSource,
    ) -> Result<Self, String> {
        let stored: Stored<'_> = bincode::options().deserialize(bytes).map_err(|error| error.to_string())?;
        let created = stored.created.into_owned();
        let inputs = vault.read(&created.inputs).map_err(|error| error.to_string())?;
        let inputs = serde_json::from_slice(&inputs).map_err(|error| error.to_string())?;
        let core = stored.core.into_owned();
        let mut project = Self::around(id, Arc::new(created), stored.created_at, definition, Arc::new(inputs), core);
        project.seq = stored.seq;
        if let Some(allowed) = project.core.allowed.take() {
            project.raise_allowance(&allowed)?;
        }
        project.rebuild()?;
        Ok(project)
    }

    /// The item that a task was made for; null where it says nothing of what the task does and is called.
    fn item_value(&self, at: usize) -> serde_json::Value {
        let Origin::Item { of, .. } = self.core.tasks[at].origin else { return serde_json::Value::Null };
        let says = self.core.tasks.get(of.at()).is_some_and(|of| of.spec.item_graph.is_some());
        if says { self.core.tasks[at].item() } else { serde_json::Value::Null }
    }

    /// Specs, names, links and lists, from what is stored.
    fn rebuild(&mut self) -> Result<(), String> {
        let declared: Vec<Arc<TaskSpec>> = self.definition.tasks().map(|(_, spec)| spec.clone()).collect();
        let mut shared: HashMap<(TaskIx, u8), Arc<TaskSpec>> = HashMap::new();
        let mut shapes = ItemShapes::default();
        for at in 0..self.core.tasks.len() {
            let ix = TaskIx(at as u32);
            let origin = self.core.tasks[at].origin;
            let derived = |kind: u8, of: TaskIx, make: &dyn Fn(&TaskSpec) -> Option<Arc<TaskSpec>>| {
                Some(((of, kind), make(&self.core.tasks.get(of.at())?.spec)))
            };
            let item = match origin {
                Origin::Item { of, .. } => {
                    self.core.tasks.get(of.at()).map(|of| (of.spec.clone(), self.item_value(at)))
                }
                Origin::Declared(_) | Origin::Added | Origin::Branch { .. } | Origin::Undo { .. } => None,
            };
            let spec = match origin {
                Origin::Item { of, .. } => item.as_ref().and_then(|(spec, item)| shapes.of(of, spec, item)),
                Origin::Declared(position) => declared.get(position as usize).cloned(),
                Origin::Added => {
                    self.core.added.get(&ix.0).and_then(|json| serde_json::from_str(json).ok()).map(Arc::new)
                }
                Origin::Branch { of, .. } | Origin::Undo { of } => {
                    let merges_for = self.core.tasks[at].more.as_ref().is_some_and(|more| more.merges_for);
                    let kind = match origin {
                        Origin::Branch { .. } if merges_for => 3,
                        Origin::Branch { .. } => 1,
                        Origin::Undo { .. } | Origin::Item { .. } | Origin::Declared(_) | Origin::Added => 2,
                    };
                    match shared.get(&(of, kind)) {
                        Some(spec) => Some(spec.clone()),
                        None => {
                            let made = match kind {
                                1 => derived(kind, of, &|spec| branch_spec(spec, &self.definition.retry)),
                                3 => derived(kind, of, &|spec| Some(merger_spec(spec, &self.definition.retry))),
                                _ => derived(kind, of, &undo_spec),
                            };
                            made.and_then(|(key, spec)| spec.inspect(|spec| drop(shared.insert(key, spec.clone()))))
                        }
                    }
                }
            };
            let spec = spec.ok_or_else(|| format!("task {ix} has no spec in the definition"))?;
            let name = match origin {
                Origin::Declared(_) | Origin::Added => Arc::from(spec.name.as_str()),
                Origin::Item { .. } | Origin::Branch { .. } | Origin::Undo { .. } => {
                    let id = item.as_ref().and_then(|(of, item)| item_id(of, item));
                    self.name_in_round(origin, self.core.tasks[at].round, id)
                }
            };
            let is_merger = self.core.tasks[at].more.as_ref().is_some_and(|more| more.merges_for);
            let group = match is_merger {
                true => Self::merger_group(&self.definition),
                false => Self::group_of(&self.definition, &spec),
            };
            let task = &mut self.core.tasks[at];
            task.spec = spec;
            task.group = group;
            task.name = name;
            self.names.insert(task.name.clone(), ix);
        }
        for at in 0..self.core.tasks.len() {
            let ix = TaskIx(at as u32);
            let needs = std::mem::take(&mut self.core.tasks[at].needs);
            self.link(ix, needs);
            self.list(ix);
        }
        Ok(())
    }
}
