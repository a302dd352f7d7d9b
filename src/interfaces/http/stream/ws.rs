//! Live events over a WebSocket: one connection follows several projects, or all of them.
//!
//! A client says `{"follow":"ID","from":N}`, `{"follow":"*","cursor":"..."}` or `{"unfollow":"ID"}`; it gets the lines of
//! `wfctl events --json`, those of all projects with their `cursor` beside.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::extract::ws::{Message, Utf8Bytes, WebSocket, WebSocketUpgrade};
use axum::response::Response;
use bytes::Bytes;
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::sync::{OwnedSemaphorePermit, mpsc};
use tokio::task::{AbortHandle, JoinSet};

use super::all::{Firehose, News};
use super::hub::{Next, Subscription};
use super::piece;
use super::sse::{begin, place};
use crate::domain::ids::Seq;
use crate::domain::limits;
use crate::interfaces::api::{Fault, FaultKind};
use crate::interfaces::http::extract;
use crate::interfaces::http::problem::Problem;
use crate::interfaces::http::state::Api;

/// Longest message of a client: a cursor over many projects fits.
const MESSAGE_BYTES: usize = 128 * 1024;
/// Batches that wait for a client to take them.
const WAITING: usize = 4;
/// What stands for all projects.
const ALL: &str = "*";

/// What a client says.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Said {
    follow: Option<String>,
    unfollow: Option<String>,
    from: Option<u64>,
    cursor: Option<String>,
}

/// Live events over a WebSocket.
#[utoipa::path(get, path = "/api/v1/ws", tag = "events",
    responses((status = 101, description = "From here on messages: `{\"follow\":\"ID\",\"from\":N}`, `{\"follow\":\"*\",\"cursor\":\"..\"}`, `{\"unfollow\":\"ID\"}`; the lines of `wfctl events --json` come back, and for a project that is followed by its id `delta` lines, too")))]
pub async fn socket(State(api): State<Arc<Api>>, upgrade: WebSocketUpgrade) -> Result<Response, Problem> {
    let place = place(&api)?;
    let upgrade = upgrade.max_message_size(MESSAGE_BYTES).max_frame_size(MESSAGE_BYTES);
    Ok(upgrade.on_upgrade(move |socket| serve(api, socket, place)))
}

async fn serve(api: Arc<Api>, mut socket: WebSocket, _place: OwnedSemaphorePermit) {
    let (lines_tx, mut lines) = mpsc::channel::<Vec<Utf8Bytes>>(WAITING);
    let (mut tasks, mut followed) = (JoinSet::new(), HashMap::<String, AbortHandle>::new());
    let beat = Duration::from_millis(limits::STREAM_BEAT_MS);
    loop {
        while tasks.try_join_next().is_some() {}
        let sent = tokio::select! {
            said = socket.recv() => match said {
                Some(Ok(Message::Text(text))) => {
                    match understand(&api, &text, &lines_tx, &mut tasks, &mut followed).await {
                        Ok(()) => Ok(()),
                        Err(problem) => socket.send(Message::Text(told(&api, problem))).await,
                    }
                }
                Some(Ok(Message::Binary(_))) => {
                    let problem = Problem::invalid("a message must be text");
                    socket.send(Message::Text(told(&api, problem))).await
                }
                Some(Ok(Message::Ping(_) | Message::Pong(_))) => Ok(()),
                Some(Ok(Message::Close(_)) | Err(_)) | None => break,
            },
            Some(batch) = lines.recv() => send(&mut socket, batch).await,
            () = tokio::time::sleep(beat) => socket.send(Message::Ping(Bytes::new())).await,
            () = api.stopping.cancelled() => {
                // A client that is gone needs no farewell.
                let _ = socket.send(Message::Close(None)).await;
                break;
            }
        };
        if sent.is_err() {
            break;
        }
    }
}

async fn send(socket: &mut WebSocket, batch: Vec<Utf8Bytes>) -> Result<(), axum::Error> {
    for line in batch {
        socket.send(Message::Text(line)).await?;
    }
    Ok(())
}

fn told(api: &Api, problem: Problem) -> Utf8Bytes {
    let mut value = serde_json::to_value(problem.written(api.parts.explain)).unwrap_or_default();
    if let Some(object) = value.as_object_mut() {
        object.insert("page".to_owned(), object.get("type").cloned().unwrap_or_default());
        object.insert("type".to_owned(), json!("error"));
        object.insert("v".to_owned(), json!(1));
    }
    value.to_string().into()
}

async fn understand(
    api: &Arc<Api>,
    text: &str,
    lines: &mpsc::Sender<Vec<Utf8Bytes>>,
    tasks: &mut JoinSet<()>,
    followed: &mut HashMap<String, AbortHandle>,
) -> Result<(), Problem> {
    let said: Said = serde_json::from_str(text)
        .map_err(|error| Problem::invalid(format!("the message is not understood: {error}")))?;
    if let Some(id) = &said.unfollow {
        if let Some(task) = followed.remove(id) {
            task.abort();
        }
        return Ok(());
    }
    let Some(id) = said.follow else {
        return Err(Problem::invalid("a message says what to `follow` or to `unfollow`"));
    };
    followed.retain(|_, task| !task.is_finished());
    if followed.len() >= limits::SOCKET_FOLLOWED && !followed.contains_key(&id) {
        let message = format!("one connection follows at most {} projects", limits::SOCKET_FOLLOWED);
        return Err(Fault::new(FaultKind::Limit, message).into());
    }
    let task = if id == ALL {
        let firehose = Firehose::open(api.hub.clone(), begin(said.cursor.as_deref())?).await?;
        tasks.spawn(pour(api.clone(), firehose, lines.clone()))
    } else {
        let subscription = api.hub.follow(&extract::project(&id)?, Seq(said.from.unwrap_or_default())).await?;
        tasks.spawn(follow(api.clone(), subscription, lines.clone()))
    };
    if let Some(before) = followed.insert(id, task) {
        before.abort();
    }
    Ok(())
}

async fn follow(api: Arc<Api>, mut subscription: Subscription, lines: mpsc::Sender<Vec<Utf8Bytes>>) {
    loop {
        let before = subscription.at();
        let (batch, goes_on) = match subscription.next().await {
            Next::Piece(piece) => (piece.lines_after(before).iter().map(text).collect(), true),
            Next::Deltas(deltas) => (deltas.lines.iter().map(text).collect(), true),
            Next::Ended(line) => (vec![text(&line)], false),
            Next::Broken(fault) => (vec![told(&api, fault.into())], false),
            Next::Stopping => return,
        };
        if lines.send(batch).await.is_err() || !goes_on {
            return;
        }
    }
}

async fn pour(api: Arc<Api>, mut firehose: Firehose, lines: mpsc::Sender<Vec<Utf8Bytes>>) {
    loop {
        let (batch, goes_on) = match firehose.next().await {
            Ok(News::Lines(news)) => (news.into_iter().map(with_cursor).collect(), true),
            Ok(News::Stopping) => return,
            Err(fault) => (vec![told(&api, fault.into())], false),
        };
        if lines.send(batch).await.is_err() || !goes_on {
            return;
        }
    }
}

fn text(line: &Bytes) -> Utf8Bytes {
    // JSON is UTF-8.
    Utf8Bytes::try_from(line.clone()).unwrap_or_default()
}

fn with_cursor((cursor, line): (String, Bytes)) -> Utf8Bytes {
    let mut value: Value = serde_json::from_slice(&line).unwrap_or_default();
    if let Some(object) = value.as_object_mut() {
        object.insert("cursor".to_owned(), Value::String(cursor));
    }
    piece::render(&value).to_vec().try_into().map_or_else(|_| Utf8Bytes::default(), |text: String| text.into())
}
