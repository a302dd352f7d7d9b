//! Names and `needs`: unique, existing, not of a later phase, and without cycles.

use std::collections::hash_map;

use super::Checker;
use crate::domain::limits;
use crate::domain::workflow::codes::Code;
use crate::domain::workflow::graph::Graph;
use crate::domain::workflow::near::did_you_mean;

/// Most names of a cycle that are shown.
const CYCLE_SHOWN: usize = 12;

impl Checker<'_> {
    pub(super) fn names(&mut self) {
        for (ix, (phase, task)) in (0u32..).zip(&self.tasks) {
            match self.by_name.entry(&task.name) {
                hash_map::Entry::Vacant(free) => {
                    free.insert(ix);
                }
                hash_map::Entry::Occupied(taken) => {
                    let first = *taken.get() as usize;
                    let label = format!("it is a task of phase `{}` here", self.tasks[first].0);
                    self.problems
                        .error(
                            Code::DuplicateTask,
                            self.decoded.places[ix as usize].name,
                            format!("the name `{}` stands for a second task, in phase `{phase}`", task.name),
                        )
                        .note(self.decoded.places[first].name, label)
                        .help("Rename one of the two: names are unique in the whole workflow.");
                }
            }
        }
    }

    /// Checks the needs; the graph holds those that are right.
    pub(super) fn needs(&mut self) -> Graph {
        let count: usize = self.tasks.iter().map(|(_, task)| task.needs.len()).sum();
        if count > limits::EDGES_PER_PROJECT {
            let most = limits::EDGES_PER_PROJECT;
            self.problems
                .error(
                    Code::TooMany,
                    self.decoded.places[0].name,
                    format!("{count} dependencies are more than the {most} allowed"),
                )
                .help("Let tasks need one task that needs all the others.");
            return Graph::new(self.tasks.len(), &[]);
        }
        let mut edges = Vec::with_capacity(count);
        for (ix, (phase, task)) in (0u32..).zip(self.tasks.clone()) {
            for (need, span) in task.needs.iter().zip(&self.decoded.places[ix as usize].needs) {
                match self.by_name.get(need.as_str()).copied() {
                    None if self.outside.contains(need) => {}
                    None => {
                        let known = self.by_name.keys().copied().chain(self.outside.iter().map(String::as_str));
                        let help = did_you_mean(need, known)
                            .unwrap_or_else(|| "Declare a task of this name, or remove it from `needs`.".to_owned());
                        let short: String = need.chars().take(60).collect();
                        self.problems
                            .error(
                                Code::UnknownNeed,
                                *span,
                                format!("task `{}` needs `{short}`, which does not exist", task.name),
                            )
                            .help(help);
                    }
                    Some(before) if before == ix => {
                        self.problems
                            .error(Code::SelfNeed, *span, format!("task `{}` needs itself", task.name))
                            .help("Remove it from `needs`.");
                    }
                    Some(before) if self.tasks[before as usize].0 > phase => {
                        let later = self.tasks[before as usize].0;
                        self.problems
                            .error(
                                Code::LaterNeed,
                                *span,
                                format!(
                                    "task `{}` of phase `{phase}` needs `{need}` of the later phase `{later}`",
                                    task.name
                                ),
                            )
                            .note(self.decoded.places[before as usize].name, "declared here")
                            .help(format!("Move one of the two, or go back from `{later}` with a loop-back."));
                    }
                    Some(before) => edges.push((before, ix)),
                }
            }
        }
        let graph = Graph::new(self.tasks.len(), &edges);
        if let Err(cycle) = graph.topological_order() {
            self.cycle(&cycle);
            return Graph::new(self.tasks.len(), &[]);
        }
        graph
    }

    fn cycle(&mut self, cycle: &[u32]) {
        let name = |ix: u32| self.tasks[ix as usize].1.name.as_str();
        let mut shown: Vec<&str> = cycle.iter().take(CYCLE_SHOWN).map(|ix| name(*ix)).collect();
        let hidden = cycle.len() - shown.len();
        let more = format!("... {hidden} more ...");
        if hidden > 0 {
            shown.push(&more);
        }
        shown.push(name(cycle[0]));
        let message = format!("the tasks wait for each other in a circle: {}", shown.join(" -> "));
        let last = *cycle.last().expect("a cycle has a node");
        let closing = self.tasks[cycle[0] as usize].1.needs.iter().position(|need| need == name(last));
        let places = &self.decoded.places[cycle[0] as usize];
        let span = closing.and_then(|position| places.needs.get(position)).copied().unwrap_or(places.name);
        let help = format!(
            "Read `->` as \"before\"; remove one of the needs, for example `{}` from `{}`.",
            name(last),
            name(cycle[0])
        );
        self.problems.error(Code::Cycle, span, message).help(help);
    }
}
