//! The file system of a contained command, made in a mount namespace of its own: the host's, read-only, with the plan's
//! covers and writable folders on top, a small `/dev`, a new `/proc`, and no way back to what lies beneath.

use std::collections::BTreeMap;
use std::ffi::CString;
use std::fs;
use std::io;
use std::os::unix::ffi::OsStringExt as _;
use std::os::unix::fs::{DirBuilderExt as _, PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};

use nix::sched::{CloneFlags, unshare};
use rustix::mount::{
    MountFlags, MountPropagationFlags, UnmountFlags, mount, mount_bind, mount_bind_recursive, mount_change,
    mount_remount, unmount,
};
use rustix::process::pivot_root;

use super::super::order::Order;
use super::super::plan::{Entry, How, governing};
use super::super::report::doing;
use super::rlimits;

/// Where the new tree is put together; every host has this folder.
const BASE: &str = "/tmp";
/// In the base, once it is the root: the host's tree, the new one, private files, and a file for covers.
const OLD: &str = "/old";
const NEW: &str = "/new";
const SCRATCH: &str = "/scratch";
const COVER: &str = "/cover";

/// What every program may expect in `/dev`.
const DEVICES: &[&str] = &["null", "zero", "full", "random", "urandom", "tty"];
const DEVICE_LINKS: &[(&str, &str)] = &[
    ("/proc/self/fd", "fd"),
    ("/proc/self/fd/0", "stdin"),
    ("/proc/self/fd/1", "stdout"),
    ("/proc/self/fd/2", "stderr"),
    ("pts/ptmx", "ptmx"),
];

const PLAIN: MountFlags = MountFlags::NOSUID.union(MountFlags::NODEV);

/// Makes it and moves into it; tells what bounds the number of processes, if a file in `/proc` does.
pub(super) fn build(order: &Order) -> io::Result<Option<&'static str>> {
    unshare(CloneFlags::CLONE_NEWNS).map_err(doing("make a mount namespace"))?;
    let private = MountPropagationFlags::PRIVATE | MountPropagationFlags::REC;
    mount_change("/", private).map_err(doing("make the mounts private"))?;
    base(order).map_err(doing("put the new root together"))?;
    mount_bind_recursive(OLD, NEW).map_err(doing("show the host's files"))?;
    devices().map_err(doing("make /dev"))?;
    let proc = format!("{NEW}/proc");
    mount("proc", &proc, "proc", PLAIN | MountFlags::NOEXEC, None)
        .map_err(doing("mount a /proc of its own (a container that hides parts of /proc forbids that)"))?;
    let bound = rlimits::processes(order, Some(&proc))?;
    let read_only = MountFlags::BIND | MountFlags::RDONLY | MountFlags::NOEXEC | PLAIN;
    mount_remount(&proc, read_only, "").map_err(doing("make /proc read-only"))?;
    for entry in &order.plan {
        show(entry, &order.plan).map_err(doing(format_args!("mount {}", entry.path.display())))?;
    }
    restrict(&order.plan)?;
    leave().map_err(doing("leave the host's root"))?;
    Ok(bound)
}

/// A root of memory, with the host's beneath `/old`.
fn base(order: &Order) -> io::Result<()> {
    mount("tmpfs", BASE, "tmpfs", PLAIN, c"mode=0755,size=1m")?;
    let in_base = |name: &str| format!("{BASE}{name}");
    for folder in [OLD, NEW, SCRATCH] {
        fs::create_dir(in_base(folder))?;
    }
    fs::write(in_base(COVER), "")?;
    fs::set_permissions(in_base(COVER), fs::Permissions::from_mode(0o000))?;
    std::env::set_current_dir(BASE)?;
    pivot_root(BASE, in_base(OLD).as_str())?;
    std::env::set_current_dir("/")?;
    let size = order.limits.disk_bytes.map_or(String::new(), |bytes| format!(",size={bytes}"));
    let options = CString::new(format!("mode=0755{size}"))?;
    mount("tmpfs", SCRATCH, "tmpfs", PLAIN, options.as_c_str())?;
    scratch(Path::new("shm"))
}

/// A private folder for everybody, as `/tmp` is.
fn scratch(name: &Path) -> io::Result<()> {
    let folder = Path::new(SCRATCH).join(name);
    fs::DirBuilder::new().recursive(true).create(&folder)?;
    fs::set_permissions(folder, fs::Permissions::from_mode(0o1777))
}

fn devices() -> io::Result<()> {
    let dev = Path::new(NEW).join("dev");
    mount("tmpfs", &dev, "tmpfs", MountFlags::NOSUID | MountFlags::NOEXEC, c"mode=0755,size=64k")?;
    for device in DEVICES {
        let host = Path::new(OLD).join("dev").join(device);
        if host.exists() {
            fs::write(dev.join(device), "")?;
            mount_bind(&host, dev.join(device))?;
        }
    }
    for (target, link) in DEVICE_LINKS {
        symlink(target, dev.join(link))?;
    }
    fs::create_dir(dev.join("pts"))?;
    let terminals = c"newinstance,ptmxmode=0666,mode=620";
    mount("devpts", dev.join("pts"), "devpts", MountFlags::NOSUID | MountFlags::NOEXEC, terminals)?;
    fs::create_dir(dev.join("shm"))?;
    mount_bind(format!("{SCRATCH}/shm"), dev.join("shm"))?;
    let read_only = MountFlags::BIND | MountFlags::RDONLY | MountFlags::NOSUID | MountFlags::NOEXEC;
    mount_remount(&dev, read_only, "")?;
    Ok(())
}

/// Where `path` of the command's is while the tree is put together.
fn inside(tree: &str, path: &Path) -> PathBuf {
    Path::new(tree).join(path.strip_prefix("/").unwrap_or(path))
}

fn show(entry: &Entry, plan: &[Entry]) -> io::Result<()> {
    let target = inside(NEW, &entry.path);
    let source = inside(OLD, &entry.path);
    let is_folder = match entry.how {
        How::Scratch | How::HiddenFolder => true,
        How::HiddenFile => false,
        How::ReadOnly | How::Writable => source.is_dir(),
    };
    if target.symlink_metadata().is_err() {
        let above = entry.path.parent().and_then(|parent| governing(plan, parent));
        match (above, entry.how) {
            (Some(How::HiddenFolder | How::Scratch), _) => make_room(&target, is_folder)?,
            // Gone since the plan was made, a socket for instance: there is nothing to hide.
            (_, How::HiddenFolder | How::HiddenFile) => return Ok(()),
            (_, How::Scratch | How::ReadOnly | How::Writable) => return Err(io::ErrorKind::NotFound.into()),
        }
    }
    match entry.how {
        How::Scratch => {
            let name = entry.path.strip_prefix("/").unwrap_or(&entry.path);
            scratch(name)?;
            make_room(&target, true)?;
            mount_bind(Path::new(SCRATCH).join(name), &target)?;
        }
        How::HiddenFolder => unless_gone(&target, mount("tmpfs", &target, "tmpfs", PLAIN, c"mode=0755,size=1m"))?,
        How::HiddenFile => unless_gone(&target, mount_bind(COVER, &target))?,
        How::ReadOnly | How::Writable => mount_bind_recursive(&source, &target)?,
    }
    Ok(())
}

/// A cover of what went away meanwhile is not needed.
fn unless_gone(target: &Path, covered: rustix::io::Result<()>) -> io::Result<()> {
    match covered {
        Err(rustix::io::Errno::NOENT) if target.symlink_metadata().is_err() => Ok(()),
        done => Ok(done?),
    }
}

/// Something to mount over, in a cover or in a private folder. Never in what is the host's: that is not read-only yet.
fn make_room(target: &Path, is_folder: bool) -> io::Result<()> {
    let folder = if is_folder { Some(target) } else { target.parent() };
    if let Some(folder) = folder {
        fs::DirBuilder::new().recursive(true).mode(0o755).create(folder)?;
    }
    if is_folder { Ok(()) } else { fs::write(target, "") }
}

/// Takes the right to write, to honour set-user-id bits and to open devices from every mount that is not to have it. Flags
/// that a mount has already stay: they may be locked.
fn restrict(plan: &[Entry]) -> io::Result<()> {
    for (point, has) in mounts()? {
        let Ok(path) = point.strip_prefix(NEW) else { continue };
        let path = Path::new("/").join(path);
        if path.starts_with("/dev") || path.starts_with("/proc") {
            continue;
        }
        let how = governing(plan, &path);
        let wanted = match how {
            Some(How::Writable | How::Scratch) => PLAIN,
            Some(How::ReadOnly | How::HiddenFolder | How::HiddenFile) | None => PLAIN | MountFlags::RDONLY,
        };
        if has.contains(wanted) {
            continue;
        }
        match mount_remount(&point, MountFlags::BIND | has | wanted, "") {
            Ok(()) => {}
            // It lies beneath a cover, where nobody gets to.
            Err(rustix::io::Errno::INVAL | rustix::io::Errno::NOENT | rustix::io::Errno::NOTDIR)
                if matches!(how, Some(How::HiddenFolder | How::Scratch)) => {}
            // It was removed on the host, and the kernel took the cover away with it.
            Err(rustix::io::Errno::NOENT) if how == Some(How::HiddenFile) && point.symlink_metadata().is_err() => {}
            // The user cannot get there.
            Err(rustix::io::Errno::ACCESS) => {}
            Err(error) => return Err(doing(format_args!("restrict the mount at {}", path.display()))(error)),
        }
    }
    Ok(())
}

/// Every mount point of this namespace with the flags of its uppermost mount.
fn mounts() -> io::Result<BTreeMap<PathBuf, MountFlags>> {
    let table = fs::read(format!("{NEW}/proc/self/mountinfo")).map_err(doing("list the mounts"))?;
    Ok(table.split(|byte| *byte == b'\n').filter_map(mount_line).collect())
}

/// Source: proc_pid_mountinfo(5): `36 35 98:0 /root /point rw,noatime ...`, blanks and the like as octal escapes.
fn mount_line(line: &[u8]) -> Option<(PathBuf, MountFlags)> {
    let mut fields = line.split(|byte| *byte == b' ').skip(4);
    let (point, options) = (unescaped(fields.next()?), fields.next()?);
    let flag = |option: &[u8]| match option {
        b"ro" => MountFlags::RDONLY,
        b"nosuid" => MountFlags::NOSUID,
        b"nodev" => MountFlags::NODEV,
        b"noexec" => MountFlags::NOEXEC,
        b"noatime" => MountFlags::NOATIME,
        b"nodiratime" => MountFlags::NODIRATIME,
        b"relatime" => MountFlags::RELATIME,
        _ => MountFlags::empty(),
    };
    let flags = options.split(|byte| *byte == b',').map(flag).fold(MountFlags::empty(), MountFlags::union);
    Some((PathBuf::from(std::ffi::OsString::from_vec(point)), flags))
}

fn unescaped(text: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((first, after)) = rest.split_first() {
        let octal = after.get(..3).and_then(|digits| u8::from_str_radix(std::str::from_utf8(digits).ok()?, 8).ok());
        match (first, octal) {
            (b'\\', Some(byte)) => {
                out.push(byte);
                rest = &after[3..];
            }
            _ => {
                out.push(*first);
                rest = after;
            }
        }
    }
    out
}

/// Makes the new tree the root and drops the base with the host's tree in it.
fn leave() -> io::Result<()> {
    std::env::set_current_dir(NEW)?;
    pivot_root(".", ".")?;
    unmount(".", UnmountFlags::DETACH)?;
    std::env::set_current_dir("/")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mount_lines_are_understood() {
        let line = b"36 35 98:0 /a /new/with\\040blank ro,nosuid,relatime shared:1 - ext4 /dev/vda rw";
        let expected = MountFlags::RDONLY | MountFlags::NOSUID | MountFlags::RELATIME;
        assert_eq!(mount_line(line), Some((PathBuf::from("/new/with blank"), expected)));
        assert_eq!(mount_line(b"36 35"), None);
        assert_eq!(unescaped(b"a\\9\\134"), b"a\\9\\");
    }
}
