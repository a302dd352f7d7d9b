//! Projects: the list, one of them, what it waits for, its removal.

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::{Extension, Json};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::domain::ids::ProjectId;
use crate::domain::limits;
use crate::domain::machine::ProjectStatus;
use crate::domain::project::{RecoveryItem, RecoveryKind};
use crate::domain::time::Millis;
use crate::domain::view::{ProjectView, Reason, Summary};
use crate::interfaces::http::extract::{self, Asked};
use crate::interfaces::http::guard::Caller;
use crate::interfaces::http::problem::Problem;
use crate::interfaces::http::schema;
use crate::interfaces::http::state::Api;

const PAGE: usize = 100;

/// Which projects are wanted.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub struct ListQuery {
    /// States, separated by commas; also `live`, `held` and `ended`.
    status: Option<String>,
    /// Only of this workflow.
    workflow: Option<String>,
    /// Only those whose id, workflow or note contains this text.
    q: Option<String>,
    /// Only children of this project; `none`: only those without a parent.
    parent: Option<String>,
    /// Most of them.
    #[param(minimum = 1, maximum = 1000)]
    limit: Option<usize>,
    /// Where the page before said that this one begins.
    cursor: Option<String>,
}

/// A page of projects.
#[derive(Debug, Serialize, ToSchema)]
pub struct ProjectList {
    /// The last changed first.
    #[schema(value_type = Vec<schema::Summary>)]
    pub projects: Vec<Summary>,
    /// Where the next page begins; null at the end.
    pub next: Option<String>,
    /// What could not be read, in words.
    pub damaged: Vec<String>,
}

/// Lists projects, the last changed first.
#[utoipa::path(get, path = "/api/v1/projects", tag = "projects", params(ListQuery),
    responses((status = 200, description = "The projects", body = ProjectList)))]
pub async fn list(
    State(api): State<Arc<Api>>,
    Extension(caller): Extension<Caller>,
    Asked(query): Asked<ListQuery>,
) -> Result<Json<ProjectList>, Problem> {
    let limit = bounded(query.limit, PAGE)?;
    let is_in = statuses(query.status.as_deref())?;
    let behind = query.cursor.as_deref().map(cursor).transpose()?;
    let (mut projects, damaged) = api.home(caller).find("").await?;
    let wanted_text = query.q.as_deref().map(str::to_lowercase);
    projects.retain(|summary| {
        is_in(summary.status)
            && query.workflow.as_ref().is_none_or(|workflow| *workflow == summary.workflow)
            && query.parent.as_deref().is_none_or(|parent| match parent {
                "none" => summary.parent.is_none(),
                id => summary.parent.as_ref().is_some_and(|parent| parent.as_str() == id),
            })
            && wanted_text.as_ref().is_none_or(|text| has(summary, text))
    });
    // Newest change first; the id tells those of one moment apart.
    projects.sort_by(|a, b| b.changed.cmp(&a.changed).then_with(|| a.id.cmp(&b.id)));
    if let Some((changed, id)) = behind {
        projects.retain(|it| it.changed < changed || (it.changed == changed && it.id > id));
    }
    let is_more = projects.len() > limit;
    projects.truncate(limit);
    let next = projects.last().filter(|_| is_more).map(|last| format!("{}.{}", last.changed.0, last.id));
    Ok(Json(ProjectList { projects, next, damaged }))
}

/// How many are wanted, within bounds.
pub fn bounded(limit: Option<usize>, default: usize) -> Result<usize, Problem> {
    match limit {
        None => Ok(default),
        Some(limit) if (1..=limits::API_PAGE).contains(&limit) => Ok(limit),
        Some(limit) => Err(Problem::invalid(format!("limit: {limit} is not between 1 and {}", limits::API_PAGE))),
    }
}

fn has(summary: &Summary, text: &str) -> bool {
    [summary.id.as_str(), &summary.workflow, &summary.note].iter().any(|it| it.to_lowercase().contains(text))
}

fn cursor(text: &str) -> Result<(Millis, ProjectId), Problem> {
    let parts =
        text.split_once('.').and_then(|(changed, id)| Some((Millis(changed.parse().ok()?), ProjectId::new(id).ok()?)));
    parts.ok_or_else(|| Problem::invalid("cursor: that is no cursor of a list of projects"))
}

fn statuses(text: Option<&str>) -> Result<impl Fn(ProjectStatus) -> bool, Problem> {
    let mut wanted: Option<Vec<ProjectStatus>> = None;
    for word in text.into_iter().flat_map(|text| text.split(',')).map(str::trim).filter(|word| !word.is_empty()) {
        let fits = |status: &&ProjectStatus| match word {
            "live" => !status.is_terminal(),
            "held" => status.is_held(),
            "ended" => status.is_terminal(),
            name => status.name().eq_ignore_ascii_case(name),
        };
        let found: Vec<ProjectStatus> = ProjectStatus::ALL.iter().filter(fits).copied().collect();
        if found.is_empty() {
            let names: Vec<&str> = ProjectStatus::ALL.iter().map(|status| status.name()).collect();
            let shown: String = word.chars().take(40).collect();
            return Err(Problem::invalid(format!(
                "status: `{shown}` is not one of live, held, ended, {}",
                names.join(", ")
            )));
        }
        wanted.get_or_insert_default().extend(found);
    }
    Ok(move |status| wanted.as_ref().is_none_or(|wanted| wanted.contains(&status)))
}

/// Shows one project with its tasks.
#[utoipa::path(get, path = "/api/v1/projects/{id}", tag = "projects", params(("id" = String, Path, description = "The project")),
    responses((status = 200, description = "The project", body = schema::Project)))]
pub async fn show(
    State(api): State<Arc<Api>>,
    Extension(caller): Extension<Caller>,
    Path(id): Path<String>,
) -> Result<Json<ProjectView>, Problem> {
    Ok(Json(api.home(caller).show(&extract::project(&id)?).await?))
}

/// Removes a project that has ended.
#[utoipa::path(delete, path = "/api/v1/projects/{id}", tag = "projects", params(("id" = String, Path, description = "The project")),
    responses((status = 204, description = "It is gone")))]
pub async fn remove(
    State(api): State<Arc<Api>>,
    Extension(caller): Extension<Caller>,
    Path(id): Path<String>,
) -> Result<StatusCode, Problem> {
    api.home(caller).delete(&extract::project(&id)?).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// What a project waits for.
#[derive(Debug, Serialize, ToSchema)]
pub struct WhyView {
    /// Its line.
    #[schema(value_type = schema::Summary)]
    project: Summary,
    /// What it waits for.
    #[schema(value_type = Vec<schema::Reason>)]
    reasons: Vec<Reason>,
    /// Whether an engine drives it.
    driven: bool,
}

/// Tells what a project waits for, and the command that unblocks it.
#[utoipa::path(get, path = "/api/v1/projects/{id}/why", tag = "projects", params(("id" = String, Path, description = "The project")),
    responses((status = 200, description = "What it waits for", body = WhyView)))]
pub async fn why(
    State(api): State<Arc<Api>>,
    Extension(caller): Extension<Caller>,
    Path(id): Path<String>,
) -> Result<Json<WhyView>, Problem> {
    let why = api.home(caller).why(&extract::project(&id)?).await?;
    Ok(Json(WhyView { project: why.project, reasons: why.reasons, driven: why.driven }))
}

/// What a resume would do.
#[derive(Debug, Serialize, ToSchema)]
pub struct PlanView {
    /// The steps whose attempts have not ended.
    items: Vec<PlanItem>,
}

/// What a resume would do with one step.
#[derive(Debug, Serialize, ToSchema)]
pub struct PlanItem {
    /// The task.
    task: String,
    /// The step.
    step: u32,
    /// `read_back`, `run_again`, `restore_and_run`, `probe` or `ask`.
    what: String,
}

/// Tells what a resume would do with steps whose attempts have not ended.
#[utoipa::path(get, path = "/api/v1/projects/{id}/plan", tag = "projects", params(("id" = String, Path, description = "The project")),
    responses((status = 200, description = "The steps", body = PlanView)))]
pub async fn plan(
    State(api): State<Arc<Api>>,
    Extension(caller): Extension<Caller>,
    Path(id): Path<String>,
) -> Result<Json<PlanView>, Problem> {
    let items = api.home(caller).plan(&extract::project(&id)?).await?;
    let item = |item: RecoveryItem| {
        let what = match item.kind {
            RecoveryKind::ReadBack => "read_back",
            RecoveryKind::RunAgain => "run_again",
            RecoveryKind::RestoreAndRun => "restore_and_run",
            RecoveryKind::Probe => "probe",
            RecoveryKind::Ask => "ask",
        };
        PlanItem { task: item.task, step: item.step, what: what.to_owned() }
    };
    Ok(Json(PlanView { items: items.into_iter().map(item).collect() }))
}
