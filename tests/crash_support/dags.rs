//! Graphs of real workflow runs, from the folder that `WFCTL_DAGS` names: structure and durations, nothing else.

use std::cell::RefCell;
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::Deserialize;
use wfctl::domain::event::Event;
use wfctl::domain::ids::ProjectId;
use wfctl::domain::machine::{Phase, ProjectStatus};
use wfctl::domain::workflow::{Action, Definition, Limits, PhaseSpec, RetryRules, TaskSpec, WorkspaceKind};
use wfctl::engine::Error;
use wfctl::journal::memory_store::MemoryStore;
use wfctl::journal::record::Record;

use super::chance::{self, Chance};
use super::driver::{Driver, Steps, ending};
use super::images::START;
use super::{checker, home, workload};

/// One graph.
#[derive(Debug, Deserialize)]
pub struct Graph {
    /// Its tasks.
    pub tasks: Vec<Node>,
}

/// One task of a graph.
#[derive(Debug, Deserialize)]
pub struct Node {
    /// Its name.
    pub id: String,
    /// What it needs.
    pub parents: Vec<String>,
    /// How long it took.
    pub seconds: f64,
}

impl Node {
    /// How long it takes here: a real second is ten milliseconds.
    pub fn lasts_ms(&self) -> u64 {
        (self.seconds * 10.0).round() as u64
    }
}

/// The files of the folder; `None`, and a line that says so, when the variable is not set.
#[expect(clippy::print_stderr, reason = "a skipped test says so")]
pub fn files(test: &str) -> Option<Vec<PathBuf>> {
    let Some(folder) = chance::text("WFCTL_DAGS") else {
        eprintln!("SKIPPED {test}: WFCTL_DAGS does not name the folder of graphs");
        return None;
    };
    let mut files: Vec<PathBuf> =
        std::fs::read_dir(&folder).expect("a readable folder").map(|entry| entry.expect("an entry").path()).collect();
    files.retain(|path| path.extension().is_some_and(|extension| extension == "json"));
    files.sort();
    assert!(!files.is_empty(), "{folder} holds no graphs");
    Some(files)
}

impl Graph {
    /// Reads one.
    pub fn read(path: &Path) -> Self {
        let text = std::fs::read(path).expect("a readable graph");
        serde_json::from_slice(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
    }

    fn positions(&self) -> HashMap<&str, usize> {
        (0..).zip(&self.tasks).map(|(at, node)| (&*node.id, at)).collect()
    }

    /// As a workflow of one phase.
    pub fn definition(&self) -> Arc<Definition> {
        let positions = self.positions();
        let task = |(at, node): (usize, &Node)| {
            let needs = node.parents.iter().map(|parent| format!("t{}", positions[&**parent])).collect();
            Arc::new(TaskSpec { needs, ..TaskSpec::new(format!("t{at}"), Action::Run("plain".to_owned())) })
        };
        let tasks = self.tasks.iter().enumerate().map(task).collect();
        Arc::new(Definition {
            sandbox: Default::default(),
            allowed: None,
            name: "graph".to_owned(),
            description: String::new(),
            inputs: Default::default(),
            workspace: WorkspaceKind::None,
            limits: Limits::default(),
            budget: Default::default(),
            env: Default::default(),
            pass_env: Vec::new(),
            secrets: Vec::new(),
            retry: RetryRules::default(),
            models: Default::default(),
            merge: Default::default(),
            phases: vec![PhaseSpec {
                phase: Phase::Build,
                tasks,
                approval: None,
                loop_back: None,
                loop_back_max: None,
                budget: Default::default(),
            }],
            children: Default::default(),
        })
    }

    /// The longest way through the graph: what it takes when nothing ever waits for a worker.
    pub fn critical_path_ms(&self) -> u64 {
        let positions = self.positions();
        let mut ends: Vec<Option<u64>> = vec![None; self.tasks.len()];
        let mut open: Vec<usize> = (0..self.tasks.len()).collect();
        while let Some(&at) = open.last() {
            let node = &self.tasks[at];
            let parents: Vec<usize> = node.parents.iter().map(|parent| positions[&**parent]).collect();
            let missing: Vec<usize> = parents.iter().copied().filter(|parent| ends[*parent].is_none()).collect();
            if missing.is_empty() {
                let begin = parents.iter().filter_map(|parent| ends[*parent]).max().unwrap_or(0);
                ends[at] = Some(begin + node.lasts_ms());
                open.pop();
            }
            open.extend(missing);
        }
        ends.into_iter().flatten().max().unwrap_or(0)
    }
}

/// What one run of a graph showed.
pub struct Ran {
    /// From the first record to the last.
    pub makespan_ms: u64,
    /// Everything that contradicts the promises.
    pub problems: Vec<String>,
}

/// Runs a graph over a store in memory with workers for all, each task as long as its node says.
pub fn run_in_memory(graph: &Graph) -> Ran {
    let (home, id) = (tempfile::tempdir().expect("a temporary folder"), ProjectId::new("p0").expect("valid"));
    let archive = home::archive(home.path(), Arc::new(MemoryStore::new()));
    let definition = graph.definition();
    let executed = RefCell::new(Vec::new());
    let steps: Steps<'_> = Box::new(|order, epoch, now| {
        executed.borrow_mut().push(workload::execution(order, epoch, now.0));
        (workload::outcome_of(order, &**archive.vault()), graph.tasks[order.task.at()].lasts_ms())
    });
    let mut driver = Driver::new(archive.clone(), START, usize::MAX, steps).expect("a store to own");
    driver.begin(workload::start_of(&definition, &id)).expect("accepted");
    while driver.step(&id).expect("a store that answers") {}
    drop(driver);
    let records = checker::history(&**archive.store(), &id).expect("a whole chain");
    let mut problems = checker::problems(&id, &records, &definition, &executed.borrow());
    problems.extend(once_each(graph, &executed.borrow()));
    let (first, last) = (&records[0], &records[records.len() - 1]);
    Ran { makespan_ms: last.at.since(first.at), problems }
}

/// Runs a graph on disk, crashing `crashes` times: the run goes on in a copy of the files as they are at that moment.
pub fn run_with_crashes(graph: &Graph, chance: &mut Chance, crashes: u64) -> Vec<String> {
    let (root, id) = (tempfile::tempdir().expect("a temporary folder"), ProjectId::new("p0").expect("valid"));
    let definition = graph.definition();
    let mut dir = root.path().join("0");
    for crash in 0..=crashes {
        let archive = home::open(&dir).expect("what a crash left behind opens");
        let (home, vault) = (dir.clone(), archive.vault().clone());
        let mut lasts = chance.clone();
        let steps: Steps<'_> = Box::new(move |order, epoch, now| {
            workload::execute(&home, order, epoch, now.0);
            (workload::outcome_of(order, &*vault), 1 + lasts.below(4))
        });
        let now = START.plus(crash * 1_000_000);
        let mut driver = Driver::new(archive, now, 16, steps).expect("a store to own");
        match driver.begin(workload::start_of(&definition, &id)) {
            Ok(()) | Err(Error::Refused(_)) => {}
            Err(error) => panic!("not taken up again: {error}"),
        }
        let mut left = if crash == crashes { u64::MAX } else { chance.below(graph.tasks.len() as u64 / 20 + 6) };
        while left > 0 && driver.step(&id).expect("a store that answers") {
            left -= 1;
        }
        if crash < crashes {
            let next = root.path().join((crash + 1).to_string());
            home::copy(&dir, &next);
            dir = next;
        }
    }
    let archive = home::open(&dir).expect("a home that opens");
    let records = checker::history(&**archive.store(), &id).expect("a whole chain");
    let executed = workload::executions(&dir);
    let mut problems = checker::problems(&id, &records, &definition, &executed);
    problems.extend(completed_each(graph, &records));
    assert_eq!(ending(&archive, &id).status, ProjectStatus::Done);
    problems
}

/// Without a crash, each task is executed exactly once.
fn once_each(graph: &Graph, executed: &[workload::Execution]) -> Vec<String> {
    let mut counts = vec![0u32; graph.tasks.len()];
    executed.iter().for_each(|execution| counts[execution.task as usize] += 1);
    let wrong = counts.iter().enumerate().filter(|(_, count)| **count != 1);
    wrong.map(|(task, count)| format!("task {task} was executed {count} times")).collect()
}

/// Whatever happens, each task is completed, and has one outcome only.
fn completed_each(graph: &Graph, records: &[Record]) -> Vec<String> {
    let mut counts = vec![(0u32, 0u32); graph.tasks.len()];
    for record in records {
        match &record.event {
            Event::StepFinished { task, .. } => counts[task.at()].0 += 1,
            Event::TaskCompleted { task, .. } => counts[task.at()].1 += 1,
            _ => {}
        }
    }
    let wrong = counts.iter().enumerate().filter(|(_, count)| **count != (1, 1));
    wrong.map(|(task, count)| format!("task {task} has (outcomes, completions) {count:?}")).collect()
}
