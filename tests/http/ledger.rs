//! The server killed under load, again and again: what it accepted is there, what it streamed goes on without a gap.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_util::StreamExt as _;
use serde_json::{Value, json};

use crate::server::{PATIENCE, Server};

const KILLS: usize = 4;
const CLIENTS: usize = 3;
/// Accepted starts between two kills: the load is never the same for two of them.
const BETWEEN: usize = 12;

/// What clients were told.
#[derive(Default)]
struct Ledger {
    accepted: Mutex<Vec<String>>,
    count: AtomicUsize,
    done: AtomicBool,
}

async fn keep_starting(url: String, token: String, client: usize, ledger: Arc<Ledger>) {
    let http = crate::server::client();
    for number in 0.. {
        if ledger.done.load(Ordering::SeqCst) {
            return;
        }
        let key = format!("c{client}-{number}");
        // The same request until it is answered: that is what the key is for.
        while !ledger.done.load(Ordering::SeqCst) {
            let request =
                http.post(format!("{url}/api/v1/projects")).bearer_auth(&token).header("idempotency-key", &key);
            let Ok(answer) = request.json(&json!({"workflow": "quick"})).send().await else {
                tokio::time::sleep(Duration::from_millis(20)).await;
                continue;
            };
            let status = answer.status().as_u16();
            let Ok(body) = answer.json::<Value>().await else { continue };
            if status == 201 {
                ledger.accepted.lock().unwrap().push(body["id"].as_str().unwrap().to_owned());
                ledger.count.fetch_add(1, Ordering::SeqCst);
                break;
            }
            assert!(status == 503 || status == 409, "{status}: {body}");
        }
    }
}

/// Follows all projects through every end of the server; the records seen, in order.
async fn keep_following(url: String, token: String, ledger: Arc<Ledger>) -> Vec<(String, u64)> {
    let (http, mut last, mut seen) = (crate::server::client(), None::<String>, Vec::new());
    while !ledger.done.load(Ordering::SeqCst) {
        let mut request = http.get(format!("{url}/api/v1/events?from=start")).bearer_auth(&token);
        if let Some(id) = &last {
            request = request.header("last-event-id", id);
        }
        let Ok(answer) = request.send().await else {
            tokio::time::sleep(Duration::from_millis(20)).await;
            continue;
        };
        if !answer.status().is_success() {
            continue;
        }
        let (mut stream, mut text) = (answer.bytes_stream(), Vec::new());
        while let Ok(Some(Ok(bytes))) = tokio::time::timeout(Duration::from_millis(500), stream.next()).await {
            text.extend_from_slice(&bytes);
            while let Some(end) = text.windows(2).position(|pair| pair == b"\n\n") {
                let event = String::from_utf8(text.drain(..end + 2).collect()).unwrap();
                let field = |name: &str| event.lines().find_map(|line| line.strip_prefix(name)).map(str::to_owned);
                let Some(id) = field("id: ") else { continue };
                let line: Value = serde_json::from_str(&field("data: ").unwrap()).unwrap();
                let record = &line["record"];
                seen.push((record["project"].as_str().unwrap().to_owned(), record["seq"].as_u64().unwrap()));
                last = Some(id);
            }
        }
    }
    seen
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whatever_was_accepted_is_there_and_no_stream_has_a_gap_or_a_duplicate() {
    let mut server = Server::start();
    let (url, operate, read) = (server.url.clone(), server.token("operate"), server.token("read"));
    let ledger = Arc::new(Ledger::default());
    let following = tokio::spawn(keep_following(url.clone(), read, ledger.clone()));
    let starting: Vec<_> = (0..CLIENTS)
        .map(|client| tokio::spawn(keep_starting(url.clone(), operate.clone(), client, ledger.clone())))
        .collect();
    for kill in 1..=KILLS {
        let enough = async {
            while ledger.count.load(Ordering::SeqCst) < kill * BETWEEN {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        tokio::time::timeout(PATIENCE, enough).await.unwrap();
        server.kill();
        server.run(&[]);
    }
    ledger.done.store(true, Ordering::SeqCst);
    for client in starting {
        client.await.unwrap();
    }
    let accepted: BTreeSet<String> = ledger.accepted.lock().unwrap().iter().cloned().collect();
    assert_eq!(accepted.len(), ledger.accepted.lock().unwrap().len(), "each key is a project of its own");
    for id in &accepted {
        server.until(id, "DONE").await;
        let (_, verified) = server.get(&format!("/api/v1/projects/{id}/verify")).await;
        assert_eq!(verified["first_bad"], Value::Null);
    }
    let seen = following.await.unwrap();
    let mut at = std::collections::BTreeMap::<String, u64>::new();
    for (project, seq) in seen {
        let before = at.insert(project.clone(), seq).unwrap_or_default();
        assert_eq!(seq, before + 1, "{project}");
    }
    assert!(at.len() >= BETWEEN, "the stream told of {} projects", at.len());
}
