//! What only the holder of the home can do, because it knows its files: live logs, checks, removal.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde_json::Value;

use super::publishing::Publishing;
use crate::domain::ids::{Attempt, Digest, Epoch, ProjectId, StepIx, TaskIx};
use crate::domain::payload::BlobRef;
use crate::domain::time::Millis;
use crate::domain::view::Summary;
use crate::engine::archive::Archive;
use crate::engine::ports::Clock;
use crate::interfaces::api::{
    self, Adopted, Between, ChangedFile, Check, Comparison, Fault, FaultKind, Removed, Sides, SinkState,
};
use crate::journal::blobs::Blobs;
use crate::journal::doctor::{self, Severity};
use crate::journal::snapshot::Snapshots;
use crate::workspace::{Adoption, ComparedFile, Unpublished, Workspaces};

/// The keeper of an open home.
pub struct Keeper {
    pub archive: Archive,
    pub blobs: Blobs,
    pub workspaces: Arc<Workspaces>,
    pub places: doctor::Places,
    pub logs: PathBuf,
    /// Of the engine at work; `None` where the home is only read.
    pub epoch: Option<Epoch>,
    pub publishing: Arc<Publishing>,
    pub clock: Arc<dyn Clock>,
}

impl Keeper {
    /// Every blob that a record of the project names.
    fn named(&self, id: &ProjectId) -> Result<Vec<BlobRef>, Fault> {
        let mut named = Vec::new();
        self.archive.visit(id, |record| match serde_json::to_value(&record.event) {
            Ok(event) => collect(&event, &mut named),
            Err(error) => tracing::error!(project = %id, %error, "a record has no JSON form"),
        })?;
        Ok(named)
    }

    fn remove_project(&self, id: &ProjectId, epoch: Epoch) -> Result<(), String> {
        let text = |error: &dyn std::fmt::Display| format!("{id}: {error}");
        if let Ok(loaded) = self.archive.load(id) {
            let base_dir = PathBuf::from(&loaded.project.created.base_dir);
            let runtime = tokio::runtime::Handle::current();
            let closed = runtime.block_on(self.workspaces.project_closed(id, &base_dir));
            if base_dir.exists() {
                closed.map_err(|failure| text(&failure))?;
            }
        }
        self.workspaces.remove_work_dir(id).map_err(|error| text(&error))?;
        crate::workspace::files::remove_tree(&self.logs.join(id.as_str())).map_err(|error| text(&error))?;
        Snapshots::new(&self.places.snapshots).remove(id).map_err(|error| text(&error))?;
        self.archive.store().remove(epoch, id).map_err(|error| text(&error))
    }
}

impl api::Keeper for Keeper {
    fn live_log(&self, project: &ProjectId, task: TaskIx, attempt: Attempt, step: StepIx) -> PathBuf {
        crate::steps::live_log(&self.logs, project, task, attempt, step)
    }

    fn compare(&self, between: &Between<'_>) -> Result<Comparison, String> {
        let base_dir = Path::new(between.base_dir);
        let compared = match &between.sides {
            Sides::Trees(from, to) => {
                self.workspaces.compare(between.project, base_dir, between.base_commit, [from, to])
            }
            Sides::Commit(commit) => Workspaces::compare_commit(base_dir, commit),
        };
        let compared = compared.map_err(|failure| failure.message)?;
        let file = |file: ComparedFile| ChangedFile {
            path: file.path,
            old_path: file.old_path,
            status: file.status.to_owned(),
            binary: file.binary,
            additions: file.additions,
            deletions: file.deletions,
            patch: file.patch,
        };
        Ok(Comparison {
            files: compared.files.into_iter().map(file).collect(),
            truncated: compared.truncated,
            reason: None,
        })
    }

    fn delete(&self, id: &ProjectId) -> Result<(), Fault> {
        let Some(epoch) = self.epoch else {
            return Err(Fault::new(FaultKind::NotDriving, "the home is only open for reading here"));
        };
        if self.workspaces.unpublished(id) != Unpublished::No {
            let message = format!("what project {id} made is not published yet");
            return Err(Fault::new(FaultKind::WrongState, message).of(id));
        }
        self.remove_project(id, epoch).map_err(|problem| Fault::new(FaultKind::Store, problem).of(id))
    }

    fn adopt(&self, adopted: Adopted) -> Result<(), Fault> {
        let Adopted { project, id, trees } = adopted;
        let adoption = Adoption {
            from: project.id.clone(),
            to: id,
            base_commit: project.created.base_commit.clone(),
            trees,
            integration: project.integration().map(|head| head.commit.clone()),
        };
        let adopted = self.workspaces.adopt(Path::new(&project.created.base_dir), &adoption);
        adopted.map_err(|failure| {
            let message = format!("git no longer has all files of {} at record {}", project.id, project.seq());
            Fault { causes: vec![failure.message], ..Fault::new(FaultKind::NoFiles, message) }.of(&project.id)
        })
    }

    fn check(&self) -> Vec<Check> {
        let mut named = Vec::new();
        for id in self.archive.store().projects().unwrap_or_default() {
            // A project that cannot be read to its end is a finding of its own.
            named.extend(self.named(&id).unwrap_or_default());
        }
        let checked = |finding: doctor::Finding| Check {
            severity: match finding.severity {
                Severity::Note => "note",
                Severity::Warning => "warning",
                Severity::Error => "error",
            }
            .to_owned(),
            kind: finding.code.to_owned(),
            what: finding.what,
            place: finding.place,
            next: finding.next.to_owned(),
        };
        let mut found: Vec<Check> =
            doctor::check(&**self.archive.store(), &self.places, &named).into_iter().map(checked).collect();
        found.extend(self.publishing.check());
        found
    }

    fn now(&self) -> Millis {
        self.clock.now()
    }

    fn sinks(&self) -> Result<Vec<SinkState>, Fault> {
        self.publishing.state()
    }

    fn resume_sink(&self, sink: &str, skip: bool) -> Result<(), Fault> {
        self.publishing.resume(sink, skip)
    }

    fn remove(&self, before: Millis, dry_run: bool) -> Result<Removed, Fault> {
        let mut removed = Removed::default();
        let mut summaries = Vec::new();
        for summary in self.archive.summaries()? {
            match summary {
                Ok(summary) => summaries.push(summary),
                Err(damaged) => removed.problems.push(format!("{}: {}", damaged.project, damaged.problem)),
            }
        }
        // What has no summary that can be read stays too, and is named by what can be read of its journal.
        let mut stays: BTreeSet<ProjectId> = self.archive.store().projects()?.into_iter().collect();
        for id in removable(&summaries, &stays, before) {
            stays.remove(&id);
            removed.projects.push(id);
        }
        let mut named: BTreeSet<Digest> = BTreeSet::new();
        for id in &stays {
            match self.named(id) {
                Ok(blobs) => named.extend(blobs.iter().map(|blob| blob.digest)),
                Err(fault) => removed.problems.push(format!("{id}: {fault}")),
            }
        }
        if !dry_run {
            let epoch = self.archive.store().take_over()?;
            let (gone, kept): (Vec<_>, Vec<_>) = removed
                .projects
                .drain(..)
                .map(|id| (self.remove_project(&id, epoch), id))
                .partition(|(it, _)| it.is_ok());
            removed.projects = gone.into_iter().map(|(_, id)| id).collect();
            removed.problems.extend(kept.into_iter().filter_map(|(result, _)| result.err()));
        }
        // Without knowing what every project names, no blob can be called unnamed.
        if !removed.problems.is_empty() {
            removed.problems.push("any blob: it is not known what every project names".to_owned());
        } else {
            let refused = |error: crate::journal::blobs::Error| Fault::new(api::FaultKind::Store, error.to_string());
            for digest in self.blobs.list().map_err(refused)?.iter().filter(|digest| !named.contains(digest)) {
                if !dry_run {
                    self.blobs.remove(digest).map_err(refused)?;
                }
                removed.blobs += 1;
            }
        }
        Ok(removed)
    }
}

/// The projects that ended before a moment. A child whose parent is there and has not ended stays: the parent reads how it
/// ended when it is resumed, and would run it again if it were gone.
fn removable(summaries: &[Summary], there: &BTreeSet<ProjectId>, before: Millis) -> Vec<ProjectId> {
    let ended: BTreeSet<&ProjectId> =
        summaries.iter().filter(|summary| summary.status.is_terminal()).map(|summary| &summary.id).collect();
    let is_needed = |parent: &ProjectId| there.contains(parent) && !ended.contains(parent);
    let old = summaries.iter().filter(|summary| ended.contains(&summary.id) && summary.changed < before);
    old.filter(|summary| !summary.parent.as_ref().is_some_and(is_needed)).map(|summary| summary.id.clone()).collect()
}

/// Every `{"digest": .., "bytes": ..}` in a record, at any depth: a kind of record that is added later is seen too.
fn collect(value: &Value, into: &mut Vec<BlobRef>) {
    match value {
        Value::Object(object) => {
            if let (Some(Value::String(digest)), Some(Value::Number(bytes))) =
                (object.get("digest"), object.get("bytes"))
                && let (Some(digest), Some(bytes)) = (Digest::from_hex(digest), bytes.as_u64())
            {
                into.push(BlobRef { digest, bytes });
            }
            object.values().for_each(|value| collect(value, into));
        }
        Value::Array(list) => list.iter().for_each(|value| collect(value, into)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::machine::ProjectStatus;

    #[test]
    fn a_child_stays_as_long_as_its_parent_may_ask_for_it() {
        let id = |name: &str| ProjectId::new(name).unwrap();
        let summary = |name: &str, status, parent: Option<&str>| Summary {
            status,
            parent: parent.map(id),
            ..crate::journal::conformance::summary(&id(name), "")
        };
        let summaries = [
            summary("open", ProjectStatus::Paused, None),
            summary("of-open", ProjectStatus::Done, Some("open")),
            summary("ended", ProjectStatus::Failed, None),
            summary("of-ended", ProjectStatus::Done, Some("ended")),
            summary("of-damaged", ProjectStatus::Done, Some("damaged")),
            summary("of-removed", ProjectStatus::Done, Some("removed")),
        ];
        let mut there: BTreeSet<_> = summaries.iter().map(|summary| summary.id.clone()).collect();
        there.insert(id("damaged"));
        let names = removable(&summaries, &there, Millis(1_000));
        assert_eq!(names, ["ended", "of-ended", "of-removed"].map(id));
        assert!(removable(&summaries, &there, Millis(1)).is_empty(), "too young");
    }
}
