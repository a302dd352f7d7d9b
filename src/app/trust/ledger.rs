//! The ledger of what is trusted: `trust.toml` in the home, and the texts beside it in `trust/`, each named by its digest.
//!
//! It is replaced whole, under a lock of its own, and may be written by the user alone: a ledger that others could have written
//! says nothing.

use std::collections::BTreeSet;
use std::fs::OpenOptions;
use std::io::{self, Read as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use rustix::fs::FlockOperation;
use serde::{Deserialize, Serialize};

use crate::domain::ids::Digest;
use crate::domain::limits;
use crate::domain::time::Millis;
use crate::journal::files;

/// The version of the format.
const VERSION: u32 = 1;
/// What stands at the head of the file.
const HEAD: &str = "# What `wfctl trust` was told. Take a file out again with: wfctl trust --revoke PATH\n";

/// One content that a person agreed to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Entry {
    /// The canonical path of the file.
    pub path: String,
    /// The BLAKE3 digest of its content, in hexadecimal.
    pub digest: String,
    /// When.
    pub at: Millis,
}

/// All of them, the oldest first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Ledger {
    version: u32,
    #[serde(default)]
    pub trusted: Vec<Entry>,
}

impl Ledger {
    /// The content of a file that was agreed to last.
    pub fn last_of(&self, path: &str) -> Option<&Entry> {
        self.trusted.iter().rev().find(|entry| entry.path == path)
    }

    /// Whether this content of the file was agreed to.
    pub fn has(&self, path: &str, digest: &str) -> bool {
        self.trusted.iter().any(|entry| entry.path == path && entry.digest == digest)
    }
}

/// Where it is.
pub fn file(home: &Path) -> PathBuf {
    home.join("trust.toml")
}

/// Where the texts are.
fn texts(home: &Path) -> PathBuf {
    home.join("trust")
}

/// Reads it; one that is not there is empty. Refuses one that is not the user's alone.
pub fn read(home: &Path) -> io::Result<Ledger> {
    let refused = |problem: &str| io::Error::new(io::ErrorKind::InvalidData, problem.to_owned());
    let flags = rustix::fs::OFlags::NOFOLLOW | rustix::fs::OFlags::NONBLOCK;
    let flags = i32::try_from(flags.bits()).unwrap_or_default();
    let opened = OpenOptions::new().read(true).custom_flags(flags).open(file(home));
    let opened = match opened {
        Ok(opened) => opened,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            return Ok(Ledger { version: VERSION, trusted: Vec::new() });
        }
        Err(error) => return Err(error),
    };
    let found = opened.metadata()?;
    if !found.is_file() || found.uid() != rustix::process::geteuid().as_raw() || found.mode() & 0o022 != 0 {
        return Err(refused("others could have written it; look at it, then: chmod 600 it, or remove it"));
    }
    let mut text = String::new();
    opened.take(limits::TRUST_LEDGER_BYTES + 1).read_to_string(&mut text)?;
    if text.len() as u64 > limits::TRUST_LEDGER_BYTES {
        return Err(refused("it is larger than it can be"));
    }
    let ledger: Ledger = toml::from_str(&text).map_err(|error| refused(error.message()))?;
    match ledger.version {
        VERSION => Ok(ledger),
        _ => Err(refused("a later release wrote it; use that one")),
    }
}

/// The text of an entry, if it is still there and still what it was.
pub fn kept(home: &Path, entry: &Entry) -> Option<Vec<u8>> {
    let digest = Digest::from_hex(&entry.digest)?;
    let mut text = Vec::new();
    let opened = std::fs::File::open(texts(home).join(digest.to_hex())).ok()?;
    opened.take(limits::WORKFLOW_FILE_BYTES as u64 + 1).read_to_end(&mut text).ok()?;
    (Digest::of(&text) == digest).then_some(text)
}

/// Adds entries with their texts, as the newest.
pub fn record(home: &Path, entries: Vec<(Entry, &[u8])>) -> io::Result<()> {
    let folder = texts(home);
    files::create_dir(&folder)?;
    change(home, |ledger| {
        for (entry, text) in entries {
            let path = folder.join(&entry.digest);
            if kept(home, &entry).is_none() {
                files::replace(&path, text)?;
            }
            ledger.trusted.retain(|known| known.path != entry.path || known.digest != entry.digest);
            ledger.trusted.push(entry);
        }
        let more = ledger.trusted.len().saturating_sub(limits::TRUSTED_CONTENTS);
        ledger.trusted.drain(..more);
        Ok(())
    })
}

/// Takes out all entries of a file; how many there were.
pub fn revoke(home: &Path, path: &str) -> io::Result<usize> {
    let mut removed = 0;
    change(home, |ledger| {
        let before = ledger.trusted.len();
        ledger.trusted.retain(|entry| entry.path != path);
        removed = before - ledger.trusted.len();
        Ok(())
    })?;
    Ok(removed)
}

/// Reads, changes and replaces it while no other process does.
fn change(home: &Path, changing: impl FnOnce(&mut Ledger) -> io::Result<()>) -> io::Result<()> {
    let lock = OpenOptions::new().create(true).truncate(false).write(true).mode(0o600).open(home.join("trust.lock"))?;
    rustix::fs::flock(&lock, FlockOperation::LockExclusive)?;
    let mut ledger = read(home)?;
    changing(&mut ledger)?;
    let text = toml::to_string(&ledger).map_err(io::Error::other)?;
    files::replace(&file(home), format!("{HEAD}{text}").as_bytes())?;
    forget(home, &ledger)
}

/// Removes the texts that no entry names any more.
fn forget(home: &Path, ledger: &Ledger) -> io::Result<()> {
    let named: BTreeSet<&str> = ledger.trusted.iter().map(|entry| entry.digest.as_str()).collect();
    for path in files::entries(&texts(home))? {
        let is_named = path.file_name().and_then(|name| name.to_str()).is_some_and(|name| named.contains(name));
        if !is_named {
            files::remove(&path)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    fn entry(path: &str, text: &str) -> Entry {
        Entry { path: path.to_owned(), digest: Digest::of(text.as_bytes()).to_hex(), at: Millis(1) }
    }

    fn add(home: &Path, path: &str, text: &str) {
        record(home, vec![(entry(path, text), text.as_bytes())]).unwrap();
    }

    #[test]
    fn texts_stay_as_long_as_an_entry_names_them() {
        let home = tempfile::tempdir().unwrap();
        add(home.path(), "/a", "same");
        add(home.path(), "/b", "same");
        add(home.path(), "/b", "other");
        assert_eq!(revoke(home.path(), "/b").unwrap(), 2);
        let ledger = read(home.path()).unwrap();
        assert_eq!(kept(home.path(), ledger.last_of("/a").unwrap()).unwrap(), b"same");
        assert_eq!(fs::read_dir(texts(home.path())).unwrap().count(), 1);
        let mode = fs::metadata(file(home.path())).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode, 0o600, "nobody else reads it");
    }

    #[test]
    fn a_text_that_was_changed_is_not_shown_as_what_was_trusted() {
        let home = tempfile::tempdir().unwrap();
        add(home.path(), "/a", "text");
        fs::write(texts(home.path()).join(&entry("/a", "text").digest), "forged").unwrap();
        assert_eq!(kept(home.path(), &entry("/a", "text")), None);
        add(home.path(), "/a", "text");
        assert!(kept(home.path(), &entry("/a", "text")).is_some(), "trusting it again heals it");
    }

    #[test]
    fn a_ledger_that_others_may_write_is_refused() {
        let home = tempfile::tempdir().unwrap();
        add(home.path(), "/a", "text");
        fs::set_permissions(file(home.path()), fs::Permissions::from_mode(0o620)).unwrap();
        assert!(read(home.path()).unwrap_err().to_string().contains("others could have written it"));
        fs::remove_file(file(home.path())).unwrap();
        std::os::unix::fs::symlink("elsewhere", file(home.path())).unwrap();
        assert!(read(home.path()).is_err(), "it is no link");
    }

    #[test]
    fn nonsense_and_the_formats_of_later_releases_are_refused() {
        let home = tempfile::tempdir().unwrap();
        for text in ["version = 2", "trusted = 1", "version = 1\nmore = true", "\0", "version ="] {
            fs::write(file(home.path()), text).unwrap();
            fs::set_permissions(file(home.path()), fs::Permissions::from_mode(0o600)).unwrap();
            assert!(read(home.path()).is_err(), "{text}");
        }
    }

    #[test]
    fn one_more_than_the_bound_drops_the_oldest() {
        let home = tempfile::tempdir().unwrap();
        let all: Vec<Entry> = (0..=limits::TRUSTED_CONTENTS).map(|n| entry(&format!("/{n}"), "x")).collect();
        record(home.path(), all.into_iter().map(|entry| (entry, b"x".as_slice())).collect()).unwrap();
        let ledger = read(home.path()).unwrap();
        assert_eq!(ledger.trusted.len(), limits::TRUSTED_CONTENTS);
        assert!(ledger.last_of("/0").is_none() && ledger.last_of("/1").is_some());
    }
}
