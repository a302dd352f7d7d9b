//! The orchestrator: a list of tasks is carried out.

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::http::HeaderMap;
use axum::response::Response;
use axum::{Extension, Json};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::ToSchema;

use super::planner::list_of;
use super::todo::TodoList;
use super::{Given, accepted, compose, start};
use crate::domain::event::Decision;
use crate::domain::failure::Failure;
use crate::domain::ids::ProjectId;
use crate::domain::machine::TaskStatus;
use crate::domain::project::Command;
use crate::domain::view::{ProjectView, Reason, TaskView};
use crate::interfaces::api::{Fault, FaultKind};
use crate::interfaces::http::extract::{self, Input};
use crate::interfaces::http::guard::Caller;
use crate::interfaces::http::problem::Problem;
use crate::interfaces::http::routes::approvals::live;
use crate::interfaces::http::routes::commands::{Taken, command};
use crate::interfaces::http::routes::starts::digest;
use crate::interfaces::http::routes::workers::{delivered, present, token};
use crate::interfaces::http::schema;
use crate::interfaces::http::state::Api;

/// What is to be carried out.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ExecuteBody {
    /// A list that a planner made.
    #[serde(default)]
    todo_list_id: Option<String>,
    /// A list: `tasks` with `id`, `title`, `description`, `agent_role`, `needs`, `priority`, `acceptance`. The role `external` is
    /// work for a worker outside.
    #[serde(default)]
    #[schema(value_type = Option<Object>)]
    todo_list: Option<Value>,
    /// The repository; the first that the server allows when left out.
    #[serde(default)]
    dir: Option<String>,
    /// The models of all agents, most preferred first.
    #[serde(default)]
    models: Vec<String>,
}

/// An execution that goes on by itself.
#[derive(Debug, Serialize, ToSchema)]
pub struct Executing {
    /// The project.
    workflow_id: String,
    /// `started`.
    status: String,
}

/// Starts the tasks of a list, each when those that it needs are done.
#[utoipa::path(post, path = "/orchestrator/execute", tag = "classic", request_body = ExecuteBody,
    params(("idempotency-key" = Option<String>, Header, description = "The same key with the same body is the same start")),
    responses((status = 202, description = "It is started", body = Executing)))]
pub async fn execute(
    State(api): State<Arc<Api>>,
    Extension(caller): Extension<Caller>,
    headers: HeaderMap,
    Input(body): Input<ExecuteBody>,
) -> Result<Response, Problem> {
    let digest = digest("execute", &body)?;
    let list = match (&body.todo_list_id, &body.todo_list) {
        (Some(id), None) => {
            let id = extract::project(id)?;
            let not_yet = || Fault::new(FaultKind::WrongState, format!("the planner of {id} is still at work")).of(&id);
            list_of(&api, caller, &id).await?.ok_or_else(not_yet)?
        }
        (None, Some(list)) => list.clone(),
        (Some(_), Some(_)) => return Err(Problem::invalid("give a `todo_list_id` or a `todo_list`, not both")),
        (None, None) => return Err(Problem::invalid("give a `todo_list_id` or a `todo_list`")),
    };
    let list = TodoList::parse(&list)?;
    let inputs = Map::from_iter([("list".to_owned(), list.to_input())]);
    let given = Given { workflow: compose::execution(&list), inputs, dir: body.dir, models: body.models };
    let begun = start(&api, caller, &headers, digest, given).await?;
    Ok(accepted(&begun, Executing { workflow_id: begun.id.to_string(), status: "started".to_owned() }))
}

/// How an execution is.
#[derive(Debug, Serialize, ToSchema)]
pub struct StatusView {
    /// The project.
    workflow_id: String,
    /// Its state: BUILD, PAUSED, DONE, ...
    status: String,
    /// The phase it is in.
    phase: Option<String>,
    /// How far it is.
    progress: ProgressView,
    /// What it waits for.
    #[schema(value_type = Vec<schema::Reason>)]
    waiting: Vec<Reason>,
    /// Its tasks.
    tasks: Vec<TaskLine>,
}

/// How far an execution is.
#[derive(Debug, Serialize, ToSchema)]
pub struct ProgressView {
    /// Tasks that are completed.
    completed: usize,
    /// All tasks.
    total: usize,
}

/// A task of an execution.
#[derive(Debug, Serialize, ToSchema)]
pub struct TaskLine {
    /// Its name.
    task_id: String,
    /// A few words.
    title: String,
    /// The role of its agent, or what else does it.
    agent_role: String,
    /// Its state.
    status: String,
    /// How often it was tried.
    attempts: u32,
    /// What it needs.
    needs: Vec<String>,
    /// Its last failure.
    #[schema(value_type = Option<schema::Failure>)]
    failure: Option<Failure>,
    /// Its output; left out when long.
    output: Option<Value>,
}

/// How an execution, or any other project, is.
#[utoipa::path(get, path = "/orchestrator/status/{workflow_id}", tag = "classic",
    params(("workflow_id" = String, Path, description = "The project")),
    responses((status = 200, description = "Its state", body = StatusView)))]
pub async fn status(
    State(api): State<Arc<Api>>,
    Extension(caller): Extension<Caller>,
    Path(id): Path<String>,
) -> Result<Json<StatusView>, Problem> {
    let (id, home) = (extract::project(&id)?, api.home(caller));
    let view = home.show(&id).await?;
    let waiting = home.why(&id).await?.reasons;
    let completed = view.tasks.iter().filter(|task| task.status == TaskStatus::Completed).count();
    Ok(Json(StatusView {
        workflow_id: id.to_string(),
        status: view.summary.status.name().to_owned(),
        phase: view.phase.map(|phase| phase.name().to_owned()),
        progress: ProgressView { completed, total: view.tasks.len() },
        waiting,
        tasks: view.tasks.iter().map(|task| task_line(&view, task)).collect(),
    }))
}

fn task_line(view: &ProjectView, task: &TaskView) -> TaskLine {
    let listed = view.inputs.pointer("/list/tasks").and_then(Value::as_array);
    let given = listed.and_then(|tasks| {
        tasks
            .iter()
            .find(|given| ["id", "task_id"].iter().any(|key| given.get(*key).is_some_and(|id| id == &task.name)))
    });
    let title = given.and_then(|given| given.get("title")?.as_str());
    TaskLine {
        task_id: task.name.clone(),
        title: title.unwrap_or(&task.name).to_owned(),
        agent_role: task.role.clone().unwrap_or_else(|| task.action.clone()),
        status: task.status.name().to_owned(),
        attempts: task.attempt,
        needs: task.needs.clone(),
        failure: task.failure.clone(),
        output: task.output.clone(),
    }
}

/// The result of a task.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct TaskResultBody {
    /// The project; needed when tasks of several wait under that name.
    #[serde(default)]
    workflow_id: Option<String>,
    /// The token of a claim; left out when the task was never claimed.
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

/// Delivers the result of a task that waits for a worker outside.
#[utoipa::path(post, path = "/orchestrator/task/{task_id}/result", tag = "classic", request_body = TaskResultBody,
    params(("task_id" = String, Path, description = "The task")),
    responses((status = 200, description = "It is delivered", body = Taken)))]
pub async fn result(
    State(api): State<Arc<Api>>,
    Extension(caller): Extension<Caller>,
    Path(task): Path<String>,
    Input(body): Input<TaskResultBody>,
) -> Result<Json<Taken>, Problem> {
    let id = match &body.workflow_id {
        Some(id) => extract::project(id)?,
        None => waiting(&api, caller, &task).await?,
    };
    let result = delivered(body.output, body.error)?;
    let given = Command::Result { task, token: token(body.token.as_deref())?, result };
    command(&api, caller, id.as_str(), given).await
}

/// The only project in which an external task of this name waits.
async fn waiting(api: &Api, caller: Caller, name: &str) -> Result<ProjectId, Problem> {
    let waits = |task: &TaskView| task.name == name && task.external.is_some();
    let views = live(api, caller).await?;
    let mut found: Vec<ProjectId> =
        views.into_iter().filter(|view| view.tasks.iter().any(waits)).map(|view| view.summary.id).collect();
    let shown: String = name.chars().take(128).collect();
    match (found.pop(), found.is_empty()) {
        (Some(id), true) => Ok(id),
        (Some(_), false) => {
            let message = format!("tasks `{shown}` of several projects wait; say which with `workflow_id`");
            Err(Fault::new(FaultKind::Ambiguous, message).into())
        }
        (None, _) => Err(Fault::new(FaultKind::UnknownTask, format!("no task `{shown}` waits for a result")).into()),
    }
}

/// A person's answer.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ApproveBody {
    /// Yes, unless it says no.
    #[serde(default = "yes")]
    approved: bool,
    /// The task that asks; the only question when left out.
    #[serde(default)]
    task_id: Option<String>,
    /// Kept in the journal.
    #[serde(default)]
    comment: String,
}

fn yes() -> bool {
    true
}

/// Answers the question that a project waits with.
#[utoipa::path(post, path = "/orchestrator/approve/{workflow_id}", tag = "classic", request_body = ApproveBody,
    params(("workflow_id" = String, Path, description = "The project")),
    responses((status = 200, description = "It is recorded", body = Taken)))]
pub async fn approve(
    State(api): State<Arc<Api>>,
    Extension(caller): Extension<Caller>,
    Path(id): Path<String>,
    Input(body): Input<ApproveBody>,
) -> Result<Json<Taken>, Problem> {
    let decision = if body.approved { Decision::Approved } else { Decision::Rejected };
    let given = Command::Answer { task: body.task_id, decision, comment: body.comment };
    command(&api, caller, &id, given).await
}
