//! What a sink is: it takes records of one project in their order, and says how many it is done with.

use std::sync::Arc;

use async_trait::async_trait;

use super::channel;
use crate::domain::event::Event;
use crate::domain::ids::{ProjectId, Seq};
use crate::domain::view::RecordView;
use crate::interfaces::api::TaskNames;

/// A record with what people call the things in it.
#[derive(Debug, Clone)]
pub struct Entry {
    /// The record; its task's name is filled in.
    pub record: RecordView,
    /// The names of its project.
    pub names: Arc<TaskNames>,
}

impl Entry {
    /// Where it stands.
    pub fn at(&self) -> (&ProjectId, Seq) {
        (&self.record.project, self.record.seq)
    }

    /// What happened.
    pub fn event(&self) -> &Event {
        &self.record.event
    }

    /// The role of the agent whose task it is about.
    pub fn role(&self) -> Option<&str> {
        self.event().task().and_then(|task| self.names.role(task))
    }

    /// Its channel beside the one for everything.
    pub fn channel(&self) -> Option<&'static str> {
        channel::of(self.event(), self.role().is_some())
    }

    /// Whether a list of channels and kinds has it; an empty list is `workflow.events`.
    pub fn is_wanted(&self, events: &[String]) -> bool {
        let own = self.channel();
        match events {
            [] => own == Some(channel::WORKFLOW),
            events => events.iter().any(|name| {
                name == channel::AUDIT || own == Some(name.as_str()) || name == channel::kind(self.event())
            }),
        }
    }
}

/// What came of sending records.
#[derive(Debug)]
pub struct Sent {
    /// How many of them, from the first, are done with: sent, or not wanted.
    pub done: usize,
    /// Why the next one is not.
    pub failed: Option<Unsent>,
    /// A person was told of the last one: that should be on record before anything else happens.
    pub is_notice: bool,
}

impl Sent {
    /// All of them.
    pub fn all(done: usize) -> Self {
        Self { done, failed: None, is_notice: false }
    }

    /// All of them, and a person was told of the last one.
    pub fn notice(done: usize) -> Self {
        Self { is_notice: true, ..Self::all(done) }
    }

    /// Some of them; the next one was not taken.
    pub fn until(done: usize, failed: Unsent) -> Self {
        Self { failed: Some(failed), ..Self::all(done) }
    }
}

/// Why a record was not taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Unsent {
    /// It may be later.
    Retry(String),
    /// It never will be; others may.
    Refused(String),
    /// Nothing will ever be taken again.
    Gone(String),
}

/// Takes records.
#[async_trait]
pub trait Sink: Send + Sync {
    /// Takes records of one project, in order. What it is not done with comes again. Dropping the future may leave records
    /// sent that are not counted.
    async fn send(&mut self, entries: &[Entry]) -> Sent;

    /// Whether it must know what came before.
    fn recalls(&self) -> bool {
        false
    }

    /// Records that an earlier process was done with, in order.
    fn recall(&mut self, _entries: &[Entry]) {}

    /// A project has ended: what is remembered of it may go.
    fn forget(&mut self, _project: &ProjectId) {}
}
