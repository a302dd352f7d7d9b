//! Connections: HTTP/1.1 with keep-alive, requests with a length, answers in chunks.

use std::sync::Arc;

use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::reply::{End, Reply};
use super::{Asked, Counts, Shared, checks};

/// Accepts connections for ever.
pub(super) async fn accept(listener: std::net::TcpListener, shared: Arc<Shared>) {
    let listener = tokio::net::TcpListener::from_std(listener).expect("a listener that does not block");
    loop {
        let Ok((stream, _)) = listener.accept().await else { continue };
        let shared = shared.clone();
        tokio::spawn(async move {
            shared.count(|counts| {
                counts.connections += 1;
                counts.most_connections = counts.most_connections.max(counts.connections);
            });
            // The other side may go away at any moment; that is its right.
            let _gone = connection(stream, &shared).await;
            shared.count(|counts| counts.connections -= 1);
        });
    }
}

impl Shared {
    fn count(&self, change: impl FnOnce(&mut Counts)) {
        self.counts.send_modify(change);
    }

    fn wrong(&self, what: String) {
        self.broken.lock().expect("no panic while it is held").push(what);
    }
}

async fn connection(mut stream: TcpStream, shared: &Shared) -> std::io::Result<()> {
    stream.set_nodelay(true)?;
    let mut bytes = Vec::new();
    while let Some((path, headers, body)) = request(&mut stream, &mut bytes).await? {
        if path != "POST /v1/chat/completions" {
            shared.wrong(format!("there is nothing at {path}"));
            answer(&mut stream, 404, &[], "{\"error\":{\"message\":\"no such path\"}}").await?;
            continue;
        }
        let reply = decide(shared, headers, &body);
        let complete = reply.is_complete();
        if !perform(&mut stream, shared, reply).await? {
            return Ok(());
        }
        shared.count(|counts| {
            counts.answered += 1;
            counts.completed += usize::from(complete);
        });
    }
    Ok(())
}

/// Records and checks a request and asks the script what to do.
fn decide(shared: &Shared, headers: Vec<(String, String)>, body: &[u8]) -> Reply {
    let (body, mut problems) = match serde_json::from_slice::<Value>(body) {
        Ok(body) => {
            let problems = checks::problems(&body);
            (body, problems)
        }
        Err(error) => (Value::Null, vec![format!("it is not JSON: {error}")]),
    };
    let asked = {
        let mut all = shared.asked.lock().expect("no panic while it is held");
        let asked = Asked { number: all.len(), headers, body };
        all.push(asked.clone());
        asked
    };
    let reply = if problems.is_empty() {
        let script = std::panic::AssertUnwindSafe(|| (shared.script)(&asked));
        std::panic::catch_unwind(script).map_err(|panic| {
            let text = panic.downcast_ref::<String>().cloned();
            problems.push(text.unwrap_or_else(|| "the script panicked".to_owned()));
        })
    } else {
        Err(())
    };
    shared.count(|counts| counts.requests += 1);
    reply.unwrap_or_else(|()| {
        let problems = problems.join("; ");
        shared.wrong(format!("request {}: {problems}", asked.number));
        Reply::refused(400, "invalid_request_error", &problems)
    })
}

/// One request: method and path, headers, body. `bytes` keeps what was read beyond it.
async fn request(
    stream: &mut TcpStream,
    bytes: &mut Vec<u8>,
) -> std::io::Result<Option<(String, Vec<(String, String)>, Vec<u8>)>> {
    let head_end = loop {
        if let Some(at) = bytes.windows(4).position(|window| window == b"\r\n\r\n") {
            break at + 4;
        }
        if stream.read_buf(bytes).await? == 0 {
            return Ok(None);
        }
    };
    let head = String::from_utf8_lossy(&bytes[..head_end]).into_owned();
    let mut lines = head.lines();
    let path = lines.next().unwrap_or_default().trim_end_matches(" HTTP/1.1").to_owned();
    let header = |line: &str| line.split_once(": ").map(|(name, value)| (name.to_lowercase(), value.to_owned()));
    let headers: Vec<(String, String)> = lines.filter_map(header).collect();
    let length = headers.iter().find(|(name, _)| name == "content-length").and_then(|(_, value)| value.parse().ok());
    let end = head_end + length.unwrap_or(0);
    while bytes.len() < end {
        if stream.read_buf(bytes).await? == 0 {
            return Ok(None);
        }
    }
    let rest = bytes.split_off(end);
    let body = std::mem::replace(bytes, rest).split_off(head_end);
    Ok(Some((path, headers, body)))
}

/// Does what a reply says; `false` when the connection ends with it.
async fn perform(stream: &mut TcpStream, shared: &Shared, reply: Reply) -> std::io::Result<bool> {
    match reply {
        Reply::Drop => Ok(false),
        Reply::After(delay, reply) => {
            tokio::time::sleep(delay).await;
            Box::pin(perform(stream, shared, *reply)).await
        }
        Reply::Hang(reply) => {
            if !released(stream, shared).await {
                return Ok(false);
            }
            Box::pin(perform(stream, shared, *reply)).await
        }
        Reply::Stall(event) => {
            let mut out = stream_head();
            chunk(&mut out, format!("data: {event}\n\n").as_bytes());
            stream.write_all(&out).await?;
            released(stream, shared).await;
            Ok(false)
        }
        Reply::Paused(events, rest) => {
            let mut out = stream_head();
            events.iter().for_each(|event| chunk(&mut out, format!("data: {event}\n\n").as_bytes()));
            stream.write_all(&out).await?;
            match *rest {
                Reply::Stream { events, end } if released(stream, shared).await => {
                    let pieces = events.iter().map(|event| format!("data: {event}\n\n").into_bytes()).collect();
                    send(stream, Vec::new(), pieces, end, Flush::Together).await
                }
                _ => Ok(false),
            }
        }
        Reply::Status { status, headers, body } => {
            answer(stream, status, &headers, &body).await?;
            Ok(true)
        }
        Reply::Stream { events, end } => {
            let pieces = events.iter().map(|event| format!("data: {event}\n\n").into_bytes()).collect();
            send(stream, stream_head(), pieces, end, Flush::Together).await
        }
        Reply::Bytes { pieces, end } => send(stream, stream_head(), pieces, end, Flush::Each).await,
    }
}

/// Waits for the test to release it; `false` when the other side went away before.
async fn released(stream: &TcpStream, shared: &Shared) -> bool {
    let mut released = shared.released.subscribe();
    let gone = async {
        // Nothing is sent while an answer is awaited, so readable means closed.
        let mut byte = [0];
        let _readable = stream.peek(&mut byte).await;
    };
    tokio::select! {
        released = released.wait_for(|released| *released) => released.is_ok(),
        () = gone => false,
    }
}

/// Whether pieces leave one by one.
#[derive(PartialEq, Eq)]
enum Flush {
    Each,
    Together,
}

async fn send(
    stream: &mut TcpStream,
    mut out: Vec<u8>,
    pieces: Vec<Vec<u8>>,
    end: End,
    flush: Flush,
) -> std::io::Result<bool> {
    for piece in pieces {
        chunk(&mut out, &piece);
        if flush == Flush::Each {
            stream.write_all(&out).await?;
            stream.flush().await?;
            out.clear();
            tokio::task::yield_now().await;
        }
    }
    let done = b"data: [DONE]\n\n";
    match end {
        End::Done => chunk(&mut out, done),
        End::DoneTwice => {
            chunk(&mut out, done);
            chunk(&mut out, done);
        }
        End::Unmarked => {}
        End::Cut => {
            stream.write_all(&out).await?;
            return Ok(false);
        }
    }
    out.extend_from_slice(b"0\r\n\r\n");
    stream.write_all(&out).await?;
    Ok(true)
}

fn stream_head() -> Vec<u8> {
    b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n".to_vec()
}

fn chunk(out: &mut Vec<u8>, piece: &[u8]) {
    if !piece.is_empty() {
        out.extend_from_slice(format!("{:x}\r\n", piece.len()).as_bytes());
        out.extend_from_slice(piece);
        out.extend_from_slice(b"\r\n");
    }
}

async fn answer(stream: &mut TcpStream, status: u16, headers: &[(String, String)], body: &str) -> std::io::Result<()> {
    let mut head = format!("HTTP/1.1 {status} X\r\ncontent-length: {}\r\n", body.len());
    if !headers.iter().any(|(name, _)| name == "content-type") {
        head.push_str("content-type: application/json\r\n");
    }
    for (name, value) in headers {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    stream.write_all(format!("{head}\r\n{body}").as_bytes()).await
}
