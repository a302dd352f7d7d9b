//! The servers of tools for agents that the person configured, and what they are started with.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::sync::Arc;

use super::App;
use crate::agents::mcp::{Host, Servers};
use crate::agents::provider::presets;
use crate::agents::secrets;
use crate::workspace::leftovers::{self, Leftovers};

/// The servers; none is connected to yet. What they inherit has no secrets in it: a configuration names those that one needs.
pub fn made(app: &App, leftovers: &Arc<Leftovers>) -> Servers {
    let mut environment = inherited(app);
    environment.push((leftovers::ENGINE_VARIABLE.into(), leftovers.engine_marker().into()));
    let host = Host {
        environment,
        texts: app.environment.texts(),
        dir: app.places.home.clone(),
        leftovers: leftovers.clone(),
    };
    Servers::new(app.layers.servers().clone(), host)
}

/// The person's environment without secrets and what is wfctl's own.
pub fn inherited(app: &App) -> Vec<(OsString, OsString)> {
    let configured = app.layers.models().providers.values().filter_map(|provider| provider.key_env.as_deref());
    let keys: BTreeSet<&str> = presets::PRESETS.iter().filter_map(|preset| preset.key_env).chain(configured).collect();
    let is_withheld = |name: &OsString| {
        let name = name.to_string_lossy();
        name.starts_with("WFCTL_") || secrets::withheld(&name) || keys.contains(&*name)
    };
    let all = app.environment.all();
    all.filter(|(name, _)| !is_withheld(name)).map(|(name, value)| (name.clone(), value.clone())).collect()
}
