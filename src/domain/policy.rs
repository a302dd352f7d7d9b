//! What is settled about models: how a provider is reached and limited, and in which order a role's models are asked. Plain data;
//! what it leads to is `agents/router` and `agents/provider/registry`.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// What a provider is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ProviderKind {
    /// An endpoint that speaks OpenAI's protocol.
    #[default]
    Openai,
    /// Answers from a file.
    Scripted,
}

/// One `[providers.NAME]`. What is absent is taken from the preset of that name, if there is one.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ProviderSettings {
    /// What it is.
    pub kind: ProviderKind,
    /// The well-known provider that it behaves like and is billed as.
    pub like: Option<String>,
    /// The URL before `/chat/completions`.
    pub base_url: Option<String>,
    /// The name of the variable, or of the entry in the secrets file, that holds the key.
    pub key_env: Option<String>,
    /// Headers to send; a value `$NAME` is the secret of that name.
    pub headers: BTreeMap<String, String>,
    /// `scripted`: the file.
    pub script: Option<PathBuf>,
    /// Calls cost nothing: the model runs on one's own machines.
    pub free: Option<bool>,
    /// Silence in milliseconds after which an answer is given up.
    pub idle_ms: Option<u64>,
    /// Most calls at once.
    pub max_concurrent: Option<u32>,
    /// Most calls in a minute.
    pub requests_per_minute: Option<u32>,
    /// Most tokens in a minute, by what is reserved for each call.
    pub tokens_per_minute: Option<u64>,
}

/// By what a policy orders the models that may be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Prefer {
    /// As they are listed.
    #[default]
    Order,
    /// The quickest of late first.
    Latency,
    /// The cheapest first.
    Cost,
}

/// Which models a role uses, and in which order.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Policy {
    /// `provider/model`, the preferred one first.
    pub models: Vec<String>,
    /// By what they are ordered.
    pub prefer: Prefer,
    /// Models that of late took longer for a reply come last.
    pub max_latency_ms: Option<u64>,
}
