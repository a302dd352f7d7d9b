//! The independent checker: from the records and the executions counted outside, by rules of its own. It uses none of the
//! code that decides, applies or recovers.

use std::collections::{HashMap, HashSet};

use wfctl::domain::event::{DoubtAnswer, Event};
use wfctl::domain::ids::{ProjectId, Seq, TaskIx};
use wfctl::domain::workflow::{Definition, EffectClass};
use wfctl::journal::reader;
use wfctl::journal::record::Record;
use wfctl::journal::store::Store;

use super::workload::Execution;

/// The whole history of a project, proven, or what is wrong with its chain.
pub fn history(store: &dyn Store, project: &ProjectId) -> Result<Vec<Record>, String> {
    let report = reader::verify(store, project);
    if let Some(bad) = report.first_bad {
        return Err(format!("record {} of {project}: {}", bad.seq, bad.problem));
    }
    let mut records = Vec::new();
    reader::for_each_record(store, project, Seq(1), None, |record, _| records.push(record))
        .map_err(|error| error.to_string())?;
    if records.len() as u64 != report.records {
        return Err(format!("{} records are proven, {} are read", report.records, records.len()));
    }
    Ok(records)
}

/// Request ids of the signals that are recorded.
pub fn signals(records: &[Record]) -> HashSet<String> {
    let request = |record: &Record| match &record.event {
        Event::SignalReceived { request, .. } => Some(request.clone()),
        _ => None,
    };
    records.iter().filter_map(request).collect()
}

#[derive(Default)]
struct StepLog {
    starts: u32,
    finished: Option<u64>,
    once: bool,
}

#[derive(Default)]
struct Walk {
    problems: Vec<String>,
    steps: HashMap<(u32, u32, u32), StepLog>,
    settled: HashSet<u32>,
    completed: HashSet<u32>,
    /// When an attempt may start, by task and attempt.
    due: HashMap<(u32, u32), u64>,
    reruns: HashMap<u32, u32>,
    signals: HashSet<String>,
    closed: bool,
}

/// Everything that contradicts the promises in the history of one project. `executions` are those of the whole home.
pub fn problems(
    project: &ProjectId,
    records: &[Record],
    definition: &Definition,
    executions: &[Execution],
) -> Vec<String> {
    let names: HashMap<&str, u32> = (0..).zip(definition.tasks()).map(|(ix, (_, task))| (&*task.name, ix)).collect();
    let needs: Vec<Vec<u32>> =
        definition.tasks().map(|(_, task)| task.needs.iter().map(|name| names[&**name]).collect()).collect();
    let mut walk = Walk::default();
    for (at, record) in records.iter().enumerate() {
        if record.seq.0 != at as u64 + 1 {
            walk.problems.push(format!("record {} stands at position {}", record.seq, at + 1));
        }
        if at > 0 && record.epoch < records[at - 1].epoch {
            walk.problems.push(format!("record {} was written by an older engine than the one before", record.seq));
        }
        if (at == 0) != matches!(record.event, Event::Created(_)) {
            walk.problems.push(format!("record {} creates the project, or the first does not", record.seq));
        }
        if walk.closed {
            walk.problems.push(format!("record {} comes after the end", record.seq));
        }
        walk.record(record, &needs);
    }
    walk.executions(executions.iter().filter(|execution| execution.project == project.as_str()));
    walk.problems.into_iter().map(|problem| format!("{project}: {problem}")).collect()
}

impl Walk {
    fn record(&mut self, record: &Record, needs: &[Vec<u32>]) {
        let seq = record.seq;
        match &record.event {
            Event::TaskStarted { task, attempt } => {
                let missing = needs.get(task.at()).into_iter().flatten().find(|need| !self.settled.contains(need));
                if let Some(need) = missing {
                    self.problems.push(format!("record {seq}: task {task} starts before {need}, which it needs"));
                }
                if self.settled.contains(&task.0) {
                    self.problems.push(format!("record {seq}: task {task} starts after its end"));
                }
                if self.due.get(&(task.0, attempt.0)).is_some_and(|due| record.at.0 < *due) {
                    self.problems.push(format!("record {seq}: task {task} starts before its backoff is over"));
                }
            }
            Event::StepStarted { task, attempt, step, effect, .. } => {
                let log = self.steps.entry((task.0, attempt.0, step.0)).or_default();
                if log.finished.is_some() {
                    self.problems.push(format!("record {seq}: step {step} of task {task} starts after its end"));
                }
                log.starts += 1;
                log.once = *effect == EffectClass::Once;
            }
            Event::StepFinished { task, attempt, step, .. } => {
                let log = self.steps.entry((task.0, attempt.0, step.0)).or_default();
                if log.starts == 0 || log.finished.replace(record.epoch.0).is_some() {
                    self.problems.push(format!("record {seq}: step {step} of task {task} ends unstarted or twice"));
                }
            }
            Event::TaskBackoff { task, attempt, delay_ms, due, .. } => {
                if due.0 != record.at.0 + delay_ms {
                    self.problems.push(format!("record {seq}: the due time of task {task} is not its delay from now"));
                }
                self.due.insert((task.0, attempt.0 + 1), due.0);
            }
            Event::TaskCompleted { task, .. } => {
                self.settle(seq, *task);
                self.completed.insert(task.0);
            }
            Event::TaskFailed { task, .. } | Event::TaskSkipped { task, .. } | Event::TaskCancelled { task } => {
                self.settle(seq, *task);
            }
            Event::DoubtSettled { task, answer: DoubtAnswer::Rerun } => {
                *self.reruns.entry(task.0).or_default() += 1;
            }
            Event::SignalReceived { request, .. } if !self.signals.insert(request.clone()) => {
                self.problems.push(format!("record {seq}: signal {request} is taken twice"));
            }
            Event::Closed { .. } => self.closed = true,
            _ => {}
        }
    }

    fn settle(&mut self, seq: Seq, task: TaskIx) {
        if !self.settled.insert(task.0) {
            self.problems.push(format!("record {seq}: task {task} ends twice"));
        }
    }

    fn executions<'e>(&mut self, executions: impl Iterator<Item = &'e Execution>) {
        let mut of_step: HashMap<(u32, u32, u32), Vec<&Execution>> = HashMap::new();
        for execution in executions {
            of_step.entry((execution.task, execution.attempt, execution.step)).or_default().push(execution);
        }
        for (key, executions) in &of_step {
            let Some(log) = self.steps.get(key) else {
                self.problems.push(format!("step {key:?} ran without a durable intent"));
                continue;
            };
            let epochs: HashSet<u64> = executions.iter().map(|execution| execution.epoch).collect();
            if epochs.len() < executions.len() {
                self.problems.push(format!("step {key:?} ran twice in one engine's life"));
            }
            if executions.len() > log.starts as usize {
                self.problems.push(format!("step {key:?} ran {} times, meant {} times", executions.len(), log.starts));
            }
            if let Some(finished) = log.finished
                && executions.iter().any(|execution| execution.epoch > finished)
            {
                self.problems.push(format!("step {key:?} ran again although its outcome was durable"));
            }
            let reruns = self.reruns.get(&key.0).copied().unwrap_or(0) as usize;
            if log.once && executions.len() > 1 + reruns {
                self.problems.push(format!("step {key:?}, which must not run twice, ran {} times", executions.len()));
            }
            let due = self.due.get(&(key.0, key.1)).copied().unwrap_or(0);
            if executions.iter().any(|execution| execution.at < due) {
                self.problems.push(format!("step {key:?} ran before its backoff was over"));
            }
        }
        for (key, log) in &self.steps {
            if log.finished.is_some() && !of_step.contains_key(key) {
                self.problems.push(format!("step {key:?} has an outcome and never ran"));
            }
        }
    }
}
