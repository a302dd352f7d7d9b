//! When attempts, steps and waits were, and what the merge queue answered.

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::{Extension, Json};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::{IntoParams, ToSchema};

use crate::domain::time::Millis;
use crate::interfaces::api::{StepRow, Timeline};
use crate::interfaces::http::extract::{self, Asked};
use crate::interfaces::http::guard::Caller;
use crate::interfaces::http::problem::Problem;
use crate::interfaces::http::schema;
use crate::interfaces::http::state::Api;

/// Whose attempts are wanted.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub struct AttemptsQuery {
    /// Only of this task.
    task: Option<String>,
}

/// The course of a project: its attempts with their steps, and what was waited for.
#[utoipa::path(get, path = "/api/v1/projects/{id}/attempts", tag = "tasks",
    params(("id" = String, Path, description = "The project"), AttemptsQuery),
    responses((status = 200, description = "The course", body = schema::Timeline)))]
pub async fn attempts(
    State(api): State<Arc<Api>>,
    Extension(caller): Extension<Caller>,
    Path(id): Path<String>,
    Asked(query): Asked<AttemptsQuery>,
) -> Result<Json<Timeline>, Problem> {
    Ok(Json(api.home(caller).timeline(&extract::project(&id)?, query.task).await?))
}

/// The course of one task.
#[utoipa::path(get, path = "/api/v1/projects/{id}/tasks/{task}/attempts", tag = "tasks",
    params(("id" = String, Path, description = "The project"), ("task" = String, Path, description = "The task")),
    responses((status = 200, description = "The course", body = schema::Timeline)))]
pub async fn of_task(
    State(api): State<Arc<Api>>,
    Extension(caller): Extension<Caller>,
    Path((id, task)): Path<(String, String)>,
) -> Result<Json<Timeline>, Problem> {
    Ok(Json(api.home(caller).timeline(&extract::project(&id)?, Some(task)).await?))
}

/// Which attempt is wanted.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub struct StepsQuery {
    /// Only of this attempt.
    #[param(minimum = 1)]
    attempt: Option<u32>,
}

/// Steps of a task.
#[derive(Debug, Serialize, ToSchema)]
pub struct StepList {
    /// In the order of the attempts.
    steps: Vec<StepOfAttempt>,
}

/// A step with the number of its attempt.
#[derive(Debug, Serialize, ToSchema)]
pub struct StepOfAttempt {
    /// The attempt.
    attempt: u32,
    /// The step.
    #[schema(value_type = schema::Step)]
    step: StepRow,
}

/// The steps of a task, of all attempts or of one.
#[utoipa::path(get, path = "/api/v1/projects/{id}/tasks/{task}/steps", tag = "tasks",
    params(("id" = String, Path, description = "The project"), ("task" = String, Path, description = "The task"), StepsQuery),
    responses((status = 200, description = "The steps", body = StepList)))]
pub async fn steps(
    State(api): State<Arc<Api>>,
    Extension(caller): Extension<Caller>,
    Path((id, task)): Path<(String, String)>,
    Asked(query): Asked<StepsQuery>,
) -> Result<Json<StepList>, Problem> {
    let timeline = api.home(caller).timeline(&extract::project(&id)?, Some(task)).await?;
    let wanted = timeline.attempts.into_iter().filter(|row| query.attempt.is_none_or(|it| it == row.attempt));
    let steps = wanted.flat_map(|row| row.steps.into_iter().map(move |step| (row.attempt, step)));
    Ok(Json(StepList { steps: steps.map(|(attempt, step)| StepOfAttempt { attempt, step }).collect() }))
}

/// What was asked of the merge queue.
#[derive(Debug, Serialize, ToSchema)]
pub struct MergeList {
    /// In the order it was asked.
    entries: Vec<MergeEntry>,
}

/// One task's work on its way to the integration branch.
#[derive(Debug, Serialize, ToSchema)]
pub struct MergeEntry {
    /// The task.
    task: String,
    /// The attempt.
    attempt: u32,
    /// `waiting`, `merged`, or why not: `conflict`, `validation`, ...
    state: String,
    /// When it was asked.
    #[schema(value_type = schema::Millis)]
    asked: Millis,
    /// When it was answered.
    #[schema(value_type = Option<schema::Millis>)]
    ended: Option<Millis>,
    /// The task's own commit.
    commit: Option<String>,
    /// The head of the integration branch that contains it.
    integration: Option<String>,
    /// How many merges made it.
    position: Option<u64>,
    /// Why it was not merged.
    detail: Option<String>,
}

/// The merge queue of a project, as its journal tells it.
#[utoipa::path(get, path = "/api/v1/projects/{id}/merges", tag = "tasks", params(("id" = String, Path, description = "The project")),
    responses((status = 200, description = "What was asked of the queue", body = MergeList)))]
pub async fn merges(
    State(api): State<Arc<Api>>,
    Extension(caller): Extension<Caller>,
    Path(id): Path<String>,
) -> Result<Json<MergeList>, Problem> {
    let timeline = api.home(caller).timeline(&extract::project(&id)?, None).await?;
    let mut entries = Vec::new();
    for row in timeline.attempts {
        for step in row.steps.into_iter().filter(|step| step.kind == "merge") {
            entries.push(entry(row.task.clone(), row.attempt, step));
        }
    }
    entries.sort_by_key(|entry| entry.asked);
    Ok(Json(MergeList { entries }))
}

fn entry(task: String, attempt: u32, step: StepRow) -> MergeEntry {
    let text = |name: &str| step.merged.as_ref()?.get(name)?.as_str().map(str::to_owned);
    let state = match (&step.failure, step.ended) {
        (Some(failure), _) => failure.class.name().to_owned(),
        (None, Some(_)) => "merged".to_owned(),
        (None, None) => "waiting".to_owned(),
    };
    MergeEntry {
        task,
        attempt,
        state,
        asked: step.started,
        ended: step.ended,
        commit: text("commit"),
        integration: text("integration"),
        position: step.merged.as_ref().and_then(|merged| merged.get("position")).and_then(Value::as_u64),
        detail: step.failure.map(|failure| failure.message),
    }
}
