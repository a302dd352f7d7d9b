//! What a project, or one of its tasks, changed in the files of its repository.

use serde::{Deserialize, Serialize};

use super::fault::{Fault, FaultKind};
use super::logs::task_of;
use super::service::{Between, Keeper};
use crate::domain::ids::ProjectId;
use crate::engine::archive::Archive;

/// The files that differ.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Comparison {
    /// In path order.
    pub files: Vec<ChangedFile>,
    /// There are more, or the texts of some are left out.
    pub truncated: bool,
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
    let Some((from, to)) = project.compared_trees(ix) else {
        // Outside of a repository nothing is known of files; a task that ran nothing has changed none.
        return Ok(Comparison::default());
    };
    let created = &project.created;
    let between =
        Between { project: id, base_dir: &created.base_dir, base_commit: created.base_commit.as_deref(), from, to };
    keeper.compare(&between).map_err(|problem| {
        let message = format!("git no longer has all files of {id}");
        Fault { causes: vec![problem], ..Fault::new(FaultKind::NoFiles, message) }.of(id)
    })
}
