//! Models that say what they said: the choice of each call, and its reply or failure, come from the records. There is nothing in
//! here that could reach a network.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use async_trait::async_trait;

use crate::agents::provider::recorded::{Recorded, RecordedExchange};
use crate::agents::provider::{CallContext, Heard, ModelFailure, Provider as _, presets};
use crate::agents::secrets::Secrets;
use crate::agents::walk::{Came, Choice, History, Models, Policy, needs_waiting};
use crate::domain::budget::Amounts;
use crate::domain::call::{CallIntent, CallKind, CallOutcome};
use crate::domain::chat::{ModelReply, ModelRequest};
use crate::domain::failure::{Failure, FailureClass};
use crate::domain::payload::PayloadSource;
use crate::domain::workflow::ModelsSpec;
use crate::steps::ModelSource;
use crate::telemetry::mask::{Masker, Masks};

/// Asked for when the records have no further call; the comparison finds that there is one too many.
const NOBODY: &str = "recorded/nobody";

/// A call of a model on record.
#[derive(Debug, Clone)]
pub struct Exchange {
    /// What was asked.
    pub intent: CallIntent,
    /// What came; `None`: the engine stopped before.
    pub outcome: Option<CallOutcome>,
}

/// The calls of one leg of an attempt, from where it is taken up to where it ended.
pub struct Played {
    exchanges: Vec<Exchange>,
    /// What the leg ended with, when that was a failure.
    ended_with: Option<Failure>,
    provider: Recorded,
    at: AtomicUsize,
}

impl Played {
    /// Models of the task `name` in `attempt`. Errors: a reply on record cannot be read.
    pub fn new(
        (name, attempt): (&str, u32),
        exchanges: Vec<Exchange>,
        ended_with: Option<Failure>,
        source: &dyn PayloadSource,
    ) -> Result<Self, String> {
        let recorded = exchanges.iter().filter_map(|exchange| {
            let outcome = exchange.outcome.as_ref()?;
            Some(recorded(&exchange.intent, outcome, source))
        });
        let recorded = recorded.collect::<Result<Vec<_>, _>>()?;
        let provider = Recorded::new(BTreeMap::from([((name.to_owned(), attempt), recorded)]));
        Ok(Self { exchanges, ended_with, provider, at: AtomicUsize::new(0) })
    }

    fn present(&self) -> Option<&Exchange> {
        self.exchanges.get(self.at.load(Ordering::SeqCst))
    }
}

fn recorded(
    intent: &CallIntent,
    outcome: &CallOutcome,
    source: &dyn PayloadSource,
) -> Result<RecordedExchange, String> {
    let reply = match &outcome.result {
        Ok(payload) => {
            let bytes = source.read(payload).map_err(|error| error.to_string())?;
            let reply = match intent.kind {
                // With a summary goes what it does not say: the files that were changed.
                CallKind::Compact => serde_json::from_slice::<(ModelReply, serde_json::Value)>(&bytes).map(|it| it.0),
                _ => serde_json::from_slice::<ModelReply>(&bytes),
            };
            Ok(reply.map_err(|error| format!("the reply of call {} cannot be read: {error}", intent.ix))?)
        }
        Err(failure) => Err(failure.clone()),
    };
    Ok(RecordedExchange { request: intent.input, text: None, outcome: reply, usage: outcome.usage })
}

#[async_trait]
impl Models for Played {
    fn next(&self, _: &Policy, history: &History) -> Choice {
        if let Some(exchange) = self.present() {
            return Choice::Ask(exchange.intent.label.clone());
        }
        let failed_last = history.tried.last().is_some_and(|tried| matches!(tried.came, Came::Nothing { .. }));
        match &self.ended_with {
            Some(failure) if failed_last || needs_waiting(failure.class) => Choice::GiveUp(failure.clone()),
            Some(_) | None => Choice::Ask(NOBODY.to_owned()),
        }
    }

    /// As small as it must be for a summary where one was made, else without an end.
    fn window(&self, _: &str) -> Option<u64> {
        self.present().filter(|exchange| exchange.intent.kind == CallKind::Compact).map(|_| 0)
    }

    fn reserve(&self, _: &ModelRequest) -> Result<Amounts, Failure> {
        Ok(self.present().map(|exchange| exchange.intent.reserved).unwrap_or_default())
    }

    async fn complete(
        &self,
        request: &ModelRequest,
        context: &CallContext,
        heard: Heard<'_>,
    ) -> Result<ModelReply, ModelFailure> {
        if self.present().is_some_and(|exchange| exchange.outcome.is_none()) {
            // The engine stopped while it waited; so will this one.
            return std::future::pending().await;
        }
        self.at.fetch_add(1, Ordering::SeqCst);
        self.provider.complete(request, context, heard).await
    }
}

/// The models of one step.
pub struct Source {
    played: Option<Arc<Played>>,
    masks: Masks,
    /// What is struck out of what models read besides.
    hidden: Masker,
}

impl Source {
    /// `environment` as the engine would have it: the same secrets are struck out of the same texts.
    pub fn new(played: Option<Arc<Played>>, environment: &[(OsString, OsString)], masks: &Masks) -> Self {
        let text = |value: &OsString| value.to_str().map(str::to_owned);
        let texts = environment.iter().filter_map(|(name, value)| Some((text(name)?, text(value)?))).collect();
        let keys = key_names();
        let hidden = Secrets::from_environment(&texts).sensitive(|name| keys.contains(name));
        Self { played, masks: masks.clone(), hidden: Masker::new(hidden.values()) }
    }
}

fn key_names() -> BTreeSet<String> {
    presets::PRESETS.iter().filter_map(|preset| preset.key_env).map(str::to_owned).collect()
}

#[async_trait]
impl ModelSource for Source {
    fn key_names(&self) -> BTreeSet<String> {
        key_names()
    }

    fn redact(&self, text: String) -> String {
        self.masks.now().text(self.hidden.text(text))
    }

    async fn models(&self, _: &ModelsSpec, role: &str, _: bool) -> Result<Arc<dyn Models>, Failure> {
        match &self.played {
            Some(played) => Ok(played.clone()),
            None => {
                let message = format!("no model is on record for the role {role}");
                Err(Failure::new(FailureClass::ModelNotFound, message))
            }
        }
    }
}
