//! Refusals as `application/problem+json`. A handler returns a [`Problem`]; the outermost layer of the router writes it out,
//! because only that knows what its code means.

use axum::body::Body;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use serde_json::Value;

use crate::interfaces::api::{Explained, Fault, FaultKind};

/// The media type of a problem.
pub const MEDIA_TYPE: &str = "application/problem+json";

/// Why something was not done.
#[derive(Debug, Clone)]
pub struct Problem(Box<Told>);

#[derive(Debug, Clone)]
enum Told {
    /// To be explained when it is written.
    Fault(StatusCode, Fault),
    /// Explained by whoever met it.
    Explained(StatusCode, Explained),
}

/// A problem as it is written.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct Written {
    /// The page of its code.
    #[serde(rename = "type")]
    pub kind: String,
    /// The stable code, the same as the command line's.
    pub code: String,
    /// What the code stands for.
    pub title: String,
    /// The status of the answer.
    pub status: u16,
    /// What went wrong this time.
    pub detail: String,
    /// What lies behind it, outermost first.
    pub causes: Vec<String>,
    /// What to do next.
    pub next: Option<String>,
    /// Of a workflow file: every problem, with its place.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    pub diagnostics: Option<Value>,
    /// Of inputs: every problem.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Vec<Object>>)]
    pub inputs: Option<Value>,
}

impl Problem {
    /// One that the command line has words for.
    pub fn explained(status: u16, explained: Explained) -> Self {
        let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        Self(Box::new(Told::Explained(status, explained)))
    }

    /// A request that cannot be understood.
    pub fn invalid(message: impl Into<String>) -> Self {
        Fault::new(FaultKind::Invalid, message).into()
    }

    /// A fault with another status than its kind has.
    pub fn with_status(status: StatusCode, fault: Fault) -> Self {
        Self(Box::new(Told::Fault(status, fault)))
    }

    /// What is written of it.
    pub fn written(&self, explain: fn(&Fault) -> Explained) -> Written {
        let (status, told) = match &*self.0 {
            Told::Fault(status, fault) => (*status, explain(fault)),
            Told::Explained(status, explained) => (*status, explained.clone()),
        };
        Written {
            kind: format!("/api/v1/codes/{}", told.code),
            code: told.code,
            title: told.title,
            status: status.as_u16(),
            detail: told.message,
            causes: told.causes,
            next: told.next,
            diagnostics: told.diagnostics,
            inputs: told.inputs,
        }
    }

    fn status(&self) -> StatusCode {
        match &*self.0 {
            Told::Fault(status, _) | Told::Explained(status, _) => *status,
        }
    }
}

impl From<Fault> for Problem {
    fn from(fault: Fault) -> Self {
        Self(Box::new(Told::Fault(status_of(fault.kind), fault)))
    }
}

fn status_of(kind: FaultKind) -> StatusCode {
    match kind {
        FaultKind::UnknownProject
        | FaultKind::UnknownTask
        | FaultKind::NoLog
        | FaultKind::NoConversation
        | FaultKind::NoArtifact
        | FaultKind::NoRoute => StatusCode::NOT_FOUND,
        FaultKind::NoFiles
        | FaultKind::AmbiguousArtifact
        | FaultKind::IdTaken
        | FaultKind::Terminal
        | FaultKind::WrongState
        | FaultKind::Ambiguous
        | FaultKind::AlreadyAnswered
        | FaultKind::StaleToken
        | FaultKind::ReadOnly
        | FaultKind::HomeBusy
        | FaultKind::NotDriving => StatusCode::CONFLICT,
        FaultKind::Invalid => StatusCode::BAD_REQUEST,
        FaultKind::Limit | FaultKind::KeyReused => StatusCode::UNPROCESSABLE_ENTITY,
        FaultKind::NoToken => StatusCode::UNAUTHORIZED,
        FaultKind::NotAllowed | FaultKind::Foreign => StatusCode::FORBIDDEN,
        FaultKind::TooMany => StatusCode::TOO_MANY_REQUESTS,
        FaultKind::Damaged | FaultKind::Defect | FaultKind::Store => StatusCode::INTERNAL_SERVER_ERROR,
        FaultKind::DiskLow => StatusCode::INSUFFICIENT_STORAGE,
        FaultKind::Stopped | FaultKind::Connection => StatusCode::SERVICE_UNAVAILABLE,
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let mut response = self.status().into_response();
        response.extensions_mut().insert(self);
        response
    }
}

/// Writes a refusal out: one of ours, or one that the router made by itself.
pub async fn write(response: Response, explain: fn(&Fault) -> Explained) -> Response {
    let status = response.status();
    if let Some(problem) = response.extensions().get::<Problem>().cloned() {
        return written(response, &problem, explain);
    }
    let is_ours = response.headers().get(header::CONTENT_TYPE).is_some_and(|kind| kind == MEDIA_TYPE);
    if !(status.is_client_error() || status.is_server_error()) || is_ours {
        return response;
    }
    let (parts, body) = response.into_parts();
    // The router's own texts are short.
    let text = axum::body::to_bytes(body, 4096).await.unwrap_or_default();
    let text = String::from_utf8_lossy(&text).into_owned();
    let said = |otherwise: &str| if text.is_empty() { otherwise.to_owned() } else { text.clone() };
    let fault = match status {
        StatusCode::NOT_FOUND => Fault::new(FaultKind::NoRoute, said("there is no such route")),
        StatusCode::METHOD_NOT_ALLOWED => Fault::new(FaultKind::Invalid, said("the route does not have this method")),
        StatusCode::PAYLOAD_TOO_LARGE => Fault::new(FaultKind::Limit, said("the body is too large")),
        _ if status.is_client_error() => Fault::new(FaultKind::Invalid, said("the request is not understood")),
        _ => Fault::new(FaultKind::Defect, said("the request was not answered")),
    };
    let response = Response::from_parts(parts, Body::empty());
    written(response, &Problem::with_status(status, fault), explain)
}

fn written(response: Response, problem: &Problem, explain: fn(&Fault) -> Explained) -> Response {
    let (mut parts, _) = response.into_parts();
    parts.headers.remove(header::CONTENT_LENGTH);
    parts.headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(MEDIA_TYPE));
    match parts.status {
        StatusCode::UNAUTHORIZED => {
            parts.headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer realm=\"wfctl\""));
        }
        StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE => {
            parts.headers.insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
        }
        _ => {}
    }
    let text = serde_json::to_vec(&problem.written(explain)).unwrap_or_default();
    Response::from_parts(parts, Body::from(text))
}
