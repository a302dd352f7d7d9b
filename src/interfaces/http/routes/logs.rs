//! What tasks wrote and what agents said.

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::http::{HeaderMap, HeaderValue, header};
use axum::response::Response;
use axum::{Extension, Json};
use serde::Deserialize;
use utoipa::IntoParams;

use super::ranges::ranged;
use crate::domain::limits;
use crate::interfaces::api::{Fault, FaultKind, LogPage, Transcript, WantedTranscript};
use crate::interfaces::http::extract::{self, Asked};
use crate::interfaces::http::guard::Caller;
use crate::interfaces::http::problem::Problem;
use crate::interfaces::http::schema;
use crate::interfaces::http::state::Api;

/// Which output is wanted.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub struct LogQuery {
    /// The attempt; the last one when left out.
    #[param(minimum = 1)]
    attempt: Option<u32>,
    /// The step; the last one when left out.
    step: Option<u32>,
    /// The first byte wanted.
    #[serde(default)]
    #[param(minimum = 0)]
    offset: u64,
}

/// A piece of the output of a task's step.
#[utoipa::path(get, path = "/api/v1/projects/{id}/tasks/{task}/log", tag = "logs",
    params(("id" = String, Path, description = "The project"), ("task" = String, Path, description = "The task"), LogQuery),
    responses((status = 200, description = "The piece", body = schema::LogPage)))]
pub async fn page(
    State(api): State<Arc<Api>>,
    Extension(caller): Extension<Caller>,
    Path((id, task)): Path<(String, String)>,
    Asked(query): Asked<LogQuery>,
) -> Result<Json<LogPage>, Problem> {
    let home = api.home(caller);
    Ok(Json(home.log(&extract::project(&id)?, &task, query.attempt, query.step, query.offset).await?))
}

/// Which output is wanted whole.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub struct RawLogQuery {
    /// The attempt; the last one when left out.
    #[param(minimum = 1)]
    attempt: Option<u32>,
    /// The step; the last one when left out.
    step: Option<u32>,
}

/// The output of a task's step as text, whole or the range of it that is asked for.
#[utoipa::path(get, path = "/api/v1/projects/{id}/tasks/{task}/log/raw", tag = "logs",
    params(("id" = String, Path, description = "The project"), ("task" = String, Path, description = "The task"), RawLogQuery),
    responses((status = 200, description = "The output; what is no UTF-8 is replaced", body = String, content_type = "text/plain"),
        (status = 206, description = "The range that was asked for", body = String, content_type = "text/plain")))]
pub async fn raw(
    State(api): State<Arc<Api>>,
    Extension(caller): Extension<Caller>,
    Path((id, task)): Path<(String, String)>,
    headers: HeaderMap,
    Asked(query): Asked<RawLogQuery>,
) -> Result<Response, Problem> {
    let (id, home) = (extract::project(&id)?, api.home(caller));
    let (mut text, mut offset) = (String::new(), 0);
    let (mut attempt, mut step) = (query.attempt, query.step);
    loop {
        let page = home.log(&id, &task, attempt, step, offset).await?;
        text.push_str(&page.text);
        if text.len() as u64 > limits::ARTIFACT_ANSWER_BYTES {
            let message = format!("the output of task `{task}` is too large to hand out whole; page it");
            return Err(Fault::new(FaultKind::Limit, message).of(&id).into());
        }
        // The pages are those of one step, even when another one begins meanwhile.
        (attempt, step, offset) = (Some(page.attempt), Some(page.step), page.next);
        if !page.more {
            break;
        }
    }
    let mut response = ranged(&headers, text.into());
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    Ok(response)
}

/// Which piece of a conversation is wanted.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub struct TranscriptQuery {
    /// The attempt; the last one when left out.
    #[param(minimum = 1)]
    attempt: Option<u32>,
    /// The position of the first entry wanted.
    #[serde(default)]
    from: usize,
    /// Long texts whole.
    #[serde(default)]
    full: bool,
}

/// A piece of the conversation of an agent.
#[utoipa::path(get, path = "/api/v1/projects/{id}/tasks/{task}/transcript", tag = "logs",
    params(("id" = String, Path, description = "The project"), ("task" = String, Path, description = "The task"), TranscriptQuery),
    responses((status = 200, description = "The piece", body = schema::Transcript)))]
pub async fn transcript(
    State(api): State<Arc<Api>>,
    Extension(caller): Extension<Caller>,
    Path((id, task)): Path<(String, String)>,
    Asked(query): Asked<TranscriptQuery>,
) -> Result<Json<Transcript>, Problem> {
    let wanted = WantedTranscript { task, attempt: query.attempt, from: query.from, full: query.full };
    Ok(Json(api.home(caller).transcript(&extract::project(&id)?, wanted).await?))
}
