//! Twenty agents at once, against a model that knows no git: states are lines of text, a merge compares them one by one.
//!
//! `WFCTL_STORM=N` lets each agent do N tasks.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};

use super::rig::{Files, Rig};
use super::*;

const AGENTS: u64 = 20;
const FILES: u64 = 6;
const LINES: u64 = 24;

/// A small generator of our own: the storm is the same for the same seed, as far as the threads allow.
struct Chance(u64);

impl Chance {
    fn below(&mut self, most: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % most
    }
}

fn base() -> Files {
    let text = |file: u64| (0..LINES).map(|line| format!("file {file} line {line}\n")).collect();
    (0..FILES).map(|file| (format!("d{}/f{file}", file % 2), text(file))).collect()
}

/// Changes some lines, sometimes adds or removes a file. Lines that are changed are never neighbours, so that two changes
/// either meet in a line or are apart.
fn change(files: &mut Files, chance: &mut Chance, mark: &str) {
    for _ in 0..=chance.below(2) {
        let names: Vec<String> = files.keys().cloned().collect();
        let name = names[chance.below(names.len() as u64) as usize].clone();
        let line = (chance.below(LINES / 4) * 4) as usize;
        let changed = files[&name].lines().enumerate().map(|(at, text)| {
            if at == line { format!("{mark} wrote line {line} of {name}\n") } else { format!("{text}\n") }
        });
        let changed = changed.collect();
        files.insert(name, changed);
    }
    match chance.below(10) {
        0 => drop(files.insert(format!("new/{}", chance.below(4)), format!("{mark} made this\nwith {mark}\n"))),
        1 if files.len() > 3 => drop(files.pop_last()),
        _ => {}
    }
}

/// The model's merge; `None` is a conflict.
fn model(base: &Files, ours: &Files, theirs: &Files) -> Option<Files> {
    let names: BTreeSet<&String> = base.keys().chain(ours.keys()).chain(theirs.keys()).collect();
    let mut merged = Files::new();
    for name in names {
        let (from, our, their) = (base.get(name), ours.get(name), theirs.get(name));
        let text = if our == their || from == their {
            our.cloned()
        } else if from == our {
            their.cloned()
        } else {
            let (from, our, their) = (from?, our?, their?);
            let mut text = String::new();
            for ((from, our), their) in from.lines().zip(our.lines()).zip(their.lines()) {
                let line = if our == their || from == their {
                    our
                } else if from == our {
                    their
                } else {
                    return None;
                };
                text.push_str(line);
                text.push('\n');
            }
            Some(text)
        };
        merged.extend(text.map(|text| (name.clone(), text)));
    }
    Some(merged)
}

/// What happened, as the agents saw it.
#[derive(Default)]
struct Seen {
    /// By position: the commit, and the states that the task started from and ended with.
    merged: BTreeMap<u64, (Merged, Files, Files)>,
    /// The head that a conflict was with, and the same states.
    conflicts: Vec<(String, Files, Files)>,
    tasks: Vec<String>,
}

async fn agent(rig: Arc<Rig>, seen: Arc<Mutex<Seen>>, number: u64, tasks: u64) {
    let mut chance = Chance(0x9e37_79b9 * (number + 1));
    let mut start = rig.base.clone();
    for task in 0..tasks {
        let name = format!("agent {number}/task {task}");
        let mut from = rig.files(&start);
        let mut to = from.clone();
        change(&mut to, &mut chance, &name);
        let mut commit = rig.task(&name, &[&start], &to);
        let original = commit.clone();
        seen.lock().unwrap().tasks.push(original.clone());
        start = loop {
            match rig.merge(&name, &commit).await {
                Ok(merged) => {
                    let at = merged.position;
                    let head = merged.commit.clone();
                    let before = seen.lock().unwrap().merged.insert(at, (merged, from, to));
                    assert!(before.is_none(), "two tasks at position {at}");
                    break head;
                }
                Err(MergeFault::Conflict { ours, .. }) => {
                    seen.lock().unwrap().conflicts.push((ours.clone(), from, to));
                    // Resolved in favour of the branch, with something of one's own.
                    from = rig.files(&ours);
                    to = from.clone();
                    change(&mut to, &mut chance, &format!("{name} again"));
                    commit = rig.task(&name, &[&ours, &original], &to);
                }
                Err(other) => panic!("{name}: {other:?}"),
            }
        };
        // Half of the agents work on what was there when they began: their conflicts are with more.
        if number.is_multiple_of(2) {
            start = rig.base.clone();
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_storm_loses_nothing_and_ends_where_the_model_ends() {
    let tasks = std::env::var_os("WFCTL_STORM").and_then(|text| text.to_str()?.parse().ok()).unwrap_or(4);
    let files = base();
    let files: Vec<(&str, &str)> = files.iter().map(|(name, text)| (name.as_str(), text.as_str())).collect();
    let (rig, seen) = (Arc::new(Rig::new(&files)), Arc::new(Mutex::new(Seen::default())));
    let agents: Vec<_> =
        (0..AGENTS).map(|number| tokio::spawn(agent(rig.clone(), seen.clone(), number, tasks))).collect();
    for agent in agents {
        agent.await.unwrap();
    }
    let seen = std::mem::take(&mut *seen.lock().unwrap());
    assert_eq!(seen.merged.len() as u64, AGENTS * tasks);
    assert!(seen.merged.keys().copied().eq(1..=AGENTS * tasks), "positions have gaps");
    assert!(!seen.conflicts.is_empty() && seen.merged.values().any(|(merged, ..)| merged.batch > 1));
    let mut states = BTreeMap::from([(rig.base.clone(), base())]);
    let mut state = base();
    for (position, (merged, from, to)) in &seen.merged {
        state = model(from, &state, to).unwrap_or_else(|| panic!("position {position} conflicts in the model"));
        assert_eq!(rig.files(&merged.commit), state, "position {position}");
        states.insert(merged.commit.clone(), state.clone());
    }
    assert_eq!(rig.files(&rig.head()), state);
    for (ours, from, to) in &seen.conflicts {
        assert_eq!(model(from, &states[ours], to), None, "the model sees no conflict with {ours}");
    }
    assert!(seen.tasks.iter().all(|task| rig.contains(task)), "a task's commit is lost");
    println!("{} merged, {} conflicts", seen.merged.len(), seen.conflicts.len());
}
