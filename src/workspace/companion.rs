//! A process that lives beside the engine and is talked to over its pipes: a server of tools. Like any command it is contained, or
//! a process group where a person wants it open: killed as a whole when its owner lets go of it, with the engine or, when it is
//! not contained, by the next one.

use std::ffi::OsString;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::io::AsyncReadExt as _;
use tokio::net::unix::pipe;
use tokio::task::JoinHandle;

use super::command_line::{self, Program};
use super::git;
use super::group::ProcessGroup;
use super::leftovers::{Leftovers, STEP_VARIABLE};
use super::sandbox::{self, Containment, Line};
use crate::domain::sandbox::{Attestation, Took};

/// How much of what it says on stderr is kept: the end, for when it fails.
const KEPT_BYTES: usize = 2 * 1024;
/// How long the rest of what a dead one said is waited for.
const LAST_WORDS: Duration = Duration::from_secs(2);

/// Why it was not started.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// There is no such program.
    #[error(transparent)]
    CommandLine(#[from] command_line::Error),
    /// What git would obey where it works cannot be found out.
    #[error(transparent)]
    Repository(#[from] git::Unreadable),
    /// It may not run without its sandbox, and that could not be had.
    #[error(transparent)]
    Sandbox(#[from] sandbox::Error),
    /// The kernel refused.
    #[error("cannot start {program}: {source}")]
    Spawn {
        /// What was to be started.
        program: String,
        /// Why not.
        source: io::Error,
    },
}

/// The process. Dropping it kills it and all that it started.
pub struct Companion {
    group: Option<ProcessGroup>,
    /// The line to its sandbox, when it has one.
    line: Option<Line>,
    /// With it goes the proxy that lets its hosts through.
    _contained: Containment,
    leftovers: Arc<Leftovers>,
    said: Arc<Mutex<Vec<u8>>>,
    listening: Option<JoinHandle<()>>,
}

/// Its ends of the conversation.
pub struct Pipes {
    /// What it says.
    pub output: pipe::Receiver,
    /// What it hears.
    pub input: pipe::Sender,
}

/// What is to be started.
#[derive(Debug, Clone, Copy)]
pub struct Start<'s> {
    /// A program, looked for like a shell does that is in `from`.
    pub program: &'s str,
    /// Where a name with a slash in it begins.
    pub from: &'s Path,
    /// Its arguments.
    pub args: &'s [String],
    /// Where it runs.
    pub dir: &'s Path,
    /// The repository around this folder is the one that its git is kept from obeying.
    pub repository: Option<&'s Path>,
    /// Its whole environment.
    pub env: &'s [(OsString, OsString)],
    /// What it is, for [`Leftovers`].
    pub key: &'s str,
    /// What keeps it in its place.
    pub contained: &'s Containment,
}

/// How one ended that was of no use.
#[derive(Debug)]
pub struct Ending {
    /// The end of what it said on stderr.
    pub said: String,
    /// Why it was never started in its sandbox, if it was not.
    pub unstarted: Option<sandbox::Error>,
}

impl Start<'_> {
    /// The file that would be executed.
    pub fn found(&self) -> Result<PathBuf, command_line::Error> {
        let path = self.env.iter().find(|(name, _)| name == "PATH").map(|(_, value)| value.as_os_str());
        command_line::find(self.program, self.from, path)
    }
}

impl Companion {
    /// Starts one.
    pub async fn start(start: Start<'_>, leftovers: Arc<Leftovers>) -> Result<(Self, Pipes), Error> {
        let refused = |source| Error::Spawn { program: start.program.to_owned(), source };
        let program = Program {
            path: start.found()?,
            name: start.program.into(),
            arguments: start.args.iter().map(OsString::from).collect(),
        };
        let mut env = match start.repository {
            Some(dir) => git::guarded(start.env, dir).await?,
            None => start.env.to_vec(),
        };
        env.retain(|(name, _)| name != STEP_VARIABLE);
        env.push((STEP_VARIABLE.into(), start.key.into()));
        let (reads, writes) = io::pipe().map_err(refused)?;
        let (mut command, line) = match start.contained {
            Containment::Open => (open(&program, start.dir, &env, reads.into()), None),
            Containment::Sandbox { sandbox, policy } => {
                let (command, line) = sandbox.prepare(policy, &program, start.dir, &env, Some(reads.into()))?;
                (command, Some(line))
            }
        };
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().map_err(refused)?;
        // It holds the other ends of the line and of the input.
        drop(command);
        let (output, errors) = (child.stdout.take(), child.stderr.take());
        let group = ProcessGroup::of(child).map_err(refused)?;
        leftovers.register(group.id(), start.key);
        let said = Arc::new(Mutex::new(Vec::new()));
        let mut companion = Self {
            group: Some(group),
            line,
            _contained: start.contained.clone(),
            leftovers,
            said: said.clone(),
            listening: None,
        };
        let none = || refused(io::Error::other("a pipe is missing"));
        let output = OwnedFd::from(output.ok_or_else(none)?);
        let errors = OwnedFd::from(errors.ok_or_else(none)?);
        let pipes = Pipes {
            output: pipe::Receiver::from_owned_fd(output).map_err(refused)?,
            input: pipe::Sender::from_owned_fd(writes.into()).map_err(refused)?,
        };
        let errors = pipe::Receiver::from_owned_fd(errors).map_err(refused)?;
        companion.listening = Some(tokio::spawn(listen(errors, said)));
        Ok((companion, pipes))
    }

    /// The end of what it said on stderr.
    pub fn last_words(&self) -> String {
        let said = self.said.lock().unwrap_or_else(PoisonError::into_inner);
        String::from_utf8_lossy(&said).trim().to_owned()
    }

    /// What it runs under; what it takes is known at its end. `None`: it was not started yet, or not at all.
    pub fn runs_under(&mut self) -> Option<Attestation> {
        match &mut self.line {
            None => Some(Attestation::none()),
            Some(line) => {
                let told = line.so_far().ok()?;
                Some(Attestation { took: Took::default(), ..told.ran_under })
            }
        }
    }

    /// Ends one that is of no use, and tells what became of it.
    pub async fn end(mut self) -> Ending {
        if let Some(group) = self.group.take() {
            let id = group.id();
            if let Err(error) = group.end().await {
                tracing::warn!(group = id, %error, "a server of tools could not be reaped");
            }
            self.leftovers.forget(id);
        }
        let told = match self.line.take() {
            Some(line) => Some(line.finish().await),
            None => None,
        };
        if let Some(listening) = self.listening.take() {
            // Everybody who could say something is dead; one in a group of its own that is not contained may be not.
            let _over = tokio::time::timeout(LAST_WORDS, listening).await;
        }
        Ending { said: self.last_words(), unstarted: told.and_then(Result::err) }
    }
}

impl Drop for Companion {
    fn drop(&mut self) {
        if let Some(group) = self.group.take() {
            let id = group.id();
            drop(group);
            if let Some(line) = &mut self.line {
                line.block_until_gone();
            }
            self.leftovers.forget(id);
        }
    }
}

/// One that is a process group and nothing more.
fn open(program: &Program, dir: &Path, env: &[(OsString, OsString)], input: OwnedFd) -> Command {
    #[expect(clippy::disallowed_methods, reason = "this room starts processes")]
    let mut command = Command::new(&program.path);
    command.arg0(&program.name).args(&program.arguments).current_dir(dir).env_clear();
    command.envs(env.iter().map(|(name, value)| (name, value))).stdin(Stdio::from(input)).process_group(0);
    command
}

/// Keeps the end of what it says until it says no more, so that it never waits for us.
async fn listen(mut errors: pipe::Receiver, said: Arc<Mutex<Vec<u8>>>) {
    let mut buffer = vec![0; 4 * 1024];
    while let Ok(bytes) = errors.read(&mut buffer).await
        && bytes > 0
    {
        let mut said = said.lock().unwrap_or_else(PoisonError::into_inner);
        said.extend_from_slice(&buffer[..bytes]);
        let over = said.len().saturating_sub(KEPT_BYTES);
        said.drain(..over);
    }
}
