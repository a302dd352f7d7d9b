//! Logging a browser in: a token becomes a cookie that no script can read and no other site can send.

use std::sync::Arc;

use axum::Json;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{Html, IntoResponse as _, Response};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::interfaces::api::{Fault, FaultKind};
use crate::interfaces::http::extract::{Asked, is_json};
use crate::interfaces::http::guard::{COOKIE, Caller, unreadable};
use crate::interfaces::http::problem::Problem;
use crate::interfaces::http::state::Api;
use crate::interfaces::http::tokens::Role;

/// Works without any script or style.
const FORM: &str = "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><title>wfctl</title>\
<meta name=\"viewport\" content=\"width=device-width\"><h1>wfctl</h1><form method=\"post\" action=\"/login\">\
<p><label>Token <input type=\"password\" name=\"token\" autocomplete=\"current-password\" required autofocus></label>\
<p><button>Log in</button></form><p>Print one with <code>wfctl token</code>.";

/// A token.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LoginQuery {
    token: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct LoginBody {
    token: String,
}

/// Whose token it is.
#[derive(Debug, Serialize, ToSchema)]
pub struct SessionView {
    /// What its bearer may do.
    role: Role,
}

/// A form, or with `?token=` the login itself: a link that a terminal prints.
pub async fn form(State(api): State<Arc<Api>>, Asked(query): Asked<LoginQuery>) -> Result<Response, Problem> {
    let Some(token) = query.token else { return Ok(Html(FORM).into_response()) };
    check(&api, &token)?;
    Ok(with_cookie(to_front(), &cookie(&api, &token)))
}

/// The login: of the form, or as JSON.
pub async fn login(State(api): State<Arc<Api>>, headers: HeaderMap, body: Bytes) -> Result<Response, Problem> {
    let is_json = is_json(&headers);
    let token = if is_json {
        serde_json::from_slice::<LoginBody>(&body)
            .map_err(|error| Problem::invalid(format!("the body is not understood: {error}")))?
            .token
    } else {
        let text = String::from_utf8_lossy(&body).into_owned();
        let field = text.split('&').find_map(|pair| pair.strip_prefix("token="));
        // Tokens are letters, digits and underscores: nothing of them is ever encoded.
        field.ok_or_else(|| Problem::invalid("the form has no `token`"))?.to_owned()
    };
    let role = check(&api, &token)?;
    let response = if is_json { Json(SessionView { role }).into_response() } else { to_front() };
    Ok(with_cookie(response, &cookie(&api, &token)))
}

/// The end of a login.
pub async fn logout(State(api): State<Arc<Api>>) -> Response {
    let secure = if api.parts.is_secure { "; Secure" } else { "" };
    let gone = format!("{COOKIE}=; Path=/; HttpOnly; SameSite=Strict; Max-Age=0{secure}");
    with_cookie(to_front(), &gone)
}

/// Whose token a request has.
#[utoipa::path(get, path = "/api/v1/session", tag = "server", responses((status = 200, description = "The role", body = SessionView)))]
pub async fn session(axum::Extension(caller): axum::Extension<Caller>) -> Json<SessionView> {
    Json(SessionView { role: caller.role })
}

fn check(api: &Api, token: &str) -> Result<Role, Problem> {
    match api.parts.tokens.role(token).map_err(unreadable)? {
        Some(role) => Ok(role),
        None if !api.strangers.take(()) => Err(Fault::new(FaultKind::TooMany, "too many tokens were tried").into()),
        None => Err(Fault::new(FaultKind::NoToken, "the token is not valid").into()),
    }
}

fn cookie(api: &Api, token: &str) -> String {
    let secure = if api.parts.is_secure { "; Secure" } else { "" };
    format!("{COOKIE}={token}; Path=/; HttpOnly; SameSite=Strict{secure}")
}

fn to_front() -> Response {
    (StatusCode::SEE_OTHER, [(header::LOCATION, "/")]).into_response()
}

fn with_cookie(mut response: Response, cookie: &str) -> Response {
    // A token that was found valid has nothing in it that a header may not have.
    if let Ok(cookie) = HeaderValue::from_str(cookie) {
        response.headers_mut().insert(header::SET_COOKIE, cookie);
    }
    response
}
