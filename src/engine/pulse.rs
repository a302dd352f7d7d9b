//! What an engine has done lately, for those who watch beside it: which projects have new records, how long commits took.
//! Kept in memory only; nothing is decided by it.

use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::domain::ids::{ProjectId, Seq};
use crate::journal::store;

/// Upper bounds of the buckets in which commits are counted, in microseconds: from a store in memory to a tired disk.
pub const COMMIT_BUCKETS_US: [u64; 12] =
    [500, 1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 100_000, 250_000, 500_000, 1_000_000, 5_000_000];

/// What an engine has done. Whoever writes never waits for a reader that does more than copy.
#[derive(Debug, Default)]
pub struct Pulse {
    is_heard: AtomicBool,
    heads: Mutex<Heads>,
    buckets: [AtomicU64; COMMIT_BUCKETS_US.len() + 1],
    commit_us: AtomicU64,
    fenced: AtomicU64,
}

/// The last position of each project, and in which order they moved.
#[derive(Debug, Default)]
struct Heads {
    stamp: u64,
    by_project: HashMap<ProjectId, (Seq, u64)>,
    by_stamp: BTreeMap<u64, ProjectId>,
}

/// Commits of an engine, by how long they took.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Commits {
    /// How many fell into each of [`COMMIT_BUCKETS_US`] and no earlier one; the last number counts all longer ones.
    pub buckets: Vec<u64>,
    /// How long all of them took together, in microseconds.
    pub total_us: u64,
    /// Commits that the store refused because another engine had taken over.
    pub fenced: u64,
}

impl Pulse {
    /// Someone will ask which projects moved; until then that is not kept.
    pub fn listen(&self) {
        self.is_heard.store(true, Ordering::Release);
    }

    /// A project has records up to `head`.
    pub fn moved(&self, id: &ProjectId, head: Seq) {
        if !self.is_heard.load(Ordering::Acquire) {
            return;
        }
        let mut heads = self.heads();
        heads.stamp += 1;
        let stamp = heads.stamp;
        let before = heads.by_project.insert(id.clone(), (head, stamp));
        if let Some((_, old)) = before {
            heads.by_stamp.remove(&old);
        }
        heads.by_stamp.insert(stamp, id.clone());
    }

    /// The projects that moved after `stamp` (0: all that moved), with their last positions, and the stamp to ask with next.
    pub fn since(&self, stamp: u64) -> (Vec<(ProjectId, Seq)>, u64) {
        let heads = self.heads();
        let moved = heads.by_stamp.range(stamp + 1..).filter_map(|(_, id)| {
            let (head, _) = heads.by_project.get(id)?;
            Some((id.clone(), *head))
        });
        (moved.collect(), heads.stamp)
    }

    /// A commit took `us` and was refused, or not.
    pub fn committed(&self, us: u64, refused: Option<&store::Error>) {
        match refused {
            Some(store::Error::Fenced { .. }) => {
                self.fenced.fetch_add(1, Ordering::Relaxed);
            }
            Some(_) => {}
            None => {
                let bucket = COMMIT_BUCKETS_US.partition_point(|bound| *bound < us);
                self.buckets[bucket].fetch_add(1, Ordering::Relaxed);
                self.commit_us.fetch_add(us, Ordering::Relaxed);
            }
        }
    }

    /// The commits so far.
    pub fn commits(&self) -> Commits {
        Commits {
            buckets: self.buckets.iter().map(|bucket| bucket.load(Ordering::Relaxed)).collect(),
            total_us: self.commit_us.load(Ordering::Relaxed),
            fenced: self.fenced.load(Ordering::Relaxed),
        }
    }

    fn heads(&self) -> MutexGuard<'_, Heads> {
        self.heads.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::ids::Epoch;

    #[test]
    fn whoever_asks_hears_of_each_project_that_moved_since_and_of_its_last_position() {
        let pulse = Pulse::default();
        let [a, b] = ["a", "b"].map(|name| ProjectId::new(name).unwrap());
        pulse.moved(&a, Seq(1));
        assert_eq!(pulse.since(0).0, [], "nobody had asked");
        pulse.listen();
        pulse.moved(&a, Seq(1));
        pulse.moved(&b, Seq(4));
        let (all, stamp) = pulse.since(0);
        assert_eq!(all, [(a.clone(), Seq(1)), (b.clone(), Seq(4))]);
        assert_eq!(pulse.since(stamp).0, []);
        pulse.moved(&a, Seq(2));
        pulse.moved(&a, Seq(3));
        assert_eq!(pulse.since(stamp).0, [(a, Seq(3))]);
        assert_eq!(pulse.heads().by_stamp.len(), 2, "what was overtaken is forgotten");
    }

    #[test]
    fn commits_fall_into_the_bucket_whose_bound_they_do_not_pass() {
        let pulse = Pulse::default();
        for us in [1, 500, 501, 9_000_000] {
            pulse.committed(us, None);
        }
        pulse.committed(7, Some(&store::Error::Fenced { mine: Epoch(1), owner: Epoch(2) }));
        pulse.committed(7, Some(&store::Error::DiskFull));
        let commits = pulse.commits();
        assert_eq!((commits.buckets[0], commits.buckets[1], commits.buckets[12]), (2, 1, 1));
        assert_eq!((commits.total_us, commits.fenced), (9_001_002, 1));
    }
}
