//! Chance that can be repeated, and the workflows it makes.

use std::collections::BTreeMap;
use std::sync::Arc;

use wfctl::domain::budget::Caps;
use wfctl::domain::failure::FailureClass;
use wfctl::domain::machine::Phase;
use wfctl::domain::retry::{OnExhausted, RetryPolicy, split_mix};
use wfctl::domain::workflow::{Definition, EffectClass, Limits, OnTimeout, PhaseSpec, RetryRules, TaskSpec};

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
        groups: BTreeMap::from([("g".to_owned(), 1 + dice.below(2) as u32)]),
    };
    if dice.chance(15) {
        let calls = Some(1 + dice.below(2 * names.len() + 1) as u64);
        let wall_ms = dice.chance(30).then(|| 20_000 + dice.below(100_000) as u64);
        definition.budget = Caps { calls, wall_ms, ..Caps::default() };
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
        0..62 => run(name, &[]),
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
    if dice.chance(12) {
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
