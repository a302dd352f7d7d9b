//! Records for the tests of this room.

use std::sync::Arc;

use super::sink::Entry;
use crate::domain::event::{Actor, Event};
use crate::domain::ids::{Digest, Epoch, ProjectId, Seq, TaskIx};
use crate::domain::time::Millis;
use crate::domain::view::RecordView;
use crate::interfaces::api::TaskNames;

/// What a record says.
pub struct Told {
    pub seq: u64,
    pub event: Event,
}

/// A record of project `p`, whose tasks are `one` (a command) and `two` (an agent).
pub fn entry(told: Told) -> Entry {
    let names = TaskNames::of("w", &[("one", None), ("two", Some("coder"))]);
    let task = told.event.task().and_then(|task| names.name(task)).map(str::to_owned);
    let record = RecordView {
        project: ProjectId::new("p").unwrap(),
        seq: Seq(told.seq),
        epoch: Epoch(1),
        at: Millis(1_760_000_000_000 + told.seq),
        actor: Actor::Engine,
        event: told.event,
        hash: Digest::default(),
        task,
    };
    Entry { record, names: Arc::new(names) }
}

/// A few records of different kinds.
pub fn entries() -> Vec<Entry> {
    let events = [
        Event::TaskReady { task: TaskIx(0) },
        Event::TaskCompleted { task: TaskIx(1), output: crate::domain::payload::Payload::default() },
        Event::Released { comment: "go on".to_owned() },
    ];
    (1..).zip(events).map(|(seq, event)| entry(Told { seq, event })).collect()
}
