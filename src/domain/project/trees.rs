//! How files flow in a worktree project: a task starts from the merge of what its needs produced, and produces one tree.
//!
//! A task that ran no command passes on what it was given. A phase starts from what the phases before it produced.

use std::collections::BTreeSet;

use crate::domain::ids::TaskIx;
use crate::domain::machine::TaskStatus;

use super::state::{Origin, Project};

impl Project {
    /// The trees that a task starts from, in a fixed order.
    pub(super) fn input_trees(&self, ix: TaskIx) -> Vec<String> {
        if !self.tracks_trees() {
            return Vec::new();
        }
        let task = self.task(ix);
        // What was merged is in the head of the integration branch; everything begins from there.
        let head = self.core.integration.as_ref().map(|head| &head.tree);
        let from_needs = |needs: &[TaskIx]| -> Vec<String> {
            let trees: BTreeSet<&String> = needs.iter().flat_map(|need| self.trees_of(*need)).chain(head).collect();
            trees.into_iter().cloned().collect()
        };
        match task.origin {
            Origin::Item { .. } if !task.needs.is_empty() => from_needs(&task.needs),
            Origin::Item { of, .. } => self.input_trees(of),
            Origin::Branch { of, .. } => self.input_trees(of),
            Origin::Undo { of } if self.task(of).status == TaskStatus::Completed => match (self.trees_of(of), head) {
                // What it did was merged: it is taken back on the branch.
                ([], Some(head)) => vec![head.clone()],
                (own, _) => own.to_vec(),
            },
            Origin::Undo { of } => self.trees_after_action(of),
            Origin::Declared(_) | Origin::Added if task.needs.is_empty() => {
                let trees: BTreeSet<&String> = self.core.carried_trees.iter().chain(head).collect();
                trees.into_iter().cloned().collect()
            }
            Origin::Declared(_) | Origin::Added => from_needs(&task.needs),
        }
    }

    /// What a task that is completing hands on.
    pub(super) fn result_trees(&self, ix: TaskIx) -> Vec<String> {
        if !self.tracks_trees() {
            return Vec::new();
        }
        let task = self.task(ix);
        if task.more.as_ref().is_some_and(|more| more.items.is_some()) {
            let trees: BTreeSet<&String> = task.items().flat_map(|item| self.trees_of(item)).collect();
            return trees.into_iter().cloned().collect();
        }
        if task.spec.merge {
            return Vec::new();
        }
        let own = task.steps().iter().rev().find_map(|step| step.outcome.as_ref().and_then(|done| done.tree.clone()));
        let pinned = task.more.as_ref().and_then(|more| more.pinned.as_ref());
        match (own, pinned) {
            // It has changed nothing: the head of the integration branch says it all.
            (Some(tree), Some(pinned)) if pinned.commit.is_some() && pinned.trees == [tree.clone()] => Vec::new(),
            (Some(tree), _) => vec![tree],
            // The head is added wherever it is needed; what was not merged is passed on.
            (None, _) => {
                let head = self.core.integration.as_ref().map(|head| &head.tree);
                self.input_trees(ix).into_iter().filter(|tree| Some(tree) != head).collect()
            }
        }
    }

    /// The files as the action of a task left them: what its validations see.
    pub(super) fn trees_after_action(&self, ix: TaskIx) -> Vec<String> {
        let action = self.task(ix).steps().first().and_then(|step| step.outcome.as_ref());
        match action.and_then(|outcome| outcome.tree.clone()) {
            Some(tree) => vec![tree],
            None => self.start_trees(ix),
        }
    }

    /// What the present attempt of a task starts from.
    pub(super) fn start_trees(&self, ix: TaskIx) -> Vec<String> {
        let pinned = self.task(ix).more.as_ref().and_then(|more| more.pinned.as_ref());
        pinned.map_or_else(|| self.input_trees(ix), |pinned| pinned.trees.clone())
    }

    fn trees_of(&self, ix: TaskIx) -> &[String] {
        self.task(ix).more.as_ref().map_or(&[], |more| &more.trees)
    }

    /// The trees of all tasks that nothing needs: what a phase, or the project, produced.
    pub fn outcome_trees(&self) -> Vec<String> {
        let sinks = self
            .core
            .tasks
            .iter()
            .filter(|task| !task.retired && task.dependents.is_empty() && task.status == TaskStatus::Completed);
        let head = self.core.integration.as_ref().map(|head| &head.tree);
        let own = sinks.flat_map(|task| task.more.iter().flat_map(|more| &more.trees));
        let trees: BTreeSet<&String> = own.chain(head).collect();
        trees.into_iter().cloned().collect()
    }

    /// What a comparison is made of: the trees that a task's last attempt started from and the one that it `left` its files in;
    /// without a task, what the project began from (nothing: its base commit) and all that it made. `None`: no files yet.
    pub fn compared_trees(&self, task: Option<TaskIx>, left: Option<String>) -> Option<(Vec<String>, Vec<String>)> {
        if !self.tracks_trees() {
            return None;
        }
        let Some(ix) = task else { return Some((Vec::new(), self.outcome_trees())) };
        left.map(|tree| (self.start_trees(ix), vec![tree]))
    }

    /// The same without the head of the integration branch, which goes on while later phases run.
    fn unmerged_trees(&self) -> Vec<String> {
        let head = self.core.integration.as_ref().map(|head| &head.tree);
        self.outcome_trees().into_iter().filter(|tree| Some(tree) != head).collect()
    }

    /// At the end of a phase: the next one starts from what this one made.
    pub(super) fn carry_trees(&mut self) {
        if self.tracks_trees() && self.core.phase.is_some() {
            let trees = self.unmerged_trees();
            if !trees.is_empty() {
                self.core.carried_trees = trees;
            }
        }
    }
}
