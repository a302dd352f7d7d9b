//! The eight routes of a planner, an orchestrator and agents, as others call them: each start is a real project, each state that of
//! its journal.
//!
//! A plan is a project with one planner; an execution a project whose tasks are those of a list; a task for an agent a project
//! of one task.

pub mod agents;
mod compose;
pub mod orchestrator;
pub mod planner;
mod todo;

use std::sync::Arc;

use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse as _, Response};
use serde::Serialize;
use serde_json::{Map, Value};

use super::guard::Caller;
use super::parts::{Source, Wanted};
use super::problem::Problem;
use super::routes::starts::{Begun, begin, mark};
use super::state::Api;
use crate::domain::ids::Digest;

/// What a start has beside its workflow.
struct Given {
    workflow: (String, Value),
    inputs: Map<String, Value>,
    dir: Option<String>,
    models: Vec<String>,
}

/// Starts a workflow that this program wrote.
async fn start(
    api: &Arc<Api>,
    caller: Caller,
    headers: &HeaderMap,
    digest: Digest,
    given: Given,
) -> Result<Begun, Problem> {
    let (name, definition) = given.workflow;
    // JSON is YAML.
    let source = Source::Composed(name, definition.to_string());
    let Given { inputs, dir, models, .. } = given;
    let wanted = Wanted { source, inputs, dir, models, budget: None, id: None, role: caller.role };
    begin(api, caller, headers, digest, wanted).await
}

/// The answer to a start: it is accepted, and goes on by itself.
fn accepted(begun: &Begun, body: impl Serialize) -> Response {
    let mut response = (StatusCode::ACCEPTED, axum::Json(body)).into_response();
    mark(&mut response, begun);
    response
}
