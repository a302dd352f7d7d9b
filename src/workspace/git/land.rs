//! What a project made becomes part of a branch of the user's: the only place that moves one.
//!
//! It moves by compare-and-swap and only forward: to the integration commit, or to a merge commit when the branch has gone on
//! by itself and the two merge cleanly. A branch that any work tree has checked out is not moved, for its files would then
//! look changed; nor is one with which there is a conflict. Then the user is told what to type.
//!
//! Where it was before is noted under the project's own references before it moves, so that a landing whose engine died in its
//! middle still knows it: `land_back` moves the branch there again, as long as nobody has built on what landed.

use std::path::PathBuf;

use git2::{ErrorCode, Oid, Repository};

use super::error::Error;
use super::repo::{commit_named, commit_tree, is_checked_out, open, past_stale_lock, swap_ref, sync_ref, target_of};
use super::threeway::{self, Merge};
use super::{branches, checkpoint};
use crate::domain::ids::{Digest, ProjectId};
use crate::domain::limits;
use crate::domain::time::Millis;

/// What is to land, all of it from the journal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LandOrder {
    /// The folder that the project was started for.
    pub base_dir: PathBuf,
    /// The project.
    pub project: ProjectId,
    /// The user's branch, without `refs/heads/`.
    pub branch: String,
    /// The integration commit.
    pub commit: String,
    /// The message of a merge commit, should one be needed.
    pub message: String,
    /// Its time.
    pub time: Millis,
}

/// What became of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Landed {
    /// The user's branch.
    pub branch: String,
    /// The commit it was at; when it had landed before, the branch's side of the merge, if there was one.
    pub from: Option<String>,
    /// The commit it is at, or would be.
    pub to: String,
    /// Whether the branch contains the commit now.
    pub moved: bool,
    /// Why not, and the command that does it by hand.
    pub why_not: Option<String>,
}

/// Lands a commit. Doing it twice is harmless: a branch that contains the commit is left as it is, whoever has moved it. `notes` is
/// where the project has references of its own.
pub(super) fn land(order: &LandOrder, notes: &str) -> Result<Landed, Error> {
    let repository = open(&order.base_dir)?;
    let commit = commit_named(&repository, &order.commit)?;
    let name = branch_named(order)?;
    let note = note_of(order, notes);
    for _ in 0..limits::MERGE_REBUILDS {
        let Some(head) = target_of(&repository, &name)? else {
            return Err(Error::NoSuchBranch(order.branch.clone()));
        };
        let landed = |to: Oid| Landed {
            branch: order.branch.clone(),
            from: Some(head.to_string()),
            to: to.to_string(),
            moved: true,
            why_not: None,
        };
        if head == commit || repository.graph_descendant_of(head, commit)? {
            let (from, to) = adopted(&repository, head, commit)?;
            let from = if from.is_none() && to == commit { target_of(&repository, &note)? } else { from };
            return Ok(Landed { from: from.map(|id| id.to_string()), ..landed(to) });
        }
        let refused = |why: &str| -> Result<Landed, Error> {
            let command = command(&repository, order, head, commit)?;
            let why_not = Some(format!("{why}; type: {command}"));
            Ok(Landed { moved: false, why_not, ..landed(commit) })
        };
        if is_checked_out(&repository, &name) {
            return refused(&format!("branch {} is checked out", order.branch));
        }
        let to = if repository.graph_descendant_of(commit, head)? {
            commit
        } else {
            match threeway::commits(&repository, head, commit)? {
                Merge::Clean(tree) => merge_commit(&repository, order, tree, head, commit)?,
                Merge::Conflict(paths) => {
                    return refused(&format!("{} changed the same places: {}", order.branch, paths.join(", ")));
                }
            }
        };
        past_stale_lock(&repository, &note, || repository.reference(&note, head, true, "wfctl"))?;
        sync_ref(&repository, &note)?;
        match swap_ref(&repository, &name, Some(head), to) {
            Ok(true) => {
                sync_ref(&repository, &name)?;
                return Ok(landed(to));
            }
            Ok(false) => {}
            // Its owner is at work on it; that lock is not ours to break.
            Err(error) if error.code() == ErrorCode::Locked => {
                return refused(&format!("branch {} is locked by another git", order.branch));
            }
            Err(error) => return Err(error.into()),
        }
    }
    Err(Error::Moving(name))
}

/// Takes a landing back: the branch goes from the commit of the order to `from`, where it was before. Only that very move is made
/// undone; a branch that has gone on since is left alone. Doing it twice is harmless.
pub fn land_back(order: &LandOrder, from: Option<&str>) -> Result<Landed, Error> {
    let repository = open(&order.base_dir)?;
    let landed = commit_named(&repository, &order.commit)?;
    let name = branch_named(order)?;
    let outcome = |moved: bool, to: Oid, why_not: Option<String>| Landed {
        branch: order.branch.clone(),
        from: Some(landed.to_string()),
        to: to.to_string(),
        moved,
        why_not,
    };
    let Some(before) = from else {
        let why = format!("branch {} had it before, or where it was is not known", order.branch);
        return Ok(outcome(false, landed, Some(why)));
    };
    let before = commit_named(&repository, before)?;
    let Some(head) = target_of(&repository, &name)? else {
        return Err(Error::NoSuchBranch(order.branch.clone()));
    };
    let refused = |why: &str, command: String| {
        Ok(outcome(false, head, Some(format!("branch {} {why}; type: {command}", order.branch))))
    };
    if head == before {
        return Ok(outcome(true, before, None));
    }
    if head != landed {
        let commit = repository.find_commit(landed)?;
        let revert = match commit.parent_ids().next() == Some(before) {
            true if commit.parent_count() == 1 => format!("git revert --no-edit {landed}"),
            true => format!("git revert --no-edit -m 1 {landed}"),
            // All that was merged one by one, the latest first.
            false => format!("git revert --no-edit -m 1 $(git rev-list --first-parent {before}..{landed})"),
        };
        return refused("has gone on since", revert);
    }
    if is_checked_out(&repository, &name) {
        return refused("is checked out", format!("git reset --keep {before}"));
    }
    match swap_ref(&repository, &name, Some(landed), before) {
        Ok(true) => {
            sync_ref(&repository, &name)?;
            Ok(outcome(true, before, None))
        }
        Ok(false) => Err(Error::Moving(name)),
        Err(error) if error.code() == ErrorCode::Locked => {
            refused("is locked by another git", format!("git branch --force {} {before}", order.branch))
        }
        Err(error) => Err(error.into()),
    }
}

fn branch_named(order: &LandOrder) -> Result<String, Error> {
    let name = format!("refs/heads/{}", order.branch);
    if git2::Reference::is_valid_name(&name) { Ok(name) } else { Err(Error::NoSuchBranch(order.branch.clone())) }
}

/// The reference that says where the branch was before this commit landed on it.
fn note_of(order: &LandOrder, notes: &str) -> String {
    let what = format!("{}\0{}", order.branch, order.commit);
    format!("{notes}landed-{}", &Digest::of(what.as_bytes()).to_hex()[..32])
}

fn merge_commit(repository: &Repository, order: &LandOrder, tree: Oid, head: Oid, commit: Oid) -> Result<Oid, Error> {
    let merge = commit_tree(repository, tree, &[head, commit], &order.message, order.time)?;
    let tree_of = |id: Oid| Ok::<_, Error>(repository.find_commit(id)?.tree_id());
    let mut objects = threeway::added(repository, tree, &[tree_of(head)?, tree_of(commit)?])?;
    objects.push(merge);
    checkpoint::sync_objects(repository, &objects)?;
    Ok(merge)
}

/// How the commit came into a branch that contains it: the merge that has it as second parent, if it is that.
fn adopted(repository: &Repository, head: Oid, commit: Oid) -> Result<(Option<Oid>, Oid), Error> {
    let mut next = repository.find_commit(head)?;
    for _ in 0..limits::MERGE_ANCESTRY {
        if next.id() == commit || next.parent_count() == 0 {
            break;
        }
        let parents: Vec<Oid> = next.parent_ids().collect();
        if parents.get(1) == Some(&commit) {
            return Ok((Some(parents[0]), next.id()));
        }
        next = next.parent(0)?;
    }
    Ok((None, if next.id() == commit { commit } else { head }))
}

/// The command that does it by hand, naming a branch that has these files if there is one.
fn command(repository: &Repository, order: &LandOrder, head: Oid, commit: Oid) -> Result<String, Error> {
    let tree = repository.find_commit(commit)?.tree_id();
    let mut target = (commit, commit.to_string());
    for branch in [branches::integration(&order.project), branches::result(&order.project)] {
        if let Some(at) = target_of(repository, &branch)?
            && repository.find_commit(at)?.tree_id() == tree
        {
            target = (at, branch.trim_start_matches("refs/heads/").to_owned());
        }
    }
    let is_forward = repository.graph_descendant_of(target.0, head)?;
    Ok(format!("git merge {}{}", if is_forward { "--ff-only " } else { "" }, target.1))
}
