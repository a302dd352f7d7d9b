//! Which backend works on this machine: found out by running a command under each, strongest first, once per engine.

use std::path::{Path, PathBuf};

use super::super::command_line::{self, Program};
use super::control_groups::Groups;
use super::policy::{Limits, Policy};
use super::{Error, Missing, Place, Sandbox, container};
use crate::domain::sandbox::{Attestation, Backend};

const INSTALL_BWRAP: &str = "install bubblewrap (apt install bubblewrap, dnf install bubblewrap)";
const ALLOW_NAMESPACES: &str = "allow namespaces for ordinary users (sysctl kernel.apparmor_restrict_unprivileged_userns=0 on \
                                Ubuntu, kernel.unprivileged_userns_clone=1 on older Debian, user.max_user_namespaces above 0), \
                                or use a container that may make them";
const NO_BACKEND: &str = "choose another backend: --sandbox auto";
const ASK_ENGINE: &str =
    "the image must have a shell (/bin/sh); see what the engine says of itself: docker info, podman info";

impl Sandbox {
    /// The backend `wanted`, or the strongest that works; an error names what is missing for each.
    pub async fn choose(wanted: Backend, place: &Place<'_>) -> Result<Self, Error> {
        let tried: &[Backend] = match wanted {
            Backend::Auto => &[Backend::Bwrap, Backend::Native],
            Backend::Bwrap => &[Backend::Bwrap],
            Backend::Native => &[Backend::Native],
            // Never chosen by itself: what runs is then the image's, and not what the person has installed.
            Backend::Docker => &[Backend::Docker],
            Backend::Podman => &[Backend::Podman],
            Backend::None => &[],
        };
        let mut missing = Vec::new();
        for backend in tried {
            match Self::tried(*backend, place).await {
                Ok(sandbox) => return Ok(sandbox),
                Err(why) => missing.push(why),
            }
        }
        if tried.is_empty() {
            let why = "it is no sandbox".to_owned();
            missing.push(Missing { backend: wanted, why, remedy: NO_BACKEND.into() });
        }
        Err(Error::Unavailable(missing))
    }

    /// One backend, if a command runs under it.
    pub async fn tried(backend: Backend, place: &Place<'_>) -> Result<Self, Missing> {
        let remedy = if backend == Backend::Bwrap { INSTALL_BWRAP } else { ALLOW_NAMESPACES };
        let missing = |why: String| Missing { backend, why, remedy: remedy.into() };
        let container = match backend.has_own_files() {
            true => Some(container::find(backend, place).await?),
            false => None,
        };
        let bwrap = match backend {
            Backend::Bwrap => Some(bwrap(place).map_err(&missing)?),
            _ => None,
        };
        let remedy = if container.is_some() { ASK_ENGINE } else { ALLOW_NAMESPACES };
        let groups = if container.is_some() { None } else { Groups::detect() };
        let found = Attestation { backend: backend.name().to_owned(), ..Attestation::none() };
        let mut sandbox = Self { backend, stage: place.stage.to_owned(), bwrap, container, groups, found };
        let mut tried = sandbox.trial().await;
        if tried.is_err() && sandbox.groups.is_some() {
            // Groups that can be made, but not joined.
            sandbox.groups = None;
            tried = sandbox.trial().await;
        }
        match tried {
            Ok(found) => Ok(Self { found, ..sandbox }),
            Err(error) => Err(Missing { backend, why: error.to_string(), remedy: remedy.into() }),
        }
    }

    /// Runs a shell that does nothing, with every kind of bound there is.
    async fn trial(&self) -> Result<Attestation, Error> {
        let limits = Limits {
            memory_bytes: Some(1 << 32),
            cpu_seconds: Some(60),
            processes: Some(1024),
            open_files: Some(256),
            file_bytes: Some(1 << 32),
            disk_bytes: Some(1 << 20),
        };
        let policy = Policy { limits, ..Policy::default() };
        let program =
            Program { path: "/bin/sh".into(), name: "sh".into(), arguments: vec!["-c".into(), "exit 0".into()] };
        let outcome = self.silent(&policy, &program).await?;
        match outcome.end {
            Some(Ok(0)) => Ok(outcome.ran_under),
            _ => Err(Error::Silent {
                backend: self.backend.name(),
                stderr: format!("a trial ended with {:?}", outcome.end),
            }),
        }
    }
}

/// bubblewrap and its version.
fn bwrap(place: &Place<'_>) -> Result<(PathBuf, String), String> {
    let program = command_line::resolve("bwrap", Path::new("/"), place.path)
        .map_err(|_| "bubblewrap (bwrap) is not installed".to_owned())?;
    let path = std::fs::canonicalize(&program.path).map_err(|error| format!("{}: {error}", program.path.display()))?;
    let inside = |folder: &PathBuf| std::fs::canonicalize(folder).is_ok_and(|folder| path.starts_with(folder));
    if place.untrusted.iter().any(inside) {
        return Err(format!("{} lies where commands may write, so it is not used", path.display()));
    }
    #[expect(clippy::disallowed_methods, reason = "this room starts processes")]
    let told =
        std::process::Command::new(&path).arg("--version").env_clear().stdin(std::process::Stdio::null()).output();
    let told = told.map_err(|error| format!("{} cannot be started: {error}", path.display()))?;
    let text = String::from_utf8_lossy(&told.stdout).trim().to_owned();
    match text.strip_prefix("bubblewrap ") {
        Some(version) if told.status.success() => Ok((path, version.to_owned())),
        _ => Err(format!("{} is no bubblewrap: {text}", path.display())),
    }
}
