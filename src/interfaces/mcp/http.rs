//! Streamable HTTP: what answers under `/mcp` of a server that checks hosts, origins and tokens itself.

use std::sync::Arc;

use axum::Router;
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::middleware::{self, Next};
use axum::response::{IntoResponse as _, Response};
use rmcp::transport::streamable_http_server::session::local::LocalSessionManager;
use rmcp::transport::streamable_http_server::{StreamableHttpServerConfig, StreamableHttpService};
use tokio_util::sync::CancellationToken;

use super::face::Face;
use super::parts::Parts;

/// Most sessions at once; idle ones end after some minutes. Clients of the newest protocol need none.
const SESSIONS: usize = 256;

/// The header that a session is named by.
const SESSION_HEADER: &str = "mcp-session-id";

/// What answers under `/mcp`, until `ending` is cancelled. Whoever mounts it has checked who asks: this looks only at what
/// [`super::Grant`] says.
pub fn router(parts: Parts, ending: CancellationToken) -> Router {
    let parts = Arc::new(parts);
    let sessions = Arc::new(LocalSessionManager::default());
    let config = StreamableHttpServerConfig::default().disable_allowed_hosts().with_cancellation_token(ending);
    let service = StreamableHttpService::new(move || Ok(Face::new(parts.clone())), sessions.clone(), config);
    Router::new().route_service("/mcp", service).layer(middleware::from_fn_with_state(sessions, bound))
}

/// Refuses a session beyond the bound.
async fn bound(State(sessions): State<Arc<LocalSessionManager>>, request: Request, next: Next) -> Response {
    if !request.headers().contains_key(SESSION_HEADER) && sessions.sessions.read().await.len() >= SESSIONS {
        return (StatusCode::SERVICE_UNAVAILABLE, "too many sessions; end one, or try again later").into_response();
    }
    next.run(request).await
}
