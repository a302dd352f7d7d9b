//! Sends spans to a collector. A batch of records is done with when the collector has taken the spans that it ended.

use std::collections::HashMap;

use async_trait::async_trait;
use reqwest::{StatusCode, Url};

use super::json;
use super::spans::{Fold, Span};
use crate::domain::ids::ProjectId;
use crate::interfaces::bus::post::Poster;
use crate::interfaces::bus::sink::{Entry, Sent, Sink, Unsent};

/// Where spans are posted.
#[derive(Debug, Clone)]
pub struct Collector {
    /// The address for traces.
    pub url: Url,
    /// Headers that it wants, keys of services among them.
    pub headers: Vec<(String, String)>,
    /// What this program is called there.
    pub service: String,
}

/// A collector of traces.
pub struct Traces {
    collector: Collector,
    poster: Poster,
    projects: HashMap<ProjectId, Fold>,
    /// Made of records that are not done with.
    unsent: Vec<Span>,
}

impl Traces {
    /// Exports to a collector.
    pub fn new(collector: Collector, poster: Poster) -> Self {
        Self { collector, poster, projects: HashMap::new(), unsent: Vec::new() }
    }

    /// Posts spans; none at all, for a test.
    pub async fn try_out(&self) -> Result<(), Unsent> {
        self.post(&[]).await
    }

    async fn post(&self, spans: &[Span]) -> Result<(), Unsent> {
        let body = json::request(&self.collector.service, spans).to_string().into_bytes();
        let Collector { url, headers, .. } = &self.collector;
        match self.poster.ask(url, "application/json", headers, body).await? {
            status if status.is_success() => Ok(()),
            // What the protocol says may be sent again.
            status @ (StatusCode::TOO_MANY_REQUESTS
            | StatusCode::BAD_GATEWAY
            | StatusCode::SERVICE_UNAVAILABLE
            | StatusCode::GATEWAY_TIMEOUT) => Err(Unsent::Retry(format!("it answered {status}"))),
            status => Err(Unsent::Refused(format!("it answered {status}"))),
        }
    }
}

#[async_trait]
impl Sink for Traces {
    async fn send(&mut self, entries: &[Entry]) -> Sent {
        for entry in entries {
            let fold = self.projects.entry(entry.record.project.clone()).or_default();
            self.unsent.extend(fold.take(entry));
        }
        let sent = if self.unsent.is_empty() { Ok(()) } else { self.post(&self.unsent).await };
        match sent {
            Ok(()) => {
                self.unsent.clear();
                Sent::all(entries.len())
            }
            // These spans are lost, the next ones may not be.
            Err(refused @ (Unsent::Refused(_) | Unsent::Gone(_))) => {
                self.unsent.clear();
                Sent::until(entries.len().saturating_sub(1), refused)
            }
            Err(later @ Unsent::Retry(_)) => Sent::until(0, later),
        }
    }

    fn recalls(&self) -> bool {
        true
    }

    fn recall(&mut self, entries: &[Entry]) {
        for entry in entries {
            // Ended spans were sent by whoever was done with these records.
            drop(self.projects.entry(entry.record.project.clone()).or_default().take(entry));
        }
    }

    fn forget(&mut self, project: &ProjectId) {
        self.projects.remove(project);
    }
}
