//! Workers outside: what there is to do, taking it, staying alive, delivering.

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::{Extension, Json};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

use super::approvals::live;
use super::commands::{self, Taken};
use crate::domain::project::Command;
use crate::domain::time::Millis;
use crate::domain::view::ExternalWork;
use crate::interfaces::api::{Fault, FaultKind};
use crate::interfaces::http::extract::{self, Input};
use crate::interfaces::http::guard::Caller;
use crate::interfaces::http::problem::Problem;
use crate::interfaces::http::schema;
use crate::interfaces::http::state::Api;

/// Work for workers outside.
#[derive(Debug, Serialize, ToSchema)]
pub struct WorkList {
    /// The oldest first.
    tasks: Vec<Work>,
}

/// One task that waits for a worker outside.
#[derive(Debug, Serialize, ToSchema)]
pub struct Work {
    /// The project.
    project: String,
    /// The task.
    task: String,
    /// What it waits for, with its queue.
    waits_for: String,
    /// The queue.
    queue: String,
    /// What the worker is given.
    payload: Value,
    /// Who took it; null: nobody, or their claim ran out.
    worker: Option<String>,
    /// Since when.
    #[schema(value_type = schema::Millis)]
    since: Millis,
    /// When the wait, or the lease of whoever took it, is over.
    #[schema(value_type = Option<schema::Millis>)]
    due: Option<Millis>,
}

/// Lists every task that waits for a worker outside.
#[utoipa::path(get, path = "/api/v1/workers", tag = "workers",
    responses((status = 200, description = "The tasks", body = WorkList)))]
pub async fn open(
    State(api): State<Arc<Api>>,
    Extension(caller): Extension<Caller>,
) -> Result<Json<WorkList>, Problem> {
    let mut tasks = Vec::new();
    for view in live(&api, caller).await? {
        tasks.extend(view.tasks.into_iter().filter_map(|task| {
            let ExternalWork { queue, payload, worker, .. } = task.external?;
            Some(Work {
                project: view.summary.id.to_string(),
                task: task.name,
                waits_for: task.waits_for.unwrap_or_default(),
                queue,
                payload,
                worker,
                since: task.since,
                due: task.due,
            })
        }));
    }
    tasks.sort_by_key(|task| task.since);
    Ok(Json(WorkList { tasks }))
}

/// Who takes a task.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ClaimBody {
    /// The worker's name.
    worker: String,
}

/// A claim.
#[derive(Debug, Serialize, ToSchema)]
pub struct Claimed {
    /// The token that later calls must show, a decimal number.
    token: String,
}

/// Takes an external task as a worker.
#[utoipa::path(post, path = "/api/v1/projects/{id}/tasks/{task}/claim", tag = "workers", request_body = ClaimBody,
    params(("id" = String, Path, description = "The project"), ("task" = String, Path, description = "The task")),
    responses((status = 200, description = "It is taken", body = Claimed)))]
pub async fn claim(
    State(api): State<Arc<Api>>,
    Extension(caller): Extension<Caller>,
    Path((id, task)): Path<(String, String)>,
    Input(body): Input<ClaimBody>,
) -> Result<Json<Claimed>, Problem> {
    let command = Command::Claim { task, worker: body.worker };
    let (token, _) = api.home(caller).command(&extract::project(&id)?, command).await?;
    match token {
        Some(token) => Ok(Json(Claimed { token: token.to_string() })),
        None => Err(Fault::new(FaultKind::Defect, "a claim gave no token").into()),
    }
}

/// A sign of life.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct HeartbeatBody {
    /// The claim's token.
    token: String,
}

/// Tells that the worker of a task is alive.
#[utoipa::path(post, path = "/api/v1/projects/{id}/tasks/{task}/heartbeat", tag = "workers", request_body = HeartbeatBody,
    params(("id" = String, Path, description = "The project"), ("task" = String, Path, description = "The task")),
    responses((status = 200, description = "Its lease is renewed", body = Taken)))]
pub async fn heartbeat(
    State(api): State<Arc<Api>>,
    Extension(caller): Extension<Caller>,
    Path((id, task)): Path<(String, String)>,
    Input(body): Input<HeartbeatBody>,
) -> Result<Json<Taken>, Problem> {
    commands::command(&api, caller, &id, Command::Heartbeat { task, token: token(Some(&body.token))? }).await
}

/// What a worker delivers: an output, or why there is none.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ResultBody {
    /// The claim's token; left out when the task was never claimed.
    #[serde(default)]
    token: Option<String>,
    /// The output.
    #[serde(default, deserialize_with = "present")]
    #[schema(value_type = Option<Value>)]
    output: Option<Value>,
    /// Why there is none.
    #[serde(default)]
    error: Option<String>,
}

/// `null` is an output too.
pub fn present<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Option<Value>, D::Error> {
    Value::deserialize(deserializer).map(Some)
}

/// Delivers the result of a task.
#[utoipa::path(post, path = "/api/v1/projects/{id}/tasks/{task}/result", tag = "workers", request_body = ResultBody,
    params(("id" = String, Path, description = "The project"), ("task" = String, Path, description = "The task")),
    responses((status = 200, description = "It is delivered", body = Taken)))]
pub async fn result(
    State(api): State<Arc<Api>>,
    Extension(caller): Extension<Caller>,
    Path((id, task)): Path<(String, String)>,
    Input(body): Input<ResultBody>,
) -> Result<Json<Taken>, Problem> {
    let result = delivered(body.output, body.error)?;
    let command = Command::Result { task, token: token(body.token.as_deref())?, result };
    commands::command(&api, caller, &id, command).await
}

/// Exactly one of an output and an error.
pub fn delivered(output: Option<Value>, error: Option<String>) -> Result<Result<Value, String>, Problem> {
    match (output, error) {
        (Some(output), None) => Ok(Ok(output)),
        (None, Some(error)) => Ok(Err(error)),
        (Some(_), Some(_)) => Err(Problem::invalid("a result has an `output` or an `error`, not both")),
        (None, None) => Err(Problem::invalid("a result has an `output` or an `error`")),
    }
}

/// The token of a claim; 0 stands for none.
pub fn token(text: Option<&str>) -> Result<u64, Problem> {
    text.map_or(Ok(0), |text| text.parse().map_err(|_| Problem::invalid("token: that is no token of a claim")))
}
