//! What one command may reach: absolute paths and numbers, resolved by whoever knows projects and people. Nothing in here is
//! looked up or decided; see `plan.rs` for how it becomes mounts.

use std::path::PathBuf;
use std::sync::Arc;

use super::proxy::Proxy;

/// The resolved policy of one command. What no list names is shown read-only; `/tmp`, `/var/tmp` and `/dev/shm` are private
/// and empty; `/run` is hidden. Of two entries the deeper path decides; of two for one path: read-only before writable before
/// readable before hidden.
#[derive(Debug, Clone, Default)]
pub struct Policy {
    /// Folders that may be changed, the worktree first. They must exist.
    pub writable: Vec<PathBuf>,
    /// Shown read-only although they lie in something writable: the repository's `.git`, a worktree's `.git` file.
    pub read_only: Vec<PathBuf>,
    /// Shown, read-only, although they lie in something hidden: package caches, what the person allowed.
    pub readable: Vec<PathBuf>,
    /// Covered by something empty: the person's home folder, the home of wfctl, its socket, keys. What does not exist is
    /// passed over.
    pub hidden: Vec<PathBuf>,
    /// What of the network can be reached.
    pub network: Network,
    /// Bounds on what is used.
    pub limits: Limits,
}

/// What of the network a command can reach.
#[derive(Debug, Clone, Default)]
pub enum Network {
    /// Nothing but a loopback interface of its own.
    #[default]
    None,
    /// The hosts that this proxy lets through; it is named by `HTTP_PROXY` and its like, and there is no other way out.
    Hosts(Arc<Proxy>),
    /// All of the host's network. A person must have asked for it.
    Host,
}

impl Network {
    /// Whether the command has a network of its own, without a way out.
    pub(super) fn is_private(&self) -> bool {
        match self {
            Self::None | Self::Hosts(_) => true,
            Self::Host => false,
        }
    }
}

/// Bounds on what one command with all its processes uses. `None`: no bound.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Limits {
    /// Memory: of all processes together where a control group can be made, else the data of each one (`RLIMIT_DATA`).
    pub memory_bytes: Option<u64>,
    /// Time on a processor, of each process.
    pub cpu_seconds: Option<u64>,
    /// Processes and threads at once.
    pub processes: Option<u64>,
    /// Open files of each process.
    pub open_files: Option<u64>,
    /// The largest file that can be written.
    pub file_bytes: Option<u64>,
    /// What fits into `/tmp`, `/var/tmp` and `/dev/shm` together.
    pub disk_bytes: Option<u64>,
}

/// How a command is contained.
#[derive(Debug, Clone, Default)]
pub enum Containment {
    /// Not at all: a person asked for it.
    #[default]
    Open,
    /// By this sandbox, under this policy.
    Sandbox {
        /// Who contains it.
        sandbox: Arc<super::Sandbox>,
        /// What it may reach.
        policy: Arc<Policy>,
    },
}
