//! Tasks that people add while a project runs. All of them are taken, or none.

use std::collections::HashMap;

use crate::domain::event::Event;
use crate::domain::ids::TaskIx;
use crate::domain::limits;
use crate::domain::machine::Phase;
use crate::domain::sandbox::Backend;
use crate::domain::workflow::{Action, TaskSpec};

use super::input::{Refusal, RefusalKind};
use super::lifecycle::Taking;

type Taken = Result<(), Refusal>;

impl Taking<'_> {
    /// Adds tasks to a phase; adding the very same ones again changes nothing.
    pub(super) fn add(&mut self, tasks: Vec<TaskSpec>, phase: Option<Phase>) -> Taken {
        if self.has_already(&tasks, phase) {
            return Ok(());
        }
        let present = self.project.core.phase;
        let phase = phase.or(present).unwrap_or(Phase::Build);
        let declared = self.project.definition.phase(phase).is_some();
        // Behind an open gate the present phase is done.
        let gated = self.project.core.gate.is_some() && present == Some(phase);
        if self.project.is_cancelling() || gated || present.is_some_and(|now| phase < now) || !declared {
            let message = format!("no task can be added to phase {phase} now");
            return Err(self.refuse(RefusalKind::WrongState, message));
        }
        if tasks.is_empty() || self.project.core.tasks.len() + tasks.len() > limits::TASKS_PER_PROJECT {
            let message = format!("{} tasks cannot be added", tasks.len());
            return Err(self.refuse(RefusalKind::Limit, message));
        }
        self.check_added(&tasks, phase)?;
        let text = serde_json::to_vec(&tasks).map_err(|error| self.refuse(RefusalKind::Invalid, error.to_string()))?;
        let tasks = self.keep(text)?;
        let first = self.project.core.tasks.len() as u32;
        self.emit_as_asked(Event::TasksAdded { phase, tasks, parent: None });
        if present == Some(phase) {
            self.unblocked.extend((first..self.project.core.tasks.len() as u32).rev().map(TaskIx));
        }
        Ok(())
    }

    /// Names are new, needs exist, and no need leads in a circle. New tasks are needed only by new ones, so a circle can
    /// only be among them.
    fn check_added(&self, tasks: &[TaskSpec], phase: Phase) -> Taken {
        let mut at: HashMap<&str, usize> = HashMap::new();
        for (position, task) in tasks.iter().enumerate() {
            if self.project.find(&task.name).is_some() || at.insert(&task.name, position).is_some() {
                return Err(self.refuse(RefusalKind::Invalid, format!("there is already a task {:?}", task.name)));
            }
        }
        tasks.iter().try_for_each(|task| self.check_reach(task))?;
        let mut edges = Vec::new();
        for (position, task) in tasks.iter().enumerate() {
            for need in &task.needs {
                match at.get(need.as_str()) {
                    Some(from) => edges.push((*from as u32, position as u32)),
                    None if self.project.task(self.named(need)?).phase > phase => {
                        let message = format!("task {:?} cannot need {need:?}, which is of a later phase", task.name);
                        return Err(self.refuse(RefusalKind::Invalid, message));
                    }
                    None => {}
                }
            }
        }
        let graph = crate::domain::workflow::Graph::new(tasks.len(), &edges);
        match graph.topological_order() {
            Ok(_) => Ok(()),
            Err(cycle) => {
                let names: Vec<&str> = cycle.iter().map(|at| tasks[*at as usize].name.as_str()).collect();
                Err(self.refuse(RefusalKind::Invalid, format!("the new tasks need each other: {}", names.join(" -> "))))
            }
        }
    }

    /// Whether all of `tasks` were added before as they are: whoever heard no answer may ask again.
    fn has_already(&self, tasks: &[TaskSpec], phase: Option<Phase>) -> bool {
        let is_there = |task: &TaskSpec| {
            let found = self.project.find(&task.name);
            let known = found.filter(|ix| phase.is_none_or(|phase| self.project.task(*ix).phase == phase));
            let known = known.and_then(|ix| self.project.core.added.get(&ix.0));
            known.is_some_and(|known| serde_json::to_string(task).is_ok_and(|text| text == *known))
        };
        !tasks.is_empty() && tasks.iter().all(is_there)
    }

    /// A new task asks for nothing beyond what the person allows the project, and starts no workflow that is not pinned with it.
    fn check_reach(&self, task: &TaskSpec) -> Taken {
        let repair = task.on_failure.as_ref().map(|branch| &branch.action);
        for action in [Some(&task.action), repair].into_iter().flatten() {
            if let Action::Workflow(child) = action
                && !self.project.definition.children.contains_key(&child.workflow)
            {
                let message = format!(
                    "task {} starts the workflow {:?}, which is not pinned with the project",
                    task.name, child.workflow
                );
                return Err(self.refuse(RefusalKind::Invalid, message));
            }
        }
        let allowed = self.project.allowed();
        let Some(sandbox) = task.sandbox.as_deref().filter(|_| allowed.backend != Backend::None) else { return Ok(()) };
        let excess = allowed.excess(&format!("task {}", task.name), sandbox);
        if excess.is_empty() {
            return Ok(());
        }
        let (what, flags): (Vec<String>, Vec<&str>) =
            excess.iter().map(|excess| (excess.to_string(), excess.flag.as_str())).unzip();
        let message = format!(
            "{}; that is not allowed in this project: `wfctl resume {} {}` allows it",
            what.join(", "),
            self.project.id,
            flags.join(" ")
        );
        Err(self.refuse(RefusalKind::Invalid, message))
    }
}
