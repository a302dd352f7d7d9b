//! What the integration branch contains, in memory: its first-parent commits in order, and which of them brought each commit in.
//!
//! "Is this commit merged, and by which merge" and "where did this task leave the branch" are asked for each merge; git would
//! walk the history each time. The truth is the repository: [`Line::follow`] reads whatever is not known yet.

use std::collections::{BTreeSet, HashMap};

use git2::{Oid, Repository};

use super::super::error::Error;
use crate::domain::limits;

/// The integration branch as far as it was read.
#[derive(Debug)]
pub(super) struct Line {
    /// First parents, the oldest first: the project's base commit, or a root.
    commits: Vec<Oid>,
    /// For each of them, the commits that came in with it, itself included.
    brought: Vec<Vec<Oid>>,
    /// The position that each commit came in with.
    positions: HashMap<Oid, usize>,
}

/// The commits that lie between a commit and the line.
#[derive(Debug, Default)]
pub(super) struct Ancestry {
    /// Those that are not in the line, the commit itself included.
    pub new: Vec<Oid>,
    /// Those of the line that they start from.
    pub from: BTreeSet<Oid>,
    /// The search gave up, or came to a root: `from` may lack something.
    pub is_partial: bool,
}

impl Line {
    /// A branch that is at `base`.
    pub fn new(base: Oid) -> Self {
        Self { commits: vec![base], brought: vec![vec![base]], positions: HashMap::from([(base, 0)]) }
    }

    pub fn len(&self) -> usize {
        self.commits.len()
    }

    /// The newest commit.
    pub fn head(&self) -> Oid {
        *self.commits.last().expect("a line begins with a commit and is never emptied")
    }

    /// The commit at a position.
    pub fn at(&self, position: usize) -> Option<Oid> {
        self.commits.get(position).copied()
    }

    /// The position at which `commit` came in.
    pub fn position(&self, commit: Oid) -> Option<usize> {
        self.positions.get(&commit).copied()
    }

    /// The branch moves to `commit`, which brings `brought` with it.
    pub fn push(&mut self, commit: Oid, mut brought: Vec<Oid>) {
        let position = self.commits.len();
        brought.push(commit);
        brought.retain(|id| !self.positions.contains_key(id));
        self.positions.extend(brought.iter().map(|id| (*id, position)));
        self.commits.push(commit);
        self.brought.push(brought);
    }

    /// Forgets all but the first `length` commits; at least one stays.
    pub fn truncate(&mut self, length: usize) {
        let length = length.max(1);
        self.commits.truncate(length);
        for brought in self.brought.drain(length.min(self.brought.len())..) {
            for id in brought {
                self.positions.remove(&id);
            }
        }
    }

    /// Makes the line end at `head`, whoever moved the branch there.
    pub fn follow(&mut self, repository: &Repository, head: Oid) -> Result<(), Error> {
        let mut newer = Vec::new();
        let mut next = Some(head);
        while let Some(id) = next {
            if let Some(position) = self.position(id).filter(|position| self.at(*position) == Some(id)) {
                self.truncate(position + 1);
                next = None;
                continue;
            }
            newer.push(id);
            next = repository.find_commit(id)?.parent_ids().next();
            if next.is_none() {
                // A history that does not begin where the project did.
                newer.pop();
                *self = Self::new(id);
            }
        }
        for commit in newer.into_iter().rev() {
            let ancestry = self.ancestry(repository, commit)?;
            self.push(commit, ancestry.new);
        }
        Ok(())
    }

    /// What lies between `commit` and the line.
    pub fn ancestry(&self, repository: &Repository, commit: Oid) -> Result<Ancestry, Error> {
        let mut found = Ancestry::default();
        let mut seen = BTreeSet::from([commit]);
        let mut open = vec![commit];
        while let Some(id) = open.pop() {
            if self.positions.contains_key(&id) {
                found.from.insert(id);
                continue;
            }
            if found.new.len() >= limits::MERGE_ANCESTRY {
                found.is_partial = true;
                return Ok(found);
            }
            found.new.push(id);
            let commit = repository.find_commit(id)?;
            found.is_partial |= commit.parent_count() == 0;
            open.extend(commit.parent_ids().filter(|parent| seen.insert(*parent)));
        }
        Ok(found)
    }

    /// The only nearest common ancestor of the head and a commit with this ancestry, when that is plain: one commit, or one of
    /// the branch's own that came in after all others were in.
    pub fn only_base(&self, ancestry: &Ancestry) -> Option<Oid> {
        if ancestry.is_partial {
            return None;
        }
        let newest = *ancestry.from.iter().max_by_key(|id| (self.position(**id), self.is_first_parent(**id)))?;
        (ancestry.from.len() == 1 || self.is_first_parent(newest)).then_some(newest)
    }

    fn is_first_parent(&self, commit: Oid) -> bool {
        self.position(commit).is_some_and(|position| self.at(position) == Some(commit))
    }
}
