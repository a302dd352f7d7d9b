//! The providers that are configured, by name, made when they are first asked for. A model's name begins with its provider's:
//! `openai/gpt-5`, `openrouter/anthropic/claude-x`, `custom/whatever`.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use super::gate::{Gate, GateLimits};
use super::openai::{self, Embeddings, Endpoint, OpenAi};
use super::presets::{self, Preset, Quirks};
use super::scripted::Scripted;
use super::{Clocks, Provider};
use crate::agents::prices::{Billing, Prices};
use crate::agents::secrets::{Secret, Secrets};
use crate::domain::failure::{Failure, FailureClass};
use crate::domain::policy::{ProviderKind, ProviderSettings};
use crate::domain::workflow::did_you_mean;

/// The name of the provider of a finished project's records; it is added with [`Providers::insert`].
pub const RECORDED: &str = "recorded";

/// All providers. Presets need no settings; settings of the same name go over them.
pub struct Providers {
    settings: BTreeMap<String, ProviderSettings>,
    secrets: Secrets,
    prices: Arc<Prices>,
    environment: BTreeMap<String, String>,
    clocks: Clocks,
    http: OnceLock<Result<reqwest::Client, Failure>>,
    made: Mutex<BTreeMap<String, Arc<dyn Provider>>>,
}

impl Providers {
    /// `environment` may name proxies; the keys are in `secrets`.
    pub fn new(
        settings: BTreeMap<String, ProviderSettings>,
        secrets: Secrets,
        mut prices: Prices,
        environment: BTreeMap<String, String>,
        clocks: Clocks,
    ) -> Result<Self, Failure> {
        prices.bill(RECORDED, Billing::Free);
        for preset in presets::PRESETS.iter().filter(|preset| preset.key_env.is_none()) {
            prices.bill(preset.name, Billing::Free);
        }
        for (name, settings) in &settings {
            if let Some(billing) = checked(name, settings)? {
                prices.bill(name.clone(), billing);
            }
        }
        Ok(Self {
            settings,
            secrets,
            prices: Arc::new(prices),
            environment,
            clocks,
            http: OnceLock::new(),
            made: Mutex::default(),
        })
    }

    /// The prices, with how each provider is billed.
    pub fn prices(&self) -> Arc<Prices> {
        self.prices.clone()
    }

    /// Adds a provider that was made elsewhere, in place of any of its name.
    pub fn insert(&self, name: impl Into<String>, provider: Arc<dyn Provider>) {
        self.made.lock().unwrap_or_else(PoisonError::into_inner).insert(name.into(), provider);
    }

    /// The name of the provider of `model`; a failure when there is none of that name.
    pub fn provider_of<'m>(&self, model: &'m str) -> Result<&'m str, Failure> {
        let not_found = |what: String| Failure::new(FailureClass::ModelNotFound, what);
        let Some((name, rest)) = model.split_once('/').filter(|(name, rest)| !name.is_empty() && !rest.is_empty())
        else {
            return Err(not_found(format!("{model:?} is no model; name it as PROVIDER/MODEL, e.g. openai/gpt-6-sol")));
        };
        let is_made = self.made.lock().unwrap_or_else(PoisonError::into_inner).contains_key(name);
        if is_made || self.settings.contains_key(name) || presets::preset(name).is_some() {
            return Ok(name);
        }
        let known = self.settings.keys().map(String::as_str).chain(presets::PRESETS.iter().map(|preset| preset.name));
        let hint = did_you_mean(name, known).map(|hint| format!(" {hint}")).unwrap_or_default();
        Err(not_found(format!("no provider {name:?} is configured for model {rest:?}.{hint}")))
    }

    /// The provider of `model` (`provider/model`).
    pub fn resolve(&self, model: &str) -> Result<Arc<dyn Provider>, Failure> {
        let name = self.provider_of(model)?;
        let mut made = self.made.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(provider) = made.get(name) {
            return Ok(provider.clone());
        }
        let own = ProviderSettings::default();
        let provider = self.make(name, self.settings.get(name).unwrap_or(&own))?;
        made.insert(name.to_owned(), provider.clone());
        Ok(provider)
    }

    fn make(&self, name: &str, settings: &ProviderSettings) -> Result<Arc<dyn Provider>, Failure> {
        let provider: Arc<dyn Provider> = match settings.kind {
            ProviderKind::Scripted => {
                let path = settings.script.as_deref().unwrap_or(std::path::Path::new(""));
                let scripted = Scripted::open(path);
                Arc::new(scripted.map_err(|error| Failure::new(FailureClass::BadRequest, error.to_string()))?)
            }
            ProviderKind::Openai => Arc::new(self.speaker(name, settings)?),
        };
        let limits = GateLimits {
            concurrent: settings.max_concurrent,
            requests_per_minute: settings.requests_per_minute,
            tokens_per_minute: settings.tokens_per_minute,
        };
        if limits.is_open() {
            return Ok(provider);
        }
        Ok(Arc::new(Gate::new(provider, limits, self.prices.clone(), self.clocks.monotonic_ms.clone())))
    }

    /// Vectors by `model` (`provider/model`).
    pub fn embeddings(&self, model: &str) -> Result<Embeddings, Failure> {
        let name = self.provider_of(model)?;
        let own = ProviderSettings::default();
        let settings = self.settings.get(name).unwrap_or(&own);
        if settings.kind == ProviderKind::Scripted {
            return Err(wrong(name, "a script has no embeddings"));
        }
        let endpoint = self.endpoint(name, settings)?;
        Embeddings::new(&endpoint, self.http()?, model, self.prices.clone(), self.clocks.wall.clone())
            .map_err(|failure| wrong(name, failure.message))
    }

    fn http(&self) -> Result<reqwest::Client, Failure> {
        self.http.get_or_init(|| openai::http_client(&self.environment)).clone()
    }

    fn speaker(&self, name: &str, settings: &ProviderSettings) -> Result<OpenAi, Failure> {
        let endpoint = self.endpoint(name, settings)?;
        OpenAi::new(endpoint, self.http()?, self.prices.clone(), self.clocks.wall.clone())
            .map_err(|failure| wrong(name, failure.message))
    }

    fn endpoint(&self, name: &str, settings: &ProviderSettings) -> Result<Endpoint, Failure> {
        let preset = behaves_like(name, settings);
        let own_url = settings.base_url.as_deref();
        let base_url = own_url.or(preset.map(|preset| preset.base_url)).unwrap_or_default().to_owned();
        // The key of a well-known provider goes to its own address only, unless it is named for another.
        let preset_key = preset.and_then(|preset| preset.key_env).filter(|_| own_url.is_none());
        let key = match settings.key_env.as_deref().or(preset_key) {
            Some(variable) => Some(self.secret(name, variable)?),
            None => None,
        };
        let header = |(header, value): (&String, &String)| {
            let value = match value.strip_prefix('$') {
                Some(variable) => self.secrets.of_file(variable).cloned().ok_or_else(|| {
                    let what = format!(
                        "provider {name}: header {header} wants {variable}, which is not in the secrets file; a header is given \
                         nothing of the environment"
                    );
                    Failure::new(FailureClass::Auth, what)
                })?,
                None => Secret::new(value).ok_or_else(|| wrong(name, format!("header {header} is empty")))?,
            };
            Ok((header.clone(), value))
        };
        Ok(Endpoint {
            base_url,
            key,
            headers: settings.headers.iter().map(header).collect::<Result<_, Failure>>()?,
            quirks: preset.map_or_else(Quirks::default, |preset| preset.quirks),
            idle_ms: settings.idle_ms.unwrap_or(openai::IDLE_MS),
        })
    }

    fn secret(&self, name: &str, variable: &str) -> Result<Secret, Failure> {
        self.secrets.get(variable).cloned().ok_or_else(|| {
            let file = self.secrets.file().map_or("the secrets file".to_owned(), |file| file.display().to_string());
            let what = format!("provider {name} has no key: set {variable}, or put it into {file}");
            Failure::new(FailureClass::Auth, what)
        })
    }
}

fn behaves_like(name: &str, settings: &ProviderSettings) -> Option<&'static Preset> {
    presets::preset(settings.like.as_deref().unwrap_or(name))
}

fn wrong(name: &str, what: impl std::fmt::Display) -> Failure {
    Failure::new(FailureClass::BadRequest, format!("provider {name}: {what}"))
}

/// Checks one `[providers.NAME]`, and says how it is billed if that is not by its own name.
fn checked(name: &str, settings: &ProviderSettings) -> Result<Option<Billing>, Failure> {
    if name.is_empty() || name.contains('/') {
        return Err(wrong(name, "a provider's name is not empty and has no `/`"));
    }
    if let Some(like) = &settings.like
        && presets::preset(like).is_none()
    {
        let hint = did_you_mean(like, presets::PRESETS.iter().map(|preset| preset.name)).unwrap_or_default();
        return Err(wrong(name, format!("like = {like:?} is no well-known provider. {hint}")));
    }
    let preset = behaves_like(name, settings);
    match settings.kind {
        ProviderKind::Scripted if settings.script.is_none() => return Err(wrong(name, "script = \"FILE\" is missing")),
        ProviderKind::Openai if settings.base_url.is_none() && preset.is_none() => {
            return Err(wrong(name, "base_url is missing"));
        }
        ProviderKind::Scripted | ProviderKind::Openai => {}
    }
    let zero = [settings.max_concurrent.map(u64::from), settings.requests_per_minute.map(u64::from)]
        .into_iter()
        .chain([settings.tokens_per_minute, settings.idle_ms])
        .any(|limit| limit == Some(0));
    if zero {
        return Err(wrong(name, "a limit of 0 would let nothing through"));
    }
    let local = settings.kind == ProviderKind::Scripted || preset.is_some_and(|preset| preset.key_env.is_none());
    Ok(match settings.free.unwrap_or(local) {
        true => Some(Billing::Free),
        // At a price of one's own table, or at that of the provider it is like; another address is another seller.
        false => preset.map(|preset| Billing::As(preset.name.to_owned())),
    })
}

#[cfg(test)]
mod tests;
