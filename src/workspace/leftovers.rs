//! What a dead engine left running, found and killed before its steps run again: two executions of one step must never
//! overlap.
//!
//! Each running group has a small file in `<home>/run/` which tells the leader's pid and start time, the boot and the step.
//! A file is overwritten when its group is gone and used again by the next one: creating and removing one per command would
//! cost as much as a short command itself. The files are not synced: after a power cut no process is left either. What left
//! its group (`setsid`) is found by [`ENGINE_VARIABLE`], which every command inherits. Nothing is ever killed by name or by
//! pid alone.
//!
//! A container is no descendant: its engine is asked for those that bear the home's name (`containers`).
//!
//! Must only be called by the engine that holds the home: then every other engine named in a file is dead.

mod containers;

use std::collections::{BTreeSet, HashMap};
use std::fs;
use std::io;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process, kill_process_group};

use super::{files, procfs};
use crate::domain::limits;

/// Set for every command: `<home id>:<engine pid>:<engine start time>`.
pub const ENGINE_VARIABLE: &str = "WFCTL_ENGINE";
/// Set for every command: the key of its step.
pub const STEP_VARIABLE: &str = "WFCTL_STEP_KEY";

/// Between two looks at whether what was killed is gone.
const POLL: Duration = Duration::from_millis(5);
/// Looks before something that will not die (a hung device) is reported instead: a minute.
const LOOKS: u32 = 12_000;

/// The register of running groups of one engine.
#[derive(Debug)]
pub struct Leftovers {
    dir: PathBuf,
    boot: String,
    home_id: String,
    engine: String,
    slots: Mutex<Slots>,
    /// Engines that made containers for this one, by their sockets.
    engines: Mutex<BTreeSet<PathBuf>>,
}

/// The files of this engine: those in use, by leader, and those free to be used again.
#[derive(Debug, Default)]
struct Slots {
    used: HashMap<i32, fs::File>,
    free: Vec<fs::File>,
    made: u32,
}

impl Leftovers {
    /// A register in `dir`, which is created when missing. `home_id` names the home and has no `:`.
    pub fn open(dir: PathBuf, home_id: &str) -> io::Result<Self> {
        files::private_dir(&dir)?;
        let pid = i32::try_from(std::process::id()).unwrap_or(0);
        let started = procfs::stat(pid).map_or(0, |process| process.started_ticks);
        let engine = format!("{home_id}:{pid}:{started}");
        Ok(Self {
            dir,
            boot: procfs::boot_id(),
            home_id: home_id.to_owned(),
            engine,
            slots: Mutex::default(),
            engines: Mutex::default(),
        })
    }

    /// The value of [`ENGINE_VARIABLE`] for this engine's commands.
    pub fn engine_marker(&self) -> &str {
        &self.engine
    }

    /// Remembers a group that was just spawned. A failure is only logged: it weakens the next engine's start, not this step.
    pub(super) fn register(&self, leader: i32, key: &str) {
        let started_ticks = procfs::stat(leader).map_or(0, |process| process.started_ticks);
        let line = format!("{leader} {started_ticks} {} {key}\n", self.boot);
        let mut slots = self.lock();
        let file = match slots.free.pop() {
            Some(file) => Ok(file),
            None => {
                slots.made += 1;
                let file = self.dir.join(slots.made.to_string());
                files::remove_if_there(&file).and_then(|()| files::private_file(&file))
            }
        };
        let written = file.and_then(|file| file.write_all_at(line.as_bytes(), 0).map(|()| file));
        match written {
            Ok(file) => drop(slots.used.insert(leader, file)),
            Err(error) => tracing::warn!(leader, key, %error, "a running command could not be registered"),
        }
    }

    /// Forgets a group of which nobody is left.
    pub(super) fn forget(&self, leader: i32) {
        let mut slots = self.lock();
        let Some(file) = slots.used.remove(&leader) else { return };
        // An empty first line registers nobody; what is left of longer lines behind it is never read.
        match file.write_all_at(b"\n", 0) {
            Ok(()) => slots.free.push(file),
            Err(error) => tracing::warn!(leader, %error, "a command that ended is still registered"),
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Slots> {
        self.slots.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Kills everything that earlier engines of this home left running, and returns how many processes and containers that were
    /// once all of them are dead. To be called before the first step is started.
    pub async fn reap(&self) -> io::Result<usize> {
        let containers = self.reap_containers().await?;
        let mut killed = BTreeSet::new();
        let mut looks = 0;
        loop {
            let alive = self.survivors()?;
            for process in &alive {
                kill(*process);
            }
            if alive.is_empty() {
                break;
            }
            killed.extend(alive.into_iter().map(|survivor| survivor.pid));
            looks += 1;
            if looks > LOOKS {
                return Err(io::Error::new(io::ErrorKind::TimedOut, format!("processes {killed:?} cannot be killed")));
            }
            tokio::time::sleep(POLL).await;
        }
        *self.lock() = Slots::default();
        for entry in self.entries()? {
            files::remove_if_there(&entry.file)?;
        }
        Ok(killed.len() + containers)
    }

    /// Every live process that is surely one of ours. Zombies are dead.
    fn survivors(&self) -> io::Result<Vec<Survivor>> {
        let entries = self.entries()?;
        let processes: Vec<_> = procfs::all().filter(|process| !process.is_zombie).collect();
        let mut survivors = Vec::new();
        for process in processes {
            let of_group = entries.iter().find(|entry| entry.pid == process.group && entry.boot == self.boot);
            if of_group.is_some_and(|entry| is_ours(entry, process)) {
                survivors.push(Survivor { pid: process.pid, is_leader: process.pid == process.group });
            } else if self.is_escapee(process.pid) {
                survivors.push(Survivor { pid: process.pid, is_leader: false });
            }
        }
        Ok(survivors)
    }

    /// Whether the process was started for an engine of this home that is not this one and no longer lives.
    fn is_escapee(&self, pid: i32) -> bool {
        let Some(marker) = procfs::environment_value(pid, ENGINE_VARIABLE) else { return false };
        String::from_utf8(marker).is_ok_and(|marker| self.is_of_the_dead(&marker, Some(pid)))
    }

    /// Whether a marker is that of an engine of this home that is not this one and no longer lives. `pid`: who bears it.
    fn is_of_the_dead(&self, marker: &str, pid: Option<i32>) -> bool {
        let mut parts = marker.rsplitn(3, ':');
        let (started, engine, home) = (parts.next(), parts.next(), parts.next());
        if marker == self.engine || home != Some(&self.home_id) {
            return false;
        }
        match (engine.and_then(|pid| pid.parse::<i32>().ok()), started.and_then(|ticks| ticks.parse::<u64>().ok())) {
            (Some(engine), Some(started)) => {
                // The engine itself inherits the marker when it is started by a command of another engine.
                pid != Some(engine)
                    && procfs::stat(engine).is_none_or(|engine| engine.started_ticks != started || engine.is_zombie)
            }
            _ => false,
        }
    }

    fn entries(&self) -> io::Result<Vec<Entry>> {
        let mut entries = Vec::new();
        for file in fs::read_dir(&self.dir)? {
            let file = file?.path();
            if file.file_name().and_then(|name| name.to_str()).is_some_and(|name| name.parse::<i32>().is_ok()) {
                entries.push(Entry::read(file));
            }
        }
        Ok(entries)
    }
}

#[derive(Debug, Clone, Copy)]
struct Survivor {
    pid: i32,
    is_leader: bool,
}

fn kill(survivor: Survivor) {
    let Some(pid) = Pid::from_raw(survivor.pid) else { return };
    // "No such process" is what we want; "not permitted" (it changed its user) is found by the next look.
    let _gone =
        if survivor.is_leader { kill_process_group(pid, Signal::KILL) } else { kill_process(pid, Signal::KILL) };
}

/// The same leader, or a member of its group that carries the step's key: a group's number lives as long as its members, but
/// a file may be older than all of them.
fn is_ours(entry: &Entry, process: procfs::ProcessStat) -> bool {
    if process.pid == entry.pid {
        return process.started_ticks == entry.started_ticks;
    }
    let leader_is_ours = procfs::stat(entry.pid).is_some_and(|leader| leader.started_ticks == entry.started_ticks);
    leader_is_ours
        || procfs::environment_value(process.pid, STEP_VARIABLE).is_some_and(|key| key == entry.key.as_bytes())
}

/// One registered group. A file that was cut short by a crash matches nobody and is removed.
#[derive(Debug, Default)]
struct Entry {
    file: PathBuf,
    pid: i32,
    started_ticks: u64,
    boot: String,
    key: String,
}

impl Entry {
    fn read(file: PathBuf) -> Self {
        Self::parse(&file).unwrap_or(Self { file, ..Self::default() })
    }

    fn parse(file: &Path) -> Option<Self> {
        let content = String::from_utf8(files::read_bounded(file, limits::SMALL_FILE_BYTES).ok()?).ok()?;
        let (line, _) = content.split_once('\n')?;
        let mut fields = line.splitn(4, ' ');
        Some(Self {
            file: file.to_owned(),
            pid: fields.next()?.parse().ok()?,
            started_ticks: fields.next()?.parse().ok()?,
            boot: fields.next()?.to_owned(),
            key: fields.next()?.to_owned(),
        })
    }
}

#[cfg(test)]
mod tests;
