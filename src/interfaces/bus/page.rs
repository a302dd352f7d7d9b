//! What is remembered of a sink: how far it is in each project, and what is wrong with it. Whole or absent on the disk, so that a
//! process that is killed leaves the last one.

use std::collections::BTreeMap;
use std::io;

use serde::{Deserialize, Serialize};

use crate::domain::ids::{ProjectId, Seq};
use crate::domain::time::Millis;

/// The format that this release writes.
pub const FORMAT: u32 = 1;

/// One sink's page.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Page {
    /// The format.
    pub v: u32,
    /// The last record of each project that it is done with. A project that is not here begins with its first one.
    pub done: BTreeMap<ProjectId, Seq>,
    /// Records that it was given, since the page was begun.
    pub delivered: u64,
    /// What is wrong now.
    #[serde(default)]
    pub trouble: Option<Trouble>,
    /// What was given up and passed over, the last one.
    #[serde(default)]
    pub passed_over: Option<String>,
    /// The record that it does not take is to be passed over.
    #[serde(default)]
    pub skip: bool,
}

/// What is wrong with a sink.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Trouble {
    /// Since when.
    pub since: Millis,
    /// What, in words.
    pub what: String,
    /// The record that it does not take.
    pub at: Option<(ProjectId, Seq)>,
    /// How often it was tried.
    pub tries: u32,
    /// Nothing is tried any more until someone says so.
    pub parked: bool,
}

impl Page {
    /// A page that begins behind what is there now.
    pub fn from_here(heads: impl IntoIterator<Item = (ProjectId, Seq)>) -> Self {
        Self {
            v: FORMAT,
            done: heads.into_iter().collect(),
            delivered: 0,
            trouble: None,
            passed_over: None,
            skip: false,
        }
    }

    /// How far it is in a project.
    pub fn position(&self, id: &ProjectId) -> Seq {
        self.done.get(id).copied().unwrap_or(Seq(0))
    }

    /// Whether it waits for someone.
    pub fn is_parked(&self) -> bool {
        self.trouble.as_ref().is_some_and(|trouble| trouble.parked)
    }
}

/// Where pages are kept. All of it may block.
pub trait Notebook: Send + Sync + 'static {
    /// The page of a sink; `None` when it never had one.
    fn read(&self, sink: &str) -> io::Result<Option<Page>>;
    /// Makes a page durable in place of the one before.
    fn write(&self, sink: &str, page: &Page) -> io::Result<()>;
}
