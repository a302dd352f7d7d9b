//! What a project, or one of its tasks, changed in the files of its repository.

use serde::{Deserialize, Serialize};

use super::fault::{Fault, FaultKind};
use super::logs::task_of;
use super::service::{Between, Keeper, Sides};
use crate::domain::event::Event;
use crate::domain::ids::{ProjectId, TaskIx};
use crate::domain::project::Project;
use crate::domain::workflow::WorkspaceKind;
use crate::engine::archive::Archive;

/// The files that differ.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Comparison {
    /// In path order.
    pub files: Vec<ChangedFile>,
    /// There are more, or the texts of some are left out.
    pub truncated: bool,
    /// Why there is nothing to compare.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// One file that differs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChangedFile {
    /// Its path.
    pub path: String,
    /// Its path before, when it was another one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub old_path: Option<String>,
    /// `added`, `modified`, `deleted` or `renamed`.
    pub status: String,
    /// It is no text, or too large to be compared.
    pub binary: bool,
    /// Lines that are new.
    pub additions: usize,
    /// Lines that are gone.
    pub deletions: usize,
    /// In the unified format; left out for what is no text and when there was no room for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub patch: Option<String>,
}

/// Compares what was there before with what is there now.
pub fn compare(
    archive: &Archive,
    keeper: &dyn Keeper,
    id: &ProjectId,
    task: Option<&str>,
) -> Result<Comparison, Fault> {
    let project = archive.load(id)?.project;
    let ix = task.map(|name| task_of(&project, name)).transpose()?;
    let left = match ix {
        Some(ix) => left_by(archive, &project, ix)?,
        None => Left::default(),
    };
    let sides = match (left.commit, project.compared_trees(ix, left.tree)) {
        (Some(commit), _) => Sides::Commit(commit),
        (None, Some((from, to))) => Sides::Trees(from, to),
        (None, None) => {
            let reason = match (project.created.workspace, task) {
                (WorkspaceKind::Worktree, Some(task)) => format!("task `{task}` has left no files yet"),
                _ => "the project does not run in git worktrees, so nothing is known of its files".to_owned(),
            };
            return Ok(Comparison { reason: Some(reason), ..Comparison::default() });
        }
    };
    let created = &project.created;
    let between =
        Between { project: id, base_dir: &created.base_dir, base_commit: created.base_commit.as_deref(), sides };
    keeper.compare(&between).map_err(|problem| {
        let message = format!("git no longer has all files of {id}");
        Fault { causes: vec![problem], ..Fault::new(FaultKind::NoFiles, message) }.of(id)
    })
}

/// What a task left, as its records tell.
#[derive(Debug, Default)]
struct Left {
    /// Of its last attempt: the files after the last step or call that is known to have ended.
    tree: Option<String>,
    /// What was merged of it.
    commit: Option<String>,
}

fn left_by(archive: &Archive, project: &Project, ix: TaskIx) -> Result<Left, Fault> {
    let spec = &project.tasks()[ix.at()].spec;
    let merge = spec.merge.then(|| spec.validate.len() + 1);
    let mut left = Left::default();
    archive.visit(&project.id, |record| match record.event {
        Event::TaskStarted { task, .. } if task == ix => left.commit = None,
        Event::StepFinished { task, step, outcome, .. } if task == ix => {
            if merge == Some(step.0 as usize) {
                let answer =
                    outcome.result.ok().and_then(|value| archive.vault().read(&value).ok().map(|bytes| bytes.to_vec()));
                let answer = answer.and_then(|text| serde_json::from_slice::<serde_json::Value>(&text).ok());
                left.commit = answer.and_then(|answer| Some(answer.get("commit")?.as_str()?.to_owned()));
            }
            left.tree = outcome.tree.or(left.tree.take());
        }
        Event::CallFinished { task, outcome, .. } if task == ix => left.tree = outcome.tree.or(left.tree.take()),
        _ => {}
    })?;
    Ok(left)
}
