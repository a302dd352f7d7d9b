//! Opening sled's files, and healing the one kind of damage that stops sled although nothing is lost: a snapshot file of no use.

use std::fs::{self, File, OpenOptions};
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::fs::FlockOperation;

use super::guard::{guarded, io_error};
use crate::domain::limits;
use crate::journal::files;
use crate::journal::store::Error;

/// sled gives its lock back a moment after it was closed, from a thread of its own: how often and how long we wait for it.
const LOCK_TRIES: u32 = 100;
const LOCK_WAIT: Duration = Duration::from_millis(20);
/// sled's own least length of a snapshot file; shorter ones are refused.
const SNAPSHOT_BYTES: u64 = 13;

/// sled's directory in the store's.
pub fn sled_dir(dir: &Path) -> PathBuf {
    dir.join("sled")
}

/// Takes the store's lock; released when the file is dropped.
pub fn lock(dir: &Path) -> Result<File, Error> {
    let doing = "open the store's lock";
    files::create_dir(dir).map_err(|error| io_error(doing, error))?;
    let path = dir.join("lock");
    let file = OpenOptions::new().create(true).truncate(false).write(true).open(path);
    let file = file.map_err(|error| io_error(doing, error))?;
    match rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => Ok(file),
        Err(rustix::io::Errno::WOULDBLOCK) => Err(Error::Locked),
        Err(errno) => Err(io_error(doing, errno.into())),
    }
}

/// Opens sled, and its log a second time. The lock is held by the caller.
pub fn open(dir: &Path) -> Result<(sled::Db, File), Error> {
    let sled_dir = sled_dir(dir);
    remove_interrupted_snapshots(dir)?;
    remove_interrupted_configuration(dir)?;
    refuse_useless_snapshots(dir)?;
    let config = sled::Config::default()
        .path(&sled_dir)
        .cache_capacity(limits::STORE_CACHE_BYTES)
        .segment_size(limits::STORE_SEGMENT_BYTES)
        .flush_every_ms(None)
        .use_compression(false)
        .mode(sled::Mode::HighThroughput);
    let mut tries = 0;
    let db = loop {
        match guarded("open the store", || config.open()) {
            Err(error) if is_lock_conflict(&error) && tries < LOCK_TRIES => {
                tries += 1;
                #[expect(
                    clippy::disallowed_methods,
                    reason = "sled gives its lock back late and says nothing when it does"
                )]
                std::thread::sleep(LOCK_WAIT);
            }
            Err(error) if is_lock_conflict(&error) => return Err(Error::Locked),
            result => break result?,
        }
    };
    let doing = "sync the store's directories";
    let log = OpenOptions::new().read(true).write(true).open(sled_dir.join("db"));
    let log = log.map_err(|error| io_error("open the store's log a second time", error))?;
    log.sync_all().map_err(|error| io_error(doing, error))?;
    // sled syncs what it writes on opening, but not its configuration nor the names of its files.
    let conf = File::open(sled_dir.join("conf")).and_then(|conf| conf.sync_all());
    conf.map_err(|error| io_error(doing, error))?;
    for synced in [Some(&*sled_dir), Some(dir), dir.parent()].into_iter().flatten() {
        files::sync_dir(synced).map_err(|error| io_error(doing, error))?;
    }
    Ok((db, log))
}

/// sled has no error kind for this; ours is the outer lock, so this only waits for sled's own threads to let go.
fn is_lock_conflict(error: &Error) -> bool {
    match error {
        Error::Io { source, .. } => source.to_string().contains("could not acquire lock"),
        Error::Fenced { .. } | Error::Gap { .. } | Error::Locked | Error::DiskFull | Error::Corrupt { .. } => false,
    }
}

fn snapshots(dir: &Path) -> Result<Vec<PathBuf>, Error> {
    let entries = files::entries(&sled_dir(dir)).map_err(|error| io_error("list the store's files", error))?;
    let is_snapshot = |path: &PathBuf| path.file_name().unwrap_or_default().to_string_lossy().starts_with("snap.");
    Ok(entries.into_iter().filter(is_snapshot).collect())
}

/// A snapshot file that sled was still writing when it was killed. sled takes it for its newest one and cannot open from then
/// on; its predecessor is there until the new one has its final name, so nothing is lost with it.
fn remove_interrupted_snapshots(dir: &Path) -> Result<(), Error> {
    let is_interrupted = |path: &&PathBuf| path.extension().is_some_and(|extension| extension == "generating");
    for path in snapshots(dir)?.iter().filter(is_interrupted) {
        files::remove(path).map_err(|error| io_error("remove a half-written snapshot file", error))?;
    }
    Ok(())
}

/// sled writes its configuration in two pieces when it makes its directory, before anything is in its log, and cannot open
/// with the first piece alone.
fn remove_interrupted_configuration(dir: &Path) -> Result<(), Error> {
    let sled_dir = sled_dir(dir);
    if fs::metadata(sled_dir.join("db")).is_ok_and(|log| log.len() > 0) {
        return Ok(());
    }
    files::remove(&sled_dir.join("conf")).map_err(|error| io_error("remove a half-written configuration", error))
}

fn useless_snapshots(dir: &Path) -> Result<Vec<PathBuf>, Error> {
    let mut snapshots = snapshots(dir)?;
    snapshots.retain(|path| fs::metadata(path).is_ok_and(|metadata| metadata.len() < SNAPSHOT_BYTES));
    Ok(snapshots)
}

fn refuse_useless_snapshots(dir: &Path) -> Result<(), Error> {
    match useless_snapshots(dir)?.first() {
        None => Ok(()),
        Some(path) => Err(Error::Corrupt {
            problem: format!(
                "{} is empty, which sled cannot open; the journal itself is whole: `wfctl doctor --repair` sets the file aside",
                path.display()
            ),
        }),
    }
}

/// Something that [`heal`] did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Healed {
    /// The file it was about.
    pub path: PathBuf,
    /// What was done with it.
    pub what: &'static str,
}

/// Heals what stops the store in `dir` from opening without anything being lost: snapshot files that are empty are set aside
/// (sled builds them again from its log), and so is a damaged epoch file (the records know the highest epoch).
pub fn heal(dir: &Path) -> Result<Vec<Healed>, Error> {
    let _lock = lock(dir)?;
    let mut healed = Vec::new();
    for path in useless_snapshots(dir)? {
        set_aside(dir, &path)?;
        healed.push(Healed { path, what: "an empty snapshot file of sled was set aside; sled builds it again" });
    }
    if matches!(super::epoch::read(dir), Err(Error::Corrupt { .. })) {
        let path = super::epoch::path(dir);
        set_aside(dir, &path)?;
        healed.push(Healed { path, what: "a damaged epoch file was set aside; the records know the highest epoch" });
    }
    Ok(healed)
}

/// Sets all of sled's snapshot files aside, so that it reads its log from the start. sled overwrites what it cannot make
/// sense of, so the log is copied first.
pub fn set_snapshots_aside(dir: &Path) -> Result<Vec<Healed>, Error> {
    let _lock = lock(dir)?;
    let log = sled_dir(dir).join("db");
    let copy = free_place(dir, &log)?;
    fs::copy(&log, &copy).map_err(|error| io_error("copy the store's log", error))?;
    let mut healed =
        vec![Healed { path: copy, what: "the store's log was copied before sled reads it from the start" }];
    for path in snapshots(dir)? {
        set_aside(dir, &path)?;
        healed.push(Healed { path, what: "a damaged snapshot file of sled was set aside; sled builds it again" });
    }
    Ok(healed)
}

/// Sets sled's whole directory aside, so that an empty store opens; returns where it is now.
pub fn set_sled_aside(dir: &Path) -> Result<PathBuf, Error> {
    let _lock = lock(dir)?;
    set_aside(dir, &sled_dir(dir))
}

fn set_aside(dir: &Path, path: &Path) -> Result<PathBuf, Error> {
    let target = free_place(dir, path)?;
    fs::rename(path, &target).map_err(|error| io_error("set a damaged file aside", error))?;
    Ok(target)
}

/// A path in `set-aside/` that nothing has, named after `path`.
fn free_place(dir: &Path, path: &Path) -> Result<PathBuf, Error> {
    let aside = dir.join("set-aside");
    files::create_dir(&aside).map_err(|error| io_error("create the directory for damaged files", error))?;
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let target = (1u32..).map(|number| aside.join(format!("{name}.{number}"))).find(|target| !target.exists());
    Ok(target.expect("a directory does not hold four billion files"))
}

/// Bytes that the user may still write on the file system of `path`.
pub fn free_bytes(path: &Path) -> Result<u64, Error> {
    let stat = rustix::fs::statvfs(path).map_err(|errno| io_error("ask for free space", errno.into()))?;
    Ok(stat.f_bavail.saturating_mul(stat.f_frsize))
}
