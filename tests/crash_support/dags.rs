//! Graphs of real workflow runs, from the folder that `WFCTL_DAGS` names: structure and durations, nothing else.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::Deserialize;
use wfctl::domain::machine::Phase;
use wfctl::domain::workflow::{Action, Definition, Limits, PhaseSpec, RetryRules, TaskSpec, WorkspaceKind};

use super::chance;

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
            name: "graph".to_owned(),
            description: String::new(),
            inputs: Default::default(),
            workspace: WorkspaceKind::None,
            limits: Limits::default(),
            budget: Default::default(),
            env: Default::default(),
            pass_env: Vec::new(),
            retry: RetryRules::default(),
            phases: vec![PhaseSpec { phase: Phase::Build, tasks, approval: None, loop_back: None }],
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
