//! `wfctl sandbox`: run one command in this folder under the policy of a `run` step, to try it out.

use serde_json::json;

use super::super::args;
use super::super::context::Context;
use super::super::error::Error;
use super::super::exit::Exit;
use super::super::terminal::harmless;
use super::allow;
use crate::app::{Trial, TrialError};
use crate::domain::sandbox::Backend;

/// Runs it, and ends with its exit code.
pub async fn run(context: &Context, arguments: args::Sandbox) -> Result<Exit, Error> {
    let allowed = allow::by_hand(context, &arguments)?;
    if allowed.backend == Backend::None {
        return Err(Error::Usage {
            message: "your configuration says that commands run without a sandbox".to_owned(),
            hint: "Name a backend to try one: wfctl sandbox --backend auto -- ls -l.".to_owned(),
        });
    }
    let trial = Trial { allowed, command: arguments.command };
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
    let hint = match error {
        TrialError::Uncontained { why, remedies } => return Error::NoSandbox { why, remedies },
        TrialError::Program(_) => "Name a program, and its arguments behind it: wfctl sandbox -- ls -l.",
        TrialError::Policy(_) => "See what your configuration allows under [sandbox]: wfctl config show --origin.",
        TrialError::System { .. } => "See what this machine can do with `wfctl doctor --sandbox`.",
    };
    Error::Usage { message: error.to_string(), hint: hint.to_owned() }
}
