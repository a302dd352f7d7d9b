//! `wfctl schema`.

use super::super::args;
use super::super::context::Context;
use super::super::error::Error;
use super::super::exit::Exit;
use crate::app::DocumentKind;
use crate::domain::workflow::workflow_schema;

/// Prints the schema of workflow files, or of a document of agents.
pub fn run(context: &Context, arguments: &args::Schema) -> Result<Exit, Error> {
    let schema = DocumentKind::named(&arguments.what).map_or_else(workflow_schema, DocumentKind::schema);
    let text = serde_json::to_string_pretty(&schema).map_err(|error| Error::Internal(error.to_string()))?;
    context.terminal.data(text)?;
    Ok(Exit::Done)
}
