//! The part inside: process 1 of the new pid namespace. Puts each layer in force, says so, starts the command and becomes
//! its `init`.

use std::ffi::OsString;
use std::fs::File;
use std::io::{self, Read as _};
use std::os::fd::{AsFd as _, AsRawFd as _};
use std::process::{Child, Command, ExitCode, Stdio};

use rustix::process::{DumpableBehavior, PidfdFlags, Signal};

use super::super::order::{Maker, Order};
use super::super::report::{Told, doing};
use super::bridge::Bridge;
use super::socket::Socket;
use super::{capabilities, init, landlock, loopback, mounts, outer, rlimits, seccomp};

/// The numbers of descriptors that the part outside left open.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Left {
    /// The one with the order.
    pub memory: i32,
    /// The one that tells when this process is in its control groups, if it is not yet.
    pub joined: Option<i32>,
    /// What the command reads as its standard input, if it reads any.
    pub input: Option<i32>,
}

/// In the place of a number: there is none.
const NONE: &str = "-";

impl Left {
    /// As words of a command line.
    pub fn words(self) -> [String; 3] {
        let word = |number: Option<i32>| number.map_or(NONE.to_owned(), |number| number.to_string());
        [word(Some(self.memory)), word(self.joined), word(self.input)]
    }

    /// From such words.
    pub fn told(mut words: impl Iterator<Item = OsString>) -> Option<Self> {
        let mut number = || words.next().and_then(|word| word.to_str()?.parse().ok());
        Some(Self { memory: number()?, joined: number(), input: number() })
    }
}

/// Runs to the end of the command.
pub(super) fn run(left: Left) -> ExitCode {
    let Ok(socket) = Socket::take() else { return ExitCode::from(super::NOT_FOR_PEOPLE) };
    match start(&socket, left) {
        Ok(Some((command, bridge))) => init::run(command, bridge, &socket),
        Ok(None) => ExitCode::FAILURE,
        Err(error) => {
            socket.tell(&Told::Refused(error.to_string()));
            ExitCode::FAILURE
        }
    }
}

fn start(socket: &Socket, left: Left) -> io::Result<Option<(Child, Option<Bridge>)>> {
    // The part outside has one thread, so that this fires at its end and not before.
    rustix::process::set_parent_process_death_signal(Some(Signal::KILL))?;
    let own = rustix::process::pidfd_open(rustix::process::getpid(), PidfdFlags::empty())?;
    socket.hand_over(&Told::Layer("pid namespace".to_owned()), own.as_fd())?;
    drop(own);
    let order = read_order(left, socket)?;
    let joined = left.joined.map(taken_over).transpose()?;
    let input = left.input.map(taken_over).transpose()?;
    // bubblewrap has made the session already.
    let _own = rustix::process::setsid();
    let layer = |name: &str| socket.tell(&Told::Layer(name.to_owned()));
    match &order.maker {
        Maker::Container(_) => return Err(outer::another_part()),
        Maker::Native => native(&order, &layer)?,
        Maker::Bwrap(_) => {
            ["user namespace", "mount namespace", "ipc namespace"].iter().for_each(|name| layer(name));
            if let Some(bound) = rlimits::processes(&order, None)? {
                layer(bound);
            }
        }
    }
    if order.private_network {
        layer("network namespace");
    }
    joined.map(wait_for_groups).transpose()?;
    std::env::set_current_dir(&order.dir)
        .map_err(doing(format_args!("enter {} inside of the sandbox", order.dir.display())))?;
    capabilities::drop_all().map_err(doing("give up capabilities"))?;
    layer("no capabilities");
    rlimits::each(&order.limits, order.bounded)?;
    layer("rlimits");
    if order.bounded.memory || order.bounded.processes {
        layer("control group");
    }
    // Nobody inside may look at this process, its descriptors or its program.
    rustix::process::set_dumpable_behavior(DumpableBehavior::NotDumpable)?;
    rustix::thread::set_no_new_privs(true)?;
    if let Some(version) = landlock::apply(&order).map_err(doing("put Landlock in force"))? {
        layer(&format!("landlock {version}"));
    }
    let bridge = order.proxy.as_deref().map(Bridge::open).transpose().map_err(doing("open the way to the proxy"))?;
    seccomp::apply().map_err(doing("put the seccomp filter in force"))?;
    layer("seccomp");
    let mut env = order.env.clone();
    if let Some(bridge) = &bridge {
        layer("proxy");
        bridge.name_in(&mut env);
    }
    Ok(spawn(&order, &env, input, socket).map(|child| (child, bridge)))
}

/// Reads the order and closes everything that was inherited.
fn read_order(left: Left, socket: &Socket) -> io::Result<Order> {
    let Left { memory, joined, input } = left;
    let kept: Vec<i32> = [socket.descriptor().as_raw_fd(), memory].into_iter().chain(joined).chain(input).collect();
    outer::close_others(&kept)?;
    let path = format!("/proc/self/fd/{memory}");
    let order = std::fs::File::open(path).map_err(doing("read the order"))?;
    let order = outer::read(&order.into());
    let _closed = nix::unistd::close(memory);
    order
}

/// Waits until the part outside has moved this process into its control groups. Without a word it is gone.
fn wait_for_groups(mut joined: File) -> io::Result<()> {
    joined.read_exact(&mut [0]).map_err(doing("hear of the control groups"))
}

/// The same open file under a number that the command does not inherit.
fn taken_over(number: i32) -> io::Result<File> {
    let file = File::open(format!("/proc/self/fd/{number}")).map_err(doing("take over what was left open"))?;
    let _closed = nix::unistd::close(number);
    Ok(file)
}

fn native(order: &Order, layer: &impl Fn(&str)) -> io::Result<()> {
    // It was made by the part outside, or there would be no right to go on.
    layer("user namespace");
    let bound = mounts::build(order)?;
    layer("mount namespace");
    layer("ipc namespace");
    if order.private_network {
        loopback::up().map_err(doing("bring the loopback interface up"))?;
    }
    if let Some(bound) = bound {
        layer(bound);
    }
    Ok(())
}

/// Starts the command in the state that this process is in.
fn spawn(order: &Order, env: &[(OsString, OsString)], input: Option<File>, socket: &Socket) -> Option<Child> {
    use std::os::unix::process::CommandExt as _;
    #[expect(clippy::disallowed_methods, reason = "this is what the stage is for")]
    let mut command = Command::new(&order.program);
    command.arg0(&order.name).args(&order.arguments).env_clear().envs(env.iter().map(|(name, value)| (name, value)));
    match command.stdin(input.map_or(Stdio::null(), Stdio::from)).spawn() {
        Ok(child) => Some(child),
        Err(error) => {
            match error.raw_os_error() {
                Some(errno) => socket.tell(&Told::NotStarted(errno)),
                None => socket.tell(&Told::Refused(format!("start the program: {error}"))),
            }
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_survive_the_way() {
        for left in [
            Left { memory: 3, joined: None, input: None },
            Left { memory: 4, joined: Some(5), input: None },
            Left { memory: 4, joined: None, input: Some(7) },
            Left { memory: 4, joined: Some(5), input: Some(7) },
        ] {
            assert_eq!(Left::told(left.words().into_iter().map(OsString::from)), Some(left));
        }
        assert_eq!(Left::told(["x".into()].into_iter()), None);
        assert_eq!(Left::told(std::iter::empty()), None);
    }
}
