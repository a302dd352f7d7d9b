//! Taking more than one's share. Each of these tries to have a little more than the world's policy grants.

use std::fs::{self, File};
use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

use super::{Bare, Probe, Stopped};

pub const ALL: &[(&str, Bare, Probe)] = &[
    ("fork_bomb", Bare::Unknown, fork_bomb),
    ("memory_bomb", Bare::Unknown, memory_bomb),
    ("fill_tmp", Bare::Unknown, || fill(Path::new("/tmp/fill"))),
    ("fill_var_tmp", Bare::Unknown, || fill(Path::new("/var/tmp/fill"))),
    ("fill_shared_memory", Bare::Unknown, || fill(Path::new("/dev/shm/fill"))),
    ("fill_hidden_folder", Bare::Unknown, || fill(&super::at("home/fill"))),
    ("fill_devices", Bare::Unknown, || fill(Path::new("/dev/fill"))),
    ("big_file", Bare::Unknown, || fill(Path::new("fill"))),
    ("open_files", Bare::Unknown, open_files),
    ("core_dump", Bare::Unknown, core_dump),
    ("raise_limits", Bare::Unknown, raise_limits),
];

const MIB: usize = 1 << 20;

/// More than any limit of the world in MiB.
const MUCH_MIB: usize = 20;

fn fork_bomb() -> Result<(), Stopped> {
    let mut children = Vec::new();
    // The kernel's least bound is 301 where it is `pid_max`.
    for _ in 0..400 {
        match Command::new("/bin/sleep").arg("60").stdin(Stdio::null()).spawn() {
            Ok(child) => children.push(child),
            Err(error) => return Err(format!("{} processes, then {error}", children.len()).into()),
        }
    }
    Ok(())
}

fn memory_bomb() -> Result<(), Stopped> {
    let mut held: Vec<Vec<u8>> = Vec::new();
    for _ in 0..400 {
        let mut piece = Vec::new();
        piece.try_reserve_exact(MIB).map_err(|error| format!("{} MiB, then {error}", held.len()))?;
        piece.resize(MIB, 1);
        held.push(piece);
    }
    Ok(())
}

fn fill(path: &Path) -> Result<(), Stopped> {
    // The signal would end this process before it could tell.
    let mut signals = nix::sys::signal::SigSet::empty();
    signals.add(nix::sys::signal::Signal::SIGXFSZ);
    signals.thread_block()?;
    let mut file = File::create(path)?;
    let piece = vec![1; MIB];
    for written in 0..MUCH_MIB {
        file.write_all(&piece).map_err(|error| format!("{written} MiB, then {error}"))?;
    }
    Ok(())
}

fn open_files() -> Result<(), Stopped> {
    let mut held = Vec::new();
    for _ in 0..400 {
        held.push(File::open("/dev/null").map_err(|error| format!("{} files, then {error}", held.len()))?);
    }
    Ok(())
}

fn core_dump() -> Result<(), Stopped> {
    let limits = fs::read_to_string("/proc/self/limits")?;
    let core = limits.lines().find(|line| line.starts_with("Max core file size")).ok_or("no such limit")?;
    if core.split_whitespace().nth(4) == Some("0") { Err("its size is 0".into()) } else { Ok(()) }
}

fn raise_limits() -> Result<(), Stopped> {
    use rustix::process::{Resource, Rlimit, setrlimit};
    setrlimit(Resource::Nofile, Rlimit { current: Some(4096), maximum: Some(4096) })?;
    Ok(())
}
