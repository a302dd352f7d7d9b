//! What a fork of a project needs to know of it: whether the state at a position can go on as another project, which trees its
//! records name, and the definition with other models in it. Pure.

use std::sync::Arc;

use crate::domain::event::{Await, Event};
use crate::domain::ids::{ProjectId, TaskIx};
use crate::domain::machine::TaskStatus;
use crate::domain::workflow::{Action, Definition, ModelsSpec};

use super::input::{Refusal, RefusalKind};
use super::state::Project;

/// A tree that records name, and the tree that it was made from where the records say so.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct RecordedTree {
    /// The tree.
    pub tree: String,
    /// What its step started from; `None`: several trees, or the base.
    pub from: Option<String>,
}

/// Collects the trees of records, in the order they were made.
#[derive(Debug, Default)]
pub struct RecordedTrees {
    open: std::collections::HashMap<TaskIx, String>,
    found: Vec<RecordedTree>,
    known: std::collections::HashSet<String>,
}

impl RecordedTrees {
    /// Takes in the next record.
    pub fn take(&mut self, event: &Event) {
        match event {
            Event::StepStarted { task, tree, .. } => {
                match tree {
                    Some(tree) => self.open.insert(*task, tree.clone()),
                    None => self.open.remove(task),
                };
            }
            Event::StepFinished { task, outcome, .. } => self.made(*task, outcome.tree.as_ref()),
            Event::CallFinished { task, outcome, .. } => self.made(*task, outcome.tree.as_ref()),
            _ => {}
        }
    }

    fn made(&mut self, task: TaskIx, tree: Option<&String>) {
        if let Some(tree) = tree
            && self.known.insert(tree.clone())
        {
            let from = self.open.get(&task).filter(|from| *from != tree).cloned();
            self.found.push(RecordedTree { tree: tree.clone(), from });
        }
    }

    /// All of them.
    pub fn into_found(self) -> Vec<RecordedTree> {
        self.found
    }
}

impl Project {
    /// Whether this state, one of project `id`, can go on under another id.
    pub fn may_fork(&self, id: &ProjectId) -> Result<(), Refusal> {
        let seq = self.seq;
        if self.core.status.is_terminal() {
            let message = format!("project {id} is {} at record {seq}; fork it at an earlier one", self.core.status);
            return Err(Refusal::new(RefusalKind::WrongState, message));
        }
        let open = self.core.tasks.iter().find_map(|task| match task.awaits() {
            Some(Await::Child { project }) if task.status == TaskStatus::AwaitingSignal => Some((&task.name, project)),
            Some(_) | None => None,
        });
        match open {
            None => Ok(()),
            Some((name, child)) => {
                let message = format!(
                    "at record {seq} task {name} of {id} waits for its child project {child}, which cannot have two \
                     parents; fork it before that task starts or after it ends"
                );
                Err(Refusal::new(RefusalKind::WrongState, message))
            }
        }
    }
}

/// `definition` with all of its agents, and those of its children, asking `models`.
pub fn with_models(definition: &Definition, models: &[String]) -> Definition {
    let mut other = definition.clone();
    other.models = ModelsSpec { default: models.to_vec(), roles: Default::default(), ..other.models };
    for task in other.phases.iter_mut().flat_map(|phase| &mut phase.tasks) {
        if let Action::Agent(_) = task.action
            && let Action::Agent(agent) = &mut Arc::make_mut(task).action
        {
            agent.models = models.to_vec();
        }
    }
    for child in other.children.values_mut() {
        *child = Arc::new(with_models(child, models));
    }
    other
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::workflow::{NoChildren, read};

    #[test]
    fn every_agent_asks_the_other_models_and_nothing_else_changes() {
        let text = "name: w\nworkspace: worktree\nmodels: {default: a/b, roles: {coder: c/d}}\n\
                    tasks: {a: {agent: {role: coder, model: e/f}}, b: {run: 'true'}}\n";
        let (definition, _) = read(text.as_bytes(), "w", &NoChildren).unwrap();
        let other = with_models(&definition, &["x/y".to_owned()]);
        assert_eq!((other.models.default.as_slice(), other.models.roles.len()), (["x/y".to_owned()].as_slice(), 0));
        let models = |definition: &Definition| {
            let (_, task) = definition.tasks().next().unwrap();
            match &task.action {
                Action::Agent(agent) => agent.models.clone(),
                other => panic!("{other:?}"),
            }
        };
        assert_eq!((models(&definition), models(&other)), (vec!["e/f".to_owned()], vec!["x/y".to_owned()]));
        assert_eq!(other.phases[0].tasks[1], definition.phases[0].tasks[1]);
    }
}
