//! How fast the core alone is: no-op steps over a store in memory. Run by hand, in release:
//! `cargo test --release --test sim pace -- --ignored --nocapture --test-threads 1`.

use std::sync::Arc;

use wfctl::domain::effect::Effect;
use wfctl::domain::ids::{Epoch, ProjectId};
use wfctl::domain::machine::Phase;
use wfctl::domain::workflow::Definition;
use wfctl::engine::archive::Archive;
use wfctl::engine::clock::{ManualClock, SystemClock};
use wfctl::engine::core::{Core, Request};
use wfctl::engine::entropy::SeededEntropy;
use wfctl::engine::ports::Clock;
use wfctl::journal::memory_store::MemoryStore;
use wfctl::journal::store::Store;

use super::support::flows::*;
use super::support::rig::*;

/// Starts `count` projects and answers every step at once, until nothing runs; the time it took in ms.
fn pace(what: &str, definition: Definition, count: usize, workers: usize) {
    let store = MemoryStore::new();
    let epoch: Epoch = store.take_over().unwrap();
    let archive = Archive::new(Arc::new(store), Arc::new(MemoryVault::default()), None);
    let clock = Arc::new(ManualClock::new(BEGIN));
    let mut core: Core<()> = Core::new(archive, clock, Arc::new(SeededEntropy::new(1)), epoch, workers);
    let definition = Arc::new(definition);
    let time = SystemClock::default();
    let ids = (0..count).map(|n| ProjectId::new(&format!("p{n}")).unwrap());
    let mut requests: Vec<(Request, Option<()>)> = ids.map(|id| (start(&id, &definition), None)).collect();
    let (mut closed, mut turns, mut records) = (0, 0, 0);
    while !requests.is_empty() {
        let turned = core.turn(std::mem::take(&mut requests)).unwrap();
        turns += 1;
        records += turned.records;
        closed += turned.closed.len();
        requests.extend(turned.effects.into_iter().filter_map(|(_, effect)| match effect {
            Effect::RunStep(order) => Some((report(&order, good()), None)),
            _ => None,
        }));
    }
    assert_eq!(closed, count);
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let peak = status.lines().find(|line| line.starts_with("VmHWM")).unwrap_or_default();
    println!("{what}: {} ms, {turns} turns, {records} records, {peak}", time.monotonic_ms());
}

fn layers(count: usize, width: usize) -> Definition {
    let name = |n: usize| format!("t{n}");
    let spec = |n: usize| {
        let needs: Vec<String> = if n < width { Vec::new() } else { vec![name(n - width), name(n - 1 - n % width)] };
        let mut spec = run(&name(n), &[]);
        spec.needs = needs;
        spec.needs.dedup();
        spec
    };
    phases(vec![phase(Phase::Build, (0..count).map(spec).collect())])
}

#[test]
#[ignore = "a measurement, run by hand in release"]
fn pace_of_1000_projects() {
    let names: Vec<String> = (0..5).map(|n| format!("t{n}")).collect();
    let tasks = names.iter().enumerate().map(|(n, name)| {
        let before = n.checked_sub(1).map(|before| names[before].as_str());
        run(name, before.as_slice())
    });
    pace("1,000 projects x 5 steps", flow(tasks.collect()), 1_000, 256);
}

#[test]
#[ignore = "a measurement, run by hand in release"]
fn pace_of_a_fan_out() {
    let names: Vec<String> = (0..1_000).map(|n| format!("t{n}")).collect();
    let mut tasks = vec![run("first", &[])];
    tasks.extend(names.iter().map(|name| run(name, &["first"])));
    tasks.push(run("last", &names.iter().map(String::as_str).collect::<Vec<_>>()));
    pace("1 -> 1,000 -> 1", flow(tasks), 1, 256);
}

#[test]
#[ignore = "a measurement, run by hand in release"]
fn pace_of_100000_tasks() {
    pace("100,000 tasks", layers(100_000, 100), 1, 256);
}
