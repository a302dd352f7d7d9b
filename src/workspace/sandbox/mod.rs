//! What keeps a command in its place: on Linux, namespaces, mounts, Landlock, seccomp and limits, made by bubblewrap or by
//! this binary alone. Elsewhere there is no backend, and a command that is to be contained does not run.
//!
//! Reading order: `policy` (what one command may reach), `plan` (the mounts that follow), `choose` (which backend works
//! here), `launch` (the engine's side of one command), `stage/` (what happens between the engine and the command), `proxy`
//! (the way out for allowed hosts), `container/` (what is different when an engine for containers makes it). This room decides nothing about who may have what: it is given a policy.

mod control_groups;
mod policy;
pub mod proxy;
pub mod self_test;

#[cfg(target_os = "linux")]
mod choose;
#[cfg(target_os = "linux")]
mod container;
#[cfg(target_os = "linux")]
mod launch;
#[cfg(target_os = "linux")]
mod order;
#[cfg(target_os = "linux")]
mod plan;
#[cfg(target_os = "linux")]
mod report;
#[cfg(target_os = "linux")]
pub mod stage;

#[cfg(not(target_os = "linux"))]
mod elsewhere;
#[cfg(not(target_os = "linux"))]
use elsewhere::container;
#[cfg(not(target_os = "linux"))]
pub use elsewhere::{Line, Outcome, stage};
#[cfg(target_os = "linux")]
pub use launch::{Line, Outcome};
#[cfg(target_os = "linux")]
pub use plan::Problem;
pub use policy::{Containment, Limits, Network, Policy};

use std::borrow::Cow;
use std::ffi::OsStr;
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::domain::sandbox::{Attestation, Backend};

/// How often a sandbox that ended without a word is made, for whoever starts something in one: nothing was started. A socket that
/// was to be covered went away while the mounts were made, and on a busy host the next one may do so, too.
pub const TRIES: u32 = 8;

/// A backend that was tried on this machine and works.
#[derive(Debug)]
pub struct Sandbox {
    backend: Backend,
    /// The program with the hidden verb of the stage: this binary.
    stage: PathBuf,
    /// bubblewrap's path and version.
    bwrap: Option<(PathBuf, String)>,
    /// The engine that makes containers.
    #[cfg(target_os = "linux")]
    container: Option<container::Engine>,
    groups: Option<Arc<control_groups::Groups>>,
    /// What was in force in the trial.
    found: Attestation,
}

impl Sandbox {
    /// Which one it is.
    pub fn backend(&self) -> Backend {
        self.backend
    }

    /// What was in force when it was tried. What a command really ran under is told by its own report.
    pub fn found(&self) -> &Attestation {
        &self.found
    }

    /// Whether commands see the files of an image: what the host has of programs is not what they find.
    pub fn has_own_files(&self) -> bool {
        self.backend.has_own_files()
    }
}

/// Where to look, and what not to trust.
#[derive(Debug, Clone)]
pub struct Place<'p> {
    /// This binary, which is executed anew as the stage.
    pub stage: &'p Path,
    /// The value of `PATH`, to find bubblewrap.
    pub path: Option<&'p OsStr>,
    /// Folders that commands may change: a `bwrap` in one of them is not used.
    pub untrusted: &'p [PathBuf],
    /// Where engines that make containers may answer.
    pub engines: &'p Engines,
    /// The image that containers are made of.
    pub image: Option<&'p str>,
}

/// Where engines that make containers may answer, the first one first.
#[derive(Debug, Clone, Default)]
pub struct Engines {
    /// Sockets of Docker.
    pub docker: Vec<PathBuf>,
    /// Sockets of Podman.
    pub podman: Vec<PathBuf>,
    /// An address of Docker that the person set and that is no socket of this machine.
    pub unusable: Option<String>,
}

impl Engines {
    /// The engine that answers for `backend`: its name, version and socket, in words.
    pub async fn told(&self, backend: Backend) -> Result<String, Missing> {
        container::answers(backend, self).await
    }
}

/// Removes the containers of a home whose engine `is_dead`, by the marker that each has; tells how many there were.
pub(super) async fn reap_containers(
    socket: &Path,
    home_id: &str,
    is_dead: impl Fn(&str) -> bool,
) -> Result<usize, String> {
    container::reap(socket, home_id, is_dead).await
}

/// Why a command was not started in a sandbox.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// No backend works here.
    #[error("no sandbox works here: {}", lines(.0))]
    Unavailable(Vec<Missing>),
    /// A folder of the policy.
    #[cfg(target_os = "linux")]
    #[error(transparent)]
    Policy(#[from] Problem),
    /// On the engine's side.
    #[error("cannot {doing}: {source}")]
    System {
        /// What was being done.
        doing: &'static str,
        /// What the system said.
        source: io::Error,
    },
    /// A layer could not be had for this command.
    #[error("the sandbox ({backend}) cannot {what}")]
    Refused {
        /// The backend's name.
        backend: &'static str,
        /// What could not be done, and why.
        what: String,
    },
    /// The program cannot be started inside; what the kernel said.
    #[error("cannot start the program inside of the sandbox: {0}")]
    NotStarted(io::Error),
    /// It ended without a word.
    #[error("the sandbox ({backend}) ended before the command was started{}", said(.stderr))]
    Silent {
        /// The backend's name.
        backend: &'static str,
        /// The end of what it wrote.
        stderr: String,
    },
}

/// A backend that does not work here, and what would make it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Missing {
    /// The backend.
    pub backend: Backend,
    /// What does not work.
    pub why: String,
    /// What to do.
    pub remedy: Cow<'static, str>,
}

impl fmt::Display for Missing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {} ({})", self.backend.name(), self.why, self.remedy)
    }
}

fn lines(missing: &[Missing]) -> String {
    missing.iter().map(Missing::to_string).collect::<Vec<_>>().join("; ")
}

fn said(stderr: &str) -> String {
    if stderr.trim().is_empty() { String::new() } else { format!(": {}", stderr.trim()) }
}
