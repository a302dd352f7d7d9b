//! What commands may reach: what a person allows, what a workflow, a task or a role asks for, and what was in force. Pure: how
//! a kernel is made to enforce it is `workspace/sandbox/`.
//!
//! ```text
//! a person: configuration, flags   -> Allowance   pinned with the project; nothing that follows goes beyond it
//! a workflow, a task, a role       -> SandboxSpec what it says takes the place of what stands above it, within the allowance
//! one command                      -> Attestation what it really ran under; part of its outcome's record
//! ```

mod allowance;
mod spec;
mod took;

pub use allowance::{Allowance, Backend, Caches, Excess, GitAccess};
pub use spec::{Hosts, SandboxLimits, SandboxSpec, parse_bytes};
pub use took::{Took, in_words};

use serde::{Deserialize, Serialize};

/// What a command really ran under, as the sandbox itself reported it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attestation {
    /// The backend's stable name: `bwrap`, `native`, `docker`, `podman`, `none`.
    pub backend: String,
    /// What was in force, with versions where there are any: `user namespace`, `landlock 7`, `seccomp`, ...
    pub layers: Vec<String>,
    /// What it took of the machine.
    #[serde(default)]
    pub took: Took,
}

impl Attestation {
    /// Nothing was in force.
    pub fn none() -> Self {
        Self { backend: Backend::None.name().to_owned(), layers: Vec::new(), took: Took::default() }
    }
}

impl std::fmt::Display for Attestation {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.backend)?;
        if self.layers.is_empty() { Ok(()) } else { write!(f, " ({})", self.layers.join(", ")) }
    }
}
