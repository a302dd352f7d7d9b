//! Beginning and ending: what is refused, what goes on, what is left.

use reqwest::{Method, StatusCode};
use serde_json::json;

use crate::rig::Rig;
use crate::server::{PATIENCE, Server, told};

#[tokio::test]
async fn a_stop_ends_the_streams_and_the_next_start_goes_on() {
    let mut server = Server::start();
    let (long, asks) = (server.begin("long").await, server.begin("asks").await);
    server.until(&long, "BUILD").await;
    let stream = server.request(Method::GET, &format!("/api/v1/projects/{long}/events"), "read").send().await.unwrap();
    let reading = tokio::spawn(async move { stream.text().await });
    let (code, err) = server.stop();
    assert_eq!(code, Some(0), "{err}");
    let text = tokio::time::timeout(PATIENCE, reading).await.unwrap().unwrap().unwrap();
    assert!(text.contains("event: record") && text.ends_with("\n\n"), "whole events to the last");
    server.run(&[]);
    // Both are driven again.
    let (status, _) =
        server.post(&format!("/api/v1/projects/{asks}/approvals"), &json!({"decision": "approved"})).await;
    assert_eq!(status, StatusCode::OK);
    server.until(&asks, "DONE").await;
    let (_, why) = server.get(&format!("/api/v1/projects/{long}/why")).await;
    assert_eq!(why["driven"], true);
    server.post(&format!("/api/v1/projects/{long}/kill"), &json!({})).await;
    server.until(&long, "CANCELLED").await;
}

#[tokio::test]
async fn the_verbs_of_the_command_line_reach_the_engine_of_a_server_and_a_second_server_is_refused() {
    let server = Server::start();
    let id = server.begin("asks").await;
    let approve = async { while server.rig.wfctl(&["approve", &id]).code != Some(0) {} };
    tokio::time::timeout(PATIENCE, approve).await.unwrap();
    server.until(&id, "DONE").await;
    let second = server.rig.wfctl(&["serve", "--listen", "127.0.0.1:0"]);
    assert_eq!(second.code, Some(7), "{}", second.err);
    assert!(second.err.contains("WF0020") && second.err.contains(&server.child().id().to_string()), "{}", second.err);
}

#[test]
fn beyond_this_machine_there_is_no_server_without_encryption() {
    let rig = Rig::new();
    let refused = rig.wfctl(&["serve", "--listen", "0.0.0.0:0"]);
    assert_eq!(refused.code, Some(2));
    assert!(refused.err.contains("WF0096") && refused.err.contains("--tls-cert"), "{}", refused.err);
    rig.write("c.pem", "nothing");
    let broken = rig.wfctl(&["serve", "--listen", "127.0.0.1:0", "--tls-cert", "c.pem", "--tls-key", "c.pem"]);
    assert_eq!(broken.code, Some(2), "{}", broken.err);
    assert!(broken.err.contains("WF0096") && broken.err.contains("c.pem"), "{}", broken.err);
    let half = rig.wfctl(&["serve", "--tls-cert", "c.pem"]);
    assert_eq!(half.code, Some(2));
}

#[tokio::test]
async fn with_a_certificate_connections_are_encrypted() {
    let rig = Rig::new();
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    rig.write("c.pem", &made.cert.pem());
    rig.write("k.pem", &made.signing_key.serialize_pem());
    let server = Server::over(rig, &["--tls-cert", "c.pem", "--tls-key", "k.pem"]);
    assert!(server.url.starts_with("https://"), "{}", server.url);
    let root = reqwest::Certificate::from_pem(made.cert.pem().as_bytes()).unwrap();
    let client = reqwest::Client::builder().no_proxy().tls_certs_only([root]).build().unwrap();
    let port = server.url.rsplit(':').next().unwrap();
    let ask = client.get(format!("https://localhost:{port}/healthz")).send().await.unwrap();
    assert_eq!(told(ask).await.0, StatusCode::OK);
    let login = client.post(format!("https://localhost:{port}/login")).json(&json!({"token": server.token("read")}));
    let cookie = login.send().await.unwrap().headers()["set-cookie"].to_str().unwrap().to_owned();
    assert!(cookie.contains("; Secure"), "{cookie}");
}

#[test]
fn a_unit_for_systemd_serves_from_here() {
    let rig = Rig::new();
    let unit = rig.wfctl(&["serve", "--print-unit", "--listen", "127.0.0.1:9"]);
    assert_eq!(unit.code, Some(0));
    let here = rig.path("").canonicalize().unwrap();
    for line in ["Restart=on-failure", "WantedBy=default.target", &format!("WorkingDirectory={}", here.display())] {
        assert!(unit.out.lines().any(|it| it == line), "{line}: {}", unit.out);
    }
    let start = unit.out.lines().find(|line| line.starts_with("ExecStart=")).unwrap();
    assert!(start.contains(" serve --listen 127.0.0.1:9"), "{start}");
}
