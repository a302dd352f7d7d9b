//! Tasks of a project.

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::{Extension, Json};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::projects::bounded;
use crate::domain::machine::TaskStatus;
use crate::domain::view::TaskView;
use crate::interfaces::api::{Fault, FaultKind};
use crate::interfaces::http::extract::{self, Asked};
use crate::interfaces::http::guard::Caller;
use crate::interfaces::http::problem::Problem;
use crate::interfaces::http::schema;
use crate::interfaces::http::state::Api;

const PAGE: usize = 500;

/// Which tasks are wanted.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub struct TasksQuery {
    /// States, separated by commas.
    status: Option<String>,
    /// Most of them.
    #[param(minimum = 1, maximum = 1000)]
    limit: Option<usize>,
    /// Where the page before said that this one begins.
    #[param(minimum = 0)]
    cursor: Option<u32>,
}

/// A page of tasks.
#[derive(Debug, Serialize, ToSchema)]
pub struct TaskList {
    /// In the order they were added.
    #[schema(value_type = Vec<schema::Task>)]
    tasks: Vec<TaskView>,
    /// Where the next page begins; null at the end.
    next: Option<u32>,
}

/// Lists the tasks of a project.
#[utoipa::path(get, path = "/api/v1/projects/{id}/tasks", tag = "tasks",
    params(("id" = String, Path, description = "The project"), TasksQuery),
    responses((status = 200, description = "The tasks", body = TaskList)))]
pub async fn list(
    State(api): State<Arc<Api>>,
    Extension(caller): Extension<Caller>,
    Path(id): Path<String>,
    Asked(query): Asked<TasksQuery>,
) -> Result<Json<TaskList>, Problem> {
    let limit = bounded(query.limit, PAGE)?;
    let wanted = statuses(query.status.as_deref())?;
    let view = api.home(caller).show(&extract::project(&id)?).await?;
    let mut tasks: Vec<TaskView> = view
        .tasks
        .into_iter()
        .filter(|task| wanted.is_empty() || wanted.contains(&task.status))
        .filter(|task| query.cursor.is_none_or(|from| task.ix >= from))
        .take(limit + 1)
        .collect();
    let next = (tasks.len() > limit).then(|| tasks.pop()).flatten().map(|task| task.ix);
    Ok(Json(TaskList { tasks, next }))
}

fn statuses(text: Option<&str>) -> Result<Vec<TaskStatus>, Problem> {
    let words = text.into_iter().flat_map(|text| text.split(',')).map(str::trim).filter(|word| !word.is_empty());
    words
        .map(|word| {
            let found = TaskStatus::ALL.iter().find(|status| status.name().eq_ignore_ascii_case(word));
            found.copied().ok_or_else(|| {
                let names: Vec<&str> = TaskStatus::ALL.iter().map(|status| status.name()).collect();
                let shown: String = word.chars().take(40).collect();
                Problem::invalid(format!("status: `{shown}` is not one of {}", names.join(", ")))
            })
        })
        .collect()
}

/// Shows one task.
#[utoipa::path(get, path = "/api/v1/projects/{id}/tasks/{task}", tag = "tasks",
    params(("id" = String, Path, description = "The project"), ("task" = String, Path, description = "The task")),
    responses((status = 200, description = "The task", body = schema::Task)))]
pub async fn show(
    State(api): State<Arc<Api>>,
    Extension(caller): Extension<Caller>,
    Path((id, name)): Path<(String, String)>,
) -> Result<Json<TaskView>, Problem> {
    let id = extract::project(&id)?;
    let view = api.home(caller).show(&id).await?;
    let found = view.tasks.into_iter().find(|task| task.name == name);
    found.map(Json).ok_or_else(|| {
        let shown: String = name.chars().take(128).collect();
        Fault::new(FaultKind::UnknownTask, format!("project {id} has no task `{shown}`")).of(&id).into()
    })
}
