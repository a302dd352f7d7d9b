//! One sink's pump: reads what is committed behind the sink's position, hands it on, writes the position down. It waits for nobody
//! but its own sink, and nobody waits for it.
//!
//! ```text
//! up to date --records--> sending --taken--> sending | up to date
//! sending --not taken--> waiting (longer each time) --> sending
//! waiting --patience is over--> parked, or the record is passed over
//! sending --"gone"--> parked
//! parked --someone resumes it--> sending
//! ```

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use backoff::backoff::Backoff as _;
use backoff::{ExponentialBackoff, ExponentialBackoffBuilder};
use tokio::sync::{mpsc, watch};

use super::page::{Notebook, Page, Trouble};
use super::sink::{Entry, Sink, Unsent};
use crate::domain::ids::{ProjectId, Seq};
use crate::domain::limits;
use crate::engine::archive::Archive;
use crate::engine::ports::Clock;
use crate::engine::{Error, Progress};
use crate::interfaces::api::Directory;

/// How long a sink that fails is tried.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Patience {
    /// The time after which it is given up.
    pub longest: Duration,
    /// Pass the record over then, and go on with the next one; else the sink is parked at it.
    pub passes_over: bool,
}

impl Patience {
    fn waits(self) -> ExponentialBackoff {
        ExponentialBackoffBuilder::new()
            .with_initial_interval(Duration::from_millis(200))
            .with_multiplier(2.0)
            .with_max_interval(Duration::from_millis(limits::BUS_RETRY_MS))
            .with_max_elapsed_time(Some(self.longest))
            .build()
    }
}

/// What someone asks of a sink.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Poke {
    /// Try again now.
    Resume,
    /// Pass over the record that it does not take.
    Skip,
}

/// Whether pumps go on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// As long as there is an engine.
    Going,
    /// The engine has ended: what is left is sent if that goes without trouble.
    Draining,
}

/// Everything a pump needs.
pub struct Pump {
    pub name: String,
    pub sink: Box<dyn Sink>,
    pub patience: Patience,
    pub archive: Archive,
    pub directory: Arc<Directory>,
    pub notebook: Arc<dyn Notebook>,
    pub clock: Arc<dyn Clock>,
    pub page: Arc<Mutex<Page>>,
    pub progress: watch::Receiver<Progress>,
    pub stage: watch::Receiver<Stage>,
    pub pokes: mpsc::Receiver<Poke>,
    /// Projects with records behind the position, and their last ones.
    pub behind: BTreeMap<ProjectId, Seq>,
    /// What has been heard of the engine's moves.
    pub stamp: u64,
}

/// A pump at work.
pub struct Working {
    pump: Pump,
    recalled: BTreeSet<ProjectId>,
    /// The project that was served last: the next one in order is next.
    served: Option<ProjectId>,
    is_dirty: bool,
    written_ms: u64,
}

/// What to do about a record that was not taken.
enum Next {
    Again,
    PassOver,
    Leave,
}

impl Pump {
    /// Works until it is told to end and has nothing left, or cannot go on.
    pub async fn run(self) {
        let working = Working { pump: self, recalled: BTreeSet::new(), served: None, is_dirty: false, written_ms: 0 };
        working.run().await;
    }
}

impl Working {
    async fn run(mut self) {
        let mut is_alone = false;
        loop {
            self.pump.progress.borrow_and_update();
            self.look();
            if self.page(|page| page.is_parked()) && !self.parked().await {
                break;
            }
            if let Some(project) = self.next() {
                if !self.serve(project).await {
                    break;
                }
                continue;
            }
            if self.is_draining() {
                break;
            }
            // Each note is a sync of the disk that the engine's commits wait for too: so not one for each record.
            let due = Duration::from_millis(self.page_due_ms());
            let is_dirty = self.is_dirty;
            let pump = &mut self.pump;
            tokio::select! {
                () = tokio::time::sleep(due), if is_dirty => self.write_down().await,
                changed = pump.progress.changed(), if !is_alone => match changed {
                    // Those that come right behind go along.
                    Ok(()) => tokio::time::sleep(Duration::from_millis(limits::BUS_GATHER_MS)).await,
                    Err(_) => is_alone = true,
                },
                told = pump.stage.changed() => if told.is_err() { break },
                Some(_) = pump.pokes.recv() => {}
            }
        }
        self.write_down().await;
    }

    /// Looks at the page, or changes it. Nobody waits within.
    fn page<T>(&self, with: impl FnOnce(&mut Page) -> T) -> T {
        with(&mut self.pump.page.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn is_draining(&self) -> bool {
        *self.pump.stage.borrow() == Stage::Draining || self.pump.stage.has_changed().is_err()
    }

    /// Hears which projects have moved.
    fn look(&mut self) {
        let (moved, stamp) = self.pump.archive.pulse().since(self.pump.stamp);
        self.pump.stamp = stamp;
        self.pump.behind.extend(moved);
    }

    /// Projects take turns.
    fn next(&mut self) -> Option<ProjectId> {
        let behind = &self.pump.behind;
        let after = self
            .served
            .as_ref()
            .and_then(|served| behind.range::<ProjectId, _>((Bound::Excluded(served), Bound::Unbounded)).next());
        let next = after.or_else(|| behind.iter().next()).map(|(id, _)| id.clone());
        self.served.clone_from(&next);
        next
    }

    /// Sends a batch of one project. False: nothing more is to be done in this process.
    async fn serve(&mut self, id: ProjectId) -> bool {
        let from = self.page(|page| page.position(&id));
        if self.pump.behind.get(&id).is_none_or(|head| *head <= from) {
            self.pump.behind.remove(&id);
            return true;
        }
        if self.pump.sink.recalls() && self.recalled.insert(id.clone()) {
            self.recall(&id, from).await;
        }
        let entries = match self.read(&id, from).await {
            Ok(entries) => entries,
            Err(Error::UnknownProject(_)) => {
                self.pump.behind.remove(&id);
                self.page(|page| page.done.remove(&id));
                return true;
            }
            Err(error) => {
                // What cannot be read is told by the doctor; the other projects go on.
                tracing::error!(sink = %self.pump.name, project = %id, %error, "its records cannot be told of");
                self.pump.behind.remove(&id);
                return true;
            }
        };
        let Some(last) = entries.last() else {
            self.pump.behind.remove(&id);
            return true;
        };
        let has_ended = matches!(last.event(), crate::domain::event::Event::Closed { .. });
        if !self.send(&id, entries).await {
            return false;
        }
        if has_ended && self.pump.behind.get(&id).is_none_or(|head| *head <= self.page(|page| page.position(&id))) {
            self.pump.sink.forget(&id);
            self.recalled.remove(&id);
        }
        true
    }

    async fn send(&mut self, id: &ProjectId, entries: Vec<Entry>) -> bool {
        let mut rest = &entries[..];
        let mut waits: Option<ExponentialBackoff> = None;
        while !rest.is_empty() {
            let sent = self.pump.sink.send(rest).await;
            if sent.done > 0 {
                self.done(id, &rest[sent.done - 1], sent.done);
                rest = &rest[sent.done..];
                waits = None;
            }
            match sent.failed {
                None => self.well(),
                Some(unsent) => match self.failed(rest.first(), unsent, &mut waits).await {
                    Next::Again => {}
                    Next::PassOver => {
                        if let Some(first) = rest.first() {
                            self.done(id, first, 1);
                            rest = &rest[1..];
                        }
                        waits = None;
                    }
                    Next::Leave => return false,
                },
            }
            // What a person is told is written down at once: twice is once too often.
            if sent.is_notice || self.page_due_ms() == 0 {
                self.write_down().await;
            }
        }
        true
    }

    /// How long until it is to be written down how far it is.
    fn page_due_ms(&self) -> u64 {
        (self.written_ms + limits::BUS_PAGE_MS).saturating_sub(self.pump.clock.monotonic_ms())
    }

    fn done(&mut self, id: &ProjectId, last: &Entry, count: usize) {
        self.page(|page| {
            page.done.insert(id.clone(), last.record.seq);
            page.delivered += count as u64;
            page.skip = false;
        });
        self.is_dirty = true;
    }

    fn well(&mut self) {
        let had = self.page(|page| page.trouble.take());
        if had.is_some() {
            tracing::info!(sink = %self.pump.name, "it takes records again");
            self.is_dirty = true;
        }
    }

    /// Notes the trouble and waits as long as is due.
    async fn failed(&mut self, at: Option<&Entry>, unsent: Unsent, waits: &mut Option<ExponentialBackoff>) -> Next {
        let place = at.map(|entry| (entry.record.project.clone(), entry.record.seq));
        let (what, next) = match unsent {
            Unsent::Retry(what) => (what, waits.get_or_insert_with(|| self.pump.patience.waits()).next_backoff()),
            Unsent::Refused(what) => {
                self.pass_over(place.as_ref(), &what);
                return Next::PassOver;
            }
            Unsent::Gone(what) => (what, None),
        };
        let gives_up = next.is_none();
        if gives_up && self.pump.patience.passes_over {
            self.pass_over(place.as_ref(), &what);
            return Next::PassOver;
        }
        let now = self.pump.clock.now();
        let is_new = self.page(|page| {
            let before = page.trouble.take();
            let (since, tries) = before.as_ref().map_or((now, 0), |trouble| (trouble.since, trouble.tries));
            let is_new = before.is_none_or(|trouble| trouble.what != what);
            page.trouble =
                Some(Trouble { since, what: what.clone(), at: place.clone(), tries: tries + 1, parked: gives_up });
            is_new || gives_up
        });
        self.is_dirty = true;
        if is_new {
            tracing::warn!(sink = %self.pump.name, what, parked = gives_up, "it does not take records");
            self.write_down().await;
        }
        match next {
            Some(wait) => self.wait(wait).await,
            None if self.parked().await => Next::Again,
            None => Next::Leave,
        }
        .unless_skipped(self.take_skip(place.as_ref()))
    }

    fn pass_over(&mut self, place: Option<&(ProjectId, Seq)>, what: &str) {
        let place = place.map(|(id, seq)| format!("{id}/{seq}")).unwrap_or_default();
        tracing::warn!(sink = %self.pump.name, record = place, what, "a record was passed over");
        self.page(|page| {
            page.passed_over = Some(format!("{place}: {what}"));
            page.trouble = None;
        });
        self.is_dirty = true;
    }

    /// Whether someone asked to pass over the record at `place`.
    fn take_skip(&mut self, place: Option<&(ProjectId, Seq)>) -> bool {
        let skip = self.page(|page| std::mem::take(&mut page.skip));
        if skip && let Some(place) = place {
            self.pass_over(Some(place), "someone asked for it");
        }
        skip
    }

    async fn wait(&mut self, wait: Duration) -> Next {
        if self.is_draining() {
            return Next::Leave;
        }
        let pump = &mut self.pump;
        tokio::select! {
            () = tokio::time::sleep(wait) => Next::Again,
            _ = pump.stage.changed() => Next::Leave,
            Some(poke) = pump.pokes.recv() => {
                if poke == Poke::Skip {
                    self.page(|page| page.skip = true);
                }
                Next::Again
            }
        }
    }

    /// Waits until someone resumes it. False: the engine has ended first.
    async fn parked(&mut self) -> bool {
        self.write_down().await;
        if self.is_draining() {
            return false;
        }
        let pump = &mut self.pump;
        let poke = tokio::select! {
            _ = pump.stage.changed() => None,
            poke = pump.pokes.recv() => poke,
        };
        let Some(poke) = poke else { return false };
        self.page(|page| {
            page.skip = poke == Poke::Skip;
            page.trouble = None;
        });
        self.is_dirty = true;
        true
    }

    async fn recall(&mut self, id: &ProjectId, until: Seq) {
        let mut from = Seq(0);
        while from < until {
            match self.read(id, from).await {
                Ok(mut entries) => {
                    entries.retain(|entry| entry.record.seq <= until);
                    let Some(last) = entries.last() else { return };
                    from = last.record.seq;
                    self.pump.sink.recall(&entries);
                }
                Err(error) => {
                    tracing::warn!(sink = %self.pump.name, project = %id, %error, "what it was told before is not known");
                    return;
                }
            }
        }
    }

    async fn read(&self, id: &ProjectId, from: Seq) -> Result<Vec<Entry>, Error> {
        let (archive, directory, id) = (self.pump.archive.clone(), self.pump.directory.clone(), id.clone());
        let read = move || {
            let records = archive.records(&id, from, limits::BUS_BATCH_RECORDS)?;
            let entries = records.into_iter().map(|mut record| {
                let task = record.event.task();
                let names = directory.names(&id, task);
                record.task = task.and_then(|task| names.name(task)).map(str::to_owned);
                Entry { record, names }
            });
            Ok(entries.collect())
        };
        tokio::task::spawn_blocking(read).await.map_err(|error| Error::Stopped(error.to_string()))?
    }

    async fn write_down(&mut self) {
        if !self.is_dirty {
            return;
        }
        let (page, notebook, name) =
            (self.page(|page| page.clone()), self.pump.notebook.clone(), self.pump.name.clone());
        let written = tokio::task::spawn_blocking(move || notebook.write(&name, &page)).await;
        let problem = match written {
            Ok(Ok(())) => None,
            Ok(Err(error)) => Some(error.to_string()),
            Err(error) => Some(error.to_string()),
        };
        if let Some(error) = problem {
            // What was sent is sent again by the next engine.
            tracing::warn!(sink = %self.pump.name, error, "how far it is was not written down");
        }
        self.is_dirty = false;
        self.written_ms = self.pump.clock.monotonic_ms();
    }
}

impl Next {
    fn unless_skipped(self, skipped: bool) -> Self {
        match (self, skipped) {
            (Self::Leave, _) => Self::Leave,
            (_, true) => Self::PassOver,
            (next, false) => next,
        }
    }
}
