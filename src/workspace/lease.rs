//! Where a step runs: the folder as it is, a folder of the project's own, or a git worktree from the pool.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::files;
use super::git::{
    self, ConflictContext, LandOrder, Landed, Pools, Prepared, Queue, TaskCommit, Unpublished, Worktree, blocking,
};
use super::secrets::{Finding, scan_known};
use crate::domain::effect::WorkspaceOrder;
use crate::domain::failure::{Failure, FailureClass};
use crate::domain::ids::ProjectId;
use crate::domain::limits;
use crate::domain::time::Millis;
use crate::domain::workflow::WorkspaceKind;
use crate::telemetry::mask::Masker;

/// All places that the steps of one home run in.
#[derive(Debug)]
pub struct Workspaces {
    work_dir: PathBuf,
    pools: Arc<Pools>,
    queue: Arc<Queue>,
}

/// A place to run in, for one step. A worktree is nobody else's until the lease is finished or dropped.
#[derive(Debug)]
pub struct Lease {
    dir: PathBuf,
    worktree: Option<Arc<Worktree>>,
}

impl Lease {
    /// The folder to run in; absolute.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// For a worktree: the tree of all its files that are not ignored, without giving the place back. Cheap when nothing changed.
    pub async fn checkpoint(&self) -> Result<Option<String>, Failure> {
        match self.worktree.clone() {
            None => Ok(None),
            Some(worktree) => blocking(move || worktree.checkpoint().map(Some)).await,
        }
    }

    /// What [`Lease::checkpoint`] gives when nothing was written since the last one, or since the place was made ready or restored;
    /// the caller has to know that. Costs nothing per file.
    pub async fn checkpoint_untouched(&self) -> Result<Option<String>, Failure> {
        match self.worktree.clone() {
            None => Ok(None),
            Some(worktree) => blocking(move || worktree.checkpoint_untouched().map(Some)).await,
        }
    }

    /// For a worktree: makes its files exactly those of `tree`, which a checkpoint returned; ignored ones stay.
    /// Elsewhere files are not ours to change: that is a failure.
    pub async fn restore(&self, tree: &str) -> Result<(), Failure> {
        let Some(worktree) = self.worktree.clone() else {
            let problem = format!("{} is no worktree: its files cannot be put back", self.dir.display());
            return Err(Failure::new(FailureClass::Workspace, problem));
        };
        let tree = tree.to_owned();
        blocking(move || worktree.restore(&tree)).await
    }
}

impl Workspaces {
    /// Places under `home`; nothing is created before it is needed.
    pub fn new(home: &Path) -> Self {
        let pools = Arc::new(Pools::new(home));
        Self { work_dir: home.join("work"), queue: Arc::new(Queue::new(pools.clone())), pools }
    }

    /// The merge queue of this home.
    pub fn queue(&self) -> &Arc<Queue> {
        &self.queue
    }

    /// Commits a checkpoint of a task to the branch `ai/generated/<project>/<task>` and returns the commit. The same order gives
    /// the same commit, so that doing it twice is harmless; the commit is durable when this returns.
    pub async fn commit_task(&self, order: TaskCommit) -> Result<String, Failure> {
        blocking(move || git::commit_task(&order)).await
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
                Ok(Lease { dir: worktree.dir().to_owned(), worktree: Some(Arc::new(worktree)) })
            }
        }
    }

    /// Gives the place back. For a worktree: the id of the tree of all its files that are not ignored, kept from git's
    /// garbage collection until the project is closed.
    pub async fn finish(&self, lease: Lease) -> Result<Option<String>, Failure> {
        lease.checkpoint().await
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

    /// Describes the conflict between the integration branch at `ours` and a task's commit `theirs`, bounded.
    pub async fn conflict_context(
        &self,
        base_dir: &Path,
        ours: &str,
        theirs: &str,
    ) -> Result<ConflictContext, Failure> {
        let (base_dir, ours, theirs) = (base_dir.to_owned(), ours.to_owned(), theirs.to_owned());
        blocking(move || git::conflict_context(&base_dir, &ours, &theirs)).await
    }

    /// The tree for a worktree in which that conflict is resolved; the same arguments give the same tree.
    pub async fn prepare_conflict(&self, base_dir: &Path, ours: &str, theirs: &str) -> Result<Prepared, Failure> {
        let (base_dir, ours, theirs) = (base_dir.to_owned(), ours.to_owned(), theirs.to_owned());
        blocking(move || git::prepare_conflict(&base_dir, &ours, &theirs)).await
    }

    /// Like `commit_task` for what a conflict was resolved to; `parents` are the two commits that conflicted, the branch's
    /// first. A failure of class `conflict` names the files that still have markers.
    pub async fn commit_resolution(&self, order: TaskCommit) -> Result<String, Failure> {
        blocking(move || git::commit_resolution(&order)).await
    }

    /// Moves a branch of the user's forward to what the project made, if nobody has it checked out and nothing conflicts;
    /// else says what to type. Doing it twice is harmless.
    pub async fn land(&self, order: LandOrder) -> Result<Landed, Failure> {
        let pools = self.pools.clone();
        blocking(move || pools.land(&order)).await
    }

    /// Moves a branch of the user's back to `from`, where it was before the commit of the order landed on it, if it is still where
    /// that has brought it and nobody has it checked out; else says what to type. Doing it twice is harmless.
    pub async fn land_back(&self, order: LandOrder, from: Option<String>) -> Result<Landed, Failure> {
        blocking(move || git::land_back(&order, from.as_deref())).await
    }

    /// The files that differ between two trees of a project, sorted.
    pub async fn changed_files(&self, base_dir: &Path, from: &str, to: &str) -> Result<Vec<String>, Failure> {
        let (base_dir, from, to) = (base_dir.to_owned(), from.to_owned(), to.to_owned());
        blocking(move || git::changed_files(&base_dir, &from, &to)).await
    }

    /// Known secrets in what a tree has and the tree of the commit `base` has not.
    pub async fn known_secrets(
        &self,
        base_dir: &Path,
        base: &str,
        tree: &str,
        masker: Masker,
    ) -> Result<Vec<Finding>, Failure> {
        let (base_dir, base, tree) = (base_dir.to_owned(), base.to_owned(), tree.to_owned());
        blocking(move || {
            let from = git::tree_of(&base_dir, &base)?;
            let mut found = Vec::new();
            git::visit_changed(&base_dir, &from, &tree, limits::BLOB_BYTES, |path, content| {
                found.extend(scan_known(path, content, &masker));
            })?;
            Ok(found)
        })
        .await
    }

    /// The tree of a commit.
    pub async fn tree_of(&self, base_dir: &Path, commit: &str) -> Result<String, Failure> {
        let (base_dir, commit) = (base_dir.to_owned(), commit.to_owned());
        blocking(move || git::tree_of(&base_dir, &commit)).await
    }

    /// A file as the commit has it that a project began from: nothing that the project does changes what this says. `None` when
    /// it has no such file, when that is larger than `most` bytes or no plain file, or when there is no such commit.
    pub async fn file_at_base(
        &self,
        order: &WorkspaceOrder,
        path: &str,
        most: u64,
    ) -> Result<Option<Vec<u8>>, Failure> {
        let Some(commit) = order.base_commit.clone() else { return Ok(None) };
        let (base_dir, path) = (order.base_dir.clone(), path.to_owned());
        blocking(move || git::file_at(Path::new(&*base_dir), &commit, &path, most)).await
    }

    /// The branch that the user's checkout is on.
    pub async fn checked_out_branch(&self, base_dir: &Path) -> Result<String, Failure> {
        let base_dir = base_dir.to_owned();
        blocking(move || git::checked_out_branch(&base_dir)).await
    }

    /// Keeps the trees that a fork's records name from garbage collection, under the fork's own name, and makes its
    /// integration branch where its records have it. Errors: `workspace`, naming what git has no longer. Blocks.
    pub fn adopt(&self, base_dir: &Path, adoption: &git::Adoption) -> Result<(), Failure> {
        self.pools.adopt(base_dir, adoption).map_err(Failure::from)
    }

    /// What the files of `to` have that those of `from` have not: merged trees of a project each, nothing for its base commit.
    /// Blocks.
    pub fn compare(
        &self,
        project: &ProjectId,
        base_dir: &Path,
        base_commit: Option<&str>,
        between: [&[String]; 2],
    ) -> Result<git::Compared, Failure> {
        self.pools.compare(project, base_dir, base_commit, between).map_err(Failure::from)
    }

    /// What a commit has that the one it was made from has not. Blocks.
    pub fn compare_commit(base_dir: &Path, commit: &str) -> Result<git::Compared, Failure> {
        git::compare_commit(base_dir, commit).map_err(Failure::from)
    }

    /// The projects that have worktrees in this home.
    pub fn with_worktrees(&self) -> Vec<ProjectId> {
        self.pools.projects()
    }

    /// Whether something of a project that has ended is still to be published or removed.
    pub fn unpublished(&self, project: &ProjectId) -> Unpublished {
        self.pools.unpublished(project)
    }

    /// Removes the project's worktrees, the references that kept its trees, and the branches of its tasks that are merged; one
    /// that is not stays. Its folder under `work` stays until `gc`.
    pub async fn project_closed(&self, project: &ProjectId, base_dir: &Path) -> Result<(), Failure> {
        self.queue.closed(project);
        let (pools, project, base_dir) = (self.pools.clone(), project.clone(), base_dir.to_owned());
        blocking(move || pools.close(&project, &base_dir)).await
    }

    /// Removes the folder of a project of kind `none`.
    pub fn remove_work_dir(&self, project: &ProjectId) -> std::io::Result<()> {
        files::remove_tree(&self.work_dir.join(project.as_str()))
    }
}
