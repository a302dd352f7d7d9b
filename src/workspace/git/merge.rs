//! The history of a project's trees, and their three-way merge in the object store.
//!
//! Each checkpoint is remembered as a commit of our own whose parents are the commits of the trees that its step started from,
//! under `refs/wfctl/<home>/<project>/<tree>`. That keeps it from garbage collection, and lets a merge find the nearest common
//! ancestor: what two tasks both inherited from a third is no conflict. These commits are never on any branch.

use git2::{Oid, Repository};

use super::error::Error;
use super::repo::{commit_tree, past_stale_lock};
use super::threeway::{self, Merge};
use crate::domain::time::Millis;

/// The trees of one project in one repository.
pub(super) struct History<'r> {
    pub repository: &'r Repository,
    /// `refs/wfctl/<home>/<project>/`.
    pub prefix: &'r str,
    /// The commit that the project starts from.
    pub base: Oid,
}

impl History<'_> {
    /// The commit that stands for `tree`.
    pub fn commit_of(&self, tree: &str) -> Result<Oid, Error> {
        let id = Oid::from_str(tree).map_err(|_| Error::NoSuchTree(tree.to_owned()))?;
        if self.repository.find_commit(self.base)?.tree_id() == id {
            return Ok(self.base);
        }
        if let Ok(known) = self.repository.refname_to_id(&format!("{}{id}", self.prefix)) {
            return Ok(known);
        }
        self.repository.find_tree(id).map_err(|_| Error::NoSuchTree(tree.to_owned()))?;
        self.synthetic(id, &[self.base])
    }

    /// The commits of a step's inputs: those of `trees`, or the base.
    pub fn inputs(&self, trees: &[String]) -> Result<Vec<Oid>, Error> {
        if trees.is_empty() {
            return Ok(vec![self.base]);
        }
        trees.iter().map(|tree| self.commit_of(tree)).collect()
    }

    /// Remembers `tree` as made from `parents`. The first origin of a tree stays.
    pub fn remember(&self, tree: Oid, parents: &[Oid]) -> Result<Oid, Error> {
        if self.repository.find_commit(self.base)?.tree_id() == tree {
            return Ok(self.base);
        }
        let name = format!("{}{tree}", self.prefix);
        if let Ok(known) = self.repository.refname_to_id(&name) {
            return Ok(known);
        }
        let commit = self.synthetic(tree, parents)?;
        past_stale_lock(self.repository, &name, || self.repository.reference(&name, commit, true, "checkpoint"))?;
        Ok(commit)
    }

    /// The tree of all `commits` merged, in their order.
    pub fn merged(&self, commits: &[Oid]) -> Result<Oid, Error> {
        let mut merged = *commits.first().unwrap_or(&self.base);
        for other in commits.iter().skip(1) {
            merged = self.merged_pair(merged, *other)?;
        }
        Ok(self.repository.find_commit(merged)?.tree_id())
    }

    fn merged_pair(&self, ours: Oid, theirs: Oid) -> Result<Oid, Error> {
        if ours == theirs || self.repository.graph_descendant_of(ours, theirs)? {
            return Ok(ours);
        }
        if self.repository.graph_descendant_of(theirs, ours)? {
            return Ok(theirs);
        }
        let tree = match threeway::commits(self.repository, ours, theirs)? {
            Merge::Clean(tree) => tree,
            Merge::Conflict(paths) => return Err(Error::Conflict(paths)),
        };
        self.synthetic(tree, &[ours, theirs])
    }

    fn synthetic(&self, tree: Oid, parents: &[Oid]) -> Result<Oid, Error> {
        let mut distinct: Vec<Oid> = Vec::new();
        for parent in parents {
            if !distinct.contains(parent) {
                distinct.push(*parent);
            }
        }
        commit_tree(self.repository, tree, &distinct, "wfctl checkpoint", Millis(0))
    }
}
