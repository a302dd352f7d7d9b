//! A full disk: a small file system of its own, filled up beside the home, then given its space back.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;

use wfctl::engine::Error;
use wfctl::journal::store;

use super::driver::{Driver, Ending, ending};
use super::images::{self, START};
use super::workload::{self, start_of};
use super::{checker, home};

/// A file system in memory, unmounted when dropped.
pub struct Small {
    dir: tempfile::TempDir,
}

impl Small {
    /// Of so many KiB; `None` where the machine does not allow it.
    pub fn new(kib: u64) -> Option<Self> {
        let small = Self { dir: tempfile::tempdir().expect("a temporary folder") };
        let size = format!("size={kib}k");
        mount(&["mount", "-t", "tmpfs", "-o", &size, "tmpfs"], small.dir.path()).then_some(small)
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        self.dir.path()
    }
}

impl Drop for Small {
    fn drop(&mut self) {
        // It may not be mounted.
        mount(&["umount", "-l"], self.dir.path());
    }
}

fn mount(arguments: &[&str], dir: &Path) -> bool {
    #[expect(clippy::disallowed_methods, reason = "a full disk needs a disk")]
    let mut command = Command::new(arguments[0]);
    let done = command.args(&arguments[1..]).arg(dir).stdout(Stdio::null()).stderr(Stdio::null()).status();
    done.is_ok_and(|status| status.success())
}

/// Leaves `free` bytes.
fn fill(root: &Path, free: u64) {
    let stat = rustix::fs::statvfs(root).expect("a file system");
    let bytes = (stat.f_bavail * stat.f_frsize).saturating_sub(free);
    fs::write(root.join("filler"), vec![1; bytes as usize]).expect("the filler fits");
}

/// A run that meets a disk with `free` bytes left, and goes on once there is space. Says whether it met the end of the disk.
pub fn run(root: &Path, free: u64, expected: &Ending) -> bool {
    let (definition, dir) = (workload::everything("1s"), root.join("home"));
    let id = wfctl::domain::ids::ProjectId::new("p").expect("valid");
    let open = || home::open_store(&dir);
    {
        let archive = home::archive(&dir, open().expect("there is room"));
        let steps = images::counted_steps(&dir, &archive);
        let mut driver = Driver::new(archive, START, 3, steps).expect("owned");
        driver.begin(start_of(&definition, &id)).expect("accepted");
        driver.step(&id).expect("there is room");
    }
    fill(root, free);
    let error = match open() {
        Err(error) => Some(error),
        Ok(store) => {
            let archive = home::archive(&dir, store);
            until_full(&archive, &dir, &id, &definition)
        }
    };
    if let Some(error) = &error {
        assert!(matches!(error, store::Error::DiskFull), "with {free} bytes free: {error:?}");
    }
    fs::remove_file(root.join("filler")).expect("removable");
    let store = open().unwrap_or_else(|error| panic!("with {free} bytes free, then space: {error}"));
    let archive = home::archive(&dir, store.clone());
    checker::history(&*store, &id).expect("what was acknowledged is whole");
    if archive.load(&id).expect("loads").project.status().is_terminal() {
        assert_eq!(ending(&archive, &id), *expected);
    } else {
        drop(archive);
        assert_eq!(images::run(&dir, store, &definition, &id, false), *expected, "with {free} bytes free");
    }
    error.is_some()
}

fn until_full(
    archive: &wfctl::engine::archive::Archive,
    dir: &Path,
    id: &wfctl::domain::ids::ProjectId,
    definition: &Arc<wfctl::domain::workflow::Definition>,
) -> Option<store::Error> {
    let steps = images::counted_steps(dir, archive);
    let store_error = |error| match error {
        Error::Store(error) => error,
        other => panic!("not a store's answer: {other}"),
    };
    let mut driver = match Driver::new(archive.clone(), START, 3, steps) {
        Ok(driver) => driver,
        Err(error) => return Some(store_error(error)),
    };
    match driver.begin(start_of(definition, id)).and_then(|()| driver.run(id)) {
        Ok(()) => None,
        Err(error) => Some(store_error(error)),
    }
}
