//! Control groups, where this user may make some: the only bound on the memory of all processes of a command together, and
//! on the number of root's. Version 2 where it is delegated, else version 1.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use super::policy::Limits;
use crate::domain::sandbox::Took;

/// Where control groups are mounted, on every distribution.
const ROOT: &str = "/sys/fs/cgroup";
/// Names of ours begin with this; the pid of the engine follows.
const PREFIX: &str = "wfctl-";
/// What the sandbox itself needs in a group beside the command.
const OWN_PROCESSES: u64 = 8;

/// Numbers the groups of this process.
static MADE: AtomicU64 = AtomicU64::new(0);

/// Where groups can be made.
#[derive(Debug)]
pub(super) struct Groups {
    parents: Vec<Parent>,
    /// Groups that could not be removed yet: their last process is still on its way out.
    stale: Mutex<Vec<PathBuf>>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Parent {
    dir: PathBuf,
    /// The file that bounds memory, when this hierarchy does.
    memory: Option<&'static str>,
    /// The file that bounds the number of processes.
    processes: Option<&'static str>,
}

/// The groups of one command, in one or two hierarchies. Dropping it removes them.
#[derive(Debug)]
pub(super) struct Group {
    dirs: Vec<PathBuf>,
    /// Whether memory is bounded.
    pub memory: bool,
    /// Whether the number of processes is.
    pub processes: bool,
    of: Arc<Groups>,
}

impl Groups {
    /// Finds out, by making one. `None`: this user may make none.
    pub fn detect() -> Option<Arc<Self>> {
        let own = fs::read_to_string("/proc/self/cgroup").ok()?;
        let parents: Vec<Parent> = parents(Path::new(ROOT), &own).into_iter().filter_map(tried).collect();
        let groups = Arc::new(Self { parents, stale: Mutex::default() });
        groups.remove_leftovers();
        (!groups.parents.is_empty()).then_some(groups)
    }

    /// Makes the groups that hold `limits`; `None` when nothing of them needs one.
    pub fn make(self: &Arc<Self>, limits: &Limits) -> io::Result<Option<Group>> {
        self.lock().retain(|dir| fs::remove_dir(dir).is_err() && dir.exists());
        let name = format!("{PREFIX}{}-{}", std::process::id(), MADE.fetch_add(1, Ordering::Relaxed));
        let mut group = Group { dirs: Vec::new(), memory: false, processes: false, of: Arc::clone(self) };
        for parent in &self.parents {
            let memory = parent.memory.zip(limits.memory_bytes).filter(|_| !group.memory);
            let processes = parent.processes.zip(limits.processes).filter(|_| !group.processes);
            if memory.is_none() && processes.is_none() {
                continue;
            }
            let dir = parent.dir.join(&name);
            fs::create_dir(&dir)?;
            group.dirs.push(dir.clone());
            if let Some((file, bytes)) = memory {
                fs::write(dir.join(file), bytes.to_string())?;
                group.memory = true;
                // Where swap is accounted, it counts; where it is not, there is no such file.
                let _unaccounted = fs::write(dir.join("memory.swap.max"), "0");
            }
            if let Some((file, most)) = processes {
                fs::write(dir.join(file), most.saturating_add(OWN_PROCESSES).to_string())?;
                group.processes = true;
            }
        }
        Ok((!group.dirs.is_empty()).then_some(group))
    }

    /// Removes groups of engines that are dead. One that still has a process cannot be removed, and stays.
    fn remove_leftovers(&self) {
        for entry in self.parents.iter().filter_map(|parent| fs::read_dir(&parent.dir).ok()).flatten().flatten() {
            let name = entry.file_name();
            let engine =
                name.to_str().and_then(|name| name.strip_prefix(PREFIX)?.split('-').next()?.parse::<u32>().ok());
            if engine.is_some_and(|pid| !Path::new(&format!("/proc/{pid}")).exists()) {
                let _in_use = fs::remove_dir(entry.path());
            }
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<PathBuf>> {
        self.stale.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Group {
    /// The files that a process writes its pid to in order to be bounded.
    pub fn joins(&self) -> Vec<PathBuf> {
        self.dirs.iter().map(|dir| dir.join("cgroup.procs")).collect()
    }

    /// What those in it took until now.
    pub fn took(&self) -> Took {
        self.dirs.iter().map(|dir| took(dir)).fold(Took::default(), Took::and)
    }
}

/// What the files of one group tell, of version 2 or 1.
fn took(dir: &Path) -> Took {
    let text = |file: &str| fs::read_to_string(dir.join(file)).ok();
    let number = |file: &str| text(file)?.trim().parse::<u64>().ok();
    let field = |file: &str, name: &str| {
        let all = text(file)?;
        let value = all.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '))?;
        value.trim().parse::<u64>().ok()
    };
    let kills = field("memory.events", "oom_kill").or_else(|| field("memory.oom_control", "oom_kill"));
    Took {
        memory_bytes: number("memory.peak").or_else(|| number("memory.max_usage_in_bytes")),
        cpu_ms: field("cpu.stat", "usage_usec").map(|us| us / 1000),
        memory_kills: kills.map_or(0, |kills| u32::try_from(kills).unwrap_or(u32::MAX)),
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        let left = self.dirs.drain(..).filter(|dir| fs::remove_dir(dir).is_err());
        self.of.lock().extend(left);
    }
}

/// Where groups might be made, by what `/proc/self/cgroup` says of this process.
fn parents(root: &Path, own: &str) -> Vec<Parent> {
    let mut found = Vec::new();
    let under = |mount: PathBuf, path: &str| mount.join(path.trim_start_matches('/'));
    for line in own.lines() {
        let mut fields = line.splitn(3, ':');
        let (Some(_), Some(controllers), Some(path)) = (fields.next(), fields.next(), fields.next()) else { continue };
        if controllers.is_empty() {
            let mount = if root.join("unified").is_dir() { root.join("unified") } else { root.to_owned() };
            let own = under(mount.clone(), path);
            let above = own.parent().filter(|above| above.starts_with(&mount)).map(Path::to_owned);
            let has = |dir: &Path, name: &str| {
                let enabled = fs::read_to_string(dir.join("cgroup.subtree_control")).unwrap_or_default();
                enabled.split_whitespace().any(|controller| controller == name)
            };
            found.extend([Some(own), above].into_iter().flatten().map(|dir| Parent {
                memory: has(&dir, "memory").then_some("memory.max"),
                processes: has(&dir, "pids").then_some("pids.max"),
                dir,
            }));
            continue;
        }
        let has = |name: &str| controllers.split(',').any(|controller| controller == name);
        let dir = under(root.join(controllers), path);
        let memory = has("memory").then_some("memory.limit_in_bytes");
        found.push(Parent { dir, memory, processes: has("pids").then_some("pids.max") });
    }
    found.retain(|parent| parent.memory.is_some() || parent.processes.is_some());
    found
}

/// The parent, if a group can be made in it.
fn tried(parent: Parent) -> Option<Parent> {
    let dir = parent.dir.join(format!("{PREFIX}{}-{}", std::process::id(), MADE.fetch_add(1, Ordering::Relaxed)));
    fs::create_dir(&dir).ok()?;
    let writable = |file: &&'static str| fs::OpenOptions::new().write(true).open(dir.join(file)).is_ok();
    let (memory, processes) = (parent.memory.filter(writable), parent.processes.filter(writable));
    let _in_use = fs::remove_dir(&dir);
    (memory.is_some() || processes.is_some()).then_some(Parent { memory, processes, ..parent })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_group_took_is_read_in_both_versions() {
        let root = tempfile::tempdir().unwrap();
        let group = |name: &str, files: &[(&str, &str)]| {
            let dir = root.path().join(name);
            fs::create_dir(&dir).unwrap();
            files.iter().for_each(|(file, text)| fs::write(dir.join(file), text).unwrap());
            took(&dir)
        };
        let second = group(
            "2",
            &[
                ("memory.peak", "4096\n"),
                ("cpu.stat", "usage_usec 1500000\nuser_usec 1\n"),
                ("memory.events", "low 0\noom 3\noom_kill 2\noom_group_kill 0\n"),
            ],
        );
        assert_eq!(second, Took { memory_bytes: Some(4096), cpu_ms: Some(1500), memory_kills: 2 });
        let first = group(
            "1",
            &[
                ("memory.max_usage_in_bytes", "8192\n"),
                ("memory.oom_control", "oom_kill_disable 0\nunder_oom 0\noom_kill 1\n"),
            ],
        );
        assert_eq!(first, Took { memory_bytes: Some(8192), cpu_ms: None, memory_kills: 1 });
        assert!(group("pids", &[("pids.max", "7")]).is_nothing());
    }

    #[test]
    fn both_versions_are_understood() {
        let root = tempfile::tempdir().unwrap();
        let slice = root.path().join("user.slice/app");
        fs::create_dir_all(slice.join("scope")).unwrap();
        fs::write(slice.join("cgroup.subtree_control"), "cpu memory pids\n").unwrap();
        let second = parents(root.path(), "0::/user.slice/app/scope\n");
        let expected = Parent { dir: slice, memory: Some("memory.max"), processes: Some("pids.max") };
        assert_eq!(second, [expected]);
        let first = parents(root.path(), "7:pids:/\n3:cpu,cpuacct:/x\n4:memory:/jobs\n0::/\n");
        assert_eq!(
            first.iter().map(|it| it.dir.strip_prefix(root.path()).unwrap()).collect::<Vec<_>>(),
            [Path::new("pids/"), Path::new("memory/jobs")]
        );
    }
}
