//! `wfctl validate`: check workflow files without running them, or documents of agents.

use super::super::args;
use super::super::context::Context;
use super::super::error::Error;
use super::super::exit::Exit;
use super::super::terminal::{Tone, harmless};
use super::super::workflows;
use super::documents;
use crate::app::DocumentKind;

/// Checks every file, also after one that is not valid.
pub fn run(context: &Context, arguments: &args::Validate) -> Result<Exit, Error> {
    if let Some(kind) = arguments.kind.as_deref().and_then(DocumentKind::named) {
        return documents::validate(context, kind, &arguments.workflows);
    }
    let terminal = &context.terminal;
    let mut worst = Exit::Done;
    for name in &arguments.workflows {
        match workflows::load(terminal, name) {
            Ok(found) => {
                let (workflow, tasks) = (&found.definition.name, found.definition.tasks().count());
                if context.is_json {
                    terminal.json(&serde_json::json!({"v": 1, "type": "valid", "file": name, "workflow": workflow, "tasks": tasks}))?;
                } else {
                    let good = terminal.paint(Tone::Good, "valid");
                    let unit = if tasks == 1 { "task" } else { "tasks" };
                    terminal.data(format!("{}: {good}, workflow {workflow} with {tasks} {unit}", harmless(name)))?;
                }
            }
            Err(Error::ClosedPipe) => return Err(Error::ClosedPipe),
            Err(error) => {
                let exit = terminal.report(&error, context.is_json);
                worst = if worst == Exit::Done { exit } else { worst };
            }
        }
    }
    Ok(worst)
}
