//! Reading what is committed: projects, records, summaries. Works beside a running engine and without one.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use crate::domain::event::Event;
use crate::domain::ids::{Digest, ProjectId, Seq};
use crate::domain::payload::BlobRef;
use crate::domain::project::{Project, SNAPSHOT_FORMAT, Vault};
use crate::domain::view::{RecordView, Summary};
use crate::domain::workflow::Definition;
use crate::journal::chain::{self, ChainHead};
use crate::journal::record::Record;
use crate::journal::store::{Damaged, Store};

use super::error::Error;
use super::ports::SnapshotCache;
use super::pulse::Pulse;

/// How much of a journal is read at a time.
const PAGE_BYTES: usize = 4 * 1024 * 1024;

/// The read side of a home. Cheap to clone.
#[derive(Clone)]
pub struct Archive {
    store: Arc<dyn Store>,
    vault: Arc<dyn Vault + Send + Sync>,
    snapshots: Option<Arc<dyn SnapshotCache>>,
    definitions: Arc<Mutex<HashMap<Digest, Weak<Definition>>>>,
    pulse: Arc<Pulse>,
}

/// A project as committed, with the end of its chain.
pub struct Loaded {
    /// Its state.
    pub project: Project,
    /// Where its next record continues.
    pub head: ChainHead,
    /// The position of the snapshot it was loaded from; 0 without one.
    pub snapshot: u64,
}

impl Archive {
    /// Over a store, its blobs, and its snapshots if it keeps any.
    pub fn new(
        store: Arc<dyn Store>,
        vault: Arc<dyn Vault + Send + Sync>,
        snapshots: Option<Arc<dyn SnapshotCache>>,
    ) -> Self {
        Self { store, vault, snapshots, definitions: Arc::default(), pulse: Arc::default() }
    }

    /// The store.
    pub fn store(&self) -> &Arc<dyn Store> {
        &self.store
    }

    /// What the engine over this archive, if there is one, has done lately.
    pub fn pulse(&self) -> &Arc<Pulse> {
        &self.pulse
    }

    /// The position of the last record of a project; `None` when nothing is stored of it.
    pub fn head(&self, id: &ProjectId) -> Result<Option<Seq>, Error> {
        let Some(frame) = self.store.last_frame(id)? else { return Ok(None) };
        chain::head_after(id, &frame).map(|head| Some(head.seq)).map_err(|error| from_chain(id, error))
    }

    /// Large values.
    pub fn vault(&self) -> &Arc<dyn Vault + Send + Sync> {
        &self.vault
    }

    /// The snapshots.
    pub fn snapshots(&self) -> Option<&Arc<dyn SnapshotCache>> {
        self.snapshots.as_ref()
    }

    /// All projects, in id order; what cannot be read stands in its place.
    pub fn summaries(&self) -> Result<Vec<Result<Summary, Damaged>>, Error> {
        Ok(self.store.summaries()?)
    }

    /// The line of one project.
    pub fn summary(&self, id: &ProjectId) -> Result<Summary, Error> {
        self.store.summary(id)?.ok_or_else(|| Error::UnknownProject(id.clone()))
    }

    /// The position of its last record; `None` when it has none.
    pub fn last_seq(&self, id: &ProjectId) -> Result<Option<Seq>, Error> {
        let Some(last) = self.store.last_frame(id)? else { return Ok(None) };
        let end = chain::head_after(id, &last).map_err(|error| from_chain(id, error))?;
        Ok(Some(end.seq))
    }

    /// The state of a project: its newest usable snapshot and the records after it, each of them verified.
    pub fn load(&self, id: &ProjectId) -> Result<Loaded, Error> {
        if let Some(snapshots) = &self.snapshots
            && let Some((seq, hash, bytes)) = snapshots.load(id, SNAPSHOT_FORMAT)
        {
            // A snapshot is a cache: whatever is wrong with it, the records know better.
            match self.load_from_snapshot(id, seq, hash, &bytes) {
                Ok(loaded) => return Ok(loaded),
                Err(problem) => tracing::warn!(project = %id, %seq, %problem, "snapshot not usable, replaying"),
            }
        }
        self.replay(id, Seq(u64::MAX))
    }

    fn load_from_snapshot(&self, id: &ProjectId, seq: Seq, hash: Digest, bytes: &[u8]) -> Result<Loaded, String> {
        let created = Project::created_of_snapshot(bytes)?;
        let definition = self.definition(id, &created.definition).map_err(|error| error.to_string())?;
        let mut project = Project::from_snapshot(id.clone(), bytes, definition, &*self.vault)?;
        let mut head = ChainHead { seq, hash };
        if project.seq() != seq.0 {
            return Err("its state is of another position than its name".to_owned());
        }
        // The record under the snapshot must be the one it was taken at, or the journal was exchanged below it.
        let last = self.store.last_frame(id).map_err(|error| error.to_string())?;
        let last = last.ok_or("the journal is empty")?;
        let end = chain::head_after(id, &last).map_err(|error| error.to_string())?;
        if end.seq < seq || (end.seq == seq && end.hash != hash) {
            return Err("the journal ends elsewhere".to_owned());
        }
        self.each_record(id, &mut head, Seq(u64::MAX), |record, _| apply(&mut project, &record, &*self.vault, id))
            .map_err(|error| error.to_string())?;
        Ok(Loaded { project, head, snapshot: seq.0 })
    }

    /// The state after record `until` (or the last one), from the records alone.
    pub fn replay(&self, id: &ProjectId, until: Seq) -> Result<Loaded, Error> {
        let mut head = ChainHead::genesis(id);
        let mut project: Option<Project> = None;
        self.each_record(id, &mut head, until, |record, _| match &mut project {
            Some(project) => apply(project, &record, &*self.vault, id),
            None => {
                let Event::Created(created) = record.event else {
                    return Err(damaged(id, "its first record does not create it".to_owned()));
                };
                let definition = self.definition(id, &created.definition)?;
                let made = Project::create(id.clone(), *created, definition, record.at, &*self.vault);
                project = Some(made.map_err(|error| damaged(id, error.to_string()))?);
                Ok(())
            }
        })?;
        let project = project.ok_or_else(|| Error::UnknownProject(id.clone()))?;
        Ok(Loaded { project, head, snapshot: 0 })
    }

    /// The state for people to read: of a project that a later release wrote to, as far as this one understands it, with the
    /// reason why it goes no further. Nothing may be appended to such a state.
    pub fn load_to_read(&self, id: &ProjectId) -> Result<(Project, Option<Error>), Error> {
        let error = match self.load(id) {
            Ok(loaded) => return Ok((loaded.project, None)),
            Err(error @ Error::ReadOnly { .. }) => error,
            Err(error) => return Err(error),
        };
        let mut known = Seq(0);
        // Ends at the record that is not known: an error, and the one that is told.
        let _ = self.each_record(id, &mut ChainHead::genesis(id), Seq(u64::MAX), |record, _| {
            known = record.seq;
            Ok(())
        });
        match known {
            Seq(0) => Err(error),
            until => Ok((self.replay(id, until)?.project, Some(error))),
        }
    }

    /// Hands every verified record of a project to `each`, from the first one.
    pub fn visit(&self, id: &ProjectId, each: impl FnMut(Record)) -> Result<(), Error> {
        self.visit_to(id, Seq(u64::MAX), each)
    }

    /// The same up to `until`.
    pub fn visit_to(&self, id: &ProjectId, until: Seq, mut each: impl FnMut(Record)) -> Result<(), Error> {
        self.each_record(id, &mut ChainHead::genesis(id), until, |record, _| {
            each(record);
            Ok(())
        })
    }

    /// Hands every verified record after `head` to `each`, up to `until`, and moves `head` along.
    pub fn each_record(
        &self,
        id: &ProjectId,
        head: &mut ChainHead,
        until: Seq,
        mut each: impl FnMut(Record, Digest) -> Result<(), Error>,
    ) -> Result<(), Error> {
        let mut scratch = Vec::new();
        loop {
            let frames = self.store.frames(id, head.seq.next(), PAGE_BYTES)?;
            if frames.is_empty() {
                return Ok(());
            }
            for frame in frames {
                // The first frame may begin before the position asked for, in which case the chain cannot be continued
                // from `head`; it is checked against itself, and its record at `head` against the head's hash.
                let expected = (frame.first == head.seq.next()).then_some(&*head);
                let proven = chain::prove_frame(id, &frame, expected).map_err(|error| from_chain(id, error))?;
                for proven in proven {
                    if proven.seq > until {
                        return Ok(());
                    }
                    // One by one: what stands before a record of a kind that is not known is good.
                    let decoded = chain::decode_proven(&proven, &mut scratch);
                    let (record, hash) = decoded.map_err(|error| from_chain(id, error))?;
                    if record.seq <= head.seq {
                        if record.seq == head.seq && hash != head.hash {
                            return Err(damaged(
                                id,
                                format!("record {} is not the one that was continued", record.seq),
                            ));
                        }
                        continue;
                    }
                    *head = ChainHead { seq: record.seq, hash };
                    each(record, hash)?;
                }
            }
        }
    }

    /// The pinned definition that a project names.
    pub fn definition(&self, id: &ProjectId, blob: &BlobRef) -> Result<Arc<Definition>, Error> {
        let mut known = self.definitions.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(definition) = known.get(&blob.digest).and_then(Weak::upgrade) {
            return Ok(definition);
        }
        let text = self.vault.read_blob(blob).map_err(|error| damaged(id, format!("its definition: {error}")))?;
        let definition: Definition = serde_json::from_slice(&text)
            .map_err(|error| damaged(id, format!("its definition is not readable: {error}")))?;
        let definition = Arc::new(definition);
        known.retain(|_, weak| weak.strong_count() > 0);
        known.insert(blob.digest, Arc::downgrade(&definition));
        Ok(definition)
    }

    /// Makes a definition that was just pinned known, so that the projects started from it share it.
    pub fn remember(&self, digest: Digest, definition: &Arc<Definition>) -> Arc<Definition> {
        let mut known = self.definitions.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(shared) = known.get(&digest).and_then(Weak::upgrade) {
            return shared;
        }
        known.insert(digest, Arc::downgrade(definition));
        definition.clone()
    }

    /// At most `limit` records after `from`, as people see them.
    pub fn records(&self, id: &ProjectId, from: Seq, limit: usize) -> Result<Vec<RecordView>, Error> {
        let mut views = Vec::new();
        let mut at = from.next();
        let mut scratch = Vec::new();
        'pages: loop {
            let frames = self.store.frames(id, at, PAGE_BYTES)?;
            if frames.is_empty() {
                break;
            }
            for frame in frames {
                for proven in chain::prove_frame(id, &frame, None).map_err(|error| from_chain(id, error))? {
                    if proven.seq < at {
                        continue;
                    }
                    let (record, hash) = match chain::decode_proven(&proven, &mut scratch) {
                        Ok(decoded) => decoded,
                        // What comes before it is told first.
                        Err(chain::Error::UnknownKind { .. }) if !views.is_empty() => break 'pages,
                        Err(error) => return Err(from_chain(id, error)),
                    };
                    if views.len() >= limit {
                        break 'pages;
                    }
                    at = record.seq.next();
                    views.push(RecordView {
                        project: id.clone(),
                        seq: record.seq,
                        epoch: record.epoch,
                        at: record.at,
                        actor: record.actor,
                        event: record.event,
                        hash,
                        task: None,
                    });
                }
            }
        }
        if views.is_empty() && self.store.summary(id)?.is_none() {
            return Err(Error::UnknownProject(id.clone()));
        }
        Ok(views)
    }
}

fn apply(project: &mut Project, record: &Record, vault: &dyn Vault, id: &ProjectId) -> Result<(), Error> {
    project.apply(&record.event, record.at, vault).map_err(|error| damaged(id, error.to_string()))
}

fn damaged(id: &ProjectId, problem: String) -> Error {
    Error::Damaged { id: id.clone(), problem }
}

fn from_chain(id: &ProjectId, error: chain::Error) -> Error {
    let problem = error.to_string();
    match error {
        chain::Error::UnknownKind { .. } => Error::ReadOnly { id: id.clone(), problem },
        _ => damaged(id, problem),
    }
}
