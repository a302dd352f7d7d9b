//! The secrets that a person has declared, and the way to their values.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::sync::OnceCell;

use super::{Secret, file, keyring};
use crate::domain::secret::SecretOrigin;
use crate::telemetry::mask::{LONGEST_BYTES, Masks, SHORTEST_BYTES, is_maskable};

/// How long a source may take. A keyring may ask a person to unlock it.
const PATIENCE: Duration = Duration::from_secs(30);

/// Where each declared secret is.
pub type Declared = BTreeMap<String, SecretOrigin>;

/// Declared secrets with what their sources need.
#[derive(Debug, Default)]
pub struct Shelf {
    declared: Declared,
    environment: BTreeMap<String, String>,
    file: Option<PathBuf>,
    masks: Masks,
    known: OnceCell<()>,
}

/// A secret that cannot be had.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("secret {name}: {why}")]
pub struct Missing {
    /// Its name.
    pub name: String,
    /// Why.
    pub why: Why,
}

/// Why a secret cannot be had.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Why {
    /// Nobody has declared it.
    #[error("it is not declared; add {name} = {forms} to [secrets] in {config}", forms = crate::domain::secret::FORMS)]
    Undeclared {
        /// Its name.
        name: String,
        /// The configuration.
        config: String,
    },
    /// Its source has no such value.
    #[error("there is no value at {origin}; {next}")]
    Absent {
        /// Where it should be.
        origin: String,
        /// What to do.
        next: String,
    },
    /// It is too short or too long to be struck out of texts.
    #[error(
        "its value at {0} cannot be masked, so it is not handed out: it must have {SHORTEST_BYTES} to {LONGEST_BYTES} bytes"
    )]
    NotMaskable(String),
    /// The source cannot be asked.
    #[error("{origin} cannot be read: {problem}")]
    Unreachable {
        /// Where it is.
        origin: String,
        /// What is wrong.
        problem: String,
    },
}

impl Shelf {
    /// `config_file` is the user's; the secrets file is beside it. Every value that is fetched is told to `masks`.
    pub fn new(
        declared: Declared,
        environment: BTreeMap<String, String>,
        config_file: Option<&Path>,
        masks: Masks,
    ) -> Self {
        let file = config_file.and_then(Path::parent).map(|folder| folder.join(file::NAME));
        Self { declared, environment, file, masks, known: OnceCell::new() }
    }

    /// The names with where each comes from.
    pub fn declared(&self) -> &Declared {
        &self.declared
    }

    /// The secrets file, whether or not it is there.
    pub fn file(&self) -> Option<&Path> {
        self.file.as_deref()
    }

    /// The values of these names.
    pub async fn get(&self, names: &[String]) -> Result<Vec<(String, Secret)>, Missing> {
        let mut all = Vec::new();
        for name in names {
            all.push((name.clone(), self.one(name).await?));
        }
        Ok(all)
    }

    /// Makes known to the masks what is on this machine: all of the secrets file, and what is declared to be in the environment.
    /// Nobody is asked, nothing is waited for.
    pub fn learn_here(&self) {
        let variables = self.declared.iter().filter_map(|(name, origin)| match origin {
            SecretOrigin::Environment(variable) => Some((name.as_str(), self.environment.get(variable)?.trim())),
            SecretOrigin::File | SecretOrigin::Keyring { .. } | SecretOrigin::Vault { .. } => None,
        });
        let of_file = self.file.as_deref().map(file::read).transpose().map(|found| found.flatten().unwrap_or_default());
        let of_file = of_file.unwrap_or_else(|error| {
            tracing::warn!(%error, "what is in it cannot be masked");
            BTreeMap::new()
        });
        let entries = of_file.iter().map(|(name, secret)| (name.as_str(), secret.expose()));
        self.masks.learn(variables.chain(entries));
    }

    /// Fetches what is declared once, so that it is struck out even of texts of commands that it is not handed to. What cannot
    /// be had is told in the log.
    pub async fn learn_all(&self) {
        let learn = async || {
            self.learn_here();
            let fetched = self.declared.keys().map(|name| self.one(name));
            for missing in futures_util::future::join_all(fetched).await.into_iter().filter_map(Result::err) {
                if !matches!(missing.why, Why::Absent { .. }) {
                    tracing::warn!(%missing, "a value that is not known here cannot be masked");
                }
            }
        };
        self.known.get_or_init(learn).await;
    }

    /// Variables of the engine's own environment that open secrets: no command inherits them, it is handed what it names.
    pub fn withheld(&self) -> BTreeSet<String> {
        let mut names = BTreeSet::new();
        for (name, origin) in &self.declared {
            names.insert(name.clone());
            match origin {
                SecretOrigin::Environment(variable) => names.extend([variable.clone()]),
                SecretOrigin::Vault { .. } => names.extend(["VAULT_TOKEN".to_owned()]),
                SecretOrigin::File | SecretOrigin::Keyring { .. } => {}
            }
        }
        names
    }

    async fn one(&self, name: &str) -> Result<Secret, Missing> {
        let missing = |why| Missing { name: name.to_owned(), why };
        let Some(origin) = self.declared.get(name) else {
            let config = match &self.file {
                Some(file) => file.with_file_name("config.toml").display().to_string(),
                None => "your configuration".to_owned(),
            };
            return Err(missing(Why::Undeclared { name: name.to_owned(), config }));
        };
        let shown = origin.to_string();
        let read = match tokio::time::timeout(PATIENCE, self.read(name, origin)).await {
            Ok(read) => read,
            Err(_) => Err(format!("no answer within {} s", PATIENCE.as_secs())),
        };
        let value = read.map_err(|problem| missing(Why::Unreachable { origin: shown.clone(), problem }))?;
        let Some(secret) = value.as_deref().and_then(Secret::new) else {
            return Err(missing(Why::Absent { origin: shown, next: next_of(name, origin) }));
        };
        if !is_maskable(secret.expose()) {
            return Err(missing(Why::NotMaskable(shown)));
        }
        self.masks.learn([(name, secret.expose())]);
        Ok(secret)
    }

    async fn read(&self, name: &str, origin: &SecretOrigin) -> Result<Option<String>, String> {
        match origin {
            SecretOrigin::Environment(variable) => Ok(self.environment.get(variable).cloned()),
            SecretOrigin::File => {
                let Some(path) = &self.file else { return Ok(None) };
                let all = file::read(path).map_err(|error| error.to_string())?;
                Ok(all.and_then(|mut all| all.remove(name)).map(|secret| secret.expose().to_owned()))
            }
            SecretOrigin::Keyring { service, user } => {
                let (service, user) = (service.clone(), user.clone());
                let read = tokio::task::spawn_blocking(move || keyring::get(&service, &user)).await;
                read.map_err(|error| error.to_string())?
            }
            #[cfg(feature = "vault")]
            SecretOrigin::Vault { mount, path, field } => {
                super::vault::get(&self.environment, &self.masks, [mount, path, field]).await
            }
            #[cfg(not(feature = "vault"))]
            SecretOrigin::Vault { .. } => {
                Err("this wfctl was built without Vault; build it with `cargo install --features vault`".to_owned())
            }
        }
    }
}

/// What brings a value to where it should be.
fn next_of(name: &str, origin: &SecretOrigin) -> String {
    match origin {
        SecretOrigin::Environment(variable) => format!("set {variable} where wfctl is started"),
        SecretOrigin::File => format!("set it with: wfctl secrets set {name}"),
        SecretOrigin::Keyring { .. } => format!("set it with: wfctl secrets set {name} --keyring"),
        SecretOrigin::Vault { mount, path, field } => {
            format!("put it there with: vault kv patch {mount}/{path} {field}=-")
        }
    }
}

#[cfg(test)]
mod tests;
