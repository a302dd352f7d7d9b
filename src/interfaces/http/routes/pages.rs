//! The files of the web interface, and what is answered where there is nothing.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, Uri, header};
use axum::response::{IntoResponse as _, Redirect, Response};

use crate::interfaces::api::{Fault, FaultKind};
use crate::interfaces::http::parts::Asset;
use crate::interfaces::http::problem::Problem;
use crate::interfaces::http::state::Api;

/// The page itself.
const INDEX: &str = "index.html";

/// The front page; without a web interface, where the description of the API is.
pub async fn index(State(api): State<Arc<Api>>, headers: HeaderMap) -> Response {
    match find(&api, INDEX) {
        Some(asset) => serve(&headers, &asset),
        None => Redirect::temporary("/openapi.json").into_response(),
    }
}

/// One file.
pub async fn asset(
    State(api): State<Arc<Api>>,
    Path(path): Path<String>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    match find(&api, &path) {
        Some(asset) => Ok(serve(&headers, &asset)),
        None => Err(nothing(&format!("/assets/{path}"))),
    }
}

/// The icon that browsers ask for by themselves.
pub async fn icon(State(api): State<Arc<Api>>, headers: HeaderMap) -> Response {
    match find(&api, "favicon.ico").or_else(|| find(&api, "favicon.svg")) {
        Some(asset) => serve(&headers, &asset),
        None => StatusCode::NO_CONTENT.into_response(),
    }
}

/// Any other path: a page of the web interface when a browser asks for one.
pub async fn fallback(
    State(api): State<Arc<Api>>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let wants_page =
        headers.get(header::ACCEPT).and_then(|it| it.to_str().ok()).is_some_and(|it| it.contains("text/html"));
    let is_page = wants_page && matches!(method, Method::GET | Method::HEAD) && !uri.path().starts_with("/api/");
    match find(&api, INDEX).filter(|_| is_page) {
        Some(asset) => Ok(serve(&headers, &asset)),
        None => Err(nothing(uri.path())),
    }
}

/// A route that has other methods; the router says which.
pub async fn no_method(method: Method, uri: Uri) -> Problem {
    let message = format!("{} does not have the method {method}", shown(uri.path()));
    Problem::with_status(StatusCode::METHOD_NOT_ALLOWED, Fault::new(FaultKind::Invalid, message))
}

fn nothing(path: &str) -> Problem {
    Fault::new(FaultKind::NoRoute, format!("there is nothing at {}", shown(path))).into()
}

fn shown(path: &str) -> String {
    path.chars().take(200).filter(|c| !c.is_control()).collect()
}

fn find(api: &Api, name: &str) -> Option<Asset> {
    api.parts.mounts.assets.and_then(|assets| assets(name))
}

fn serve(headers: &HeaderMap, asset: &Asset) -> Response {
    let known = headers.get(header::IF_NONE_MATCH).and_then(|tag| tag.to_str().ok());
    let is_known =
        known.is_some_and(|tags| tags.split(',').any(|tag| tag.trim().trim_start_matches("W/") == asset.etag));
    let mut response = if is_known {
        let mut response = Response::new(Body::empty());
        *response.status_mut() = StatusCode::NOT_MODIFIED;
        response
    } else {
        asset.bytes.into_response()
    };
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(asset.content_type));
    // It is asked for again each time, and sent when it changed.
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    if let Ok(etag) = HeaderValue::from_str(&asset.etag) {
        headers.insert(header::ETAG, etag);
    }
    response
}
