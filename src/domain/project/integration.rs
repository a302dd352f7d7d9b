//! The integration branch as the journal knows it: what attempts begin from, what a merge is asked for, what it answered.
//!
//! A task with `merge: true` has one more step behind its validations: the merge queue puts its files on the branch. The
//! record of that step's outcome and the task's completion are one commit, so "completed" and "reachable" are one transition.

use serde::{Deserialize, Serialize};

use crate::domain::effect::{LandOrder, LandedBefore, MergeOrder};
use crate::domain::event::StepOutcome;
use crate::domain::failure::{Failure, FailureClass};
use crate::domain::ids::{StepIx, TaskIx};
use crate::domain::limits;
use crate::domain::machine::{Phase, TaskStatus};
use crate::domain::payload::{Payload, PayloadSource};
use crate::domain::time::Millis;
use crate::domain::workflow::{Action, WorkspaceKind};

use super::state::{Feedback, Integration, Origin, Pinned, Project, Task};

/// What the merge queue answers: the value of a merge step.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Merged {
    /// The task's own commit.
    pub commit: String,
    /// The head of the integration branch that contains it.
    pub integration: String,
    /// That head's tree.
    pub tree: String,
    /// How many merges made it.
    pub position: u64,
}

/// The answer of a merge queue, or why it is none.
pub(super) fn merged_of(payload: &Payload, vault: &dyn PayloadSource) -> Result<Merged, String> {
    let text = vault.read(payload).map_err(|error| error.to_string())?;
    serde_json::from_slice(&text).map_err(|error| format!("no answer of a merge: {error}"))
}

impl Project {
    /// Whether a step of a task is its merge: the one behind its last validation.
    pub(super) fn is_merge_step(&self, ix: TaskIx, step: StepIx) -> bool {
        self.merges(ix) && step.0 as usize == self.task(ix).spec.validate.len() + 1
    }

    /// Whether a task is completed by its merge alone.
    pub(super) fn merges(&self, ix: TaskIx) -> bool {
        self.task(ix).spec.merge && self.tracks_trees()
    }

    /// How many mergers the work behind a conflict has had: those of the task, and those of the mergers on the way to it.
    pub(super) fn mergers_so_far(&self, ix: TaskIx) -> u32 {
        let (mut at, mut count) = (ix, 0);
        loop {
            let task = self.task(at);
            let more = task.more.as_deref();
            count += more.map_or(0, |more| more.mergers);
            match task.origin {
                Origin::Branch { of, .. } if more.is_some_and(|more| more.merges_for) => at = of,
                Origin::Branch { .. }
                | Origin::Declared(_)
                | Origin::Added
                | Origin::Item { .. }
                | Origin::Undo { .. } => {
                    return count;
                }
            }
        }
    }

    /// Whether a failure is the conflict of a task's work with the integration branch.
    pub(super) fn is_merge_conflict(&self, ix: TaskIx, failure: &Failure) -> bool {
        let last = self.task(ix).steps().last();
        failure.class == FailureClass::Conflict && last.is_some_and(|step| self.is_merge_step(ix, step.ix))
    }

    /// What a new attempt begins from. A resumed one keeps what it began from, however far the branch has gone since.
    pub(super) fn pin(&self, ix: TaskIx) -> Option<Pinned> {
        let task = self.task(ix);
        let by_queue = task.spec.merge || matches!(task.spec.action, Action::Agent(_));
        if let Some(failed) = self.failed_work(ix) {
            return Some(failed);
        }
        (self.tracks_trees() && (by_queue || self.core.integration.is_some())).then(|| Pinned {
            commit: self.core.integration.as_ref().map(|head| head.commit.clone()),
            trees: self.input_trees(ix),
        })
    }

    /// What a branch that merges its repair begins from: the files as the failed attempt left them, on what that was built on.
    fn failed_work(&self, ix: TaskIx) -> Option<Pinned> {
        let task = self.task(ix);
        let Origin::Branch { of, .. } = task.origin else { return None };
        let merges_for = task.more.as_ref().is_some_and(|more| more.merges_for);
        let pinned = self.task(of).more.as_ref().and_then(|more| more.pinned.as_ref());
        let pinned = pinned.filter(|_| task.spec.merge && !merges_for && self.tracks_trees())?;
        Some(Pinned { commit: pinned.commit.clone(), trees: self.trees_after_action(of) })
    }

    /// The commit that the work of the present attempt is built on. Before it has begun: what it would be.
    pub(super) fn built_on(&self, ix: TaskIx) -> Option<String> {
        let task = self.task(ix);
        let goes_on = task.more.as_ref().is_some_and(|more| more.interrupted) || task.status != TaskStatus::Ready;
        let pinned = task.more.as_ref().and_then(|more| more.pinned.as_ref()).filter(|_| goes_on);
        let head = || match self.failed_work(ix) {
            Some(failed) => failed.commit,
            None => self.core.integration.as_ref().map(|head| head.commit.clone()),
        };
        let commit = pinned.map_or_else(head, |pinned| pinned.commit.clone());
        commit.or_else(|| self.created.base_commit.clone())
    }

    /// What the merge queue is asked for.
    pub(super) fn merge_order(&self, ix: TaskIx, vault: &dyn PayloadSource) -> MergeOrder {
        let task = self.task(ix);
        let base = self.built_on(ix);
        let tree = match self.trees_after_action(ix).as_slice() {
            [only] => Some(only.clone()),
            _ => None,
        };
        MergeOrder {
            task: task.name.to_string(),
            tree,
            base,
            resolves: self.resolves(ix, vault),
            message: self.commit_message(ix, vault).unwrap_or_else(|| task.name.to_string()),
            author: match &task.spec.action {
                Action::Agent(agent) => agent.role.clone(),
                other => other.keyword().to_owned(),
            },
            time: task.first_started.unwrap_or(self.created_at),
            gates: self.definition.merge.gates.clone(),
            checks: self.definition.merge.checks,
            batch: self.definition.merge.batch,
        }
    }

    /// What the agent says of its work, in a field that its signature has for it.
    fn commit_message(&self, ix: TaskIx, vault: &dyn PayloadSource) -> Option<String> {
        let outcome = self.task(ix).steps().first()?.outcome.as_ref()?;
        let answer = vault.read(outcome.result.as_ref().ok()?).ok()?;
        let answer: serde_json::Value = serde_json::from_slice(&answer).ok()?;
        let message = answer.get("commit_message")?.as_str()?.trim();
        (!message.is_empty()).then(|| super::task_flow::cut(message.to_owned(), limits::COMMENT_BYTES))
    }

    /// The work whose conflict a task resolves.
    pub(super) fn resolves(&self, ix: TaskIx, vault: &dyn PayloadSource) -> Option<Box<MergeOrder>> {
        let Origin::Branch { of, .. } = self.task(ix).origin else { return None };
        self.task(ix).more.as_ref().filter(|more| more.merges_for)?;
        Some(Box::new(self.merge_order(of, vault)))
    }

    /// What is landed: the head of the integration branch.
    pub(super) fn land_order(&self, ix: TaskIx, into: String, now: Millis) -> Result<LandOrder, Failure> {
        let head = self.core.integration.as_ref().ok_or_else(|| {
            Failure::new(FailureClass::Workspace, "there is nothing to land: no task with `merge: true` has completed")
        })?;
        // The order is made before the start of the first attempt is on record; made again, it must be the same.
        let time = self.task(ix).first_started.unwrap_or(now);
        Ok(LandOrder { into, commit: head.commit.clone(), time, back: None })
    }

    /// What takes the landing of the task `of` back.
    pub(super) fn land_back_order(&self, of: &str, vault: &dyn PayloadSource) -> Result<LandOrder, Failure> {
        let landed = match self.find(of) {
            Some(ix) => self.output_value(ix, vault)?,
            None => serde_json::Value::Null,
        };
        let before: LandedBefore = serde_json::from_value(landed).map_err(|_| {
            Failure::new(
                FailureClass::Workspace,
                format!("there is nothing to take back: task {of} has landed nothing"),
            )
        })?;
        let (into, commit) = (before.branch.clone(), before.to.clone());
        Ok(LandOrder { into, commit, time: self.created_at, back: Some(before) })
    }

    /// The branch has moved.
    pub(super) fn apply_merged(&mut self, outcome: &StepOutcome, vault: &dyn PayloadSource) -> Result<(), String> {
        let Ok(payload) = &outcome.result else { return Ok(()) };
        let merged = merged_of(payload, vault)?;
        let head = self.core.integration.as_ref();
        // Members of a batch may be recorded in another order than they were merged in.
        if head.is_none_or(|head| head.position < merged.position) {
            let Merged { integration: commit, tree, position, .. } = merged;
            self.core.integration = Some(Integration { commit, tree, position });
        }
        Ok(())
    }

    /// Keeps what was wrong in a phase, before its tasks are reset.
    pub(super) fn remember_feedback(&mut self, from: Phase) {
        let said = |task: &&Task| {
            task.phase == from
                && !task.retired
                && (task.status == TaskStatus::Failed)
                && !matches!(task.origin, Origin::Branch { .. })
                && task.more.as_ref().is_none_or(|more| more.items.is_none())
        };
        let mut feedback: Vec<Feedback> = self
            .core
            .tasks
            .iter()
            .filter(said)
            .take(limits::FEEDBACK_TASKS)
            .map(|task| Feedback {
                phase: from,
                task: task.name.to_string(),
                message: task.failure().map(ToString::to_string).unwrap_or_default(),
                log: task.steps().last().and_then(|step| step.outcome.as_ref()).and_then(|outcome| outcome.log),
            })
            .collect();
        if let Some((_, comment)) = self.core.gate.as_ref().and_then(|gate| gate.answered.clone()) {
            feedback.push(Feedback { phase: from, task: String::new(), message: comment, log: None });
        }
        self.core.feedback = feedback;
    }

    /// Whether files flow along the edges.
    pub(super) fn tracks_trees(&self) -> bool {
        self.created.workspace == WorkspaceKind::Worktree
    }
}
