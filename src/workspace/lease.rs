//! Where a step runs: the folder as it is, a folder of the project's own, or a git worktree from the pool.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::files;
use super::git::{self, Pools, Unpublished, Worktree};
use crate::domain::effect::WorkspaceOrder;
use crate::domain::failure::{Failure, FailureClass};
use crate::domain::ids::ProjectId;
use crate::domain::time::Millis;
use crate::domain::workflow::WorkspaceKind;

/// All places that the steps of one home run in.
#[derive(Debug)]
pub struct Workspaces {
    work_dir: PathBuf,
    pools: Arc<Pools>,
}

/// A place to run in, for one step. A worktree is nobody else's until the lease is finished or dropped.
#[derive(Debug)]
pub struct Lease {
    dir: PathBuf,
    worktree: Option<Worktree>,
}

impl Lease {
    /// The folder to run in; absolute.
    pub fn dir(&self) -> &Path {
        &self.dir
    }
}

impl Workspaces {
    /// Places under `home`; nothing is created before it is needed.
    pub fn new(home: &Path) -> Self {
        Self { work_dir: home.join("work"), pools: Arc::new(Pools::new(home)) }
    }

    /// The commit that a new project's worktrees start from, in hexadecimal: HEAD of the repository that `dir` is in.
    pub fn base_commit(&self, dir: &Path) -> Result<String, Failure> {
        git::base_commit(dir).map_err(Failure::from)
    }

    /// Makes the place ready. A worktree has exactly the files of the merged trees, and may have ignored ones of an earlier
    /// step. Errors: `workspace`, and `conflict` naming the paths when the trees cannot be merged.
    pub async fn prepare(&self, project: &ProjectId, order: &WorkspaceOrder) -> Result<Lease, Failure> {
        match order.kind {
            WorkspaceKind::Dir => {
                let dir = PathBuf::from(&*order.base_dir);
                if dir.is_dir() {
                    Ok(Lease { dir, worktree: None })
                } else {
                    Err(Failure::new(FailureClass::Workspace, format!("folder not found: {}", dir.display())))
                }
            }
            WorkspaceKind::None => {
                let dir = self.work_dir.join(project.as_str());
                files::private_dir(&dir).map_err(|error| {
                    Failure::new(FailureClass::Workspace, format!("cannot create {}: {error}", dir.display()))
                })?;
                Ok(Lease { dir, worktree: None })
            }
            WorkspaceKind::Worktree => {
                let (pools, project, order) = (self.pools.clone(), project.clone(), order.clone());
                let worktree = blocking(move || pools.lease(&project, &order)).await?;
                Ok(Lease { dir: worktree.dir().to_owned(), worktree: Some(worktree) })
            }
        }
    }

    /// Gives the place back. For a worktree: the id of the tree of all its files that are not ignored, kept from git's
    /// garbage collection until the project is closed.
    pub async fn finish(&self, lease: Lease) -> Result<Option<String>, Failure> {
        match lease.worktree {
            None => Ok(None),
            Some(worktree) => blocking(move || worktree.checkpoint().map(Some)).await,
        }
    }

    /// Commits the merge of `trees` over `base_commit` to the branch `ai/generated/<project>/result`, and returns the commit;
    /// `None` when nothing changed. The same arguments give the same commit, so that doing it twice is harmless. A branch of
    /// that name with another commit is never overwritten.
    pub async fn publish(
        &self,
        project: &ProjectId,
        order: &WorkspaceOrder,
        message: &str,
        time: Millis,
    ) -> Result<Option<String>, Failure> {
        let (pools, project, order, message) = (self.pools.clone(), project.clone(), order.clone(), message.to_owned());
        blocking(move || pools.publish(&project, &order, &message, time)).await
    }

    /// Keeps the trees that a fork's records name from garbage collection, under the fork's own name, and makes its
    /// integration branch where its records have it. Errors: `workspace`, naming what git has no longer. Blocks.
    pub fn adopt(&self, base_dir: &Path, adoption: &git::Adoption) -> Result<(), Failure> {
        self.pools.adopt(base_dir, adoption).map_err(Failure::from)
    }

    /// The projects that have worktrees in this home.
    pub fn with_worktrees(&self) -> Vec<ProjectId> {
        self.pools.projects()
    }

    /// Whether something of a project that has ended is still to be published or removed.
    pub fn unpublished(&self, project: &ProjectId) -> Unpublished {
        self.pools.unpublished(project)
    }

    /// Removes the project's worktrees and the references that kept its trees. Its folder under `work` stays until `gc`.
    pub async fn project_closed(&self, project: &ProjectId, base_dir: &Path) -> Result<(), Failure> {
        let (pools, project, base_dir) = (self.pools.clone(), project.clone(), base_dir.to_owned());
        blocking(move || pools.close(&project, &base_dir)).await
    }

    /// Removes the folder of a project of kind `none`.
    pub fn remove_work_dir(&self, project: &ProjectId) -> std::io::Result<()> {
        files::remove_tree(&self.work_dir.join(project.as_str()))
    }
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, git::Error> + Send + 'static,
) -> Result<T, Failure> {
    match tokio::task::spawn_blocking(work).await {
        Ok(result) => result.map_err(Failure::from),
        Err(error) => Err(Failure::new(FailureClass::Internal, format!("the workspace failed: {error}"))),
    }
}
