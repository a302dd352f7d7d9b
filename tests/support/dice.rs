//! Chance that can be repeated, and the workflows it makes.

use std::collections::BTreeMap;
use std::sync::Arc;

use wfctl::domain::budget::{Amounts, Caps};
use wfctl::domain::call::{CallInput, CallKind, RecordedCall};
use wfctl::domain::failure::{Failure, FailureClass};
use wfctl::domain::ids::CallIx;
use wfctl::domain::machine::Phase;
use wfctl::domain::retry::{OnExhausted, RetryPolicy, split_mix};
use wfctl::domain::workflow::{
    Action, Definition, EffectClass, ItemGraph, Join, Limits, OnTimeout, PhaseSpec, RetryRules, TaskSpec,
};

use super::flows::*;

/// A sequence that follows from its seed.
#[derive(Debug, Clone)]
pub struct Dice(pub u64);

impl Dice {
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        split_mix(self.0)
    }

    /// A number below `n`.
    pub fn below(&mut self, n: usize) -> usize {
        (self.next() % n.max(1) as u64) as usize
    }

    /// True in `percent` of 100 cases.
    pub fn chance(&mut self, percent: usize) -> bool {
        self.below(100) < percent
    }

    pub fn pick<'t, T>(&mut self, of: &'t [T]) -> Option<&'t T> {
        (!of.is_empty()).then(|| &of[self.below(of.len())])
    }
}

/// Lists of items that need each other. None goes in a circle: such a list fails whatever anybody does.
const PLANS: &[&str] = &[
    r#"[{"id": "b", "needs": ["a"]}, {"id": "a"}, {"id": "c", "needs": ["a", "b"]}]"#,
    r#"[{"id": "a"}, {"id": "b", "needs": []}]"#,
];

/// What the walk of an agent says next: mostly what fits its record, sometimes what is out of step.
pub fn call_of(dice: &mut Dice, known: &[RecordedCall]) -> CallInput {
    let last = known.last();
    let lost = last.is_some_and(|last| last.outcome.is_none());
    let next = known.len() as u32 - u32::from(lost);
    let next = if dice.chance(90) { next } else { dice.below(4) as u32 };
    if last.is_some_and(|last| last.is_open) && dice.chance(85) {
        let reserved = last.map_or(0, |last| last.reserved.tokens);
        let class = [FailureClass::RateLimited, FailureClass::Quota, FailureClass::Credits][dice.below(3)];
        let failed = Failure { retry_after_ms: dice.chance(50).then_some(9_000), ..Failure::new(class, "not now") };
        let outcome = match dice.chance(75) {
            true => answered(dice.below(reserved as usize + 1) as u64),
            false => ended(Err(failed), 0),
        };
        return CallInput::End(CallIx(next), Box::new(outcome));
    }
    match dice.below(10) {
        0 => {
            CallInput::Ask(Box::new(call(next, CallKind::Ask, EffectClass::Pure, Amounts::default())), "so?".to_owned())
        }
        1 => CallInput::End(CallIx(next), Box::new(answered(1))),
        2..4 => CallInput::Note(vec![(tool(next), answered(0)), (tool(next + 1), answered(0))]),
        4..6 => CallInput::Begin(Box::new(tool(next))),
        _ => CallInput::Begin(Box::new(model(next, dice.below(60) as u64))),
    }
}

/// A workflow with something of everything.
pub fn definition(dice: &mut Dice, depth: u32) -> Definition {
    let mut names = Vec::new();
    let chosen: &[Phase] = match dice.below(10) {
        0..6 => &[Phase::Build],
        6..8 => &[Phase::Build, Phase::Test],
        _ => &[Phase::Planning, Phase::Build, Phase::Review],
    };
    let phases = chosen.iter().map(|&at| phase_of(dice, at, chosen, &mut names, depth)).collect();
    let mut definition = super::flows::phases(phases);
    definition.name = format!("flow{depth}");
    definition.limits = Limits {
        workers: dice.chance(40).then(|| 1 + dice.below(3) as u32),
        workers_from: None,
        groups: BTreeMap::from([("g".to_owned(), 1 + dice.below(2) as u32)]),
    };
    if dice.chance(15) {
        let calls = dice.chance(60).then(|| 1 + dice.below(2 * names.len() + 1) as u64);
        let tokens = dice.chance(60).then(|| dice.below(400) as u64);
        let wall_ms = dice.chance(30).then(|| 20_000 + dice.below(100_000) as u64);
        definition.budget = Caps { calls, tokens, wall_ms, ..Caps::default() };
    }
    if dice.chance(40) {
        definition = in_worktrees(definition);
    }
    definition.retry.all = policy_of(dice);
    if depth == 0 {
        definition.children.insert("below".to_owned(), Arc::new(self::definition(dice, depth + 1)));
    }
    definition
}

fn phase_of(dice: &mut Dice, at: Phase, chosen: &[Phase], names: &mut Vec<String>, depth: u32) -> PhaseSpec {
    let count = if depth == 0 { 1 + dice.below(7) } else { 1 + dice.below(3) };
    let mut tasks = Vec::new();
    for number in 0..count {
        let name = format!("{at}{number}");
        let mut spec = task(dice, &name, depth);
        for need in names.iter() {
            if dice.chance(25) {
                spec.needs.push(need.clone());
            }
        }
        names.push(name);
        tasks.push(spec);
    }
    let mut spec = phase(at, tasks);
    if dice.chance(10) {
        spec.budget.tokens = Some(dice.below(300) as u64);
    }
    if chosen.len() > 1 && dice.chance(40) {
        let on_timeout = if dice.chance(50) { OnTimeout::Approve } else { OnTimeout::Reject };
        spec.approval = Some(ask(dice.chance(50).then_some(60_000), on_timeout));
    }
    if at != chosen[0] && dice.chance(60) {
        spec.loop_back =
            back_to(chosen[dice.below(chosen.iter().position(|p| *p == at).unwrap_or(1))], 1 + dice.below(2) as u32);
    }
    spec
}

pub fn task(dice: &mut Dice, name: &str, depth: u32) -> TaskSpec {
    let mut spec = match dice.below(100) {
        0..36 => run(name, &[]),
        36..62 => agent(name, &[]),
        62..70 => approval(
            name,
            dice.chance(50).then_some(30_000),
            if dice.chance(50) { OnTimeout::Approve } else { OnTimeout::Reject },
        ),
        70..77 => wait_ms(name, 1_000 * dice.below(60) as u64),
        77..86 => wait_signal(name, ["s", "t"][dice.below(2)], dice.chance(40).then_some(20_000)),
        86..94 => external(name, 5_000),
        _ if depth == 0 => child(name, "below"),
        _ => run(name, &[]),
    };
    spec.priority = 1 + dice.below(10) as u8;
    spec.group = dice.chance(30).then(|| "g".to_owned());
    if dice.chance(10) {
        spec.when = Some(if dice.chance(60) { "true" } else { "false" }.to_owned());
    }
    // Files are merged where there are any; elsewhere it says nothing.
    spec.merge = matches!(spec.action, Action::Run(_) | Action::Agent(_)) && dice.chance(40);
    if dice.chance(8) {
        spec.foreach = Some(PLANS[dice.below(PLANS.len())].to_owned());
        spec.item_graph = Some(ItemGraph { id: "id".to_owned(), needs: "needs".to_owned() });
    } else if dice.chance(8) {
        grows(dice, &mut spec);
    } else if dice.chance(12) {
        spec.foreach = Some(["[1, 2, 3]", "[]", "5"][dice.below(3)].to_owned());
    } else if dice.chance(20) {
        let classes = [EffectClass::Pure, EffectClass::Probed, EffectClass::Once, EffectClass::Once];
        spec.effect = Some(classes[dice.below(4)]);
    }
    if dice.chance(20) {
        spec.validate = vec!["check".to_owned(); 1 + dice.below(2)];
    }
    if dice.chance(20) {
        spec.on_failure = Some(branch("repair", 1 + dice.below(2) as u32));
    }
    if dice.chance(35) {
        spec.undo = Some("take back".to_owned());
    }
    if dice.chance(60) {
        let validating = dice.chance(20).then(|| policy_of(dice));
        spec.retry = Some(Arc::new(RetryRules { all: policy_of(dice), running: None, validating }));
    }
    spec
}

/// A `foreach` of two kinds, one of which gives further items; what waits for them is of three minds.
fn grows(dice: &mut Dice, spec: &mut TaskSpec) {
    let more = "[{'id': 'm', 'kind': 'grow', 'priority': 'high'}, {'id': 'n', 'kind': 'leaf', 'needs': ['m', item.id]}] \
                if item.depth < 2 else []";
    let kind = |dice: &mut Dice, name: &str| {
        let mut kind = if dice.chance(50) { agent(name, &[]) } else { run(name, &[]) };
        kind.merge = dice.chance(40);
        kind.join = [Join::All, Join::Settled, Join::Any][dice.below(3)];
        if dice.chance(60) {
            kind.retry = Some(Arc::new(RetryRules { all: policy_of(dice), running: None, validating: None }));
        }
        kind
    };
    let (mut grow, leaf) = (kind(dice, "grow"), kind(dice, "leaf"));
    grow.more = Some(more.to_owned());
    spec.foreach = Some("[{'id': 'a', 'kind': 'grow'}, {'id': 'b', 'kind': 'leaf', 'needs': ['a']}]".to_owned());
    spec.item_graph = Some(ItemGraph { id: "id".to_owned(), needs: "needs".to_owned() });
    spec.action = grow.action.clone();
    spec.kinds = BTreeMap::from([("grow".to_owned(), Arc::new(grow)), ("leaf".to_owned(), Arc::new(leaf))]);
}

fn policy_of(dice: &mut Dice) -> RetryPolicy {
    let on_exhausted = [OnExhausted::Pause, OnExhausted::Fail, OnExhausted::Continue][dice.below(3)];
    let mut policy = policy(1 + dice.below(3) as u32, on_exhausted);
    policy.jitter_percent = 20 * dice.below(2) as u32;
    policy.max_elapsed_ms = dice.chance(10).then_some(5_000);
    if dice.chance(10) {
        policy.never.insert(FailureClass::Signal);
    }
    policy
}
