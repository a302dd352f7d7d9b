//! The part outside: gives up what a command must not inherit, makes the namespaces (or has bubblewrap make them), and stays
//! to end everything when the engine is gone.

use std::fs;
use std::io::{self, Read as _, Seek as _, Write as _};
use std::os::fd::{AsRawFd as _, OwnedFd};
use std::path::PathBuf;
use std::process::{Child, Command, ExitCode};

use nix::sched::{CloneFlags, unshare};
use rustix::event::PollFlags;
use rustix::io::FdFlags;
use rustix::process::{Pid, PidfdFlags, pidfd_open};

use super::super::order::{Maker, Order};
use super::super::report::{Told, doing};
use super::inner::Left;
use super::socket::{Socket, wait};
use super::{INNER, VERB, bwrap, capabilities};

/// This binary, whatever has become of its file.
pub(super) const SELF: &str = "/proc/self/exe";
/// Told to the part inside when it is in its control groups.
const JOINED: &[u8] = b"j";

/// Runs to the end of the command.
pub(super) fn run() -> ExitCode {
    // Without a socket nobody would hear a complaint.
    let Ok(socket) = Socket::take() else { return ExitCode::from(super::NOT_FOR_PEOPLE) };
    match start(&socket) {
        Ok(child) => ExitCode::from(u8::from(watch(child, &socket).is_err())),
        Err(error) => {
            socket.tell(&Told::Refused(error.to_string()));
            ExitCode::FAILURE
        }
    }
}

fn start(socket: &Socket) -> io::Result<Child> {
    let (memory, input) = socket.order().map_err(doing("read the order"))?;
    let kept =
        [Some(socket.descriptor().as_raw_fd()), Some(memory.as_raw_fd()), input.as_ref().map(OwnedFd::as_raw_fd)];
    close_others(&kept.into_iter().flatten().collect::<Vec<_>>())?;
    let order = read(&memory)?;
    // Opened with the rights that there are outside.
    let groups = Groups::open(&order)?;
    // The part inside reads the same order, and hands the input on to the command.
    for descriptor in [Some(&memory), input.as_ref()].into_iter().flatten() {
        rustix::io::fcntl_setfd(descriptor, FdFlags::empty())?;
    }
    let left = Left { memory: memory.as_raw_fd(), joined: None, input: input.as_ref().map(OwnedFd::as_raw_fd) };
    let child = match &order.maker {
        Maker::Container(_) => return Err(another_part()),
        Maker::Native => {
            namespaces(order.private_network)?;
            let (waits, mut goes) = io::pipe()?;
            rustix::io::fcntl_setfd(&waits, FdFlags::empty())?;
            #[expect(clippy::disallowed_methods, reason = "the stage starts what it contains")]
            let mut inner = Command::new(SELF);
            inner.arg(VERB).arg(INNER).args(Left { joined: Some(waits.as_raw_fd()), ..left }.words());
            let mut child = inner.spawn().map_err(doing("start the part of the sandbox that runs inside"))?;
            if let Err(error) = groups.take(child.id()).and_then(|()| goes.write_all(JOINED)) {
                // It waits for that, so that there is no command yet.
                child.kill()?;
                child.wait()?;
                return Err(error);
            }
            child
        }
        Maker::Bwrap(program) => {
            groups.take(std::process::id())?;
            let own = rustix::fs::open(SELF, rustix::fs::OFlags::PATH, rustix::fs::Mode::empty())?;
            #[expect(clippy::disallowed_methods, reason = "the stage starts what it contains")]
            let mut maker = Command::new(program);
            maker.args(bwrap::arguments(&order)).arg("--").arg(format!("/proc/self/fd/{}", own.as_raw_fd()));
            maker.arg(VERB).arg(INNER).args(left.words());
            maker.spawn().map_err(doing(format_args!("start {}", program.display())))?
        }
    };
    Ok(child)
}

/// Control groups to be joined.
struct Groups(Vec<(PathBuf, fs::File)>);

impl Groups {
    fn open(order: &Order) -> io::Result<Self> {
        let open = |path: &PathBuf| {
            let file = fs::OpenOptions::new().write(true).open(path);
            Ok((path.clone(), file.map_err(doing(format_args!("open the control group {}", path.display())))?))
        };
        order.groups.iter().map(open).collect::<io::Result<_>>().map(Self)
    }

    /// Moves a process into them. The kernel takes some ten milliseconds for the first one (it waits until every processor has
    /// noticed), so that the part inside is moved while it makes its mounts.
    fn take(&self, pid: u32) -> io::Result<()> {
        for (path, mut file) in self.0.iter().map(|(path, file)| (path, file)) {
            file.write_all(pid.to_string().as_bytes())
                .map_err(doing(format_args!("join the control group {}", path.display())))?;
        }
        Ok(())
    }
}

/// An order came to the wrong part of the stage.
pub(super) fn another_part() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, "the order is for another part of the sandbox")
}

/// Reads an order from its beginning.
pub(super) fn read(memory: &OwnedFd) -> io::Result<Order> {
    let mut bytes = Vec::new();
    let mut file = fs::File::from(rustix::io::fcntl_dupfd_cloexec(memory, 3)?);
    file.rewind()?;
    file.read_to_end(&mut bytes)?;
    Order::decode(&bytes).ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, "the order cannot be read"))
}

/// Closes every descriptor that whoever started the engine left open, but for the streams and `kept`.
pub(super) fn close_others(kept: &[i32]) -> io::Result<()> {
    let listed = fs::read_dir("/proc/self/fd").map_err(doing("list open descriptors"))?;
    let numbers: Vec<i32> = listed.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok()).collect();
    for number in numbers.into_iter().filter(|number| *number > 2 && !kept.contains(number)) {
        // The one that listed them is closed already.
        let _closed = nix::unistd::close(number);
    }
    Ok(())
}

/// Leaves the host's namespaces for new ones. The user stays the same inside, so that files keep their owner.
fn namespaces(private_network: bool) -> io::Result<()> {
    let (user, group) = (rustix::process::geteuid().as_raw(), rustix::process::getegid().as_raw());
    if user == 0 {
        // Groups of root's may open devices and sockets of the host. Without the right to drop them there are none that matter.
        let _kept = rustix::thread::set_thread_groups(&[]);
    }
    let mut flags = CloneFlags::CLONE_NEWUSER
        | CloneFlags::CLONE_NEWPID
        | CloneFlags::CLONE_NEWIPC
        | CloneFlags::CLONE_NEWUTS
        | CloneFlags::CLONE_NEWCGROUP;
    if private_network {
        flags |= CloneFlags::CLONE_NEWNET;
    }
    unshare(CloneFlags::CLONE_NEWUSER).map_err(doing("make a user namespace"))?;
    unshare(flags - CloneFlags::CLONE_NEWUSER).map_err(doing("make pid, ipc, uts, cgroup and network namespaces"))?;
    fs::write("/proc/self/setgroups", "deny").map_err(doing("deny setgroups in the user namespace"))?;
    fs::write("/proc/self/uid_map", format!("{user} {user} 1")).map_err(doing("map the user"))?;
    fs::write("/proc/self/gid_map", format!("{group} {group} 1")).map_err(doing("map the group"))?;
    capabilities::hand_on().map_err(doing("hand on the capabilities of the user namespace"))
}

/// Waits until the part inside has ended; ends it when the engine is gone.
fn watch(mut child: Child, socket: &Socket) -> io::Result<()> {
    let pid = i32::try_from(child.id()).ok().and_then(Pid::from_raw);
    let pid = pid.ok_or_else(|| io::Error::other("the kernel gave a pid that is none"))?;
    let ended = pidfd_open(pid, PidfdFlags::empty())?;
    loop {
        use std::os::fd::AsFd as _;
        let (exit, engine) = wait(ended.as_fd(), (socket.descriptor(), PollFlags::empty()), None)?;
        if engine.intersects(PollFlags::HUP | PollFlags::ERR) && exit.is_empty() {
            // bubblewrap's own child does not die with it before it has come that far, and waits for it for ever. As long as it has
            // not, it is of this group; and so is this process, which has no more to do.
            if rustix::process::getpgrp() == rustix::process::getpid() {
                rustix::process::kill_process_group(rustix::process::getpgrp(), rustix::process::Signal::KILL)?;
            }
            child.kill()?;
        }
        if !exit.is_empty() || engine.intersects(PollFlags::HUP | PollFlags::ERR) {
            child.wait()?;
            return Ok(());
        }
    }
}
