//! The store on sled 0.34, hardened: the only place that knows sled.
//!
//! A commit is one batch on one tree, sled's flush (which on Linux is `sync_file_range` and survives a killed process only), then
//! `fdatasync` on sled's own file, opened a second time: sync belongs to the file, not to the handle. sled panics on some
//! damaged files, so every call runs guarded (`guard.rs`). Keys are in `keys.rs`, the owner's epoch in `epoch.rs`.
//!
//! `<dir>/lock` is ours, `<dir>/epoch` the owner's number, `<dir>/sled/` is sled's.

mod epoch;
mod guard;
mod keys;
mod open;
mod read;

pub use open::{Healed, free_bytes, heal, set_sled_aside, set_snapshots_aside};

use std::collections::HashMap;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, RwLock};

use super::store::{Append, Damaged, Error, Frame, Store, check_continues, check_owner};
use crate::domain::ids::{Epoch, ProjectId, Seq};
use crate::domain::limits;
use crate::domain::view::Summary;
use guard::{guarded, io_error};

const NOT_POISONED: &str = "sled's panics are caught before they can leave a lock of ours behind";

/// The store; see the module's text.
#[derive(Debug)]
pub struct SledStore {
    db: sled::Db,
    /// sled's log, opened a second time to make commits survive a power cut.
    log: File,
    dir: PathBuf,
    writer: Mutex<Writer>,
    /// The last committed position of every project written or asked for since opening. Reads end there, so that a
    /// commit is seen when it is durable and not before.
    tails: RwLock<HashMap<ProjectId, Seq>>,
    /// Held for as long as the store is open; dropped after `db`.
    _lock: File,
}

/// What only one thread may do at a time.
#[derive(Debug, Default)]
struct Writer {
    /// A commit failed half-way: whether it took effect is only known after opening again. sled itself may refuse even to
    /// read from then on, with the error of the failed write.
    failed: Option<String>,
}

impl SledStore {
    /// Opens the store in `dir`, which is created when absent.
    ///
    /// [`Error::Locked`] when another process has it; [`Error::Corrupt`] names what to do when sled cannot open its files;
    /// [`Error::DiskFull`] when there is no space even to open.
    pub fn open(dir: &Path) -> Result<Self, Error> {
        let lock = open::lock(dir)?;
        let (db, log) = open::open(dir)?;
        Ok(Self { db, log, dir: dir.to_owned(), writer: Mutex::default(), tails: RwLock::default(), _lock: lock })
    }

    fn writer(&self, epoch: Epoch) -> Result<MutexGuard<'_, Writer>, Error> {
        let writer = self.writer.lock().expect(NOT_POISONED);
        if let Some(problem) = &writer.failed {
            let context = format!("an earlier write failed ({problem}): open the store again");
            return Err(Error::Io { context, source: std::io::ErrorKind::BrokenPipe.into() });
        }
        check_owner(epoch, epoch::read(&self.dir)?.unwrap_or_default())?;
        Ok(writer)
    }

    /// Makes what `apply` writes durable; it must be atomic. The outcome of a failure is unknown: nothing is written after it.
    fn make_durable(
        &self,
        writer: &mut Writer,
        apply: impl FnOnce(&sled::Db) -> sled::Result<()>,
    ) -> Result<(), Error> {
        let applied = guarded("write to the store", || {
            apply(&self.db)?;
            self.db.flush()
        });
        let synced = applied.and_then(|_| {
            rustix::fs::fdatasync(&self.log).map_err(|errno| io_error("sync the store's log", errno.into()))
        });
        synced.inspect_err(|error| writer.failed = Some(error.to_string()))
    }

    fn known_tail(&self, project: &ProjectId) -> Option<Seq> {
        self.tails.read().expect(NOT_POISONED).get(project).copied()
    }

    /// The last committed position of a project; read from the store once, remembered from then on.
    fn tail(&self, project: &ProjectId) -> Result<Seq, Error> {
        if let Some(tail) = self.known_tail(project) {
            return Ok(tail);
        }
        let tail = match read::last_frame(&self.db, project, None)? {
            None => Seq(0),
            // A header that contradicts its key must not hide the frame from those who verify.
            Some(frame) => {
                read::last_seq(&frame).filter(|last| *last >= frame.first).ok_or_else(|| Error::Corrupt {
                    problem: format!("the last frame of project {project} (at {}) has no readable header", frame.first),
                })?
            }
        };
        // Whoever was first is right: a commit notes the position before it writes, and what was read here may be its.
        Ok(*self.tails.write().expect(NOT_POISONED).entry(project.clone()).or_insert(tail))
    }

    /// Up to where a project may be read; `None` when its end is damaged, and everything that is there may be looked at.
    fn readable(&self, project: &ProjectId) -> Option<Seq> {
        self.tail(project).ok()
    }

    fn check(&self, appends: &[Append]) -> Result<(), Error> {
        let mut seen: HashMap<&ProjectId, Seq> = HashMap::with_capacity(appends.len());
        for append in appends {
            let stored = match seen.get(&append.project) {
                Some(seq) => *seq,
                None => self.tail(&append.project)?,
            };
            check_continues(append, stored)?;
            seen.insert(&append.project, append.last);
        }
        Ok(())
    }
}

/// Writes all or none. A single write is atomic by itself and cheaper than a batch of one.
fn apply(db: &sled::Db, mut writes: Vec<(Vec<u8>, sled::IVec)>) -> sled::Result<()> {
    if writes.len() == 1
        && let Some((key, value)) = writes.pop()
    {
        return db.insert(key, value).map(drop);
    }
    let mut batch = sled::Batch::default();
    for (key, value) in writes {
        batch.insert(key, value);
    }
    db.apply_batch(batch)
}

impl Store for SledStore {
    fn commit(&self, epoch: Epoch, appends: &[Append]) -> Result<(), Error> {
        let mut writer = self.writer(epoch)?;
        self.check(appends)?;
        let mut writes = Vec::with_capacity(appends.len() * 2);
        for append in appends {
            let parts = append.frame.bytes.chunks(limits::STORE_PART_BYTES);
            let count = u16::try_from(parts.len()).expect("limits::FRAME_BYTES is far below 65536 parts");
            for (part, bytes) in (0..count).zip(parts) {
                writes.push((keys::part(&append.project, append.frame.first, part, count), sled::IVec::from(bytes)));
            }
            if let Some(summary) = &append.summary {
                writes.push((keys::summary(&append.project), read::encode_summary(summary).into()));
            }
        }
        self.make_durable(&mut writer, |db| apply(db, writes))?;
        let mut tails = self.tails.write().expect(NOT_POISONED);
        for append in appends {
            match tails.get_mut(&append.project) {
                Some(tail) => *tail = append.last,
                None => drop(tails.insert(append.project.clone(), append.last)),
            }
        }
        Ok(())
    }

    fn take_over(&self) -> Result<Epoch, Error> {
        let _writer = self.writer.lock().expect(NOT_POISONED);
        let last = match epoch::read(&self.dir)? {
            Some(epoch) => epoch,
            // The file is lost: no record may ever carry an epoch twice.
            None => read::highest_epoch(&self.db)?,
        };
        epoch::write(&self.dir, last.next())?;
        Ok(last.next())
    }

    fn epoch(&self) -> Result<Epoch, Error> {
        Ok(epoch::read(&self.dir)?.unwrap_or_default())
    }

    fn frames(&self, project: &ProjectId, from: Seq, max_bytes: usize) -> Result<Vec<Frame>, Error> {
        read::frames(&self.db, project, from, self.readable(project), max_bytes)
    }

    fn last_frame(&self, project: &ProjectId) -> Result<Option<Frame>, Error> {
        read::last_frame(&self.db, project, self.readable(project))
    }

    fn summary(&self, project: &ProjectId) -> Result<Option<Summary>, Error> {
        read::summary(&self.db, project)
    }

    fn summaries(&self) -> Result<Vec<Result<Summary, Damaged>>, Error> {
        read::summaries(&self.db)
    }

    fn projects(&self) -> Result<Vec<ProjectId>, Error> {
        read::projects(&self.db)
    }

    fn rebuild_summaries(&self, epoch: Epoch, summaries: &[Summary]) -> Result<(), Error> {
        let mut writer = self.writer(epoch)?;
        let mut batch = sled::Batch::default();
        for summary in summaries {
            batch.insert(keys::summary(&summary.id), read::encode_summary(summary));
        }
        self.make_durable(&mut writer, |db| db.apply_batch(batch))
    }

    fn remove(&self, epoch: Epoch, project: &ProjectId) -> Result<(), Error> {
        let mut writer = self.writer(epoch)?;
        let mut batch = sled::Batch::default();
        for key in read::keys_of(&self.db, project)? {
            batch.remove(key);
        }
        batch.remove(keys::summary(project));
        self.make_durable(&mut writer, |db| db.apply_batch(batch))?;
        self.tails.write().expect(NOT_POISONED).insert(project.clone(), Seq(0));
        Ok(())
    }

    fn size_on_disk(&self) -> u64 {
        guarded("measure the store", || self.db.size_on_disk()).unwrap_or(0)
    }
}

#[cfg(test)]
mod measure;
#[cfg(test)]
mod tests;
