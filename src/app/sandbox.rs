//! The sandbox by hand: one command under the policy of a `run` step, and a self-test of each backend, for `doctor`. What
//! commands may reach is decided in `steps/`.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use super::App;
use crate::config::Environment;
use crate::domain::sandbox::{Allowance, Attestation, Backend};
use crate::steps::{ByHand, Uncontained};
use crate::workspace::command_line::{self, Program};
use crate::workspace::sandbox::{Engines, Error as SandboxError, Missing, Network, Place, Sandbox, self_test};

pub use crate::workspace::sandbox::self_test::{Came, Escape};

/// One command to try.
#[derive(Debug, Clone)]
pub struct Trial {
    /// What it may reach, and by which backend it is contained.
    pub allowed: Allowance,
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
    /// No sandbox can be had, or a layer of it cannot.
    #[error("{why}")]
    Uncontained {
        /// What is missing, for each backend that was tried.
        why: String,
        /// What to do, each thing once.
        remedies: Vec<String>,
    },
    /// What is allowed cannot be given: a folder is missing, for instance.
    #[error("{0}")]
    Policy(String),
    /// Something of the system's.
    #[error("cannot {doing}: {source}")]
    System {
        /// What was being done.
        doing: &'static str,
        /// What the system said.
        source: std::io::Error,
    },
}

/// The layers of a backend and the escapes that were tried, or why it does not work.
pub type Found = Result<(Attestation, Vec<Escape>), Missing>;

/// What a backend does on this machine.
#[derive(Debug)]
pub struct Health {
    /// Which one.
    pub backend: Backend,
    /// What was found out.
    pub found: Found,
}

impl App {
    /// Runs one command in the current folder, with this process's own output streams.
    pub async fn try_in_sandbox(&self, trial: &Trial) -> Result<Tried, TrialError> {
        let dir = std::env::current_dir()
            .map_err(|source| TrialError::System { doing: "find out the current folder", source })?;
        if !trial.allowed.network.is_none() {
            let listening = |source| TrialError::System { doing: "make the home, where the proxy listens", source };
            self.places.create().map_err(|error| listening(std::io::Error::other(error)))?;
        }
        let environment: Vec<(OsString, OsString)> =
            self.environment.all().map(|(name, value)| (name.clone(), value.clone())).collect();
        let containments = self.containments(&self.places.home);
        let withheld = self.secrets.withheld();
        let ByHand { sandbox, policy, environment } =
            containments.by_hand(&trial.allowed, &dir, &environment, &withheld).await?;
        let program = self.program(trial, &dir, &sandbox)?;
        let outcome = sandbox.foreground(&policy, &program, &dir, &environment).await?;
        let code = match outcome.end {
            Some(Ok(code)) => u8::try_from(code).unwrap_or(u8::MAX),
            Some(Err(signal)) => u8::try_from(128 + signal).unwrap_or(u8::MAX),
            None => 128 + 9,
        };
        let refused = match &policy.network {
            Network::Hosts(proxy) => proxy.refused(),
            Network::None | Network::Host => Vec::new(),
        };
        Ok(Tried { ran_under: outcome.ran_under, code, refused })
    }

    /// Tries each backend, and with each that works to get out of it. A home that nobody has used is not made for that.
    pub async fn sandbox_health(&self) -> Vec<Health> {
        let home = &self.places.home;
        let field = home.ancestors().find(|folder| folder.is_dir()).unwrap_or(home);
        let mut all = Vec::new();
        let mut backends = vec![Backend::Bwrap, Backend::Native];
        // Nobody makes containers for a person who does not want commands to run in them.
        backends.extend(Some(self.layers.allowance().backend).filter(|backend| backend.has_own_files()));
        for backend in backends {
            let found = match self.tried(backend).await {
                Ok(sandbox) => {
                    let escapes = self_test::run(&sandbox, field).await;
                    Ok((sandbox.found().clone(), escapes))
                }
                Err(missing) => Err(missing),
            };
            all.push(Health { backend, found });
        }
        all
    }

    /// The engines that make containers: for each backend the one that answers, in words, or why none does.
    pub async fn container_engines(&self) -> [(Backend, Result<String, Missing>); 2] {
        let engines = engines(&self.environment);
        let told = |backend| engines.told(backend);
        let (docker, podman) = tokio::join!(told(Backend::Docker), told(Backend::Podman));
        [(Backend::Docker, docker), (Backend::Podman, podman)]
    }

    fn program(&self, trial: &Trial, dir: &Path, sandbox: &Sandbox) -> Result<Program, TrialError> {
        let mut words = trial.command.iter().cloned();
        let name = words.next().ok_or(command_line::Error::Empty)?;
        let found = if sandbox.has_own_files() {
            command_line::elsewhere(&name.to_string_lossy(), dir)
        } else {
            let path = self.environment.text("PATH").map(OsString::from);
            command_line::find(&name.to_string_lossy(), dir, path.as_deref())?
        };
        Ok(Program { path: found, name, arguments: words.collect() })
    }

    async fn tried(&self, backend: Backend) -> Result<Sandbox, Missing> {
        let path = self.environment.text("PATH").map(OsString::from);
        let untrusted = [self.places.home.clone()];
        let (stage, engines, allowed) = (stage(), engines(&self.environment), self.layers.allowance());
        let place = Place {
            stage: &stage,
            path: path.as_deref(),
            untrusted: &untrusted,
            engines: &engines,
            image: allowed.image.as_deref(),
        };
        Sandbox::tried(backend, &place).await
    }
}

/// Where the environment says that engines which make containers are.
pub(super) fn engines(environment: &Environment) -> Engines {
    let found = environment.engines();
    Engines { docker: found.docker, podman: found.podman, unusable: found.unusable }
}

impl From<SandboxError> for TrialError {
    fn from(error: SandboxError) -> Self {
        let mut remedies = Vec::new();
        if let SandboxError::Unavailable(missing) = &error {
            remedies.extend(missing.iter().map(|missing| missing.remedy.to_string()));
            remedies.dedup();
        }
        match error {
            SandboxError::Unavailable(_) | SandboxError::Refused { .. } | SandboxError::Silent { .. } => {
                Self::Uncontained { why: error.to_string(), remedies }
            }
            SandboxError::System { doing, source } => Self::System { doing, source },
            other => Self::Policy(other.to_string()),
        }
    }
}

impl From<Uncontained> for TrialError {
    fn from(error: Uncontained) -> Self {
        match error {
            Uncontained::Sandbox(error) => error.into(),
            Uncontained::Policy(why) => Self::Policy(why),
        }
    }
}

/// This binary, whatever has become of its file.
fn stage() -> PathBuf {
    PathBuf::from("/proc/self/exe")
}
