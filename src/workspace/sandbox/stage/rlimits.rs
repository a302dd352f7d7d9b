//! Bounds that the kernel keeps for each process, and for processes as such where no control group bounds them.

use std::fs;
use std::io;

use rustix::process::{Resource, Rlimit, setrlimit};

use super::super::order::{Bounded, Order};
use super::super::policy::Limits;
use super::super::report::doing;

/// The first Linux that counts a user's processes in each user namespace apart.
const COUNTS_BY_NAMESPACE: (u32, u32) = (5, 14);
/// The first Linux where each pid namespace has a `pid_max` of its own. On an older one the file is the host's.
const PID_MAX_BY_NAMESPACE: (u32, u32) = (6, 14);
/// The least that `pid_max` can be. Source: `kernel/pid.c`, `RESERVED_PIDS + 1`.
const PID_MAX_LEAST: u64 = 301;
/// Process 1 and what it needs to start the command.
const OWN_PROCESSES: u64 = 2;

/// Bounds the number of processes in this pid namespace; tells by what. `proc` is a `/proc` of the new pid namespace that can
/// be written, if there is one. To be called while there are capabilities.
pub(super) fn processes(order: &Order, proc: Option<&str>) -> io::Result<Option<&'static str>> {
    let (Limits { processes: Some(most), .. }, Bounded { processes: false, .. }) = (order.limits, order.bounded) else {
        return Ok(None);
    };
    // The kernel exempts its root user from RLIMIT_NPROC, in whatever user namespace.
    if rustix::process::getuid().as_raw() != 0 {
        if release() < COUNTS_BY_NAMESPACE {
            let problem = "bound the number of processes: that needs Linux 5.14, or a control group of one's own";
            return Err(io::Error::new(io::ErrorKind::Unsupported, problem));
        }
        set(Resource::Nproc, most.saturating_add(OWN_PROCESSES))?;
        return Ok(Some("process limit"));
    }
    if let Some(proc) = proc
        && release() >= PID_MAX_BY_NAMESPACE
    {
        let most = most.saturating_add(OWN_PROCESSES).max(PID_MAX_LEAST).to_string();
        fs::write(format!("{proc}/sys/kernel/pid_max"), most).map_err(doing("bound the number of processes"))?;
        return Ok(Some("pid_max"));
    }
    let problem = "bound the number of root's processes: that needs a control group that can be made, Linux 6.14, or an \
                   ordinary user";
    Err(io::Error::new(io::ErrorKind::Unsupported, problem))
}

/// Bounds each process of the command.
pub(super) fn each(limits: &Limits, bounded: Bounded) -> io::Result<()> {
    set(Resource::Core, 0)?;
    if let Some(bytes) = limits.memory_bytes.filter(|_| !bounded.memory) {
        // Not the address space: runtimes reserve far more of it than they use.
        set(Resource::Data, bytes)?;
    }
    let others = [
        (Resource::Cpu, limits.cpu_seconds),
        (Resource::Nofile, limits.open_files),
        (Resource::Fsize, limits.file_bytes),
    ];
    for (resource, most) in others {
        if let Some(most) = most {
            set(resource, most)?;
        }
    }
    Ok(())
}

/// Sets both limits; one that is lower already stays.
fn set(resource: Resource, most: u64) -> io::Result<()> {
    let most = rustix::process::getrlimit(resource).maximum.map_or(most, |now| now.min(most));
    setrlimit(resource, Rlimit { current: Some(most), maximum: Some(most) })
        .map_err(doing(format_args!("set the limit {resource:?} to {most}")))
}

/// The first two numbers of the kernel's version.
fn release() -> (u32, u32) {
    let told = rustix::system::uname();
    let mut numbers = told.release().to_str().unwrap_or_default().split(['.', '-']);
    let mut next = || numbers.next().and_then(|number| number.parse().ok()).unwrap_or(0);
    (next(), next())
}
