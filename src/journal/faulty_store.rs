//! A store that fails on purpose, by a plan: deterministic, so that a test can fail access 1, then 2, then 3, until green.
//! Wraps any store and adds no behaviour of its own while the plan is empty.

use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use super::store::{Append, Damaged, Error, Frame, Store};
use crate::domain::ids::{Epoch, ProjectId, Seq};
use crate::domain::view::Summary;

/// What goes wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// The access fails and nothing of it happened.
    Before,
    /// The access happened; its answer is lost.
    After,
    /// The disk is full; nothing happened.
    DiskFull,
    /// What is read is damaged; nothing happened.
    Corrupt,
}

/// How long a fault lasts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lasting {
    /// One access.
    Once,
    /// Every later access fails too (with [`Fault::Before`] or its own kind), until [`FaultyStore::heal`]: a crash.
    UntilHealed,
}

/// One planned fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Planned {
    /// The access it hits, counted from 1 since the store was made.
    pub access: u64,
    /// What goes wrong.
    pub fault: Fault,
    /// For how long.
    pub lasting: Lasting,
}

/// A store with planned faults.
#[derive(Debug)]
pub struct FaultyStore<S> {
    inner: S,
    accesses: AtomicU64,
    plan: Mutex<Vec<Planned>>,
}

impl<S> FaultyStore<S> {
    /// Wraps `inner`. An empty plan only counts.
    pub fn new(inner: S, plan: Vec<Planned>) -> Self {
        Self { inner, accesses: AtomicU64::new(0), plan: Mutex::new(plan) }
    }

    /// How many accesses there were, failed ones included.
    pub fn accesses(&self) -> u64 {
        self.accesses.load(Ordering::SeqCst)
    }

    /// Adds a fault to the plan.
    pub fn plan(&self, planned: Planned) {
        self.plan.lock().expect("nothing panics under this lock").push(planned);
    }

    /// Forgets every planned and lasting fault: the disk has space again, the process was restarted.
    pub fn heal(&self) {
        self.plan.lock().expect("nothing panics under this lock").clear();
    }

    /// The wrapped store, past all faults.
    pub fn inner(&self) -> &S {
        &self.inner
    }

    fn next_fault(&self) -> Option<Fault> {
        let access = self.accesses.fetch_add(1, Ordering::SeqCst) + 1;
        let plan = self.plan.lock().expect("nothing panics under this lock");
        plan.iter().find_map(|planned| match planned.lasting {
            _ if planned.access == access => Some(planned.fault),
            Lasting::UntilHealed if planned.access < access => Some(match planned.fault {
                Fault::Before | Fault::After => Fault::Before,
                Fault::DiskFull => Fault::DiskFull,
                Fault::Corrupt => Fault::Corrupt,
            }),
            Lasting::Once | Lasting::UntilHealed => None,
        })
    }

    fn access<T>(&self, perform: impl FnOnce(&S) -> Result<T, Error>) -> Result<T, Error> {
        let io =
            |context: &str| Error::Io { context: context.to_owned(), source: std::io::Error::other("planned fault") };
        match self.next_fault() {
            None => perform(&self.inner),
            Some(Fault::Before) => Err(io("nothing was done")),
            Some(Fault::After) => perform(&self.inner).and(Err(io("the answer was lost"))),
            Some(Fault::DiskFull) => Err(Error::DiskFull),
            Some(Fault::Corrupt) => Err(Error::Corrupt { problem: "planned fault".to_owned() }),
        }
    }
}

impl<S: Store> Store for FaultyStore<S> {
    fn commit(&self, epoch: Epoch, appends: &[Append]) -> Result<(), Error> {
        self.access(|store| store.commit(epoch, appends))
    }

    fn take_over(&self) -> Result<Epoch, Error> {
        self.access(Store::take_over)
    }

    fn epoch(&self) -> Result<Epoch, Error> {
        self.access(Store::epoch)
    }

    fn frames(&self, project: &ProjectId, from: Seq, max_bytes: usize) -> Result<Vec<Frame>, Error> {
        self.access(|store| store.frames(project, from, max_bytes))
    }

    fn last_frame(&self, project: &ProjectId) -> Result<Option<Frame>, Error> {
        self.access(|store| store.last_frame(project))
    }

    fn summary(&self, project: &ProjectId) -> Result<Option<Summary>, Error> {
        self.access(|store| store.summary(project))
    }

    fn summaries(&self) -> Result<Vec<Result<Summary, Damaged>>, Error> {
        self.access(Store::summaries)
    }

    fn projects(&self) -> Result<Vec<ProjectId>, Error> {
        self.access(Store::projects)
    }

    fn rebuild_summaries(&self, epoch: Epoch, summaries: &[Summary]) -> Result<(), Error> {
        self.access(|store| store.rebuild_summaries(epoch, summaries))
    }

    fn remove(&self, epoch: Epoch, project: &ProjectId) -> Result<(), Error> {
        self.access(|store| store.remove(epoch, project))
    }

    fn size_on_disk(&self) -> u64 {
        self.inner.size_on_disk()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::journal::chain::ChainHead;
    use crate::journal::conformance::{self, append};
    use crate::journal::memory_store::MemoryStore;

    #[test]
    fn conforms_without_faults() {
        conformance::check(|| FaultyStore::new(MemoryStore::new(), Vec::new()));
    }

    #[test]
    fn each_fault_has_its_effect_and_no_other() {
        for (fault, stored) in [(Fault::Before, false), (Fault::After, true), (Fault::DiskFull, false)] {
            let store =
                FaultyStore::new(MemoryStore::new(), vec![Planned { access: 2, fault, lasting: Lasting::Once }]);
            let epoch = store.take_over().unwrap();
            let project = ProjectId::new("p").unwrap();
            let (one, _) = append(&project, ChainHead::genesis(&project), 1);
            let error = store.commit(epoch, &[one]).unwrap_err();
            assert_eq!(matches!(error, Error::DiskFull), fault == Fault::DiskFull);
            assert_eq!(store.last_frame(&project).unwrap().is_some(), stored, "{fault:?}");
            assert_eq!(store.accesses(), 3);
        }
    }

    #[test]
    fn a_lasting_fault_lasts_until_it_is_healed() {
        let planned = Planned { access: 1, fault: Fault::DiskFull, lasting: Lasting::UntilHealed };
        let store = FaultyStore::new(MemoryStore::new(), vec![planned]);
        assert!(matches!(store.take_over(), Err(Error::DiskFull)));
        assert!(matches!(store.take_over(), Err(Error::DiskFull)));
        store.heal();
        assert_eq!(store.take_over().unwrap(), Epoch(1));
    }
}
