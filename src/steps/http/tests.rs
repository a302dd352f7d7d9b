//! Against a server of a few lines on the loopback interface.

use std::sync::{Arc, Mutex};

use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

use super::http_date;
use crate::domain::effect::{StepOrder, StepRequest, StopCause};
use crate::domain::failure::FailureClass;
use crate::domain::limits;
use crate::domain::workflow::{HttpSpec, OutputFormat};
use crate::steps::runner::testing::{NOW, Rig, TOKEN, failure};

/// What the server does with each connection once it has read the request's head.
#[derive(Clone)]
enum Answer {
    Text(String),
    Endless,
    Silence,
    Reset,
}

/// Serves `answer` until the runtime ends; the requests it saw are in the list.
async fn served(answer: Answer) -> (String, Arc<Mutex<Vec<String>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let seen = Arc::new(Mutex::new(Vec::new()));
    let requests = seen.clone();
    tokio::spawn(async move {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut request = Vec::new();
            while !request.windows(4).any(|window| window == b"\r\n\r\n") {
                let mut chunk = [0; 4096];
                let bytes = stream.read(&mut chunk).await.unwrap();
                request.extend_from_slice(&chunk[..bytes]);
            }
            requests.lock().unwrap().push(String::from_utf8(request).unwrap().to_lowercase());
            match &answer {
                Answer::Text(text) => stream.write_all(text.as_bytes()).await.unwrap(),
                Answer::Endless => {
                    stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await.unwrap();
                    while stream.write_all(&[b'x'; 65536]).await.is_ok() {}
                }
                Answer::Silence => std::future::pending().await,
                Answer::Reset => {}
            }
        }
    });
    (format!("http://user:secret@{address}/path?token=secret"), seen)
}

fn response(status: &str, headers: &str, body: &str) -> Answer {
    Answer::Text(format!(
        "HTTP/1.1 {status}\r\n{headers}content-length: {}\r\nconnection: close\r\n\r\n{body}",
        body.len()
    ))
}

fn order(rig: &Rig, method: &str, url: &str) -> StepOrder {
    let request = HttpSpec {
        method: method.to_owned(),
        url: url.to_owned(),
        headers: [("x-test".to_owned(), "1".to_owned())].into(),
        body: (method != "GET").then(|| json!({"a": 1})),
        expect: vec![],
    };
    rig.order(StepRequest::Http { request, output: OutputFormat::Auto })
}

#[tokio::test]
async fn a_body_is_the_value_and_the_key_goes_along() {
    let rig = Rig::new();
    let (url, seen) = served(response("200 OK", "", "{\"b\": 2}")).await;
    let outcome = rig.run(order(&rig, "POST", &url)).await;
    assert_eq!((rig.value(&outcome), outcome.code), (json!({"b": 2}), Some(200)));
    rig.run(order(&rig, "GET", &url)).await;
    let seen = seen.lock().unwrap();
    assert!(seen[0].contains("idempotency-key: p/3/2/0\r\n") && seen[0].contains("x-test: 1"), "{seen:?}");
    assert!(seen[0].contains("content-type: application/json"), "{seen:?}");
    assert!(!seen[1].contains("idempotency-key"), "{seen:?}");
}

#[tokio::test]
async fn statuses_have_their_classes_and_show_no_secret() {
    for (status, headers, class, wait_ms) in [
        ("404 Not Found", "", FailureClass::HttpClient, None),
        ("429 Slow Down", "retry-after: 7\r\n", FailureClass::RateLimited, Some(7_000)),
        ("429 Slow Down", "retry-after: Sun, 06 Nov 1994 08:50:37 GMT\r\n", FailureClass::RateLimited, Some(60_000)),
        ("429 Slow Down", "retry-after: 99999999999\r\n", FailureClass::RateLimited, Some(limits::DURATION_MS)),
        ("503 Busy", "retry-after: soon\r\n", FailureClass::HttpServer, None),
        ("408 Timeout", "", FailureClass::HttpServer, None),
        ("304 Not Modified", "", FailureClass::HttpClient, None),
    ] {
        let rig = Rig::new();
        let (url, _) = served(response(status, headers, "\x1b[1mwhy")).await;
        let outcome = rig.run(order(&rig, "GET", &url)).await;
        let failure = failure(&outcome);
        assert_eq!((failure.class, failure.retry_after_ms), (class, wait_ms), "{status}");
        assert!(failure.message.contains(&format!("/path: status {}", &status[..3])), "{failure}");
        assert!(!failure.message.contains("secret") && !failure.message.contains('\x1b'), "{failure}");
        assert_eq!(outcome.code, status[..3].parse().ok());
    }
}

#[tokio::test]
async fn an_expected_status_is_a_success() {
    let rig = Rig::new();
    let (url, _) = served(response("404 Not Found", "", "none")).await;
    let mut expecting = order(&rig, "GET", &url);
    let StepRequest::Http { request, .. } = &mut expecting.request else { unreachable!("made above") };
    request.expect = vec![404];
    assert_eq!(rig.value(&rig.run(expecting).await), json!("none"));
}

#[tokio::test]
async fn broken_connections_are_not_tried_again_in_here() {
    let rig = Rig::new();
    let (url, seen) = served(Answer::Reset).await;
    let failure_of_reset = failure(&rig.run(order(&rig, "POST", &url)).await);
    assert_eq!(failure_of_reset.class, FailureClass::Transport);
    assert!(!failure_of_reset.message.contains("secret"), "{failure_of_reset}");
    assert_eq!(seen.lock().unwrap().len(), 1);
}

#[tokio::test]
async fn a_server_that_is_not_there_yet_is_waited_for() {
    let rig = Rig::new();
    // A port that is ours and that nobody listens at.
    let held = tokio::net::TcpSocket::new_v4().unwrap();
    held.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let address = held.local_addr().unwrap();
    let outcome = rig.run(order(&rig, "GET", &format!("http://{address}/"))).await;
    assert_eq!(failure(&outcome).class, FailureClass::Unreachable);
}

#[tokio::test]
async fn a_silent_server_does_not_hold_up_a_stop() {
    let rig = Rig::new();
    let (url, seen) = served(Answer::Silence).await;
    let (handle, step) = rig.start(order(&rig, "GET", &url));
    while seen.lock().unwrap().is_empty() {
        tokio::task::yield_now().await;
    }
    handle.stop(StopCause::Idle);
    assert_eq!(failure(&step.await.unwrap()).class, FailureClass::Idle);
}

#[tokio::test]
async fn an_endless_body_is_bounded() {
    let rig = Rig::new();
    let (url, _) = served(Answer::Endless).await;
    assert_eq!(failure(&rig.run(order(&rig, "GET", &url)).await).class, FailureClass::Oversized);
}

#[tokio::test]
async fn what_is_no_request_is_refused() {
    let rig = Rig::new();
    for (method, url) in [("GET", "nonsense"), ("GET", "file:///etc/passwd"), ("B D", "http://127.0.0.1/")] {
        assert_eq!(failure(&rig.run(order(&rig, method, url)).await).class, FailureClass::Malformed, "{method} {url}");
    }
}

#[test]
fn dates() {
    assert_eq!(http_date("Sun, 06 Nov 1994 08:49:37 GMT"), Some(NOW));
    assert_eq!(http_date("Sunday, 06-Nov-94 08:49:37 GMT"), None);
}

/// An order with these headers, which is handed the secret `TOKEN`.
fn with_token(rig: &Rig, url: &str, header: &str) -> StepOrder {
    let mut order = order(rig, "GET", url);
    if let StepRequest::Http { request, .. } = &mut order.request {
        request.headers.insert("x-key".to_owned(), header.to_owned());
    }
    order.secrets = vec!["TOKEN".to_owned()];
    order
}

#[tokio::test]
async fn a_header_is_given_the_secret_that_it_names_and_the_body_comes_back_without_it() {
    let rig = Rig::new();
    let (url, seen) = served(response("200 OK", "", &format!("{{\"you_said\": \"{TOKEN}\"}}"))).await;
    let outcome = rig.run(with_token(&rig, &url, "Bearer $TOKEN $OTHER ${TOKEN}!")).await;
    assert_eq!(rig.value(&outcome), json!({"you_said": "[secret]"}));
    assert!(seen.lock().unwrap()[0].contains(&format!("x-key: bearer {TOKEN} $other {TOKEN}!\r\n")));
    let mut order = with_token(&rig, &url, "$TOKEN");
    order.secrets.clear();
    rig.run(order).await;
    assert!(seen.lock().unwrap()[1].contains("x-key: $token\r\n"), "what it is not handed stays a text");
    let (url, _) = served(response("400 Bad", "", &format!("{TOKEN} is wrong"))).await;
    let failure = failure(&rig.run(with_token(&rig, &url, "$TOKEN")).await);
    assert!(failure.message.contains("[secret] is wrong") && !failure.message.contains(TOKEN), "{failure}");
}

#[tokio::test]
async fn a_redirect_to_another_host_is_not_sent_the_secret() {
    let rig = Rig::new();
    let (elsewhere, seen) = served(response("200 OK", "", "caught")).await;
    let (url, _) = served(response("302 Found", &format!("location: {elsewhere}\r\n"), "")).await;
    let failure = failure(&rig.run(with_token(&rig, &url, "$TOKEN")).await);
    assert_eq!(failure.class, FailureClass::HttpClient);
    assert!(failure.message.contains("another host"), "{failure}");
    assert!(seen.lock().unwrap().is_empty());
    // Without secrets, redirects lead on as ever.
    let outcome = rig.run(order(&rig, "GET", &url)).await;
    assert_eq!(rig.value(&outcome), json!("caught"));
}
