//! Child projects: a task that starts one waits for its end.

use std::sync::Arc;

use crate::domain::effect::{ChildOrder, Effect};
use crate::domain::event::{Actor, Await};
use crate::domain::failure::{Failure, FailureClass};
use crate::domain::ids::{ProjectId, TaskIx};
use crate::domain::limits;
use crate::domain::machine::{ProjectStatus, TaskStatus};
use crate::domain::payload::Payload;
use crate::domain::workflow::{Action, ChildSpec, Definition};

use super::lifecycle::Taking;

impl Taking<'_> {
    pub fn start_child(&mut self, ix: TaskIx, child: &ChildSpec) -> Result<(), Failure> {
        let attempt = self.next_attempt(ix);
        let order = self.child_order(ix, child, attempt.0)?;
        self.await_outside(ix, Await::Child { project: order.child.clone() }, None);
        self.effect(Effect::StartChild(Box::new(order)));
        Ok(())
    }

    /// The same order again, after a restart: starting a child that exists changes nothing.
    pub fn restart_child(&mut self, ix: TaskIx) {
        let Action::Workflow(child) = self.project.task(ix).spec.action.clone() else { return };
        let attempt = self.project.task(ix).attempt.0;
        match self.child_order(ix, &child, attempt) {
            Ok(order) => self.effect(Effect::StartChild(Box::new(order))),
            Err(failure) => self.answer(Actor::Engine, ix, Err(failure), String::new()),
        }
    }

    fn child_order(&self, ix: TaskIx, child: &ChildSpec, attempt: u32) -> Result<ChildOrder, Failure> {
        let depth = self.project.created.depth + 1;
        if depth > limits::CHILD_DEPTH {
            let message = format!("child projects nest deeper than {}", limits::CHILD_DEPTH);
            return Err(Failure::new(FailureClass::Child, message));
        }
        let definition = self.project.definition.children.get(&child.workflow).cloned();
        let definition = definition.ok_or_else(|| {
            Failure::new(FailureClass::Child, format!("the definition holds no child workflow {:?}", child.workflow))
        })?;
        // A child's commands reach no more than those of the task that starts it.
        let allowed = Some(self.project.reach_of(ix));
        let definition = match definition.allowed == allowed {
            true => definition,
            false => Arc::new(Definition { allowed, ..(*definition).clone() }),
        };
        let mut inputs = serde_json::Map::new();
        for (name, value) in &child.inputs {
            inputs.insert(name.clone(), self.render_value(ix, value)?);
        }
        let child = self.child_id(ix, attempt);
        Ok(ChildOrder {
            task: ix,
            child,
            definition,
            inputs,
            base_dir: Arc::from(self.project.created.base_dir.as_str()),
            depth,
        })
    }

    /// An id that follows from parent, task and attempt alone, and stays within the bound whatever the parent's length.
    fn child_id(&self, ix: TaskIx, attempt: u32) -> ProjectId {
        let suffix = format!(".{ix}.{attempt}");
        let parent = self.project.id.as_str();
        let plain = format!("{parent}{suffix}");
        let text = if plain.len() <= limits::PROJECT_ID_BYTES {
            plain
        } else {
            let digest = crate::domain::ids::Digest::of(plain.as_bytes()).to_hex();
            format!("{}.{}{suffix}", &parent[..20], &digest[..12])
        };
        ProjectId::new(&text).expect("made of a valid id, digits and dots, and short enough")
    }

    pub fn child_closed(&mut self, ix: TaskIx, status: ProjectStatus, reason: &str, output: Payload) {
        let Some(task) = self.project.core.tasks.get(ix.at()) else { return };
        let waits = task.status == TaskStatus::AwaitingSignal && matches!(task.awaits(), Some(Await::Child { .. }));
        if !waits || self.project.core.status.is_terminal() {
            return;
        }
        let result = if status == ProjectStatus::Done {
            Ok(output)
        } else {
            let why = if reason.is_empty() { String::new() } else { format!(": {reason}") };
            Err(Failure::new(FailureClass::Child, format!("the child project is {status}{why}")))
        };
        self.answer(Actor::Engine, ix, result, String::new());
    }
}
