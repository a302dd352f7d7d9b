//! What follows the end of a project: what it made becomes a branch, its worktrees go away.
//!
//! The folder of its worktrees in the home is the note that this is still to be done: it goes last. So whoever dies in between
//! leaves it to the next engine, which does it before it drives anything. Doing it twice is harmless.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use crate::domain::effect::WorkspaceOrder;
use crate::domain::ids::ProjectId;
use crate::domain::machine::ProjectStatus;
use crate::domain::project::Project;
use crate::domain::workflow::WorkspaceKind;
use crate::engine::archive::Archive;
use crate::workspace::{Unpublished, Workspaces};

/// How often somebody who waits for another process looks again.
const LOOK_AGAIN: Duration = Duration::from_millis(10);
/// How long a result may take to become a branch before whoever waits for it is told so.
const PATIENCE: Duration = Duration::from_secs(60);

/// Publishes results and clears up.
#[derive(Clone)]
pub struct Closing {
    archive: Archive,
    workspaces: Arc<Workspaces>,
}

impl Closing {
    /// Over what an engine has open.
    pub fn new(archive: Archive, workspaces: Arc<Workspaces>) -> Self {
        Self { archive, workspaces }
    }

    /// After a project has ended.
    pub async fn finish(&self, id: &ProjectId) {
        match self.load(id).await {
            Ok(project) => self.finish_loaded(id, &project).await,
            Err(error) => tracing::warn!(project = %id, error, "nothing is tidied up after it"),
        }
    }

    /// The same for every project whose end an earlier engine did not survive.
    pub async fn catch_up(&self) {
        for id in self.workspaces.with_worktrees() {
            match self.load(&id).await {
                Ok(project) if project.status().is_terminal() => self.finish_loaded(&id, &project).await,
                Ok(_) => {}
                Err(error) => tracing::warn!(project = %id, error, "its worktrees stay"),
            }
        }
    }

    async fn load(&self, id: &ProjectId) -> Result<Project, String> {
        let (archive, of) = (self.archive.clone(), id.clone());
        match tokio::task::spawn_blocking(move || archive.load(&of)).await {
            Ok(Ok(loaded)) => Ok(loaded.project),
            Ok(Err(error)) => Err(error.to_string()),
            Err(error) => Err(error.to_string()),
        }
    }

    async fn finish_loaded(&self, id: &ProjectId, project: &Project) {
        let created = &project.created;
        // Children work in the worktrees' branches of their own project, as their parents do.
        if created.workspace != WorkspaceKind::Worktree {
            return;
        }
        if project.status() == ProjectStatus::Done {
            let order = WorkspaceOrder {
                kind: created.workspace,
                base_dir: created.base_dir.as_str().into(),
                base_commit: created.base_commit.as_deref().map(Into::into),
                trees: project.outcome_trees(),
            };
            let message = format!("{}: result of {id}\n", created.workflow);
            let published = self.workspaces.publish(id, &order, &message, project.summary().changed).await;
            if let Err(failure) = published {
                // Nothing is removed then: it is all there is of the result.
                tracing::error!(project = %id, %failure, "its result was not published as a branch");
                return;
            }
        }
        if let Err(failure) = self.workspaces.project_closed(id, Path::new(&created.base_dir)).await {
            tracing::warn!(project = %id, %failure, "its worktrees were not removed");
        }
    }
}

/// Waits until what follows the end of a project is done, here or in the process that drives it; an error says why it was not.
pub async fn settled(workspaces: &Workspaces, id: &ProjectId) -> Result<(), String> {
    let wait = async {
        loop {
            match workspaces.unpublished(id) {
                Unpublished::No => return Ok(()),
                Unpublished::Yet => tokio::time::sleep(LOOK_AGAIN).await,
                Unpublished::Because(problem) => return Err(problem),
            }
        }
    };
    match tokio::time::timeout(PATIENCE, wait).await {
        Ok(settled) => settled,
        Err(_) => Err("the engine that drives it did not get to it yet".to_owned()),
    }
}
