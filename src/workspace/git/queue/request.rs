//! What is asked of the merge queue, and what it answers.

use std::path::{Path, PathBuf};

use async_trait::async_trait;

use crate::domain::failure::Failure;
use crate::domain::ids::ProjectId;
use crate::domain::time::Millis;

/// One finished task that is to become part of the integration branch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MergeRequest {
    /// The project.
    pub project: ProjectId,
    /// The folder that the project was started for.
    pub base_dir: PathBuf,
    /// The commit that the project starts from; the integration branch begins there.
    pub base_commit: String,
    /// The task's name.
    pub task: String,
    /// Its commit, as `commit_task` returned it.
    pub commit: String,
    /// What the merge commit says below its first line.
    pub message: String,
    /// The time of the merge commit.
    pub time: Millis,
    /// The gates that the result must pass, in this order; none: no check. Only requests with the same gates share a batch.
    pub gates: Vec<String>,
    /// Most members of a batch, at least 1; `limits::MERGE_BATCH` at most.
    pub batch_max: u32,
    /// The task whose conflict this commit resolves.
    pub conflict_of: Option<String>,
}

/// The task is in the integration branch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Merged {
    /// The commit of the integration branch that brought it in.
    pub commit: String,
    /// The files of that commit.
    pub tree: String,
    /// How many commits along the branch's first parents lie before that one, the base commit being 0.
    pub position: u64,
    /// How many tasks came in with the same move of the branch, this one included.
    pub batch: u32,
    /// A gate that was red and then green. Only told when it happened: an answer that is given again does not have it.
    pub flaky: Option<Flaky>,
}

/// A gate that did not say the same twice.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Flaky {
    /// Which.
    pub gate: String,
    /// What it said when it was red.
    pub excerpt: String,
}

/// Why a task is not in the integration branch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MergeFault {
    /// Its changes and those of the branch meet in the same places.
    Conflict {
        /// Where, sorted.
        paths: Vec<String>,
        /// The head of the integration branch.
        ours: String,
        /// The task's commit.
        theirs: String,
        /// What the two have in common, when that is one commit.
        base: Option<String>,
    },
    /// With it, a gate is red; without it, it is not known to be.
    Red {
        /// Which.
        gate: String,
        /// The end of what it said.
        excerpt: String,
    },
    /// It could not be tried.
    Failed(Failure),
}

impl From<super::super::Error> for MergeFault {
    fn from(error: super::super::Error) -> Self {
        Self::Failed(error.into())
    }
}

/// What a gate says of a folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GateReport {
    /// Green.
    pub passed: bool,
    /// The end of its output, for whoever has to repair it.
    pub excerpt: String,
}

/// Runs gates. Dropping the future stops the gate.
#[async_trait]
pub trait Gate: Send + Sync {
    /// Runs `gate` in `dir`, which has the files of the merged tasks and is nobody else's. A gate that
    /// runs out of time is red. An error means that there is no verdict: then nothing of the batch is merged.
    async fn check(&self, gate: &str, dir: &Path) -> Result<GateReport, Failure>;
}
