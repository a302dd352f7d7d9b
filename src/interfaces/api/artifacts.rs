//! The artifacts that agents kept: of each task those of its newest completed attempt.

use std::collections::{BTreeMap, HashMap};

use serde::{Deserialize, Serialize};

use super::fault::{Fault, FaultKind};
use crate::domain::call::CallKind;
use crate::domain::event::Event;
use crate::domain::ids::{Attempt, CallIx, Digest, ProjectId, TaskIx};
use crate::domain::limits;
use crate::domain::payload::Payload;
use crate::domain::workflow::did_you_mean;
use crate::engine::archive::Archive;

/// Most tasks named when a name is not enough.
const LISTED: usize = 8;

/// One artifact.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Artifact {
    /// The task whose agent kept it.
    pub task: String,
    /// Its name.
    pub name: String,
    /// Its length.
    pub bytes: u64,
    /// BLAKE3 of its content.
    pub digest: Digest,
}

/// An artifact with what is in it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Content {
    /// Which.
    pub artifact: Artifact,
    /// What is in it, whole.
    pub content: Payload,
}

type ByName = BTreeMap<String, Payload>;

/// The fold over one project's records.
#[derive(Debug, Default)]
struct Fold {
    open: HashMap<(TaskIx, CallIx), String>,
    /// Of attempts that have not completed.
    present: HashMap<TaskIx, (Attempt, ByName)>,
    completed: BTreeMap<TaskIx, ByName>,
}

impl Fold {
    fn take(&mut self, event: Event) {
        match event {
            Event::CallStarted { task, call, .. } if call.kind == CallKind::Artifact => {
                self.open.insert((task, call.ix), call.label);
            }
            Event::CallFinished { task, attempt, call, outcome } => {
                if let (Some(name), Ok(content)) = (self.open.remove(&(task, call)), outcome.result) {
                    let (of, kept) = self.present.entry(task).or_insert_with(|| (attempt, ByName::new()));
                    if *of != attempt {
                        (*of, *kept) = (attempt, ByName::new());
                    }
                    kept.insert(name, content);
                }
            }
            Event::TaskStarted { task, attempt } => {
                // One that was interrupted goes on under its number, and with what it has kept.
                self.present.retain(|of, (began, _)| *of != task || *began == attempt);
            }
            Event::TaskCompleted { task, .. } => {
                let kept = self.present.remove(&task).map(|(_, kept)| kept).unwrap_or_default();
                self.completed.insert(task, kept);
            }
            _ => {}
        }
    }
}

/// All artifacts by task, in the order of the tasks, then by name. With `task`, of this one alone.
fn find(archive: &Archive, id: &ProjectId, task: Option<&str>) -> Result<Vec<(Artifact, Payload)>, Fault> {
    let mut fold = Fold::default();
    archive.visit(id, |record| fold.take(record.event))?;
    let project = archive.load(id)?.project;
    let wanted = match task {
        None => None,
        Some(name) => Some(super::logs::task_of(&project, name)?),
    };
    let mut found = Vec::new();
    for (ix, kept) in fold.completed {
        let Some(task) = project.tasks().get(ix.at()).filter(|_| wanted.is_none_or(|wanted| wanted == ix)) else {
            continue;
        };
        for (name, content) in kept {
            let digest = match &content {
                Payload::Inline(bytes) => Digest::of(bytes),
                Payload::Blob(blob) => blob.digest,
            };
            let bytes = content.bytes();
            found.push((Artifact { task: task.name.to_string(), name, bytes, digest }, content));
        }
    }
    Ok(found)
}

/// The list.
pub fn list(archive: &Archive, id: &ProjectId, task: Option<&str>) -> Result<Vec<Artifact>, Fault> {
    Ok(find(archive, id, task)?.into_iter().map(|(artifact, _)| artifact).collect())
}

/// One of them with its content.
pub fn content(archive: &Archive, id: &ProjectId, task: Option<&str>, name: &str) -> Result<Content, Fault> {
    let (artifact, payload) = pick(find(archive, id, task)?, name).map_err(|fault| fault.of(id))?;
    if artifact.bytes > limits::ARTIFACT_ANSWER_BYTES {
        let message = format!("artifact `{name}` has {} bytes, too many to hand out", artifact.bytes);
        return Err(Fault::new(FaultKind::Limit, message).of(id));
    }
    let content = archive.vault().read(&payload);
    let content = content.map_err(|error| Fault::new(FaultKind::Damaged, error.to_string()).of(id))?;
    Ok(Content { artifact, content: Payload::Inline(content.into()) })
}

fn pick(found: Vec<(Artifact, Payload)>, name: &str) -> Result<(Artifact, Payload), Fault> {
    let names: Vec<String> = found.iter().map(|(artifact, _)| artifact.name.clone()).collect();
    let mut fitting: Vec<(Artifact, Payload)> =
        found.into_iter().filter(|(artifact, _)| artifact.name == name).collect();
    if fitting.len() > 1 {
        let tasks: Vec<String> = fitting.iter().take(LISTED).map(|(artifact, _)| artifact.task.clone()).collect();
        let message = format!("several tasks have an artifact `{name}`");
        let causes = vec![format!("it is one of: {}", tasks.join(", "))];
        return Err(Fault { causes, ..Fault::new(FaultKind::AmbiguousArtifact, message) });
    }
    fitting.pop().ok_or_else(|| {
        let near = did_you_mean(name, names.iter().map(String::as_str));
        let message = format!("there is no artifact `{name}` of a completed attempt");
        Fault { causes: near.into_iter().collect(), ..Fault::new(FaultKind::NoArtifact, message) }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::budget::Amounts;
    use crate::domain::call::{CallIntent, CallOutcome};
    use crate::domain::workflow::EffectClass;

    fn keep(attempt: u32, ix: u32, name: &str, content: &str) -> [Event; 2] {
        let (task, attempt) = (TaskIx(0), Attempt(attempt));
        let call = CallIntent {
            ix: CallIx(ix),
            kind: CallKind::Artifact,
            label: name.to_owned(),
            input: Digest::default(),
            shown: String::new(),
            effect: EffectClass::Pure,
            reserved: Amounts::default(),
        };
        let result = Ok(Payload::Inline(content.as_bytes().into()));
        let outcome = CallOutcome { result, duration_ms: 0, usage: None, full: None, tree: None, ran_under: None };
        let ended = Event::CallFinished { task, attempt, call: CallIx(ix), outcome: Box::new(outcome) };
        [Event::CallStarted { task, attempt, call: Box::new(call) }, ended]
    }

    fn started(attempt: u32) -> Event {
        Event::TaskStarted { task: TaskIx(0), attempt: Attempt(attempt) }
    }

    fn kept(events: impl IntoIterator<Item = Event>) -> Vec<(String, String)> {
        let mut fold = Fold::default();
        events.into_iter().for_each(|event| fold.take(event));
        let text = |content: &Payload| match content {
            Payload::Inline(bytes) => String::from_utf8_lossy(bytes).into_owned(),
            Payload::Blob(blob) => blob.digest.to_hex(),
        };
        let of = fold.completed.remove(&TaskIx(0)).unwrap_or_default();
        of.iter().map(|(name, content)| (name.clone(), text(content))).collect()
    }

    #[test]
    fn only_the_newest_completed_attempt_counts() {
        let completed = || Event::TaskCompleted { task: TaskIx(0), output: Payload::default() };
        let failed = [started(1)].into_iter().chain(keep(1, 0, "old", "1"));
        let second = [started(2)].into_iter().chain(keep(2, 0, "plan", "a")).chain([started(2)]);
        let done = failed.chain(second).chain(keep(2, 1, "plan", "b")).chain([completed()]);
        let third = [started(3)].into_iter().chain(keep(3, 0, "new", "c"));
        let plan = vec![("plan".to_owned(), "b".to_owned())];
        assert_eq!(kept(done.chain(third)), plan);
    }

    #[test]
    fn a_name_that_fits_more_than_one_or_none_is_told() {
        let of = |task: &str, name: &str| {
            let (task, name, payload) = (task.to_owned(), name.to_owned(), Payload::default());
            (Artifact { task, name, bytes: 0, digest: Digest::default() }, payload)
        };
        let found = vec![of("a", "plan"), of("b", "plan"), of("b", "review")];
        assert_eq!(pick(found.clone(), "plan").unwrap_err().causes, ["it is one of: a, b"]);
        assert_eq!(pick(found.clone(), "reviw").unwrap_err().causes, ["Did you mean `review`?"]);
        assert_eq!(pick(found, "review").unwrap().0.task, "b");
    }
}
