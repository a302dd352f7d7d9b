//! A process that lives beside the engine and is talked to over its pipes: a server of tools. It is a process group like any
//! command's: killed as a whole when its owner lets go of it, and by the next engine when this one dies.

use std::ffi::OsString;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::Stdio;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::io::AsyncReadExt as _;
use tokio::net::unix::pipe;

use super::command_line;
use super::group::ProcessGroup;
use super::leftovers::{Leftovers, STEP_VARIABLE};

/// How much of what it says on stderr is kept: the end, for when it fails.
const KEPT_BYTES: usize = 2 * 1024;

/// Why it was not started.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// There is no such program.
    #[error(transparent)]
    CommandLine(#[from] command_line::Error),
    /// The kernel refused.
    #[error("cannot start {program}: {source}")]
    Spawn {
        /// What was to be started.
        program: String,
        /// Why not.
        source: io::Error,
    },
}

/// The process. Dropping it kills its group.
pub struct Companion {
    group: Option<ProcessGroup>,
    leftovers: Arc<Leftovers>,
    said: Arc<Mutex<Vec<u8>>>,
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
    /// A program, looked for like a shell does.
    pub program: &'s str,
    /// Its arguments.
    pub args: &'s [String],
    /// Where it runs.
    pub dir: &'s Path,
    /// Its whole environment.
    pub env: &'s [(OsString, OsString)],
    /// What it is, for [`Leftovers`].
    pub key: &'s str,
}

impl Companion {
    /// Starts one.
    pub fn start(start: Start<'_>, leftovers: Arc<Leftovers>) -> Result<(Self, Pipes), Error> {
        let path = start.env.iter().find(|(name, _)| name == "PATH").map(|(_, value)| value.as_os_str());
        let program = command_line::find(start.program, start.dir, path)?;
        let refused = |source| Error::Spawn { program: start.program.to_owned(), source };
        #[expect(clippy::disallowed_methods, reason = "this room starts processes")]
        let mut command = std::process::Command::new(&program);
        command.arg0(start.program).args(start.args).current_dir(start.dir).env_clear();
        command.envs(start.env.iter().map(|(name, value)| (name, value))).env(STEP_VARIABLE, start.key);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).process_group(0);
        let mut child = command.spawn().map_err(refused)?;
        let (input, output, errors) = (child.stdin.take(), child.stdout.take(), child.stderr.take());
        let group = ProcessGroup::of(child).map_err(refused)?;
        leftovers.register(group.id(), start.key);
        let said = Arc::new(Mutex::new(Vec::new()));
        let companion = Self { group: Some(group), leftovers, said: said.clone() };
        let none = || refused(io::Error::other("a pipe is missing"));
        let output = OwnedFd::from(output.ok_or_else(none)?);
        let input = OwnedFd::from(input.ok_or_else(none)?);
        let errors = OwnedFd::from(errors.ok_or_else(none)?);
        let pipes = Pipes {
            output: pipe::Receiver::from_owned_fd(output).map_err(refused)?,
            input: pipe::Sender::from_owned_fd(input).map_err(refused)?,
        };
        tokio::spawn(listen(pipe::Receiver::from_owned_fd(errors).map_err(refused)?, said));
        Ok((companion, pipes))
    }

    /// The end of what it said on stderr.
    pub fn last_words(&self) -> String {
        let said = self.said.lock().unwrap_or_else(PoisonError::into_inner);
        String::from_utf8_lossy(&said).trim().to_owned()
    }
}

impl Drop for Companion {
    fn drop(&mut self) {
        if let Some(group) = self.group.take() {
            let id = group.id();
            drop(group);
            self.leftovers.forget(id);
        }
    }
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
