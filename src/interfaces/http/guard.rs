//! Who gets through: by host, origin, token, rate and room, in this order, before any handler runs.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, header};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use futures_util::StreamExt as _;

use super::extract::too_large;
use super::problem::{self, Problem};
use super::state::Api;
use super::tokens::Role;
use crate::domain::limits;
use crate::interfaces::api::{Fault, FaultKind};

/// The cookie that stands for a token in a browser.
pub const COOKIE: &str = "wfctl_token";

/// Nothing but what this server itself serves is loaded or asked by a page of it.
const POLICY: &str =
    "default-src 'self'; base-uri 'none'; frame-ancestors 'none'; form-action 'self'; object-src 'none'";

/// Where a token is needed whatever the method is.
const GUARDED: [&str; 7] = ["/api/", "/openapi.json", "/metrics", "/mcp", "/planner/", "/orchestrator/", "/agent/"];

/// Who asks.
#[derive(Debug, Clone, Copy)]
pub struct Caller {
    /// What they may do.
    pub role: Role,
}

impl Caller {
    /// Refuses whoever has a lesser role.
    pub fn must_be(self, needed: Role) -> Result<(), Problem> {
        if self.role >= needed {
            return Ok(());
        }
        let message = format!("the token is for role {}, and this needs role {}", self.role.name(), needed.name());
        Err(Fault::new(FaultKind::NotAllowed, message).into())
    }
}

/// Lets a request through, or says why not.
pub async fn guard(State(api): State<Arc<Api>>, request: Request, next: Next) -> Response {
    match admit(&api, request) {
        Ok(request) => next.run(request).await,
        Err(problem) => problem.into_response(),
    }
}

fn admit(api: &Api, mut request: Request) -> Result<Request, Problem> {
    let host = host_of(&request)?;
    if !is_known_host(name_of(&host), &api.parts.hosts) {
        let message = format!("the server does not answer as host `{}`", shown(name_of(&host)));
        return Err(Fault::new(FaultKind::Foreign, message).into());
    }
    let path = request.uri().path();
    let is_safe = matches!(*request.method(), Method::GET | Method::HEAD | Method::OPTIONS);
    let (token, by_cookie) = token_of(request.headers());
    if !is_safe || path == "/api/v1/ws" {
        check_origin(request.headers(), &host, &api.parts.hosts, by_cookie && !is_safe)?;
    }
    let Some(needed) = needed(request.method(), path, is_safe) else {
        // What needs no token is still no place to try tokens at any speed.
        if !is_safe && !api.strangers.take(()) {
            return Err(Fault::new(FaultKind::TooMany, "too many requests without a token").into());
        }
        return Ok(request);
    };
    let role = match &token {
        Some(token) => api.parts.tokens.role(token).map_err(unreadable)?,
        None => None,
    };
    let Some(role) = role else {
        if !api.strangers.take(()) {
            return Err(Fault::new(FaultKind::TooMany, "too many requests without a valid token").into());
        }
        let message = if token.is_some() { "the token is not valid" } else { "a token is needed" };
        return Err(Fault::new(FaultKind::NoToken, message).into());
    };
    if !api.rate.take(role) {
        return Err(Fault::new(FaultKind::TooMany, format!("the {} token asks too fast", role.name())).into());
    }
    let caller = Caller { role };
    caller.must_be(needed)?;
    request.extensions_mut().insert(caller);
    Ok(request)
}

/// What the store of tokens says when it cannot be read.
pub fn unreadable(error: std::io::Error) -> Problem {
    Fault { causes: vec![error.to_string()], ..Fault::new(FaultKind::Store, "the tokens cannot be read") }.into()
}

/// The role that a request needs; `None`: it is open to all.
fn needed(method: &Method, path: &str, is_safe: bool) -> Option<Role> {
    let is_guarded = GUARDED.iter().any(|prefix| path.starts_with(prefix) || *prefix == format!("{path}/"));
    match (is_guarded, is_safe) {
        (false, true) => None,
        (false, false) if path == "/login" || path == "/logout" => None,
        (true, true) => Some(Role::Read),
        // That face asks for each of its tools whether the caller may use it.
        (true, false) if path == "/mcp" => Some(Role::Read),
        (_, false) if *method == Method::DELETE && path.starts_with("/api/") => Some(Role::Admin),
        (_, false) => Some(Role::Operate),
    }
}

/// A body that says to be past the bound is read away, as far as that is bearable: else its sender hears of nothing but a broken
/// connection.
async fn read_away(request: Request) {
    const MOST_BYTES: usize = 4 * limits::API_BODY_BYTES;
    let read = async {
        let (mut stream, mut seen) = (request.into_body().into_data_stream(), 0);
        while let Some(Ok(piece)) = stream.next().await {
            seen += piece.len();
            if seen > MOST_BYTES {
                return;
            }
        }
    };
    // Whoever is slower than the head of a request may be is left to the broken connection.
    let _ = tokio::time::timeout(Duration::from_millis(limits::API_HEAD_MS), read).await;
}

/// A place for the time of one request, and no body past the bound.
pub async fn bound(State(api): State<Arc<Api>>, request: Request, next: Next) -> Response {
    let length = request.headers().get(header::CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse().ok());
    if length.is_some_and(|length: usize| length > limits::API_BODY_BYTES) {
        read_away(request).await;
        return too_large().into_response();
    }
    let waiting = api.places.clone().acquire_owned();
    match tokio::time::timeout(Duration::from_millis(limits::API_WAIT_MS), waiting).await {
        Ok(Ok(_place)) => next.run(request).await,
        Ok(Err(_)) | Err(_) => Problem::from(Fault::new(FaultKind::TooMany, "the server is busy")).into_response(),
    }
}

/// The outermost layer: refusals are written out, and every answer says what a browser may do with it.
pub async fn finish(State(api): State<Arc<Api>>, request: Request, next: Next) -> Response {
    let response = next.run(request).await;
    let mut response = problem::write(response, api.parts.explain).await;
    let headers = response.headers_mut();
    let mut set = |name: &'static str, value: &'static str| {
        headers.entry(HeaderName::from_static(name)).or_insert(HeaderValue::from_static(value));
    };
    set("content-security-policy", POLICY);
    set("x-content-type-options", "nosniff");
    set("referrer-policy", "no-referrer");
    set("cross-origin-opener-policy", "same-origin");
    set("cross-origin-resource-policy", "same-origin");
    set("cache-control", "no-store");
    response
}

fn host_of(request: &Request) -> Result<String, Problem> {
    let header = request.headers().get(header::HOST).and_then(|host| host.to_str().ok()).map(str::to_owned);
    let host = header.or_else(|| request.uri().authority().map(ToString::to_string));
    host.filter(|host| !host.is_empty())
        .ok_or_else(|| Fault::new(FaultKind::Foreign, "the request does not say which host it is for").into())
}

/// A host without its port.
fn name_of(host: &str) -> &str {
    match host.strip_prefix('[') {
        Some(v6) => v6.split(']').next().unwrap_or_default(),
        None => host.rsplit_once(':').map_or(host, |(name, _)| name),
    }
}

/// An address cannot be bound to somebody else's name, so only names have to be known.
fn is_known_host(name: &str, hosts: &[String]) -> bool {
    let name = name.trim_end_matches('.');
    name.parse::<IpAddr>().is_ok()
        || name.eq_ignore_ascii_case("localhost")
        || hosts.iter().any(|known| known.eq_ignore_ascii_case(name))
}

fn check_origin(headers: &HeaderMap, host: &str, hosts: &[String], must_be_there: bool) -> Result<(), Problem> {
    let foreign = |what: &str| Err(Fault::new(FaultKind::Foreign, format!("the request comes from {what}")).into());
    if headers.get("sec-fetch-site").is_some_and(|site| site == "cross-site") {
        return foreign("another site");
    }
    let Some(origin) = headers.get(header::ORIGIN) else {
        return if must_be_there { foreign("a browser that does not say from which site") } else { Ok(()) };
    };
    let origin = origin.to_str().unwrap_or_default();
    let from = origin.split_once("://").map(|(_, rest)| rest).unwrap_or_default();
    if from == host || hosts.iter().any(|known| known.eq_ignore_ascii_case(name_of(from))) {
        return Ok(());
    }
    foreign(&format!("`{}`", shown(origin)))
}

/// The token of a request, and whether it is a cookie.
fn token_of(headers: &HeaderMap) -> (Option<String>, bool) {
    if let Some(given) = headers.get(header::AUTHORIZATION) {
        let bearer = given.to_str().ok().and_then(|given| {
            let (scheme, token) = given.split_once(' ')?;
            scheme.eq_ignore_ascii_case("bearer").then(|| token.trim().to_owned())
        });
        // Something that is no bearer token is still what was given.
        return (Some(bearer.unwrap_or_default()), false);
    }
    let cookies = headers.get_all(header::COOKIE).iter().filter_map(|cookie| cookie.to_str().ok());
    let named = |pair: &str| pair.trim().strip_prefix(COOKIE)?.strip_prefix('=').map(str::to_owned);
    let token = cookies.flat_map(|cookie| cookie.split(';')).find_map(named);
    let is_there = token.is_some();
    (token, is_there)
}

fn shown(text: &str) -> String {
    text.chars().take(120).filter(|c| !c.is_control()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_somebody_else_may_own_are_not_answered() {
        let known = ["build.example".to_owned()];
        for host in ["localhost:7171", "127.0.0.1:7171", "[::1]:7171", "10.0.0.1", "Build.Example:80", "localhost."] {
            assert!(is_known_host(name_of(host), &known), "{host}");
        }
        for host in ["evil.example", "localhost.evil.example", "127.0.0.1.evil.example", "x:y:z"] {
            assert!(!is_known_host(name_of(host), &known), "{host}");
        }
    }

    #[test]
    fn everything_that_is_not_known_to_be_open_needs_a_token() {
        let role = |method: Method, path: &str| {
            let is_safe = method == Method::GET;
            needed(&method, path, is_safe)
        };
        assert_eq!(role(Method::GET, "/"), None);
        assert_eq!(role(Method::GET, "/projects/x"), None, "a page of the web interface");
        assert_eq!(role(Method::GET, "/healthz"), None);
        assert_eq!(role(Method::POST, "/login"), None);
        assert_eq!(role(Method::GET, "/api/v1/projects"), Some(Role::Read));
        assert_eq!(role(Method::GET, "/mcp"), Some(Role::Read));
        assert_eq!(role(Method::POST, "/api/v1/projects"), Some(Role::Operate));
        assert_eq!(role(Method::POST, "/mcp"), Some(Role::Read));
        assert_eq!(role(Method::POST, "/anything"), Some(Role::Operate));
        assert_eq!(role(Method::DELETE, "/api/v1/projects/x"), Some(Role::Admin));
        assert_eq!(role(Method::GET, "/planner/todo_list/x"), Some(Role::Read));
    }

    #[test]
    fn a_page_of_another_site_cannot_steer() {
        let headers = |pairs: &[(&'static str, &'static str)]| -> HeaderMap {
            let pair = |(name, value): &(&'static str, &'static str)| {
                (HeaderName::from_static(name), HeaderValue::from_static(value))
            };
            pairs.iter().map(pair).collect()
        };
        let host = "127.0.0.1:7171";
        let check = |pairs: &[_], must| check_origin(&headers(pairs), host, &[], must).is_ok();
        assert!(check(&[("origin", "http://127.0.0.1:7171")], true));
        assert!(check(&[], false), "no browser");
        assert!(!check(&[], true), "a cookie without an origin");
        assert!(!check(&[("origin", "http://evil.example")], false));
        assert!(!check(&[("origin", "null")], false));
        assert!(!check(&[("origin", "http://127.0.0.1:9999")], false), "another server of this machine");
        assert!(!check(&[("sec-fetch-site", "cross-site")], false));
    }

    #[test]
    fn a_header_wins_over_a_cookie() {
        let mut headers = HeaderMap::new();
        headers.insert(header::COOKIE, HeaderValue::from_static("a=b; wfctl_token=c1"));
        assert_eq!(token_of(&headers), (Some("c1".to_owned()), true));
        headers.insert(header::AUTHORIZATION, HeaderValue::from_static("Bearer h1"));
        assert_eq!(token_of(&headers), (Some("h1".to_owned()), false));
        headers.insert(header::AUTHORIZATION, HeaderValue::from_static("Basic x"));
        assert_eq!(token_of(&headers), (Some(String::new()), false));
    }
}
