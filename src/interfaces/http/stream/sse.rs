//! Live events as server-sent events.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, HeaderValue, header};
use axum::response::{IntoResponse as _, Response};
use bytes::Bytes;
use futures_util::Stream;
use serde::Deserialize;
use tokio::sync::OwnedSemaphorePermit;
use utoipa::IntoParams;

use super::all::{Begin, Firehose, News};
use super::cursor::Cursor;
use super::hub::{Next, Subscription};
use super::piece;
use crate::domain::ids::Seq;
use crate::domain::limits;
use crate::interfaces::api::{Explained, Fault, FaultKind};
use crate::interfaces::http::extract::{self, Asked};
use crate::interfaces::http::problem::Problem;
use crate::interfaces::http::state::Api;

/// A client that lost its connection comes back after this long.
const RETRY: &str = "retry: 1000\n\n";
const BEAT: &str = ": beat\n\n";

/// Where the events of a project begin.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub struct EventsQuery {
    /// The record before the first one wanted; the header `Last-Event-ID` wins over it.
    #[param(minimum = 0)]
    from: Option<u64>,
}

/// Where the events of all projects begin.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub struct FirehoseQuery {
    /// `now`, `start`, or an id that a stream gave; the header `Last-Event-ID` wins over it.
    from: Option<String>,
}

/// A place for a stream.
pub fn place(api: &Api) -> Result<OwnedSemaphorePermit, Problem> {
    let full = |_| Fault::new(FaultKind::TooMany, format!("{} streams are open already", limits::API_STREAMS));
    Ok(api.streams.clone().try_acquire_owned().map_err(full)?)
}

/// The events of one project, from a record on, until it ends.
#[utoipa::path(get, path = "/api/v1/projects/{id}/events", tag = "events",
    params(("id" = String, Path, description = "The project"), EventsQuery,
        ("last-event-id" = Option<u64>, Header, description = "The last record that was seen")),
    responses((status = 200, description = "Server-sent events: `record` with its position as id, `delta` (words of a reply that a model is still writing; without an id, on no record, and some may be missing), `ended`, comments as signs of life",
        content_type = "text/event-stream", body = String)))]
pub async fn project_events(
    State(api): State<Arc<Api>>,
    Path(id): Path<String>,
    headers: HeaderMap,
    Asked(query): Asked<EventsQuery>,
) -> Result<Response, Problem> {
    let id = extract::project(&id)?;
    let from = match last_event_id(&headers)? {
        Some(text) => text
            .parse()
            .map_err(|_| Problem::invalid(format!("Last-Event-ID `{text}` is not the number of a record")))?,
        None => query.from.unwrap_or_default(),
    };
    let place = place(&api)?;
    let subscription = api.hub.follow(&id, Seq(from)).await?;
    let explain = api.parts.explain;
    let state = Some((subscription, place, false));
    Ok(response(futures_util::stream::unfold(state, move |state| async move {
        let (mut subscription, place, began) = state?;
        if !began {
            return some(Bytes::from_static(RETRY.as_bytes()), Some((subscription, place, true)));
        }
        let (text, goes_on) = one(&mut subscription, explain).await?;
        some(text, goes_on.then_some((subscription, place, true)))
    })))
}

/// The next piece of text of a project, and whether more follows; `None` when the server stops.
async fn one(subscription: &mut Subscription, explain: fn(&Fault) -> Explained) -> Option<(Bytes, bool)> {
    let before = subscription.at();
    let Ok(next) = tokio::time::timeout(Duration::from_millis(limits::STREAM_BEAT_MS), subscription.next()).await
    else {
        return Some((Bytes::from_static(BEAT.as_bytes()), true));
    };
    let event = |name: &str, line: &[u8]| {
        let mut text = Vec::new();
        piece::push(&mut text, None, name, line);
        Bytes::from(text)
    };
    match next {
        Next::Piece(piece) => Some((piece.sse_after(before), true)),
        Next::Deltas(deltas) => Some((deltas.sse.clone(), true)),
        Next::Ended(line) => Some((event("ended", &line), false)),
        Next::Broken(fault) => Some((event("problem", &piece::render(&Problem::from(fault).written(explain))), false)),
        Next::Stopping => None,
    }
}

/// The events of all projects.
#[utoipa::path(get, path = "/api/v1/events", tag = "events",
    params(FirehoseQuery, ("last-event-id" = Option<String>, Header, description = "The last id that was seen")),
    responses((status = 200, description = "Server-sent events: `record` with a cursor as id, comments as signs of life",
        content_type = "text/event-stream", body = String)))]
pub async fn all_events(
    State(api): State<Arc<Api>>,
    headers: HeaderMap,
    Asked(query): Asked<FirehoseQuery>,
) -> Result<Response, Problem> {
    let from = last_event_id(&headers)?.or(query.from);
    let begin = begin(from.as_deref())?;
    let place = place(&api)?;
    let firehose = Firehose::open(api.hub.clone(), begin).await?;
    let explain = api.parts.explain;
    let state = Some((firehose, place, false));
    Ok(response(futures_util::stream::unfold(state, move |state| async move {
        let (mut firehose, place, began) = state?;
        if !began {
            return some(Bytes::from_static(RETRY.as_bytes()), Some((firehose, place, true)));
        }
        let next = tokio::time::timeout(Duration::from_millis(limits::STREAM_BEAT_MS), firehose.next());
        match next.await {
            Err(_) => some(Bytes::from_static(BEAT.as_bytes()), Some((firehose, place, true))),
            Ok(Ok(News::Stopping)) => None,
            Ok(Ok(News::Lines(lines))) => {
                let mut text = Vec::new();
                lines.iter().for_each(|(cursor, line)| piece::push(&mut text, Some(cursor), "record", line));
                some(text.into(), Some((firehose, place, true)))
            }
            Ok(Err(fault)) => {
                let mut text = Vec::new();
                let line = piece::render(&Problem::from(fault).written(explain));
                piece::push(&mut text, None, "problem", &line);
                some(text.into(), None)
            }
        }
    })))
}

/// Where a client that follows all projects begins.
pub fn begin(from: Option<&str>) -> Result<Begin, Problem> {
    match from {
        None | Some("now") => Ok(Begin::Now),
        Some("start") => Ok(Begin::Behind(Cursor::default())),
        Some(text) => match Cursor::parse(text) {
            Some(cursor) => Ok(Begin::Behind(cursor)),
            None => Err(Problem::invalid("that is no id of an event of this stream")),
        },
    }
}

fn last_event_id(headers: &HeaderMap) -> Result<Option<String>, Problem> {
    let Some(id) = headers.get("last-event-id") else { return Ok(None) };
    let id = id.to_str().map_err(|_| Problem::invalid("the Last-Event-ID is no text"))?.trim();
    Ok((!id.is_empty()).then(|| id.to_owned()))
}

#[expect(clippy::unnecessary_wraps, reason = "what `unfold` takes")]
fn some<S>(text: Bytes, state: S) -> Option<(Result<Bytes, Infallible>, S)> {
    Some((Ok(text), state))
}

fn response(stream: impl Stream<Item = Result<Bytes, Infallible>> + Send + 'static) -> Response {
    let mut response = Body::from_stream(stream).into_response();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
    headers.insert("x-accel-buffering", HeaderValue::from_static("no"));
    response
}
