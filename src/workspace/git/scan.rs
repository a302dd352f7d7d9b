//! What is in a worktree: every file that belongs to a checkpoint, each with its object id.
//!
//! It belongs when it is known (in the tree last restored or taken) or not ignored. Bytes are taken as they are: no line-end
//! conversion, no filter. Reading a file is saved when its stat data is that of the last time, as git does it: an entry whose
//! time is too near to the scan's own is not trusted the next time, for a write within the same tick would not show.
//! A folder that is a repository of its own (a submodule, a nested clone) is left alone, and so is what a file system may take for
//! `.git`. Folders are gone through by their handles: nothing outside is read, whatever becomes a link meanwhile.

use std::cell::OnceCell;
use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::fs;
use std::io::Read as _;
use std::os::fd::{AsFd as _, BorrowedFd};
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use git2::{Index, IndexEntry, IndexTime, ObjectType, Oid, Repository};
use rustix::fs::{FileType, Stat};

use super::beneath;
use super::error::{At as _, Error};
use super::names::means_git;
use crate::domain::limits;

/// Modes of git's tree entries.
pub(super) const MODE_FILE: u32 = 0o100_644;
pub(super) const MODE_EXECUTABLE: u32 = 0o100_755;
pub(super) const MODE_LINK: u32 = 0o120_000;
pub(super) const MODE_SUBMODULE: u32 = 0o160_000;

/// Longer than a tick of any file system's clock that we meet.
const RACY_NS: i128 = 20_000_000;

/// What is set aside for a file before it is read, at most: its size may be a lie.
const READ_AT_ONCE: usize = 16 * 1024 * 1024;

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
    pub empty_dirs: Vec<Vec<u8>>,
    /// Sockets, pipes and devices: not files that git knows.
    pub others: Vec<Vec<u8>>,
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
    let folder = beneath::open_root(root).at(root)?;
    let mut scanner = Scanner { repository, root, known, folders_known, now_ns, objects, scan: Scan::default() };
    scanner.folder(folder.as_fd(), &[], &Rules::of_root(), 0)?;
    Ok(scanner.scan)
}

/// Whether a folder is ignored. Asking takes a look for rules in each folder above, and only an unknown file in it makes anyone ask.
struct Rules<'r> {
    /// Relative; empty for the root, which is not ignored.
    path: &'r [u8],
    above: Option<&'r Rules<'r>>,
    is_ignored: OnceCell<bool>,
}

impl<'r> Rules<'r> {
    fn of_root() -> Self {
        Self { path: &[], above: None, is_ignored: OnceCell::from(false) }
    }

    fn below(&'r self, path: &'r [u8]) -> Self {
        Self { path, above: Some(self), is_ignored: OnceCell::new() }
    }

    fn is_ignored(&self, scanner: &Scanner<'_>) -> Result<bool, Error> {
        if let Some(known) = self.is_ignored.get() {
            return Ok(*known);
        }
        let above = self.above.map(|above| above.is_ignored(scanner)).transpose()?;
        let is_ignored = above == Some(true) || scanner.is_ignored(self.path, "/")?;
        Ok(*self.is_ignored.get_or_init(|| is_ignored))
    }
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
    /// Scans one folder, which is at `path`; returns whether anything in it is to stay.
    fn folder(&mut self, folder: BorrowedFd<'_>, path: &[u8], rules: &Rules<'_>, depth: usize) -> Result<bool, Error> {
        let mut is_used = false;
        for name in beneath::names(folder).at(&self.full(path))? {
            if means_git(&name) {
                is_used = true;
                continue;
            }
            let mut path = path.to_vec();
            if !path.is_empty() {
                path.push(b'/');
            }
            path.extend_from_slice(&name);
            // It may go away while we look.
            let Some(stat) = beneath::look(folder, &name).at(&self.full(&path))? else { continue };
            is_used |= if beneath::kind(&stat) == FileType::Directory {
                self.subfolder(folder, &name, path, rules, depth + 1)?
            } else {
                self.file(folder, &name, path, &stat, rules)?
            };
        }
        Ok(is_used)
    }

    fn subfolder(
        &mut self,
        above: BorrowedFd<'_>,
        name: &[u8],
        path: Vec<u8>,
        rules: &Rules<'_>,
        depth: usize,
    ) -> Result<bool, Error> {
        if let Some(known) = self.known.get_path(Path::new(OsStr::from_bytes(&path)), 0)
            && known.mode == MODE_SUBMODULE
        {
            self.scan.entries.push(known);
            return Ok(true);
        }
        let rules = rules.below(&path);
        if !self.folders_known.contains(&path) && rules.is_ignored(self)? {
            return Ok(true);
        }
        if depth > limits::TREE_DEPTH {
            return Err(Error::TooLarge(format!("folders nest deeper than {}", limits::TREE_DEPTH)));
        }
        let folder = match beneath::enter(above, name) {
            Ok(folder) => folder,
            // It went away, or became something else, while we looked.
            Err(error) if error.kind() == std::io::ErrorKind::NotFound || beneath::is_none(&error) => return Ok(true),
            Err(error) => return Err(error).at(&self.full(&path)),
        };
        if beneath::look(&folder, b".git").at(&self.full(&path))?.is_some() {
            return Ok(true);
        }
        let is_used = self.folder(folder.as_fd(), &path, &rules, depth)?;
        if !is_used {
            self.scan.empty_dirs.push(path);
        }
        Ok(is_used)
    }

    fn file(
        &mut self,
        folder: BorrowedFd<'_>,
        name: &[u8],
        path: Vec<u8>,
        stat: &Stat,
        rules: &Rules<'_>,
    ) -> Result<bool, Error> {
        let known = self.known.get_path(Path::new(OsStr::from_bytes(&path)), 0);
        if known.is_none() && (rules.is_ignored(self)? || self.is_ignored(&path, "")?) {
            return Ok(true);
        }
        if !matches!(beneath::kind(stat), FileType::RegularFile | FileType::Symlink) {
            self.scan.others.push(path);
            return Ok(false);
        }
        if self.scan.entries.len() >= limits::CHECKPOINT_FILES {
            return Err(Error::TooLarge(format!("more than {} files", limits::CHECKPOINT_FILES)));
        }
        let id = match known {
            Some(known) if is_unchanged(&known, stat) => known.id,
            Some(_) | None => self.object(folder, name, &path, stat)?,
        };
        self.scan.entries.push(IndexEntry { id, ..entry_of(path, stat, self.now_ns) });
        Ok(true)
    }

    fn object(&mut self, folder: BorrowedFd<'_>, name: &[u8], path: &[u8], stat: &Stat) -> Result<Oid, Error> {
        let full = self.full(path);
        let content = if beneath::kind(stat) == FileType::Symlink {
            let target = rustix::fs::readlinkat(folder, OsStr::from_bytes(name), Vec::new());
            target.map_err(std::io::Error::from).at(&full)?.into_bytes()
        } else {
            let mut content = Vec::with_capacity(usize::try_from(stat.st_size).unwrap_or(0).min(READ_AT_ONCE));
            let file = beneath::open_file(folder, name).at(&full)?;
            file.take(limits::CHECKPOINT_FILE_BYTES + 1).read_to_end(&mut content).at(&full)?;
            if content.len() as u64 > limits::CHECKPOINT_FILE_BYTES {
                let problem = format!("{} has more than {} bytes", full.display(), limits::CHECKPOINT_FILE_BYTES);
                return Err(Error::TooLarge(problem));
            }
            content
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

    /// For messages.
    fn full(&self, path: &[u8]) -> PathBuf {
        self.root.join(OsStr::from_bytes(path))
    }

    /// `end` is a slash for folders: patterns like `target/` mean only those.
    fn is_ignored(&self, path: &[u8], end: &str) -> Result<bool, Error> {
        let mut path = path.to_vec();
        path.extend_from_slice(end.as_bytes());
        Ok(self.repository.is_path_ignored(Path::new(OsStr::from_bytes(&path)))?)
    }
}

/// The entry of a file, with a null object id. Stat data that cannot be trusted later is left out.
pub(super) fn entry_of(path: Vec<u8>, stat: &Stat, now_ns: i128) -> IndexEntry {
    let mode = if beneath::kind(stat) == FileType::Symlink {
        MODE_LINK
    } else if stat.st_mode & 0o100 != 0 {
        MODE_EXECUTABLE
    } else {
        MODE_FILE
    };
    let times = Times::of(stat);
    let is_racy = times.modified_ns().max(times.changed_ns()) > now_ns - RACY_NS;
    let zero = IndexTime::new(0, 0);
    IndexEntry {
        ctime: if is_racy { zero } else { times.changed() },
        mtime: if is_racy { zero } else { times.modified() },
        dev: truncated(stat.st_dev),
        ino: truncated(stat.st_ino),
        mode,
        uid: stat.st_uid,
        gid: stat.st_gid,
        file_size: truncated(size_of(stat)),
        id: Oid::ZERO_SHA1,
        flags: 0,
        flags_extended: 0,
        path,
    }
}

fn is_unchanged(known: &IndexEntry, stat: &Stat) -> bool {
    let is_same_kind = (known.mode == MODE_LINK) == (beneath::kind(stat) == FileType::Symlink);
    let times = Times::of(stat);
    is_same_kind
        && known.mtime.seconds() != 0
        && known.mtime == times.modified()
        && known.ctime == times.changed()
        && known.file_size == truncated(size_of(stat))
        && known.ino == truncated(stat.st_ino)
}

/// When a file was changed: its content, and anything about it, in seconds and nanoseconds.
struct Times {
    modified: (i64, i64),
    changed: (i64, i64),
}

impl Times {
    #[expect(clippy::unnecessary_cast, reason = "the types of these fields differ between architectures")]
    fn of(stat: &Stat) -> Self {
        Self {
            modified: (stat.st_mtime as i64, stat.st_mtime_nsec as i64),
            changed: (stat.st_ctime as i64, stat.st_ctime_nsec as i64),
        }
    }

    fn modified_ns(&self) -> i128 {
        i128::from(self.modified.0) * 1_000_000_000 + i128::from(self.modified.1)
    }

    fn changed_ns(&self) -> i128 {
        i128::from(self.changed.0) * 1_000_000_000 + i128::from(self.changed.1)
    }

    fn modified(&self) -> IndexTime {
        time(self.modified.0, self.modified.1)
    }

    fn changed(&self) -> IndexTime {
        time(self.changed.0, self.changed.1)
    }
}

fn size_of(stat: &Stat) -> u64 {
    u64::try_from(stat.st_size).unwrap_or(0)
}

/// What the file system's clock says: the time of a file that was just written, in nanoseconds.
pub(super) fn now_ns(scratch: &Path) -> Result<i128, Error> {
    fs::write(scratch, []).at(scratch)?;
    let stat = rustix::fs::lstat(scratch).map_err(std::io::Error::from).at(scratch)?;
    Ok(Times::of(&stat).modified_ns())
}

/// git's index keeps the low 32 bits of stat data; so do we, for it is only compared.
fn time(seconds: i64, nanoseconds: i64) -> IndexTime {
    IndexTime::new(seconds as i32, nanoseconds as u32)
}

/// See [`time`].
fn truncated(number: u64) -> u32 {
    number as u32
}
