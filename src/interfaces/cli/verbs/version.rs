//! `wfctl version`.

use super::super::context::Context;
use super::super::error::Error;
use super::super::exit::Exit;

/// Prints it.
pub fn run(context: &Context) -> Result<Exit, Error> {
    let version = env!("CARGO_PKG_VERSION");
    if context.is_json {
        context.terminal.json(&serde_json::json!({"version": version}))?;
    } else {
        context.terminal.data(format!("wfctl {version}"))?;
    }
    Ok(Exit::Done)
}
