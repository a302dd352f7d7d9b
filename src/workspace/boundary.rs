//! The boundary of a worktree: the only way in which text from a model becomes a path. Whatever the text, nothing outside
//! the root is read, written or even asked about.
//!
//! It holds the root as an open folder (`cap-std`) and goes from there one name at a time, each opened relative to the folder
//! before it and never through a symbolic link. So a link that is put in place while a call is under way is refused as well:
//! there is no check that could be outrun. Files of the repository's own (`.git`) do not exist for it; what wfctl obeys in a repository
//! (`.wfctl.toml`, `.wfctl/`) can be read and not changed. A hard link is a file like any other: a write puts a new file in its
//! place, so that whatever else has the old one keeps it. Reading order: `path`, this file, `walk`.

use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::os::fd::AsFd as _;
use std::path::{Path, PathBuf};

use cap_std::ambient_authority;
use cap_std::fs::{Dir, MetadataExt as _};
use rustix::fs::{AtFlags, Mode, OFlags, RenameFlags};

use crate::domain::limits;

mod error;
mod path;
mod walk;

pub use error::Error;
pub use path::{RelPath, escaped};
pub use walk::{Enter, Ignored, Step, Visited, Walked};

/// The name of the file that a write makes before it takes its place. One that is left by a crash is replaced.
const TEMPORARY: &str = ".wfctl-write.tmp";

/// What stands at a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// A folder.
    Folder,
    /// A regular file.
    File,
    /// A symbolic link; none is ever followed.
    Link,
    /// A pipe, a socket, a device.
    Special,
}

/// Facts about what stands at a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Facts {
    /// What it is.
    pub kind: Kind,
    /// Its size.
    pub bytes: u64,
    /// Its permission bits.
    pub mode: u32,
}

/// One name of a folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// The name for people: bytes that are not UTF-8 and control characters are escaped.
    pub name: String,
    /// What it is.
    pub kind: Kind,
    /// Its size.
    pub bytes: u64,
}

/// The names of a folder, folders first, then by name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listing {
    /// At most [`limits::TOOL_FOLDER_ENTRIES`].
    pub entries: Vec<Entry>,
    /// How many more there are.
    pub left_out: usize,
}

/// What a write did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Written {
    /// There was no such file.
    Created,
    /// The file had another content before.
    Replaced,
}

/// Access to the files below a root, and to nothing else.
#[derive(Debug)]
pub struct Boundary {
    root: Dir,
    place: PathBuf,
}

impl Boundary {
    /// Opens `root`, which the engine names, never a model.
    pub fn open(root: &Path) -> Result<Self, Error> {
        let dir = Dir::open_ambient_dir(root, ambient_authority())
            .map_err(|source| Error::Io { path: root.display().to_string(), source })?;
        Ok(Self { root: dir, place: root.to_owned() })
    }

    /// Reads `path`; it takes the bounds of a path from [`RelPath::parse`] and a better hint for an absolute one.
    pub fn path(&self, text: &str) -> Result<RelPath, Error> {
        RelPath::parse(text, &self.place)
    }

    /// Facts about what stands at `path`, which may be a link; none is followed.
    pub fn facts(&self, path: &RelPath) -> Result<Facts, Error> {
        let Some((parents, name)) = path.split() else {
            let meta = self.root.dir_metadata().map_err(|error| path.error(error))?;
            return Ok(facts_of(&meta));
        };
        let folder = self.folder(path, parents)?;
        let meta = folder.symlink_metadata(name).map_err(|error| path.error(error))?;
        Ok(facts_of(&meta))
    }

    /// Whether anything stands at `path`, be it a link.
    pub fn exists(&self, path: &RelPath) -> Result<bool, Error> {
        match self.facts(path) {
            Ok(_) => Ok(true),
            Err(Error::NotFound(_)) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// The whole of a file, at most `most_bytes`.
    pub fn read(&self, path: &RelPath, most_bytes: u64) -> Result<Vec<u8>, Error> {
        let (file, bytes) = self.open_file(path)?;
        if bytes > most_bytes {
            return Err(Error::TooLarge { path: path.to_string(), bytes, most: most_bytes });
        }
        let mut content = Vec::with_capacity(usize::try_from(bytes).unwrap_or(0));
        file.take(most_bytes + 1).read_to_end(&mut content).map_err(|error| path.error(error))?;
        if content.len() as u64 > most_bytes {
            return Err(Error::TooLarge { path: path.to_string(), bytes: content.len() as u64, most: most_bytes });
        }
        Ok(content)
    }

    /// At most `most_bytes` of a file from byte `from` on; a file that ends earlier gives less.
    pub fn read_range(&self, path: &RelPath, from: u64, most_bytes: u64) -> Result<Vec<u8>, Error> {
        let (mut file, _) = self.open_file(path)?;
        file.seek(SeekFrom::Start(from)).map_err(|error| path.error(error))?;
        let mut content = Vec::new();
        file.take(most_bytes).read_to_end(&mut content).map_err(|error| path.error(error))?;
        Ok(content)
    }

    /// Puts `content` at `path`, whole or not at all; the folders above it are made, permission bits stay. It is not forced to
    /// the disk: after a crash the worktree is put back from its checkpoint. A hard link elsewhere keeps the old content.
    pub fn write(&self, path: &RelPath, content: &[u8]) -> Result<Written, Error> {
        self.write_with_mode(path, content, None)
    }

    /// As [`Boundary::write`]; a file that is created gets these permission bits (only those of `0o777`).
    pub fn write_with_mode(&self, path: &RelPath, content: &[u8], mode: Option<u32>) -> Result<Written, Error> {
        let bytes = content.len() as u64;
        if bytes > limits::TOOL_FILE_BYTES {
            return Err(Error::TooLarge { path: path.to_string(), bytes, most: limits::TOOL_FILE_BYTES });
        }
        let (parents, name) = path.split().ok_or_else(|| Error::IsFolder(path.to_string()))?;
        may_change(path)?;
        let folder = self.folder_made(path, parents)?;
        let before = match folder.symlink_metadata(name) {
            Ok(meta) => Some(regular(path, &facts_of(&meta))?),
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => return Err(path.error(error)),
        };
        let done = replace(&folder, name, content, before.map(|facts| facts.mode).or(mode.map(|mode| mode & 0o777)));
        if done.is_err() {
            // The error of the write is what matters; a file left here is replaced by the next write.
            let _removed = folder.remove_file(TEMPORARY);
        }
        done.map_err(|error| path.error(error))?;
        Ok(if before.is_some() { Written::Replaced } else { Written::Created })
    }

    /// Makes a folder and those above it; ones that exist are fine.
    pub fn create_folders(&self, path: &RelPath) -> Result<(), Error> {
        self.folder_made(path, path.names()).map(drop)
    }

    /// Removes a regular file.
    pub fn delete_file(&self, path: &RelPath) -> Result<(), Error> {
        let (parents, name) = path.split().ok_or_else(|| Error::IsFolder(path.to_string()))?;
        may_change(path)?;
        let folder = self.folder(path, parents)?;
        let meta = folder.symlink_metadata(name).map_err(|error| path.error(error))?;
        regular(path, &facts_of(&meta))?;
        // Removing never follows: had a link come in between, it is the link that goes.
        folder.remove_file(name).map_err(|error| path.error(error))
    }

    /// Moves a file or a folder to a place where nothing is; the folders above it are made.
    pub fn rename(&self, from: &RelPath, to: &RelPath) -> Result<(), Error> {
        let (from_parents, from_name) = from.split().ok_or(Error::Root)?;
        let (to_parents, to_name) = to.split().ok_or_else(|| Error::Exists(to.to_string()))?;
        may_change(from).and_then(|()| may_change(to))?;
        let from_folder = self.folder(from, from_parents)?;
        let meta = from_folder.symlink_metadata(from_name).map_err(|error| from.error(error))?;
        match facts_of(&meta).kind {
            Kind::File => {}
            Kind::Folder => self.without_repository(from)?,
            Kind::Link => return Err(Error::Link { path: from.to_string(), at: from.to_string() }),
            Kind::Special => return Err(Error::Special(from.to_string())),
        }
        if self.exists(to)? {
            return Err(Error::Exists(to.to_string()));
        }
        let to_folder = self.folder_made(to, to_parents)?;
        let moved = rustix::fs::renameat_with(
            from_folder.as_fd(),
            from_name,
            to_folder.as_fd(),
            to_name,
            RenameFlags::NOREPLACE,
        );
        moved.map_err(|error| to.error(error.into()))
    }

    /// The names of a folder without `.git`.
    pub fn list(&self, path: &RelPath) -> Result<Listing, Error> {
        let folder = self.folder(path, path.names())?;
        let mut entries = Vec::new();
        let mut left_out = 0;
        for entry in folder.entries().map_err(|error| path.error(error))? {
            let entry = entry.map_err(|error| path.error(error))?;
            let name = entry.file_name();
            if path::is_repository(&name) {
                continue;
            }
            if entries.len() == limits::TOOL_FOLDER_ENTRIES {
                left_out += 1;
                continue;
            }
            // A name that went away in between is no longer of the folder.
            let Ok(meta) = folder.symlink_metadata(&name) else { continue };
            let facts = facts_of(&meta);
            entries.push(Entry { name: escaped(&name), kind: facts.kind, bytes: facts.bytes });
        }
        entries.sort_by(|a, b| (a.kind != Kind::Folder, &a.name).cmp(&(b.kind != Kind::Folder, &b.name)));
        Ok(Listing { entries, left_out })
    }

    /// A regular file for reading, and its size. Never waits: a pipe is refused before anything is read of it.
    fn open_file(&self, path: &RelPath) -> Result<(File, u64), Error> {
        let (parents, name) = path.split().ok_or_else(|| Error::IsFolder(path.to_string()))?;
        let folder = self.folder(path, parents)?;
        open_regular(&folder, name, path)
    }

    /// The folder that `names`, the first ones of `path`, lead to.
    fn folder(&self, path: &RelPath, names: &[String]) -> Result<Dir, Error> {
        let mut folder = self.root.try_clone().map_err(|error| path.error(error))?;
        for (depth, name) in names.iter().enumerate() {
            folder = enter(&folder, name.as_ref()).map_err(|error| path.error_at(depth, error))?;
        }
        Ok(folder)
    }

    /// As [`Boundary::folder`], and makes those that are not there.
    fn folder_made(&self, path: &RelPath, names: &[String]) -> Result<Dir, Error> {
        let mut folder = self.root.try_clone().map_err(|error| path.error(error))?;
        for (depth, name) in names.iter().enumerate() {
            folder = match enter(&folder, name.as_ref()) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => {
                    folder.create_dir(name).map_err(|error| path.error_at(depth, error))?;
                    enter(&folder, name.as_ref())
                }
                entered => entered,
            }
            .map_err(|error| path.error_at(depth, error))?;
        }
        Ok(folder)
    }

    /// A folder that is a repository of its own knows its place; moving it would break it.
    fn without_repository(&self, path: &RelPath) -> Result<(), Error> {
        let folder = self.folder(path, path.names())?;
        match folder.symlink_metadata(path::REPOSITORY) {
            Ok(_) => Err(Error::Protected(format!("{path}/{}", path::REPOSITORY))),
            Err(_) => Ok(()),
        }
    }
}

/// Refuses what only a person changes.
fn may_change(path: &RelPath) -> Result<(), Error> {
    if path.is_obeyed() { Err(Error::Obeyed(path.to_string())) } else { Ok(()) }
}

/// Opens the folder `name` of `folder`, which is one name and no link.
fn enter(folder: &Dir, name: &OsStr) -> io::Result<Dir> {
    let flags = OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::RDONLY | OFlags::CLOEXEC;
    match rustix::fs::openat(folder.as_fd(), name, flags, Mode::empty()) {
        Ok(fd) => Ok(Dir::from_std_file(File::from(fd))),
        // With both flags, Linux says of a link that it is no folder.
        Err(rustix::io::Errno::NOTDIR) if is_link(folder, name) => Err(rustix::io::Errno::LOOP.into()),
        Err(error) => Err(error.into()),
    }
}

fn is_link(folder: &Dir, name: &OsStr) -> bool {
    rustix::fs::statat(folder.as_fd(), name, AtFlags::SYMLINK_NOFOLLOW)
        .is_ok_and(|stat| rustix::fs::FileType::from_raw_mode(stat.st_mode).is_symlink())
}

/// Opens the regular file `name` of `folder`.
fn open_regular(folder: &Dir, name: &OsStr, path: &RelPath) -> Result<(File, u64), Error> {
    // Asked first, so that a device is not even opened; asked again of what was opened, which is what counts.
    let meta = folder.symlink_metadata(name).map_err(|error| path.error(error))?;
    regular(path, &facts_of(&meta))?;
    let flags = OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::RDONLY | OFlags::CLOEXEC;
    let fd =
        rustix::fs::openat(folder.as_fd(), name, flags, Mode::empty()).map_err(|error| path.error(error.into()))?;
    let file = File::from(fd);
    let meta = cap_std::fs::Metadata::from_file(&file).map_err(|error| path.error(error))?;
    let facts = regular(path, &facts_of(&meta))?;
    Ok((file, facts.bytes))
}

/// Writes a file beside `name` and lets it take that place.
fn replace(folder: &Dir, name: &OsStr, content: &[u8], mode: Option<u32>) -> io::Result<()> {
    match folder.remove_file(TEMPORARY) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        Ok(()) | Err(_) => {}
    }
    let flags = OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::WRONLY | OFlags::CLOEXEC;
    let mut file = File::from(rustix::fs::openat(folder.as_fd(), TEMPORARY, flags, Mode::from_raw_mode(0o666))?);
    file.write_all(content)?;
    if let Some(mode) = mode {
        rustix::fs::fchmod(&file, Mode::from_raw_mode(mode))?;
    }
    drop(file);
    folder.rename(TEMPORARY, folder, name)
}

fn facts_of(meta: &cap_std::fs::Metadata) -> Facts {
    let kind = if meta.is_file() {
        Kind::File
    } else if meta.is_dir() {
        Kind::Folder
    } else if meta.is_symlink() {
        Kind::Link
    } else {
        Kind::Special
    };
    Facts { kind, bytes: meta.len(), mode: meta.mode() & 0o777 }
}

/// `facts` when they are a regular file's.
fn regular(path: &RelPath, facts: &Facts) -> Result<Facts, Error> {
    match facts.kind {
        Kind::File => Ok(*facts),
        Kind::Folder => Err(Error::IsFolder(path.to_string())),
        Kind::Link => Err(Error::Link { path: path.to_string(), at: path.to_string() }),
        Kind::Special => Err(Error::Special(path.to_string())),
    }
}

#[cfg(test)]
mod tests;
