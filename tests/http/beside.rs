//! The faces that the server has beside its own: MCP under `/mcp`, numbers under `/metrics`.

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::server::Server;

/// A session of one role, and the names of the tools that it is shown.
async fn tools(server: &Server, role: &str) -> Vec<String> {
    let ask = |session: Option<&str>, body: Value| {
        let request =
            server.request(Method::POST, "/mcp", role).header("accept", "application/json, text/event-stream");
        let request = session.into_iter().fold(request, |request, session| request.header("mcp-session-id", session));
        request.header("mcp-protocol-version", "2025-06-18").json(&body).send()
    };
    let hello =
        json!({"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": {"name": "t", "version": "1"}});
    let hello = json!({"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": hello});
    let answer = ask(None, hello).await.unwrap();
    assert_eq!(answer.status(), StatusCode::OK);
    let session = answer.headers()["mcp-session-id"].to_str().unwrap().to_owned();
    let heard = json!({"jsonrpc": "2.0", "method": "notifications/initialized"});
    assert!(ask(Some(&session), heard).await.unwrap().status().is_success());
    let list = json!({"jsonrpc": "2.0", "id": 2, "method": "tools/list"});
    let text = ask(Some(&session), list).await.unwrap().text().await.unwrap();
    let data = text.lines().find_map(|line| line.strip_prefix("data: ").filter(|data| data.contains("tools")));
    let list: Value = serde_json::from_str(data.unwrap_or(&text)).unwrap();
    let names =
        list["result"]["tools"].as_array().unwrap().iter().map(|tool| tool["name"].as_str().unwrap().to_owned());
    names.collect()
}

#[tokio::test]
async fn whoever_may_only_look_is_shown_no_tool_that_acts() {
    let server = Server::start();
    let (looks, acts) = (tools(&server, "read").await, tools(&server, "operate").await);
    assert!(looks.iter().any(|name| name == "why") && !looks.iter().any(|name| name == "start"), "{looks:?}");
    assert!(acts.iter().any(|name| name == "start") && acts.len() > looks.len(), "{acts:?}");
}

#[tokio::test]
async fn numbers_are_those_of_the_journal() {
    let server = Server::start();
    let id = server.begin("quick").await;
    server.until(&id, "DONE").await;
    let response = server.request(Method::GET, "/metrics", "read").send().await.unwrap();
    assert!(response.headers()["content-type"].to_str().unwrap().starts_with("text/plain"));
    let text = response.text().await.unwrap();
    let done =
        text.lines().any(|line| line.starts_with("wfctl_tasks") && line.contains("completed") && !line.ends_with(" 0"));
    assert!(done, "{text}");
}
