//! One pump per project that is followed, and everybody who follows it.

use std::collections::{HashMap, VecDeque};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::{Notify, Semaphore, broadcast, watch};
use tokio_util::sync::CancellationToken;

use super::deltas::Deltas;
use super::piece::{self, Piece};
use crate::domain::ids::{ProjectId, Seq};
use crate::domain::limits;
use crate::domain::view::RecordView;
use crate::engine::{Delta, Handle};
use crate::interfaces::api::{Fault, FaultKind, Home};

/// Between two pieces of a project: the more who listen, the larger the pieces, so that what each client costs does not grow
/// with the number of events.
const PACE_LEAST: Duration = Duration::from_millis(10);
const PACE_MOST: Duration = Duration::from_millis(500);
const CLIENTS_PER_PACE_MS: usize = 4;
/// Between two goes of a model's words: quick enough to be read along.
const DELTA_PACE: Duration = Duration::from_millis(50);

/// All projects that are followed.
pub struct Hub {
    home: Home,
    engine: Handle,
    stopping: CancellationToken,
    followed: Mutex<HashMap<ProjectId, Arc<Channel>>>,
    readers: Arc<Semaphore>,
}

/// A project that is followed.
struct Channel {
    kept: Mutex<Kept>,
    /// Counts pieces; the last value says how it ended.
    tip: watch::Sender<u64>,
    /// What models say; a client that is too slow misses some.
    deltas: broadcast::Sender<Arc<Deltas>>,
    clients: AtomicUsize,
    left: Notify,
}

#[derive(Default)]
struct Kept {
    pieces: VecDeque<Arc<Piece>>,
    bytes: usize,
    end: Option<End>,
}

/// How the events of a project ended.
#[derive(Debug, Clone)]
enum End {
    /// It is terminal and everything of it was told.
    Closed(Seq, Bytes),
    /// It cannot be read.
    Broken(Fault),
}

/// What a client gets next.
#[derive(Debug)]
pub enum Next {
    /// Events, some of which it may know already.
    Piece(Arc<Piece>),
    /// What models say meanwhile.
    Deltas(Arc<Deltas>),
    /// Nothing more follows; the line that says so.
    Ended(Bytes),
    /// The journal cannot be read.
    Broken(Fault),
    /// The server stops.
    Stopping,
}

/// One client that follows one project.
pub struct Subscription {
    hub: Arc<Hub>,
    id: ProjectId,
    channel: Arc<Channel>,
    tip: watch::Receiver<u64>,
    deltas: broadcast::Receiver<Arc<Deltas>>,
    /// It was given words, and has not waited since: records come first now.
    is_busy: bool,
    /// It read the journal to its end, and no piece came since.
    is_level: bool,
    at: Seq,
}

impl Hub {
    /// Nobody follows anything yet.
    pub fn new(home: Home, engine: Handle, stopping: CancellationToken) -> Arc<Self> {
        let readers = Arc::new(Semaphore::new(limits::STREAM_READERS));
        Arc::new(Self { home, engine, stopping, followed: Mutex::default(), readers })
    }

    /// Follows a project from the record after `from`. A project that is not there is a fault.
    pub async fn follow(self: &Arc<Self>, id: &ProjectId, from: Seq) -> Result<Subscription, Fault> {
        // Tells whether it is there, and how its tasks are called.
        let names = self.home.names(id).await?;
        // Whoever claims to know more than there is knows what there is.
        let from = from.min(self.last(id).await?);
        let mut followed = self.followed();
        let channel = match followed.get(id) {
            Some(channel) => channel.clone(),
            None => {
                let (tip, _) = watch::channel(0);
                let channel = Arc::new(Channel {
                    kept: Mutex::default(),
                    tip,
                    deltas: broadcast::channel(limits::STREAM_DELTAS).0,
                    clients: AtomicUsize::new(0),
                    left: Notify::new(),
                });
                followed.insert(id.clone(), channel.clone());
                // Listening begins before reading: nothing falls in between.
                let pump = Pump {
                    hub: self.clone(),
                    id: id.clone(),
                    channel: channel.clone(),
                    commits: self.engine.commits(),
                    deltas: self.engine.deltas(),
                    said: Vec::new(),
                    at: from,
                    names,
                };
                tokio::spawn(pump.run());
                channel
            }
        };
        channel.clients.fetch_add(1, Ordering::SeqCst);
        drop(followed);
        let (tip, deltas) = (channel.tip.subscribe(), channel.deltas.subscribe());
        Ok(Subscription {
            hub: self.clone(),
            id: id.clone(),
            tip,
            deltas,
            is_busy: false,
            is_level: false,
            channel,
            at: from,
        })
    }

    async fn last(&self, id: &ProjectId) -> Result<Seq, Fault> {
        let (archive, of) = (self.engine.archive().clone(), id.clone());
        match tokio::task::spawn_blocking(move || archive.last_seq(&of)).await {
            Ok(last) => Ok(last?.unwrap_or_default()),
            Err(error) => Err(Fault::new(FaultKind::Defect, error.to_string())),
        }
    }

    /// The home.
    pub fn home(&self) -> &Home {
        &self.home
    }

    /// The engine.
    pub fn engine(&self) -> &Handle {
        &self.engine
    }

    /// Resolves when the server stops.
    pub async fn stopping(&self) {
        self.stopping.cancelled().await;
    }

    /// One page of a project's records after `from`, read when it is this client's turn.
    pub async fn page(&self, id: &ProjectId, from: Seq) -> Result<Vec<RecordView>, Fault> {
        let _turn = self.readers.acquire().await;
        self.home.records(id, from, false).await
    }

    fn followed(&self) -> MutexGuard<'_, HashMap<ProjectId, Arc<Channel>>> {
        self.followed.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Channel {
    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn push(&self, piece: Piece) {
        let mut kept = self.kept();
        kept.bytes += piece.bytes();
        kept.pieces.push_back(Arc::new(piece));
        while kept.bytes > limits::STREAM_KEPT_BYTES && kept.pieces.len() > 1 {
            if let Some(oldest) = kept.pieces.pop_front() {
                kept.bytes -= oldest.bytes();
            }
        }
        drop(kept);
        self.tip.send_modify(|tip| *tip += 1);
    }

    fn end(&self, end: End) {
        self.kept().end = Some(end);
        self.tip.send_modify(|tip| *tip += 1);
    }
}

/// Reads what is new in one project while somebody follows it.
struct Pump {
    hub: Arc<Hub>,
    id: ProjectId,
    channel: Arc<Channel>,
    commits: broadcast::Receiver<crate::engine::Committed>,
    deltas: broadcast::Receiver<Arc<Delta>>,
    /// Words that were heard and are not told yet.
    said: Vec<Arc<Delta>>,
    at: Seq,
    names: Vec<String>,
}

impl Pump {
    async fn run(mut self) {
        loop {
            match self.read().await {
                Ok(true) => {}
                Ok(false) => {
                    if !self.wait().await {
                        return;
                    }
                    continue;
                }
                Err(fault) => {
                    self.finish(End::Broken(fault));
                    return;
                }
            }
            if self.leave_if_alone() {
                return;
            }
            tokio::time::sleep(self.pace()).await;
        }
    }

    fn pace(&self) -> Duration {
        let clients = self.channel.clients.load(Ordering::Relaxed);
        (PACE_LEAST + Duration::from_millis((clients / CLIENTS_PER_PACE_MS) as u64)).min(PACE_MOST)
    }

    /// Reads one page and hands it on; false when there is none.
    async fn read(&mut self) -> Result<bool, Fault> {
        let records = self.hub.home.records(&self.id, self.at, false).await?;
        let Some(last) = records.last().map(|record| record.seq) else { return Ok(false) };
        let unknown = |record: &RecordView| record.event.task().is_some_and(|task| task.at() >= self.names.len());
        if records.iter().any(unknown) {
            self.names = self.hub.home.names(&self.id).await?;
        }
        // All words of a reply were said before its record was committed: told now, they go ahead of it.
        self.tell_said();
        self.at = last;
        if let Some(piece) = Piece::of(records, &self.names) {
            self.channel.push(piece);
        }
        Ok(true)
    }

    /// Hands on what was said since the last time.
    fn tell_said(&mut self) {
        let mut said = std::mem::take(&mut self.said);
        loop {
            match self.deltas.try_recv() {
                Ok(delta) if delta.project == self.id => said.push(delta),
                Ok(_) | Err(broadcast::error::TryRecvError::Lagged(_)) => {}
                Err(broadcast::error::TryRecvError::Empty | broadcast::error::TryRecvError::Closed) => break,
            }
        }
        for go in Deltas::of(&said, self.at) {
            // Whoever left meanwhile misses nothing.
            let _ = self.channel.deltas.send(Arc::new(go));
        }
    }

    /// Waits until there may be more; false when there is nothing more to wait for.
    async fn wait(&mut self) -> bool {
        // Asked after everything was read: one that is terminal now has been told to its end, unless it grew meanwhile.
        let found = self.hub.home.find(self.id.as_str()).await;
        let summary = found.ok().and_then(|(found, _)| found.into_iter().find(|summary| summary.id == self.id));
        match summary {
            Some(summary) if summary.status.is_terminal() => {
                if !matches!(self.read().await, Ok(false)) {
                    return true;
                }
                self.finish(End::Closed(self.at, piece::ended(summary)));
                return false;
            }
            Some(_) => {}
            None => {
                let fault = Fault::new(FaultKind::UnknownProject, "the project was removed");
                self.finish(End::Broken(fault.of(&self.id)));
                return false;
            }
        }
        loop {
            if self.leave_if_alone() {
                return false;
            }
            tokio::select! {
                () = self.hub.stopping.cancelled() => return false,
                () = self.channel.left.notified() => {}
                committed = self.commits.recv() => match committed {
                    Ok(committed) => {
                        let is_news = |(id, seq): &(ProjectId, Seq)| *id == self.id && *seq > self.at;
                        if committed.iter().any(is_news) {
                            return true;
                        }
                    }
                    Err(broadcast::error::RecvError::Lagged(_)) => return true,
                    Err(broadcast::error::RecvError::Closed) => return false,
                },
                delta = self.deltas.recv() => match delta {
                    Ok(delta) if delta.project == self.id => {
                        self.said.push(delta);
                        tokio::time::sleep(self.pace().max(DELTA_PACE)).await;
                        self.tell_said();
                    }
                    Ok(_) | Err(broadcast::error::RecvError::Lagged(_)) => {}
                    Err(broadcast::error::RecvError::Closed) => return false,
                },
            }
        }
    }

    /// Whoever comes later begins anew.
    fn finish(&self, end: End) {
        let mut followed = self.hub.followed();
        followed.remove(&self.id);
        self.channel.end(end);
    }

    fn leave_if_alone(&self) -> bool {
        let mut followed = self.hub.followed();
        let is_alone = self.channel.clients.load(Ordering::SeqCst) == 0;
        if is_alone {
            followed.remove(&self.id);
        }
        is_alone
    }
}

impl Subscription {
    /// What was told last.
    pub fn at(&self) -> Seq {
        self.at
    }

    /// The next events; each call gets those after the ones of the call before. Safe to drop while it waits.
    pub async fn next(&mut self) -> Next {
        loop {
            // The pump has gone when this fails: what it left is looked at once more.
            if self.tip.has_changed().unwrap_or(true) {
                self.tip.borrow_and_update();
                self.is_level = false;
            }
            let hand = if self.is_level { Hand::Nothing } else { self.at_hand() };
            // Looked at after the records: words that are told ahead of a record are here when it is.
            let words = self.words_at_hand();
            match (&hand, words) {
                (Hand::Nothing, Some(words)) => return Next::Deltas(words),
                // Records come first for whoever has been given words before and is behind all the same.
                (Hand::Next(_) | Hand::Behind, Some(words)) if !self.is_busy => {
                    self.is_busy = true;
                    return Next::Deltas(words);
                }
                (Hand::Next(_) | Hand::Behind, Some(_)) => self.deltas = self.channel.deltas.subscribe(),
                (_, None) => {}
            }
            self.is_busy = false;
            match hand {
                Hand::Next(next) => {
                    if let Next::Piece(piece) = &next {
                        self.at = piece.last;
                    }
                    return next;
                }
                Hand::Behind => match self.catch_up().await {
                    Ok(Some(piece)) => {
                        self.at = piece.last;
                        return Next::Piece(Arc::new(piece));
                    }
                    Ok(None) => self.is_level = true,
                    Err(fault) => return Next::Broken(fault),
                },
                Hand::Nothing => {}
            }
            tokio::select! {
                () = self.hub.stopping.cancelled() => return Next::Stopping,
                changed = self.tip.changed() => match changed {
                    Ok(()) => self.is_level = false,
                    // The pump has gone without an end: the server stops.
                    Err(_) => return Next::Stopping,
                },
                words = self.deltas.recv() => match words {
                    Ok(words) if words.after >= self.at => return Next::Deltas(words),
                    Ok(_) | Err(broadcast::error::RecvError::Lagged(_)) => {}
                    Err(broadcast::error::RecvError::Closed) => return Next::Stopping,
                },
            }
        }
    }

    /// Words that are there to be told.
    fn words_at_hand(&mut self) -> Option<Arc<Deltas>> {
        loop {
            match self.deltas.try_recv() {
                Ok(words) if words.after >= self.at => return Some(words),
                Ok(_) | Err(broadcast::error::TryRecvError::Lagged(_)) => {}
                Err(broadcast::error::TryRecvError::Empty | broadcast::error::TryRecvError::Closed) => return None,
            }
        }
    }

    fn at_hand(&self) -> Hand {
        let kept = self.channel.kept();
        let wanted = self.at.next();
        // Pieces follow each other without a gap.
        let at = kept.pieces.partition_point(|piece| piece.last < wanted);
        match kept.pieces.get(at) {
            Some(piece) if piece.first <= wanted => return Hand::Next(Next::Piece(piece.clone())),
            Some(_) => return Hand::Behind,
            None => {}
        }
        match &kept.end {
            // Whoever is ahead of the journal has made its position up.
            Some(End::Closed(seq, line)) if self.at >= *seq => Hand::Next(Next::Ended(line.clone())),
            Some(End::Closed(..)) => Hand::Behind,
            Some(End::Broken(fault)) => Hand::Next(Next::Broken(fault.clone())),
            // The pump may have begun further on than this client is.
            None if kept.pieces.is_empty() => Hand::Behind,
            None => Hand::Nothing,
        }
    }

    async fn catch_up(&self) -> Result<Option<Piece>, Fault> {
        let records = self.hub.page(&self.id, self.at).await?;
        let names = if records.is_empty() { Vec::new() } else { self.hub.home.names(&self.id).await? };
        Ok(Piece::of(records, &names))
    }
}

enum Hand {
    Next(Next),
    Behind,
    Nothing,
}

impl Drop for Subscription {
    fn drop(&mut self) {
        self.channel.clients.fetch_sub(1, Ordering::SeqCst);
        self.channel.left.notify_one();
    }
}
