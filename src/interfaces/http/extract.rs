//! What handlers take out of a request: bodies and queries whose mistakes are told as problems.

use axum::extract::{FromRequest, FromRequestParts, Request};
use axum::http::request::Parts;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::IntoResponse as _;
use serde::de::DeserializeOwned;

use super::problem::Problem;
use crate::domain::ids::ProjectId;
use crate::domain::limits;
use crate::interfaces::api::{Fault, FaultKind};

/// A JSON body; none at all is an empty object.
pub struct Input<T>(pub T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for Input<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        let is_json = is_json(request.headers());
        let bytes = axum::body::Bytes::from_request(request, state).await.map_err(|rejection| {
            let status = rejection.status();
            match rejection.into_response().status() {
                StatusCode::PAYLOAD_TOO_LARGE => too_large(),
                _ => Problem::with_status(status, Fault::new(FaultKind::Invalid, "the body cannot be read")),
            }
        })?;
        if bytes.is_empty() {
            return parse(b"{}").map(Self);
        }
        if !is_json {
            let fault = Fault::new(FaultKind::Invalid, "the body must be application/json");
            return Err(Problem::with_status(StatusCode::UNSUPPORTED_MEDIA_TYPE, fault));
        }
        parse(&bytes).map(Self)
    }
}

fn parse<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Problem> {
    serde_json::from_slice(bytes).map_err(|error| Problem::invalid(format!("the body is not understood: {error}")))
}

/// Whether the body says that it is JSON.
pub fn is_json(headers: &HeaderMap) -> bool {
    let kind = headers.get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    let kind = kind.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    kind == "application/json" || kind.ends_with("+json")
}

/// A body past the bound.
pub fn too_large() -> Problem {
    let message = format!("the body has more than {} bytes", limits::API_BODY_BYTES);
    Problem::with_status(StatusCode::PAYLOAD_TOO_LARGE, Fault::new(FaultKind::Limit, message))
}

/// A query.
pub struct Asked<T>(pub T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequestParts<S> for Asked<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let query = axum::extract::Query::<T>::try_from_uri(&parts.uri);
        match query {
            Ok(query) => Ok(Self(query.0)),
            Err(rejection) => Err(Problem::invalid(format!("the query is not understood: {}", rejection.body_text()))),
        }
    }
}

/// The project of a path. A text that is no id names no project.
pub fn project(text: &str) -> Result<ProjectId, Problem> {
    ProjectId::new(text).map_err(|_| {
        let shown: String = text.chars().take(80).collect();
        Fault::new(FaultKind::UnknownProject, format!("there is no project `{shown}`")).into()
    })
}

/// The id that somebody chooses.
pub fn chosen(text: &str) -> Result<ProjectId, Problem> {
    ProjectId::new(text).map_err(|error| Problem::invalid(error.to_string()))
}

/// The key that makes a request idempotent.
pub fn idempotency_key(headers: &HeaderMap) -> Result<Option<String>, Problem> {
    let Some(key) = headers.get("idempotency-key") else { return Ok(None) };
    let key = key.to_str().ok().filter(|key| {
        !key.is_empty() && key.len() <= limits::API_KEY_BYTES && key.bytes().all(|byte| byte.is_ascii_graphic())
    });
    match key {
        Some(key) => Ok(Some(key.to_owned())),
        None => Err(Problem::invalid(format!(
            "an Idempotency-Key has 1 to {} visible ASCII characters",
            limits::API_KEY_BYTES
        ))),
    }
}
