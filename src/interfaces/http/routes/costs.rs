//! What a project costs, and what it may cost.

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::{Extension, Json};
use serde::Deserialize;
use utoipa::IntoParams;

use super::starts::{BudgetView, CapsBody};
use crate::domain::project::Command;
use crate::interfaces::api::Cost;
use crate::interfaces::http::extract::{self, Asked, Input};
use crate::interfaces::http::guard::Caller;
use crate::interfaces::http::problem::Problem;
use crate::interfaces::http::state::Api;

/// Whose costs are wanted.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub struct CostQuery {
    /// Count its children too, and theirs.
    #[serde(default)]
    children: bool,
}

/// What the models of a project cost: in all, by role, model, phase and task.
#[utoipa::path(get, path = "/api/v1/projects/{id}/cost", tag = "costs",
    params(("id" = String, Path, description = "The project"), CostQuery),
    responses((status = 200, description = "As `wfctl cost --json`", body = Object)))]
pub async fn cost(
    State(api): State<Arc<Api>>,
    Extension(caller): Extension<Caller>,
    Path(id): Path<String>,
    Asked(query): Asked<CostQuery>,
) -> Result<Json<Cost>, Problem> {
    Ok(Json(api.home(caller).cost(&extract::project(&id)?, query.children).await?))
}

/// The caps of a project and what is used of them.
#[utoipa::path(get, path = "/api/v1/projects/{id}/budget", tag = "costs", params(("id" = String, Path, description = "The project")),
    responses((status = 200, description = "The budget", body = BudgetView)))]
pub async fn budget(
    State(api): State<Arc<Api>>,
    Extension(caller): Extension<Caller>,
    Path(id): Path<String>,
) -> Result<Json<BudgetView>, Problem> {
    let view = api.home(caller).show(&extract::project(&id)?).await?;
    Ok(Json(BudgetView { caps: view.caps, ledger: view.ledger }))
}

/// Puts caps in the place of those in force; a project that was held for its budget goes on.
#[utoipa::path(put, path = "/api/v1/projects/{id}/budget", tag = "costs", request_body = CapsBody,
    params(("id" = String, Path, description = "The project")),
    responses((status = 200, description = "The budget as it is now", body = BudgetView)))]
pub async fn raise(
    State(api): State<Arc<Api>>,
    Extension(caller): Extension<Caller>,
    Path(id): Path<String>,
    Input(body): Input<CapsBody>,
) -> Result<Json<BudgetView>, Problem> {
    let (id, home) = (extract::project(&id)?, api.home(caller));
    let command = Command::Resume { in_doubt: None, budget: Some(body.into()), comment: String::new() };
    home.resume(&id, command).await?;
    let view = home.show(&id).await?;
    Ok(Json(BudgetView { caps: view.caps, ledger: view.ledger }))
}
