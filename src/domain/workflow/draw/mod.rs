//! Pictures of a definition: a tree for terminals, mermaid, dot and SVG. Pure functions; labels are escaped.
//!
//! A picture of 100,000 tasks helps nobody: past [`MOST_TASKS`] the rest is counted.

mod svg;
mod text;

use super::spec::{Definition, TaskSpec};
use super::validate::graph_of;
use crate::domain::machine::{Phase, TaskStatus};

pub use svg::svg;
pub use text::{dot, mermaid, tree};

/// Most tasks drawn.
pub const MOST_TASKS: usize = 2_000;
/// Most characters of a label.
const LABEL_CHARS: usize = 40;

/// The state of a task by name, for coloured pictures; `None` draws the plan.
pub type Status<'a> = &'a dyn Fn(&str) -> Option<TaskStatus>;

/// What all pictures show.
struct Picture<'a> {
    tasks: Vec<Drawn<'a>>,
    edges: Vec<(usize, usize)>,
    hidden: usize,
}

struct Drawn<'a> {
    task: &'a TaskSpec,
    phase: Phase,
    status: Option<TaskStatus>,
}

impl<'a> Picture<'a> {
    fn new(definition: &'a Definition, status: Option<Status<'_>>) -> Self {
        let all = definition.tasks().count();
        let drawn = |(phase, task): (Phase, &'a std::sync::Arc<TaskSpec>)| Drawn {
            task,
            phase,
            status: status.and_then(|status| status(&task.name)),
        };
        let tasks: Vec<Drawn<'a>> = definition.tasks().take(MOST_TASKS).map(drawn).collect();
        let graph = graph_of(definition);
        let edges = (0u32..)
            .zip(&tasks)
            .flat_map(|(to, _)| graph.predecessors(to).iter().map(move |from| (*from as usize, to as usize)));
        let edges = edges.filter(|(from, _)| *from < tasks.len()).collect();
        Self { hidden: all - tasks.len(), tasks, edges }
    }

    /// For each task the number of tasks on the longest path before it, later phases after earlier ones.
    fn columns(&self) -> Vec<usize> {
        let edges: Vec<(u32, u32)> =
            self.edges.iter().filter_map(|(a, b)| Some((u32::try_from(*a).ok()?, u32::try_from(*b).ok()?))).collect();
        let inner =
            super::graph::Graph::new(self.tasks.len(), &edges).levels().unwrap_or_else(|_| vec![0; self.tasks.len()]);
        let mut columns = vec![0; self.tasks.len()];
        let (mut base, mut phase, mut next) = (0, None, 0);
        let order =
            self.edges.iter().fold(vec![Vec::new(); self.tasks.len()], |mut before: Vec<Vec<usize>>, (from, to)| {
                before[*to].push(*from);
                before
            });
        let mut by_level: Vec<usize> = (0..self.tasks.len()).collect();
        by_level.sort_by_key(|ix| (self.tasks[*ix].phase, inner[*ix]));
        for ix in by_level {
            if phase != Some(self.tasks[ix].phase) {
                base = next;
                phase = Some(self.tasks[ix].phase);
            }
            let after_needs = order[ix].iter().map(|from| columns[*from] + 1).max().unwrap_or(0);
            columns[ix] = after_needs.max(base);
            next = next.max(columns[ix] + 1);
        }
        columns
    }
}

impl Drawn<'_> {
    /// Name and what it does, cut.
    fn label(&self) -> String {
        cut(&self.task.name, LABEL_CHARS)
    }

    /// The colour family of its state.
    fn tone(&self) -> &'static str {
        match self.status {
            None | Some(TaskStatus::Pending | TaskStatus::Ready) => "plain",
            Some(TaskStatus::Completed) => "done",
            Some(TaskStatus::Failed) => "failed",
            Some(TaskStatus::Skipped | TaskStatus::Cancelled) => "off",
            Some(_) => "active",
        }
    }
}

fn cut(text: &str, most: usize) -> String {
    let clean: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    if clean.chars().count() <= most { clean } else { clean.chars().take(most - 1).chain(['…']).collect() }
}
