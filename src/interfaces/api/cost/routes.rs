//! Who was asked for whom, and why: for each role the models that it was given, what they used, and what they were chosen for. A pure fold
//! over the same records: a model takes the place of one that failed, or of one that was passed over because it cooled down.

use std::collections::{BTreeMap, HashMap};

use serde::{Deserialize, Serialize};

use super::{Latency, Tally, asks_a_model, dearness, latency};
use crate::domain::call::CallKind;
use crate::domain::event::Event;
use crate::domain::failure::FailureClass;
use crate::domain::ids::{Attempt, CallIx, TaskIx};
use crate::domain::policy::Prefer;
use crate::domain::project::Project;
use crate::domain::workflow::Action;

/// What one role used of one model.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Route {
    /// The role.
    pub role: String,
    /// The model, `provider/model`.
    pub model: String,
    /// What its calls used.
    pub used: Tally,
    /// How long those took that were answered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub latency: Option<Latency>,
    /// Why it was asked, the most frequent reason first.
    pub chosen: Vec<Chosen>,
}

/// A reason to ask a model.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Chosen {
    /// In words.
    pub why: String,
    /// How many calls were made for it.
    pub calls: u64,
}

/// Why a conversation asks a model.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
enum Why {
    /// Nothing in the conversation speaks for it; its first model, or one that it came back to.
    Begun(Attempt),
    /// Another one had just failed.
    Instead(String, FailureClass),
}

/// One attempt's conversation, as far as it has come.
#[derive(Debug, Default)]
struct Conversation {
    role: Option<String>,
    /// The model that was asked last, and why.
    last: Option<(String, Why)>,
    /// What failed since the last reply.
    failed: Option<(String, FailureClass)>,
}

#[derive(Debug, Default)]
struct Used {
    tally: Tally,
    took_ms: Vec<u64>,
    why: BTreeMap<Why, u64>,
}

/// The fold over one project's records.
#[derive(Debug, Default)]
pub(super) struct Fold {
    conversations: HashMap<(TaskIx, Attempt), Conversation>,
    open: HashMap<(TaskIx, Attempt, CallIx), String>,
    /// By task, role as the conversation has it, and model.
    used: HashMap<(TaskIx, Option<String>, String), Used>,
}

impl Fold {
    pub(super) fn take(&mut self, event: &Event) {
        match event {
            Event::CallStarted { task, attempt, call } if call.kind == CallKind::Prompt => {
                self.conversations.entry((*task, *attempt)).or_default().role = Some(call.label.clone());
            }
            Event::CallStarted { task, attempt, call } if asks_a_model(call.kind) => {
                let talk = self.conversations.entry((*task, *attempt)).or_default();
                let model = call.label.clone();
                let why = match (&talk.failed, &talk.last) {
                    (Some((failed, class)), _) if *failed != model => Why::Instead(failed.clone(), *class),
                    (_, Some((last, why))) if *last == model => why.clone(),
                    _ => Why::Begun(*attempt),
                };
                talk.last = Some((model.clone(), why.clone()));
                let used = self.used.entry((*task, talk.role.clone(), model.clone())).or_default();
                *used.why.entry(why).or_default() += 1;
                self.open.insert((*task, *attempt, call.ix), model);
            }
            Event::CallFinished { task, attempt, call, outcome } => {
                let Some(model) = self.open.remove(&(*task, *attempt, *call)) else { return };
                let talk = self.conversations.entry((*task, *attempt)).or_default();
                talk.failed = outcome.result.as_ref().err().map(|failure| (model.clone(), failure.class));
                let used = self.used.entry((*task, talk.role.clone(), model)).or_default();
                used.tally.add(&Tally::of(outcome));
                if outcome.result.is_ok() {
                    used.took_ms.push(outcome.duration_ms);
                }
            }
            Event::CallUncertain { task, attempt, call, charged } => {
                let Some(model) = self.open.remove(&(*task, *attempt, *call)) else { return };
                let talk = self.conversations.entry((*task, *attempt)).or_default();
                let used = self.used.entry((*task, talk.role.clone(), model)).or_default();
                used.tally.add(&Tally::uncertain(charged));
            }
            _ => {}
        }
    }
}

/// Routes in the making, over several projects.
#[derive(Debug, Default)]
pub(super) struct Routes(HashMap<(String, String), Row>);

#[derive(Debug, Default)]
struct Row {
    tally: Tally,
    took_ms: Vec<u64>,
    why: HashMap<String, u64>,
}

impl Routes {
    /// Adds what a fold over `project` found.
    pub(super) fn add(&mut self, fold: Fold, project: &Project) {
        for ((ix, role, model), used) in fold.used {
            let Some(task) = project.tasks().get(ix.at()) else { continue };
            let role = role.unwrap_or_else(|| super::role_of(&task.spec.action));
            let models = &project.definition.models;
            let of_task = match &task.spec.action {
                Action::Agent(agent) if !agent.models.is_empty() => &agent.models,
                _ => models.roles.get(&role).filter(|models| !models.is_empty()).unwrap_or(&models.default),
            };
            let row = self.0.entry((role, model.clone())).or_default();
            row.tally.add(&used.tally);
            row.took_ms.extend(used.took_ms);
            for (why, calls) in used.why {
                *row.why.entry(in_words(&why, &model, of_task, models.prefer)).or_default() += calls;
            }
        }
    }

    /// The dearest first.
    pub(super) fn done(self) -> Vec<Route> {
        let mut routes: Vec<Route> = self.0.into_iter().map(|((role, model), row)| route(role, model, row)).collect();
        routes.sort_by(|a, b| {
            let names = |route: &Route| (route.role.clone(), route.model.clone());
            dearness(&b.used).cmp(&dearness(&a.used)).then_with(|| names(a).cmp(&names(b)))
        });
        routes
    }
}

fn route(role: String, model: String, row: Row) -> Route {
    let mut chosen: Vec<Chosen> = row.why.into_iter().map(|(why, calls)| Chosen { why, calls }).collect();
    chosen.sort_by(|a, b| b.calls.cmp(&a.calls).then_with(|| a.why.cmp(&b.why)));
    Route { role, model, used: row.tally, latency: latency(row.took_ms), chosen }
}

/// `listed`: the models that the project names for it, most preferred first; empty: those of the role's file.
fn in_words(why: &Why, model: &str, listed: &[String], prefer: Prefer) -> String {
    let attempt = match why {
        Why::Instead(failed, class) => return format!("instead of {failed} ({class})"),
        Why::Begun(attempt) => attempt.0,
    };
    // From the third attempt on another one comes first.
    let turn = if attempt >= 3 && !listed.is_empty() { (attempt as usize - 2) % listed.len() } else { 0 };
    match (listed.get(turn), prefer) {
        (Some(first), _) if first == model && turn > 0 => format!("its turn in attempt {attempt}"),
        (Some(first), _) if first == model => "first choice".to_owned(),
        (None, _) => "first choice".to_owned(),
        (Some(_), Prefer::Latency) => "the quickest of late".to_owned(),
        (Some(_), Prefer::Cost) => "the cheapest".to_owned(),
        (Some(first), Prefer::Order) => format!("instead of {first} (passed over: cooling down, or slow of late)"),
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{begin, end};
    use super::*;
    use crate::domain::chat::Usage;
    use crate::domain::failure::Failure;
    use crate::domain::payload::Payload;

    fn failed(ix: u32, class: FailureClass) -> Event {
        end(ix, Err(Failure::new(class, "no")), Usage::default(), 3)
    }

    fn answered(ix: u32, duration_ms: u64) -> Event {
        end(ix, Ok(Payload::default()), Usage { input_tokens: 10, ..Usage::default() }, duration_ms)
    }

    #[test]
    fn a_fallback_is_told_with_what_it_stands_in_for_and_stays_that() {
        let mut fold = Fold::default();
        for event in [
            begin(0, CallKind::Prompt, "critic"),
            answered(0, 0),
            begin(1, CallKind::Model, "a/x"),
            failed(1, FailureClass::RateLimited),
            begin(2, CallKind::Model, "b/y"),
            answered(2, 40),
            begin(3, CallKind::Model, "b/y"),
            answered(3, 60),
            begin(4, CallKind::Model, "a/x"),
            answered(4, 7),
        ] {
            fold.take(&event);
        }
        let of = |model: &str| &fold.used[&(TaskIx(0), Some("critic".to_owned()), model.to_owned())];
        let instead = Why::Instead("a/x".to_owned(), FailureClass::RateLimited);
        assert_eq!(of("b/y").why, BTreeMap::from([(instead, 2)]));
        assert_eq!(of("b/y").took_ms, [40, 60]);
        assert_eq!(of("a/x").why, BTreeMap::from([(Why::Begun(Attempt(1)), 2)]));
        assert_eq!((of("a/x").tally.calls, of("a/x").tally.failed), (2, 1));
    }

    #[test]
    fn reasons_are_those_of_the_policy() {
        let listed = ["a/x", "b/y"].map(str::to_owned);
        let of =
            |attempt: u32, model: &str, prefer: Prefer| in_words(&Why::Begun(Attempt(attempt)), model, &listed, prefer);
        assert_eq!(of(1, "a/x", Prefer::Order), "first choice");
        assert_eq!(of(3, "b/y", Prefer::Order), "its turn in attempt 3");
        assert_eq!(of(1, "b/y", Prefer::Order), "instead of a/x (passed over: cooling down, or slow of late)");
        assert_eq!(of(1, "b/y", Prefer::Cost), "the cheapest");
        assert_eq!(in_words(&Why::Begun(Attempt(3)), "c/z", &[], Prefer::Order), "first choice");
        let instead = Why::Instead("a/x".to_owned(), FailureClass::Quota);
        assert_eq!(in_words(&instead, "b/y", &listed, Prefer::Order), "instead of a/x (quota)");
    }
}
