//! How the server is, and what codes mean.

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::http::header;
use axum::response::{IntoResponse as _, Response};
use axum::{Extension, Json};
use serde::Serialize;
use utoipa::ToSchema;

use crate::interfaces::api::{Fault, FaultKind};
use crate::interfaces::http::guard::Caller;
use crate::interfaces::http::parts::Page;
use crate::interfaces::http::problem::Problem;
use crate::interfaces::http::state::Api;

/// That it answers.
#[derive(Debug, Serialize, ToSchema)]
pub struct Healthy {
    /// `ok`.
    status: String,
}

/// Says that the server answers and its engine goes on. Needs no token and tells nothing else.
#[utoipa::path(get, path = "/healthz", tag = "server", security(()),
    responses((status = 200, description = "It goes on", body = Healthy)))]
pub async fn healthz(State(api): State<Arc<Api>>) -> Result<Json<Healthy>, Problem> {
    match api.parts.engine.progress().ended {
        None => Ok(Json(Healthy { status: "ok".to_owned() })),
        Some(_) => Err(Fault::new(FaultKind::Stopped, "the engine has ended").into()),
    }
}

/// Which server this is.
#[derive(Debug, Serialize, ToSchema)]
pub struct VersionView {
    /// Its release.
    version: String,
    /// Its process.
    pid: u32,
    /// Projects driven and not ended.
    driven: usize,
    /// Where everything is kept.
    home: String,
}

/// Which server this is, and how busy.
#[utoipa::path(get, path = "/api/v1/version", tag = "server", responses((status = 200, description = "The server", body = VersionView)))]
pub async fn version(
    State(api): State<Arc<Api>>,
    Extension(caller): Extension<Caller>,
) -> Result<Json<VersionView>, Problem> {
    let progress = api.home(caller).progress().await?;
    let home = api.parts.home_dir.display().to_string();
    Ok(Json(VersionView { version: progress.version, pid: progress.pid, driven: progress.driven, home }))
}

/// All codes.
#[derive(Debug, Serialize, ToSchema)]
pub struct CodeList {
    /// Ascending.
    codes: Vec<Page>,
}

/// Lists all codes that problems have.
#[utoipa::path(get, path = "/api/v1/codes", tag = "server", responses((status = 200, description = "The codes", body = CodeList)))]
pub async fn codes(State(api): State<Arc<Api>>) -> Json<CodeList> {
    Json(CodeList { codes: (api.parts.pages)() })
}

/// Explains a code.
#[utoipa::path(get, path = "/api/v1/codes/{code}", tag = "server", params(("code" = String, Path, description = "e.g. WF0004")),
    responses((status = 200, description = "Its page", body = Page)))]
pub async fn code(State(api): State<Arc<Api>>, Path(code): Path<String>) -> Result<Json<Page>, Problem> {
    let found = (api.parts.pages)().into_iter().find(|page| page.code.eq_ignore_ascii_case(&code));
    found.map(Json).ok_or_else(|| {
        let shown: String = code.chars().take(80).collect();
        Fault::new(FaultKind::NoRoute, format!("there is no code `{shown}`")).into()
    })
}

/// Metrics for Prometheus.
pub async fn metrics(State(api): State<Arc<Api>>) -> Result<Response, Problem> {
    let kind = "text/plain; version=0.0.4; charset=utf-8";
    let text = api.parts.home.metrics().await?;
    Ok(([(header::CONTENT_TYPE, kind)], text).into_response())
}
