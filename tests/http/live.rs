//! Live events.

use bytes::Bytes;
use futures_util::stream::BoxStream;
use futures_util::{SinkExt as _, StreamExt as _};
use reqwest::{Method, Response};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpSocket;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;

use crate::server::{PATIENCE, Server, refused, told};

/// One server-sent event.
#[derive(Debug, Clone, PartialEq)]
pub struct Told {
    pub id: Option<String>,
    pub name: String,
    pub data: Value,
}

/// The events of a stream as they come.
pub struct Reader {
    stream: BoxStream<'static, reqwest::Result<Bytes>>,
    text: Vec<u8>,
}

impl Reader {
    pub fn new(response: Response) -> Self {
        Self { stream: response.bytes_stream().boxed(), text: Vec::new() }
    }

    /// A client whose kernel takes next to nothing for it, and which has read nothing of the body yet.
    pub async fn narrow(server: &Server, path: &str) -> Self {
        let address = server.url.trim_start_matches("http://");
        let socket = TcpSocket::new_v4().unwrap();
        socket.set_recv_buffer_size(4096).unwrap();
        let mut stream = socket.connect(address.parse().unwrap()).await.unwrap();
        let token = server.token("read");
        // HTTP/1.0 has no chunks: the body is the stream itself.
        let head = format!("GET {path} HTTP/1.0\r\nHost: {address}\r\nAuthorization: Bearer {token}\r\n\r\n");
        stream.write_all(head.as_bytes()).await.unwrap();
        let mut answer = Vec::new();
        while !answer.ends_with(b"\r\n\r\n") {
            answer.push(stream.read_u8().await.unwrap());
        }
        assert!(answer.starts_with(b"HTTP/1.0 200"), "{}", String::from_utf8_lossy(&answer));
        let pieces = futures_util::stream::unfold(stream, |mut stream| async {
            let mut piece = vec![0; 64 * 1024];
            let length = stream.read(&mut piece).await.unwrap();
            (length > 0).then(|| (Ok(Bytes::copy_from_slice(&piece[..length])), stream))
        });
        Self { stream: pieces.boxed(), text: Vec::new() }
    }

    /// The next event; `None` at the end.
    pub async fn next(&mut self) -> Option<Told> {
        tokio::time::timeout(PATIENCE, self.read()).await.expect("an event, or the end")
    }

    async fn read(&mut self) -> Option<Told> {
        loop {
            while let Some(end) = self.text.windows(2).position(|pair| pair == b"\n\n") {
                let event = String::from_utf8(self.text.drain(..end + 2).collect()).unwrap();
                let field = |name: &str| event.lines().find_map(|line| line.strip_prefix(name)).map(str::to_owned);
                let Some(data) = field("data: ") else { continue };
                let data = serde_json::from_str(&data).unwrap();
                return Some(Told { id: field("id: "), name: field("event: ").unwrap(), data });
            }
            self.text.extend_from_slice(&self.stream.next().await?.ok()?);
        }
    }
}

/// Reads events until there are enough, or the stream ends.
pub async fn read(response: Response, most: usize) -> Vec<Told> {
    rest(Reader::new(response), most).await
}

/// The same, of a client that has begun already.
pub async fn rest(mut reader: Reader, most: usize) -> Vec<Told> {
    let mut events = Vec::new();
    while events.len() < most
        && let Some(event) = reader.next().await
    {
        events.push(event);
    }
    events
}

pub async fn follow(server: &Server, path: &str, last: Option<&str>) -> Response {
    let request = server.request(Method::GET, path, "read");
    let request = last.into_iter().fold(request, |request, id| request.header("last-event-id", id));
    let response = request.send().await.unwrap();
    assert_eq!(response.headers()["content-type"], "text/event-stream");
    response
}

pub fn ids(events: &[Told]) -> Vec<u64> {
    events.iter().filter_map(|event| event.id.as_ref()?.parse().ok()).collect()
}

#[tokio::test]
async fn a_stream_goes_on_exactly_behind_what_was_seen_and_ends_with_the_project() {
    let server = Server::start();
    let id = server.begin("quick").await;
    let path = format!("/api/v1/projects/{id}/events");
    let all = read(follow(&server, &path, None).await, usize::MAX).await;
    let last = all.last().unwrap().clone();
    assert_eq!(
        (last.name.as_str(), &last.data["project"]["status"], &last.data["exit"]),
        ("ended", &json!("DONE"), &json!(0))
    );
    let records = &all[..all.len() - 1];
    assert_eq!(ids(records), (1..=records.len() as u64).collect::<Vec<_>>());
    assert!(records.iter().any(|event| event.data["record"]["task"] == "say"));
    let events = server.rig.wfctl(&["events", &id, "--json"]).out;
    let lines: Vec<Value> = events.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(records.iter().map(|event| &event.data).collect::<Vec<_>>(), lines.iter().collect::<Vec<_>>());
    // The header wins over what the address says: a browser that comes back sends both.
    let rest = read(follow(&server, &format!("{path}?from=1"), Some("5")).await, usize::MAX).await;
    assert_eq!(rest, all[5..]);
    let beyond = read(follow(&server, &path, Some("100000")).await, usize::MAX).await;
    assert_eq!(beyond, [last]);
    let odd = server.request(Method::GET, &path, "read").header("last-event-id", "x").send().await.unwrap();
    refused(told(odd).await, 400, "WF0015");
    refused(server.get("/api/v1/projects/nobody/events").await, 404, "WF0004");
}

#[tokio::test]
async fn a_client_that_follows_while_it_happens_hears_everything_once() {
    let server = Server::start();
    let id = server.begin("asks").await;
    let path = format!("/api/v1/projects/{id}/events");
    let (one, two) = (follow(&server, &path, None).await, follow(&server, &path, None).await);
    let (one, two) = (tokio::spawn(read(one, usize::MAX)), tokio::spawn(read(two, usize::MAX)));
    let answer = async { while server.post(&format!("/orchestrator/approve/{id}"), &json!({})).await.0 != 200 {} };
    tokio::time::timeout(PATIENCE, answer).await.unwrap();
    let (one, two) = (one.await.unwrap(), two.await.unwrap());
    assert_eq!(one, two);
    assert_eq!(ids(&one), (1..one.len() as u64).collect::<Vec<_>>());
}

#[tokio::test]
async fn all_projects_are_followed_with_one_cursor() {
    let server = Server::start();
    let live = follow(&server, "/api/v1/events", None).await;
    let (a, b) = (server.begin("quick").await, server.begin("quick").await);
    let (a, b) = (server.until(&a, "DONE").await, server.until(&b, "DONE").await);
    let both = a["seq"].as_u64().unwrap() + b["seq"].as_u64().unwrap();
    let events = read(live, usize::try_from(both).unwrap()).await;
    let of = |view: &Value| -> Vec<u64> {
        let records = events.iter().map(|event| &event.data["record"]);
        records
            .filter(|record| record["project"] == view["project"]["id"])
            .map(|it| it["seq"].as_u64().unwrap())
            .collect()
    };
    assert_eq!(of(&a), (1..=a["seq"].as_u64().unwrap()).collect::<Vec<_>>());
    assert_eq!(of(&b), (1..=b["seq"].as_u64().unwrap()).collect::<Vec<_>>());
    // Away in the middle: what comes is exactly the rest.
    let middle = &events[events.len() / 2];
    let rest = read(follow(&server, "/api/v1/events", middle.id.as_deref()).await, events.len() / 2 - 1).await;
    let key = |event: &Told| (event.data["record"]["project"].to_string(), event.data["record"]["seq"].as_u64());
    let mut expected: Vec<_> = events[events.len() / 2 + 1..].iter().map(key).collect();
    let mut found: Vec<_> = rest.iter().map(key).collect();
    expected.sort();
    expected.truncate(found.len().max(expected.len()));
    found.sort();
    assert_eq!(found, expected);
    refused(server.get("/api/v1/events?from=nonsense").await, 400, "WF0015");
}

#[tokio::test]
async fn a_websocket_follows_one_project_and_all_of_them() {
    let server = Server::start();
    let id = server.begin("quick").await;
    let seq = server.until(&id, "DONE").await["seq"].as_u64().unwrap();
    let address = format!("{}/api/v1/ws", server.url.replacen("http", "ws", 1));
    let mut request = address.clone().into_client_request().unwrap();
    request.headers_mut().insert("authorization", format!("Bearer {}", server.token("read")).parse().unwrap());
    let (mut socket, _) = tokio_tungstenite::connect_async(request.clone()).await.unwrap();
    let say = |value: Value| Message::Text(value.to_string().into());
    socket.send(say(json!({"follow": id, "from": seq - 2}))).await.unwrap();
    let mut lines = Vec::new();
    while lines.len() < 3 {
        if let Message::Text(text) = tokio::time::timeout(PATIENCE, socket.next()).await.unwrap().unwrap().unwrap() {
            lines.push(serde_json::from_str::<Value>(&text).unwrap());
        }
    }
    let kinds: Vec<_> = lines.iter().map(|line| (line["type"].clone(), line["record"]["seq"].as_u64())).collect();
    assert_eq!(kinds, [(json!("record"), Some(seq - 1)), (json!("record"), Some(seq)), (json!("ended"), None)]);
    socket.send(say(json!({"follow": "*", "cursor": "start"}))).await.unwrap();
    let Message::Text(first) = tokio::time::timeout(PATIENCE, socket.next()).await.unwrap().unwrap().unwrap() else {
        panic!("no text")
    };
    let first: Value = serde_json::from_str(&first).unwrap();
    assert_eq!((&first["record"]["seq"], first["cursor"].is_string()), (&json!(1), true));
    socket.send(say(json!({"follow": "NOBODY"}))).await.unwrap();
    let refusal = async {
        loop {
            if let Some(Ok(Message::Text(text))) = socket.next().await
                && text.contains("\"error\"")
            {
                return serde_json::from_str::<Value>(&text).unwrap();
            }
        }
    };
    let refusal = tokio::time::timeout(PATIENCE, refusal).await.unwrap();
    assert_eq!((&refusal["type"], &refusal["code"]), (&json!("error"), &json!("WF0004")));
    request.headers_mut().insert("origin", "http://evil.example".parse().unwrap());
    assert!(tokio_tungstenite::connect_async(request).await.is_err(), "from a foreign origin");
    assert!(tokio_tungstenite::connect_async(address).await.is_err(), "without a token");
}
