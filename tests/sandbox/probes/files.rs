//! Files: writing outside, reading what is hidden, tricks with names, links and descriptors.

use std::ffi::CString;
use std::fs::{self, OpenOptions};
use std::io::Write as _;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::{FileTypeExt as _, PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};

use nix::libc;

use super::{Bare, Probe, Stopped, at, kernel};
use crate::world::TREASURE;

pub const ALL: &[(&str, Bare, Probe)] = &[
    ("write_absolute", Bare::Through, || write(&at("outside/file"))),
    ("write_dot_dot", Bare::Through, || write(Path::new("../outside/file"))),
    ("write_new_file", Bare::Through, || write(&at("outside/new"))),
    ("write_through_symlink", Bare::Through, write_through_symlink),
    ("write_through_folder_link", Bare::Through, write_through_folder_link),
    ("write_through_hard_link", Bare::Through, write_through_hard_link),
    ("write_through_own_root", Bare::Through, || write(&through("/proc/self/root"))),
    ("write_through_root_of_one", Bare::Unknown, || write(&through("/proc/1/root"))),
    ("write_through_own_cwd", Bare::Through, || write(Path::new("/proc/self/cwd/../outside/file"))),
    ("write_through_open_descriptor", Bare::Through, write_through_open_descriptor),
    ("write_through_program_of_one", Bare::Unknown, || opened(Path::new("/proc/1/exe"))),
    ("rename_outside", Bare::Through, || Ok(fs::rename(at("outside/file"), at("outside/other"))?)),
    ("remove_outside", Bare::Through, || Ok(fs::remove_file(at("outside/file"))?)),
    ("change_mode_outside", Bare::Through, || {
        Ok(fs::set_permissions(at("outside/file"), fs::Permissions::from_mode(0o777))?)
    }),
    ("truncate_outside", Bare::Through, || {
        Ok(OpenOptions::new().write(true).truncate(true).open(at("outside/file")).map(drop)?)
    }),
    ("write_hosts_file", Bare::AsRoot, || opened(Path::new("/etc/hosts"))),
    ("write_kernel_setting", Bare::AsRoot, || opened(Path::new("/proc/sys/kernel/core_pattern"))),
    ("write_kernel_switch", Bare::Unknown, || opened(Path::new("/sys/kernel/mm/transparent_hugepage/enabled"))),
    ("make_control_group", Bare::Unknown, || Ok(fs::create_dir("/sys/fs/cgroup/wfctl-escape")?)),
    ("read_key", Bare::Through, || read(&at("home/.ssh/id_ed25519"))),
    ("read_through_own_root", Bare::Through, || read(&under("/proc/self/root", "home/.ssh/id_ed25519"))),
    ("read_through_link", Bare::Through, read_through_link),
    ("read_engines_home", Bare::Through, || read(&at("home/wfctl/journal"))),
    ("list_home", Bare::Through, list_home),
    ("write_into_hidden", Bare::Through, || write(&at("home/new"))),
    ("read_other_worktree", Bare::Through, || read(&at("other/file"))),
    ("write_repository", Bare::Through, || write(&at("repo/.git/config"))),
    ("write_git_file", Bare::Through, || write(&at("work/.git"))),
    ("replace_git_file", Bare::Through, replace_git_file),
    ("remove_git_file", Bare::Through, || Ok(fs::remove_file(at("work/.git"))?)),
    ("read_disk", Bare::Unknown, read_disk),
    ("make_device", Bare::AsRoot, make_device),
    ("open_by_handle", Bare::AsRoot, open_by_handle),
    ("read_temporary_file", Bare::Through, || read(Path::new(&std::env::var_os("TEMPORARY").expect("a path is told")))),
];

fn opened(path: &Path) -> Result<(), Stopped> {
    OpenOptions::new().write(true).open(path)?;
    Ok(())
}

fn write(path: &Path) -> Result<(), Stopped> {
    OpenOptions::new().create(true).append(true).open(path)?.write_all(b"escaped")?;
    Ok(())
}

fn read(path: &Path) -> Result<(), Stopped> {
    let text = fs::read_to_string(path)?;
    if text == TREASURE { Ok(()) } else { Err(format!("something else is there: {text}").into()) }
}

fn under(root: &str, name: &str) -> PathBuf {
    Path::new(root).join(at(name).strip_prefix("/").expect("an absolute path"))
}

fn through(root: &str) -> PathBuf {
    under(root, "outside/file")
}

fn write_through_symlink() -> Result<(), Stopped> {
    symlink(at("outside/file"), "link")?;
    write(Path::new("link"))
}

fn write_through_folder_link() -> Result<(), Stopped> {
    symlink("..", "up")?;
    write(Path::new("up/outside/file"))
}

fn write_through_hard_link() -> Result<(), Stopped> {
    fs::hard_link(at("outside/file"), "link")?;
    write(Path::new("link"))
}

fn read_through_link() -> Result<(), Stopped> {
    symlink(at("home"), "link")?;
    read(Path::new("link/.ssh/id_ed25519"))
}

/// The rig leaves a descriptor of the file open in whatever it starts.
fn write_through_open_descriptor() -> Result<(), Stopped> {
    let file = at("outside/file");
    for entry in fs::read_dir("/proc/self/fd")? {
        let path = entry?.path();
        if fs::read_link(&path).is_ok_and(|target| target == file) {
            return write(&path);
        }
    }
    Err("no such descriptor is open".into())
}

fn list_home() -> Result<(), Stopped> {
    match fs::read_dir(at("home"))?.count() {
        0 => Err("it is empty".into()),
        _ => Ok(()),
    }
}

fn replace_git_file() -> Result<(), Stopped> {
    fs::write("new", "gitdir: /elsewhere")?;
    fs::rename("new", ".git")?;
    Ok(())
}

fn read_disk() -> Result<(), Stopped> {
    for entry in fs::read_dir("/dev")? {
        let entry = entry?;
        if entry.file_type()?.is_block_device() {
            fs::File::open(entry.path())?;
            return Ok(());
        }
    }
    Err("there is no disk".into())
}

fn make_device() -> Result<(), Stopped> {
    let path = CString::new(at("work/null").as_os_str().as_bytes())?;
    let null = i64::try_from(libc::makedev(1, 3))?;
    let arguments = [i64::from(libc::AT_FDCWD), path.as_ptr() as i64, i64::from(libc::S_IFCHR | 0o600), null, 0];
    if kernel::call(libc::SYS_mknodat, arguments) < 0 {
        return Err(std::io::Error::last_os_error().into());
    }
    fs::File::open(at("work/null"))?;
    Ok(())
}

/// With the right to use handles, no path is needed.
fn open_by_handle() -> Result<(), Stopped> {
    super::considered(kernel::call(libc::SYS_open_by_handle_at, [-1, 0, 0, 0, 0]), &[libc::EPERM])
}
