//! A fork's share of the trees of the project that it was forked from: references of its own, so that neither the end of the
//! other one nor git's garbage collection takes them away.

use git2::{ObjectType, Oid, Repository, TreeWalkMode, TreeWalkResult};

use super::checkpoint;
use super::error::Error;
use super::merge::History;
use super::repo::{past_stale_lock, ref_component};
use crate::domain::ids::ProjectId;
use crate::domain::project::RecordedTree;

/// What a fork takes over.
#[derive(Debug, Clone)]
pub struct Adoption {
    /// The project that it was forked from.
    pub from: ProjectId,
    /// The fork.
    pub to: ProjectId,
    /// The commit that both start from.
    pub base_commit: Option<String>,
    /// The trees that its records name, in the order they were made.
    pub trees: Vec<RecordedTree>,
    /// The head of the integration branch that its records name.
    pub integration: Option<String>,
}

/// Makes the fork's references. `from` and `to` are where those of the two are. Doing it twice is harmless.
pub(super) fn adopt(
    repository: &Repository,
    adoption: &Adoption,
    base: Oid,
    from: &str,
    to: &str,
) -> Result<(), Error> {
    let history = History { repository, prefix: to, base };
    let mut made = Vec::new();
    for RecordedTree { tree, from: origin } in &adoption.trees {
        let id = Oid::from_str(tree).map_err(|_| Error::NoSuchTree(tree.clone()))?;
        if let Ok(commit) = repository.refname_to_id(&format!("{from}{id}")) {
            // It protects all that the tree has.
            keep(repository, &format!("{to}{id}"), commit)?;
            continue;
        }
        whole(repository, id)?;
        let parent = match origin {
            Some(origin) => history.commit_of(origin)?,
            None => base,
        };
        made.push(history.remember(id, &[parent])?);
    }
    if let Some(commit) = &adoption.integration {
        let missing = || Error::NoSuchCommit(commit.clone());
        let id = Oid::from_str(commit).map_err(|_| missing())?;
        whole(repository, repository.find_commit(id).map_err(|_| missing())?.tree_id())?;
        let branch = format!("refs/heads/ai/generated/{}/integration", ref_component(adoption.to.as_str()));
        if repository.find_reference(&branch).is_err() {
            keep(repository, &branch, id)?;
        }
    }
    checkpoint::sync_objects(repository, &made)
}

fn keep(repository: &Repository, name: &str, commit: Oid) -> Result<(), Error> {
    past_stale_lock(repository, name, || repository.reference(name, commit, true, "fork"))?;
    Ok(())
}

/// Checks that nothing of a tree that no reference protects is gone.
fn whole(repository: &Repository, tree: Oid) -> Result<(), Error> {
    let gone = || Error::NoSuchTree(tree.to_string());
    let objects = repository.odb()?;
    let mut is_whole = true;
    let walked = repository.find_tree(tree).map_err(|_| gone())?.walk(TreeWalkMode::PreOrder, |_, entry| {
        // The commit of a submodule is in another repository.
        is_whole &= entry.kind() == Some(ObjectType::Commit) || objects.exists(entry.id());
        if is_whole { TreeWalkResult::Ok } else { TreeWalkResult::Abort }
    });
    // A walk that was cut short, or that met a folder which is gone, is an error of its own.
    if is_whole && walked.is_ok() { Ok(()) } else { Err(gone()) }
}
