//! Bugs planted on purpose: each rig's oracle must see the one that it is there for.

use std::collections::HashMap;
use std::path::Path;
use std::sync::{Arc, Mutex};

use wfctl::domain::event::Event;
use wfctl::domain::ids::ProjectId;
use wfctl::domain::time::Millis;
use wfctl::domain::workflow::Definition;
use wfctl::journal::chain::ChainHead;
use wfctl::journal::conformance::append;
use wfctl::journal::memory_store::MemoryStore;
use wfctl::journal::record::Record;
use wfctl::journal::store::{Append, Store};

use super::checker;
use super::driver::Driver;
use super::home::{self, Hooked};
use super::images::{self, Image, START};
use super::workload::{self, Execution, start_of};

/// A store that says "durable" one commit too early; gives back what the images' oracle says.
pub fn early_acknowledgement(root: &Path, id: &ProjectId) -> Vec<String> {
    let live = root.join("live");
    let inner = home::open_store(&live).expect("a store that opens");
    let held: Mutex<Vec<Append>> = Mutex::default();
    let store = Hooked::new(inner, move |store, epoch, appends| {
        let before = std::mem::replace(&mut *held.lock().expect("one thread"), appends.to_vec());
        store.commit(epoch, &before)
    });
    let epoch = store.take_over().expect("owned");
    let (mut head, mut found) = (ChainHead::genesis(id), Vec::new());
    for commit in 0..3 {
        let (next, after) = append(id, head, 2);
        store.commit(epoch, &[next]).expect("accepted");
        head = after;
        let image = Image { dir: root.join(commit.to_string()), acknowledged: HashMap::from([(id.clone(), head.seq)]) };
        home::copy(&live, &image.dir);
        let opened = home::open_store(&image.dir).expect("an image opens");
        found.extend(images::lost(&image, &*opened));
    }
    found
}

/// A whole run in memory: its records, executions and definition. With `twice`, the runner runs every step twice.
pub fn run(twice: bool) -> (ProjectId, Vec<Record>, Vec<Execution>, Arc<Definition>) {
    let (home, id) = (tempfile::tempdir().expect("a temporary folder"), ProjectId::new("p").expect("valid"));
    let definition = workload::everything("1s");
    let archive = home::archive(home.path(), Arc::new(MemoryStore::new()));
    let mut executed = Vec::new();
    let mut driver = Driver::new(
        archive.clone(),
        START,
        3,
        Box::new(|order, epoch, now| {
            for _ in 0..1 + u32::from(twice) {
                executed.push(workload::execution(order, epoch, now.0));
            }
            (workload::outcome_of(order, &**archive.vault()), 10)
        }),
    )
    .expect("owned");
    driver.begin(start_of(&definition, &id)).expect("accepted");
    driver.run(&id).expect("a store that answers");
    drop(driver);
    let records = checker::history(&**archive.store(), &id).expect("whole");
    (id, records, executed, definition)
}

/// A history with a frame gone from its middle.
pub fn missing_frame(id: &ProjectId) -> Result<Vec<Record>, String> {
    let store = MemoryStore::new();
    let epoch = store.take_over().expect("owned");
    let mut head = ChainHead::genesis(id);
    for _ in 0..4 {
        let (next, after) = append(id, head, 2);
        store.commit(epoch, &[next]).expect("accepted");
        head = after;
    }
    assert!(checker::history(&store, id).is_ok());
    assert!(store.lose(id, wfctl::domain::ids::Seq(3)));
    checker::history(&store, id)
}

/// A history in which something is not as promised, by name.
pub fn bent(records: &[Record]) -> Vec<(&'static str, Vec<Record>)> {
    let at = |is: fn(&Event) -> bool| records.iter().position(|record| is(&record.event)).expect("it happens");
    let edit = |edit: &dyn Fn(&mut Vec<Record>)| {
        let mut records = records.to_vec();
        edit(&mut records);
        (1..).zip(&mut records).for_each(|(seq, record)| record.seq.0 = seq);
        records
    };
    let finished = at(|event| matches!(event, Event::StepFinished { .. }));
    let completed = at(|event| matches!(event, Event::TaskCompleted { .. }));
    let signalled = at(|event| matches!(event, Event::SignalReceived { .. }));
    let second = |event: &Event| matches!(event, Event::TaskStarted { attempt, .. } if attempt.0 == 2);
    let retried = at(second);
    vec![
        ("ends unstarted or twice", edit(&|records| records.insert(finished, records[finished].clone()))),
        ("ends twice", edit(&|records| records.insert(completed, records[completed].clone()))),
        ("is taken twice", edit(&|records| records.insert(signalled, records[signalled].clone()))),
        ("which it needs", edit(&|records| drop(records.remove(completed)))),
        ("has an outcome and never ran", {
            // The outcome and the start of a step that nobody executed.
            let mut more = records.to_vec();
            for record in &mut more {
                match &mut record.event {
                    Event::StepStarted { attempt, .. } | Event::StepFinished { attempt, .. } => attempt.0 += 50,
                    _ => {}
                }
            }
            more
        }),
        ("starts before its backoff is over", edit(&|records| records[retried].at = Millis(1))),
        ("comes after the end", edit(&|records| records.push(records[1].clone()))),
        ("by an older engine", edit(&|records| records[finished].epoch.0 += 1)),
    ]
}
