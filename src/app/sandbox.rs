//! The sandbox by hand: one command under the usual policy, and a self-test of each backend. What commands of projects may
//! reach is decided in `steps/`; this is for trying it out and for `doctor`.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use super::App;
use crate::domain::sandbox::{Allowance, Attestation, Backend};
use crate::workspace::command_line::{self, Program};
use crate::workspace::sandbox::proxy::{Allowed, Malformed, Proxy};
use crate::workspace::sandbox::{Error as SandboxError, Limits, Missing, Network, Place, Policy, Sandbox, self_test};

pub use crate::workspace::sandbox::self_test::{Came, Escape};

/// Parts of tool chains in a home folder that hold no keys.
const TOOLS: &[&str] =
    &[".rustup", ".cargo/bin", ".cargo/registry", ".cargo/git", ".cargo/config.toml", ".local/bin", ".nvm", "go"];
/// What of the environment a command by hand gets.
const VARIABLES: &[&str] = &["PATH", "HOME", "USER", "LANG", "LC_ALL", "TERM", "TZ", "RUSTUP_HOME", "CARGO_HOME"];

/// One command to try.
#[derive(Debug, Clone)]
pub struct Trial {
    /// Which backend.
    pub backend: Backend,
    /// Hosts that it may reach.
    pub hosts: Vec<String>,
    /// Folders that it may change besides the current one.
    pub writable: Vec<PathBuf>,
    /// The program and its arguments.
    pub command: Vec<OsString>,
}

/// How it ended.
#[derive(Debug)]
pub struct Tried {
    /// What it ran under.
    pub ran_under: Attestation,
    /// Its exit code, or 128 and the signal that ended it, as shells tell it.
    pub code: u8,
    /// Hosts that it asked for in vain.
    pub refused: Vec<String>,
}

/// Why a trial could not be made.
#[derive(Debug, thiserror::Error)]
pub enum TrialError {
    /// The program is not there.
    #[error(transparent)]
    Program(#[from] command_line::Error),
    /// A host that is none.
    #[error(transparent)]
    Host(#[from] Malformed),
    /// The sandbox.
    #[error(transparent)]
    Sandbox(#[from] SandboxError),
    /// Something of the system's.
    #[error("cannot {doing}: {source}")]
    System {
        /// What was being done.
        doing: &'static str,
        /// What the system said.
        source: std::io::Error,
    },
}

/// What a backend does on this machine.
#[derive(Debug)]
pub struct Health {
    /// Which one.
    pub backend: Backend,
    /// The layers and the escapes that were tried, or why it does not work.
    pub found: Result<(Attestation, Vec<Escape>), Missing>,
}

impl App {
    /// Runs one command in the current folder, with this process's own output streams.
    pub async fn try_in_sandbox(&self, trial: &Trial) -> Result<Tried, TrialError> {
        let dir = std::env::current_dir()
            .map_err(|source| TrialError::System { doing: "find out the current folder", source })?;
        let program = self.program(trial, &dir)?;
        let sandbox = self.sandbox(trial.backend).await?;
        let proxy = match trial.hosts.is_empty() {
            true => None,
            false => Some(self.proxy(&trial.hosts)?),
        };
        let policy = Policy {
            network: proxy.as_ref().map_or(Network::None, |proxy| Network::Hosts(proxy.clone())),
            ..self.usual_policy(dir.clone(), &trial.writable)
        };
        let env: Vec<(OsString, OsString)> = VARIABLES
            .iter()
            .filter_map(|name| Some((OsString::from(name), OsString::from(self.environment.text(name)?))))
            .collect();
        let outcome = sandbox.foreground(&policy, &program, &dir, &env).await?;
        let code = match outcome.end {
            Some(Ok(code)) => u8::try_from(code).unwrap_or(u8::MAX),
            Some(Err(signal)) => u8::try_from(128 + signal).unwrap_or(u8::MAX),
            None => 128 + 9,
        };
        let refused = proxy.map(|proxy| proxy.refused()).unwrap_or_default();
        Ok(Tried { ran_under: outcome.ran_under, code, refused })
    }

    /// Tries each backend, and with each that works to get out of it.
    pub async fn sandbox_health(&self) -> Vec<Health> {
        let mut all = Vec::new();
        for backend in [Backend::Bwrap, Backend::Native] {
            let found = match self.tried(backend).await {
                Ok(sandbox) => {
                    let escapes = self_test::run(&sandbox, &self.places.home).await;
                    Ok((sandbox.found().clone(), escapes))
                }
                Err(missing) => Err(missing),
            };
            all.push(Health { backend, found });
        }
        all
    }

    fn program(&self, trial: &Trial, dir: &Path) -> Result<Program, TrialError> {
        let mut words = trial.command.iter().cloned();
        let name = words.next().ok_or(command_line::Error::Empty)?;
        let path = self.environment.text("PATH").map(OsString::from);
        let found = command_line::find(&name.to_string_lossy(), dir, path.as_deref())?;
        Ok(Program { path: found, name, arguments: words.collect() })
    }

    async fn sandbox(&self, backend: Backend) -> Result<Sandbox, SandboxError> {
        let path = self.environment.text("PATH").map(OsString::from);
        let untrusted = [self.places.home.clone()];
        let stage = stage();
        Sandbox::choose(backend, &Place { stage: &stage, path: path.as_deref(), untrusted: &untrusted }).await
    }

    async fn tried(&self, backend: Backend) -> Result<Sandbox, Missing> {
        let path = self.environment.text("PATH").map(OsString::from);
        let untrusted = [self.places.home.clone()];
        let stage = stage();
        Sandbox::tried(backend, &Place { stage: &stage, path: path.as_deref(), untrusted: &untrusted }).await
    }

    fn proxy(&self, hosts: &[String]) -> Result<std::sync::Arc<Proxy>, TrialError> {
        let allowed = Allowed::parse(hosts.iter().map(String::as_str))?;
        let listening = |source| TrialError::System { doing: "listen for the sandbox's proxy", source };
        self.places.create().map_err(|error| listening(std::io::Error::other(error)))?;
        Proxy::start(&self.places.run(), allowed).map_err(listening)
    }

    fn usual_policy(&self, dir: PathBuf, more: &[PathBuf]) -> Policy {
        let limits = Allowance::default().limits;
        let home = self.environment.text("HOME").map(PathBuf::from);
        Policy {
            read_only: vec![dir.join(".git")],
            writable: std::iter::once(dir).chain(more.iter().cloned()).collect(),
            readable: home.iter().flat_map(|home| TOOLS.iter().map(|tool| home.join(tool))).collect(),
            hidden: std::iter::once(self.places.home.clone()).chain(self.config_file()).collect(),
            scratch: home.into_iter().collect(),
            network: Network::None,
            limits: Limits {
                memory_bytes: limits.memory_bytes,
                cpu_seconds: limits.cpu_seconds,
                processes: limits.processes,
                open_files: limits.open_files,
                file_bytes: limits.file_bytes,
                disk_bytes: limits.scratch_bytes,
            },
        }
    }
}

/// This binary, whatever has become of its file.
fn stage() -> PathBuf {
    PathBuf::from("/proc/self/exe")
}
