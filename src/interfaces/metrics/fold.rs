//! What records add up to: a fold over the records of all projects, each read once.

use std::collections::{BTreeMap, HashMap, VecDeque};

use serde::Deserialize;

use super::histogram::Histogram;
use crate::domain::call::{CallKind, CallOutcome};
use crate::domain::event::Event;
use crate::domain::ids::{Attempt, CallIx, TaskIx};
use crate::domain::payload::{Payload, PayloadSource};
use crate::domain::sandbox::{Attestation, Took};
use crate::domain::time::Millis;

/// Upper bounds of the time from READY to RUNNING, in seconds: from a free worker to a queue that is overrun.
const START_BOUNDS_S: [f64; 12] = [0.001, 0.005, 0.025, 0.1, 0.5, 1.0, 5.0, 15.0, 60.0, 300.0, 1_800.0, 7_200.0];
/// Commits are told per hour.
pub const HOUR_MS: u64 = 3_600_000;

/// What tasks of one role came to.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Work {
    pub completed: u64,
    pub failed: u64,
    /// Attempts of those that completed.
    pub attempts: u64,
    /// How long the steps of those that ended ran.
    pub busy_ms: u64,
    /// Attempts that ended in a failure, whether or not another one followed.
    pub failures: u64,
    /// Money for calls.
    pub usd_micros: u64,
    /// Tasks that asked a model.
    pub with_calls: u64,
    /// What commands took.
    pub took: Took,
}

/// What calls of one model came to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Calls {
    pub answered: u64,
    pub failed: u64,
    pub uncertain: u64,
    pub input_tokens: u64,
    pub cached_tokens: u64,
    pub output_tokens: u64,
    pub usd_micros: u64,
}

/// The numbers so far.
#[derive(Debug)]
pub struct Totals {
    pub records: u64,
    pub work: BTreeMap<String, Work>,
    pub calls: BTreeMap<String, Calls>,
    pub commits: u64,
    /// When the commits of the last hour were made.
    pub recent_commits: VecDeque<Millis>,
    pub tests: u64,
    pub flaky: u64,
    pub resumes: u64,
    pub starts: Histogram,
}

impl Default for Totals {
    fn default() -> Self {
        Self {
            records: 0,
            work: BTreeMap::new(),
            calls: BTreeMap::new(),
            commits: 0,
            recent_commits: VecDeque::new(),
            tests: 0,
            flaky: 0,
            resumes: 0,
            starts: Histogram::new(&START_BOUNDS_S),
        }
    }
}

impl Totals {
    /// Commits in the hour before `now`; older ones are forgotten.
    pub fn commits_of_last_hour(&mut self, now: Millis) -> u64 {
        self.recent_commits.retain(|at| now.since(*at) < HOUR_MS);
        self.recent_commits.len() as u64
    }
}

/// The open ends of one project.
#[derive(Debug, Default)]
pub struct Open {
    tasks: HashMap<TaskIx, OpenTask>,
    calls: HashMap<(TaskIx, Attempt, CallIx), (CallKind, String)>,
}

#[derive(Debug, Default)]
struct OpenTask {
    ready_at: Option<Millis>,
    attempts: u32,
    busy_ms: u64,
    asked: bool,
}

/// What a check's result tells of tests; a record of an earlier release tells nothing.
#[derive(Deserialize)]
struct Checked {
    #[serde(default)]
    tests: Tests,
}

#[derive(Default, Deserialize)]
struct Tests {
    ran: u64,
    flaky: u64,
}

impl Open {
    /// Adds one record. `worker` names who does a task; `source` holds large values.
    pub fn take<'w>(
        &mut self,
        event: &Event,
        at: Millis,
        worker: impl Fn(TaskIx) -> &'w str,
        source: &dyn PayloadSource,
        totals: &mut Totals,
    ) {
        totals.records += 1;
        let role = |task: &TaskIx| worker(*task).to_owned();
        match event {
            Event::TaskReady { task } => self.task(*task).ready_at = Some(at),
            Event::TaskStarted { task, attempt } => {
                let open = self.task(*task);
                open.attempts = open.attempts.max(attempt.0);
                if let Some(ready_at) = open.ready_at.take() {
                    totals.starts.observe(at.since(ready_at) as f64 / 1000.0);
                }
            }
            Event::StepFinished { task, outcome, .. } => {
                self.task(*task).busy_ms += outcome.duration_ms;
                took(totals, role(task), outcome.ran_under.as_deref());
            }
            Event::TaskBackoff { task, .. } | Event::TaskExhausted { task, .. } | Event::BranchOpened { task, .. } => {
                totals.work.entry(role(task)).or_default().failures += 1;
            }
            Event::TaskCompleted { task, .. } => {
                let done = self.tasks.remove(task).unwrap_or_default();
                let work = totals.work.entry(role(task)).or_default();
                work.completed += 1;
                work.attempts += u64::from(done.attempts.max(1));
                work.busy_ms += done.busy_ms;
            }
            Event::TaskFailed { task, .. } => {
                let done = self.tasks.remove(task).unwrap_or_default();
                let work = totals.work.entry(role(task)).or_default();
                work.failed += 1;
                work.failures += 1;
                work.busy_ms += done.busy_ms;
            }
            Event::TaskSkipped { task, .. } | Event::TaskCancelled { task } => drop(self.tasks.remove(task)),
            Event::CallStarted { task, attempt, call } => {
                self.calls.insert((*task, *attempt, call.ix), (call.kind, call.label.clone()));
                if asks_a_model(call.kind) && !std::mem::replace(&mut self.task(*task).asked, true) {
                    totals.work.entry(role(task)).or_default().with_calls += 1;
                }
            }
            Event::CallFinished { task, attempt, call, outcome } => {
                took(totals, role(task), outcome.ran_under.as_deref());
                if let Some((kind, label)) = self.calls.remove(&(*task, *attempt, *call)) {
                    let work = totals.work.entry(role(task)).or_default();
                    work.usd_micros += outcome.usage.unwrap_or_default().usd_micros;
                    call_ended(kind, label, outcome, at, source, totals);
                }
            }
            Event::CallUncertain { task, attempt, call, charged } => {
                if let Some((_, label)) = self.calls.remove(&(*task, *attempt, *call)) {
                    totals.work.entry(role(task)).or_default().usd_micros += charged.usd_micros;
                    let calls = totals.calls.entry(label).or_default();
                    calls.uncertain += 1;
                    calls.usd_micros += charged.usd_micros;
                }
            }
            Event::Recovered { .. } => totals.resumes += 1,
            _ => {}
        }
    }

    fn task(&mut self, task: TaskIx) -> &mut OpenTask {
        self.tasks.entry(task).or_default()
    }
}

/// Adds what a command took.
fn took(totals: &mut Totals, role: String, ran_under: Option<&Attestation>) {
    if let Some(ran_under) = ran_under {
        let work = totals.work.entry(role).or_default();
        work.took = work.took.and(ran_under.took);
    }
}

fn asks_a_model(kind: CallKind) -> bool {
    matches!(kind, CallKind::Model | CallKind::Compact | CallKind::Embed)
}

fn call_ended(
    kind: CallKind,
    label: String,
    outcome: &CallOutcome,
    at: Millis,
    source: &dyn PayloadSource,
    totals: &mut Totals,
) {
    match kind {
        CallKind::Model | CallKind::Compact | CallKind::Embed => {
            let usage = outcome.usage.unwrap_or_default();
            let calls = totals.calls.entry(label).or_default();
            calls.answered += u64::from(outcome.result.is_ok());
            calls.failed += u64::from(outcome.result.is_err());
            calls.input_tokens += usage.input_tokens;
            calls.cached_tokens += usage.cached_tokens;
            calls.output_tokens += usage.output_tokens;
            calls.usd_micros += usage.usd_micros;
        }
        CallKind::Commit if outcome.result.is_ok() => {
            totals.commits += 1;
            totals.recent_commits.push_back(at);
        }
        CallKind::Check => {
            if let Some(tests) = outcome.result.as_ref().ok().and_then(|payload| tests_of(payload, source)) {
                totals.tests += tests.ran;
                totals.flaky += tests.flaky;
            }
        }
        CallKind::Prompt | CallKind::Tool | CallKind::Ask | CallKind::Artifact | CallKind::Commit => {}
    }
}

fn tests_of(payload: &Payload, source: &dyn PayloadSource) -> Option<Tests> {
    let text = source.read(payload).ok()?;
    serde_json::from_slice::<Checked>(&text).ok().map(|checked| checked.tests)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_commit_counts_for_an_hour() {
        let at = |ms| Millis(10 * HOUR_MS + ms);
        let mut totals = Totals { recent_commits: VecDeque::from([at(0), at(5)]), ..Totals::default() };
        assert_eq!(totals.commits_of_last_hour(at(HOUR_MS - 1)), 2);
        assert_eq!(totals.commits_of_last_hour(at(HOUR_MS)), 1);
        assert_eq!(totals.recent_commits, [at(5)]);
    }
}
