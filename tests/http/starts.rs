//! Starts with a key.

use reqwest::{Method, Response, StatusCode};
use serde_json::{Value, json};

use crate::server::{Server, refused, told};

async fn start(server: &Server, key: &str, body: &Value) -> Response {
    let request = server.request(Method::POST, "/api/v1/projects", "operate");
    request.header("idempotency-key", key).json(body).send().await.unwrap()
}

#[tokio::test]
async fn the_same_key_is_the_same_start_whatever_happens_in_between() {
    let mut server = Server::start();
    let body = json!({"workflow": "quick", "inputs": {"word": "one"}});
    let first = told(start(&server, "k1", &body).await).await;
    assert_eq!(first.0, StatusCode::CREATED);
    let again = start(&server, "k1", &body).await;
    assert_eq!(again.headers()["idempotency-replayed"], "true");
    assert_eq!(told(again).await, first);
    refused(told(start(&server, "k1", &json!({"workflow": "quick"})).await).await, 422, "WF0094");
    server.kill();
    server
        .rig
        .write("workflows/quick.yaml", "name: quick\ninputs: {word: {type: string}}\ntasks: {a: {run: 'true'}}\n");
    server.run(&[]);
    assert_eq!(told(start(&server, "k1", &body).await).await, first, "the file has changed since");
    let other = told(start(&server, "k2", &body).await).await;
    assert_ne!(other.1["id"], first.1["id"]);
    for bad in ["", " ", &"x".repeat(201)] {
        refused(told(start(&server, bad, &body).await).await, 400, "WF0015");
    }
    let longest = start(&server, &"x".repeat(200), &body).await;
    assert_eq!(longest.status(), StatusCode::CREATED);
}

#[tokio::test]
async fn one_key_at_the_same_time_is_one_start() {
    let server = Server::start();
    let body = json!({"workflow": "quick"});
    let all = futures_util::future::join_all((0..8).map(|_| start(&server, "k", &body))).await;
    let mut ids = Vec::new();
    for answer in all {
        ids.push(told(answer).await.1["id"].clone());
    }
    ids.dedup();
    assert_eq!(ids.len(), 1);
    assert_eq!(server.get("/api/v1/projects").await.1["projects"].as_array().unwrap().len(), 1);
}
