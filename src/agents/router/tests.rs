//! The table of rules, line by line.

use proptest::prelude::*;

use super::*;

const BIG: &str = "google/gemini-2.5-pro";
const MINI: &str = "openai/gpt-4o-mini";
const MAIN: &str = "openai/gpt-4o";

fn policy() -> Policy {
    Policy { models: vec![MAIN.into(), MINI.into(), BIG.into()], ..Policy::default() }
}

fn failed(model: &str, class: FailureClass) -> Tried {
    Tried { model: model.into(), outcome: Outcome::Failed(class) }
}

fn answered(model: &str) -> Tried {
    Tried { model: model.into(), outcome: Outcome::Answered }
}

fn compacted(model: &str) -> Tried {
    Tried { model: model.into(), outcome: Outcome::Compacted }
}

fn choice(history: &[Tried]) -> Choice {
    choose(&policy(), history, &Cooling::default(), &Prices::shipped(), 0)
}

fn uses(model: &str) -> Choice {
    Choice::Use(model.into())
}

fn same(model: &str) -> Choice {
    Choice::RetrySame(model.into())
}

fn cool(cooling: &Cooling, model: &str, ms: u64) {
    cooling.failed(model, &Failure { retry_after_ms: Some(ms), ..Failure::new(FailureClass::RateLimited, "") }, 0);
}

#[test]
fn every_class_leads_where_the_table_says() {
    use FailureClass as C;
    for class in C::ALL {
        let first = choice(&[failed(MAIN, *class)]);
        let wanted = match class {
            C::Overloaded | C::HttpServer | C::Transport | C::Idle | C::Timeout | C::Uncertain | C::Unreachable => {
                same(MAIN)
            }
            C::Malformed | C::EmptyReply => same(MAIN),
            C::ContextOverflow => Choice::Compact(MAIN.into()),
            C::Refusal | C::BadRequest | C::ModelNotFound | C::HttpClient | C::Oversized => uses(MINI),
            C::Auth | C::Credits => uses(BIG),
            // Without anything that cools, they are only a matter of when.
            C::Truncated | C::Interrupted | C::RateLimited | C::Quota => uses(MAIN),
            _ => {
                assert!(matches!(&first, Choice::GiveUp(failure) if failure.class == *class), "{class}: {first:?}");
                continue;
            }
        };
        assert_eq!(first, wanted, "{class}");
    }
}

#[test]
fn the_preferred_model_comes_first_and_again_after_each_answer() {
    assert_eq!(choice(&[]), uses(MAIN));
    let overloaded = || failed(MAIN, FailureClass::Overloaded);
    assert_eq!(choice(&[overloaded(), overloaded(), overloaded(), answered(MINI)]), uses(MAIN));
}

#[test]
fn three_times_then_the_next() {
    let history: Vec<Tried> = [FailureClass::Overloaded, FailureClass::Transport, FailureClass::Uncertain]
        .map(|class| failed(MAIN, class))
        .to_vec();
    assert_eq!(choice(&history[..2]), same(MAIN));
    assert_eq!(choice(&history), uses(MINI));
    let mut on = history.clone();
    on.push(failed(MINI, FailureClass::Idle));
    assert_eq!(choice(&on), same(MINI));
    let all: Vec<Tried> =
        [MAIN, MINI, BIG].iter().flat_map(|model| vec![failed(model, FailureClass::Overloaded); 3]).collect();
    let Choice::GiveUp(failure) = choice(&all) else { panic!("nothing is left") };
    assert_eq!(failure.class, FailureClass::Overloaded);
    assert!(failure.message.contains("openai/gpt-4o (overloaded), openai/gpt-4o-mini (overloaded), "), "{failure}");
}

#[test]
fn an_empty_reply_is_asked_for_once_more() {
    let empty = || failed(MAIN, FailureClass::EmptyReply);
    assert_eq!(choice(&[empty()]), same(MAIN));
    assert_eq!(choice(&[empty(), empty()]), uses(MINI));
}

#[test]
fn kinds_that_alternate_are_not_retried_for_ever() {
    let history =
        [FailureClass::EmptyReply, FailureClass::Timeout, FailureClass::Unreachable].map(|class| failed(MAIN, class));
    assert_eq!((choice(&history[..2]), choice(&history)), (same(MAIN), uses(MINI)));
    let overloaded = |model| failed(model, FailureClass::Overloaded);
    let in_turns = [MAIN, MINI, MAIN, MINI, MAIN].map(overloaded);
    assert_eq!(choice(&in_turns), uses(MINI), "it failed twice, the other three times");
}

#[test]
fn a_refusal_is_for_the_whole_conversation() {
    let history = [failed(MAIN, FailureClass::Refusal), answered(MINI), answered(MINI)];
    assert_eq!(choice(&history), uses(MINI));
    let all = [MAIN, MINI, BIG].map(|model| failed(model, FailureClass::Refusal));
    assert!(matches!(choice(&all), Choice::GiveUp(failure) if failure.class == FailureClass::Refusal));
}

#[test]
fn a_missing_key_or_money_leads_to_another_provider_or_to_a_person() {
    for class in [FailureClass::Auth, FailureClass::Credits] {
        assert_eq!(choice(&[failed(MINI, class)]), uses(BIG));
        let both = [failed(MAIN, class), failed(BIG, class)];
        assert!(matches!(choice(&both), Choice::GiveUp(failure) if failure.class == class));
    }
}

#[test]
fn an_overflow_is_compacted_once_and_then_needs_a_larger_window() {
    let overflow = |model| failed(model, FailureClass::ContextOverflow);
    assert_eq!(choice(&[overflow(MAIN), compacted(MAIN)]), uses(MAIN));
    // MINI's window is no larger than MAIN's.
    assert_eq!(choice(&[overflow(MAIN), compacted(MAIN), overflow(MAIN)]), uses(BIG));
    let everywhere = [overflow(MAIN), compacted(MAIN), overflow(MAIN), overflow(BIG)];
    assert!(matches!(choice(&everywhere), Choice::GiveUp(failure) if failure.class == FailureClass::ContextOverflow));
    let later = [overflow(MAIN), compacted(MAIN), answered(MAIN), overflow(MAIN)];
    assert_eq!(choice(&later), Choice::Compact(MAIN.into()), "the next turn may compact again");
}

#[test]
fn what_cools_is_passed_over_and_parked_for_when_all_do() {
    let (cooling, prices) = (Cooling::default(), Prices::shipped());
    let next = |now_ms| choose(&policy(), &[failed(MAIN, FailureClass::RateLimited)], &cooling, &prices, now_ms);
    cool(&cooling, MAIN, 5_000);
    assert_eq!(next(0), uses(MINI));
    cool(&cooling, MINI, 9_000);
    cool(&cooling, BIG, 7_000);
    assert_eq!((next(0), next(1_000)), (Choice::Park(5_000), Choice::Park(4_000)));
    assert_eq!(next(5_000), uses(MAIN));
    let other_task = choose(&policy(), &[], &cooling, &prices, 0);
    assert_eq!(other_task, Choice::Park(5_000), "what one task found out, all know");
}

#[test]
fn a_model_that_others_found_cooling_is_not_retried() {
    let cooling = Cooling::default();
    cool(&cooling, MAIN, 5_000);
    let choice = choose(&policy(), &[failed(MAIN, FailureClass::Transport)], &cooling, &Prices::shipped(), 0);
    assert_eq!(choice, uses(MINI));
}

#[test]
fn a_policy_may_prefer_the_quick_or_the_cheap() {
    let (cooling, prices) = (Cooling::default(), Prices::shipped());
    let next = |policy: &Policy| choose(policy, &[], &cooling, &prices, 0);
    assert_eq!(next(&Policy { prefer: Prefer::Cost, ..policy() }), uses(MINI));
    for (model, latency_ms) in [(MAIN, 900), (MINI, 500), (BIG, 300)] {
        cooling.answered(model, latency_ms);
    }
    assert_eq!(next(&Policy { prefer: Prefer::Latency, ..policy() }), uses(BIG));
    assert_eq!(next(&Policy { max_latency_ms: Some(600), ..policy() }), uses(MINI));
    assert_eq!(next(&Policy { max_latency_ms: Some(900), ..policy() }), uses(MAIN));
}

#[test]
fn a_policy_without_models_says_so() {
    let none = Policy { models: Vec::new(), ..policy() };
    let choice = choose(&none, &[], &Cooling::default(), &Prices::shipped(), 0);
    assert!(matches!(choice, Choice::GiveUp(failure) if failure.message.contains("names no model")));
}

proptest! {
    #[test]
    fn whatever_failed_it_ends_and_never_asks_what_refused(
        classes in proptest::collection::vec(prop::sample::select(FailureClass::ALL.to_vec()), 1..6),
    ) {
        // The world answers every call with one of these failures, over and over.
        let (cooling, prices) = (Cooling::default(), Prices::shipped());
        let mut history: Vec<Tried> = Vec::new();
        let mut now_ms = 0;
        for round in 0..200 {
            let model = match choose(&policy(), &history, &cooling, &prices, now_ms) {
                Choice::GiveUp(_) => return Ok(()),
                Choice::Park(wait) => {
                    prop_assert!(wait > 0);
                    now_ms += wait;
                    continue;
                }
                Choice::Compact(model) => {
                    history.push(compacted(&model));
                    continue;
                }
                Choice::Use(model) | Choice::RetrySame(model) => model,
            };
            let refused = history.iter().any(|tried| {
                tried.model == model && tried.outcome == Outcome::Failed(FailureClass::Refusal)
            });
            prop_assert!(!refused, "{} refused before", model);
            let class = classes[round % classes.len()];
            cooling.failed(&model, &Failure::new(class, ""), now_ms);
            history.push(failed(&model, class));
        }
        // Waiting for ever is right for what only time can heal.
        let patient = [FailureClass::RateLimited, FailureClass::Quota, FailureClass::Truncated, FailureClass::Interrupted];
        prop_assert!(classes.iter().any(|class| patient.contains(class)));
    }
}
