//! Who waits for the integration branch of a project, and the one task that works for all of them.
//!
//! A lane has no task of its own while nobody waits. The first request starts one, which takes batches until none is left. A
//! request whose future is dropped is skipped when its turn comes; one that is being merged at that moment may still come in,
//! and asking again finds it.

use std::collections::{HashMap, VecDeque};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::oneshot;

use super::super::blocking::blocking;
use super::super::pool::Pools;
use super::request::{Gate, MergeFault, MergeRequest, Merged};
use super::round::Round;
use super::store::Store;
use crate::domain::failure::{Failure, FailureClass};
use crate::domain::ids::ProjectId;
use crate::domain::limits;

/// The merge queue of a home: one lane for each project and repository.
pub struct Queue {
    pools: Arc<Pools>,
    lanes: Mutex<HashMap<Key, Arc<Lane>>>,
}

/// A project, its folder and its base commit.
type Key = (ProjectId, PathBuf, String);

/// One request that waits.
pub(super) struct Ticket {
    pub request: MergeRequest,
    pub gate: Arc<dyn Gate>,
    pub answer: oneshot::Sender<Result<Merged, MergeFault>>,
}

/// All that wait for one branch.
pub(super) struct Lane {
    waiting: Mutex<Waiting>,
    /// Locked by blocking code only, never while a gate runs.
    store: Mutex<Option<Store>>,
}

#[derive(Default)]
struct Waiting {
    tickets: VecDeque<Ticket>,
    is_running: bool,
}

impl std::fmt::Debug for Queue {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Queue").field("lanes", &held(&self.lanes).len()).finish_non_exhaustive()
    }
}

impl Queue {
    /// A queue whose gates run in worktrees of `pools`. Nothing is opened yet.
    pub fn new(pools: Arc<Pools>) -> Self {
        Self { pools, lanes: Mutex::default() }
    }

    /// Makes the commit of a finished task part of the integration branch, together with whatever else is waiting, and returns
    /// when that is durable. Asked again for the same commit, it gives the same answer without doing anything. Dropping the
    /// future withdraws the request. Needs a tokio runtime.
    pub async fn merge(&self, request: MergeRequest, gate: Arc<dyn Gate>) -> Result<Merged, MergeFault> {
        let lane = self.lane(&request);
        if held(&lane.waiting).is_running {
            // It may have to wait for a gate; what is in the branch already need not.
            let (lane, request) = (lane.clone(), request.clone());
            let found = blocking(move || lane.with_store(&request, |store| store.adopted(&request.commit))).await;
            if let Some(merged) = found.map_err(MergeFault::Failed)? {
                return Ok(merged);
            }
        }
        let (answer, answered) = oneshot::channel();
        lane.enter(&self.pools, Ticket { request, gate, answer })?;
        match answered.await {
            Ok(answer) => answer,
            Err(_) => Err(MergeFault::Failed(Failure::new(
                FailureClass::Internal,
                "the merge queue broke in the middle of this batch; ask again",
            ))),
        }
    }

    /// Forgets what is kept in memory for a project. Whoever still waits gets an answer.
    pub fn closed(&self, project: &ProjectId) {
        held(&self.lanes).retain(|(of, ..), _| of != project);
    }

    #[cfg(test)]
    /// How many requests wait behind a batch that is being worked on.
    pub fn waiting(&self) -> usize {
        let lanes: Vec<Arc<Lane>> = held(&self.lanes).values().cloned().collect();
        lanes.iter().map(|lane| held(&lane.waiting).tickets.len()).sum()
    }

    fn lane(&self, request: &MergeRequest) -> Arc<Lane> {
        let key = (request.project.clone(), request.base_dir.clone(), request.base_commit.clone());
        let new = || Arc::new(Lane { waiting: Mutex::default(), store: Mutex::default() });
        held(&self.lanes).entry(key).or_insert_with(new).clone()
    }
}

impl Lane {
    /// Puts a request into the line, and starts somebody to work for it if nobody does.
    fn enter(self: &Arc<Self>, pools: &Arc<Pools>, ticket: Ticket) -> Result<(), MergeFault> {
        let mut waiting = held(&self.waiting);
        if waiting.tickets.len() >= limits::MERGE_WAITING {
            let problem = format!("more than {} tasks wait to be merged", limits::MERGE_WAITING);
            return Err(MergeFault::Failed(Failure::new(FailureClass::Workspace, problem)));
        }
        waiting.tickets.push_back(ticket);
        if !waiting.is_running {
            waiting.is_running = true;
            let (shift, pools) = (Shift { lane: self.clone(), has_ended: false }, pools.clone());
            tokio::spawn(async move { shift.work(&pools).await });
        }
        Ok(())
    }

    /// The next batch: the one who waits longest, and those behind it with the same gates. `None` ends the shift.
    fn next_batch(&self) -> Option<Vec<Ticket>> {
        let mut waiting = held(&self.waiting);
        waiting.tickets.retain(|ticket| !ticket.answer.is_closed());
        let Some(first) = waiting.tickets.pop_front() else {
            waiting.is_running = false;
            return None;
        };
        let most = first.request.batch_max.clamp(1, limits::MERGE_BATCH) as usize;
        let mut batch = vec![first];
        let mut rest = VecDeque::new();
        for ticket in waiting.tickets.drain(..) {
            if batch.len() < most && ticket.request.gates == batch[0].request.gates {
                batch.push(ticket);
            } else {
                rest.push_back(ticket);
            }
        }
        waiting.tickets = rest;
        Some(batch)
    }

    /// Those whose turn could not be decided yet come first again.
    fn put_back(&self, tickets: Vec<Ticket>) {
        let mut waiting = held(&self.waiting);
        for ticket in tickets.into_iter().rev() {
            waiting.tickets.push_front(ticket);
        }
    }

    /// Works on the open repository, opening it first if need be. Blocking.
    pub fn with_store<T>(
        &self,
        request: &MergeRequest,
        work: impl FnOnce(&mut Store) -> Result<T, super::super::Error>,
    ) -> Result<T, super::super::Error> {
        // If the work panics, the store that it left half changed is gone.
        let mut kept = held(&self.store);
        let mut store = match kept.take() {
            Some(store) => store,
            None => Store::open(request)?,
        };
        let done = work(&mut store);
        if done.is_ok() {
            *kept = Some(store);
        }
        done
    }
}

/// One who works for a lane. However it ends, the lane can be entered again and nobody hangs.
struct Shift {
    lane: Arc<Lane>,
    has_ended: bool,
}

impl Shift {
    async fn work(mut self, pools: &Arc<Pools>) {
        while let Some(batch) = self.lane.next_batch() {
            let undecided = Round::new(&self.lane, pools, batch).run().await;
            self.lane.put_back(undecided);
        }
        self.has_ended = true;
    }
}

impl Drop for Shift {
    fn drop(&mut self) {
        if !self.has_ended {
            // A panic, or the end of the runtime. Whoever waits is told by the end of its channel.
            tracing::error!("the merge queue broke in the middle of a batch; whoever waits has to ask again");
            let mut waiting = held(&self.lane.waiting);
            waiting.tickets.clear();
            waiting.is_running = false;
        }
    }
}

fn held<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
