//! `wfctl sandbox`: run one command under the usual policy, to try it out.

use serde_json::json;

use super::super::args;
use super::super::context::Context;
use super::super::error::Error;
use super::super::exit::Exit;
use super::super::terminal::harmless;
use crate::app::{Trial, TrialError};
use crate::domain::sandbox::Backend;

/// Runs it, and ends with its exit code.
pub async fn run(context: &Context, arguments: args::Sandbox) -> Result<Exit, Error> {
    let backend = Backend::named(&arguments.backend).ok_or_else(|| Error::Usage {
        message: format!("there is no backend `{}`", arguments.backend),
        hint: "Use `auto`, `bwrap` or `native`.".to_owned(),
    })?;
    let trial = Trial { backend, hosts: arguments.allow_net, writable: arguments.writable, command: arguments.command };
    let tried = context.app.try_in_sandbox(&trial).await.map_err(failed)?;
    if context.is_json {
        context.terminal.json(&json!({
            "v": 1, "type": "sandbox", "code": tried.code, "ran_under": tried.ran_under, "refused": tried.refused,
        }))?;
    } else {
        if arguments.verbose {
            context.terminal.note(format!("ran under {}", tried.ran_under));
        }
        for host in &tried.refused {
            context.terminal.note(format!("refused: {}; allow it with --allow-net", harmless(host)));
        }
    }
    Ok(Exit::OfCommand(tried.code))
}

fn failed(error: TrialError) -> Error {
    let hint = match &error {
        TrialError::Program(_) => "Name a program, and its arguments behind it: wfctl sandbox -- ls -l.",
        TrialError::Host(_) => "Name hosts one by one: --allow-net example.org --allow-net 127.0.0.1:8080.",
        TrialError::Sandbox(_) | TrialError::System { .. } => "See what this machine can do with `wfctl doctor`.",
    };
    Error::Usage { message: error.to_string(), hint: hint.to_owned() }
}
