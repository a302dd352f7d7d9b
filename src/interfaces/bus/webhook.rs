//! Webhooks: one request per event, signed, in order. The next one waits until this one is taken.

use std::sync::Arc;

use async_trait::async_trait;
use reqwest::Url;
use serde_json::Value;

use super::cloud_event::{self, MEDIA_TYPE};
use super::notice::{Notice, NoticeKind, Watch};
use super::post::Poster;
use super::signature::SigningKey;
use super::sink::{Entry, Sent, Sink, Unsent};
use crate::domain::ids::ProjectId;
use crate::engine::ports::Clock;

/// An address that takes signed events.
pub struct Webhook {
    target: Target,
    events: Vec<String>,
}

/// Where events are posted, and how they are signed.
#[derive(Clone)]
struct Target {
    url: Url,
    key: Option<SigningKey>,
    poster: Poster,
    clock: Arc<dyn Clock>,
}

impl Target {
    async fn post(&self, event: &Value) -> Result<(), Unsent> {
        let id = event["id"].as_str().unwrap_or_default();
        let body = event.to_string().into_bytes();
        let timestamp_s = self.clock.now().0 / 1000;
        let mut headers =
            vec![("webhook-id".to_owned(), id.to_owned()), ("webhook-timestamp".to_owned(), timestamp_s.to_string())];
        if let Some(key) = &self.key {
            headers.push(("webhook-signature".to_owned(), key.sign(id, timestamp_s, &body)));
        }
        self.poster.post(&self.url, MEDIA_TYPE, &headers, body).await
    }
}

impl Webhook {
    /// Posts what `events` names (channels and kinds of records; empty: transitions) to `url`.
    pub fn new(url: Url, key: SigningKey, events: Vec<String>, poster: Poster, clock: Arc<dyn Clock>) -> Self {
        Self { target: Target { url, key: Some(key), poster, clock }, events }
    }

    /// Posts one event, whatever it is, for a test.
    pub async fn try_out(&self, event: &Value) -> Result<(), Unsent> {
        self.target.post(event).await
    }
}

#[async_trait]
impl Sink for Webhook {
    /// Up to the first that is wanted: how far it is should be on record before the next one.
    async fn send(&mut self, entries: &[Entry]) -> Sent {
        let Some(at) = entries.iter().position(|entry| entry.is_wanted(&self.events)) else {
            return Sent::all(entries.len());
        };
        match self.target.post(&cloud_event::of(&entries[at])).await {
            Ok(()) => Sent::all(at + 1),
            Err(failed) => Sent::until(at, failed),
        }
    }
}

/// An address that takes notices.
pub struct NoticeHook {
    target: Target,
    watch: Watch,
}

impl NoticeHook {
    /// Posts notices of these kinds, signed when there is a key.
    pub fn new(url: Url, key: Option<SigningKey>, on: Vec<NoticeKind>, poster: Poster, clock: Arc<dyn Clock>) -> Self {
        Self { target: Target { url, key, poster, clock }, watch: Watch::new(on) }
    }

    /// Posts one notice, for a test.
    pub async fn try_out(&self, notice: &Notice) -> Result<(), Unsent> {
        self.target.post(&notice.to_event()).await
    }
}

#[async_trait]
impl Sink for NoticeHook {
    async fn send(&mut self, entries: &[Entry]) -> Sent {
        let Some((at, notice)) = self.watch.first(entries) else { return Sent::all(entries.len()) };
        match self.target.post(&notice.to_event()).await {
            Ok(()) => Sent::notice(at + 1),
            Err(failed) => Sent::until(at, failed),
        }
    }

    fn recalls(&self) -> bool {
        true
    }

    fn recall(&mut self, entries: &[Entry]) {
        self.watch.recall(entries);
    }

    fn forget(&mut self, project: &ProjectId) {
        self.watch.forget(project);
    }
}
