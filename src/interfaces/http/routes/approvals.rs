//! Questions that wait for a person, over all projects, and their answers.

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::{Extension, Json};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::commands::{self, Taken};
use crate::domain::event::Decision;
use crate::domain::machine::TaskStatus;
use crate::domain::project::Command;
use crate::domain::time::Millis;
use crate::domain::view::{ProjectView, Summary};
use crate::interfaces::http::extract::Input;
use crate::interfaces::http::guard::Caller;
use crate::interfaces::http::problem::Problem;
use crate::interfaces::http::schema;
use crate::interfaces::http::state::Api;

/// All open questions.
#[derive(Debug, Serialize, ToSchema)]
pub struct ApprovalList {
    /// The oldest first.
    approvals: Vec<Approval>,
}

/// One open question.
#[derive(Debug, Serialize, ToSchema)]
pub struct Approval {
    /// The project.
    #[schema(value_type = schema::Summary)]
    project: Summary,
    /// The task that asks; null: the gate behind a phase.
    task: Option<String>,
    /// The question.
    ask: String,
    /// Since when.
    #[schema(value_type = schema::Millis)]
    since: Millis,
    /// When silence becomes an answer.
    #[schema(value_type = Option<schema::Millis>)]
    due: Option<Millis>,
}

/// Lists every question that waits for a person.
#[utoipa::path(get, path = "/api/v1/approvals", tag = "approvals",
    responses((status = 200, description = "The questions", body = ApprovalList)))]
pub async fn open(
    State(api): State<Arc<Api>>,
    Extension(caller): Extension<Caller>,
) -> Result<Json<ApprovalList>, Problem> {
    let mut approvals = Vec::new();
    for view in live(&api, caller).await? {
        approvals.extend(questions(view));
    }
    approvals.sort_by_key(|approval| approval.since);
    Ok(Json(ApprovalList { approvals }))
}

/// Every project that has not ended. One that cannot be read does not hide the others.
pub async fn live(api: &Api, caller: Caller) -> Result<Vec<ProjectView>, Problem> {
    let home = api.home(caller);
    let (found, _) = home.find("").await?;
    let mut views = Vec::new();
    for summary in found.into_iter().filter(|summary| !summary.status.is_terminal()) {
        match home.show(&summary.id).await {
            Ok(view) => views.push(view),
            Err(fault) if fault.is_of_the_engine() => return Err(fault.into()),
            Err(fault) => tracing::warn!(project = %summary.id, %fault, "left out of a list"),
        }
    }
    Ok(views)
}

fn questions(view: ProjectView) -> Vec<Approval> {
    let project = view.summary;
    let gate = view.gate.map(|gate| Approval {
        project: project.clone(),
        task: None,
        ask: gate.ask,
        since: project.changed,
        due: gate.due,
    });
    let asks = view.tasks.into_iter().filter(|task| task.status == TaskStatus::AwaitingApproval);
    let of_tasks = asks.map(|task| {
        let words = task.waits_for.unwrap_or_default();
        Approval {
            project: project.clone(),
            task: Some(task.name),
            ask: words.strip_prefix("approval: ").unwrap_or(&words).to_owned(),
            since: task.since,
            due: task.due,
        }
    });
    gate.into_iter().chain(of_tasks).collect()
}

/// An answer.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct DecisionBody {
    /// The task that asks; the only question when left out.
    #[serde(default)]
    task: Option<String>,
    /// Yes or no.
    decision: DecisionWord,
    /// Kept in the journal.
    #[serde(default)]
    comment: String,
}

/// Yes or no.
#[derive(Debug, Clone, Copy, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum DecisionWord {
    /// Yes.
    Approved,
    /// No.
    Rejected,
}

/// Answers a question of a project.
#[utoipa::path(post, path = "/api/v1/projects/{id}/approvals", tag = "approvals", request_body = DecisionBody,
    params(("id" = String, Path, description = "The project")),
    responses((status = 200, description = "It is recorded", body = Taken)))]
pub async fn decide(
    State(api): State<Arc<Api>>,
    Extension(caller): Extension<Caller>,
    Path(id): Path<String>,
    Input(body): Input<DecisionBody>,
) -> Result<Json<Taken>, Problem> {
    let decision = match body.decision {
        DecisionWord::Approved => Decision::Approved,
        DecisionWord::Rejected => Decision::Rejected,
    };
    let command = Command::Answer { task: body.task, decision, comment: body.comment };
    commands::command(&api, caller, &id, command).await
}
