//! The planner: a request becomes a list of tasks.

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse as _, Response};
use axum::{Extension, Json};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::ToSchema;

use super::compose::{self, PLAN, PLAN_TASK};
use super::{Given, accepted, start};
use crate::domain::ids::ProjectId;
use crate::domain::machine::{ProjectStatus, TaskStatus};
use crate::domain::payload::Payload;
use crate::interfaces::api::{Fault, FaultKind};
use crate::interfaces::http::extract::{self, Input};
use crate::interfaces::http::guard::Caller;
use crate::interfaces::http::problem::Problem;
use crate::interfaces::http::routes::starts::digest;
use crate::interfaces::http::state::Api;

/// What is to be planned.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PlanBody {
    /// In plain words.
    request: String,
    /// The repository that it is about; the first that the server allows when left out.
    #[serde(default)]
    dir: Option<String>,
    /// The models of the planner, most preferred first.
    #[serde(default)]
    models: Vec<String>,
}

/// A plan that is being made.
#[derive(Debug, Serialize, ToSchema)]
pub struct Planned {
    /// The id of the list.
    todo_list_id: String,
    /// The project that makes it: the same id.
    workflow_id: String,
    /// `planning`.
    status: String,
}

/// Starts a planner on a request.
#[utoipa::path(post, path = "/planner/plan", tag = "classic", request_body = PlanBody,
    params(("idempotency-key" = Option<String>, Header, description = "The same key with the same body is the same start")),
    responses((status = 202, description = "It is being planned", body = Planned)))]
pub async fn plan(
    State(api): State<Arc<Api>>,
    Extension(caller): Extension<Caller>,
    headers: HeaderMap,
    Input(body): Input<PlanBody>,
) -> Result<Response, Problem> {
    if body.request.trim().is_empty() {
        return Err(Problem::invalid("request: it says nothing"));
    }
    let digest = digest("plan", &body)?;
    let inputs = Map::from_iter([("request".to_owned(), Value::String(body.request))]);
    let given = Given { workflow: compose::plan(), inputs, dir: body.dir, models: body.models };
    let begun = start(&api, caller, &headers, digest, given).await?;
    let id = begun.id.to_string();
    let planned = Planned { todo_list_id: id.clone(), workflow_id: id, status: "planning".to_owned() };
    Ok(accepted(&begun, planned))
}

/// A list of tasks, or that it is being made.
#[derive(Debug, Serialize, ToSchema)]
pub struct TodoListView {
    /// The id of the list.
    todo_list_id: String,
    /// `ready` or `planning`.
    status: String,
    /// The list, once it is ready: a summary, and tasks with id, title, description, needs, files, priority and acceptance.
    todo_list: Option<Value>,
}

/// The list of tasks that a planner made.
#[utoipa::path(get, path = "/planner/todo_list/{id}", tag = "classic", params(("id" = String, Path, description = "The list")),
    responses((status = 200, description = "The list", body = TodoListView), (status = 202, description = "It is being made", body = TodoListView)))]
pub async fn todo_list(
    State(api): State<Arc<Api>>,
    Extension(caller): Extension<Caller>,
    Path(id): Path<String>,
) -> Result<Response, Problem> {
    let id = extract::project(&id)?;
    let todo_list = list_of(&api, caller, &id).await?;
    let (code, status) = match todo_list {
        Some(_) => (StatusCode::OK, "ready"),
        None => (StatusCode::ACCEPTED, "planning"),
    };
    let view = TodoListView { todo_list_id: id.to_string(), status: status.to_owned(), todo_list };
    Ok((code, Json(view)).into_response())
}

/// The list that a planner made; `None` while it is at work. One that will never be there is a problem.
pub async fn list_of(api: &Api, caller: Caller, id: &ProjectId) -> Result<Option<Value>, Problem> {
    let home = api.home(caller);
    let view = home.show(id).await?;
    let task = view.tasks.iter().find(|task| task.name == PLAN_TASK && view.summary.workflow == PLAN);
    let Some(task) = task else {
        return Err(Fault::new(FaultKind::UnknownProject, format!("project {id} makes no list of tasks"))
            .of(id)
            .into());
    };
    if task.status == TaskStatus::Completed {
        let content = home.artifact(id, Some(PLAN_TASK.to_owned()), "plan.json").await?;
        let Payload::Inline(bytes) = content.content else {
            return Err(Fault::new(FaultKind::Defect, "a list came without its content").of(id).into());
        };
        let list = serde_json::from_slice(&bytes);
        return list.map(Some).map_err(|error| Fault::new(FaultKind::Damaged, error.to_string()).of(id).into());
    }
    match view.summary.status {
        ProjectStatus::Failed | ProjectStatus::Cancelled | ProjectStatus::Done => {
            let message = format!("the planner of {id} did not make a list: {}", view.summary.note);
            Err(Fault::new(FaultKind::Terminal, message).of(id).into())
        }
        _ => Ok(None),
    }
}
