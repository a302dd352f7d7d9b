//! Folders and files below a root, each opened from the folder above it and never through a link: whoever swaps a name for a
//! link while we are at work is refused, not followed.

use std::ffi::OsStr;
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;

use rustix::fs::{AtFlags, FileType, Mode, OFlags, Stat};
use rustix::io::Errno;

/// The root of a worktree, which must be a folder and no link.
pub(super) fn open_root(root: &Path) -> io::Result<OwnedFd> {
    Ok(rustix::fs::open(root, folder_flags(), Mode::empty())?)
}

/// The folder `name` of `folder`.
pub(super) fn enter(folder: impl AsFd, name: &[u8]) -> io::Result<OwnedFd> {
    Ok(rustix::fs::openat(folder, OsStr::from_bytes(name), folder_flags(), Mode::empty())?)
}

/// What stands at `name`, a link itself and not what it leads to; `None` when there is nothing.
pub(super) fn look(folder: impl AsFd, name: &[u8]) -> io::Result<Option<Stat>> {
    match rustix::fs::statat(folder, OsStr::from_bytes(name), AtFlags::SYMLINK_NOFOLLOW) {
        Ok(stat) => Ok(Some(stat)),
        Err(Errno::NOENT) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// The kind of what was looked at.
pub(super) fn kind(stat: &Stat) -> FileType {
    FileType::from_raw_mode(stat.st_mode)
}

/// A regular file for reading; a pipe is refused, not waited for.
pub(super) fn open_file(folder: impl AsFd, name: &[u8]) -> io::Result<File> {
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
    let file = File::from(rustix::fs::openat(folder, OsStr::from_bytes(name), flags, Mode::empty())?);
    if file.metadata()?.is_file() { Ok(file) } else { Err(io::Error::other("it is no regular file any more")) }
}

/// A new file for writing; whatever has the name already is an error.
pub(super) fn create_file(folder: impl AsFd, name: &[u8], mode: u32) -> io::Result<File> {
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    Ok(File::from(rustix::fs::openat(folder, OsStr::from_bytes(name), flags, Mode::from_raw_mode(mode))?))
}

/// The folder `name` of `folder`; whatever else has the name gives way to a new one.
pub(super) fn enter_or_make(folder: impl AsFd, name: &[u8]) -> io::Result<OwnedFd> {
    let folder = folder.as_fd();
    match enter(folder, name) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        // With both flags, Linux says of a link that it is no folder; other systems that it is a link.
        Err(error) if is_none(&error) => remove(folder, name)?,
        entered => return entered,
    }
    let all = Mode::RWXU | Mode::RWXG | Mode::RWXO;
    match rustix::fs::mkdirat(folder, OsStr::from_bytes(name), all) {
        Ok(()) | Err(Errno::EXIST) => enter(folder, name),
        Err(error) => Err(error.into()),
    }
}

/// Removes a file or a link; none there is fine.
pub(super) fn remove(folder: impl AsFd, name: &[u8]) -> io::Result<()> {
    match rustix::fs::unlinkat(folder, OsStr::from_bytes(name), AtFlags::empty()) {
        Ok(()) | Err(Errno::NOENT) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

/// Removes an empty folder. Whether it is gone.
pub(super) fn remove_empty(folder: impl AsFd, name: &[u8]) -> bool {
    matches!(rustix::fs::unlinkat(folder, OsStr::from_bytes(name), AtFlags::REMOVEDIR), Ok(()) | Err(Errno::NOENT))
}

/// Whether an error says that a name is no folder.
pub(super) fn is_none(error: &io::Error) -> bool {
    let none = [Errno::NOTDIR, Errno::LOOP].map(Errno::raw_os_error);
    error.raw_os_error().is_some_and(|code| none.contains(&code))
}

/// The names of a folder, in no order.
pub(super) fn names(folder: impl AsFd) -> io::Result<Vec<Vec<u8>>> {
    let mut names = Vec::new();
    for entry in rustix::fs::Dir::read_from(folder)? {
        let entry = entry?;
        let name = entry.file_name().to_bytes();
        if name != b"." && name != b".." {
            names.push(name.to_vec());
        }
    }
    Ok(names)
}

fn folder_flags() -> OFlags {
    OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC
}
