//! Which model to ask next: a pure function of a role's policy, of what was tried, and of what is known of the models of late.
//!
//! | what failed | what follows |
//! |---|---|
//! | rate-limited, quota | that model cools down, the next one is asked; all cool: park |
//! | overloaded, http-5xx, transport, idle, timeout, uncertain, unreachable, malformed | the same again, until it failed 3 times since the last reply; then the next |
//! | empty-reply | the same once more, then the next |
//! | context-overflow | compact; again behind that: a model with a larger window |
//! | refusal | another model; this one not again in this conversation |
//! | bad-request, model-not-found, oversized | another model; this one not again in this conversation |
//! | auth, credits | a model of another provider; this provider not again in this conversation |
//! | truncated, interrupted | go on with the same |
//! | everything else | the end |

mod cooling;

use std::collections::BTreeMap;

pub use cooling::Cooling;

use super::prices::Prices;
use crate::domain::failure::{Failure, FailureClass};
use crate::domain::policy::{Policy, Prefer};

/// Failures of one model since the last reply after which another one is asked.
const FAILURES: u32 = 3;
/// The same for replies without content: they tend to come again.
const EMPTY_REPLIES: u32 = 2;

/// One call that was made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tried {
    /// The model.
    pub model: String,
    /// What came of it.
    pub outcome: Outcome,
}

/// What came of a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// A reply.
    Answered,
    /// The conversation was made shorter.
    Compacted,
    /// No usable reply.
    Failed(FailureClass),
}

/// What to do next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Choice {
    /// Ask this model, at once.
    Use(String),
    /// Ask this model, which has just failed, once more, after the retry policy's delay.
    RetrySame(String),
    /// Make the conversation shorter, then ask this model.
    Compact(String),
    /// Every model that may be asked cools down; the first is ready after this many milliseconds.
    Park(u64),
    /// Nothing more can be done without a person.
    GiveUp(Failure),
}

/// What a class of failure leads to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Rule {
    Cool,
    Again { most: u32 },
    Compact,
    Other,
    OtherProvider,
    GoOn,
    End,
}

fn rule(class: FailureClass) -> Rule {
    use FailureClass as C;
    match class {
        C::RateLimited | C::Quota => Rule::Cool,
        C::Overloaded
        | C::HttpServer
        | C::Transport
        | C::Idle
        | C::Timeout
        | C::Uncertain
        | C::Unreachable
        | C::Malformed => Rule::Again { most: FAILURES },
        C::EmptyReply => Rule::Again { most: EMPTY_REPLIES },
        C::ContextOverflow => Rule::Compact,
        C::Refusal | C::BadRequest | C::ModelNotFound | C::HttpClient | C::Oversized => Rule::Other,
        C::Auth | C::Credits => Rule::OtherProvider,
        C::Truncated | C::Interrupted => Rule::GoOn,
        C::Exit
        | C::NotFound
        | C::Signal
        | C::Validation
        | C::Rejected
        | C::Expired
        | C::Expression
        | C::Conflict
        | C::Workspace
        | C::Child
        | C::Diverged
        | C::Cancelled
        | C::Poison
        | C::Internal
        | C::Stuck
        | C::Turns
        | C::Budget
        | C::Sandbox => Rule::End,
    }
}

fn provider_of(model: &str) -> &str {
    model.split('/').next().unwrap_or(model)
}

/// Chooses. `history` holds the calls of one conversation, oldest first; the same arguments give the same choice.
pub fn choose(policy: &Policy, history: &[Tried], cooling: &Cooling, prices: &Prices, now_ms: u64) -> Choice {
    let turn = history.iter().rposition(|tried| tried.outcome == Outcome::Answered).map_or(0, |at| at + 1);
    let barred = barred(policy, history, turn, prices);
    if let Some(choice) = go_on(history, turn, &barred, cooling, now_ms) {
        return choice;
    }
    let left: Vec<&String> =
        ordered(policy, cooling, prices).into_iter().filter(|model| !barred.contains_key(*model)).collect();
    let mut soonest = None;
    for model in left {
        match cooling.ready_in_ms(model, now_ms) {
            0 => return Choice::Use(model.clone()),
            wait => soonest = Some(soonest.map_or(wait, |before: u64| before.min(wait))),
        }
    }
    match soonest {
        Some(wait) => Choice::Park(wait),
        None => Choice::GiveUp(nothing_left(policy, &barred, history)),
    }
}

/// The choices that stay with the model that was asked last.
fn go_on(history: &[Tried], turn: usize, barred: &Barred, cooling: &Cooling, now_ms: u64) -> Option<Choice> {
    let last = history.last()?;
    let ready = || cooling.ready_in_ms(&last.model, now_ms) == 0;
    let class = match last.outcome {
        Outcome::Answered => return None,
        Outcome::Compacted if barred.contains_key(&last.model) || !ready() => return None,
        Outcome::Compacted => return Some(Choice::Use(last.model.clone())),
        Outcome::Failed(class) => class,
    };
    match rule(class) {
        Rule::End => Some(Choice::GiveUp(Failure::new(
            class,
            format!("{}: nothing that another model could do better", last.model),
        ))),
        Rule::GoOn => Some(Choice::Use(last.model.clone())),
        Rule::Again { .. } if !barred.contains_key(&last.model) && ready() => {
            Some(Choice::RetrySame(last.model.clone()))
        }
        Rule::Compact if !compacted(&history[turn..]) => Some(Choice::Compact(last.model.clone())),
        Rule::Again { .. } | Rule::Compact | Rule::Cool | Rule::Other | Rule::OtherProvider => None,
    }
}

fn compacted(turn: &[Tried]) -> bool {
    turn.iter().any(|tried| tried.outcome == Outcome::Compacted)
}

/// Models that may not be asked now, with why.
type Barred = BTreeMap<String, FailureClass>;

fn barred(policy: &Policy, history: &[Tried], turn: usize, prices: &Prices) -> Barred {
    let mut barred = Barred::new();
    let failed = |tried: &Tried| match tried.outcome {
        Outcome::Failed(class) => Some(class),
        Outcome::Answered | Outcome::Compacted => None,
    };
    for (at, tried) in history.iter().enumerate() {
        let Some(class) = failed(tried) else { continue };
        match rule(class) {
            Rule::Other => {
                barred.insert(tried.model.clone(), class);
            }
            Rule::OtherProvider => {
                let same = |model: &&String| provider_of(model) == provider_of(&tried.model);
                barred.extend(policy.models.iter().filter(same).map(|model| (model.clone(), class)));
            }
            Rule::Again { most } if at >= turn => {
                // Of any kind, and whatever was asked between them: else two kinds that alternate would be retried for ever.
                let again = |before: &&Tried| {
                    before.model == tried.model && matches!(failed(before).map(self::rule), Some(Rule::Again { .. }))
                };
                if history[turn..=at].iter().filter(again).count() >= most as usize {
                    barred.insert(tried.model.clone(), class);
                }
            }
            Rule::Compact if at >= turn && compacted(&history[turn..at]) => {
                let window = |model: &str| prices.model(model).and_then(|model| model.context_tokens);
                let too_small = |model: &&String| match (window(model), window(&tried.model)) {
                    (Some(its), Some(that)) => its <= that,
                    (None, _) | (_, None) => **model == tried.model,
                };
                barred.extend(policy.models.iter().filter(too_small).map(|model| (model.clone(), class)));
            }
            Rule::Again { .. } | Rule::Compact | Rule::Cool | Rule::GoOn | Rule::End => {}
        }
    }
    barred
}

/// The policy's models in the order in which it wants them asked.
fn ordered<'p>(policy: &'p Policy, cooling: &Cooling, prices: &Prices) -> Vec<&'p String> {
    let mut models: Vec<&String> = policy.models.iter().collect();
    // Sorting is stable: what is equal stays as listed. An unknown latency is tried, an unknown price is not.
    match policy.prefer {
        Prefer::Order => {}
        Prefer::Latency => models.sort_by_key(|model| cooling.latency_ms(model).unwrap_or(0)),
        Prefer::Cost => models.sort_by_key(|model| prices.model(model).map_or(u64::MAX, |model| model.rank())),
    }
    if let Some(most) = policy.max_latency_ms {
        models.sort_by_key(|model| cooling.latency_ms(model).is_some_and(|latency| latency > most));
    }
    models
}

fn nothing_left(policy: &Policy, barred: &Barred, history: &[Tried]) -> Failure {
    let last = history.iter().rev().find_map(|tried| match tried.outcome {
        Outcome::Failed(class) => Some(class),
        Outcome::Answered | Outcome::Compacted => None,
    });
    let tried: Vec<String> = policy
        .models
        .iter()
        .map(|model| match barred.get(model) {
            Some(class) => format!("{model} ({class})"),
            None => model.clone(),
        })
        .collect();
    let message = if tried.is_empty() {
        "the policy names no model".to_owned()
    } else {
        format!("no model is left to ask: {}", tried.join(", "))
    };
    Failure::new(last.unwrap_or(FailureClass::ModelNotFound), message)
}

#[cfg(test)]
mod tests;
