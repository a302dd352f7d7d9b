//! Two engines and one home: a stopped owner still owns it, a lost lock does not make two, a stale owner is fenced.

use std::fs;
use std::path::Path;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use wfctl::domain::ids::Epoch;
use wfctl::engine::Error;
use wfctl::journal::sled_store::SledStore;
use wfctl::journal::store;

use super::driver::Driver;
use super::images::{self, START};
use super::kills::{self, Running, SILENCE, Seen};
use super::workload::{self, start_of};
use super::{child, home};

/// Slow enough to be stopped in its middle on any machine.
const WHAT: &str = "slow";

fn signal(running: &Running, signal: Signal) {
    kill_process(Pid::from_child(&running.child), signal).expect("a child of ours takes our signals");
}

/// A child that is stopped in the middle of its work, and everything it had accepted by then.
fn stopped(dir: &Path) -> Running {
    let running = Running::start(dir, WHAT);
    running.until("ran p0/");
    signal(&running, Signal::STOP);
    running
}

fn goes_on(running: Running, dir: &Path) {
    signal(&running, Signal::CONT);
    running.until("done");
    drop(running);
    kills::check_end(dir, WHAT, &Seen::default());
}

fn open(dir: &Path) -> Result<SledStore, store::Error> {
    SledStore::open(&dir.join("store"))
}

/// The owner is stopped: whoever else opens is refused, and the owner goes on unharmed.
pub fn stopped_owner(dir: &Path) {
    let running = stopped(dir);
    assert!(matches!(open(dir), Err(store::Error::Locked)));
    goes_on(running, dir);
}

/// The owner is stopped and our lock file is deleted: sled's own lock still refuses.
pub fn stopped_owner_without_its_lock(dir: &Path) {
    let running = stopped(dir);
    fs::remove_file(dir.join("store/lock")).expect("the lock file is there");
    assert!(matches!(open(dir), Err(store::Error::Locked)));
    goes_on(running, dir);
}

/// The owner is stopped and another one takes the epoch on: the first one's next commit is refused, and it stops.
pub fn stale_owner(dir: &Path) {
    let running = stopped(dir);
    home::write_epoch(dir, Epoch(2));
    signal(&running, Signal::CONT);
    let why = running.until("ended");
    assert!(why.contains("taken over by epoch 2"), "{why}");
    drop(running);
    let archive = home::open(dir).expect("a home that opens");
    let epochs = archive.store().projects().expect("readable");
    for id in epochs {
        let records = super::checker::history(&**archive.store(), &id).expect("a whole chain");
        assert!(records.iter().all(|record| record.epoch == Epoch(1)), "nothing of the stale owner came later");
    }
    drop(archive);
    let seen = kills::run(dir, WHAT, &mut super::chance::Chance::new(1), 0);
    assert_eq!(seen.epochs, [3], "epoch 2 was somebody's");
    kills::check_end(dir, WHAT, &seen);
}

/// The same in one process: the core says that it is fenced, and hands out no effect of what was refused.
pub fn fenced_core(dir: &Path) {
    let (definition, id) = (workload::everything("1s"), child::projects(WHAT).remove(0));
    let store = home::open_store(dir).expect("a home that opens");
    let archive = home::archive(dir, store);
    let steps = images::counted_steps(dir, &archive);
    let mut driver = Driver::new(archive, START, 3, steps).expect("a store to own");
    driver.begin(start_of(&definition, &id)).expect("accepted");
    home::write_epoch(dir, Epoch(9));
    let before = workload::executions(dir).len();
    let error = loop {
        match driver.step(&id) {
            Ok(_) => {}
            Err(error) => break error,
        }
    };
    let fenced = store::Error::Fenced { mine: Epoch(1), owner: Epoch(9) };
    assert!(matches!(&error, Error::Store(found) if found.to_string() == fenced.to_string()), "{error}");
    assert_eq!(workload::executions(dir).len(), before, "no step began whose intent was refused");
}

/// Two copies of one home are two homes: both open at once, and each comes to its end.
pub fn two_copies(dir: &Path) {
    let running = stopped(dir);
    let copies = [dir.join("../copy-1"), dir.join("../copy-2")];
    copies.iter().for_each(|copy| home::copy(dir, copy));
    let children = copies.each_ref().map(|copy| Running::start(copy, WHAT));
    for running in children {
        running.until("done");
    }
    copies.iter().for_each(|copy| kills::check_end(copy, WHAT, &Seen::default()));
    goes_on(running, dir);
}

/// Copies taken while an engine runs, from outside and without its knowledge: each opens, verifies and comes to its end.
pub fn copies_of_a_running_home(dir: &Path, copies: u32) {
    let running = Running::start(dir, WHAT);
    let (mut seen, mut taken, mut done) = (Seen::default(), Vec::new(), false);
    while !done && taken.len() < copies as usize {
        for _ in 0..9 {
            match running.next(SILENCE).expect("a child that says something") {
                Some(line) if line == "done" => done = true,
                Some(line) => seen.hear(&line),
                None => break,
            }
        }
        let copy = dir.join(format!("../backup-{}", taken.len()));
        home::copy(dir, &copy);
        taken.push((copy, Seen { accepted: seen.accepted.clone(), ..Seen::default() }));
    }
    while !done {
        done = running.next(SILENCE).expect("a child that says something").is_none_or(|line| line == "done");
    }
    for (copy, before) in taken {
        // The executions are copied after the store, so the last of them may be without a record: they are not compared.
        fs::remove_file(workload::executions_file(&copy)).unwrap_or_default();
        let archive = home::open(&copy).expect("a backup opens");
        let lost = kills::lost(&archive, &before);
        assert!(lost.is_empty(), "{lost:?}");
        drop(archive);
        let next = Running::start(&copy, WHAT);
        next.until("done");
        drop(next);
        let archive = home::open(&copy).expect("a backup opens");
        assert_eq!(kills::lost(&archive, &before), Vec::<String>::new());
        for id in child::projects(WHAT) {
            let end = super::driver::ending(&archive, &id);
            assert_eq!(end.status.name(), "DONE");
        }
    }
    drop(running.next(Duration::ZERO));
}
