//! Other processes: seeing them, signalling them, reading and tracing them.

use std::fs;

use nix::libc;
use rustix::process::{Pid, test_kill_process};

use super::kernel::call;
use super::{Bare, Probe, Stopped, considered, number};

pub const ALL: &[(&str, Bare, Probe)] = &[
    ("see_processes", Bare::Through, see_processes),
    ("count_processes", Bare::Through, count_processes),
    ("signal_outside", Bare::Through, signal_outside),
    ("signal_process_one", Bare::Unknown, signal_process_one),
    ("read_environment_of_one", Bare::Unknown, || Ok(fs::read("/proc/1/environ").map(drop)?)),
    ("descriptors_of_one", Bare::Unknown, descriptors_of_one),
    ("read_memory_of_one", Bare::Unknown, || Ok(fs::File::open("/proc/1/mem").map(drop)?)),
    ("trace", Bare::Through, || considered(call(libc::SYS_ptrace, [16, 0, 0, 0, 0]), &[libc::EPERM])),
    ("read_memory", Bare::Through, || {
        let own = i64::from(std::process::id());
        considered(call(libc::SYS_process_vm_readv, [own, 0, 0, 0, 0]), &[libc::EPERM])
    }),
    ("write_memory", Bare::Through, || {
        let own = i64::from(std::process::id());
        considered(call(libc::SYS_process_vm_writev, [own, 0, 0, 0, 0]), &[libc::EPERM])
    }),
    ("take_descriptor", Bare::Through, || considered(call(libc::SYS_pidfd_getfd, [-1, 0, 0, 0, 0]), &[libc::EPERM])),
    ("engines_environment", Bare::Unknown, engines_environment),
    ("shared_memory_of_others", Bare::Unknown, shared_memory),
];

fn stranger() -> Pid {
    Pid::from_raw(number("STRANGER")).expect("a pid")
}

fn see_processes() -> Result<(), Stopped> {
    let command = fs::read(format!("/proc/{}/cmdline", stranger().as_raw_nonzero()))?;
    if command.starts_with(b"/bin/sleep\x001000") { Ok(()) } else { Err("somebody else has that number".into()) }
}

/// The command, its `init`, and nobody else.
fn count_processes() -> Result<(), Stopped> {
    let numbers = fs::read_dir("/proc")?.filter_map(|it| it.ok()?.file_name().to_str()?.parse::<u32>().ok());
    match numbers.count() {
        count @ 0..=2 => Err(format!("only {count}").into()),
        _ => Ok(()),
    }
}

fn signal_outside() -> Result<(), Stopped> {
    see_processes()?;
    Ok(test_kill_process(stranger())?)
}

/// Their numbers may be seen, by root; what they are may not.
fn descriptors_of_one() -> Result<(), Stopped> {
    for number in 0..16 {
        if fs::read_link(format!("/proc/1/fd/{number}")).is_ok() {
            return Ok(());
        }
    }
    Err("none can be read".into())
}

fn signal_process_one() -> Result<(), Stopped> {
    let one = Pid::from_raw(1).expect("a pid");
    rustix::process::kill_process(one, rustix::process::Signal::KILL)?;
    rustix::process::kill_process(one, rustix::process::Signal::TERM)?;
    // Process 1 is deaf to what comes from inside: this one is still here.
    Err("it is still there".into())
}

/// Cargo sets this for every test, so that whoever starts the sandbox has it.
fn engines_environment() -> Result<(), Stopped> {
    for entry in fs::read_dir("/proc")? {
        let environment = fs::read(entry?.path().join("environ")).unwrap_or_default();
        if environment.windows(13).any(|window| window == b"CARGO_PKG_NAM") {
            return Ok(());
        }
    }
    Err("it is nowhere".into())
}

fn shared_memory() -> Result<(), Stopped> {
    let segments = fs::read_to_string("/proc/sysvipc/shm")?.lines().count() - 1 + fs::read_dir("/dev/shm")?.count();
    if segments == 0 { Err("there is none".into()) } else { Ok(()) }
}
