//! The models of agents: router, providers, prices and keys as one, made from what is pinned with a project and from what only
//! this machine knows (keys, prices).

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

use async_trait::async_trait;

use crate::agents::prices::Prices;
use crate::agents::provider::openai::Embeddings;
use crate::agents::provider::registry::Providers;
use crate::agents::provider::{CallContext, Clocks, Heard, ModelFailure, presets};
use crate::agents::router::{self, Cooling, Outcome, Tried};
use crate::agents::secrets::Secrets;
use crate::agents::walk::{self, Came, Choice, History, Models, Policy, needs_waiting};
use crate::domain::budget::Amounts;
use crate::domain::chat::{ModelReply, ModelRequest};
use crate::domain::failure::{Failure, FailureClass};
use crate::domain::policy::{self, Prefer, ProviderKind, ProviderSettings};
use crate::domain::time::Millis;
use crate::domain::workflow::{ModelsSpec, ProviderSpec};
use crate::engine::ports::Clock;
use crate::steps::ModelSource;
use crate::telemetry::mask::Masks;
use live::Live;

mod live;
mod mask;

/// Beside the user's configuration: keys by the names of their variables, readable by the user alone.
const SECRETS: &str = "secrets.toml";
/// Beside the user's configuration: prices in place of the shipped ones.
const PRICES: &str = "prices.toml";

/// Makes models, and keeps what was made: limits and cool-downs are per provider, not per project.
pub struct Source {
    environment: BTreeMap<String, String>,
    folder: Option<PathBuf>,
    clock: Arc<dyn Clock>,
    cooling: Cooling,
    made: Mutex<HashMap<Made, Arc<Providers>>>,
    key_names: Mutex<BTreeSet<String>>,
    /// What is struck out of all texts: keys of providers are added.
    masks: Masks,
    /// What is struck out of what models read besides: what its name gives away as a secret.
    hidden: Masks,
}

/// What providers were made from: the pinned specs, and the state of the files beside the configuration.
#[derive(PartialEq, Eq, Hash)]
struct Made {
    specs: String,
    changed: [Option<SystemTime>; 2],
}

impl Source {
    /// `environment` holds keys and proxies; `config_file` is the user's, `configured` what it says about models.
    pub fn new(
        environment: BTreeMap<String, String>,
        config_file: Option<PathBuf>,
        configured: &ModelsSpec,
        clock: Arc<dyn Clock>,
        masks: Masks,
    ) -> Self {
        let folder = config_file.and_then(|file| file.parent().map(Path::to_owned));
        let known = presets::PRESETS.iter().filter_map(|preset| preset.key_env).map(str::to_owned);
        let key_names: BTreeSet<String> = known.chain(key_names_of(configured)).collect();
        let hidden = Masks::default();
        let sensitive = Secrets::from_environment(&environment).sensitive(|name| key_names.contains(name));
        hidden.learn(sensitive.values());
        masks.learn(sensitive.values().filter(|(name, _)| key_names.contains(*name)));
        Self {
            masks,
            hidden,
            environment,
            folder,
            clock,
            cooling: Cooling::default(),
            made: Mutex::default(),
            key_names: Mutex::new(key_names),
        }
    }

    /// Vectors by `model`, of the providers that `spec` has.
    pub(super) fn embeddings(&self, spec: &ModelsSpec, model: &str) -> Result<Embeddings, Failure> {
        self.providers(spec)?.embeddings(model)
    }

    /// The prices of what `spec` has.
    pub(super) fn prices(&self, spec: &ModelsSpec) -> Result<Arc<Prices>, Failure> {
        Ok(self.providers(spec)?.prices())
    }

    fn providers(&self, spec: &ModelsSpec) -> Result<Arc<Providers>, Failure> {
        let file = |name: &str| self.folder.as_ref().map(|folder| folder.join(name));
        let changed = |path: Option<PathBuf>| path.and_then(|path| std::fs::metadata(path).ok()?.modified().ok());
        let made = Made {
            specs: serde_json::to_string(&spec.providers).unwrap_or_default(),
            changed: [changed(file(SECRETS)), changed(file(PRICES))],
        };
        let mut all = self.made.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = all.get(&made) {
            return Ok(known.clone());
        }
        let mut secrets = Secrets::from_environment(&self.environment);
        if let Some(path) = file(SECRETS) {
            secrets = secrets.with_file(&path).map_err(|error| Failure::new(FailureClass::Auth, error.to_string()))?;
        }
        let prices = prices(file(PRICES).as_deref())?;
        let mut key_names = self.key_names.lock().unwrap_or_else(PoisonError::into_inner);
        key_names.extend(key_names_of(spec));
        let sensitive = secrets.sensitive(|name| key_names.contains(name));
        self.hidden.learn(sensitive.values());
        let is_known = |name: &str| key_names.contains(name) || secrets.of_file(name).is_some();
        self.masks.learn(sensitive.values().filter(|(name, _)| is_known(name)));
        drop(key_names);
        let settings = spec.providers.iter().map(|(name, spec)| (name.clone(), settings_of(spec))).collect();
        let (wall, monotonic) = (self.clock.clone(), self.clock.clone());
        let clocks =
            Clocks { wall: Arc::new(move || wall.now()), monotonic_ms: Arc::new(move || monotonic.monotonic_ms()) };
        let providers = Arc::new(Providers::new(settings, secrets, prices, self.environment.clone(), clocks)?);
        all.insert(made, providers.clone());
        Ok(providers)
    }
}

fn key_names_of(spec: &ModelsSpec) -> impl Iterator<Item = String> {
    spec.providers.values().filter_map(|provider| provider.key_env.clone())
}

fn prices(own: Option<&Path>) -> Result<Prices, Failure> {
    let shipped = Prices::shipped();
    let Some(path) = own else { return Ok(shipped) };
    let failed = |problem: String| Failure::new(FailureClass::BadRequest, format!("{}: {problem}", path.display()));
    match std::fs::read_to_string(path) {
        Ok(text) => shipped.with_table(&path.display().to_string(), &text).map_err(|error| failed(error.to_string())),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(shipped),
        Err(error) => Err(failed(error.to_string())),
    }
}

fn settings_of(spec: &ProviderSpec) -> ProviderSettings {
    ProviderSettings {
        kind: if spec.script.is_some() { ProviderKind::Scripted } else { ProviderKind::Openai },
        base_url: spec.base_url.clone(),
        key_env: spec.key_env.clone(),
        headers: spec.headers.clone(),
        script: spec.script.as_ref().map(PathBuf::from),
        free: spec.free.then_some(true),
        idle_ms: spec.idle_ms,
        max_concurrent: spec.max_concurrent,
        requests_per_minute: spec.requests_per_minute,
        tokens_per_minute: spec.tokens_per_minute,
        ..ProviderSettings::default()
    }
}

#[async_trait]
impl ModelSource for Source {
    fn key_names(&self) -> BTreeSet<String> {
        self.key_names.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn redact(&self, text: String) -> String {
        self.masks.now().text(self.hidden.now().text(text))
    }

    async fn models(&self, spec: &ModelsSpec, _role: &str, priced: bool) -> Result<Arc<dyn Models>, Failure> {
        let providers = self.providers(spec)?;
        let prices = providers.prices();
        Ok(Arc::new(Routed {
            providers,
            prices,
            cooling: self.cooling.clone(),
            clock: self.clock.clone(),
            priced,
            prefer: spec.prefer,
            max_latency_ms: spec.max_latency_ms,
            masks: [self.masks.clone(), self.hidden.clone()],
        }))
    }
}

/// Models for one walk.
struct Routed {
    providers: Arc<Providers>,
    prices: Arc<Prices>,
    cooling: Cooling,
    clock: Arc<dyn Clock>,
    priced: bool,
    prefer: Prefer,
    max_latency_ms: Option<u64>,
    /// What no model is sent, and what of it comes back.
    masks: [Masks; 2],
}

/// A walk's history in the router's words.
fn tried(history: &History) -> Vec<Tried> {
    let outcome = |came: &Came| match came {
        Came::Reply => Outcome::Answered,
        Came::Summary => Outcome::Compacted,
        Came::Nothing { failure, .. } => Outcome::Failed(failure.class),
    };
    history.tried.iter().map(|tried| Tried { model: tried.model.clone(), outcome: outcome(&tried.came) }).collect()
}

/// Why nothing is left to ask, with what the last call failed with: it says what to do. Of a single provider that is all.
fn told(failure: Failure, history: &History) -> Failure {
    let provider = |tried: &walk::Tried| tried.model.split('/').next().map(str::to_owned);
    let failed = history.tried.iter().rev().find_map(|tried| match &tried.came {
        Came::Nothing { failure, .. } => Some(failure),
        Came::Reply | Came::Summary => None,
    });
    let Some(last) = failed else { return failure };
    let providers: BTreeSet<_> = history.tried.iter().map(provider).collect();
    match providers.len() {
        1 => last.clone(),
        _ => Failure { message: format!("{}; {}", last.message, failure.message), ..failure },
    }
}

/// What is wrong with a model that was chosen, found before anything begins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ModelProblem {
    /// No provider of that name, or one that is not configured as it should be.
    Provider(String),
    /// Its price is not known, and there is a cap on money.
    Unpriced {
        /// The model.
        model: String,
        /// Where its price can be given.
        file: Option<PathBuf>,
    },
}

/// Checks models against `spec`; `config_file` is the user's. `priced`: there is a cap on money. Asks nobody.
pub(super) fn check(
    spec: &ModelsSpec,
    models: &BTreeSet<String>,
    priced: bool,
    config_file: Option<&Path>,
) -> Result<(), ModelProblem> {
    let file = config_file.and_then(Path::parent).map(|folder| folder.join(PRICES));
    let wrong = |failure: Failure| ModelProblem::Provider(failure.message);
    let settings = spec.providers.iter().map(|(name, spec)| (name.clone(), settings_of(spec))).collect();
    let clocks = Clocks { wall: Arc::new(|| Millis(0)), monotonic_ms: Arc::new(|| 0) };
    let prices = prices(file.as_deref()).map_err(wrong)?;
    let providers = Providers::new(settings, Secrets::default(), prices, BTreeMap::new(), clocks).map_err(wrong)?;
    let prices = providers.prices();
    for model in models {
        providers.provider_of(model).map_err(wrong)?;
        if priced && prices.model(model).is_none() {
            return Err(ModelProblem::Unpriced { model: model.clone(), file });
        }
    }
    Ok(())
}

#[async_trait]
impl Models for Routed {
    fn next(&self, policy: &Policy, history: &History) -> Choice {
        let policy =
            policy::Policy { models: policy.models.clone(), prefer: self.prefer, max_latency_ms: self.max_latency_ms };
        let now_ms = self.clock.monotonic_ms();
        let last = history.tried.last().and_then(|tried| match &tried.came {
            Came::Nothing { failure, waited } => Some((failure, *waited)),
            Came::Reply | Came::Summary => None,
        });
        match router::choose(&policy, &tried(history), &self.cooling, &self.prices, now_ms) {
            router::Choice::Use(model) | router::Choice::Compact(model) => Choice::Ask(model),
            router::Choice::RetrySame(model) => match last {
                Some((failure, false)) if needs_waiting(failure.class) => Choice::Wait(failure.clone()),
                Some(_) | None => Choice::Ask(model),
            },
            router::Choice::Park(ms) => {
                let failure = last.map(|(failure, _)| failure.clone()).unwrap_or_else(|| {
                    Failure::new(FailureClass::RateLimited, "every model of the role is cooling down")
                });
                Choice::Wait(Failure { retry_after_ms: Some(ms), ..failure })
            }
            // Every model has failed for a reason that passes: once that was waited for, they are asked anew.
            router::Choice::GiveUp(failure) if needs_waiting(failure.class) => match (last, policy.models.first()) {
                (Some((failure, false)), _) => Choice::Wait(failure.clone()),
                (Some(_) | None, Some(first)) => Choice::Ask(first.clone()),
                (Some(_) | None, None) => Choice::GiveUp(failure),
            },
            router::Choice::GiveUp(failure) => Choice::GiveUp(told(failure, history)),
        }
    }

    fn window(&self, model: &str) -> Option<u64> {
        self.prices.model(model).and_then(|model| model.context_tokens)
    }

    fn reserve(&self, request: &ModelRequest) -> Result<Amounts, Failure> {
        match self.prices.estimate(request) {
            Ok(amounts) => Ok(amounts),
            // What cannot be sent costs nothing, and says better why it cannot.
            Err(unpriced) if self.priced && self.providers.resolve(&request.model).is_ok() => Err(unpriced.failure()),
            Err(unpriced) => Ok(unpriced.amounts),
        }
    }

    async fn complete(
        &self,
        request: &ModelRequest,
        context: &CallContext,
        heard: Heard<'_>,
    ) -> Result<ModelReply, ModelFailure> {
        let unsent = |failure| ModelFailure { failure, sent: false, usage: None, partial: String::new() };
        let provider = self.providers.resolve(&request.model).map_err(unsent)?;
        let masks = self.masks.each_ref().map(Masks::now);
        let (request, found) = mask::request(&masks, request);
        if !found.is_empty() {
            let names = found.join(", ");
            tracing::warn!(names, model = request.model, task = context.task, "secrets were struck out of a prompt");
        }
        let began_ms = self.clock.monotonic_ms();
        let live = Live::new(&masks, heard);
        let answer = provider.complete(&request, context, &|text| live.hear(text)).await;
        let now_ms = self.clock.monotonic_ms();
        match answer {
            Ok(reply) => {
                let reply = mask::reply(&masks, reply);
                self.cooling.answered(&request.model, now_ms.saturating_sub(began_ms));
                Ok(reply)
            }
            Err(failed) => {
                let failed = mask::failure(&masks, failed);
                self.cooling.failed(&request.model, &failed.failure, now_ms);
                Err(failed)
            }
        }
    }
}
