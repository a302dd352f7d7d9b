//! A process group that cannot outlive its owner: spawned, signalled as a whole, and waited for until nobody is left.
//! Knows nothing of output or of why it is stopped; see `process.rs`.

use std::io;
use std::os::unix::process::ExitStatusExt as _;
use std::process::{Child, ExitStatus};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process_group, test_kill_process_group};

use super::procfs;

/// Between two looks at whether the members of a group are gone. The common case needs no second look.
const POLL_FIRST: Duration = Duration::from_millis(1);
const POLL_MOST: Duration = Duration::from_millis(20);

/// A spawned group leader and all that descends from it without leaving the group. Dropping it kills and reaps them.
#[derive(Debug)]
pub(super) struct ProcessGroup {
    leader: Child,
    id: Pid,
    reaped: Option<ExitStatus>,
}

impl ProcessGroup {
    /// Takes over `leader`, which was spawned as the leader of a new group.
    pub fn of(leader: Child) -> io::Result<Self> {
        let id = i32::try_from(leader.id()).ok().and_then(Pid::from_raw);
        let id = id.ok_or_else(|| io::Error::other("the kernel gave a pid that is none"))?;
        Ok(Self { leader, id, reaped: None })
    }

    /// The leader's pid, which is the group's id.
    pub fn id(&self) -> i32 {
        self.id.as_raw_nonzero().get()
    }

    /// Waits until the leader has exited, without reaping it: while it is a zombie its number cannot be given to another
    /// process, so that signals to the group hit nobody else.
    pub fn leader_exited(&self) -> impl Future<Output = io::Result<()>> + use<> {
        exited(self.id)
    }

    /// Sends `signal` to every member. A group without members is fine.
    pub fn signal(&self, signal: Signal) {
        if self.reaped.is_none() {
            // The only other error is EPERM for a member that changed its user (sudo); nothing can be done about it here.
            let _gone_or_not_ours = kill_process_group(self.id, signal);
        }
    }

    /// Whether members other than an exited leader are alive. Only Linux can tell; elsewhere the answer is no.
    pub fn has_live_members(&self) -> bool {
        live_members(self.id()).next().is_some()
    }

    /// Kills what is left, and tells how long the leader and those that it waited for were on processors.
    pub async fn kill(&self) -> Option<u64> {
        self.signal(Signal::KILL);
        self.leader_exited().await.ok()?;
        // As long as nobody takes it in, the kernel remembers.
        procfs::stat(self.id()).map(|leader| leader.cpu_ms())
    }

    /// Kills what is left of the group, reaps the leader and returns once every member is dead.
    pub async fn end(mut self) -> io::Result<ExitStatus> {
        self.signal(Signal::KILL);
        let status = match self.leader.try_wait()? {
            Some(status) => status,
            None => {
                self.leader_exited().await?;
                self.leader.wait()?
            }
        };
        self.reaped = Some(status);
        wait_until_gone(self.id).await;
        Ok(status)
    }
}

impl Drop for ProcessGroup {
    fn drop(&mut self) {
        // Reached unreaped only when a step is dropped in its middle; a killed leader exits at once, so this does not hang.
        if self.reaped.is_some() {
            return;
        }
        self.signal(Signal::KILL);
        if let Err(error) = self.leader.wait() {
            tracing::warn!(group = self.id(), %error, "a process group could not be reaped");
        }
    }
}

/// The exit code of a status, or the signal that ended it.
pub(super) fn code_or_signal(status: ExitStatus) -> Result<i32, i32> {
    status.code().ok_or_else(|| status.signal().unwrap_or(0))
}

fn live_members(group: i32) -> impl Iterator<Item = i32> {
    procfs::all().filter(move |process| process.group == group && !process.is_zombie).map(|process| process.pid)
}

/// Waits until no member of the killed group is alive. Zombies that their parent does not reap (a container without an
/// init) count as dead.
async fn wait_until_gone(group: Pid) {
    let mut pause = POLL_FIRST;
    while test_kill_process_group(group).is_ok() && live_members(group.as_raw_nonzero().get()).next().is_some() {
        // A member that was being forked while the group was signalled is caught by the next signal.
        let _gone = kill_process_group(group, Signal::KILL);
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(POLL_MOST);
    }
}

#[cfg(target_os = "linux")]
async fn exited(leader: Pid) -> io::Result<()> {
    use rustix::process::{PidfdFlags, pidfd_open};

    match pidfd_open(leader, PidfdFlags::NONBLOCK) {
        Ok(descriptor) => readable(descriptor).await,
        // Kernels before 5.10 do not know it.
        Err(_) => exited_by_thread(leader).await,
    }
}

/// Waits until there is something to read at `descriptor`: for a pidfd, until its process is dead.
#[cfg(target_os = "linux")]
#[expect(deprecated, reason = "it is unsound for types whose descriptor may change; an `OwnedFd` is the descriptor")]
pub(super) async fn readable(descriptor: std::os::fd::OwnedFd) -> io::Result<()> {
    use tokio::io::{Interest, unix::AsyncFd};
    AsyncFd::with_interest(descriptor, Interest::READABLE)?.readable().await?.retain_ready();
    Ok(())
}

#[cfg(not(target_os = "linux"))]
async fn exited(leader: Pid) -> io::Result<()> {
    exited_by_thread(leader).await
}

/// Waits in a thread of its own; `NOWAIT` leaves the zombie for [`ProcessGroup::end`].
async fn exited_by_thread(leader: Pid) -> io::Result<()> {
    use rustix::process::{WaitId, WaitIdOptions, waitid};
    let waited = tokio::task::spawn_blocking(move || {
        waitid(WaitId::Pid(leader), WaitIdOptions::EXITED | WaitIdOptions::NOWAIT).map(drop)
    });
    Ok(waited.await.map_err(io::Error::other)??)
}
