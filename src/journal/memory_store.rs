//! A store in memory, for tests and the simulation. Cloning shares the content: a clone is the same home opened again.
//!
//! It tells what is written from what is durable: [`MemoryStore::commit_unsynced`] and [`MemoryStore::sync`] are the halves
//! of a commit, and [`MemoryStore::power_cut`] drops what no sync has covered.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard};

use super::frame;
use super::store::{Append, Damaged, Error, Frame, Store, check_continues, check_owner};
use crate::domain::ids::{Epoch, ProjectId, Seq};
use crate::domain::view::Summary;

/// The store; see the module's text.
#[derive(Debug, Clone, Default)]
pub struct MemoryStore {
    inner: Arc<Mutex<Inner>>,
}

#[derive(Debug, Default)]
struct Inner {
    epoch: Epoch,
    projects: BTreeMap<ProjectId, Stored>,
    /// Commits that were written and not yet synced, oldest first.
    unsynced: Vec<Vec<Append>>,
}

#[derive(Debug, Default)]
struct Stored {
    frames: BTreeMap<Seq, Frame>,
    last: Seq,
    summary: Option<Summary>,
}

impl Inner {
    fn last_written(&self, project: &ProjectId) -> Seq {
        let unsynced = self.unsynced.iter().flatten().rfind(|append| append.project == *project);
        let stored = || self.projects.get(project).map_or(Seq(0), |stored| stored.last);
        unsynced.map_or_else(stored, |append| append.last)
    }

    fn make_durable(&mut self, commits: usize) {
        for append in self.unsynced.drain(..commits).flatten() {
            let stored = self.projects.entry(append.project).or_default();
            stored.frames.insert(append.frame.first, append.frame);
            stored.last = append.last;
            stored.summary = append.summary.or(stored.summary.take());
        }
    }
}

impl MemoryStore {
    /// An empty store.
    pub fn new() -> Self {
        Self::default()
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner
            .lock()
            .expect("no code of this file panics while it holds the lock, except on a defect of the caller")
    }

    /// The first half of a commit: checked and written, lost in a power cut until [`MemoryStore::sync`]. Not yet readable.
    pub fn commit_unsynced(&self, epoch: Epoch, appends: &[Append]) -> Result<(), Error> {
        let mut inner = self.inner();
        check_owner(epoch, inner.epoch)?;
        let mut written = HashMap::new();
        for append in appends {
            let stored = written.get(&append.project).copied();
            check_continues(append, stored.unwrap_or_else(|| inner.last_written(&append.project)))?;
            written.insert(append.project.clone(), append.last);
        }
        inner.unsynced.push(appends.to_vec());
        Ok(())
    }

    /// The second half: everything written is durable.
    pub fn sync(&self) {
        let mut inner = self.inner();
        let commits = inner.unsynced.len();
        inner.make_durable(commits);
    }

    /// Cuts the power. Of the unsynced commits the oldest `survivors` had reached the device all the same; the rest is lost.
    pub fn power_cut(&self, survivors: usize) {
        let mut inner = self.inner();
        let survivors = survivors.min(inner.unsynced.len());
        inner.make_durable(survivors);
        inner.unsynced.clear();
    }

    /// Replaces a stored frame's bytes, as damage would; `false` when there is no frame that starts at `first`.
    pub fn overwrite(&self, project: &ProjectId, first: Seq, bytes: Vec<u8>) -> bool {
        let mut inner = self.inner();
        let frame = inner.projects.get_mut(project).and_then(|stored| stored.frames.get_mut(&first));
        frame.map(|frame| frame.bytes = bytes).is_some()
    }

    /// Loses a stored frame, as damage would; `false` when there is none that starts at `first`.
    pub fn lose(&self, project: &ProjectId, first: Seq) -> bool {
        let mut inner = self.inner();
        inner.projects.get_mut(project).and_then(|stored| stored.frames.remove(&first)).is_some()
    }

    /// Puts a frame in as it is, without any check: how fixtures and salvaged frames are loaded.
    pub fn load(&self, project: &ProjectId, frame: Frame) {
        let last = frame::read_header(&frame.bytes)
            .map_or(frame.first, |header| Seq(frame.first.0 + u64::from(header.records.saturating_sub(1))));
        let mut inner = self.inner();
        let stored = inner.projects.entry(project.clone()).or_default();
        stored.last = stored.last.max(last);
        stored.frames.insert(frame.first, frame);
    }
}

/// Cuts a page off the front of `frames`: at most `max_bytes`, at least one frame.
fn page<'f>(frames: impl Iterator<Item = &'f Frame>, max_bytes: usize) -> Vec<Frame> {
    let mut bytes = 0;
    let mut page = Vec::new();
    for frame in frames {
        bytes += frame.bytes.len();
        if bytes > max_bytes && !page.is_empty() {
            break;
        }
        page.push(frame.clone());
    }
    page
}

impl Store for MemoryStore {
    fn commit(&self, epoch: Epoch, appends: &[Append]) -> Result<(), Error> {
        self.commit_unsynced(epoch, appends)?;
        self.sync();
        Ok(())
    }

    fn take_over(&self) -> Result<Epoch, Error> {
        let mut inner = self.inner();
        inner.epoch = inner.epoch.next();
        Ok(inner.epoch)
    }

    fn epoch(&self) -> Result<Epoch, Error> {
        Ok(self.inner().epoch)
    }

    fn frames(&self, project: &ProjectId, from: Seq, max_bytes: usize) -> Result<Vec<Frame>, Error> {
        let inner = self.inner();
        let Some(stored) = inner.projects.get(project).filter(|stored| stored.last >= from) else {
            return Ok(Vec::new());
        };
        let first = stored.frames.range(..=from).next_back().map_or(from, |(first, _)| *first);
        Ok(page(stored.frames.range(first..).map(|(_, frame)| frame), max_bytes))
    }

    fn last_frame(&self, project: &ProjectId) -> Result<Option<Frame>, Error> {
        let inner = self.inner();
        Ok(inner.projects.get(project).and_then(|stored| stored.frames.values().next_back().cloned()))
    }

    fn summary(&self, project: &ProjectId) -> Result<Option<Summary>, Error> {
        Ok(self.inner().projects.get(project).and_then(|stored| stored.summary.clone()))
    }

    fn summaries(&self) -> Result<Vec<Result<Summary, Damaged>>, Error> {
        Ok(self.inner().projects.values().filter_map(|stored| stored.summary.clone().map(Ok)).collect())
    }

    fn projects(&self) -> Result<Vec<ProjectId>, Error> {
        Ok(self.inner().projects.keys().cloned().collect())
    }

    fn rebuild_summaries(&self, epoch: Epoch, summaries: &[Summary]) -> Result<(), Error> {
        let mut inner = self.inner();
        check_owner(epoch, inner.epoch)?;
        for summary in summaries {
            inner.projects.entry(summary.id.clone()).or_default().summary = Some(summary.clone());
        }
        Ok(())
    }

    fn remove(&self, epoch: Epoch, project: &ProjectId) -> Result<(), Error> {
        let mut inner = self.inner();
        check_owner(epoch, inner.epoch)?;
        inner.projects.remove(project);
        Ok(())
    }

    fn size_on_disk(&self) -> u64 {
        0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::journal::chain::ChainHead;
    use crate::journal::conformance::{self, append};

    #[test]
    fn conforms() {
        conformance::check(MemoryStore::new);
        let store = MemoryStore::new();
        conformance::check_reopening(|| store.clone());
    }

    #[test]
    fn a_power_cut_takes_what_was_not_synced_and_nothing_else() {
        for survivors in 0..=3 {
            let store = MemoryStore::new();
            let epoch = store.take_over().unwrap();
            let project = ProjectId::new("p").unwrap();
            let (one, mut head) = append(&project, ChainHead::genesis(&project), 2);
            store.commit(epoch, &[one]).unwrap();
            for _ in 0..3 {
                let (next, new_head) = append(&project, head, 1);
                store.commit_unsynced(epoch, &[next]).unwrap();
                head = new_head;
            }
            assert_eq!(store.last_frame(&project).unwrap().unwrap().first, Seq(1));
            store.power_cut(survivors);
            let frames = store.frames(&project, Seq(1), usize::MAX).unwrap();
            assert_eq!(frames.len(), 1 + survivors);
        }
    }
}
