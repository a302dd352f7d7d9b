//! The description of the API, made from the handlers. A copy is committed; a test keeps the two the same.

use axum::http::header;
use axum::response::{IntoResponse as _, Response};
use serde_json::{Value, json};
use utoipa::OpenApi;

use super::{classic, problem, routes, stream};

#[derive(OpenApi)]
#[openapi(
    info(
        title = "wfctl",
        description = "A durable workflow engine. Times are milliseconds since 1970, money millionths of a US dollar."
    ),
    paths(
        routes::projects::list,
        routes::projects::show,
        routes::projects::remove,
        routes::projects::why,
        routes::projects::plan,
        routes::starts::start,
        routes::starts::fork,
        routes::commands::pause,
        routes::commands::resume,
        routes::commands::cancel,
        routes::commands::kill,
        routes::commands::retry,
        routes::commands::signal,
        routes::records::records,
        routes::records::verify,
        routes::definitions::definition,
        routes::definitions::difference,
        routes::definitions::graph,
        routes::diffs::of_project,
        routes::diffs::of_task,
        routes::costs::cost,
        routes::costs::budget,
        routes::costs::raise,
        routes::timeline::attempts,
        routes::timeline::of_task,
        routes::timeline::steps,
        routes::timeline::merges,
        routes::artifacts::list,
        routes::artifacts::content,
        routes::approvals::open,
        routes::approvals::decide,
        routes::tasks::list,
        routes::growth::add,
        routes::tasks::show,
        routes::logs::page,
        routes::logs::raw,
        routes::logs::transcript,
        routes::workers::open,
        routes::workers::claim,
        routes::workers::heartbeat,
        routes::workers::result,
        routes::workflows::list,
        routes::workflows::show,
        routes::workflows::graph,
        routes::workflows::roles,
        routes::workflows::role,
        routes::health::healthz,
        routes::health::version,
        routes::health::codes,
        routes::health::code,
        routes::login::session,
        stream::project_events,
        stream::all_events,
        stream::socket,
        classic::planner::plan,
        classic::planner::todo_list,
        classic::orchestrator::execute,
        classic::orchestrator::status,
        classic::orchestrator::result,
        classic::orchestrator::approve,
        classic::agents::task,
        classic::agents::status,
    ),
    components(schemas(problem::Written, routes::definitions::GraphFormat))
)]
struct Described;

/// The document: what the handlers say, and what is true of all of them.
pub fn document() -> Value {
    let mut document = serde_json::to_value(Described::openapi()).unwrap_or_default();
    document["info"]["version"] = json!(env!("CARGO_PKG_VERSION"));
    document["components"]["securitySchemes"] = json!({
        "token": {"type": "http", "scheme": "bearer", "description": "`wfctl token` prints one"},
    });
    document["security"] = json!([{"token": []}]);
    let refused = json!({
        "description": "It was not done, and why",
        "content": {problem::MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Written"}}},
    });
    let operations = document["paths"].as_object_mut().into_iter().flat_map(|paths| paths.values_mut());
    for operation in operations.flat_map(|path| path.as_object_mut().into_iter().flat_map(|path| path.values_mut())) {
        if let Some(responses) = operation.get_mut("responses").and_then(Value::as_object_mut) {
            responses.insert("default".to_owned(), refused.clone());
        }
    }
    document
}

/// The document as a file.
pub async fn served() -> Response {
    ([(header::CONTENT_TYPE, "application/json")], document().to_string()).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Writes the file anew instead of comparing with it.
    const REWRITE: &str = "WFCTL_REWRITE_OPENAPI";

    #[test]
    fn the_committed_description_is_the_one_of_the_code() {
        let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("src/interfaces/http/openapi.json");
        let text = format!("{}\n", serde_json::to_string_pretty(&document()).unwrap());
        if std::env::var_os(REWRITE).is_some() {
            std::fs::write(&path, &text).unwrap();
        }
        let committed = std::fs::read_to_string(&path).unwrap_or_default();
        assert!(committed == text, "set {REWRITE}=1 and run this test to write src/interfaces/http/openapi.json anew");
    }
}
