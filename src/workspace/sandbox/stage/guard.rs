//! Who removes a container when nobody else can: a process apart that waits for the end of the part that follows the
//! container, however that ends, and has the engine remove what is left. While it lives, the container may; so the engine of
//! ours waits for its end, as it waits for that of a pid namespace.

use std::ffi::OsStr;
use std::io::{self, Read as _, Write as _};
use std::os::fd::AsFd as _;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, ExitCode, Stdio};

use rustix::process::{Pid, PidfdFlags, pidfd_open};

use super::super::container::{Container, remove};
use super::super::report::{Told, doing};
use super::socket::Socket;
use super::{GUARD, VERB, outer};

/// What the engine was asked: for a container, and what it answered.
const ASKED: u8 = b'a';
const MADE: u8 = b'm';
const REFUSED: u8 = b'r';

/// The guard of one container, as the part that follows it sees it.
pub(super) struct Guard {
    child: Child,
    line: Option<ChildStdin>,
}

impl Guard {
    /// Starts one, before there is anything to guard, and lets the engine of ours know of it.
    pub fn post(container: &Container, socket: &Socket) -> io::Result<Self> {
        #[expect(clippy::disallowed_methods, reason = "the stage starts what it contains")]
        let mut command = Command::new(outer::SELF);
        command.arg(VERB).arg(GUARD).arg(&container.engine.socket).arg(&container.name);
        // A group of its own: whoever kills this one's must not kill it.
        command.env_clear().current_dir("/").process_group(0);
        command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
        let mut child = command.spawn().map_err(doing("start the guard of the container"))?;
        let pid = i32::try_from(child.id()).ok().and_then(Pid::from_raw);
        let pid = pid.ok_or_else(|| io::Error::other("the kernel gave a pid that is none"))?;
        let ended = pidfd_open(pid, PidfdFlags::empty())?;
        let engine = &container.engine;
        socket.hand_over(&Told::Layer(format!("{} {}", engine.product, engine.version)), ended.as_fd())?;
        let line = child.stdin.take();
        Ok(Self { child, line })
    }

    /// The container is being asked for.
    pub fn is_asked(&mut self) {
        self.note(ASKED);
    }

    /// The container is there, or was refused.
    pub fn is_answered(&mut self, is_made: bool) {
        self.note(if is_made { MADE } else { REFUSED });
    }

    fn note(&mut self, what: u8) {
        if let Some(line) = &mut self.line {
            // A guard that is gone was killed; the next start removes what it left.
            let _gone = line.write_all(&[what]);
        }
    }

    /// Has the container removed, and waits for that.
    pub fn relieve(mut self) {
        drop(self.line.take());
        let _ended = self.child.wait();
    }
}

/// Runs until the container is gone. `arguments` are the engine's socket and the container's name.
pub(super) fn run(socket: Option<&OsStr>, name: Option<&OsStr>) -> ExitCode {
    let (Some(socket), Some(name)) = (socket.map(PathBuf::from), name.and_then(OsStr::to_str)) else {
        return ExitCode::from(super::NOT_FOR_PEOPLE);
    };
    let mut heard = Vec::new();
    // An error means what the end means: nobody follows the container any more.
    let _lost = io::stdin().read_to_end(&mut heard);
    let done = match heard.last() {
        None | Some(&REFUSED) => Ok(()),
        Some(last) => removed(&socket, name, *last == MADE),
    };
    ExitCode::from(u8::from(done.is_err()))
}

fn removed(socket: &Path, name: &str, is_made: bool) -> io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(remove(socket, name, is_made)).map_err(io::Error::other)
}
