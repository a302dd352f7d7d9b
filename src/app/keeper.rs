//! What only the holder of the home can do, because it knows its files: live logs, checks, removal.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;

use serde_json::Value;

use crate::domain::ids::{Attempt, Digest, ProjectId, StepIx, TaskIx};
use crate::domain::payload::BlobRef;
use crate::domain::time::Millis;
use crate::engine::archive::Archive;
use crate::interfaces::api::{self, Check, Fault, Removed};
use crate::journal::blobs::Blobs;
use crate::journal::doctor::{self, Severity};
use crate::journal::snapshot::Snapshots;
use crate::workspace::Workspaces;

/// The keeper of an open home.
pub struct Keeper {
    pub archive: Archive,
    pub blobs: Blobs,
    pub workspaces: Arc<Workspaces>,
    pub places: doctor::Places,
    pub logs: PathBuf,
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

    fn remove_project(&self, id: &ProjectId, epoch: crate::domain::ids::Epoch) -> Result<(), String> {
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
        self.logs.join(project.as_str()).join(format!("{task}.{attempt}.{step}.log"))
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
        doctor::check(&**self.archive.store(), &self.places, &named).into_iter().map(checked).collect()
    }

    fn remove(&self, before: Millis, dry_run: bool) -> Result<Removed, Fault> {
        let mut removed = Removed::default();
        let mut stays = Vec::new();
        for summary in self.archive.summaries()? {
            match summary {
                Ok(summary) if summary.status.is_terminal() && summary.changed < before => {
                    removed.projects.push(summary.id);
                }
                Ok(summary) => stays.push(summary.id),
                Err(damaged) => removed.problems.push(format!("{}: {}", damaged.project, damaged.problem)),
            }
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
        if removed.problems.is_empty() {
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
