//! The routes of a planner, an orchestrator and agents, from a request to work that is done, with scripted models.

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::rig::Rig;
use crate::server::{PATIENCE, Server, refused, told};

const SCRIPT: &str = r#"
conversations:
  - role: planner
    turns:
      - calls:
          - finish:
              summary: Measure, then write it down.
              tasks:
                - {id: contract, title: What to measure, description: Say what is measured., needs: [], files: [], priority: 5, acceptance: [It is said.]}
                - {id: measure, title: Measure, description: Measure it., needs: [contract], files: [], priority: 5, acceptance: [There is a number.]}
        usage: {input: 100, output: 20}
  - role: designer
    turns:
      - calls:
          - finish:
              summary: One number.
              contracts: [{name: number, definition: a whole number}]
              adr: {title: One number, context: c, decision: d, consequences: e}
        usage: {input: 100, output: 20}
"#;

fn server() -> Server {
    let rig = Rig::new();
    rig.repository(".");
    let script = rig.folder().join("script.yaml");
    std::fs::write(&script, SCRIPT).unwrap();
    let config = rig.folder().join(".config/wfctl");
    std::fs::create_dir_all(&config).unwrap();
    let text = format!(
        "[models]\ndefault = [\"house/scripted\"]\n[models.providers.house]\nscript = {:?}\nfree = true\n",
        script.display().to_string()
    );
    std::fs::write(config.join("config.toml"), text).unwrap();
    Server::over(rig, &[])
}

async fn wait_for<T>(mut look: impl AsyncFnMut() -> Option<T>) -> T {
    let look = async {
        loop {
            if let Some(found) = look().await {
                return found;
            }
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(PATIENCE, look).await.expect("it comes to that")
}

#[tokio::test]
async fn a_request_becomes_a_list_and_the_list_work_that_is_done() {
    let server = server();
    let body = json!({"request": "How heavy is it?"});
    let plan =
        || server.request(Method::POST, "/planner/plan", "operate").header("idempotency-key", "p").json(&body).send();
    let (status, planned) = told(plan().await.unwrap()).await;
    assert_eq!(status, StatusCode::ACCEPTED, "{planned}");
    assert_eq!(told(plan().await.unwrap()).await.1, planned, "the same request");
    let list = planned["todo_list_id"].as_str().unwrap().to_owned();
    let ready = wait_for(async || {
        let (status, view) = server.get(&format!("/planner/todo_list/{list}")).await;
        assert!(status == StatusCode::ACCEPTED || status == StatusCode::OK, "{view}");
        (view["status"] == "ready").then_some(view)
    });
    let ready = ready.await;
    assert_eq!(ready["todo_list"]["tasks"][1]["needs"], json!(["contract"]));

    // Somebody outside measures.
    let mut todo = ready["todo_list"].clone();
    todo["tasks"][0]["agent_role"] = json!("architect");
    todo["tasks"][1]["agent_role"] = json!("external");
    let (status, started) = server.post("/orchestrator/execute", &json!({"todo_list": todo})).await;
    assert_eq!(status, StatusCode::ACCEPTED, "{started}");
    let id = started["workflow_id"].as_str().unwrap().to_owned();
    let status_of = async || server.get(&format!("/orchestrator/status/{id}")).await.1;
    let waiting = wait_for(async || {
        let view = status_of().await;
        (view["tasks"][1]["status"] == "AWAITING_SIGNAL").then_some(view)
    });
    let waiting = waiting.await;
    assert_eq!(waiting["progress"], json!({"completed": 1, "total": 2}), "{waiting}");
    assert_eq!(
        (&waiting["tasks"][0]["agent_role"], &waiting["tasks"][0]["title"]),
        (&json!("designer"), &json!("What to measure"))
    );
    let (status, taken) = server.post("/orchestrator/task/measure/result", &json!({"output": 3})).await;
    assert_eq!(status, StatusCode::OK, "{taken}");
    server.until(&id, "DONE").await;
    assert_eq!(status_of().await["tasks"][1]["output"], 3);
    refused(server.post("/orchestrator/task/measure/result", &json!({"output": 4})).await, 404, "WF0006");
    let again = json!({"workflow_id": id, "output": 4});
    refused(server.post("/orchestrator/task/measure/result", &again).await, 409, "WF0009");
}

#[tokio::test]
async fn an_agent_is_given_a_task_and_tells_how_it_is() {
    let server = server();
    let task = json!({"description": "Say what is measured.", "acceptance": ["It is said."]});
    let (status, given) = server.post("/agent/architect/task", &task).await;
    assert_eq!((status, &given["task_id"]), (StatusCode::ACCEPTED, &json!("designer")), "{given}");
    let id = given["workflow_id"].as_str().unwrap();
    server.until(id, "DONE").await;
    let (_, agents) = server.get("/agent/designer/status").await;
    assert_eq!((&agents["completed"], &agents["running"]), (&json!(1), &json!(0)));
    refused(server.get("/agent/cook/status").await, 404, "WF0095");
    refused(server.post("/agent/cook/task", &task).await, 404, "WF0095");
    let (_, transcript) = server.get(&format!("/api/v1/projects/{id}/tasks/designer/transcript")).await;
    assert!(transcript["entries"].as_array().is_some_and(|entries| !entries.is_empty()), "{transcript}");
}

#[tokio::test]
async fn what_makes_no_sense_is_refused_before_anything_begins() {
    let server = server();
    let execute = |body: Value| {
        let server = &server;
        async move { server.post("/orchestrator/execute", &body).await }
    };
    refused(execute(json!({})).await, 400, "WF0015");
    refused(execute(json!({"todo_list_id": "nobody"})).await, 404, "WF0004");
    refused(execute(json!({"todo_list": {"tasks": []}})).await, 400, "WF0015");
    let cycle = json!({"tasks": [{"id": "a", "needs": ["b"]}, {"id": "b", "needs": ["a"]}]});
    refused(execute(json!({"todo_list": cycle})).await, 400, "WF0001");
    let sneaky = json!({"tasks": [{"id": "a", "title": "{{ 1/0 }}", "agent_role": "external", "queue": "{{ x }}"}]});
    let (status, body) = execute(json!({"todo_list": sneaky})).await;
    assert!(status.is_client_error() || status == StatusCode::ACCEPTED, "{body}");
    refused(server.post("/planner/plan", &json!({"request": "  "})).await, 400, "WF0015");
    assert_eq!(server.get("/orchestrator/status/nobody").await.0, StatusCode::NOT_FOUND);
}
