//! Checks of a home's stored data, and repairs that lose nothing: what is damaged is put aside, never deleted.
//! Only caches (snapshots, leftovers of interrupted writes) are removed. Knows no state: summaries are rebuilt by the caller.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::blobs::{self, Blobs};
use super::files;
use super::reader::{self, VerifyReport};
use super::salvage::salvage;
use super::sled_store::{self, SledStore};
use super::snapshot::Snapshots;
use super::store::{self, Append, Store};
use crate::domain::ids::{Epoch, ProjectId, Seq};
use crate::domain::limits;
use crate::domain::payload::BlobRef;
use crate::domain::view::Summary;

const REPAIR: &str = "wfctl doctor --repair";

/// Where a home keeps what this room writes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Places {
    /// The store's directory.
    pub store: PathBuf,
    /// The blobs.
    pub blobs: PathBuf,
    /// The snapshots.
    pub snapshots: PathBuf,
    /// Damaged projects that were put aside.
    pub quarantine: PathBuf,
}

impl Places {
    /// The places in the home directory `home`.
    pub fn in_home(home: &Path) -> Self {
        let at = |name| home.join(name);
        Self { store: at("store"), blobs: at("blobs"), snapshots: at("snapshots"), quarantine: at("quarantine") }
    }
}

/// How bad a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// Worth knowing.
    Note,
    /// Nothing is lost; a repair tidies up.
    Warning,
    /// Something cannot be read.
    Error,
}

/// One thing that is not as it should be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// How bad.
    pub severity: Severity,
    /// A stable name of the kind of finding.
    pub code: &'static str,
    /// What it is, in one line.
    pub what: String,
    /// A project's id or a path.
    pub place: String,
    /// The command to type next; empty when there is nothing to do.
    pub next: &'static str,
}

fn finding(severity: Severity, code: &'static str, what: impl ToString, place: impl ToString) -> Finding {
    let next = match severity {
        Severity::Note => "",
        Severity::Warning | Severity::Error => REPAIR,
    };
    Finding { severity, code, what: what.to_string(), place: place.to_string(), next }
}

/// Opens the store of a home and checks everything; `named` are the blobs that the caller knows records to name.
pub fn check_home(places: &Places, named: &[BlobRef]) -> Vec<Finding> {
    match SledStore::open(&places.store) {
        Ok(store) => check(&store, places, named),
        Err(store::Error::Locked) => {
            let what = "another process has the store open; it was not checked";
            vec![Finding { next: "", ..finding(Severity::Error, "store-locked", what, places.store.display()) }]
        }
        Err(error) => vec![finding(Severity::Error, "store-closed", error, places.store.display())],
    }
}

/// Checks an open store and the files beside it.
pub fn check(store: &(impl Store + ?Sized), places: &Places, named: &[BlobRef]) -> Vec<Finding> {
    let mut findings = Vec::new();
    match store.projects() {
        Ok(projects) => {
            findings.extend(projects.iter().flat_map(|project| check_project(store, places, project)));
            findings.extend(check_lost(&projects, places));
        }
        Err(error) => findings.push(finding(Severity::Error, "projects-unreadable", error, places.store.display())),
    }
    findings.extend(check_blobs(places, named));
    findings.extend(check_leftovers(places));
    findings
}

fn check_project(store: &(impl Store + ?Sized), places: &Places, project: &ProjectId) -> Vec<Finding> {
    let VerifyReport { records, head, unknown, first_bad, .. } = reader::verify(store, project);
    let mut findings = Vec::new();
    if let Some(bad) = first_bad {
        let what = format!("{}; {records} records before it are whole", bad.problem);
        findings.push(finding(Severity::Error, "project-damaged", what, project));
    }
    // A snapshot is taken of what is durable, so a journal that ends before it was longer once: the one sign of a log that
    // was cut at a commit, since what is left of it is whole.
    if let Some(seen) = Snapshots::new(&places.snapshots).newest(project).filter(|seen| *seen > head.seq) {
        let what = format!("record {seen} was there when a snapshot was taken, now it ends at {}", head.seq);
        // What is lost cannot be made again; a copy taken while an engine ran looks the same, and has lost nothing.
        findings.push(Finding { next: "", ..finding(Severity::Error, "records-lost", what, project) });
    }
    if unknown > 0 {
        let what = format!("{unknown} records were written by a later release; the project is read-only here");
        findings.push(finding(Severity::Note, "project-newer", what, project));
    }
    match store.summary(project) {
        Ok(Some(_)) => {}
        Ok(None) => findings.push(finding(Severity::Warning, "summary-missing", "it is not listed", project)),
        Err(error) => findings.push(finding(Severity::Warning, "summary-damaged", error, project)),
    }
    findings
}

/// Projects of which only snapshots are left: whoever removes a project removes those first.
fn check_lost(projects: &[ProjectId], places: &Places) -> Vec<Finding> {
    let dirs = files::entries(&places.snapshots).unwrap_or_default();
    let ids = dirs.iter().filter_map(|dir| ProjectId::new(dir.file_name()?.to_str()?).ok());
    let gone = ids.filter(|id| !projects.contains(id) && Snapshots::new(&places.snapshots).newest(id).is_some());
    gone.map(|id| {
        let what = "its whole journal is gone, only snapshots of it are left";
        Finding { next: "", ..finding(Severity::Error, "records-lost", what, id) }
    })
    .collect()
}

fn check_blobs(places: &Places, named: &[BlobRef]) -> Vec<Finding> {
    let opened = Blobs::open(&places.blobs);
    let blobs = match opened {
        Ok(blobs) => blobs,
        Err(error) => return vec![finding(Severity::Error, "blobs-closed", error, places.blobs.display())],
    };
    let unreadable = |blob: &BlobRef| {
        let error = blobs.get(blob).err()?;
        let code = match error {
            blobs::Error::Missing { .. } => "blob-missing",
            blobs::Error::Damaged { .. } => "blob-damaged",
            blobs::Error::TooLarge | blobs::Error::DiskFull | blobs::Error::Io { .. } => "blob-unreadable",
        };
        // Content that is gone cannot be made again from anything here.
        Some(Finding { next: "", ..finding(Severity::Error, code, error, blob.digest) })
    };
    named.iter().filter_map(unreadable).collect()
}

fn check_leftovers(places: &Places) -> Vec<Finding> {
    match leftovers(places) {
        Ok(paths) => paths
            .into_iter()
            .map(|path| {
                finding(Severity::Warning, "leftover", "of no use: interrupted or damaged cache", path.display())
            })
            .collect(),
        Err(error) => vec![finding(Severity::Error, "files-unreadable", error, places.blobs.display())],
    }
}

/// Files that hold nothing that is needed.
fn leftovers(places: &Places) -> io::Result<Vec<PathBuf>> {
    let mut found = Snapshots::new(&places.snapshots).useless()?;
    let blobs = Blobs::open(&places.blobs).and_then(|blobs| blobs.leftovers());
    found.extend(blobs.map_err(io::Error::other)?);
    found.extend(files::entries(&places.store)?.into_iter().filter(|path| files::is_temporary(path)));
    Ok(found)
}

/// Something that a repair did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Repaired {
    /// What was done.
    pub what: String,
    /// A project's id or a path.
    pub place: String,
}

fn repaired(what: impl ToString, place: impl ToString) -> Repaired {
    Repaired { what: what.to_string(), place: place.to_string() }
}

/// Makes the store of a home open again; call it before opening, while nobody has the store.
///
/// Files that only hinder are set aside: sled's snapshot files, a damaged epoch file. When sled cannot open what is left, its
/// whole directory is set aside and every frame found in its log that continues its project from the start goes into a new store.
pub fn repair_files(places: &Places) -> Result<Vec<Repaired>, store::Error> {
    let mut done = Vec::new();
    let mut note = |healed: Vec<sled_store::Healed>| {
        done.extend(healed.into_iter().map(|healed| repaired(healed.what, healed.path.display())));
    };
    note(sled_store::heal(&places.store)?);
    if is_unreadable(places)? {
        note(sled_store::set_snapshots_aside(&places.store)?);
        if is_unreadable(places)? {
            done.extend(start_over(places)?);
        }
    }
    Ok(done)
}

fn is_unreadable(places: &Places) -> Result<bool, store::Error> {
    match SledStore::open(&places.store) {
        Ok(_) => Ok(false),
        Err(store::Error::Corrupt { .. }) => Ok(true),
        Err(error) => Err(error),
    }
}

fn start_over(places: &Places) -> Result<Vec<Repaired>, store::Error> {
    let aside = sled_store::set_sled_aside(&places.store)?;
    let mut done = vec![repaired("sled's files were set aside: they cannot be opened", aside.display())];
    let log = fs::read(aside.join("db")).map_err(|source| store::Error::Io {
        context: "could not read the log that was set aside".to_owned(),
        source,
    })?;
    let store = SledStore::open(&places.store)?;
    let epoch = store.take_over()?;
    for salvaged in salvage(&log) {
        let project = salvaged.project;
        let (frames, lost) = (salvaged.frames.len(), salvaged.beyond_gap);
        for (frame, head) in salvaged.frames {
            let append = Append { project: project.clone(), frame, last: head.seq, summary: None };
            store.commit(epoch, &[append])?;
        }
        done.push(repaired(format!("{frames} commits were salvaged, {lost} lie beyond a gap"), project));
    }
    Ok(done)
}

/// Repairs an open store and the files beside it: damaged projects go to the quarantine, useless files away, summaries are
/// written again. `rebuild` makes a project's summary from its records, or says `None` when it cannot.
pub fn repair(
    store: &(impl Store + ?Sized),
    epoch: Epoch,
    places: &Places,
    rebuild: impl Fn(&ProjectId) -> Option<Summary>,
) -> Result<Vec<Repaired>, store::Error> {
    let failed = |context: &str| {
        let context = context.to_owned();
        move |source| store::Error::Io { context, source }
    };
    let mut done = Vec::new();
    for path in leftovers(places).map_err(failed("could not list leftovers"))? {
        files::remove(&path).map_err(failed("could not remove a leftover"))?;
        done.push(repaired("a leftover was removed", path.display()));
    }
    let mut summaries = Vec::new();
    for project in store.projects()? {
        if let Some(bad) = reader::verify(store, &project).first_bad {
            let aside = quarantine(store, &project, places)?;
            // The snapshots first: alone, they would be taken for what is left of a lost project.
            let snapshots = Snapshots::new(&places.snapshots).remove(&project);
            snapshots.map_err(failed("could not remove the snapshots of a project that was put aside"))?;
            store.remove(epoch, &project)?;
            done.push(repaired(format!("put aside into {}: {}", aside.display(), bad.problem), &project));
        } else if !matches!(store.summary(&project), Ok(Some(_)))
            && let Some(summary) = rebuild(&project)
        {
            done.push(repaired("its summary was written again", &project));
            summaries.push(summary);
        }
    }
    store.rebuild_summaries(epoch, &summaries)?;
    Ok(done)
}

/// Copies a project's frames, as they are, to files of their own; returns the directory.
fn quarantine(store: &(impl Store + ?Sized), project: &ProjectId, places: &Places) -> Result<PathBuf, store::Error> {
    let failed = |source| store::Error::Io { context: format!("could not put project {project} aside"), source };
    let dir = (1u32..)
        .map(|number| places.quarantine.join(format!("{project}.{number}")))
        .find(|dir| !dir.exists())
        .expect("a directory does not hold four billion entries");
    files::create_dir(&dir).map_err(failed)?;
    let mut next = Seq(0);
    loop {
        let mut page = store.frames(project, next, limits::READ_PAGE_BYTES)?;
        // By key and not by header, which may be damaged: the last frame of the page before comes again. A page holds
        // several frames of limits::FRAME_BYTES, so one without anything new is the end.
        page.retain(|frame| frame.first >= next);
        let Some(last) = page.last() else { break };
        for frame in &page {
            files::replace(&dir.join(format!("{:020}.frame", frame.first)), &frame.bytes).map_err(failed)?;
        }
        next = last.first.next();
    }
    files::sync_dir(&places.quarantine).map_err(failed)?;
    Ok(dir)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::journal::chain::ChainHead;
    use crate::journal::conformance::{append, summary};
    use crate::journal::memory_store::MemoryStore;

    fn id(text: &str) -> ProjectId {
        ProjectId::new(text).unwrap()
    }

    fn codes(findings: &[Finding]) -> Vec<&'static str> {
        findings.iter().map(|finding| finding.code).collect()
    }

    #[test]
    fn a_damaged_project_is_found_put_aside_and_stops_no_other() {
        let home = tempfile::tempdir().unwrap();
        let places = Places::in_home(home.path());
        let store = MemoryStore::new();
        let epoch = store.take_over().unwrap();
        for project in [id("bad"), id("good")] {
            let (one, head) = append(&project, ChainHead::genesis(&project), 2);
            let (two, _) = append(&project, head, 1);
            store.commit(epoch, &[Append { summary: Some(summary(&project, "x")), ..one }]).unwrap();
            store.commit(epoch, &[two]).unwrap();
        }
        assert!(check(&store, &places, &[]).is_empty());
        let mut bytes = store.last_frame(&id("bad")).unwrap().unwrap().bytes;
        bytes[150] ^= 1;
        store.overwrite(&id("bad"), Seq(3), bytes);
        assert_eq!(codes(&check(&store, &places, &[])), ["project-damaged"]);
        repair(&store, epoch, &places, |_| None).unwrap();
        assert!(check(&store, &places, &[]).is_empty());
        assert_eq!(store.projects().unwrap(), [id("good")]);
        assert_eq!(fs::read_dir(places.quarantine.join("bad.1")).unwrap().count(), 2, "both frames are kept");
    }

    #[test]
    fn missing_blobs_summaries_and_leftovers_are_found_and_what_can_be_is_repaired() {
        let home = tempfile::tempdir().unwrap();
        let places = Places::in_home(home.path());
        let blob = Blobs::open(&places.blobs).unwrap().put(b"kept").unwrap();
        let store = MemoryStore::new();
        let epoch = store.take_over().unwrap();
        let (one, _) = append(&id("p"), ChainHead::genesis(&id("p")), 1);
        store.commit(epoch, &[one]).unwrap();
        files::temporary_in(&places.blobs).unwrap();
        fs::create_dir_all(places.snapshots.join("p")).unwrap();
        fs::write(places.snapshots.join("p/00000000000000000001.snap"), b"cut").unwrap();
        fs::write(Blobs::open(&places.blobs).unwrap().path(&blob.digest), b"").unwrap();
        let lost = BlobRef { digest: crate::domain::ids::Digest::of(b"lost"), bytes: 4 };
        let found = check(&store, &places, &[blob, lost]);
        assert_eq!(codes(&found), ["summary-missing", "blob-damaged", "blob-missing", "leftover", "leftover"]);
        repair(&store, epoch, &places, |project| Some(summary(project, "rebuilt"))).unwrap();
        assert_eq!(codes(&check(&store, &places, &[blob, lost])), ["blob-damaged", "blob-missing"]);
    }

    #[test]
    fn a_journal_that_ends_before_its_snapshot_has_lost_records() {
        let home = tempfile::tempdir().unwrap();
        let places = Places::in_home(home.path());
        let store = MemoryStore::new();
        let epoch = store.take_over().unwrap();
        let (one, head) = append(&id("p"), ChainHead::genesis(&id("p")), 2);
        let (_, later) = append(&id("p"), head, 1);
        store.commit(epoch, &[Append { summary: Some(summary(&id("p"), "x")), ..one }]).unwrap();
        let snapshots = Snapshots::new(&places.snapshots);
        snapshots.save(&id("p"), &head, 1, b"state").unwrap();
        assert!(check(&store, &places, &[]).is_empty());
        snapshots.save(&id("p"), &later, 1, b"state").unwrap();
        assert_eq!(codes(&check(&store, &places, &[])), ["records-lost"]);
        assert_eq!(codes(&check(&MemoryStore::new(), &places, &[])), ["records-lost"], "the whole store is gone");
    }

    #[test]
    fn a_store_that_sled_cannot_open_is_set_aside_and_salvaged() {
        let home = tempfile::tempdir().unwrap();
        let places = Places::in_home(home.path());
        let project = id("p");
        let mut head = ChainHead::genesis(&project);
        {
            let store = SledStore::open(&places.store).unwrap();
            let epoch = store.take_over().unwrap();
            for _ in 0..30 {
                let (next, after) = append(&project, head, 1);
                store.commit(epoch, &[next]).unwrap();
                head = after;
            }
        }
        assert!(check_home(&places, &[]).iter().all(|finding| finding.code == "summary-missing"));
        // sled's snapshot file loses its checksum.
        let snapshot = files::entries(&places.store.join("sled")).unwrap().pop().unwrap();
        let mut bytes = fs::read(&snapshot).unwrap();
        bytes[0] ^= 1;
        fs::write(&snapshot, bytes).unwrap();
        assert_eq!(codes(&check_home(&places, &[])), ["store-closed"]);
        repair_files(&places).unwrap();
        assert_eq!(reader::verify(&SledStore::open(&places.store).unwrap(), &project).head, head);

        let done = start_over(&places).unwrap();
        assert!(done.iter().any(|done| done.what.starts_with("30 commits were salvaged")), "{done:?}");
        let store = SledStore::open(&places.store).unwrap();
        assert_eq!(reader::verify(&store, &project).head, head);
    }
}
