//! Process 1 after the command was started: reaps what loses its parent, hands a request to stop on, says how the command
//! ended. When this returns, the kernel kills whatever is left in the pid namespace.

use std::os::fd::AsFd as _;
use std::process::{Child, ExitCode};

use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::signal::{SigSet, Signal as Blocked};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use nix::sys::time::{TimeVal, TimeValLike as _};
use rustix::event::PollFlags;
use rustix::process::{Pid, Signal, WaitOptions, WaitStatus, kill_process_group};
use rustix::time::{ClockId, clock_gettime};

use super::super::report::Told;
use super::bridge::Bridge;
use super::socket::{Socket, wait};

/// How long others may go on after the command ended by itself: what a `> >(tee log)` still has to say.
const DRAIN_MS: u64 = 100;
/// The unit in which the kernel tells the largest size of a process.
const KIB: u64 = 1024;

/// Waits for the end of everything inside, or for the engine to give the command up.
pub(super) fn run(command: Child, bridge: Option<Bridge>, socket: &Socket) -> ExitCode {
    let command = i32::try_from(command.id()).ok().and_then(Pid::from_raw);
    let mut set = SigSet::empty();
    set.add(Blocked::SIGCHLD);
    // Blocked after the command was started: it would inherit that.
    let Ok(children) =
        set.thread_block().and_then(|()| SignalFd::with_flags(&set, SfdFlags::SFD_CLOEXEC | SfdFlags::SFD_NONBLOCK))
    else {
        socket.tell(&Told::Refused("watch the command".to_owned()));
        return ExitCode::FAILURE;
    };
    // Its threads must not be the ones that such a signal is given to: they begin with what is blocked here. Until they
    // serve, connections wait.
    if let Some(Err(error)) = bridge.map(Bridge::serve) {
        socket.tell(&Told::Refused(format!("serve the way to the proxy: {error}")));
        return ExitCode::FAILURE;
    }
    let mut is_stopping = false;
    let mut until = None;
    loop {
        while let Ok(Some(_)) = children.read_signal() {}
        let (ended, is_alone) = reap(command);
        if let Some(told) = ended {
            took().iter().for_each(|took| socket.tell(took));
            socket.tell(&told);
            until = Some(now_ms() + DRAIN_MS);
        }
        let left_ms = until.map(|until| until.saturating_sub(now_ms()));
        // While it is being stopped, whoever stops it says how long the others may take.
        if until.is_some() && (is_alone || (left_ms == Some(0) && !is_stopping)) {
            took().iter().for_each(|took| socket.tell(took));
            return ExitCode::SUCCESS;
        }
        let timeout = left_ms.filter(|_| !is_stopping);
        let Ok((_, engine)) = wait(children.as_fd(), (socket.descriptor(), PollFlags::IN), timeout) else {
            return ExitCode::FAILURE;
        };
        if !engine.is_empty() {
            match socket.asked() {
                None => return ExitCode::FAILURE,
                Some(0) => {}
                Some(_) => {
                    is_stopping = true;
                    stop();
                }
            }
        }
    }
}

/// Asks every process of the command's group to end. A stopped one (SIGSTOP) would not see that.
fn stop() {
    let group = rustix::process::getpgrp();
    for signal in [Signal::TERM, Signal::CONT] {
        // This process is a member, and as process 1 deaf to both.
        let _gone = kill_process_group(group, signal);
    }
}

/// Takes in every process that has ended; tells how the command did, if it was among them, and whether nobody is left.
fn reap(command: Option<Pid>) -> (Option<Told>, bool) {
    let mut told = None;
    loop {
        match rustix::process::wait(WaitOptions::NOHANG) {
            Ok(Some((pid, status))) if Some(pid) == command => told = told.or_else(|| end(status)),
            Ok(Some(_)) => {}
            Ok(None) => return (told, false),
            Err(rustix::io::Errno::INTR) => {}
            Err(_) => return (told, true),
        }
    }
}

/// What everybody took who was taken in.
fn took() -> Option<Told> {
    let usage = getrusage(UsageWho::RUSAGE_CHILDREN).ok()?;
    let ms = |time: TimeVal| u64::try_from(time.num_milliseconds()).unwrap_or(0);
    let memory_bytes = u64::try_from(usage.max_rss()).unwrap_or(0).saturating_mul(KIB);
    Some(Told::Took { cpu_ms: ms(usage.user_time()).saturating_add(ms(usage.system_time())), memory_bytes })
}

fn end(status: WaitStatus) -> Option<Told> {
    status.exit_status().map(Told::Exited).or_else(|| status.terminating_signal().map(Told::Signalled))
}

fn now_ms() -> u64 {
    let now = clock_gettime(ClockId::Monotonic);
    u64::try_from(now.tv_sec).unwrap_or(0) * 1000 + u64::try_from(now.tv_nsec).unwrap_or(0) / 1_000_000
}
