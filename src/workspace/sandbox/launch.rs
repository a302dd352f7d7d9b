//! The engine's side of one contained command: writes the order, starts the stage, and takes in what it tells.
//!
//! The socket is the lifeline, too: this end is closed by the kernel when the engine dies, and the stage ends everything.

use std::ffi::OsString;
use std::fs::File;
use std::io::{self, IoSlice, IoSliceMut, Write as _};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{MemfdFlags, memfd_create};
use rustix::net::{
    AddressFamily, RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer, SendAncillaryMessage,
    SendFlags, SocketFlags, SocketType, recvmsg, sendmsg, socketpair,
};

use super::super::command_line::Program;
use super::super::git;
use super::super::group::{self, ProcessGroup};
use super::super::leftovers::{ENGINE_VARIABLE, STEP_VARIABLE};
use super::container::Container;
use super::control_groups::Group;
use super::order::{Bounded, Maker, Order};
use super::policy::{Network, Policy};
use super::report::Told;
use super::{Error, Sandbox, TRIES, plan, stage};
use crate::domain::sandbox::{Attestation, Backend, Took};

/// What is put in force last, by the stage and by an engine that makes containers.
const LAST_OF_STAGE: &str = "seccomp";
const LAST_OF_CONTAINER: &str = "no new privileges";
/// How long the kernel may take to end everybody in a pid namespace whose process 1 was killed.
const LAST_MOMENT: Timespec = Timespec { tv_sec: 5, tv_nsec: 0 };
/// Asks the stage to end the command.
const STOP: &[u8] = b"T";

/// The line to the stage of one command.
#[derive(Debug)]
pub struct Line {
    socket: OwnedFd,
    /// What was told so far.
    heard: Vec<u8>,
    /// Readable when everybody inside is dead; there once the part inside has begun.
    process_one: Option<OwnedFd>,
    backend: Backend,
    /// bubblewrap's version.
    version: Option<String>,
    /// The socket of the engine that makes the container.
    engine: Option<PathBuf>,
    /// Removed with the line, once nobody is left in it.
    group: Option<Group>,
}

/// How a contained command ended, as the stage told.
#[derive(Debug)]
pub struct Outcome {
    /// What it ran under.
    pub ran_under: Attestation,
    /// Its code, or the signal that ended it. `None`: it was killed from outside together with its sandbox.
    pub end: Option<Result<i32, i32>>,
}

impl Sandbox {
    /// A command that runs `program` under `policy`, once its output streams are set and it is spawned. It reads `input`, which
    /// goes along with the order, for the stage's own standard input is the line; without any it reads nothing.
    pub(in super::super) fn prepare(
        &self,
        policy: &Policy,
        program: &Program,
        dir: &Path,
        env: &[(OsString, OsString)],
        input: Option<OwnedFd>,
    ) -> Result<(Command, Line), Error> {
        let system = |doing| move |source: io::Error| Error::System { doing, source };
        let group = match &self.groups {
            Some(groups) => groups.make(&policy.limits).map_err(system("make a control group"))?,
            None => None,
        };
        let bounded =
            group.as_ref().map_or(Bounded::default(), |it| Bounded { memory: it.memory, processes: it.processes });
        let order = Order {
            maker: self.maker(policy, env, input.is_some())?,
            program: program.path.clone(),
            name: program.name.clone(),
            arguments: program.arguments.clone(),
            env: env.to_vec(),
            dir: std::fs::canonicalize(dir).map_err(system("find the folder to run in"))?,
            plan: plan::of(policy)?,
            private_network: policy.network.is_private(),
            proxy: match &policy.network {
                Network::Hosts(proxy) => Some(proxy.socket().to_owned()),
                Network::None | Network::Host => None,
            },
            limits: policy.limits,
            groups: group.as_ref().map(Group::joins).unwrap_or_default(),
            bounded,
        };
        let (ours, theirs) = give(&order, input.as_ref())
            .map_err(|error| Error::System { doing: "hand the order to the sandbox", source: error })?;
        #[expect(clippy::disallowed_methods, reason = "this room starts processes")]
        let mut command = Command::new(&self.stage);
        // What the command itself gets is in the order: the stage must not be at the mercy of a variable.
        let markers = env.iter().filter(|(name, _)| name == ENGINE_VARIABLE || name == STEP_VARIABLE);
        command
            .arg(stage::VERB)
            .args(self.container.is_some().then_some(stage::CONTAINER))
            .env_clear()
            .envs(markers.map(|(name, value)| (name, value)));
        command.current_dir("/").stdin(Stdio::from(theirs)).process_group(0);
        let version = self.bwrap.as_ref().map(|(_, version)| version.clone());
        let engine = self.container.as_ref().map(|engine| engine.socket.clone());
        let (heard, process_one, backend) = (Vec::new(), None, self.backend);
        Ok((command, Line { socket: ours, heard, process_one, backend, version, engine, group }))
    }

    /// Who makes the sandbox of one command.
    fn maker(&self, policy: &Policy, env: &[(OsString, OsString)], reads: bool) -> Result<Maker, Error> {
        let refused = |what: &str| Error::Refused { backend: self.backend.name(), what: what.to_owned() };
        match (&self.container, &self.bwrap) {
            (Some(_), _) if reads => Err(refused("give a program in a container anything to read")),
            (Some(engine), _) => match &policy.network {
                Network::Hosts(_) => {
                    let what = "let some hosts through: a container has no way to the proxy that decides; allow all of the \
                                network (--allow-net '*'), or contain commands by bwrap or native";
                    Err(refused(what))
                }
                Network::None | Network::Host => Ok(Maker::Container(Box::new(Container::new(engine, env)))),
            },
            (None, Some((path, _))) if self.backend == Backend::Bwrap => Ok(Maker::Bwrap(path.clone())),
            (None, _) => Ok(Maker::Native),
        }
    }

    /// Runs `program` to its end with this process's own output streams; to `env` comes what its git must not obey of a
    /// repository, as for every command.
    pub async fn foreground(
        &self,
        policy: &Policy,
        program: &Program,
        dir: &Path,
        env: &[(OsString, OsString)],
    ) -> Result<Outcome, Error> {
        let env = git::guarded(env, dir).await.map_err(|error| Error::System {
            doing: "find out what git would obey here",
            source: io::Error::other(error),
        })?;
        started(|| self.prepare(policy, program, dir, &env, None)).await
    }

    /// Runs `program` to its end without any streams.
    pub(super) async fn silent(&self, policy: &Policy, program: &Program) -> Result<Outcome, Error> {
        let prepared = || {
            let (mut command, line) = self.prepare(policy, program, Path::new("/"), &[], None)?;
            command.stdout(Stdio::null()).stderr(Stdio::null());
            Ok((command, line))
        };
        started(prepared).await
    }
}

/// Runs what is prepared to its end, once more when nothing was started: a file that was to be covered went away while the
/// mounts were made.
async fn started(prepared: impl Fn() -> Result<(Command, Line), Error>) -> Result<Outcome, Error> {
    let mut tries = 1;
    loop {
        let (command, line) = prepared()?;
        match to_the_end(command, line).await {
            Err(Error::Silent { .. }) if tries < TRIES => tries += 1,
            done => return done,
        }
    }
}

async fn to_the_end(mut command: Command, line: Line) -> Result<Outcome, Error> {
    let system = |source| Error::System { doing: "run the command", source };
    let group = ProcessGroup::of(command.spawn().map_err(system)?).map_err(system)?;
    // The stage's end of the socket must be the only other one.
    drop(command);
    group.leader_exited().await.map_err(system)?;
    group.end().await.map_err(system)?;
    line.finish().await
}

/// A socket pair with the order on its way in it, and what the command is to read.
fn give(order: &Order, input: Option<&OwnedFd>) -> io::Result<(OwnedFd, OwnedFd)> {
    let (ours, theirs) = socketpair(AddressFamily::UNIX, SocketType::STREAM, SocketFlags::CLOEXEC, None)?;
    let memory = memfd_create("wfctl-order", MemfdFlags::CLOEXEC)?;
    let mut file = File::from(memory.try_clone()?);
    file.write_all(&order.encode())?;
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(2))];
    let mut control = SendAncillaryBuffer::new(&mut space);
    let descriptors: Vec<BorrowedFd<'_>> = [Some(&memory), input].into_iter().flatten().map(OwnedFd::as_fd).collect();
    control.push(SendAncillaryMessage::ScmRights(&descriptors));
    sendmsg(&ours, &[IoSlice::new(b"o")], &mut control, SendFlags::NOSIGNAL)?;
    Ok((ours, theirs))
}

impl Line {
    /// The socket of the engine that makes the container, if one does.
    pub(in super::super) fn container_engine(&self) -> Option<&Path> {
        self.engine.as_deref()
    }

    /// Asks the command's group to end, as SIGTERM does.
    pub(in super::super) fn ask_to_stop(&self) {
        let _gone = rustix::net::send(&self.socket, STOP, SendFlags::NOSIGNAL | SendFlags::DONTWAIT);
    }

    /// To be called when the outer part of the stage is dead: waits until everything inside is, and tells how it went.
    pub(in super::super) async fn finish(mut self) -> Result<Outcome, Error> {
        self.take_in();
        if let Some(process_one) = self.process_one.take() {
            let waited = group::readable(process_one).await;
            waited.map_err(|source| Error::System { doing: "wait for the end of the sandbox", source })?;
        }
        self.so_far()
    }

    /// What was told until now.
    pub(in super::super) fn so_far(&mut self) -> Result<Outcome, Error> {
        self.take_in();
        self.understood(&String::from_utf8_lossy(&self.heard))
    }

    /// To be called when the outer part of the stage is dead: waits until everything inside is, too, but not for ever. For
    /// whoever cannot wait otherwise.
    pub(in super::super) fn block_until_gone(&mut self) {
        self.take_in();
        if let Some(process_one) = self.process_one.take() {
            let mut watched = [PollFd::from_borrowed_fd(process_one.as_fd(), PollFlags::IN)];
            // An error is no reason to wait longer: whoever is left is being killed.
            let _waited = rustix::io::retry_on_intr(|| poll(&mut watched, Some(&LAST_MOMENT)));
        }
    }

    fn take_in(&mut self) {
        let mut chunk = [0; 4096];
        loop {
            let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
            let mut control = RecvAncillaryBuffer::new(&mut space);
            let flags = RecvFlags::DONTWAIT | RecvFlags::CMSG_CLOEXEC;
            let received = match recvmsg(&self.socket, &mut [IoSliceMut::new(&mut chunk)], &mut control, flags) {
                Ok(received) => received,
                Err(rustix::io::Errno::INTR) => continue,
                Err(_) => return,
            };
            for message in control.drain() {
                if let RecvAncillaryMessage::ScmRights(descriptors) = message {
                    self.process_one = descriptors.last().or(self.process_one.take());
                }
            }
            if received.bytes == 0 {
                return;
            }
            self.heard.extend_from_slice(&chunk[..received.bytes]);
        }
    }

    fn understood(&self, heard: &str) -> Result<Outcome, Error> {
        let backend = self.backend.name();
        let own =
            self.version.iter().filter(|_| self.backend == Backend::Bwrap).map(|version| format!("bwrap {version}"));
        let mut layers: Vec<String> = own.collect();
        let mut end = None;
        let mut is_in_force = false;
        let mut told_took = Took::default();
        let last = if self.engine.is_some() { LAST_OF_CONTAINER } else { LAST_OF_STAGE };
        for told in heard.lines().filter_map(Told::parse) {
            match told {
                Told::Layer(layer) => {
                    is_in_force |= layer == last;
                    layers.push(layer);
                }
                Told::Refused(what) => return Err(Error::Refused { backend, what }),
                Told::NotStarted(errno) => return Err(Error::NotStarted(io::Error::from_raw_os_error(errno))),
                Told::Exited(code) => end = end.or(Some(Ok(code))),
                Told::Signalled(signal) => end = end.or(Some(Err(signal))),
                // Each says more than the one before.
                Told::Took { cpu_ms, memory_bytes } => {
                    told_took.cpu_ms = Some(cpu_ms);
                    told_took.memory_bytes = Some(memory_bytes);
                }
                Told::MemoryKills(count) => told_took.memory_kills = count,
            }
        }
        if !is_in_force {
            return Err(Error::Silent { backend, stderr: String::new() });
        }
        // A control group counts everybody, those too that nobody has waited for.
        let counted = self.group.as_ref().map(Group::took).unwrap_or_default();
        let took = Took {
            memory_bytes: counted.memory_bytes.or(told_took.memory_bytes),
            cpu_ms: counted.cpu_ms.or(told_took.cpu_ms),
            memory_kills: counted.memory_kills.max(told_took.memory_kills),
        };
        Ok(Outcome { ran_under: Attestation { backend: backend.to_owned(), layers, took }, end })
    }
}
