//! Which models a project's agents use: flags, then the workflow, then the configuration. Pinned at the start, so that a resume
//! from anywhere uses the same ones.

use std::collections::{BTreeMap, BTreeSet};

use super::super::args;
use super::super::context::Context;
use super::super::error::Error;
use crate::app::ModelProblem;
use crate::domain::workflow::{Action, Definition, ModelsSpec, ProviderSpec};

/// The provider that `--base-url` makes.
const CUSTOM: &str = "custom";

/// The models that are pinned with a project of `definition`. A workflow without agents pins none.
pub fn chosen(context: &Context, given: &args::Models, definition: &Definition) -> Result<ModelsSpec, Error> {
    if !given.trust_providers {
        refuse_providers(context, definition)?;
    }
    if !has_agents(definition) {
        if given.model.is_empty() {
            return Ok(definition.models.clone());
        }
        return Err(Error::Usage {
            message: format!("workflow {} has no agents, so it needs no --model", definition.name),
            hint: "Leave --model away; `wfctl run sdlc` is the workflow with agents.".to_owned(),
        });
    }
    let flags = from_flags(given)?;
    let mut models = definition.models.clone();
    if !flags.default.is_empty() {
        // Whoever names a model on the command line means all agents.
        models.default = flags.default;
        models.roles.clear();
        models.providers.extend(flags.providers);
        let providers =
            ModelsSpec { providers: context.app.layers().models().providers.clone(), ..ModelsSpec::default() };
        return Ok(models.over(&providers));
    }
    let models = models.over(context.app.layers().models());
    if models.default.is_empty() {
        return Err(Error::Usage {
            message: "no model is chosen for the agents".to_owned(),
            hint: "Give one: --model openai/gpt-5-mini (its key in OPENAI_API_KEY), or --base-url http://localhost:11434/v1 \
                   --model qwen3; or set `default` in [models] of your configuration. `wfctl demo` needs none."
                .to_owned(),
        });
    }
    Ok(models)
}

/// Refuses models that cannot be asked, before anything begins: with the whole of them it would be found out in the middle.
pub fn check(context: &Context, definition: &Definition) -> Result<(), Error> {
    let mut models = BTreeSet::new();
    if has_own_agents(definition) {
        models.extend(definition.models.default.iter().chain(definition.models.roles.values().flatten()).cloned());
        for task in definition.doings() {
            let repair = task.on_failure.as_ref().map(|branch| &branch.action);
            for action in [Some(&task.action), repair].into_iter().flatten() {
                if let Action::Agent(agent) = action {
                    models.extend(agent.models.iter().cloned());
                }
            }
        }
    }
    let of_phase = || definition.phases.iter().any(|phase| phase.budget.usd_micros.is_some());
    let priced = definition.budget.usd_micros.is_some() || of_phase();
    context.app.check_models(&definition.models, &models, priced).map_err(|problem| match problem {
        ModelProblem::Provider(message) => Error::Usage {
            message,
            hint: "Name one of openai, anthropic, google, groq, openrouter, deepseek, mistral, ollama, vllm; or give the endpoint \
                   with --base-url URL --model NAME."
                .to_owned(),
        },
        ModelProblem::Unpriced { model, file } => {
            let file = file.map_or("prices.toml beside your configuration".to_owned(), |file| file.display().to_string());
            Error::Usage {
                message: format!("the price of {model} is not known, and workflow {} has a cap on money", definition.name),
                hint: format!(
                    "Put it into {file}, in dollars per million tokens: [models] \"{model}\" = {{ input = 1.0, output = 4.0 }}; \
                     or choose another model with --model."
                ),
            }
        }
    })?;
    definition.children.values().try_for_each(|child| check(context, child))
}

/// Whoever names a provider is given keys and code. A workflow's file comes with a repository, which anybody may have written.
fn refuse_providers(context: &Context, definition: &Definition) -> Result<(), Error> {
    let mut named = BTreeMap::new();
    providers_of(definition, &mut named);
    if named.is_empty() {
        return Ok(());
    }
    let named: Vec<String> = named.into_iter().map(|(name, url)| format!("{name} ({url})")).collect();
    let own = context.app.config_file().map_or("your own configuration".to_owned(), |file| file.display().to_string());
    Err(Error::Usage {
        message: format!("workflow {} brings providers of its own: {}", definition.name, named.join(", ")),
        hint: format!(
            "They would be sent your keys and your code. If you trust them, say --trust-providers, or put them under \
             [models.providers] into {own}."
        ),
    })
}

/// The providers of a workflow and its children that something would be sent to, with where they are.
fn providers_of(definition: &Definition, named: &mut BTreeMap<String, String>) {
    // A script takes the place of a provider, and nothing leaves the machine.
    let reached = definition.models.providers.iter().filter(|(_, spec)| spec.script.is_none());
    for (name, spec) in reached {
        named.insert(name.clone(), spec.base_url.clone().unwrap_or_else(|| "at its own address".to_owned()));
    }
    definition.children.values().for_each(|child| providers_of(child, named));
}

fn has_agents(definition: &Definition) -> bool {
    has_own_agents(definition) || definition.children.values().any(|child| has_agents(child))
}

fn has_own_agents(definition: &Definition) -> bool {
    definition.doings().any(|task| {
        matches!(task.action, Action::Agent(_))
            || task.on_failure.as_ref().is_some_and(|branch| matches!(branch.action, Action::Agent(_)))
    })
}

fn from_flags(given: &args::Models) -> Result<ModelsSpec, Error> {
    let mut spec = ModelsSpec::default();
    let Some(url) = &given.base_url else {
        spec.default.clone_from(&given.model);
        for model in &spec.default {
            let is_whole =
                model.split_once('/').is_some_and(|(provider, name)| !provider.is_empty() && !name.is_empty());
            if !is_whole {
                return Err(Error::Usage {
                    message: format!("{model:?} does not name a provider and a model"),
                    hint: "Write `provider/model`, for example openai/gpt-5-mini, anthropic/claude-sonnet-4-5 or ollama/qwen3; \
                           or give the endpoint with --base-url."
                        .to_owned(),
                });
            }
        }
        return Ok(spec);
    };
    if !url.starts_with("http://") && !url.starts_with("https://") {
        return Err(Error::Usage {
            message: format!("{url:?} is not an http URL"),
            hint: "Write it with its version, for example http://localhost:11434/v1.".to_owned(),
        });
    }
    spec.default = given.model.iter().map(|model| format!("{CUSTOM}/{model}")).collect();
    let provider = ProviderSpec {
        base_url: Some(url.trim_end_matches('/').to_owned()),
        key_env: given.key_env.clone(),
        free: given.free || is_local(url),
        ..ProviderSpec::default()
    };
    spec.providers.insert(CUSTOM.to_owned(), provider);
    Ok(spec)
}

/// Whether an endpoint is on this machine.
fn is_local(url: &str) -> bool {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    let host = rest.split(['/', '?']).next().unwrap_or_default();
    let host = host.rsplit_once('@').map_or(host, |(_, host)| host);
    let name = match host.strip_prefix('[') {
        Some(v6) => v6.split(']').next().unwrap_or_default(),
        None => host.split(':').next().unwrap_or_default(),
    };
    name == "localhost" || name == "::1" || name.parse::<std::net::Ipv4Addr>().is_ok_and(|ip| ip.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_this_machine_is_local() {
        for url in ["http://localhost:1/v1", "http://127.0.0.2/v1", "http://[::1]:8000/v1", "https://me@localhost/v1"] {
            assert!(is_local(url), "{url}");
        }
        for url in ["https://localhost.example.com/v1", "http://10.0.0.1/v1", "http://127.0.0.1.example/v1"] {
            assert!(!is_local(url), "{url}");
        }
    }
}
