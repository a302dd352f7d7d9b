//! `wfctl config show`.

use super::super::args::{self, ConfigWhat};
use super::super::context::Context;
use super::super::error::Error;
use super::super::exit::Exit;
use super::super::table::{self, plain};
use super::super::terminal::Tone;
use crate::config::Key;

/// Prints the settings in force.
pub fn run(context: &Context, arguments: &args::Config) -> Result<Exit, Error> {
    let ConfigWhat::Show { origin } = &arguments.what;
    let (layers, terminal) = (context.app.layers(), &context.terminal);
    let setting = |key: Key| (key.name(), layers.get(key));
    if context.is_json {
        for (name, setting) in Key::ALL.map(setting) {
            let origin = setting.origin.to_string();
            terminal.json(&serde_json::json!({"key": name, "value": setting.value, "origin": origin}))?;
        }
        return Ok(Exit::Done);
    }
    let rows: Vec<_> = Key::ALL
        .map(setting)
        .into_iter()
        .map(|(name, setting)| {
            let origin = if *origin { format!("# {}", setting.origin) } else { String::new() };
            vec![plain(format!("{name} = {}", setting.value)), (Tone::Dim, origin)]
        })
        .collect();
    for line in table::lines(terminal, &rows) {
        terminal.data(line)?;
    }
    if *origin {
        terminal.data(format!("home = {}", context.app.home().display()))?;
    }
    Ok(Exit::Done)
}
