//! What the tasks of projects are called, for whoever reads records. Names never change, so a project that is ahead of what is
//! read has those that are needed.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use crate::domain::ids::{ProjectId, TaskIx};
use crate::domain::workflow::Action;
use crate::engine::archive::Archive;

/// Projects whose names are kept; beyond it all are forgotten and looked up again.
const KEPT: usize = 1_000;

/// One project's.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct TaskNames {
    /// The workflow's name.
    pub workflow: String,
    /// The project that it is a child of.
    pub parent: Option<(ProjectId, TaskIx)>,
    /// The seed that it was given, which tells it from others of its name.
    pub seed: u64,
    /// The seed of the project that it is a child of.
    pub parent_seed: u64,
    tasks: Vec<TaskName>,
}

#[derive(Debug, PartialEq, Eq)]
struct TaskName {
    name: Arc<str>,
    work: &'static str,
    role: Option<String>,
}

impl TaskNames {
    /// A task's name.
    pub fn name(&self, task: TaskIx) -> Option<&str> {
        self.tasks.get(task.at()).map(|task| &*task.name)
    }

    /// The role of a task that runs an agent.
    pub fn role(&self, task: TaskIx) -> Option<&str> {
        self.tasks.get(task.at())?.role.as_deref()
    }

    /// Who does a task: the role of its agent, else what kind of action it is.
    pub fn worker(&self, task: TaskIx) -> &str {
        self.tasks.get(task.at()).map_or("unknown", |task| task.role.as_deref().unwrap_or(task.work))
    }

    /// Names that are made up.
    #[cfg(test)]
    pub fn of(workflow: &str, tasks: &[(&str, Option<&str>)]) -> Self {
        let tasks = tasks.iter().map(|(name, role)| TaskName {
            name: (*name).into(),
            work: "run",
            role: role.map(str::to_owned),
        });
        Self { workflow: workflow.to_owned(), tasks: tasks.collect(), ..Self::default() }
    }
}

/// The names of all projects that are read of.
pub struct Directory {
    archive: Archive,
    known: Mutex<HashMap<ProjectId, Arc<TaskNames>>>,
}

impl Directory {
    /// Over an archive.
    pub fn new(archive: Archive) -> Self {
        Self { archive, known: Mutex::default() }
    }

    /// The names of a project, those of the tasks in `wanted` among them as far as they exist. Blocks on the disk when they are
    /// not known. A project that cannot be read has none.
    pub fn names(&self, id: &ProjectId, wanted: Option<TaskIx>) -> Arc<TaskNames> {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner).get(id).cloned();
        if let Some(known) = known.filter(|known| wanted.is_none_or(|task| known.name(task).is_some())) {
            return known;
        }
        let names = Arc::new(self.read(id));
        let mut all = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if all.len() >= KEPT {
            all.clear();
        }
        all.insert(id.clone(), names.clone());
        names
    }

    fn read(&self, id: &ProjectId) -> TaskNames {
        let project = match self.archive.load_to_read(id) {
            Ok((project, _)) => project,
            Err(error) => {
                tracing::warn!(project = %id, %error, "its records are read without names");
                return TaskNames::default();
            }
        };
        let named = project.tasks().iter().map(|task| TaskName {
            name: task.name.clone(),
            work: task.spec.action.keyword(),
            role: match &task.spec.action {
                Action::Agent(agent) => Some(agent.role.clone()),
                _ => None,
            },
        });
        let parent = project.created.parent.clone();
        let parent_seed = parent.as_ref().and_then(|(parent, _)| self.archive.load_to_read(parent).ok());
        TaskNames {
            workflow: project.created.workflow.clone(),
            seed: project.created.seed,
            parent_seed: parent_seed.map(|(parent, _)| parent.created.seed).unwrap_or_default(),
            parent,
            tasks: named.collect(),
        }
    }
}
