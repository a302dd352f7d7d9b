//! Following all projects: what is new in any of them, each event with the cursor that goes on behind it.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use bytes::Bytes;
use tokio::sync::broadcast;

use super::cursor::Cursor;
use super::hub::Hub;
use super::piece;
use crate::domain::event::Event;
use crate::domain::ids::{ProjectId, Seq};
use crate::domain::limits;
use crate::domain::view::RecordView;
use crate::engine::Committed;
use crate::interfaces::api::{Fault, FaultKind, Line};

/// One client that follows all projects.
pub struct Firehose {
    hub: Arc<Hub>,
    commits: broadcast::Receiver<Committed>,
    cursor: Cursor,
    names: HashMap<ProjectId, Vec<String>>,
    /// Projects that have something new, in the order that it was heard of.
    news: VecDeque<ProjectId>,
    must_look: bool,
}

/// Where to begin.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Begin {
    /// With what happens from now on.
    Now,
    /// Behind a cursor.
    Behind(Cursor),
}

/// What comes next.
#[derive(Debug)]
pub enum News {
    /// Events, each with the cursor behind it.
    Lines(Vec<(String, Bytes)>),
    /// The server stops.
    Stopping,
}

impl Firehose {
    /// Begins to listen.
    pub async fn open(hub: Arc<Hub>, begin: Begin) -> Result<Self, Fault> {
        let commits = hub.engine().commits();
        let (cursor, must_look) = match begin {
            Begin::Behind(cursor) => (cursor, true),
            Begin::Now => {
                let mut cursor = Cursor::default();
                for head in hub.home().heads().await? {
                    cursor.since = cursor.since.max(head.created);
                    if !head.terminal {
                        cursor.at.insert(head.project, head.seq);
                    }
                }
                (cursor, false)
            }
        };
        Ok(Self { hub, commits, cursor, names: HashMap::new(), news: VecDeque::new(), must_look })
    }

    /// The next events. Safe to drop while it waits: nothing is told before it is returned.
    pub async fn next(&mut self) -> Result<News, Fault> {
        loop {
            if self.must_look {
                self.look().await?;
            }
            while let Some(id) = self.news.front().cloned() {
                let lines = self.read(&id).await?;
                if !lines.is_empty() {
                    return Ok(News::Lines(lines));
                }
                self.news.pop_front();
            }
            let hub = self.hub.clone();
            tokio::select! {
                () = hub.stopping() => return Ok(News::Stopping),
                committed = self.commits.recv() => match committed {
                    Ok(committed) => self.hear(&committed).await?,
                    Err(broadcast::error::RecvError::Lagged(_)) => self.must_look = true,
                    Err(broadcast::error::RecvError::Closed) => return Ok(News::Stopping),
                },
            }
        }
    }

    /// Looks at the ends of all journals: for a client that was away, or too slow.
    async fn look(&mut self) -> Result<(), Fault> {
        let mut heads = self.hub.home().heads().await?;
        heads.sort_by_key(|head| head.created);
        for head in heads {
            let at = match self.cursor.at.get(&head.project) {
                Some(at) => *at,
                None if head.created > self.cursor.since || !head.terminal => Seq(0),
                None => continue,
            };
            if head.seq > at && !self.news.contains(&head.project) {
                self.news.push_back(head.project.clone());
            }
            self.cursor.at.insert(head.project, at);
            self.cursor.since = self.cursor.since.max(head.created);
        }
        self.must_look = false;
        self.bounded()
    }

    async fn hear(&mut self, committed: &Committed) -> Result<(), Fault> {
        for (id, seq) in committed.iter() {
            let at = match self.cursor.at.get(id) {
                Some(at) => *at,
                None => {
                    let (found, _) = self.hub.home().find(id.as_str()).await?;
                    let Some(summary) = found.into_iter().find(|summary| summary.id == *id) else { continue };
                    // What is asked of a project after its end is no news.
                    if summary.status.is_terminal() && summary.created <= self.cursor.since {
                        continue;
                    }
                    self.cursor.at.insert(id.clone(), Seq(0));
                    self.cursor.since = self.cursor.since.max(summary.created);
                    Seq(0)
                }
            };
            if *seq > at && !self.news.contains(id) {
                self.news.push_back(id.clone());
            }
        }
        self.bounded()
    }

    fn bounded(&self) -> Result<(), Fault> {
        if self.cursor.at.len() <= limits::STREAM_CURSOR_PROJECTS {
            return Ok(());
        }
        let message = format!("more than {} projects are open: follow them one by one", limits::STREAM_CURSOR_PROJECTS);
        Err(Fault::new(FaultKind::Limit, message))
    }

    async fn read(&mut self, id: &ProjectId) -> Result<Vec<(String, Bytes)>, Fault> {
        let Some(at) = self.cursor.at.get(id).copied() else { return Ok(Vec::new()) };
        let records = match self.hub.page(id, at).await {
            Ok(records) => records,
            // Removed, or damaged: the others go on.
            Err(fault)
                if matches!(fault.kind, FaultKind::UnknownProject | FaultKind::Damaged | FaultKind::ReadOnly) =>
            {
                self.forget(id);
                return Ok(Vec::new());
            }
            Err(fault) => return Err(fault),
        };
        let known = self.names.get(id).map_or(0, Vec::len);
        let unknown = |record: &RecordView| record.event.task().is_some_and(|task| task.at() >= known);
        if records.iter().any(unknown) {
            let names = self.hub.home().names(id).await?;
            self.names.insert(id.clone(), names);
        }
        let names = self.names.get(id).cloned().unwrap_or_default();
        let mut lines = Vec::with_capacity(records.len());
        for record in records {
            let (seq, is_end) = (record.seq, matches!(record.event, Event::Closed { .. }));
            self.cursor.at.insert(id.clone(), seq);
            if is_end {
                self.forget(id);
            }
            let line = piece::render(&Line::record(piece::named(record, &names)));
            lines.push((self.cursor.to_string(), line));
            if is_end {
                break;
            }
        }
        Ok(lines)
    }

    fn forget(&mut self, id: &ProjectId) {
        self.cursor.at.remove(id);
        self.names.remove(id);
    }
}
