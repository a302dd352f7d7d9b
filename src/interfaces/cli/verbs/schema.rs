//! `wfctl schema`.

use super::super::args;
use super::super::context::Context;
use super::super::error::Error;
use super::super::exit::Exit;
use crate::domain::workflow::workflow_schema;

/// Prints the schema of workflow files.
pub fn run(context: &Context, _: &args::Schema) -> Result<Exit, Error> {
    let text = serde_json::to_string_pretty(&workflow_schema()).map_err(|error| Error::Internal(error.to_string()))?;
    context.terminal.data(text)?;
    Ok(Exit::Done)
}
