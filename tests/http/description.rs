//! The description of the API against the server: every route it names is there, and what the server says has the shape.

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::server::{Server, told};

/// Routes whose answers are no JSON, or never end.
const OTHER: [&str; 6] = ["/events", "/ws", "/log/raw", "/artifacts/{name}", "/transcript", "/planner/todo_list/{id}"];

#[tokio::test]
async fn what_the_server_says_is_what_its_description_says() {
    let server = Server::start();
    let id = server.begin("quick").await;
    let ask = server.begin("asks").await;
    server.until(&id, "DONE").await;
    let (_, document) = server.get("/openapi.json").await;
    assert_eq!(document["openapi"].as_str().map(|version| &version[..3]), Some("3.1"));
    let (mut checked, paths) = (0, document["paths"].as_object().unwrap());
    let real = |path: &str| {
        let here = path.replace("{task}", "say").replace("{task_id}", "say").replace("{code}", "WF0004");
        let here = here.replace("{role}", "planner").replace("{workflow_id}", &id);
        let name = if here.contains("/workflows/") { "quick" } else { "planner" };
        here.replace("{name}", name).replace("{id}", if here.ends_with("/why") { &ask } else { &id })
    };
    for (path, operations) in paths.iter().filter(|(_, operations)| operations.get("get").is_some()) {
        if OTHER.iter().any(|other| path.ends_with(other)) {
            continue;
        }
        let (status, body) = server.get(&real(path)).await;
        assert_eq!(status, StatusCode::OK, "{path}: {body}");
        let mut schema = operations["get"]["responses"]["200"]["content"]["application/json"]["schema"].clone();
        assert!(schema.is_object(), "{path} has no schema");
        schema["components"] = document["components"].clone();
        let validator = jsonschema::validator_for(&schema).unwrap();
        let faults = validator.iter_errors(&body).map(|fault| format!("{fault} at {}", fault.instance_path()));
        let faults: Vec<String> = faults.collect();
        assert!(faults.is_empty(), "{path}: {faults:?}\n{body}");
        checked += 1;
    }
    for (path, operations) in paths {
        for method in operations.as_object().unwrap().keys().filter(|method| *method != "get") {
            // A body of nobody: refused or taken, but never unknown.
            let verb = Method::from_bytes(method.to_uppercase().as_bytes()).unwrap();
            let request = server.request(verb, &real(path), "admin").json(&json!({"odd": true}));
            let (status, body) = told(request.send().await.unwrap()).await;
            assert_ne!((status, &body["code"]), (StatusCode::NOT_FOUND, &json!("WF0095")), "{method} {path}");
            assert_ne!(status, StatusCode::METHOD_NOT_ALLOWED, "{method} {path}");
            assert!(!status.is_server_error(), "{method} {path}: {body}");
        }
    }
    assert!(checked > 25, "{checked} answers were checked");
}

#[tokio::test]
async fn a_refusal_has_its_shape_too() {
    let server = Server::start();
    let (_, document) = server.get("/openapi.json").await;
    let mut schema = document["components"]["schemas"]["Written"].clone();
    schema["components"] = document["components"].clone();
    let validator = jsonschema::validator_for(&schema).unwrap();
    let (_, problem): (_, Value) = server.get("/api/v1/projects/nobody").await;
    assert!(validator.is_valid(&problem), "{problem}");
    let page = server.get(problem["type"].as_str().unwrap()).await.1;
    assert_eq!(page["title"], problem["title"]);
}
