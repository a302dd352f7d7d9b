//! The branches of a project: one for each task that commits, and the integration branch that all of them end in.
//!
//! `ai/generated/<project>/<task>` holds what an agent made until it is merged; `ai/generated/<project>/integration` is moved by the
//! merge queue alone. A task may have any name; its branch has one that git accepts and that no other task's branch has.

use std::path::PathBuf;

use git2::Repository;

use super::checkpoint;
use super::error::Error;
use super::repo::{
    commit_by, commit_named, is_checked_out, is_ours, move_ref, open, past_stale_lock, ref_component, target_of,
};
use super::threeway;
use crate::domain::ids::{Digest, ProjectId};
use crate::domain::time::Millis;

/// Names below a project's branches that are not tasks'.
const RESERVED: [&str; 2] = ["integration", "result"];

/// Longest branch name of a task before it is cut: file systems take 255 bytes, git adds `.lock`, and a number may follow.
const COMPONENT_BYTES: usize = 200;

/// Most branches of one task: when its branch is checked out or not ours, the next one is taken.
const BRANCHES_PER_TASK: u32 = 100;

/// One commit of a task, all of it from the journal: the same order gives the same commit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TaskCommit {
    /// The folder that the project was started for.
    pub base_dir: PathBuf,
    /// The project.
    pub project: ProjectId,
    /// The task's name.
    pub task: String,
    /// Its files, as a checkpoint returned them.
    pub tree: String,
    /// The commits that its worktree started from: the integration commit or the base commit.
    pub parents: Vec<String>,
    /// The commit's message.
    pub message: String,
    /// Who made it, e.g. `wfctl agent (developer)`.
    pub author: String,
    /// When.
    pub time: Millis,
}

/// The branch that all tasks of the project are merged into.
pub(super) fn integration(project: &ProjectId) -> String {
    format!("{}integration", prefix(project))
}

/// The branch of what the project made.
pub(super) fn result(project: &ProjectId) -> String {
    format!("{}result", prefix(project))
}

/// The branch of a task.
pub(super) fn of_task(project: &ProjectId, task: &str) -> String {
    format!("{}{}", prefix(project), component(task))
}

fn prefix(project: &ProjectId) -> String {
    format!("refs/heads/ai/generated/{}/", ref_component(project.as_str()))
}

/// A task's name as one component of a reference. Letters and digits of any script stay, as do `-`, `_` and dots between
/// ASCII letters or digits; everything else is written `%xx`. Different names give different components.
fn component(task: &str) -> String {
    let mut out = String::new();
    let bytes = task.as_bytes();
    let plain = |at: Option<usize>| at.and_then(|at| bytes.get(at)).is_some_and(u8::is_ascii_alphanumeric);
    for (at, c) in task.char_indices() {
        let is_kept = match c {
            '.' => plain(at.checked_sub(1)) && plain(Some(at + 1)) && &task[at..] != ".lock",
            '-' | '_' => at > 0,
            _ => c.is_alphanumeric() && !(at == 0 && RESERVED.contains(&task)),
        };
        if is_kept {
            out.push(c);
        } else {
            let mut buffer = [0; 4];
            for byte in c.encode_utf8(&mut buffer).bytes() {
                out.push_str(&format!("%{byte:02x}"));
            }
        }
    }
    if out.len() > COMPONENT_BYTES || out.is_empty() {
        let mut end = out.len().min(COMPONENT_BYTES - 20);
        while !out.is_char_boundary(end) {
            end -= 1;
        }
        out.truncate(end);
        // No encoded character looks like this.
        out.push_str(&format!("%-{}", &Digest::of(bytes).to_hex()[..16]));
    }
    out
}

/// Commits the files of a task and puts its branch there; the objects are durable before the branch is moved. Doing it twice
/// is harmless. A branch that a person has checked out, or has put a commit of their own on, is left alone: the task's next
/// branch (`<task>%_2`) is taken instead.
pub fn commit_task(order: &TaskCommit) -> Result<String, Error> {
    let repository = open(&order.base_dir)?;
    let tree = tree_named(&repository, &order.tree)?;
    let parents = order.parents.iter().map(|id| commit_named(&repository, id)).collect::<Result<Vec<_>, _>>()?;
    let commit = commit_by(&repository, &order.author, tree, &parents, &order.message, order.time)?;
    let known =
        parents.iter().map(|id| Ok(repository.find_commit(*id)?.tree_id())).collect::<Result<Vec<_>, Error>>()?;
    let mut new = threeway::added(&repository, tree, &known)?;
    new.push(commit);
    checkpoint::sync_objects(&repository, &new)?;
    let branch = of_task(&order.project, &order.task);
    for number in 1..=BRANCHES_PER_TASK {
        let name = if number == 1 { branch.clone() } else { format!("{branch}%_{number}") };
        let found = target_of(&repository, &name)?;
        if found == Some(commit) {
            return Ok(commit.to_string());
        }
        let is_free = match found {
            None => true,
            Some(found) => is_ours(&repository.find_commit(found)?) && !is_checked_out(&repository, &name),
        };
        if is_free && move_ref(&repository, &name, found, commit)? {
            return Ok(commit.to_string());
        }
    }
    Err(Error::BranchTaken(branch))
}

/// The tree that `text` names in hexadecimal.
pub(super) fn tree_named(repository: &Repository, text: &str) -> Result<git2::Oid, Error> {
    let missing = || Error::NoSuchTree(text.to_owned());
    let id = git2::Oid::from_str(text).map_err(|_| missing())?;
    Ok(repository.find_tree(id).map_err(|_| missing())?.id())
}

/// Removes the branches of tasks whose commits are in the integration branch. All others stay: nothing is lost.
pub(super) fn remove_merged(repository: &Repository, project: &ProjectId) -> Result<(), Error> {
    let (prefix, integration, result) = (prefix(project), integration(project), result(project));
    let Some(merged) = target_of(repository, &integration)? else { return Ok(()) };
    for reference in repository.references_glob(&format!("{prefix}*"))? {
        let mut reference = reference?;
        let name = String::from_utf8_lossy(reference.name_bytes()).into_owned();
        if name == integration || name == result || is_checked_out(repository, &name) {
            continue;
        }
        let Some(task) = reference.target() else { continue };
        if task == merged || repository.graph_descendant_of(merged, task)? {
            past_stale_lock(repository, &name, || reference.delete())?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn any_name_is_a_branch_and_no_two_are_one() {
        let long = "x".repeat(300);
        let hostile = [
            "a",
            "A-b_c",
            "v1.2",
            "..",
            ".",
            "a..b",
            "a.lock",
            "a%2elock",
            ".hidden",
            "x.",
            "@",
            "@{",
            "a@{1}",
            "-x",
            "a b",
            "a/b",
            "a\\b",
            "tab\t",
            "nul\0",
            "~^:?*[",
            "integration",
            "result",
            "%69ntegration",
            "größe",
            "日本",
            "\u{7f}",
            "\u{202e}x",
            "",
            "a\n",
            "HEAD",
            "ai/generated",
            &long,
            &format!("{long}y"),
            "é",
            "e\u{301}",
        ];
        let project = ProjectId::new("p").unwrap();
        let branches: BTreeSet<String> = hostile.iter().map(|name| of_task(&project, name)).collect();
        assert_eq!(branches.len(), hostile.len());
        for branch in &branches {
            assert!(git2::Reference::is_valid_name(branch), "{branch}");
            assert!(git2::Reference::is_valid_name(&format!("{branch}%_2")), "{branch}");
            assert_eq!(branch.matches('/').count(), 5, "{branch}");
            assert!(branch.rsplit('/').next().unwrap().len() < 250, "{branch}");
            assert!(![integration(&project), result(&project)].contains(branch));
        }
        assert_eq!(of_task(&project, "v1.2"), "refs/heads/ai/generated/p/v1.2");
    }
}
