//! Requests as they should not be, and what they are told.

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::server::{Server, refused, told};

#[tokio::test]
async fn what_is_oversized_or_malformed_is_told_what_is_wrong() {
    let server = Server::start();
    let send = |body: &'static str| {
        let request = server.request(Method::POST, "/api/v1/projects", "operate");
        request.header("content-type", "application/json").body(body).send()
    };
    for bad in [
        "{",
        "[]",
        "{\"workflow\": 1}",
        "{\"workflow\": \"quick\", \"odd\": 1}",
        "{\"workflow\":\"quick\",\"id\":\"A B\"}",
    ] {
        refused(told(send(bad).await.unwrap()).await, 400, "WF0015");
    }
    let huge = json!({"workflow": "quick", "inputs": {"word": "x".repeat(5 * 1024 * 1024)}});
    refused(server.post("/api/v1/projects", &huge).await, 413, "WF0014");
    let plain = server.request(Method::POST, "/api/v1/projects", "operate").body("workflow=quick").send();
    refused(told(plain.await.unwrap()).await, 415, "WF0015");
    refused(server.get("/api/v1/projects?limit=0").await, 400, "WF0015");
    refused(server.get("/api/v1/projects?status=NOWHERE").await, 400, "WF0015");
    refused(server.get("/api/v1/projects?cursor=x").await, 400, "WF0015");
    refused(server.get("/api/v1/projects/UPPER").await, 404, "WF0004");
    refused(server.get("/api/v1/nothing").await, 404, "WF0095");
    refused(server.get("/nothing").await, 404, "WF0095");
    let put = server.request(Method::PUT, "/api/v1/projects", "operate").send().await.unwrap();
    assert_eq!(put.headers()["allow"], "GET,HEAD,POST");
    refused(told(put).await, 405, "WF0015");
}

#[tokio::test]
async fn a_start_is_checked_like_one_of_the_command_line() {
    let server = Server::start();
    server.rig.write("workflows/broken.yaml", "name: broken\ntasks:\n  a: {runn: x}\n");
    server.rig.write("outside.yaml", "name: outside\ntasks: {a: {run: 'true'}}\n");
    let start = |body: Value| {
        let server = &server;
        async move { server.post("/api/v1/projects", &body).await }
    };
    refused(start(json!({"workflow": "none"})).await, 404, "WF0002");
    for path in ["../outside.yaml", "/etc/passwd", "workflows/../../outside.yaml"] {
        refused(start(json!({"workflow": path})).await, 404, "WF0002");
    }
    let broken = start(json!({"workflow": "broken"})).await;
    let shown = broken.1["diagnostics"]["shown"].as_array().unwrap();
    assert!(shown.iter().any(|it| it["help"] == "Did you mean `run`?"), "{}", broken.1);
    refused(broken, 400, "WF0001");
    let inputs = start(json!({"workflow": "quick", "inputs": {"wrod": "x"}})).await;
    assert_eq!(inputs.1["inputs"][0]["name"], "wrod");
    refused(inputs, 400, "WF0001");
    refused(start(json!({"workflow": "quick", "dir": "/"})).await, 403, "WF0091");
    refused(start(json!({"workflow": "sdlc", "inputs": {"goal": "x"}})).await, 400, "WF0001");
    let (_, listed) = server.get("/api/v1/workflows").await;
    let names: Vec<&str> =
        listed["workflows"].as_array().unwrap().iter().map(|it| it["name"].as_str().unwrap()).collect();
    assert!(["asks", "broken", "ci", "quick", "sdlc"].iter().all(|name| names.contains(name)), "{names:?}");
    let (_, quick) = server.get("/api/v1/workflows/quick").await;
    assert_eq!((&quick["inputs"][0]["name"], &quick["inputs"][0]["type"]), (&json!("word"), &json!("string")));
}

#[tokio::test]
async fn duplicates_and_what_comes_too_early_or_too_late_change_nothing() {
    let server = Server::start();
    let id = server.begin("asks").await;
    let of = |rest: &str| format!("/api/v1/projects/{id}{rest}");
    // The engine asks a moment after the start.
    let ask = async {
        loop {
            let (_, open) = server.get("/api/v1/approvals").await;
            if let Some(first) = open["approvals"].get(0) {
                return first.clone();
            }
        }
    };
    let ask = tokio::time::timeout(crate::server::PATIENCE, ask).await.unwrap();
    assert_eq!((&ask["task"], &ask["ask"]), (&json!("ask"), &json!("Go on?")));
    let why = server.get(&of("/why")).await.1;
    assert!(why["reasons"][0]["command"].as_str().unwrap().contains("approve"), "{why}");
    refused(server.post(&of("/tasks/go/result"), &json!({"output": 1})).await, 409, "WF0010");
    refused(server.post(&of("/approvals"), &json!({"decision": "approved", "task": "nobody"})).await, 404, "WF0006");
    let delete = server.request(Method::DELETE, &of(""), "admin").send().await.unwrap();
    refused(told(delete).await, 409, "WF0010");
    let yes = json!({"decision": "approved", "comment": "fine"});
    let (status, taken) = server.post(&of("/approvals"), &yes).await;
    assert_eq!((status, &taken["driven"]), (StatusCode::OK, &json!(true)));
    server.until(&id, "DONE").await;
    for late in ["/pause", "/cancel", "/kill", "/resume"] {
        let (status, body) = server.post(&of(late), &json!({})).await;
        assert_eq!((status.as_u16(), &body["code"]), (409, &json!("WF0009")), "{late}: {body}");
    }
    let (_, records) = server.get(&of("/records?kind=TaskAnswered")).await;
    assert_eq!(records["records"].as_array().unwrap().len(), 1);
    assert_eq!(records["records"][0]["actor"], json!({"api": "operate"}));
    assert_eq!(records["records"][0]["task"], "ask");
}

#[tokio::test]
async fn a_project_is_seen_from_all_sides() {
    let server = Server::start();
    let id = server.begin("quick").await;
    let view = server.until(&id, "DONE").await;
    let of = |rest: &str| format!("/api/v1/projects/{id}{rest}");
    assert_eq!(view["tasks"][0]["name"], "say");
    let (_, list) = server.get(&format!("/api/v1/projects?status=ended&q={id}&workflow=quick&parent=none")).await;
    assert_eq!(list["projects"][0]["id"], json!(id));
    let (_, log) = server.get(&of("/tasks/say/log")).await;
    assert_eq!((&log["text"], &log["live"]), (&json!("hello\n"), &json!(false)));
    let part = server.request(Method::GET, &of("/tasks/say/log/raw"), "read").header("range", "bytes=1-2").send();
    let part = part.await.unwrap();
    assert_eq!(
        (part.status(), part.headers()["content-range"].to_str().unwrap()),
        (StatusCode::PARTIAL_CONTENT, "bytes 1-2/6")
    );
    assert_eq!(part.text().await.unwrap(), "el");
    let (_, course) = server.get(&of("/attempts")).await;
    assert_eq!(course["attempts"].as_array().unwrap().len(), 2);
    assert_eq!(
        (&course["attempts"][0]["end"], &course["attempts"][0]["steps"][0]["exit"]),
        (&json!("completed"), &json!(0))
    );
    let (_, steps) = server.get(&of("/tasks/say/steps")).await;
    assert_eq!(steps["steps"][0]["step"]["kind"], "run");
    let (_, page) = server.get(&of("/records?limit=2")).await;
    assert_eq!((page["records"].as_array().unwrap().len(), &page["next"]), (2, &json!(2)));
    let last = view["seq"].as_u64().unwrap();
    let (_, tail) = server.get(&of(&format!("/records?limit=1&before={}", last + 1))).await;
    assert_eq!(tail["records"][0]["seq"], json!(last));
    let (_, verified) = server.get(&of("/verify")).await;
    assert_eq!((&verified["records"], &verified["first_bad"]), (&json!(last), &Value::Null));
    let (_, graph) = server.get(&of("/graph")).await;
    assert_eq!(graph["edges"], json!([[0, 1]]));
    let svg = server.request(Method::GET, &of("/graph?format=svg"), "read").send().await.unwrap();
    assert_eq!(svg.headers()["content-type"], "image/svg+xml");
    let (_, same) = server.get(&of("/definition/diff")).await;
    assert_eq!(same["text"], "");
    let (_, diff) = server.get(&of("/diff")).await;
    assert_eq!((&diff["files"], diff["reason"].is_string()), (&json!([]), true));
    for route in ["/cost", "/budget", "/plan", "/merges", "/artifacts", "/definition", "/tasks", "/tasks/say"] {
        let (status, body) = server.get(&of(route)).await;
        assert_eq!(status, StatusCode::OK, "{route}: {body}");
    }
    refused(server.get(&of("/tasks/sya")).await, 404, "WF0006");
    refused(server.get(&of("/artifacts/none")).await, 404, "WF0016");
    refused(server.get(&of("/tasks/say/transcript")).await, 404, "WF0017");
    let fork = server.post(&of("/fork"), &json!({"at": 2, "id": "other"})).await;
    assert_eq!(fork, (StatusCode::CREATED, json!({"id": "other", "existed": false})));
    server.until("other", "DONE").await;
}

#[tokio::test]
async fn what_a_task_changed_in_its_repository_is_told() {
    let rig = crate::rig::Rig::new();
    rig.repository(".");
    let flows = rig.folder().join("flows");
    std::fs::create_dir(&flows).unwrap();
    let text = "name: edit\nworkspace: worktree\ntasks:\n  one: {run: 'echo more >> README'}\n  two: {needs: [one], run: 'echo new > new.txt'}\n";
    std::fs::write(flows.join("edit.yaml"), text).unwrap();
    let server = Server::over(rig, &["--workflows", &flows.display().to_string()]);
    let id = server.begin("edit").await;
    server.until(&id, "DONE").await;
    let (_, whole) = server.get(&format!("/api/v1/projects/{id}/diff")).await;
    let files: Vec<_> =
        whole["files"].as_array().unwrap().iter().map(|file| (file["path"].clone(), file["status"].clone())).collect();
    assert_eq!(files, [(json!("README"), json!("modified")), (json!("new.txt"), json!("added"))]);
    let (_, two) = server.get(&format!("/api/v1/projects/{id}/tasks/two/diff")).await;
    assert_eq!(two["files"].as_array().unwrap().len(), 1, "{two}");
    assert!(two["files"][0]["patch"].as_str().unwrap().contains("+new\n"));
}

#[tokio::test]
async fn what_a_repository_brings_is_not_started_before_a_person_agreed_to_it() {
    let rig = crate::rig::Rig::new();
    rig.repository(".");
    std::fs::create_dir(rig.path("workflows")).unwrap();
    rig.write("workflows/theirs.yaml", crate::server::QUICK);
    let server = Server::over(rig, &[]);
    let start = json!({"workflow": "theirs"});
    let refusal = server.post("/api/v1/projects", &start).await;
    assert_eq!(refusal.0, StatusCode::FORBIDDEN, "{}", refusal.1);
    assert!(refusal.1["next"].as_str().unwrap().contains("wfctl trust"), "{}", refusal.1);
    let trusted = server.rig.wfctl(&["trust", "--yes", "workflows/theirs.yaml"]);
    assert_eq!(trusted.code, Some(0), "{}", trusted.err);
    assert_eq!(server.post("/api/v1/projects", &start).await.0, StatusCode::CREATED);
}

#[tokio::test]
async fn a_worker_outside_claims_lives_and_delivers() {
    let server = Server::start();
    server.rig.write("workflows/lab.yaml", "name: lab\ntasks:\n  probe: {external: {queue: lab, payload: weigh it}}\n");
    let id = server.begin("lab").await;
    let wait = async { while server.get("/api/v1/workers").await.1["tasks"].as_array().unwrap().is_empty() {} };
    tokio::time::timeout(crate::server::PATIENCE, wait).await.unwrap();
    let of = |rest: &str| format!("/api/v1/projects/{id}/tasks/probe/{rest}");
    let (_, claim) = server.post(&of("claim"), &json!({"worker": "w1"})).await;
    let token = claim["token"].as_str().unwrap();
    refused(server.post(&of("heartbeat"), &json!({"token": "7"})).await, 409, "WF0013");
    assert_eq!(server.post(&of("heartbeat"), &json!({"token": token})).await.0, StatusCode::OK);
    refused(server.post(&of("result"), &json!({"token": token})).await, 400, "WF0015");
    assert_eq!(server.post(&of("result"), &json!({"token": token, "output": {"kg": 3}})).await.0, StatusCode::OK);
    let view = server.until(&id, "DONE").await;
    assert_eq!(view["tasks"][0]["output"], json!({"kg": 3}));
}
