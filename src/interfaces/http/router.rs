//! Which path leads where. What a path needs stands in `guard`; what it answers in `routes`, `stream` and `classic`.

use std::sync::Arc;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::middleware::from_fn_with_state;
use axum::routing::{delete, get, post};

use super::state::Api;
use super::{classic, guard, openapi, routes, stream};
use crate::domain::limits;

/// The whole of it.
pub fn router(api: Arc<Api>) -> Router {
    let mcp = api.parts.mounts.mcp.clone();
    let mut app = Router::new()
        .merge(open())
        .merge(projects())
        .merge(tasks())
        .merge(others())
        .merge(classic())
        .fallback(routes::pages::fallback)
        .method_not_allowed_fallback(routes::pages::no_method)
        .with_state(api.clone());
    if let Some(mcp) = mcp {
        app = app.merge(mcp);
    }
    app.layer(DefaultBodyLimit::max(limits::API_BODY_BYTES))
        .layer(from_fn_with_state(api.clone(), guard::bound))
        .layer(from_fn_with_state(api.clone(), guard::guard))
        .layer(from_fn_with_state(api, guard::finish))
}

fn open() -> Router<Arc<Api>> {
    Router::new()
        .route("/", get(routes::pages::index))
        .route("/assets/{*path}", get(routes::pages::asset))
        .route("/favicon.ico", get(routes::pages::icon))
        .route("/healthz", get(routes::health::healthz))
        .route("/login", get(routes::login::form).post(routes::login::login))
        .route("/logout", post(routes::login::logout))
        .route("/metrics", get(routes::health::metrics))
        .route("/openapi.json", get(openapi::served))
}

fn projects() -> Router<Arc<Api>> {
    use routes::{approvals, artifacts, commands, costs, definitions, diffs, projects, records, starts, timeline};
    let of = |rest: &str| format!("/api/v1/projects/{{id}}{rest}");
    Router::new()
        .route("/api/v1/projects", get(projects::list).post(starts::start))
        .route(&of(""), get(projects::show).merge(delete(projects::remove)))
        .route(&of("/pause"), post(commands::pause))
        .route(&of("/resume"), post(commands::resume))
        .route(&of("/cancel"), post(commands::cancel))
        .route(&of("/kill"), post(commands::kill))
        .route(&of("/retry"), post(commands::retry))
        .route(&of("/signals"), post(commands::signal))
        .route(&of("/fork"), post(starts::fork))
        .route(&of("/why"), get(projects::why))
        .route(&of("/plan"), get(projects::plan))
        .route(&of("/records"), get(records::records))
        .route(&of("/verify"), get(records::verify))
        .route(&of("/definition"), get(definitions::definition))
        .route(&of("/definition/diff"), get(definitions::difference))
        .route(&of("/graph"), get(definitions::graph))
        .route(&of("/diff"), get(diffs::of_project))
        .route(&of("/cost"), get(costs::cost))
        .route(&of("/budget"), get(costs::budget).put(costs::raise))
        .route(&of("/attempts"), get(timeline::attempts))
        .route(&of("/merges"), get(timeline::merges))
        .route(&of("/artifacts"), get(artifacts::list))
        .route(&of("/artifacts/{name}"), get(artifacts::content))
        .route(&of("/approvals"), post(approvals::decide))
        .route(&of("/events"), get(stream::project_events))
}

fn tasks() -> Router<Arc<Api>> {
    use routes::{diffs, growth, logs, tasks, timeline, workers};
    let of = |rest: &str| format!("/api/v1/projects/{{id}}/tasks{rest}");
    Router::new()
        .route(&of(""), get(tasks::list).post(growth::add))
        .route(&of("/{task}"), get(tasks::show))
        .route(&of("/{task}/attempts"), get(timeline::of_task))
        .route(&of("/{task}/steps"), get(timeline::steps))
        .route(&of("/{task}/log"), get(logs::page))
        .route(&of("/{task}/log/raw"), get(logs::raw))
        .route(&of("/{task}/transcript"), get(logs::transcript))
        .route(&of("/{task}/diff"), get(diffs::of_task))
        .route(&of("/{task}/claim"), post(workers::claim))
        .route(&of("/{task}/heartbeat"), post(workers::heartbeat))
        .route(&of("/{task}/result"), post(workers::result))
}

fn others() -> Router<Arc<Api>> {
    use routes::{approvals, health, login, workers, workflows};
    Router::new()
        .route("/api/v1/approvals", get(approvals::open))
        .route("/api/v1/workers", get(workers::open))
        .route("/api/v1/workflows", get(workflows::list))
        .route("/api/v1/workflows/{name}", get(workflows::show))
        .route("/api/v1/workflows/{name}/graph", get(workflows::graph))
        .route("/api/v1/roles", get(workflows::roles))
        .route("/api/v1/roles/{name}", get(workflows::role))
        .route("/api/v1/version", get(health::version))
        .route("/api/v1/session", get(login::session))
        .route("/api/v1/codes", get(health::codes))
        .route("/api/v1/codes/{code}", get(health::code))
        .route("/api/v1/events", get(stream::all_events))
        .route("/api/v1/ws", get(stream::socket))
}

fn classic() -> Router<Arc<Api>> {
    use classic::{agents, orchestrator, planner};
    Router::new()
        .route("/planner/plan", post(planner::plan))
        .route("/planner/todo_list/{id}", get(planner::todo_list))
        .route("/orchestrator/execute", post(orchestrator::execute))
        .route("/orchestrator/status/{workflow_id}", get(orchestrator::status))
        .route("/orchestrator/task/{task_id}/result", post(orchestrator::result))
        .route("/orchestrator/approve/{workflow_id}", post(orchestrator::approve))
        .route("/agent/{role}/task", post(agents::task))
        .route("/agent/{role}/status", get(agents::status))
}
