//! Subscriptions to journals: whoever subscribed is told when there are new records.
//!
//! While an engine drives the project, this costs one waiting request. Without one nothing happens to a project by itself, so
//! that no home is opened to look: what a command recorded meanwhile is told once an engine is at work again.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::task::AbortHandle;

use super::desk::{self, Room};
use super::parts::Parts;
use super::refusal::Refusal;
use super::uri::Place;
use crate::app::Need;
use crate::domain::ids::{ProjectId, Seq};
use crate::interfaces::api::{Fault, FaultKind};

/// Most subscriptions of one connection.
pub const MOST: usize = 64;

/// Least time between two messages about one journal: a client that reads it is not told of each record.
const PACE: Duration = Duration::from_millis(250);

/// How long until it is looked again whether an engine drives a project that none drove.
const LOOK_AGAIN: Duration = Duration::from_secs(1);

/// The subscriptions of one connection; they end with it.
#[derive(Default)]
pub struct Watches(Mutex<HashMap<String, AbortHandle>>);

impl Watches {
    /// Adds one, in place of an earlier one of the same address. `tell` says whether anybody still listens.
    pub async fn add<F>(
        &self,
        parts: &Arc<Parts>,
        uri: String,
        tell: impl Fn() -> F + Send + Sync + 'static,
    ) -> Result<(), Refusal>
    where
        F: Future<Output = bool> + Send + 'static,
    {
        let (id, from) = place(parts, &uri).await?;
        let (of_the_task, key) = (parts.clone(), uri.clone());
        let mut watches = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        watches.retain(|_, watch| !watch.is_finished());
        if watches.len() >= MOST && !watches.contains_key(&key) {
            let message = format!("one connection has at most {MOST} subscriptions");
            return Err((parts.explain)(&Fault::new(FaultKind::Limit, message)));
        }
        let watch = tokio::spawn(async move { follow(&of_the_task, &id, from, tell).await });
        if let Some(earlier) = watches.insert(key, watch.abort_handle()) {
            earlier.abort();
        }
        Ok(())
    }

    /// Ends one.
    pub fn remove(&self, uri: &str) {
        let mut watches = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(watch) = watches.remove(uri) {
            watch.abort();
        }
    }
}

impl Drop for Watches {
    fn drop(&mut self) {
        let watches = self.0.get_mut().unwrap_or_else(PoisonError::into_inner);
        watches.values().for_each(AbortHandle::abort);
    }
}

/// What can be watched at an address: the project, and the position of its last record.
pub async fn place(parts: &Arc<Parts>, uri: &str) -> Result<(ProjectId, Seq), Refusal> {
    let refused = |message: String| (parts.explain)(&Fault::new(FaultKind::Invalid, message));
    let id = match Place::read(uri).map_err(refused)? {
        Place::Journal { project, .. } => project,
        Place::Artifact { .. } => {
            return Err(refused("an artifact does not change; subscribe to the journal".to_owned()));
        }
    };
    let of_the_task = id.clone();
    let seen = desk::ask(parts, Need::Read, move |room: Room| {
        let id = of_the_task.clone();
        async move { Ok(room.home.show(&id).await?.seq) }
    });
    seen.await.map(|seq| (id, seq))
}

/// Tells of new records after `from`, until nobody listens any more.
pub async fn follow<F>(parts: &Parts, id: &ProjectId, mut from: Seq, tell: impl Fn() -> F)
where
    F: Future<Output = bool>,
{
    loop {
        let last = match parts.access.line().await {
            Some(visit) => {
                let records = visit.home().records(id, from, true).await;
                visit.close().await;
                records.ok().and_then(|records| records.last().map(|record| record.seq))
            }
            None => None,
        };
        match last {
            Some(last) => {
                from = last;
                if !tell().await {
                    return;
                }
                tokio::time::sleep(PACE).await;
            }
            None => tokio::time::sleep(LOOK_AGAIN).await,
        }
    }
}
