//! Commands to a project.

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::{Extension, Json};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

use super::starts::CapsBody;
use crate::domain::event::DoubtAnswer;
use crate::domain::ids::ProjectId;
use crate::domain::project::Command;
use crate::domain::view::Summary;
use crate::interfaces::api::{Fault, FaultKind};
use crate::interfaces::http::extract::{self, Input};
use crate::interfaces::http::guard::Caller;
use crate::interfaces::http::problem::Problem;
use crate::interfaces::http::schema;
use crate::interfaces::http::state::Api;

/// A command that was taken: it is durable.
#[derive(Debug, Serialize, ToSchema)]
pub struct Taken {
    /// What the command gives back, as a decimal number: the token of a claim.
    pub value: Option<String>,
    /// Whether an engine drives the project.
    pub driven: bool,
    /// The project as it is now.
    #[schema(value_type = schema::Summary)]
    pub project: Summary,
}

/// Gives a command that is recorded; with `drive`, the engine takes the project up if it had not.
async fn give(api: &Api, caller: Caller, id: &str, command: Command, drive: Drive) -> Result<Json<Taken>, Problem> {
    let (id, home) = (extract::project(id)?, api.home(caller));
    let (value, driven) = match drive {
        Drive::AsItIs => home.command(&id, command).await?,
        Drive::FromHereOn => {
            home.resume(&id, command).await?;
            (None, true)
        }
    };
    Ok(Json(Taken { value: value.map(|value| value.to_string()), driven, project: line(api, caller, &id).await? }))
}

/// Whether a command has an effect only in a project that is driven.
#[derive(Debug, Clone, Copy)]
enum Drive {
    AsItIs,
    FromHereOn,
}

/// The line of a project.
pub async fn line(api: &Api, caller: Caller, id: &ProjectId) -> Result<Summary, Problem> {
    let (found, _) = api.home(caller).find(id.as_str()).await?;
    let found = found.into_iter().find(|summary| summary.id == *id);
    found.ok_or_else(|| Fault::new(FaultKind::UnknownProject, format!("there is no project `{id}`")).into())
}

/// Gives any command.
pub async fn command(api: &Api, caller: Caller, id: &str, command: Command) -> Result<Json<Taken>, Problem> {
    give(api, caller, id, command, Drive::AsItIs).await
}

/// Why.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CommentBody {
    /// Kept in the journal.
    #[serde(default)]
    comment: String,
}

/// Pauses a project: steps that run end, none starts until it is resumed.
#[utoipa::path(post, path = "/api/v1/projects/{id}/pause", tag = "commands", request_body = CommentBody,
    params(("id" = String, Path, description = "The project")), responses((status = 200, description = "It is recorded", body = Taken)))]
pub async fn pause(
    State(api): State<Arc<Api>>,
    Extension(caller): Extension<Caller>,
    Path(id): Path<String>,
    Input(body): Input<CommentBody>,
) -> Result<Json<Taken>, Problem> {
    give(&api, caller, &id, Command::Pause { comment: body.comment }, Drive::AsItIs).await
}

/// Stops a project at once and takes nothing back.
#[utoipa::path(post, path = "/api/v1/projects/{id}/kill", tag = "commands", request_body = CommentBody,
    params(("id" = String, Path, description = "The project")), responses((status = 200, description = "It is recorded", body = Taken)))]
pub async fn kill(
    State(api): State<Arc<Api>>,
    Extension(caller): Extension<Caller>,
    Path(id): Path<String>,
    Input(body): Input<CommentBody>,
) -> Result<Json<Taken>, Problem> {
    give(&api, caller, &id, Command::Kill { comment: body.comment }, Drive::FromHereOn).await
}

/// How to stop.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CancelBody {
    /// Take back what completed tasks did, in reverse order.
    #[serde(default = "yes")]
    undo: bool,
    /// Kept in the journal.
    #[serde(default)]
    comment: String,
}

fn yes() -> bool {
    true
}

/// Stops a project and takes back what it did.
#[utoipa::path(post, path = "/api/v1/projects/{id}/cancel", tag = "commands", request_body = CancelBody,
    params(("id" = String, Path, description = "The project")), responses((status = 200, description = "It is recorded", body = Taken)))]
pub async fn cancel(
    State(api): State<Arc<Api>>,
    Extension(caller): Extension<Caller>,
    Path(id): Path<String>,
    Input(body): Input<CancelBody>,
) -> Result<Json<Taken>, Problem> {
    let command = Command::Cancel { undo: body.undo, comment: body.comment };
    give(&api, caller, &id, command, Drive::FromHereOn).await
}

/// How to go on.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ResumeBody {
    /// How steps are settled of which nobody knows whether they happened.
    #[serde(default)]
    in_doubt: Option<DoubtBody>,
    /// Raise caps.
    #[serde(default)]
    budget: Option<CapsBody>,
    /// Kept in the journal.
    #[serde(default)]
    comment: String,
}

/// How a doubt is settled.
#[derive(Debug, Clone, Copy, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum DoubtBody {
    /// Run it again.
    Rerun,
    /// It happened; go on.
    Done,
    /// It did not work; fail the task.
    Fail,
}

/// Goes on with a project where it was.
#[utoipa::path(post, path = "/api/v1/projects/{id}/resume", tag = "commands", request_body = ResumeBody,
    params(("id" = String, Path, description = "The project")), responses((status = 200, description = "It is recorded", body = Taken)))]
pub async fn resume(
    State(api): State<Arc<Api>>,
    Extension(caller): Extension<Caller>,
    Path(id): Path<String>,
    Input(body): Input<ResumeBody>,
) -> Result<Json<Taken>, Problem> {
    let in_doubt = body.in_doubt.map(|how| match how {
        DoubtBody::Rerun => DoubtAnswer::Rerun,
        DoubtBody::Done => DoubtAnswer::Done,
        DoubtBody::Fail => DoubtAnswer::Fail,
    });
    let command = Command::Resume { in_doubt, budget: body.budget.map(Into::into), comment: body.comment };
    give(&api, caller, &id, command, Drive::FromHereOn).await
}

/// What to try again.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RetryBody {
    /// The task; all failed ones when left out.
    #[serde(default)]
    task: Option<String>,
}

/// Gives a task, or all failed ones, a new series of attempts.
#[utoipa::path(post, path = "/api/v1/projects/{id}/retry", tag = "commands", request_body = RetryBody,
    params(("id" = String, Path, description = "The project")), responses((status = 200, description = "It is recorded", body = Taken)))]
pub async fn retry(
    State(api): State<Arc<Api>>,
    Extension(caller): Extension<Caller>,
    Path(id): Path<String>,
    Input(body): Input<RetryBody>,
) -> Result<Json<Taken>, Problem> {
    give(&api, caller, &id, Command::Retry { task: body.task }, Drive::AsItIs).await
}

/// A signal.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SignalBody {
    /// Its name.
    name: String,
    /// What it carries.
    #[serde(default)]
    payload: Value,
    /// The sender's id for it: a second one with the same id changes nothing.
    #[serde(default)]
    request: String,
}

/// Sends a signal to a project.
#[utoipa::path(post, path = "/api/v1/projects/{id}/signals", tag = "commands", request_body = SignalBody,
    params(("id" = String, Path, description = "The project")), responses((status = 200, description = "It is recorded", body = Taken)))]
pub async fn signal(
    State(api): State<Arc<Api>>,
    Extension(caller): Extension<Caller>,
    Path(id): Path<String>,
    Input(body): Input<SignalBody>,
) -> Result<Json<Taken>, Problem> {
    let command = Command::Signal { name: body.name, payload: body.payload, request: body.request };
    give(&api, caller, &id, command, Drive::AsItIs).await
}
