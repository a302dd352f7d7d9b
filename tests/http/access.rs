//! Who gets in.

use reqwest::{Method, StatusCode};
use serde_json::json;

use crate::server::{Server, refused, told};

#[tokio::test]
async fn without_a_token_only_the_open_routes_answer() {
    let server = Server::start();
    let ask = |path: &str| server.client.get(format!("{}{path}", server.url)).send();
    assert_eq!(told(ask("/healthz").await.unwrap()).await, (StatusCode::OK, json!({"status": "ok"})));
    for path in ["/api/v1/projects", "/api/v1/events", "/openapi.json", "/metrics", "/mcp", "/agent/planner/status"] {
        refused(told(ask(path).await.unwrap()).await, 401, "WF0090");
    }
    let form = ask("/login").await.unwrap();
    assert!(form.headers()["content-security-policy"].to_str().unwrap().starts_with("default-src 'self'"));
    let wrong = server.client.get(format!("{}/api/v1/projects", server.url)).bearer_auth("wfa_wrong").send();
    refused(told(wrong.await.unwrap()).await, 401, "WF0090");
}

#[tokio::test]
async fn each_role_may_do_what_it_may() {
    let server = Server::start();
    let start = |role: &'static str| {
        server.request(Method::POST, "/api/v1/projects", role).json(&json!({"workflow": "quick", "id": "p"})).send()
    };
    refused(told(start("read").await.unwrap()).await, 403, "WF0091");
    assert_eq!(start("operate").await.unwrap().status(), StatusCode::CREATED);
    server.until("p", "DONE").await;
    let remove = |role: &'static str| server.request(Method::DELETE, "/api/v1/projects/p", role).send();
    refused(told(remove("operate").await.unwrap()).await, 403, "WF0091");
    assert_eq!(remove("admin").await.unwrap().status(), StatusCode::NO_CONTENT);
    refused(server.get("/api/v1/projects/p").await, 404, "WF0004");
}

#[tokio::test]
async fn a_token_that_is_replaced_is_void_at_once() {
    let server = Server::start();
    let old = server.token("read");
    let ask = |token: String| server.client.get(format!("{}/api/v1/session", server.url)).bearer_auth(token).send();
    assert_eq!(told(ask(old.clone()).await.unwrap()).await.1, json!({"role": "read"}));
    let new = server.rig.wfctl(&["token", "--role", "read", "--rotate"]).out.trim().to_owned();
    assert_ne!(old, new);
    refused(told(ask(old).await.unwrap()).await, 401, "WF0090");
    assert_eq!(ask(new).await.unwrap().status(), StatusCode::OK);
}

#[cfg(unix)]
#[tokio::test]
async fn tokens_are_for_this_user_alone() {
    use std::os::unix::fs::PermissionsExt as _;
    let server = Server::start();
    server.token("read");
    let file = server.rig.folder().join("home/http/tokens.json");
    assert_eq!(file.metadata().unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!(file.parent().unwrap().metadata().unwrap().permissions().mode() & 0o777, 0o700);
}

#[tokio::test]
async fn a_page_of_another_site_cannot_steer_and_a_foreign_name_is_not_answered() {
    let server = Server::start();
    let start = || server.request(Method::POST, "/api/v1/projects", "operate").json(&json!({"workflow": "quick"}));
    refused(told(start().header("origin", "http://evil.example").send().await.unwrap()).await, 403, "WF0092");
    refused(told(start().header("host", "evil.example").send().await.unwrap()).await, 403, "WF0092");
    refused(told(start().header("sec-fetch-site", "cross-site").send().await.unwrap()).await, 403, "WF0092");
    let own = start().header("origin", server.url.clone()).send().await.unwrap();
    assert_eq!(own.status(), StatusCode::CREATED);
    let rebound = server.client.get(format!("{}/healthz", server.url)).header("host", "rebind.example:7171").send();
    refused(told(rebound.await.unwrap()).await, 403, "WF0092");
}

#[tokio::test]
async fn a_browser_logs_in_with_a_cookie_that_only_its_own_pages_can_use() {
    let server = Server::start();
    let token = server.token("operate");
    let login = server.client.get(format!("{}/login?token={token}", server.url)).send().await.unwrap();
    assert_eq!(login.status(), StatusCode::SEE_OTHER);
    let cookie = login.headers()["set-cookie"].to_str().unwrap().to_owned();
    assert!(cookie.contains("HttpOnly") && cookie.contains("SameSite=Strict"), "{cookie}");
    let cookie = cookie.split(';').next().unwrap().to_owned();
    let url = format!("{}/api/v1/projects", server.url);
    let list = server.client.get(&url).header("cookie", &cookie).send().await.unwrap();
    assert_eq!(list.status(), StatusCode::OK);
    let start = || server.client.post(&url).header("cookie", &cookie).json(&json!({"workflow": "quick"}));
    refused(told(start().send().await.unwrap()).await, 403, "WF0092");
    assert_eq!(start().header("origin", &server.url).send().await.unwrap().status(), StatusCode::CREATED);
    let posted = server.client.post(format!("{}/login", server.url)).json(&json!({"token": token})).send();
    assert_eq!(told(posted.await.unwrap()).await, (StatusCode::OK, json!({"role": "operate"})));
    let wrong = server.client.post(format!("{}/login", server.url)).json(&json!({"token": "x"})).send();
    refused(told(wrong.await.unwrap()).await, 401, "WF0090");
}

#[tokio::test]
async fn one_request_past_the_burst_is_told_to_wait() {
    let mut server = Server::start();
    server.kill();
    server.run(&["--rate", "1"]);
    let token = server.token("read");
    let mut statuses = Vec::new();
    for _ in 0..4 {
        let ask = server.client.get(format!("{}/api/v1/version", server.url)).bearer_auth(&token).send();
        statuses.push(ask.await.unwrap());
    }
    let last = statuses.pop().unwrap();
    assert_eq!(last.headers()["retry-after"], "1");
    refused(told(last).await, 429, "WF0093");
    assert_eq!(statuses[0].status(), StatusCode::OK);
}
