//! Tasks that are added to a project under way.

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::rig::Rig;
use crate::server::{Server, refused, told};

/// Waits for a person, so that there is time; has a group, an input and a secret-less setting.
const HELD: &str = "name: held
inputs: {word: {type: string, default: hello}}
limits: {groups: {one: 1}}
tasks:
  ask: {approval: {ask: 'Go on?'}}
  said: {run: 'echo {{ inputs.word | sh }}'}
";

async fn held() -> (Server, String) {
    let rig = Rig::new();
    std::fs::create_dir(rig.path("workflows")).unwrap();
    rig.write("workflows/held.yaml", HELD);
    let server = Server::over(rig, &[]);
    let id = server.begin("held").await;
    (server, id)
}

async fn add(server: &Server, id: &str, body: &Value) -> (StatusCode, Value) {
    let request = server.request(Method::POST, &format!("/api/v1/projects/{id}/tasks"), "admin").json(body);
    told(request.send().await.unwrap()).await
}

async fn names(server: &Server, id: &str) -> Vec<String> {
    let (_, view) = server.get(&format!("/api/v1/projects/{id}")).await;
    view["tasks"].as_array().unwrap().iter().map(|task| task["name"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn tasks_that_are_added_run_in_the_setting_of_the_project() {
    let (server, id) = held().await;
    let tasks = json!({
        "again": {"needs": ["said"], "group": "one", "run": "echo {{ inputs.word | sh }} {{ tasks.said.output | sh }}"},
        "last": {"needs": ["again", "ask"], "run": "echo last"},
    });
    let body = json!({ "tasks": tasks });
    let (status, added) = add(&server, &id, &body).await;
    assert_eq!((status, &added["tasks"], &added["driven"]), (StatusCode::OK, &json!(["again", "last"]), &json!(true)));
    let seq = |view: Value| view["seq"].as_u64().unwrap();
    // Sent once more, as by a client that heard no answer.
    let wait = async {
        loop {
            let (_, view) = server.get(&format!("/api/v1/projects/{id}")).await;
            if view["tasks"].as_array().unwrap().iter().filter(|task| task["status"] == "COMPLETED").count() == 2 {
                return seq(view);
            }
        }
    };
    let before = tokio::time::timeout(crate::server::PATIENCE, wait).await.unwrap();
    assert_eq!(add(&server, &id, &body).await.0, StatusCode::OK);
    assert_eq!(seq(server.get(&format!("/api/v1/projects/{id}")).await.1), before, "nothing is recorded twice");
    let other = json!({"tasks": {"last": {"run": "echo other"}}});
    refused(add(&server, &id, &other).await, 400, "WF0015");
    assert_eq!(server.post(&format!("/api/v1/projects/{id}/approvals"), &json!({"decision": "approved"})).await.0, 200);
    let view = server.until(&id, "DONE").await;
    let output = |name: &str| {
        view["tasks"].as_array().unwrap().iter().find(|task| task["name"] == name).unwrap()["output"].clone()
    };
    assert_eq!(output("again"), json!("hello hello"));
    assert_eq!(output("last"), json!("last"));
    let verified = server.get(&format!("/api/v1/projects/{id}/verify")).await.1;
    assert_eq!(verified["first_bad"], Value::Null, "{verified}");
    refused(add(&server, &id, &json!({"tasks": {"late": {"run": "true"}}})).await, 409, "WF0009");
}

#[tokio::test]
async fn what_is_not_right_is_refused_with_its_place_and_changes_nothing() {
    let (server, id) = held().await;
    let before = names(&server, &id).await;
    let text = |lines: &str| json!({"text": format!("name: more\ntasks:\n{lines}")});
    for (body, code, line) in [
        (text("  a: {run: 'true', needs: [aks]}\n"), "WF0130", 3),
        (text("  a: {run: 'true', needs: [b]}\n  b: {run: 'true', needs: [a]}\n"), "WF0133", 3),
        (text("  a: {run: 'true'}\n  a: {run: 'false'}\n"), "WF0107", 4),
        (text("  a:\n    run: 'echo {{ inputs.wrod | sh }}'\n"), "WF0126", 4),
        (text("  a:\n    run: 'echo {{ tasks.nobody.output | sh }}'\n"), "WF0128", 4),
        (text("  a: {run: 'true', group: two}\n"), "", 3),
        (text("  a: {run: 'true', merge: true}\n"), "", 3),
        (text("  a: {run: 'true'}\nbudget: {calls: 3}\n"), "WF0103", 4),
        (text("  a: {workflow: other.yaml}\n"), "", 3),
        (json!({"tasks": {"a": {"rum": "true"}}}), "", 4),
    ] {
        let (status, refusal) = add(&server, &id, &body).await;
        assert_eq!(status, StatusCode::BAD_REQUEST, "{body}: {refusal}");
        let first = refusal["diagnostics"]["shown"][0].clone();
        assert_eq!(first["line"], line, "{body}: {refusal}");
        assert!(first["code"].as_str().is_some_and(|found| code.is_empty() || found == code), "{body}: {refusal}");
    }
    for (body, status, code) in [
        (json!({"tasks": {"ask": {"run": "true"}}}), 400, "WF0015"),
        (json!({"tasks": {}, "text": ""}), 400, "WF0015"),
        (json!({}), 400, "WF0015"),
        (json!({"tasks": {"a": {"run": "true"}}, "phase": "bild"}), 400, "WF0015"),
        (json!({"tasks": {"a": {"run": "true"}}, "phase": "deploy"}), 409, "WF0010"),
        (json!({"tasks": {"a": {"run": "true", "secrets": ["NOBODY_DECLARED_IT"]}}}), 400, ""),
        (json!({"tasks": {"a": {"agent": "planner", "with": {"goal": "g"}}}}), 400, ""),
    ] {
        let (found, refusal) = add(&server, &id, &body).await;
        assert_eq!(found.as_u16(), status, "{body}: {refusal}");
        assert!(code.is_empty() || refusal["code"] == code, "{body}: {refusal}");
    }
    assert_eq!(names(&server, &id).await, before);
    let view = server.get(&format!("/api/v1/projects/{id}")).await.1;
    assert_eq!(view["project"]["status"], "BUILD", "and the project goes on: {view}");
}

#[tokio::test]
async fn nobody_adds_tasks_who_may_only_start_what_is_there_and_none_asks_for_more_than_is_allowed() {
    let rig = Rig::contained();
    std::fs::create_dir(rig.path("workflows")).unwrap();
    rig.write("workflows/held.yaml", HELD);
    let server = Server::over(rig, &[]);
    let id = server.begin("held").await;
    let path = format!("/api/v1/projects/{id}/tasks");
    let task = json!({"tasks": {"a": {"run": "true", "sandbox": {"network": ["example.org"]}}}});
    refused(server.post(&path, &task).await, 403, "WF0091");
    let (status, refusal) = add(&server, &id, &task).await;
    let detail = refusal["detail"].as_str().unwrap_or_default();
    assert_eq!((status, refusal["code"].as_str()), (StatusCode::BAD_REQUEST, Some("WF0015")), "{refusal}");
    assert!(detail.contains("network to example.org") && detail.contains("--allow-net example.org"), "{refusal}");
    assert_eq!(names(&server, &id).await, ["ask", "said"]);
    let allowed = server.rig.wfctl(&["resume", &id, "--detach", "--allow-net", "example.org"]);
    assert_eq!(allowed.code, Some(0), "{}", allowed.err);
    assert_eq!(add(&server, &id, &task).await.0, StatusCode::OK);
}
