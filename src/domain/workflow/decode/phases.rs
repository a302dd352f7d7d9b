//! `phases:` or plain `tasks:`, in the order of the lifecycle whatever the order in the file.

use std::sync::Arc;

use super::{Decoder, Fields, Scope};
use crate::domain::limits;
use crate::domain::machine::Phase;
use crate::domain::workflow::codes::Code;
use crate::domain::workflow::keys;
use crate::domain::workflow::near::{did_you_mean, listed};
use crate::domain::workflow::spec::{InputNumber, LoopBack, PhaseSpec, RetryRules, TaskSpec};
use crate::domain::workflow::yaml::{Entry, Node};

/// How often a loop-back that does not say is taken.
const DEFAULT_ROUNDS: u32 = 3;

impl Decoder<'_> {
    pub(super) fn phases(&mut self, fields: &Fields<'_>, retry: &RetryRules) -> Vec<PhaseSpec> {
        if let Some(entry) = fields.entry("tasks") {
            let tasks = self.tasks(entry, retry);
            return vec![PhaseSpec {
                phase: Phase::Build,
                tasks,
                approval: None,
                loop_back: None,
                loop_back_max: None,
                budget: Default::default(),
            }];
        }
        let Some(node) = fields.node("phases") else { return Vec::new() };
        let mut declared = Vec::new();
        for entry in self.entries(node, "the phases by name").unwrap_or_default() {
            match entry.key.parse::<Phase>() {
                Ok(phase) => declared.push((phase, entry)),
                Err(()) => self.unknown_phase(&entry.key, entry.key_span),
            }
        }
        if declared.is_empty() && self.problems.errors() == 0 {
            self.problems
                .error(Code::Empty, node.span, "there is no phase")
                .help("Declare at least one, such as `build`.");
        }
        declared.sort_by_key(|(phase, _)| *phase);
        let names: Vec<Phase> = declared.iter().map(|(phase, _)| *phase).collect();
        declared.into_iter().map(|(phase, entry)| self.phase(phase, entry, &names, retry)).collect()
    }

    fn unknown_phase(&mut self, name: &str, span: crate::domain::workflow::yaml::Span) {
        let names = || Phase::ALL.iter().map(|phase| phase.name());
        let help = did_you_mean(name, names()).unwrap_or_else(|| format!("The phases are {}.", listed(names(), "and")));
        self.problems.error(Code::UnknownPhase, span, format!("{name:?} is not a phase")).help(help);
    }

    fn phase(&mut self, phase: Phase, entry: &Entry, declared: &[Phase], retry: &RetryRules) -> PhaseSpec {
        let mut spec = PhaseSpec {
            phase,
            tasks: Vec::new(),
            approval: None,
            loop_back: None,
            loop_back_max: None,
            budget: Default::default(),
        };
        let Some(fields) = self.fields(&entry.node, &keys::PHASE) else { return spec };
        if let Some(entry) = fields.entry("tasks") {
            spec.tasks = self.tasks(entry, retry);
        }
        if let Some(node) = fields.node("budget") {
            spec.budget = self.part_budget(node);
        }
        self.scope = Scope::Gate(phase);
        spec.approval = fields.node("approval").and_then(|node| self.approval(node));
        self.scope = Scope::Workflow;
        let ways_back = ["on_failure", "on_reject", "on_issue"];
        if let Some(first) = fields.first_of(&ways_back) {
            (spec.loop_back, spec.loop_back_max) = self.loop_back(phase, &first.node, declared);
            if let Some(second) =
                ways_back.iter().filter_map(|key| fields.entry(key)).find(|other| other.key != first.key)
            {
                self.problems
                    .error(
                        Code::Exclusive,
                        second.key_span,
                        format!("`{}` and `{}` mean the same", first.key, second.key),
                    )
                    .note(first.key_span, "given here")
                    .help("A phase has one way back: keep one of the two.");
            }
        }
        spec
    }

    fn loop_back(&mut self, phase: Phase, node: &Node, declared: &[Phase]) -> (Option<LoopBack>, Option<InputNumber>) {
        let Some(fields) = self.fields(node, &keys::LOOP_BACK) else { return (None, None) };
        let (max, from) =
            fields.node("max").map_or((None, None), |node| self.number_or_input(node, 1, limits::LOOPBACK_ROUNDS));
        let Some(target) = fields.node("goto") else { return (None, None) };
        let Some(name) = self.text(target) else { return (None, None) };
        let Ok(goto) = name.parse::<Phase>() else {
            self.unknown_phase(&name, target.span);
            return (None, None);
        };
        if goto >= phase || !declared.contains(&goto) {
            let problem =
                if goto >= phase { "does not come before" } else { "is not declared, so it cannot come before" };
            let earlier: Vec<&str> =
                declared.iter().filter(|other| **other < phase).map(|phase| phase.name()).collect();
            let help = if earlier.is_empty() {
                format!("Nothing comes before `{phase}` in this workflow: remove the loop-back.")
            } else {
                format!("It can go back to {}.", listed(earlier, "or"))
            };
            self.problems.error(Code::LoopBack, target.span, format!("phase `{goto}` {problem} `{phase}`")).help(help);
        }
        (Some(LoopBack { goto, max: max.unwrap_or(DEFAULT_ROUNDS) }), from)
    }

    fn tasks(&mut self, entry: &Entry, retry: &RetryRules) -> Vec<Arc<TaskSpec>> {
        let Some(entries) = self.entries(&entry.node, "the tasks by name") else { return Vec::new() };
        if entries.is_empty() {
            self.problems
                .error(Code::Empty, entry.key_span, "there is no task")
                .help("Add at least one, for example `hello: {run: echo hello}`.");
        }
        if self.places.len() + entries.len() > limits::TASKS_PER_PROJECT {
            let (found, most) = (self.places.len() + entries.len(), limits::TASKS_PER_PROJECT);
            self.problems
                .error(Code::TooMany, entry.key_span, format!("{found} tasks are more than the {most} allowed"))
                .help("Split the workflow into child workflows.");
            return Vec::new();
        }
        entries.iter().map(|entry| Arc::new(self.task(entry, retry))).collect()
    }
}
