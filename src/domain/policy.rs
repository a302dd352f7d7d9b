//! What a person configures about models: the providers, and which models a role uses. Plain data; what it leads to is
//! `agents/router.rs` and `agents/provider/registry.rs`.
//!
//! ```toml
//! [providers.house]
//! base_url = "https://models.example.org/v1"
//! key_env = "HOUSE_KEY"
//! [roles.implementer]
//! models = ["openai/gpt-6-sol", "anthropic/claude-sonnet-5-5"]
//! ```

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::limits;

/// Output tokens of a call unless a policy says otherwise: a long file and the thoughts before it fit.
const OUTPUT_TOKENS: u32 = 32_000;

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

/// Which models a role uses, and how: one `[roles.NAME]`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Policy {
    /// `provider/model`, the preferred one first.
    pub models: Vec<String>,
    /// Most output tokens of one call.
    #[serde(default = "output_tokens")]
    pub max_output_tokens: u32,
    /// Sampling temperature; absent: the provider's default.
    #[serde(default)]
    pub temperature: Option<f32>,
    /// By what they are ordered.
    #[serde(default)]
    pub prefer: Prefer,
    /// Models that of late took longer for a reply come last.
    #[serde(default)]
    pub max_latency_ms: Option<u64>,
    /// Most tokens that one task of the role may use.
    #[serde(default)]
    pub task_tokens: Option<u64>,
    /// Most money that one task of the role may use, in millionths of a US dollar.
    #[serde(default)]
    pub task_usd_micros: Option<u64>,
}

fn output_tokens() -> u32 {
    OUTPUT_TOKENS
}

impl Policy {
    /// One model and the defaults.
    pub fn of(model: impl Into<String>) -> Self {
        Self {
            models: vec![model.into()],
            max_output_tokens: OUTPUT_TOKENS,
            temperature: None,
            prefer: Prefer::default(),
            max_latency_ms: None,
            task_tokens: None,
            task_usd_micros: None,
        }
    }

    /// What is wrong with it, if anything is.
    pub fn problem(&self) -> Option<String> {
        if self.models.is_empty() || self.models.len() > limits::POLICY_MODELS {
            return Some(format!("a policy has 1 to {} models, not {}", limits::POLICY_MODELS, self.models.len()));
        }
        let named = |model: &str| {
            model.split_once('/').is_some_and(|(provider, name)| !provider.is_empty() && !name.is_empty())
        };
        if let Some(model) = self.models.iter().find(|model| !named(model)) {
            return Some(format!("{model:?} is no model; name it as PROVIDER/MODEL, e.g. openai/gpt-6-sol"));
        }
        if let Some((at, model)) = self.models.iter().enumerate().find(|(at, model)| self.models[..*at].contains(model))
        {
            return Some(format!("{model} is there twice, the second time as number {}", at + 1));
        }
        if self.max_output_tokens == 0 {
            return Some("max_output_tokens is 0".to_owned());
        }
        match self.temperature {
            Some(temperature) if !(0.0..=2.0).contains(&temperature) => {
                Some(format!("a temperature is between 0 and 2, not {temperature}"))
            }
            Some(_) | None => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_policy_of_a_few_words_has_defaults() {
        let policy: Policy = serde_json::from_str(r#"{"models": ["openai/gpt-5", "openrouter/anthropic/x"]}"#).unwrap();
        assert_eq!((policy.max_output_tokens, policy.prefer, policy.problem()), (OUTPUT_TOKENS, Prefer::Order, None));
        assert!(serde_json::from_str::<Policy>(r#"{"models": [], "modles": []}"#).is_err());
    }

    #[test]
    fn what_makes_no_sense_is_told() {
        let policy = |models: &[&str]| Policy {
            models: models.iter().map(|name| (*name).to_owned()).collect(),
            ..Policy::of("")
        };
        let many: Vec<String> = (0..=limits::POLICY_MODELS).map(|at| format!("a/{at}")).collect();
        let many: Vec<&str> = many.iter().map(String::as_str).collect();
        assert_eq!(policy(&many[1..]).problem(), None);
        for (policy, wanted) in [
            (policy(&[]), "1 to 16 models"),
            (policy(&many), "not 17"),
            (policy(&["gpt-5"]), "PROVIDER/MODEL"),
            (policy(&["/x"]), "PROVIDER/MODEL"),
            (policy(&["a/x", "a/x"]), "twice"),
            (Policy { max_output_tokens: 0, ..policy(&["a/x"]) }, "is 0"),
            (Policy { temperature: Some(2.5), ..policy(&["a/x"]) }, "not 2.5"),
            (Policy { temperature: Some(f32::NAN), ..policy(&["a/x"]) }, "between"),
        ] {
            let problem = policy.problem().unwrap();
            assert!(problem.contains(wanted), "{problem}");
        }
    }
}
