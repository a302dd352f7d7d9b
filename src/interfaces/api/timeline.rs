//! When attempts of tasks and their steps ran, and what was waited for in between: a pure fold over a project's records.

use std::collections::HashMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::fault::Fault;
use super::logs::task_of;
use crate::domain::budget::Amounts;
use crate::domain::event::{Await, Event};
use crate::domain::failure::Failure;
use crate::domain::ids::{Attempt, ProjectId, StepIx, TaskIx};
use crate::domain::limits;
use crate::domain::payload::PayloadSource;
use crate::domain::project::Project;
use crate::domain::sandbox::{Attestation, Took};
use crate::domain::time::Millis;
use crate::engine::archive::Archive;

/// The course of a project, or of one of its tasks.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Timeline {
    /// Attempts in the order they began.
    pub attempts: Vec<AttemptRow>,
    /// Waits in the order they began.
    pub waits: Vec<WaitRow>,
    /// How many older rows are left out.
    pub left_out: usize,
}

/// One attempt of a task.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct AttemptRow {
    /// The task.
    pub task: String,
    /// Its index.
    pub ix: u32,
    /// The attempt's number.
    pub attempt: u32,
    /// When it began.
    pub started: Millis,
    /// When it ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended: Option<Millis>,
    /// How it is or how it ended.
    pub end: AttemptEnd,
    /// Why it failed or is parked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failure: Option<Failure>,
    /// Its steps.
    pub steps: Vec<StepRow>,
}

/// What became of an attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AttemptEnd {
    /// It has not ended.
    Running,
    /// Its task is completed.
    Completed,
    /// It failed.
    Failed,
    /// The engine stopped in its middle; it goes on under its number.
    Interrupted,
    /// A provider of models makes it wait.
    Parked,
    /// It was stopped.
    Cancelled,
}

/// One step of an attempt.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct StepRow {
    /// Its position.
    pub step: u32,
    /// The action's word, `check` or `merge`.
    pub kind: String,
    /// When it began; of one that was taken up again, the last time.
    pub started: Millis,
    /// When it ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended: Option<Millis>,
    /// What may be done if its outcome stays unknown.
    pub effect: String,
    /// What it does, where that is short and not plain from the definition.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub shown: String,
    /// Exit code or HTTP status.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exit: Option<i32>,
    /// Execution time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub duration_ms: Option<u64>,
    /// What it used beyond the call itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub used: Option<Amounts>,
    /// The tree that it left.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tree: Option<String>,
    /// Why it failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failure: Option<Failure>,
    /// How much it wrote.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub log_bytes: Option<u64>,
    /// Of a merge: what the queue answered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub merged: Option<Value>,
    /// What its commands took of memory and processors.
    #[serde(default, skip_serializing_if = "Took::is_nothing")]
    pub took: Took,
}

/// A time in which a task, or the project, waited.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct WaitRow {
    /// The task; `None`: the project.
    pub task: Option<String>,
    /// Its index.
    pub ix: Option<u32>,
    /// What for.
    pub cause: WaitCause,
    /// Since when.
    pub since: Millis,
    /// Until when; `None`: it lasts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<Millis>,
}

/// What is waited for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WaitCause {
    /// A free worker.
    Worker,
    /// The next attempt.
    Backoff,
    /// Someone who resumes or retries: no attempt is left.
    Exhausted,
    /// A provider of models.
    Parked,
    /// A person's decision.
    Approval,
    /// A signal, or a worker outside.
    Signal,
    /// A moment.
    Time,
    /// A child project.
    Child,
    /// A decision whether a step happened.
    Doubt,
    /// A person, a budget or the disk: the whole project is held.
    Paused,
}

/// The fold.
#[derive(Debug, Default)]
struct Fold {
    only: Option<TaskIx>,
    attempts: Vec<(TaskIx, AttemptRow)>,
    waits: Vec<(Option<TaskIx>, WaitRow)>,
    /// The row of the last attempt of a task.
    last: HashMap<TaskIx, usize>,
    /// The row of the wait that a task, or the project, is in.
    open: HashMap<Option<TaskIx>, usize>,
}

impl Fold {
    fn take(&mut self, event: Event, at: Millis, source: &dyn PayloadSource) {
        let task = event.task();
        if self.only.is_some() && task.is_some() && task != self.only {
            return;
        }
        match event {
            Event::TaskReady { task } => self.wait(Some(task), WaitCause::Worker, at),
            Event::TaskStarted { task, attempt } => self.begin(task, attempt, at),
            Event::StepStarted { task, attempt, step, effect, shown, .. } => {
                let mut row = StepRow { effect: effect.name().to_owned(), shown, ..step_row(step, at) };
                if let Some(of) = self.attempt(task, attempt) {
                    // What an agent's commands took before it was interrupted was taken.
                    let before = of.steps.iter().find(|known| known.step == step.0);
                    row.took = before.map(|known| known.took).unwrap_or_default();
                    of.steps.retain(|known| known.step != step.0);
                    of.steps.push(row);
                }
            }
            Event::StepFinished { task, attempt, step, outcome } => {
                let Some(row) = self.step(task, attempt, step) else { return };
                row.ended = Some(at);
                row.exit = outcome.code;
                row.duration_ms = Some(outcome.duration_ms);
                row.used = (outcome.used != Amounts::default()).then_some(outcome.used);
                row.tree.clone_from(&outcome.tree);
                row.log_bytes = outcome.log.map(|log| log.bytes);
                row.took = row.took.and(took(outcome.ran_under.as_ref()));
                match outcome.result {
                    Ok(value) => {
                        // Small, and only looked at for merges; what each step made is the output of its task.
                        let is_small = value.bytes() <= limits::INLINE_PAYLOAD_BYTES as u64;
                        let bytes = if step.0 > 0 && is_small { source.read(&value).ok() } else { None };
                        row.merged = bytes.and_then(|bytes| serde_json::from_slice(&bytes).ok());
                    }
                    Err(failure) => row.failure = Some(failure),
                }
            }
            Event::CallFinished { task, attempt, outcome, .. } => {
                let took = took(outcome.ran_under.as_ref());
                if let Some(row) = self.attempt(task, attempt).and_then(|of| of.steps.last_mut()) {
                    row.took = row.took.and(took);
                }
            }
            Event::StepInterrupted { task, attempt, step, .. } => {
                if let Some(row) = self.step(task, attempt, step) {
                    row.ended = Some(at);
                }
                self.end(task, AttemptEnd::Interrupted, None, at);
            }
            Event::Diverged { task, .. } => self.end(task, AttemptEnd::Failed, None, at),
            Event::TaskAwaits { task, what, .. } => {
                let cause = match what {
                    Await::Approval { .. } => WaitCause::Approval,
                    Await::Signal { .. } | Await::External { .. } => WaitCause::Signal,
                    Await::Time => WaitCause::Time,
                    Await::Child { .. } | Await::Items => WaitCause::Child,
                };
                self.wait(Some(task), cause, at);
            }
            Event::TaskAnswered { task, .. } | Event::DoubtSettled { task, .. } | Event::TaskRetried { task } => {
                self.over(Some(task), at);
            }
            Event::TaskCompleted { task, .. } => self.settle(task, AttemptEnd::Completed, None, at),
            Event::TaskFailed { task, failure, .. } => self.settle(task, AttemptEnd::Failed, Some(failure), at),
            Event::TaskCancelled { task } => self.settle(task, AttemptEnd::Cancelled, None, at),
            Event::TaskSkipped { task, .. } => self.over(Some(task), at),
            Event::TaskBackoff { task, failure, .. } => {
                self.end(task, AttemptEnd::Failed, Some(failure), at);
                self.wait(Some(task), WaitCause::Backoff, at);
            }
            Event::TaskExhausted { task, failure, .. } => {
                self.end(task, AttemptEnd::Failed, Some(failure), at);
                self.wait(Some(task), WaitCause::Exhausted, at);
            }
            Event::TaskParked { task, failure, .. } => {
                self.end(task, AttemptEnd::Parked, Some(failure), at);
                self.wait(Some(task), WaitCause::Parked, at);
            }
            Event::TaskInDoubt { task, .. } => self.wait(Some(task), WaitCause::Doubt, at),
            Event::GateAsked { .. } => self.wait(None, WaitCause::Approval, at),
            Event::Held { .. } => self.wait(None, WaitCause::Paused, at),
            Event::GateAnswered { .. } | Event::Released { .. } => self.over(None, at),
            Event::Closed { .. } => {
                let open: Vec<Option<TaskIx>> = self.open.keys().copied().collect();
                open.into_iter().for_each(|of| self.over(of, at));
            }
            _ => {}
        }
    }

    fn begin(&mut self, task: TaskIx, attempt: Attempt, at: Millis) {
        self.over(Some(task), at);
        // One that was interrupted or parked goes on under its number.
        if let Some(row) = self.attempt(task, attempt) {
            (row.ended, row.end, row.failure) = (None, AttemptEnd::Running, None);
            return;
        }
        self.last.insert(task, self.attempts.len());
        let row = AttemptRow {
            task: String::new(),
            ix: task.0,
            attempt: attempt.0,
            started: at,
            ended: None,
            end: AttemptEnd::Running,
            failure: None,
            steps: Vec::new(),
        };
        self.attempts.push((task, row));
    }

    fn attempt(&mut self, task: TaskIx, attempt: Attempt) -> Option<&mut AttemptRow> {
        let at = *self.last.get(&task)?;
        self.attempts.get_mut(at).map(|(_, row)| row).filter(|row| row.attempt == attempt.0)
    }

    fn step(&mut self, task: TaskIx, attempt: Attempt, step: StepIx) -> Option<&mut StepRow> {
        self.attempt(task, attempt)?.steps.iter_mut().find(|row| row.step == step.0)
    }

    fn end(&mut self, task: TaskIx, end: AttemptEnd, failure: Option<Failure>, at: Millis) {
        let row = self.last.get(&task).and_then(|at| self.attempts.get_mut(*at)).map(|(_, row)| row);
        if let Some(row) = row.filter(|row| row.end == AttemptEnd::Running) {
            (row.end, row.failure, row.ended) = (end, failure, Some(at));
        }
    }

    fn settle(&mut self, task: TaskIx, end: AttemptEnd, failure: Option<Failure>, at: Millis) {
        self.end(task, end, failure, at);
        self.over(Some(task), at);
    }

    fn wait(&mut self, of: Option<TaskIx>, cause: WaitCause, at: Millis) {
        self.over(of, at);
        self.open.insert(of, self.waits.len());
        let row = WaitRow { task: None, ix: of.map(|task| task.0), cause, since: at, until: None };
        self.waits.push((of, row));
    }

    fn over(&mut self, of: Option<TaskIx>, at: Millis) {
        if let Some(row) = self.open.remove(&of).and_then(|row| self.waits.get_mut(row)) {
            row.1.until = Some(at);
        }
    }
}

fn step_row(step: StepIx, at: Millis) -> StepRow {
    StepRow {
        step: step.0,
        kind: String::new(),
        started: at,
        ended: None,
        effect: String::new(),
        shown: String::new(),
        exit: None,
        duration_ms: None,
        used: None,
        tree: None,
        failure: None,
        log_bytes: None,
        merged: None,
        took: Took::default(),
    }
}

fn took(ran_under: Option<&Arc<Attestation>>) -> Took {
    ran_under.map(|it| it.took).unwrap_or_default()
}

/// The course of a project, or of one task.
pub fn timeline(archive: &Archive, id: &ProjectId, task: Option<&str>) -> Result<Timeline, Fault> {
    let project = archive.load(id)?.project;
    let only = task.map(|name| task_of(&project, name)).transpose()?;
    let mut fold = Fold { only, ..Fold::default() };
    archive.visit(id, |record| fold.take(record.event, record.at, &**archive.vault()))?;
    // A wait of a moment for a worker is no news.
    fold.waits.retain(|(_, row)| row.cause != WaitCause::Worker || row.until != Some(row.since));
    let rows = fold.attempts.len() + fold.waits.len();
    let left_out = rows.saturating_sub(limits::TIMELINE_ROWS);
    let of_attempts = left_out.min(fold.attempts.len().saturating_sub(limits::TIMELINE_ROWS / 2));
    let of_waits = (left_out - of_attempts).min(fold.waits.len());
    let attempts = fold.attempts.into_iter().skip(of_attempts).map(|(ix, row)| named(row, ix, &project)).collect();
    let name = |ix: TaskIx| project.tasks().get(ix.at()).map(|task| task.name.to_string());
    let waits = fold.waits.into_iter().skip(of_waits);
    let waits = waits.map(|(of, row)| WaitRow { task: of.and_then(name), ..row }).collect();
    Ok(Timeline { attempts, waits, left_out: of_attempts + of_waits })
}

fn named(mut row: AttemptRow, ix: TaskIx, project: &Project) -> AttemptRow {
    let Some(task) = project.tasks().get(ix.at()) else { return row };
    row.task = task.name.to_string();
    let merge = task.spec.validate.len() + 1;
    for step in &mut row.steps {
        let is_merge = task.spec.merge && step.step as usize == merge;
        step.kind = match step.step {
            0 => task.spec.action.keyword(),
            _ if is_merge => "merge",
            _ => "check",
        }
        .to_owned();
        if !is_merge {
            step.merged = None;
        }
    }
    row
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::failure::FailureClass;
    use crate::domain::payload::{BlobRef, Payload, UnreadablePayload};

    struct Nothing;

    impl PayloadSource for Nothing {
        fn read_blob(&self, _: &BlobRef) -> Result<Vec<u8>, UnreadablePayload> {
            Ok(Vec::new())
        }
    }

    fn fold(events: impl IntoIterator<Item = Event>) -> Fold {
        let mut fold = Fold::default();
        (1u64..).zip(events).for_each(|(at, event)| fold.take(event, Millis(at), &Nothing));
        fold
    }

    const TASK: TaskIx = TaskIx(0);

    fn started(attempt: u32) -> Event {
        Event::TaskStarted { task: TASK, attempt: Attempt(attempt) }
    }

    #[test]
    fn a_retry_is_a_new_row_and_the_time_between_is_a_wait() {
        let failure = Failure::new(FailureClass::Exit, "1");
        let due = Millis(9);
        let backoff = Event::TaskBackoff { task: TASK, attempt: Attempt(1), failure, delay_ms: 3, due };
        let done = Event::TaskCompleted { task: TASK, output: Payload::default() };
        let fold = fold([Event::TaskReady { task: TASK }, started(1), backoff, started(2), done]);
        let rows: Vec<_> = fold.attempts.iter().map(|(_, row)| (row.attempt, row.end, row.ended)).collect();
        let expected = [(1, AttemptEnd::Failed, Some(Millis(3))), (2, AttemptEnd::Completed, Some(Millis(5)))];
        assert_eq!(rows, expected);
        let waits: Vec<_> = fold.waits.iter().map(|(_, row)| (row.cause, row.since.0, row.until)).collect();
        assert_eq!(waits, [(WaitCause::Worker, 1, Some(Millis(2))), (WaitCause::Backoff, 3, Some(Millis(4)))]);
        assert!(fold.open.is_empty());
    }

    #[test]
    fn an_interrupted_attempt_goes_on_in_its_row() {
        let stopped = Event::StepInterrupted { task: TASK, attempt: Attempt(1), step: StepIx(0), crashed: true };
        let fold = fold([started(1), stopped, started(1)]);
        let rows: Vec<_> = fold.attempts.iter().map(|(_, row)| (row.attempt, row.started, row.end)).collect();
        assert_eq!(rows, [(1, Millis(1), AttemptEnd::Running)]);
    }
}
