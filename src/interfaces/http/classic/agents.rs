//! Agents by role: a task for one, and what they do.

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::http::HeaderMap;
use axum::response::Response;
use axum::{Extension, Json};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::ToSchema;

use super::todo::role_of;
use super::{Given, accepted, compose, start};
use crate::domain::machine::TaskStatus;
use crate::domain::time::Millis;
use crate::interfaces::http::extract::Input;
use crate::interfaces::http::guard::Caller;
use crate::interfaces::http::problem::Problem;
use crate::interfaces::http::routes::starts::digest;
use crate::interfaces::http::routes::workflows::no_role;
use crate::interfaces::http::schema;
use crate::interfaces::http::state::Api;

/// Ended projects are counted for a day.
const RECENT_MS: u64 = 24 * 3_600_000;
/// Most ended projects that are counted: the newest.
const RECENT: usize = 200;

/// What an agent is to do.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct AgentTaskBody {
    /// In plain words.
    description: String,
    /// A few words.
    #[serde(default)]
    title: Option<String>,
    /// What can be checked when it is done.
    #[serde(default)]
    acceptance: Vec<String>,
    /// What else it should know, by name.
    #[serde(default)]
    #[schema(value_type = Object)]
    with: Map<String, Value>,
    /// The repository; the first that the server allows when left out.
    #[serde(default)]
    dir: Option<String>,
    /// The models of the agent, most preferred first.
    #[serde(default)]
    models: Vec<String>,
}

/// A task that an agent has been given.
#[derive(Debug, Serialize, ToSchema)]
pub struct Dispatched {
    /// The project.
    workflow_id: String,
    /// Its only task.
    task_id: String,
    /// `started`.
    status: String,
}

/// Gives a task to an agent: a project of one task.
#[utoipa::path(post, path = "/agent/{role}/task", tag = "classic", request_body = AgentTaskBody,
    params(("role" = String, Path, description = "The role; `coder` and `architect` are understood too"),
        ("idempotency-key" = Option<String>, Header, description = "The same key with the same body is the same start")),
    responses((status = 202, description = "It is started", body = Dispatched)))]
pub async fn task(
    State(api): State<Arc<Api>>,
    Extension(caller): Extension<Caller>,
    Path(role): Path<String>,
    headers: HeaderMap,
    Input(body): Input<AgentTaskBody>,
) -> Result<Response, Problem> {
    let role = known(&api, &role)?;
    let digest = digest(&format!("agent {role}"), &body)?;
    let mut task = body.with;
    task.insert("description".to_owned(), Value::String(body.description));
    task.extend(body.title.map(|title| ("title".to_owned(), Value::String(title))));
    if !body.acceptance.is_empty() {
        task.insert("acceptance".to_owned(), body.acceptance.into());
    }
    let inputs = Map::from_iter([("task".to_owned(), Value::Object(task))]);
    let given = Given { workflow: compose::task(&role), inputs, dir: body.dir, models: body.models };
    let begun = start(&api, caller, &headers, digest, given).await?;
    let dispatched = Dispatched { workflow_id: begun.id.to_string(), task_id: role, status: "started".to_owned() };
    Ok(accepted(&begun, dispatched))
}

fn known(api: &Api, role: &str) -> Result<String, Problem> {
    let name = role_of(role);
    match api.parts.launcher.roles().iter().any(|known| known.name == name) {
        true => Ok(name.to_owned()),
        false => Err(no_role(role)),
    }
}

/// What the agents of a role do.
#[derive(Debug, Serialize, ToSchema)]
pub struct AgentStatus {
    /// The role.
    role: String,
    /// Tasks at work.
    running: usize,
    /// Tasks that could be at work: they wait for a worker.
    queued: usize,
    /// Tasks that wait for something else: what they need, a person, a provider.
    waiting: usize,
    /// Tasks that were completed, in projects that are open or ended within a day.
    completed: usize,
    /// Tasks that failed, in the same projects.
    failed: usize,
    /// Those that are not over.
    tasks: Vec<AgentTask>,
}

/// A task of an agent.
#[derive(Debug, Serialize, ToSchema)]
pub struct AgentTask {
    /// The project.
    workflow_id: String,
    /// The task.
    task_id: String,
    /// Its state.
    status: String,
    /// Since when.
    #[schema(value_type = schema::Millis)]
    since: Millis,
}

/// What the agents of a role do now, and did within a day.
#[utoipa::path(get, path = "/agent/{role}/status", tag = "classic", params(("role" = String, Path, description = "The role")),
    responses((status = 200, description = "What they do", body = AgentStatus)))]
pub async fn status(
    State(api): State<Arc<Api>>,
    Extension(caller): Extension<Caller>,
    Path(role): Path<String>,
) -> Result<Json<AgentStatus>, Problem> {
    let role = known(&api, &role)?;
    let (home, now) = (api.home(caller), api.parts.launcher.now());
    let (mut found, _) = home.find("").await?;
    found.sort_by_key(|summary| (summary.status.is_terminal(), std::cmp::Reverse(summary.changed)));
    let mut ended = 0;
    let mut status =
        AgentStatus { role, running: 0, queued: 0, waiting: 0, completed: 0, failed: 0, tasks: Vec::new() };
    for summary in found {
        if summary.status.is_terminal() {
            ended += 1;
            if ended > RECENT || now.since(summary.changed) > RECENT_MS {
                break;
            }
        }
        // One that cannot be read does not hide the others.
        let Ok(view) = home.show(&summary.id).await else { continue };
        for task in view.tasks.into_iter().filter(|task| task.role.as_ref() == Some(&status.role)) {
            *match task.status {
                TaskStatus::Running | TaskStatus::Validating => &mut status.running,
                TaskStatus::Ready => &mut status.queued,
                TaskStatus::Completed => &mut status.completed,
                TaskStatus::Failed => &mut status.failed,
                TaskStatus::Skipped | TaskStatus::Cancelled => continue,
                TaskStatus::Pending
                | TaskStatus::Backoff
                | TaskStatus::AwaitingApproval
                | TaskStatus::AwaitingSignal
                | TaskStatus::InDoubt
                | TaskStatus::Debugging => &mut status.waiting,
            } += 1;
            if !task.status.is_terminal() {
                status.tasks.push(AgentTask {
                    workflow_id: summary.id.to_string(),
                    task_id: task.name,
                    status: task.status.name().to_owned(),
                    since: task.since,
                });
            }
        }
    }
    Ok(Json(status))
}
