//! The journal of a project: its records, and the proof that they are what was written.

use std::collections::VecDeque;
use std::sync::Arc;

use axum::extract::{Path, State};
use axum::{Extension, Json};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::projects::bounded;
use crate::domain::ids::Seq;
use crate::domain::view::RecordView;
use crate::interfaces::api::Verified;
use crate::interfaces::http::extract::{self, Asked};
use crate::interfaces::http::guard::Caller;
use crate::interfaces::http::problem::Problem;
use crate::interfaces::http::schema;
use crate::interfaces::http::state::Api;

const PAGE: usize = 500;

/// Which records are wanted.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub struct RecordsQuery {
    /// The position before the first one wanted.
    #[serde(default)]
    #[param(minimum = 0)]
    from: u64,
    /// Most of them.
    #[param(minimum = 1, maximum = 1000)]
    limit: Option<usize>,
    /// Only those about this task.
    task: Option<String>,
    /// Only those of these kinds, separated by commas, e.g. TaskFailed,TaskBackoff.
    kind: Option<String>,
    /// Instead of the first ones that fit, the last ones before this position.
    #[param(minimum = 0)]
    before: Option<u64>,
}

/// A page of records.
#[derive(Debug, Serialize, ToSchema)]
pub struct RecordList {
    /// In order.
    #[schema(value_type = Vec<schema::Record>)]
    records: Vec<RecordView>,
    /// What to give as `from` for the next page; null at the end.
    next: Option<u64>,
}

/// Records of a project, in order.
#[utoipa::path(get, path = "/api/v1/projects/{id}/records", tag = "journal",
    params(("id" = String, Path, description = "The project"), RecordsQuery),
    responses((status = 200, description = "The records", body = RecordList)))]
pub async fn records(
    State(api): State<Arc<Api>>,
    Extension(caller): Extension<Caller>,
    Path(id): Path<String>,
    Asked(query): Asked<RecordsQuery>,
) -> Result<Json<RecordList>, Problem> {
    let (id, home) = (extract::project(&id)?, api.home(caller));
    let limit = bounded(query.limit, PAGE)?;
    let names = home.names(&id).await?;
    let (mut at, mut found, mut next) = (Seq(query.from), VecDeque::new(), None);
    let kinds: Option<Vec<&str>> = query.kind.as_ref().map(|kinds| kinds.split(',').map(str::trim).collect());
    'pages: loop {
        let page = home.records(&id, at, false).await?;
        if page.is_empty() {
            break;
        }
        for record in page {
            if query.before.is_some_and(|before| record.seq.0 >= before) {
                break 'pages;
            }
            if found.len() == limit && query.before.is_none() {
                next = Some(at.0);
                break 'pages;
            }
            at = record.seq;
            let task = record.event.task().and_then(|task| names.get(task.at()).cloned());
            let is_wanted = query.task.as_ref().is_none_or(|wanted| task.as_ref() == Some(wanted))
                && kinds.as_ref().is_none_or(|wanted| wanted.contains(&kind(&record).as_str()));
            if is_wanted {
                if found.len() == limit {
                    found.pop_front();
                }
                found.push_back(RecordView { task, ..record });
            }
        }
    }
    Ok(Json(RecordList { records: found.into(), next }))
}

/// The name of what happened: the only key of the event's JSON.
fn kind(record: &RecordView) -> String {
    let event = serde_json::to_value(&record.event).unwrap_or_default();
    event.as_object().and_then(|event| event.keys().next().cloned()).unwrap_or_default()
}

/// Proves a project's whole journal.
#[utoipa::path(get, path = "/api/v1/projects/{id}/verify", tag = "journal", params(("id" = String, Path, description = "The project")),
    responses((status = 200, description = "What was found", body = schema::Verified)))]
pub async fn verify(
    State(api): State<Arc<Api>>,
    Extension(caller): Extension<Caller>,
    Path(id): Path<String>,
) -> Result<Json<Verified>, Problem> {
    Ok(Json(api.home(caller).verify(&extract::project(&id)?).await?))
}
