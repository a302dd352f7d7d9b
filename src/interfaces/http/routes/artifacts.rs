//! Artifacts that agents kept.

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::http::{HeaderMap, HeaderValue, header};
use axum::response::Response;
use axum::{Extension, Json};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::ranges::ranged;
use crate::domain::payload::Payload;
use crate::interfaces::api::{Artifact, Fault, FaultKind};
use crate::interfaces::http::extract::{self, Asked};
use crate::interfaces::http::guard::Caller;
use crate::interfaces::http::problem::Problem;
use crate::interfaces::http::schema;
use crate::interfaces::http::state::Api;

/// Whose artifacts are wanted.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub struct ArtifactsQuery {
    /// Only of this task.
    task: Option<String>,
}

/// The artifacts of a project.
#[derive(Debug, Serialize, ToSchema)]
pub struct ArtifactList {
    /// In the order of the tasks, then by name.
    #[schema(value_type = Vec<schema::Artifact>)]
    artifacts: Vec<Artifact>,
}

/// Lists the artifacts that agents of a project kept.
#[utoipa::path(get, path = "/api/v1/projects/{id}/artifacts", tag = "files",
    params(("id" = String, Path, description = "The project"), ArtifactsQuery),
    responses((status = 200, description = "The artifacts", body = ArtifactList)))]
pub async fn list(
    State(api): State<Arc<Api>>,
    Extension(caller): Extension<Caller>,
    Path(id): Path<String>,
    Asked(query): Asked<ArtifactsQuery>,
) -> Result<Json<ArtifactList>, Problem> {
    let artifacts = api.home(caller).artifacts(&extract::project(&id)?, query.task).await?;
    Ok(Json(ArtifactList { artifacts }))
}

/// The content of an artifact, as it is.
#[utoipa::path(get, path = "/api/v1/projects/{id}/artifacts/{name}", tag = "files",
    params(("id" = String, Path, description = "The project"), ("name" = String, Path, description = "The artifact"), ArtifactsQuery),
    responses((status = 200, description = "The content", content(
            (String = "text/plain"), (Object = "application/json"), (String = "application/octet-stream"))),
        (status = 206, description = "The range of it that was asked for", body = String, content_type = "application/octet-stream")))]
pub async fn content(
    State(api): State<Arc<Api>>,
    Extension(caller): Extension<Caller>,
    Path((id, name)): Path<(String, String)>,
    headers: HeaderMap,
    Asked(query): Asked<ArtifactsQuery>,
) -> Result<Response, Problem> {
    let content = api.home(caller).artifact(&extract::project(&id)?, query.task, &name).await?;
    let Payload::Inline(bytes) = content.content else {
        return Err(Fault::new(FaultKind::Defect, "an artifact came without its content").into());
    };
    let kind = match std::str::from_utf8(&bytes) {
        Ok(text) if name.ends_with(".json") && serde_json::from_str::<serde::de::IgnoredAny>(text).is_ok() => {
            "application/json"
        }
        Ok(_) => "text/plain; charset=utf-8",
        Err(_) => "application/octet-stream",
    };
    let mut response = ranged(&headers, bytes.to_vec().into());
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    // It was written by a model: a browser keeps it and does not show it as a page of this site.
    headers.insert(header::CONTENT_DISPOSITION, HeaderValue::from_static("attachment"));
    Ok(response)
}
