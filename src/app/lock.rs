//! The home's lock: a flock, and in the file who holds it. Only the flock counts; the text is for people and clients.

use std::fs::{File, OpenOptions};
use std::io::{self, Read as _};
use std::os::unix::fs::{FileExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use rustix::fs::FlockOperation;
use serde::{Deserialize, Serialize};

use crate::domain::time::Millis;

/// More than this is not ours.
const FILE_BYTES: u64 = 64 * 1024;

/// Who holds a home.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Holder {
    /// Its process.
    pub pid: u32,
    /// Its machine.
    pub host: String,
    /// Since when.
    pub since: Millis,
    /// The verb.
    pub command: String,
    /// For what.
    pub role: Role,
    /// Where it listens, or will in a moment.
    pub socket: Option<PathBuf>,
}

/// For what a home is held.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// To drive projects, for long.
    Engine,
    /// For one request, for a moment.
    Brief,
}

/// The lock, held until it is dropped.
#[derive(Debug)]
pub struct Lock {
    file: File,
}

impl Lock {
    /// Takes the lock at `path` if nobody has it.
    pub fn try_take(path: &Path) -> io::Result<Option<Self>> {
        let file = OpenOptions::new().create(true).truncate(false).read(true).write(true).mode(0o600).open(path)?;
        match rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => Ok(Some(Self { file })),
            Err(rustix::io::Errno::WOULDBLOCK) => Ok(None),
            Err(errno) => Err(errno.into()),
        }
    }

    /// Writes down who holds it. Not synced: after a power cut nobody does.
    pub fn note(&self, holder: &Holder) -> io::Result<()> {
        let mut text = serde_json::to_vec(holder)?;
        text.push(b'\n');
        self.file.set_len(0)?;
        self.file.write_all_at(&text, 0)
    }
}

/// Who is written down at `path`; `None` while that is being written.
pub fn holder(path: &Path) -> Option<Holder> {
    let mut text = Vec::new();
    File::open(path).ok()?.take(FILE_BYTES).read_to_end(&mut text).ok()?;
    serde_json::from_slice(&text).ok()
}

/// This process as a holder.
pub fn this_process(command: &str, role: Role, socket: Option<PathBuf>, since: Millis) -> Holder {
    let host = rustix::system::uname().nodename().to_string_lossy().into_owned();
    Holder { pid: std::process::id(), host, since, command: format!("wfctl {command}"), role, socket }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_holder_at_a_time_and_it_can_be_named() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("lock");
        let lock = Lock::try_take(&path).unwrap().unwrap();
        assert_eq!(holder(&path), None);
        let me = this_process("run", Role::Engine, None, Millis(7));
        lock.note(&me).unwrap();
        assert!(Lock::try_take(&path).unwrap().is_none());
        assert_eq!(holder(&path), Some(me));
        drop(lock);
        assert!(Lock::try_take(&path).unwrap().is_some());
    }
}
