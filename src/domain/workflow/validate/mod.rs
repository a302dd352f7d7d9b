//! Rules that span several parts of a definition: names, needs, cycles, groups, effects, and what texts read.
//!
//! Runs over a decoded definition; every problem goes to the same list as those of decoding.

mod needs;
mod rules;
mod templates;

use std::collections::HashMap;
use std::sync::Arc;

use super::decode::Decoded;
use super::diagnostic::Problems;
use super::graph::Graph;
use super::spec::TaskSpec;
use crate::domain::machine::Phase;

/// What the checks share.
struct Checker<'a> {
    decoded: &'a Decoded,
    problems: &'a mut Problems,
    /// All tasks by index.
    tasks: Vec<(Phase, &'a Arc<TaskSpec>)>,
    /// The first task of each name.
    by_name: HashMap<&'a str, u32>,
    /// Names of tasks that exist elsewhere: in the project that this is added to.
    outside: &'a [String],
}

/// Checks a decoded definition; `outside` are tasks that may be named although they are not in it.
pub fn validate(decoded: &Decoded, outside: &[String], problems: &mut Problems) {
    let tasks: Vec<_> = decoded.definition.tasks().collect();
    let mut checker = Checker { decoded, problems, tasks, by_name: HashMap::new(), outside };
    checker.names();
    let graph = checker.needs();
    checker.rules();
    checker.numbers();
    checker.templates(&graph);
}

/// The dependency graph of a valid definition, nodes in the order of [`super::Definition::tasks`].
/// Needs that do not exist are left out.
pub fn graph_of(definition: &super::Definition) -> Graph {
    let tasks: Vec<_> = definition.tasks().map(|(_, task)| task).collect();
    let number = |position: usize| u32::try_from(position).expect("tasks are bounded by TASKS_PER_PROJECT");
    let by_name: HashMap<&str, u32> =
        tasks.iter().enumerate().map(|(position, task)| (task.name.as_str(), number(position))).collect();
    let edges: Vec<(u32, u32)> = tasks
        .iter()
        .enumerate()
        .flat_map(|(position, task)| task.needs.iter().map(move |need| (need.as_str(), number(position))))
        .filter_map(|(need, position)| by_name.get(need).map(|before| (*before, position)))
        .collect();
    Graph::new(tasks.len(), &edges)
}
