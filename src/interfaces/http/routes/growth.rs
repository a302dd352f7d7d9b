//! Tasks for a project that is under way.

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::{Extension, Json};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use utoipa::ToSchema;

use super::commands;
use crate::domain::machine::Phase;
use crate::domain::project::Command;
use crate::domain::view::Summary;
use crate::domain::workflow::Outside;
use crate::interfaces::http::extract::{self, Input};
use crate::interfaces::http::guard::Caller;
use crate::interfaces::http::problem::Problem;
use crate::interfaces::http::schema;
use crate::interfaces::http::state::{Api, blocking};
use crate::interfaces::http::tokens::Role;

/// Tasks as they stand in a workflow file: as an object or as text.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct AddBody {
    /// The tasks by name.
    #[serde(default)]
    #[schema(value_type = Option<Object>)]
    tasks: Option<Map<String, Value>>,
    /// A workflow file in YAML that has tasks and nothing else; the places in refusals are places in it.
    #[serde(default)]
    text: Option<String>,
    /// The phase that they belong to; the present one when left out.
    #[serde(default)]
    phase: Option<String>,
}

/// Tasks that the project has now.
#[derive(Debug, Serialize, ToSchema)]
pub struct Added {
    /// Their names.
    pub tasks: Vec<String>,
    /// Whether an engine drives the project.
    pub driven: bool,
    /// The project as it is now.
    #[schema(value_type = schema::Summary)]
    pub project: Summary,
}

/// Adds tasks to a project. They are checked like those of a workflow file, in the setting of the project: all of them are added, or none.
/// Adding the very same tasks again changes nothing. Needs role `admin`: their commands are the caller's own.
#[utoipa::path(post, path = "/api/v1/projects/{id}/tasks", tag = "tasks", request_body = AddBody,
    params(("id" = String, Path, description = "The project")), responses((status = 200, description = "They are added", body = Added)))]
pub async fn add(
    State(api): State<Arc<Api>>,
    Extension(caller): Extension<Caller>,
    Path(id): Path<String>,
    Input(body): Input<AddBody>,
) -> Result<Json<Added>, Problem> {
    // What is started over HTTP is what a person agreed to; these are commands of the caller's own.
    caller.must_be(Role::Admin)?;
    let (id, home) = (extract::project(&id)?, api.home(caller));
    let phase = body.phase.as_deref().map(phase).transpose()?;
    let text = match (body.tasks, body.text) {
        (Some(tasks), None) => serde_json::to_string_pretty(&json!({"name": "added", "tasks": tasks}))
            .map_err(|error| Problem::invalid(error.to_string()))?,
        (None, Some(text)) => text,
        (Some(_), Some(_)) => return Err(Problem::invalid("tasks are given as `tasks` or as `text`, not both")),
        (None, None) => return Err(Problem::invalid("tasks are given as `tasks` or as `text`")),
    };
    let (names, pinned) = (home.names(&id).await?, home.definition(&id).await?);
    let (launcher, outside) = (api.parts.launcher.clone(), Outside { tasks: names, definition: pinned.definition });
    let tasks = blocking(move || launcher.tasks(&text, &outside)).await?;
    let names = tasks.iter().map(|task| task.name.clone()).collect();
    let (_, driven) = home.command(&id, Command::Add { tasks, phase }).await?;
    Ok(Json(Added { tasks: names, driven, project: commands::line(&api, caller, &id).await? }))
}

fn phase(name: &str) -> Result<Phase, Problem> {
    name.parse().map_err(|()| {
        let names: Vec<&str> = Phase::ALL.iter().map(|phase| phase.name()).collect();
        let shown: String = name.chars().take(40).collect();
        Problem::invalid(format!("phase: `{shown}` is none of {}", names.join(", ")))
    })
}
