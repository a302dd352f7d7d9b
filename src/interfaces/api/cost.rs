//! What the models of a project cost, added up from its records: a pure fold, so that the numbers are those of the journal
//! and of nothing else.
//!
//! A call counts when it ended. A call that was cut off counts as uncertain, at what the ledger was charged for it.

mod routes;

use std::collections::HashMap;

use serde::{Deserialize, Serialize};

pub use routes::{Chosen, Route};

use super::fault::Fault;
use crate::domain::budget::{Amounts, Caps, Ledger};
use crate::domain::call::{CallKind, CallOutcome};
use crate::domain::event::Event;
use crate::domain::ids::{Attempt, CallIx, ProjectId, TaskIx};
use crate::domain::project::Project;
use crate::domain::view::Summary;
use crate::domain::workflow::Action;
use crate::engine::archive::Archive;

/// What a project cost.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Cost {
    /// The project.
    pub project: Summary,
    /// How many child projects are counted too.
    pub children: usize,
    /// Everything together.
    pub total: Tally,
    /// By role.
    pub roles: Vec<Row>,
    /// By model, with how long its calls took.
    pub models: Vec<Row>,
    /// By phase, in the order of the phases.
    pub phases: Vec<Row>,
    /// By task.
    pub tasks: Vec<Row>,
    /// By role and model, with why the model was asked.
    #[serde(default)]
    pub routes: Vec<Route>,
    /// The caps in force of the project itself.
    pub caps: Caps,
    /// What it has spent and reserved itself, steps included.
    pub ledger: Ledger,
}

/// One line: what calls of one role, model, phase or task used.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Row {
    /// Of what.
    pub name: String,
    /// How much.
    pub used: Tally,
    /// How long the calls took that were answered; only by model.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub latency: Option<Latency>,
}

/// How long calls took, by the nearest rank.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Latency {
    /// Half of them took no longer.
    pub median_ms: u64,
    /// Nineteen of twenty took no longer.
    pub p95_ms: u64,
}

/// What calls used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Tally {
    /// Model calls that ended.
    pub calls: u64,
    /// Of these, those that failed.
    pub failed: u64,
    /// Tokens of prompts, cached ones included.
    pub input_tokens: u64,
    /// Of these, read from a provider's cache.
    pub cached_tokens: u64,
    /// Tokens of replies, reasoning included.
    pub output_tokens: u64,
    /// Of these, reasoning.
    pub reasoning_tokens: u64,
    /// Of all these tokens, those of calls whose provider did not say how many there were.
    pub estimated_tokens: u64,
    /// Calls that were cut off: sent, and no answer came.
    pub uncertain: u64,
    /// Tokens that the ledger was charged for them.
    pub uncertain_tokens: u64,
    /// Money that the ledger was charged for them, part of `usd_micros`.
    pub uncertain_usd_micros: u64,
    /// Money, in millionths of a US dollar.
    pub usd_micros: u64,
}

impl Tally {
    fn add(&mut self, other: &Self) {
        self.calls += other.calls;
        self.failed += other.failed;
        self.input_tokens += other.input_tokens;
        self.cached_tokens += other.cached_tokens;
        self.output_tokens += other.output_tokens;
        self.reasoning_tokens += other.reasoning_tokens;
        self.estimated_tokens += other.estimated_tokens;
        self.uncertain += other.uncertain;
        self.uncertain_tokens += other.uncertain_tokens;
        self.uncertain_usd_micros += other.uncertain_usd_micros;
        self.usd_micros += other.usd_micros;
    }

    fn of(outcome: &CallOutcome) -> Self {
        let usage = outcome.usage.unwrap_or_default();
        Self {
            calls: 1,
            failed: u64::from(outcome.result.is_err()),
            input_tokens: usage.input_tokens,
            cached_tokens: usage.cached_tokens,
            output_tokens: usage.output_tokens,
            reasoning_tokens: usage.reasoning_tokens,
            estimated_tokens: if usage.estimated { usage.input_tokens + usage.output_tokens } else { 0 },
            usd_micros: usage.usd_micros,
            ..Self::default()
        }
    }

    fn uncertain(charged: &Amounts) -> Self {
        Self {
            uncertain: 1,
            uncertain_tokens: charged.tokens,
            uncertain_usd_micros: charged.usd_micros,
            usd_micros: charged.usd_micros,
            ..Self::default()
        }
    }

    /// All tokens that were charged.
    pub fn tokens(&self) -> u64 {
        self.input_tokens + self.output_tokens + self.uncertain_tokens
    }
}

/// The fold over one project's records.
#[derive(Debug, Default)]
struct Fold {
    /// Models of calls that have begun and not ended. One attempt of a task runs at a time.
    open: HashMap<(TaskIx, Attempt, CallIx), String>,
    /// By task and model.
    used: HashMap<(TaskIx, String), Tally>,
    /// By model: how long each answered call took.
    took_ms: HashMap<String, Vec<u64>>,
}

impl Fold {
    fn take(&mut self, event: &Event) {
        match event {
            Event::CallStarted { task, attempt, call } if asks_a_model(call.kind) => {
                self.open.insert((*task, *attempt, call.ix), call.label.clone());
            }
            Event::CallFinished { task, attempt, call, outcome } => {
                let Some(model) = self.open.remove(&(*task, *attempt, *call)) else { return };
                if outcome.result.is_ok() {
                    self.took_ms.entry(model.clone()).or_default().push(outcome.duration_ms);
                }
                self.used.entry((*task, model)).or_default().add(&Tally::of(outcome));
            }
            Event::CallUncertain { task, attempt, call, charged } => {
                let Some(model) = self.open.remove(&(*task, *attempt, *call)) else { return };
                self.used.entry((*task, model)).or_default().add(&Tally::uncertain(charged));
            }
            _ => {}
        }
    }
}

/// Rows in the making.
#[derive(Debug, Default)]
struct Tables {
    total: Tally,
    roles: HashMap<String, Tally>,
    models: HashMap<String, Tally>,
    phases: [Tally; 7],
    tasks: HashMap<String, Tally>,
    took_ms: HashMap<String, Vec<u64>>,
    routes: routes::Routes,
}

impl Tables {
    /// Adds what a fold found; `prefix` tells the tasks of one project from those of another.
    fn add(&mut self, fold: Fold, project: &Project, prefix: &str) {
        for ((ix, model), used) in fold.used {
            let Some(task) = project.tasks().get(ix.at()) else { continue };
            let role = role_of(&task.spec.action);
            self.total.add(&used);
            self.roles.entry(role).or_default().add(&used);
            self.models.entry(model).or_default().add(&used);
            self.phases[task.phase as usize].add(&used);
            self.tasks.entry(format!("{prefix}{}", task.name)).or_default().add(&used);
        }
        for (model, took_ms) in fold.took_ms {
            self.took_ms.entry(model).or_default().extend(took_ms);
        }
    }
}

/// Adds up what a project cost, and with `with_children` its children and theirs.
pub fn cost(archive: &Archive, id: &ProjectId, with_children: bool) -> Result<Cost, Fault> {
    let mut tables = Tables::default();
    let project = add_project(archive, id, "", &mut tables)?;
    let descendants = if with_children { descendants(archive, id)? } else { Vec::new() };
    for child in &descendants {
        add_project(archive, child, &format!("{child}/"), &mut tables)?;
    }
    let mut models = rows(tables.models);
    for row in &mut models {
        row.latency = tables.took_ms.remove(&row.name).and_then(latency);
    }
    let phases = project.definition.phases.iter().map(|spec| spec.phase).filter_map(|phase| {
        let used = tables.phases[phase as usize];
        (used != Tally::default()).then(|| Row { name: phase.name().to_owned(), used, latency: None })
    });
    Ok(Cost {
        project: project.summary(),
        children: descendants.len(),
        total: tables.total,
        roles: rows(tables.roles),
        models,
        phases: phases.collect(),
        tasks: rows(tables.tasks),
        routes: tables.routes.done(),
        caps: *project.caps(),
        ledger: *project.ledger(),
    })
}

fn add_project(archive: &Archive, id: &ProjectId, prefix: &str, tables: &mut Tables) -> Result<Project, Fault> {
    let (mut fold, mut routes) = (Fold::default(), routes::Fold::default());
    archive.visit(id, |record| {
        fold.take(&record.event);
        routes.take(&record.event);
    })?;
    // After the walk, so that it knows every task that the walk has seen.
    let project = archive.load(id)?.project;
    tables.add(fold, &project, prefix);
    tables.routes.add(routes, &project);
    Ok(project)
}

/// Children, and theirs, in id order within a generation.
fn descendants(archive: &Archive, id: &ProjectId) -> Result<Vec<ProjectId>, Fault> {
    let known: Vec<Summary> = archive.summaries()?.into_iter().filter_map(Result::ok).collect();
    let mut found = vec![id.clone()];
    let mut at = 0;
    while let Some(parent) = found.get(at).cloned() {
        let children = known.iter().filter(|summary| summary.parent.as_ref() == Some(&parent));
        found.extend(children.map(|summary| summary.id.clone()));
        at += 1;
    }
    found.remove(0);
    Ok(found)
}

/// The role of an agent, or what a task does that is none.
fn role_of(action: &Action) -> String {
    match action {
        Action::Agent(agent) => agent.role.clone(),
        other => other.keyword().to_owned(),
    }
}

fn asks_a_model(kind: CallKind) -> bool {
    matches!(kind, CallKind::Model | CallKind::Compact | CallKind::Embed)
}

/// The dearest first; by tokens where nothing costs money.
fn rows(of: HashMap<String, Tally>) -> Vec<Row> {
    let mut rows: Vec<Row> = of.into_iter().map(|(name, used)| Row { name, used, latency: None }).collect();
    rows.sort_by(|a, b| dearness(&b.used).cmp(&dearness(&a.used)).then_with(|| a.name.cmp(&b.name)));
    rows
}

fn dearness(used: &Tally) -> (u64, u64) {
    (used.usd_micros, used.tokens())
}

fn latency(mut took_ms: Vec<u64>) -> Option<Latency> {
    took_ms.sort_unstable();
    let rank = |percent: usize| took_ms.get((took_ms.len() * percent).div_ceil(100).saturating_sub(1)).copied();
    Some(Latency { median_ms: rank(50)?, p95_ms: rank(95)? })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::call::CallIntent;
    use crate::domain::chat::Usage;
    use crate::domain::failure::{Failure, FailureClass};
    use crate::domain::ids::Digest;
    use crate::domain::payload::Payload;
    use crate::domain::workflow::EffectClass;

    pub(super) fn begin(ix: u32, kind: CallKind, label: &str) -> Event {
        let call = CallIntent {
            ix: CallIx(ix),
            kind,
            label: label.to_owned(),
            input: Digest::default(),
            shown: String::new(),
            effect: EffectClass::Paid,
            reserved: Amounts { calls: 1, tokens: 500, usd_micros: 70 },
        };
        Event::CallStarted { task: TaskIx(0), attempt: Attempt(1), call: Box::new(call) }
    }

    pub(super) fn end(ix: u32, result: Result<Payload, Failure>, usage: Usage, duration_ms: u64) -> Event {
        let outcome = CallOutcome { result, duration_ms, usage: Some(usage), full: None, tree: None, ran_under: None };
        Event::CallFinished { task: TaskIx(0), attempt: Attempt(1), call: CallIx(ix), outcome: Box::new(outcome) }
    }

    #[test]
    fn what_ended_counts_as_used_and_what_was_cut_off_as_charged() {
        let usage = Usage {
            input_tokens: 100,
            cached_tokens: 40,
            output_tokens: 20,
            reasoning_tokens: 5,
            usd_micros: 9,
            estimated: false,
        };
        let charged = Amounts { calls: 1, tokens: 500, usd_micros: 70 };
        let lost = Event::CallUncertain { task: TaskIx(0), attempt: Attempt(1), call: CallIx(2), charged };
        let failure = Failure::new(FailureClass::Truncated, "too long");
        let mut fold = Fold::default();
        for event in [
            begin(0, CallKind::Prompt, "prompt"),
            end(0, Ok(Payload::default()), Usage::default(), 0),
            begin(1, CallKind::Model, "a/b"),
            end(1, Ok(Payload::default()), usage, 30),
            begin(2, CallKind::Model, "a/b"),
            lost,
            begin(2, CallKind::Model, "a/b"),
            end(2, Err(failure), Usage { estimated: true, ..usage }, 10),
            begin(3, CallKind::Tool, "read_file"),
        ] {
            fold.take(&event);
        }
        let expected = Tally {
            calls: 2,
            failed: 1,
            input_tokens: 200,
            cached_tokens: 80,
            output_tokens: 40,
            reasoning_tokens: 10,
            estimated_tokens: 120,
            uncertain: 1,
            uncertain_tokens: 500,
            uncertain_usd_micros: 70,
            usd_micros: 88,
        };
        assert_eq!(fold.used, HashMap::from([((TaskIx(0), "a/b".to_owned()), expected)]));
        assert_eq!(fold.took_ms["a/b"], [30], "a failure says nothing of how long an answer takes");
        assert_eq!(expected.tokens(), 740);
    }

    #[test]
    fn ranks_are_of_calls_that_happened() {
        assert_eq!(latency(Vec::new()), None);
        assert_eq!(latency(vec![7]), Some(Latency { median_ms: 7, p95_ms: 7 }));
        let hundred: Vec<u64> = (1..=100).rev().collect();
        assert_eq!(latency(hundred), Some(Latency { median_ms: 50, p95_ms: 95 }));
    }

    #[test]
    fn the_dearest_come_first() {
        let of = |usd_micros, input_tokens| Tally { usd_micros, input_tokens, ..Tally::default() };
        let tallies = [("b", of(1, 0)), ("a", of(1, 0)), ("free", of(0, 9)), ("dear", of(2, 0))];
        let named = rows(tallies.into_iter().map(|(name, used)| (name.to_owned(), used)).collect());
        assert_eq!(named.iter().map(|row| row.name.as_str()).collect::<Vec<_>>(), ["dear", "a", "b", "free"]);
    }
}
