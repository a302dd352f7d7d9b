//! Starts: of a workflow, and of a fork.

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use axum::{Extension, Json};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::ToSchema;

use crate::domain::budget::Caps;
use crate::domain::ids::{Digest, ProjectId, Seq};
use crate::interfaces::api::ForkRequest;
use crate::interfaces::http::extract::{self, Input};
use crate::interfaces::http::guard::Caller;
use crate::interfaces::http::parts::{Source, Wanted};
use crate::interfaces::http::problem::Problem;
use crate::interfaces::http::schema;
use crate::interfaces::http::state::Api;

/// What to start.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct StartBody {
    /// The name of a workflow in the list.
    workflow: String,
    /// Its inputs by name.
    #[serde(default)]
    #[schema(value_type = Object)]
    inputs: Map<String, Value>,
    /// The folder to run in, one of those that the server allows or inside of one; the first of them when left out.
    #[serde(default)]
    dir: Option<String>,
    /// The id; starting twice with the same one is one start.
    #[serde(default)]
    #[schema(pattern = "^[a-z0-9][a-z0-9._-]{0,63}$")]
    id: Option<String>,
    /// The models of all agents, `provider/model`, most preferred first.
    #[serde(default)]
    models: Vec<String>,
    /// Caps that take the place of the workflow's.
    #[serde(default)]
    budget: Option<CapsBody>,
}

/// Caps; those left out are not changed.
#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CapsBody {
    /// Most steps started.
    calls: Option<u64>,
    /// Most model tokens.
    tokens: Option<u64>,
    /// Most money, in millionths of a US dollar.
    usd_micros: Option<u64>,
    /// Most wall time in milliseconds.
    wall_ms: Option<u64>,
}

impl From<CapsBody> for Caps {
    fn from(body: CapsBody) -> Self {
        let CapsBody { calls, tokens, usd_micros, wall_ms } = body;
        Self { calls, tokens, usd_micros, wall_ms }
    }
}

/// What was started.
#[derive(Debug, Serialize, ToSchema)]
pub struct Started {
    /// The project.
    pub id: String,
    /// It was started before.
    pub existed: bool,
}

/// A start that is done.
#[derive(Debug)]
pub struct Begun {
    /// The project.
    pub id: ProjectId,
    /// It was there before.
    pub existed: bool,
    /// It was there because this very request was made before.
    pub replayed: bool,
}

/// Says of a repeated request that it is one.
const REPLAYED: HeaderName = HeaderName::from_static("idempotency-replayed");

/// Starts a project, durably: when this answers, it survives anything.
#[utoipa::path(post, path = "/api/v1/projects", tag = "projects", request_body = StartBody,
    params(("idempotency-key" = Option<String>, Header, description = "The same key with the same body is the same start")),
    responses((status = 201, description = "It is started", body = Started),
        (status = 200, description = "It was started before with this id", body = Started)))]
pub async fn start(
    State(api): State<Arc<Api>>,
    Extension(caller): Extension<Caller>,
    headers: HeaderMap,
    Input(body): Input<StartBody>,
) -> Result<Response, Problem> {
    let digest = digest("start", &body)?;
    let wanted = Wanted {
        source: Source::Named(body.workflow),
        inputs: body.inputs,
        dir: body.dir,
        models: body.models,
        budget: body.budget.map(Into::into),
        id: body.id.as_deref().map(extract::chosen).transpose()?,
        role: caller.role,
    };
    let begun = begin(&api, caller, &headers, digest, wanted).await?;
    Ok(answer(&begun))
}

/// A digest of a request, whatever the order of its fields is.
pub fn digest(what: &str, body: &impl Serialize) -> Result<Digest, Problem> {
    let mut value = serde_json::to_value(body).map_err(|error| Problem::invalid(error.to_string()))?;
    value.sort_all_objects();
    Ok(Digest::of(format!("{what} {value}").as_bytes()))
}

/// Starts what is wanted; with an `Idempotency-Key`, once.
pub async fn begin(
    api: &Arc<Api>,
    caller: Caller,
    headers: &HeaderMap,
    digest: Digest,
    wanted: Wanted,
) -> Result<Begun, Problem> {
    let home = api.home(caller);
    let Some(key) = extract::idempotency_key(headers)? else {
        let start = api.prepare(wanted).await?;
        let (id, existed) = home.start(start).await?;
        return Ok(Begun { id, existed, replayed: false });
    };
    let name = match &wanted.source {
        Source::Named(name) | Source::Composed(name, _) => name.clone(),
    };
    let launcher = &api.parts.launcher;
    let fresh = wanted.id.clone().unwrap_or_else(|| launcher.fresh_id(&name));
    let turn = api.remembered.take(&key, digest, fresh, launcher.now()).await?;
    let (found, _) = home.find(turn.id.as_str()).await?;
    if found.iter().any(|summary| summary.id == turn.id) {
        // Whatever became of the workflow's file meanwhile.
        return Ok(Begun { id: turn.id.clone(), existed: false, replayed: true });
    }
    let start = api.prepare(Wanted { id: Some(turn.id.clone()), ..wanted }).await?;
    let (id, existed) = home.start(start).await?;
    Ok(Begun { id, existed, replayed: false })
}

fn answer(begun: &Begun) -> Response {
    let status = if begun.existed { StatusCode::OK } else { StatusCode::CREATED };
    let body = Started { id: begun.id.to_string(), existed: begun.existed };
    let mut response = (status, Json(body)).into_response();
    mark(&mut response, begun);
    response
}

/// Says where the project is, and whether the request was made before.
pub fn mark(response: &mut Response, begun: &Begun) {
    let headers = response.headers_mut();
    if let Ok(place) = HeaderValue::from_str(&format!("/api/v1/projects/{}", begun.id)) {
        headers.insert(header::LOCATION, place);
    }
    if begun.replayed {
        headers.insert(REPLAYED, HeaderValue::from_static("true"));
    }
}

/// What to fork.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ForkBody {
    /// The last record that both have in common.
    at: u64,
    /// The id of the fork; `PROJECT.fSEQ` when left out.
    #[serde(default)]
    #[schema(pattern = "^[a-z0-9][a-z0-9._-]{0,63}$")]
    id: Option<String>,
    /// The models that its agents ask from there on.
    #[serde(default)]
    models: Vec<String>,
    /// Caps that take the place of those in force.
    #[serde(default)]
    budget: Option<CapsBody>,
}

/// Starts a project that shares the records of another one up to a point, and goes on from there by itself.
#[utoipa::path(post, path = "/api/v1/projects/{id}/fork", tag = "projects", request_body = ForkBody,
    params(("id" = String, Path, description = "The project")),
    responses((status = 201, description = "It is forked", body = Started),
        (status = 200, description = "It was forked before with this id", body = Started)))]
pub async fn fork(
    State(api): State<Arc<Api>>,
    Extension(caller): Extension<Caller>,
    Path(id): Path<String>,
    Input(body): Input<ForkBody>,
) -> Result<Response, Problem> {
    let source = extract::project(&id)?;
    let wrong = body
        .models
        .iter()
        .find(|model| model.split_once('/').is_none_or(|(provider, name)| provider.is_empty() || name.is_empty()));
    if let Some(model) = wrong {
        let shown: String = model.chars().take(80).collect();
        return Err(Problem::invalid(format!("models: {shown:?} is not `provider/model`")));
    }
    let new = body.id.unwrap_or_else(|| format!("{source}.f{}", body.at));
    let (at, budget) = (Seq(body.at), body.budget.map(Into::into));
    let fork = ForkRequest { source, at, id: extract::chosen(&new)?, models: body.models, budget };
    let (id, existed) = api.home(caller).fork(fork).await?;
    Ok(answer(&Begun { id, existed, replayed: false }))
}

/// Caps as they are told.
#[derive(Debug, Serialize, ToSchema)]
pub struct BudgetView {
    /// The caps in force.
    #[schema(value_type = schema::Caps)]
    pub caps: Caps,
    /// What is used of them.
    #[schema(value_type = schema::Ledger)]
    pub ledger: crate::domain::budget::Ledger,
}
