//! The bus: what is configured, and the pumps that serve it.
//!
//! [`Waiting`] comes first: before an engine writes anything, every sink has a page, so that nothing of what is written is missed.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;

use super::page::{Notebook, Page, Trouble};
use super::pump::{Patience, Poke, Pump, Stage};
use super::sink::Sink;
use crate::domain::ids::{ProjectId, Seq};
use crate::domain::limits;
use crate::engine::archive::Archive;
use crate::engine::ports::Clock;
use crate::engine::{Error, Progress};
use crate::interfaces::api::Directory;

/// One sink as it is configured.
pub struct Outlet {
    /// Its name, which its page is kept under.
    pub name: String,
    /// What takes the records; else why it cannot be made.
    pub sink: Result<Box<dyn Sink>, String>,
    /// How long it is tried.
    pub patience: Patience,
}

/// Sinks whose pages are there, and whose pumps have not begun.
pub struct Waiting {
    archive: Archive,
    notebook: Arc<dyn Notebook>,
    clock: Arc<dyn Clock>,
    outlets: Vec<(Outlet, Page)>,
    heads: BTreeMap<ProjectId, Seq>,
    stamp: u64,
}

/// The pumps at work.
pub struct Bus {
    sinks: Vec<Line>,
    stage: watch::Sender<Stage>,
    pumps: Mutex<JoinSet<()>>,
}

/// A line to a pump.
struct Line {
    name: String,
    page: Arc<Mutex<Page>>,
    pokes: mpsc::Sender<Poke>,
}

impl Waiting {
    /// Finds the pages, and begins one for each sink that has none: such a sink is told of what is committed from here on. Blocks
    /// on the disk.
    pub fn open(
        archive: Archive,
        notebook: Arc<dyn Notebook>,
        clock: Arc<dyn Clock>,
        outlets: Vec<Outlet>,
    ) -> Result<Self, Error> {
        archive.pulse().listen();
        let (_, stamp) = archive.pulse().since(0);
        let mut heads = BTreeMap::new();
        for id in archive.store().projects()? {
            match archive.head(&id) {
                Ok(Some(head)) => drop(heads.insert(id, head)),
                Ok(None) => {}
                Err(error) => tracing::warn!(project = %id, %error, "it is not told of"),
            }
        }
        let now = clock.now();
        let begin = |outlet: Outlet| {
            let mut page = match notebook.read(&outlet.name) {
                Ok(Some(mut page)) => {
                    page.done.retain(|id, _| heads.contains_key(id));
                    page
                }
                Ok(None) => Page::from_here(heads.clone()),
                Err(error) => {
                    let what = format!("how far it was cannot be read, so it begins with what comes now: {error}");
                    let trouble = Trouble { since: now, what, at: None, tries: 0, parked: true };
                    Page { trouble: Some(trouble), ..Page::from_here(heads.clone()) }
                }
            };
            if let Err(error) = notebook.write(&outlet.name, &page) {
                tracing::warn!(sink = outlet.name, %error, "how far it is was not written down");
            }
            // Not for the disk: the next engine may be able to make it.
            if let Err(what) = &outlet.sink {
                page.trouble = Some(Trouble { since: now, what: what.clone(), at: None, tries: 0, parked: true });
            }
            (outlet, page)
        };
        let outlets = outlets.into_iter().map(begin).collect();
        Ok(Self { archive, notebook, clock, outlets, heads, stamp })
    }

    /// Begins to tell. `progress` is the engine's.
    pub fn start(self, progress: &watch::Receiver<Progress>) -> Bus {
        let (stage, stages) = watch::channel(Stage::Going);
        let directory = Arc::new(Directory::new(self.archive.clone()));
        let mut pumps = JoinSet::new();
        let mut sinks = Vec::new();
        for (outlet, page) in self.outlets {
            let behind = self.heads.iter().filter(|(id, head)| page.position(id) < **head);
            let behind = behind.map(|(id, head)| (id.clone(), *head)).collect();
            let page = Arc::new(Mutex::new(page));
            let (pokes, poked) = mpsc::channel(1);
            sinks.push(Line { name: outlet.name.clone(), page: page.clone(), pokes });
            // One that cannot be made is shown with its trouble, and keeps its place.
            let Ok(sink) = outlet.sink else { continue };
            let pump = Pump {
                name: outlet.name,
                sink,
                patience: outlet.patience,
                archive: self.archive.clone(),
                directory: directory.clone(),
                notebook: self.notebook.clone(),
                clock: self.clock.clone(),
                page,
                progress: progress.clone(),
                stage: stages.clone(),
                pokes: poked,
                behind,
                stamp: self.stamp,
            };
            pumps.spawn(pump.run());
        }
        Bus { sinks, stage, pumps: Mutex::new(pumps) }
    }
}

impl Bus {
    /// The page of a sink as it is now.
    pub fn page(&self, sink: &str) -> Option<Page> {
        let line = self.sinks.iter().find(|line| line.name == sink)?;
        Some(line.page.lock().unwrap_or_else(PoisonError::into_inner).clone())
    }

    /// Lets a sink try again, or pass over the record that it does not take. False: there is no such sink at work.
    pub fn resume(&self, sink: &str, skip: bool) -> bool {
        let Some(line) = self.sinks.iter().find(|line| line.name == sink) else { return false };
        let poke = if skip { Poke::Skip } else { Poke::Resume };
        // Full: it has been told and did not get to it yet, which is as good.
        !matches!(line.pokes.try_send(poke), Err(mpsc::error::TrySendError::Closed(_)))
    }

    /// After the engine has ended: what is left is sent for a while, unless its sink is in trouble. Then everything has ended, and
    /// how far each sink is, is on the disk.
    pub async fn drain(&self) {
        // Nobody left is as good.
        let _ = self.stage.send(Stage::Draining);
        let mut pumps = std::mem::take(&mut *self.pumps.lock().unwrap_or_else(PoisonError::into_inner));
        let all = async { while pumps.join_next().await.is_some() {} };
        if tokio::time::timeout(Duration::from_millis(limits::BUS_DRAIN_MS), all).await.is_err() {
            tracing::warn!("not everything was told; the next engine goes on with it");
            pumps.shutdown().await;
        }
    }
}
