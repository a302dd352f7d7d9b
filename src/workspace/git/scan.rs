//! What is in a worktree: every file that belongs to a checkpoint, each with its object id.
//!
//! It belongs when it is known (in the tree last restored or taken) or not ignored. Bytes are taken as they are: no line-end
//! conversion, no filter. Reading a file is saved when its stat data is that of the last time, as git does it: an entry whose
//! time is too near to the scan's own is not trusted the next time, for a write within the same tick would not show.
//! A folder that is a repository of its own (a submodule, a nested clone) is left alone.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::fs::{self, Metadata};
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use git2::{Index, IndexEntry, IndexTime, ObjectType, Oid, Repository};

use super::error::{At as _, Error};
use crate::domain::limits;

/// Modes of git's tree entries.
pub(super) const MODE_FILE: u32 = 0o100_644;
pub(super) const MODE_EXECUTABLE: u32 = 0o100_755;
pub(super) const MODE_LINK: u32 = 0o120_000;
pub(super) const MODE_SUBMODULE: u32 = 0o160_000;

/// Longer than a tick of any file system's clock that we meet.
const RACY_NS: i128 = 20_000_000;

/// Whether the content that is found is put into the repository.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Objects {
    Write,
    HashOnly,
}

/// The files of a worktree.
#[derive(Debug, Default)]
pub(super) struct Scan {
    /// In no order; paths with `/`, relative.
    pub entries: Vec<IndexEntry>,
    /// Folders without anything in them that is kept or ignored, inner ones first.
    pub empty_dirs: Vec<PathBuf>,
    /// Sockets, pipes and devices: not files that git knows.
    pub others: Vec<PathBuf>,
    /// The content that was not in the repository before.
    pub written: Vec<Oid>,
}

/// Scans the worktree of `repository` at `root`, trusting `known` for what did not change since.
pub(super) fn scan(
    repository: &Repository,
    root: &Path,
    known: &Index,
    now_ns: i128,
    objects: Objects,
) -> Result<Scan, Error> {
    let mut folders_known = BTreeSet::new();
    for entry in known.iter() {
        let mut path = entry.path.as_slice();
        while let Some(slash) = path.iter().rposition(|byte| *byte == b'/') {
            path = &path[..slash];
            if !folders_known.insert(path.to_vec()) {
                break;
            }
        }
    }
    let mut scanner = Scanner { repository, root, known, folders_known, now_ns, objects, scan: Scan::default() };
    scanner.folder(&[], Ignored::No)?;
    Ok(scanner.scan)
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Ignored {
    Yes,
    No,
}

struct Scanner<'s> {
    repository: &'s Repository,
    root: &'s Path,
    known: &'s Index,
    folders_known: BTreeSet<Vec<u8>>,
    now_ns: i128,
    objects: Objects,
    scan: Scan,
}

impl Scanner<'_> {
    /// Scans one folder; returns whether anything in it is to stay.
    fn folder(&mut self, path: &[u8], ignored: Ignored) -> Result<bool, Error> {
        let full = self.root.join(OsStr::from_bytes(path));
        let mut is_used = false;
        for entry in fs::read_dir(&full).at(&full)? {
            let entry = entry.at(&full)?;
            let name = entry.file_name();
            if name.as_bytes().eq_ignore_ascii_case(b".git") {
                is_used = true;
                continue;
            }
            let mut path = path.to_vec();
            if !path.is_empty() {
                path.push(b'/');
            }
            path.extend_from_slice(name.as_bytes());
            let full = entry.path();
            let Some(metadata) = metadata(&full)? else { continue };
            is_used |= if metadata.is_dir() {
                self.subfolder(path, &full, ignored)?
            } else {
                self.file(path, &full, &metadata, ignored)?
            };
        }
        Ok(is_used)
    }

    fn subfolder(&mut self, path: Vec<u8>, full: &Path, ignored: Ignored) -> Result<bool, Error> {
        if let Some(known) = self.known.get_path(Path::new(OsStr::from_bytes(&path)), 0)
            && known.mode == MODE_SUBMODULE
        {
            self.scan.entries.push(known);
            return Ok(true);
        }
        if full.join(".git").symlink_metadata().is_ok() {
            return Ok(true);
        }
        let ignored = match ignored {
            Ignored::No if self.is_ignored(&path, "/")? => Ignored::Yes,
            Ignored::No | Ignored::Yes => ignored,
        };
        if ignored == Ignored::Yes && !self.folders_known.contains(&path) {
            return Ok(true);
        }
        let is_used = self.folder(&path, ignored)?;
        if !is_used {
            self.scan.empty_dirs.push(full.to_owned());
        }
        Ok(is_used)
    }

    fn file(&mut self, path: Vec<u8>, full: &Path, metadata: &Metadata, ignored: Ignored) -> Result<bool, Error> {
        let known = self.known.get_path(Path::new(OsStr::from_bytes(&path)), 0);
        if known.is_none() && (ignored == Ignored::Yes || self.is_ignored(&path, "")?) {
            return Ok(true);
        }
        if !metadata.is_file() && !metadata.is_symlink() {
            self.scan.others.push(full.to_owned());
            return Ok(false);
        }
        if self.scan.entries.len() >= limits::CHECKPOINT_FILES {
            return Err(Error::TooLarge(format!("more than {} files", limits::CHECKPOINT_FILES)));
        }
        let mut entry = entry_of(path, metadata, self.now_ns);
        match known {
            Some(known) if is_unchanged(&known, metadata) => entry.id = known.id,
            Some(_) | None => entry.id = self.object(full, metadata)?,
        }
        self.scan.entries.push(entry);
        Ok(true)
    }

    fn object(&mut self, full: &Path, metadata: &Metadata) -> Result<Oid, Error> {
        let content = if metadata.is_symlink() {
            fs::read_link(full).at(full)?.into_os_string().into_vec()
        } else if metadata.len() > limits::CHECKPOINT_FILE_BYTES {
            let problem = format!("{} has more than {} bytes", full.display(), limits::CHECKPOINT_FILE_BYTES);
            return Err(Error::TooLarge(problem));
        } else {
            fs::read(full).at(full)?
        };
        let id = Oid::hash_object(ObjectType::Blob, &content)?;
        if self.objects == Objects::Write {
            let store = self.repository.odb()?;
            if !store.exists(id) {
                store.write(ObjectType::Blob, &content)?;
                self.scan.written.push(id);
            }
        }
        Ok(id)
    }

    /// `end` is a slash for folders: patterns like `target/` mean only those.
    fn is_ignored(&self, path: &[u8], end: &str) -> Result<bool, Error> {
        let mut path = path.to_vec();
        path.extend_from_slice(end.as_bytes());
        Ok(self.repository.is_path_ignored(Path::new(OsStr::from_bytes(&path)))?)
    }
}

/// Without following a link; `None` when it went away while we looked.
fn metadata(full: &Path) -> Result<Option<Metadata>, Error> {
    match fs::symlink_metadata(full) {
        Ok(metadata) => Ok(Some(metadata)),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error).at(full),
    }
}

/// The entry of a file, with a null object id. Stat data that cannot be trusted later is left out.
pub(super) fn entry_of(path: Vec<u8>, metadata: &Metadata, now_ns: i128) -> IndexEntry {
    let mode = if metadata.is_symlink() {
        MODE_LINK
    } else if metadata.mode() & 0o100 != 0 {
        MODE_EXECUTABLE
    } else {
        MODE_FILE
    };
    let newest_ns = modified_ns(metadata).max(changed_ns(metadata));
    let is_racy = newest_ns > now_ns - RACY_NS;
    IndexEntry {
        ctime: if is_racy { IndexTime::new(0, 0) } else { time(metadata.ctime(), metadata.ctime_nsec()) },
        mtime: if is_racy { IndexTime::new(0, 0) } else { time(metadata.mtime(), metadata.mtime_nsec()) },
        dev: truncated(metadata.dev()),
        ino: truncated(metadata.ino()),
        mode,
        uid: metadata.uid(),
        gid: metadata.gid(),
        file_size: truncated(metadata.len()),
        id: Oid::ZERO_SHA1,
        flags: 0,
        flags_extended: 0,
        path,
    }
}

fn is_unchanged(known: &IndexEntry, metadata: &Metadata) -> bool {
    let is_same_kind = (known.mode == MODE_LINK) == metadata.is_symlink();
    is_same_kind
        && known.mtime.seconds() != 0
        && known.mtime == time(metadata.mtime(), metadata.mtime_nsec())
        && known.ctime == time(metadata.ctime(), metadata.ctime_nsec())
        && known.file_size == truncated(metadata.len())
        && known.ino == truncated(metadata.ino())
}

fn modified_ns(metadata: &Metadata) -> i128 {
    i128::from(metadata.mtime()) * 1_000_000_000 + i128::from(metadata.mtime_nsec())
}

fn changed_ns(metadata: &Metadata) -> i128 {
    i128::from(metadata.ctime()) * 1_000_000_000 + i128::from(metadata.ctime_nsec())
}

/// What the file system's clock says: the time of a file that was just written, in nanoseconds.
pub(super) fn now_ns(scratch: &Path) -> Result<i128, Error> {
    fs::write(scratch, []).at(scratch)?;
    Ok(modified_ns(&fs::symlink_metadata(scratch).at(scratch)?))
}

/// git's index keeps the low 32 bits of stat data; so do we, for it is only compared.
fn time(seconds: i64, nanoseconds: i64) -> IndexTime {
    IndexTime::new(seconds as i32, nanoseconds as u32)
}

/// See [`time`].
fn truncated(number: u64) -> u32 {
    number as u32
}
