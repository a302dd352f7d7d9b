//! What a project, or one of its tasks, changed in the files of its repository.

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::{Extension, Json};

use crate::interfaces::api::Comparison;
use crate::interfaces::http::extract;
use crate::interfaces::http::guard::Caller;
use crate::interfaces::http::problem::Problem;
use crate::interfaces::http::schema;
use crate::interfaces::http::state::Api;

/// What a project changed: from the commit that it began from to all that it made so far.
#[utoipa::path(get, path = "/api/v1/projects/{id}/diff", tag = "files", params(("id" = String, Path, description = "The project")),
    responses((status = 200, description = "The files that differ", body = schema::Comparison)))]
pub async fn of_project(
    State(api): State<Arc<Api>>,
    Extension(caller): Extension<Caller>,
    Path(id): Path<String>,
) -> Result<Json<Comparison>, Problem> {
    Ok(Json(api.home(caller).compare(&extract::project(&id)?, None).await?))
}

/// What the last attempt of a task changed.
#[utoipa::path(get, path = "/api/v1/projects/{id}/tasks/{task}/diff", tag = "files",
    params(("id" = String, Path, description = "The project"), ("task" = String, Path, description = "The task")),
    responses((status = 200, description = "The files that differ", body = schema::Comparison)))]
pub async fn of_task(
    State(api): State<Arc<Api>>,
    Extension(caller): Extension<Caller>,
    Path((id, task)): Path<(String, String)>,
) -> Result<Json<Comparison>, Problem> {
    Ok(Json(api.home(caller).compare(&extract::project(&id)?, Some(task)).await?))
}
