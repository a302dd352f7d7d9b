//! Runs one command to its end, whatever that takes: spawn, capture, stop, kill, reap.
//!
//! ```text
//! running --leader exits--> draining --pipes at their end, or a short while--> group killed, leader reaped, nobody left
//! running --stop asked----> SIGTERM, grace --leader and members gone, or grace over--> the same
//! running --too much output, log cannot be written--> the same
//! ```
//!
//! When [`run`] returns, no member of the group is alive: a background child that a command left behind is killed too, and
//! one that escaped into a session of its own cannot keep us waiting by holding a pipe open (see `leftovers.rs` for those).
//! Spawning uses `posix_spawn` (no `pre_exec`, an absolute program), which does not copy the engine's page tables.

use std::ffi::{OsStr, OsString};
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use rustix::process::Signal;
use tokio::io::AsyncReadExt as _;
use tokio::net::unix::pipe;
use tokio::time::Instant;

use super::capture::{Capture, Captured, Room, Stream};
use super::command_line::{self, Program};
use super::git;
use super::group::{ProcessGroup, code_or_signal};
use super::leftovers::Leftovers;
use super::sandbox::{self, Containment, Line};
use crate::domain::effect::StopCause;
use crate::domain::sandbox::{Attestation, Took};
use crate::telemetry::mask::Masker;

/// How long a command's output is waited for after its leader exited, before its other members are killed: what a
/// `> >(tee log)` still has to say.
const DRAIN: Duration = Duration::from_millis(100);
/// Between two looks at whether members of a stopped group are gone before their grace is over.
const GRACE_POLL: Duration = Duration::from_millis(20);
/// One read; the size of a Linux pipe, so that a chatty command needs few system calls.
const CHUNK_BYTES: usize = 64 * 1024;

/// One command to run.
#[derive(Debug, Clone)]
pub struct Command {
    /// Its text; see `command_line.rs` for whether a shell is asked.
    pub line: String,
    /// Where it runs.
    pub dir: PathBuf,
    /// Its whole environment; to it comes what its git must not obey of a repository, see `git/guard.rs`.
    pub env: Vec<(OsString, OsString)>,
    /// Where both streams are written, interleaved; created with the first output. `None`: nowhere.
    pub log: Option<PathBuf>,
    /// Largest log; one byte more ends the command as [`End::Flooded`].
    pub log_bytes_max: u64,
    /// How much of stdout is kept as its value.
    pub value_bytes_max: usize,
    /// How long a stopped command may take to tidy up between SIGTERM and SIGKILL.
    pub grace: Duration,
    /// The same when the engine itself is shutting down.
    pub shutdown_grace: Duration,
    /// The step it belongs to, for [`Leftovers`].
    pub key: String,
    /// Strikes known secrets out of all that it says.
    pub masker: Masker,
    /// What keeps it in its place.
    pub contained: Containment,
}

/// How a command ended.
#[derive(Debug)]
pub enum End {
    /// By itself, with this code.
    Exited(i32),
    /// By a signal that we did not send.
    Signalled(i32),
    /// Because it was asked to stop.
    Stopped(StopCause),
    /// Killed: more output than allowed.
    Flooded,
    /// Killed: its output could not be written (disk full).
    LogFailed(io::Error),
}

/// A command that was started and has ended.
#[derive(Debug)]
pub struct Report {
    /// How it ended.
    pub end: End,
    /// What it said.
    pub output: Captured,
    /// What really kept it in its place.
    pub ran_under: Attestation,
}

/// Why a command was not even started.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The text is no command, or names none that exists.
    #[error(transparent)]
    CommandLine(#[from] command_line::Error),
    /// The kernel cannot pass such an environment on.
    #[error("environment variable {0:?} has a null byte or no valid name")]
    Environment(String),
    /// What git would obey there cannot be found out.
    #[error(transparent)]
    Repository(#[from] git::Unreadable),
    /// The folder to run in is not there.
    #[error("folder not found: {0}")]
    NoFolder(PathBuf),
    /// The kernel refused.
    #[error("cannot start {program}: {source}")]
    Spawn {
        /// What was to be started.
        program: String,
        /// Why not.
        source: io::Error,
    },
    /// The command was started, but could not be watched; it was killed.
    #[error("cannot watch the command: {0}")]
    Watch(io::Error),
    /// It may not run without its sandbox, and that could not be had.
    #[error(transparent)]
    Sandbox(#[from] sandbox::Error),
}

/// Runs `command` until it ends or `stop` resolves; calls `alive` with each piece of output. `leftovers`, when given, knows
/// of the group as long as it lives. Dropping the future kills the group.
pub async fn run(
    command: &Command,
    leftovers: Option<&Leftovers>,
    stop: impl Future<Output = StopCause>,
    alive: impl Fn(),
) -> Result<Report, Error> {
    check_environment(&command.env)?;
    let env = git::guarded(&command.env, &command.dir).await?;
    let mut stop = std::pin::pin!(stop);
    let mut tries = 1;
    loop {
        let mut running = Running::spawn(command, &env, leftovers)?;
        let ended = running.watch(command, &mut stop, &alive).await;
        match running.finish(ended).await {
            // Nothing was started: a file that was to be covered went away while the mounts were made.
            Err(Error::Sandbox(sandbox::Error::Silent { .. })) if tries < sandbox::TRIES => tries += 1,
            done => return done,
        }
    }
}

/// Why watching a command came to an end.
enum Cause {
    Exited,
    Stopped(StopCause),
    Flooded,
    LogFailed(io::Error),
}

struct Running<'l> {
    group: ProcessGroup,
    stdout: Pipe,
    stderr: Pipe,
    capture: Capture,
    leftovers: Option<&'l Leftovers>,
    /// The line to its sandbox, when it has one.
    line: Option<Line>,
    name: String,
}

impl<'l> Running<'l> {
    fn spawn(command: &Command, env: &[(OsString, OsString)], leftovers: Option<&'l Leftovers>) -> Result<Self, Error> {
        let path = env.iter().find(|(name, _)| name == "PATH").map(|(_, value)| value.as_os_str());
        if !command.dir.is_dir() {
            return Err(Error::NoFolder(command.dir.clone()));
        }
        let program = match &command.contained {
            Containment::Sandbox { sandbox, .. } if sandbox.has_own_files() => {
                command_line::resolve_elsewhere(&command.line, &command.dir)?
            }
            Containment::Open | Containment::Sandbox { .. } => {
                command_line::resolve(&command.line, &command.dir, path)?
            }
        };
        let name = program.name.to_string_lossy().into_owned();
        let (mut prepared, line) = match &command.contained {
            Containment::Open => (prepared(&program, &command.dir, env), None),
            Containment::Sandbox { sandbox, policy } => {
                let (prepared, line) = sandbox.prepare(policy, &program, &command.dir, env, None)?;
                (prepared, Some(line))
            }
        };
        if let (Some(leftovers), Some(engine)) = (leftovers, line.as_ref().and_then(Line::container_engine)) {
            leftovers.note_engine(engine);
        }
        prepared.stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = prepared.spawn().map_err(|source| Error::Spawn { program: name.clone(), source })?;
        // It holds the stage's end of the line.
        drop(prepared);
        let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
        let group = ProcessGroup::of(child).map_err(Error::Watch)?;
        if let Some(leftovers) = leftovers {
            leftovers.register(group.id(), &command.key);
        }
        Ok(Self {
            group,
            stdout: Pipe::open(stdout.map(OwnedFd::from)).map_err(Error::Watch)?,
            stderr: Pipe::open(stderr.map(OwnedFd::from)).map_err(Error::Watch)?,
            capture: Capture::new(command.log.clone(), command.log_bytes_max, command.value_bytes_max)
                .masked(&command.masker),
            leftovers,
            line,
            name,
        })
    }

    /// Asks every member of the command's group to end.
    fn ask_to_stop(&self) {
        match &self.line {
            Some(line) => line.ask_to_stop(),
            None => {
                self.group.signal(Signal::TERM);
                // A stopped (SIGSTOP) member would not see the SIGTERM.
                self.group.signal(Signal::CONT);
            }
        }
    }

    /// Reads until there is nothing more to wait for.
    async fn watch(
        &mut self,
        command: &Command,
        stop: &mut (impl Future<Output = StopCause> + Unpin),
        alive: &impl Fn(),
    ) -> io::Result<Cause> {
        let mut exited = std::pin::pin!(self.group.leader_exited());
        let mut phase = Phase::Running;
        loop {
            let wait = tokio::select! {
                biased;
                cause = &mut *stop, if phase.can_be_stopped() => Wait::Stop(cause),
                read = self.stdout.read(), if self.stdout.is_open() => Wait::Read(Stream::Stdout, read?),
                read = self.stderr.read(), if self.stderr.is_open() => Wait::Read(Stream::Stderr, read?),
                exit = &mut exited, if !phase.leader_is_gone() => { exit?; Wait::Exit }
                () = phase.next_look() => Wait::Look,
            };
            match wait {
                Wait::Read(_, 0) | Wait::Look => {}
                Wait::Read(stream, bytes) => {
                    alive();
                    let pipe = match stream {
                        Stream::Stdout => &self.stdout,
                        Stream::Stderr => &self.stderr,
                    };
                    match self.capture.take(stream, &pipe.buffer[..bytes]) {
                        Ok(Room::Left) => {}
                        Ok(Room::Full) => return Ok(phase.cause_or(Cause::Flooded)),
                        Err(error) => return Ok(phase.cause_or(Cause::LogFailed(error))),
                    }
                }
                Wait::Stop(cause) => {
                    self.ask_to_stop();
                    let grace = match cause {
                        StopCause::Timeout | StopCause::Idle | StopCause::Cancel => command.grace,
                        StopCause::Shutdown => command.shutdown_grace,
                    };
                    let until = Instant::now() + grace;
                    phase = Phase::Grace { cause, until, leader_gone: false };
                }
                Wait::Exit => phase = phase.leader_exited(),
            }
            let pipes_open = self.stdout.is_open() || self.stderr.is_open();
            match phase {
                Phase::Draining { until } if !pipes_open || Instant::now() >= until => return Ok(Cause::Exited),
                Phase::Grace { cause, until, leader_gone }
                    if Instant::now() >= until || (leader_gone && !self.group.has_live_members()) =>
                {
                    return Ok(Cause::Stopped(cause));
                }
                Phase::Running | Phase::Draining { .. } | Phase::Grace { .. } => {}
            }
        }
    }

    /// Kills what is left, takes in what is still in the pipes, and tells how it ended.
    async fn finish(self, ended: io::Result<Cause>) -> Result<Report, Error> {
        let Self { group, mut stdout, mut stderr, mut capture, leftovers, line, name } = self;
        let id = group.id();
        let cpu_ms = group.kill().await;
        let status = group.end().await;
        let told = match line {
            Some(line) => Some(line.finish().await),
            None => None,
        };
        if let Some(leftovers) = leftovers {
            leftovers.forget(id);
        }
        let (status, ended) = (status.map_err(Error::Watch)?, ended.map_err(Error::Watch)?);
        // The group is dead: what it wrote is in the pipes and can be read without waiting.
        let rest = drain(&mut stdout, Stream::Stdout, &mut capture)
            .and_then(|room| drain(&mut stderr, Stream::Stderr, &mut capture).map(|other| (room, other)))
            .and_then(|rooms| match capture.flush()? {
                Room::Left => Ok(rooms),
                Room::Full => Ok((Room::Full, Room::Full)),
            });
        let (ran_under, own_end) = match told {
            None => {
                let took = Took { cpu_ms, ..Took::default() };
                (Attestation { took, ..Attestation::none() }, code_or_signal(status))
            }
            // Without a word of its end it was killed together with its sandbox.
            Some(Ok(outcome)) => (outcome.ran_under, outcome.end.unwrap_or(Err(Signal::KILL.as_raw()))),
            // Stopped before it was started: there is nothing that anything could have been in force for.
            Some(Err(sandbox::Error::Silent { .. })) if matches!(ended, Cause::Stopped(_)) => {
                (Attestation::none(), Err(Signal::KILL.as_raw()))
            }
            Some(Err(error)) => return Err(unstarted(name, error, capture.stderr_so_far())),
        };
        let end = match (ended, rest) {
            (Cause::Stopped(cause), _) => End::Stopped(cause),
            (Cause::Flooded, _) | (Cause::Exited, Ok((Room::Full, _) | (_, Room::Full))) => End::Flooded,
            (Cause::LogFailed(error), _) | (Cause::Exited, Err(error)) => End::LogFailed(error),
            (Cause::Exited, Ok((Room::Left, Room::Left))) => match own_end {
                Ok(code) => End::Exited(code),
                Err(signal) => End::Signalled(signal),
            },
        };
        Ok(Report { end, output: capture.finish(), ran_under })
    }
}

/// A program that the host has may be hidden from the sandbox. A sandbox that failed without a report may have said why on
/// `stderr`, which the command never got.
fn unstarted(name: String, error: sandbox::Error, stderr: &[u8]) -> Error {
    match error {
        sandbox::Error::Silent { backend, .. } => {
            Error::Sandbox(sandbox::Error::Silent { backend, stderr: String::from_utf8_lossy(stderr).into_owned() })
        }
        sandbox::Error::NotStarted(source) => match source.kind() {
            io::ErrorKind::NotFound => command_line::Error::NotFound(name).into(),
            io::ErrorKind::PermissionDenied => command_line::Error::NotExecutable(name).into(),
            _ => Error::Spawn { program: name, source },
        },
        other => Error::Sandbox(other),
    }
}

/// What [`Running::watch`] woke up for.
enum Wait {
    Read(Stream, usize),
    Stop(StopCause),
    Exit,
    Look,
}

/// Where a command is between start and end.
#[derive(Debug, Clone, Copy)]
enum Phase {
    Running,
    Draining { until: Instant },
    Grace { cause: StopCause, until: Instant, leader_gone: bool },
}

impl Phase {
    fn can_be_stopped(&self) -> bool {
        match self {
            Self::Running => true,
            // It has ended by itself or is being stopped already; a late request changes nothing.
            Self::Draining { .. } | Self::Grace { .. } => false,
        }
    }

    fn leader_is_gone(&self) -> bool {
        match self {
            Self::Running => false,
            Self::Draining { .. } => true,
            Self::Grace { leader_gone, .. } => *leader_gone,
        }
    }

    fn leader_exited(self) -> Self {
        match self {
            Self::Running | Self::Draining { .. } => Self::Draining { until: Instant::now() + DRAIN },
            Self::Grace { cause, until, .. } => Self::Grace { cause, until, leader_gone: true },
        }
    }

    /// A request to stop that came first stays the reason.
    fn cause_or(self, cause: Cause) -> Cause {
        match self {
            Self::Grace { cause, .. } => Cause::Stopped(cause),
            Self::Running | Self::Draining { .. } => cause,
        }
    }

    async fn next_look(&self) {
        match *self {
            Self::Running => std::future::pending().await,
            Self::Draining { until } => tokio::time::sleep_until(until).await,
            Self::Grace { until, leader_gone: false, .. } => tokio::time::sleep_until(until).await,
            Self::Grace { until, leader_gone: true, .. } => {
                tokio::time::sleep_until(until.min(Instant::now() + GRACE_POLL)).await;
            }
        }
    }
}

/// One stream of a command.
struct Pipe {
    receiver: Option<pipe::Receiver>,
    buffer: Vec<u8>,
}

impl Pipe {
    fn open(descriptor: Option<OwnedFd>) -> io::Result<Self> {
        Ok(Self { receiver: descriptor.map(pipe::Receiver::from_owned_fd).transpose()?, buffer: Vec::new() })
    }

    fn is_open(&self) -> bool {
        self.receiver.is_some()
    }

    /// Reads a chunk into the buffer; 0 closes it. Safe to drop: nothing is lost when it has not resolved.
    async fn read(&mut self) -> io::Result<usize> {
        let Some(receiver) = &mut self.receiver else { return Ok(0) };
        receiver.readable().await?;
        self.buffer.resize(CHUNK_BYTES, 0);
        let bytes = receiver.read(&mut self.buffer).await?;
        if bytes == 0 {
            self.receiver = None;
        }
        Ok(bytes)
    }
}

/// Takes in what is in the pipe now, and closes it.
fn drain(pipe: &mut Pipe, stream: Stream, capture: &mut Capture) -> io::Result<Room> {
    let Some(receiver) = pipe.receiver.take() else { return Ok(Room::Left) };
    pipe.buffer.resize(CHUNK_BYTES, 0);
    loop {
        match rustix::io::read(&receiver, &mut pipe.buffer[..]) {
            Ok(0) | Err(rustix::io::Errno::AGAIN) => return Ok(Room::Left),
            Ok(bytes) => match capture.take(stream, &pipe.buffer[..bytes])? {
                Room::Left => {}
                Room::Full => return Ok(Room::Full),
            },
            Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
}

/// The one place that spawns processes.
fn prepared(program: &Program, dir: &Path, env: &[(OsString, OsString)]) -> std::process::Command {
    #[expect(clippy::disallowed_methods, reason = "this is the one place that starts processes")]
    let mut command = std::process::Command::new(&program.path);
    command
        .arg0(&program.name)
        .args(&program.arguments)
        .current_dir(dir)
        .env_clear()
        .envs(env.iter().map(|(name, value)| (name, value)))
        .stdin(Stdio::null())
        .process_group(0);
    command
}

fn check_environment(env: &[(OsString, OsString)]) -> Result<(), Error> {
    let is_bad = |name: &OsStr, value: &OsStr| {
        name.is_empty() || name.as_bytes().iter().any(|b| matches!(b, 0 | b'=')) || value.as_bytes().contains(&0)
    };
    match env.iter().find(|(name, value)| is_bad(name, value)) {
        Some((name, _)) => Err(Error::Environment(name.to_string_lossy().into_owned())),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests;
