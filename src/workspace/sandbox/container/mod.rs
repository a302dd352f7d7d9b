//! Containers of a Docker or Podman engine: for who wants the tools of an image. Never chosen unless a person asks for it.
//!
//! Reading order: `find` (which engine answers, and whether it has the image), `create` (from the order of one command to what
//! the engine is asked for), `attest` (what it says that it made), `remove` (by name, and those of engines of ours that died).
//! A container is made, followed and ended by `stage/container`, a process of its own for each command, so that pipes, groups
//! and limits on time are those of any command; `stage/guard` removes it, whatever becomes of the others.

#[cfg(not(feature = "docker"))]
mod absent;
#[cfg(feature = "docker")]
mod attest;
#[cfg(feature = "docker")]
mod create;
#[cfg(feature = "docker")]
mod find;
#[cfg(feature = "docker")]
mod remove;

#[cfg(not(feature = "docker"))]
pub(super) use absent::{answers, find, reap};
#[cfg(feature = "docker")]
pub(super) use attest::attested;
#[cfg(feature = "docker")]
pub(super) use create::body;
#[cfg(feature = "docker")]
pub(super) use find::{answers, connected, find, why};
#[cfg(feature = "docker")]
pub(super) use remove::{reap, remove};

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt as _;
use std::path::PathBuf;

use super::super::leftovers::{ENGINE_VARIABLE, STEP_VARIABLE};

/// What a container tells about itself, by name: the home of wfctl, its engine there, and the step.
pub(super) const HOME_LABEL: &str = "wfctl.home";
pub(super) const ENGINE_LABEL: &str = "wfctl.engine";
const STEP_LABELS: [&str; 4] = ["wfctl.project", "wfctl.task", "wfctl.attempt", "wfctl.step"];

/// An engine that answered, and the image that it has.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Engine {
    /// `docker` or `podman`, as the engine itself says.
    pub product: String,
    pub version: String,
    pub socket: PathBuf,
    /// The image's id: a name may stand for another one tomorrow.
    pub image: String,
    /// Folders for which the image wants a volume.
    pub volumes: Vec<PathBuf>,
    /// The user inside, `uid:gid`.
    pub user: String,
    /// The engine has a user namespace of its own, in which the caller's numbers are kept.
    pub keeps_ids: bool,
    /// It filters system calls.
    pub filters_calls: bool,
}

/// One container.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Container {
    pub engine: Engine,
    /// Known before it is made, so that it can be removed whatever happens.
    pub name: String,
    pub labels: Vec<(String, String)>,
}

impl Container {
    /// A new one for a command with the environment `env`.
    pub fn new(engine: &Engine, env: &[(OsString, OsString)]) -> Self {
        let value = |name: &str| {
            let found = env.iter().find(|(known, _)| known == name)?;
            found.1.to_str().map(str::to_owned)
        };
        let mut labels = Vec::new();
        if let Some(marker) = value(ENGINE_VARIABLE) {
            let home = marker.split(':').next().unwrap_or_default().to_owned();
            labels.extend([(HOME_LABEL.to_owned(), home), (ENGINE_LABEL.to_owned(), marker)]);
        }
        if let Some(key) = value(STEP_VARIABLE) {
            // The last three are numbers; a project's id has no slash.
            let parts = key.splitn(4, '/').map(str::to_owned);
            labels.extend(STEP_LABELS.map(str::to_owned).into_iter().zip(parts));
        }
        Self { engine: engine.clone(), name: format!("wfctl-{:016x}", random()), labels }
    }

    /// Its part of an order.
    pub fn pairs(&self) -> Vec<(&'static str, OsString)> {
        let Engine { product, version, socket, image, volumes, user, keeps_ids, filters_calls } = &self.engine;
        let mut pairs: Vec<(&str, OsString)> = vec![
            ("container-product", product.into()),
            ("container-version", version.into()),
            ("container-socket", socket.into()),
            ("container-image", image.into()),
            ("container-user", user.into()),
            ("container-name", (&self.name).into()),
        ];
        pairs.extend(volumes.iter().map(|volume| ("container-volume", volume.into())));
        pairs.extend(keeps_ids.then(|| ("container-keeps-ids", OsString::new())));
        pairs.extend(filters_calls.then(|| ("container-filters-calls", OsString::new())));
        for (name, value) in &self.labels {
            pairs.extend([("container-label", name.into()), ("container-label-value", value.into())]);
        }
        pairs
    }

    /// Takes one of them back; `None`: it is none.
    pub fn take(&mut self, key: &str, value: &OsStr) -> Option<()> {
        let text = || value.to_str().map(str::to_owned);
        match key {
            "container-product" => self.engine.product = text()?,
            "container-version" => self.engine.version = text()?,
            "container-socket" => self.engine.socket = value.into(),
            "container-image" => self.engine.image = text()?,
            "container-user" => self.engine.user = text()?,
            "container-name" => self.name = text()?,
            "container-volume" => self.engine.volumes.push(value.into()),
            "container-keeps-ids" => self.engine.keeps_ids = true,
            "container-filters-calls" => self.engine.filters_calls = true,
            "container-label" => self.labels.push((text()?, String::new())),
            "container-label-value" => self.labels.last_mut()?.1 = text()?,
            _ => return None,
        }
        Some(())
    }
}

fn random() -> u64 {
    let mut bytes = [0; 8];
    match rustix::rand::getrandom(&mut bytes, rustix::rand::GetRandomFlags::empty()) {
        Ok(8) => u64::from_ne_bytes(bytes),
        // Before the kernel has collected any chance: a name that is taken is refused by the engine.
        Ok(_) | Err(_) => u64::from(std::process::id()),
    }
}

/// Whether what is passed to an engine is text: its interface knows nothing else.
#[cfg_attr(not(feature = "docker"), expect(dead_code, reason = "nothing is passed to an engine"))]
fn as_text(what: &str, value: &OsStr) -> Result<String, String> {
    let shown = || String::from_utf8_lossy(value.as_bytes()).into_owned();
    value.to_str().map(str::to_owned).ok_or_else(|| format!("pass on {what} {:?}, which is no UTF-8", shown()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_tell_whose_it_is() {
        let env = [(ENGINE_VARIABLE.into(), "home:7:99".into()), (STEP_VARIABLE.into(), "p/3/2/1".into())];
        let labels = Container::new(&Engine::default(), &env).labels;
        let pair = |(name, value): (&str, &str)| (name.to_owned(), value.to_owned());
        let expected = [
            (HOME_LABEL, "home"),
            (ENGINE_LABEL, "home:7:99"),
            ("wfctl.project", "p"),
            ("wfctl.task", "3"),
            ("wfctl.attempt", "2"),
            ("wfctl.step", "1"),
        ];
        assert_eq!(labels, expected.map(pair));
        assert_eq!(Container::new(&Engine::default(), &[]).labels, []);
    }

    #[test]
    fn no_two_have_one_name() {
        let name = || Container::new(&Engine::default(), &[]).name;
        assert_ne!(name(), name());
    }
}
