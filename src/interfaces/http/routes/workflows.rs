//! What can be started, and by whom it is done: workflows and roles.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use axum::response::{IntoResponse as _, Response};
use serde::Serialize;
use utoipa::ToSchema;

use super::definitions::{GraphFormat, GraphQuery, GraphView, graph_of_definition, picture};
use crate::domain::workflow::Definition;
use crate::interfaces::api::{Fault, FaultKind};
use crate::interfaces::http::extract::Asked;
use crate::interfaces::http::parts::{InputView, Listed, RoleView, ShownWorkflow};
use crate::interfaces::http::problem::Problem;
use crate::interfaces::http::state::{Api, blocking};

/// Workflows that can be started.
#[derive(Debug, Serialize, ToSchema)]
pub struct WorkflowList {
    /// By name.
    workflows: Vec<Listed>,
}

/// Lists the workflows that can be started.
#[utoipa::path(get, path = "/api/v1/workflows", tag = "workflows",
    responses((status = 200, description = "The workflows", body = WorkflowList)))]
pub async fn list(State(api): State<Arc<Api>>) -> Result<Json<WorkflowList>, Problem> {
    let launcher = api.parts.launcher.clone();
    let workflows = blocking(move || Ok(launcher.workflows())).await?;
    Ok(Json(WorkflowList { workflows }))
}

/// A workflow with its definition.
#[derive(Debug, Serialize, ToSchema)]
pub struct WorkflowView {
    /// The name to start it by.
    name: String,
    /// `shipped`, or its file.
    source: String,
    /// One line for people.
    description: String,
    /// Its inputs by name.
    inputs: Vec<InputView>,
    /// What it says.
    #[schema(value_type = Object)]
    definition: Definition,
    /// The file's text.
    text: String,
}

async fn find(api: &Api, name: String) -> Result<ShownWorkflow, Problem> {
    let launcher = api.parts.launcher.clone();
    blocking(move || launcher.workflow(&name)).await
}

/// Shows a workflow.
#[utoipa::path(get, path = "/api/v1/workflows/{name}", tag = "workflows", params(("name" = String, Path, description = "Its name")),
    responses((status = 200, description = "The workflow", body = WorkflowView)))]
pub async fn show(State(api): State<Arc<Api>>, Path(name): Path<String>) -> Result<Json<WorkflowView>, Problem> {
    let ShownWorkflow { name, source, text, definition } = find(&api, name).await?;
    let (description, inputs) = (definition.description.clone(), InputView::of(&definition));
    Ok(Json(WorkflowView { name, source, description, inputs, definition, text }))
}

/// The graph of a workflow.
#[utoipa::path(get, path = "/api/v1/workflows/{name}/graph", tag = "workflows",
    params(("name" = String, Path, description = "Its name"), GraphQuery),
    responses((status = 200, description = "The graph", content(
        (GraphView = "application/json"), (String = "image/svg+xml"), (String = "text/plain")))))]
pub async fn graph(
    State(api): State<Arc<Api>>,
    Path(name): Path<String>,
    Asked(query): Asked<GraphQuery>,
) -> Result<Response, Problem> {
    let definition = find(&api, name).await?.definition;
    Ok(match query.format {
        GraphFormat::Json => Json(graph_of_definition(&definition)).into_response(),
        format => picture(&definition, None, format),
    })
}

/// Roles that agents can have.
#[derive(Debug, Serialize, ToSchema)]
pub struct RoleList {
    /// In the order of their work.
    roles: Vec<RoleView>,
}

/// Lists the roles that agents can have.
#[utoipa::path(get, path = "/api/v1/roles", tag = "workflows", responses((status = 200, description = "The roles", body = RoleList)))]
pub async fn roles(State(api): State<Arc<Api>>) -> Json<RoleList> {
    Json(RoleList { roles: api.parts.launcher.roles() })
}

/// Shows a role with its instructions.
#[utoipa::path(get, path = "/api/v1/roles/{name}", tag = "workflows", params(("name" = String, Path, description = "Its name")),
    responses((status = 200, description = "The role", body = RoleView)))]
pub async fn role(State(api): State<Arc<Api>>, Path(name): Path<String>) -> Result<Json<RoleView>, Problem> {
    let found = api.parts.launcher.roles().into_iter().find(|role| role.name == name);
    found.map(Json).ok_or_else(|| no_role(&name))
}

/// What is said of a role that is not there.
pub fn no_role(name: &str) -> Problem {
    let shown: String = name.chars().take(80).collect();
    Fault::new(FaultKind::NoRoute, format!("there is no role `{shown}`")).into()
}
