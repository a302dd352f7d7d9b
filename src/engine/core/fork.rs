//! Forks: a project whose journal begins with the records of another one up to a position, and goes on from there by itself.
//!
//! The records are the same but for the first one, which names the definition of the fork. They become durable in one commit
//! with what follows, so there is never half a fork. Steps that were open at the position are taken over as after a crash.

use super::*;
use crate::domain::budget::Caps;
use crate::domain::ids::Seq;
use crate::domain::project::with_models;

/// What a fork needs.
#[derive(Debug, Clone)]
pub struct Fork {
    /// Whose records it begins with.
    pub source: ProjectId,
    /// The last one of them.
    pub at: Seq,
    /// Its id.
    pub id: ProjectId,
    /// What its agents ask instead of what they asked before; empty: no change.
    pub models: Vec<String>,
    /// Caps that take the place of those in force.
    pub budget: Option<Caps>,
}

impl Fork {
    fn origin(&self) -> String {
        format!("forked from {} at record {}", self.source, self.at)
    }

    /// The first record that is the fork's own.
    fn mark(&self) -> Event {
        Event::Held { reason: HoldReason::Person { comment: self.origin() } }
    }
}

impl<R> Core<R> {
    pub(super) fn fork(&mut self, fork: &Fork, actor: Actor) -> Result<(Option<u32>, Reply), Error> {
        if let Some(free_bytes) = self.disk_low {
            return Err(Error::DiskLow { free_bytes });
        }
        let (mut records, created, definition) = self.beginning(fork)?;
        if self.is_there(&fork.id)? {
            return self.find_fork(fork, &records, &created);
        }
        let (source, id) = (&fork.source, &fork.id);
        let vault = self.archive.vault().clone();
        // Records that break this program break nothing else.
        let replayed = catch_unwind(AssertUnwindSafe(|| replay(id, &records, created.clone(), definition, &*vault)));
        let replayed = replayed.map_err(|panic| Error::Defect { id: source.clone(), problem: said(&*panic) })?;
        let mut project = replayed.map_err(|problem| Error::Damaged { id: source.clone(), problem })?;
        project.may_fork(source)?;
        records[0].event = Event::Created(Box::new(created));
        // The time between then and now is nobody's: it counts as held.
        let (event, last_at) = (fork.mark(), records[records.len() - 1].at);
        project
            .apply(&event, last_at, &*vault)
            .map_err(|error| Error::Defect { id: source.clone(), problem: error.to_string() })?;
        let seq = fork.at.next();
        records.push(Record { seq, epoch: self.epoch, at: last_at, actor: actor.clone(), event });
        for record in &mut records {
            record.epoch = self.epoch;
        }
        let head = ChainHead::genesis(id);
        let slot = self.insert(Live {
            project,
            head,
            pending: records.into(),
            driven: false,
            snapshot: 0,
            summarised: None,
            active: 0,
        });
        self.turn.dirty.push(slot);
        self.drive(slot)?;
        let command = Command::Resume { in_doubt: None, budget: fork.budget, comment: fork.origin() };
        match self.take_command(slot, command, actor) {
            // It waits for a person at once, as the source did: a budget that is used up.
            Ok(_) | Err(Error::Refused(_)) => {}
            Err(error) => return Err(error),
        }
        Ok((Some(slot), Reply::Started { id: id.clone(), existed: false }))
    }

    /// The records that the fork begins with as the source has them, what the fork is created with, and its definition.
    fn beginning(&self, fork: &Fork) -> Result<(Vec<Record>, Created, Arc<Definition>), Error> {
        let source = &fork.source;
        let refused = |kind: RefusalKind, message: String| Err(Error::Refused(Refusal::new(kind, message)));
        if fork.at.0 > limits::FORK_RECORDS {
            let most = limits::FORK_RECORDS;
            return refused(RefusalKind::Limit, format!("a fork takes over at most {most} records, not {}", fork.at));
        }
        let mut records = Vec::new();
        self.archive.visit_to(source, fork.at, |record| records.push(record))?;
        if records.is_empty() && self.archive.store().summary(source)?.is_none() {
            return Err(Error::UnknownProject(source.clone()));
        }
        if fork.at.0 == 0 || records.len() as u64 != fork.at.0 {
            let last =
                if fork.at.0 == 0 { "the first one is 1".to_owned() } else { format!("it has {}", records.len()) };
            return refused(RefusalKind::Invalid, format!("project {source} has no record {}: {last}", fork.at));
        }
        let Event::Created(created) = records[0].event.clone() else {
            let problem = "its first record does not create it".to_owned();
            return Err(Error::Damaged { id: source.clone(), problem });
        };
        let mut created = Created { parent: None, ..*created };
        let mut definition = self.archive.definition(source, &created.definition)?;
        if !fork.models.is_empty() {
            let other = Arc::new(with_models(&definition, &fork.models));
            let kept = self.archive.vault().keep_blob(&other.to_canonical_json());
            let kept = kept.map_err(|error| Error::Vault { what: "the definition", problem: error.problem })?;
            definition = self.archive.remember(kept.digest, &other);
            created.definition = kept;
        }
        Ok((records, created, definition))
    }

    fn is_there(&self, id: &ProjectId) -> Result<bool, Error> {
        Ok(self.by_id.contains_key(id) || self.archive.store().summary(id)?.is_some())
    }

    /// A fork with the id of a project that exists: the same one again, or somebody else's.
    fn find_fork(&mut self, fork: &Fork, records: &[Record], created: &Created) -> Result<(Option<u32>, Reply), Error> {
        let id = &fork.id;
        let mark = fork.mark();
        let expected = |at: usize, event: &Event| match records.get(at) {
            Some(_) if at == 0 => matches!(event, Event::Created(theirs) if **theirs == *created),
            Some(record) => record.event == *event,
            None => mark == *event,
        };
        let (mut seen, mut is_same) = (0, true);
        let mut compare = |event: &Event| {
            is_same &= expected(seen, event);
            seen += 1;
        };
        // One that was made in this very turn is not committed yet.
        let live = self.by_id.get(id).and_then(|slot| self.slots[*slot as usize].as_ref());
        match live.filter(|live| live.head.seq.0 == 0) {
            Some(live) => live.pending.iter().take(records.len() + 1).for_each(|record| compare(&record.event)),
            None => self.archive.visit_to(id, fork.at.next(), |record| compare(&record.event))?,
        }
        if !is_same || seen != records.len() + 1 {
            let what = format!("something else than a fork of {} at record {}", fork.source, fork.at);
            return Err(Error::IdTaken { id: id.clone(), what });
        }
        Ok((None, Reply::Started { id: id.clone(), existed: true }))
    }
}

/// The state after `records` under another id.
fn replay(
    id: &ProjectId,
    records: &[Record],
    created: Created,
    definition: Arc<Definition>,
    vault: &dyn crate::domain::project::Vault,
) -> Result<Project, String> {
    let mut project =
        Project::create(id.clone(), created, definition, records[0].at, vault).map_err(|error| error.to_string())?;
    for record in &records[1..] {
        project.apply(&record.event, record.at, vault).map_err(|error| error.to_string())?;
    }
    Ok(project)
}
