//! Damaged homes: two finished projects and one that waits, then a file is cut, flipped, emptied or lost. Opening gives a clear
//! error or a verified prefix, `doctor` names the damage, `repair` heals what can be healed, and what is whole goes on.

use std::cmp::Ordering;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use wfctl::domain::event::Event;
use wfctl::domain::ids::{ProjectId, Seq};
use wfctl::domain::payload::BlobRef;
use wfctl::domain::view::Summary;
use wfctl::engine::Error;
use wfctl::engine::archive::Archive;
use wfctl::journal::chain;
use wfctl::journal::doctor::{self, Finding, Places, Severity};
use wfctl::journal::reader;
use wfctl::journal::sled_store::SledStore;
use wfctl::journal::store::{self, Append, Store};

use super::chance::Chance;
use super::driver::{Driver, Ending, ending};
use super::images::{self, START};
use super::workload::{self, start_of};
use super::{checker, home};

/// The projects of a home: two ran to their end, the last was left in its middle.
pub fn projects() -> [ProjectId; 3] {
    ["a", "b", "c"].map(|id| ProjectId::new(id).expect("valid"))
}

/// Makes the home; gives back how the finished ones ended.
pub fn make(dir: &Path) -> Vec<Ending> {
    let definition = workload::everything("1s");
    let [a, b, c] = projects();
    let open = || home::open_store(dir).expect("a store that opens");
    let endings = [a, b].iter().map(|id| images::run(dir, open(), &definition, id, true)).collect();
    let archive = home::archive(dir, open());
    let mut driver = Driver::new(archive.clone(), START, 3, images::counted_steps(dir, &archive)).expect("owned");
    driver.begin(start_of(&definition, &c)).expect("accepted");
    for _ in 0..8 {
        assert!(driver.step(&c).expect("a store that answers"));
    }
    endings
}

/// The blobs that the readable records of a home name.
pub fn named(store: &dyn Store) -> Vec<BlobRef> {
    let mut blobs = Vec::new();
    for id in store.projects().unwrap_or_default() {
        let visited = reader::for_each_record(store, &id, Seq(1), None, |record, _| match &record.event {
            Event::Created(created) => blobs.push(created.definition),
            Event::TaskCompleted { output: wfctl::domain::payload::Payload::Blob(blob), .. } => blobs.push(*blob),
            _ => {}
        });
        // A damaged project names what stands before the damage.
        drop(visited);
    }
    blobs.sort_by_key(|blob| blob.digest);
    blobs.dedup();
    blobs
}

/// What `doctor` says about a home.
pub fn findings(dir: &Path) -> Vec<Finding> {
    let places = Places::in_home(dir);
    match home::open_store(dir) {
        Ok(store) => doctor::check(&*store, &places, &named(&*store)),
        Err(_) => doctor::check_home(&places, &[]),
    }
}

/// What `doctor --repair` does to a home.
pub fn repair(dir: &Path) -> Result<(), store::Error> {
    let places = Places::in_home(dir);
    home::patient(|| doctor::repair_files(&places))?;
    let store = home::open_store(dir)?;
    let epoch = store.take_over()?;
    let archive = home::archive(dir, store.clone());
    let rebuild =
        |id: &ProjectId| -> Option<Summary> { Some(archive.replay(id, Seq(u64::MAX)).ok()?.project.summary()) };
    doctor::repair(&*store, epoch, &places, rebuild).map(drop)
}

/// Opens a home that may be damaged: what verifies of each project is a prefix of what was written; `whole` are their
/// lengths before the damage. Gives back the projects that are shorter now.
pub fn prefixes(archive: &Archive, whole: &[(ProjectId, usize)]) -> Result<Vec<ProjectId>, String> {
    let mut short = Vec::new();
    for (id, records) in whole {
        let found = reader::verify(&**archive.store(), id).records;
        match found.cmp(&(*records as u64)) {
            Ordering::Less => short.push(id.clone()),
            Ordering::Equal => {}
            Ordering::Greater => return Err(format!("{id} has {found} records, {records} were written")),
        }
    }
    Ok(short)
}

/// Records that are gone are named by `doctor`, where a snapshot or the records themselves know of them: a project without
/// snapshots that was cut at a commit looks like one that was never longer.
pub fn check_named(dir: &Path, short: &[ProjectId], what: &str) {
    let findings = findings(dir);
    for id in short.iter().filter(|id| id.as_str() != "c") {
        let named = findings.iter().any(|finding| finding.place == id.as_str() && finding.severity == Severity::Error);
        assert!(named, "{what}: {id} is shorter, and doctor says {findings:#?}");
    }
}

/// The histories of a home.
pub fn histories(archive: &Archive) -> Vec<(ProjectId, usize)> {
    let length = |id: &ProjectId| checker::history(&**archive.store(), id).expect("whole").len();
    projects().iter().map(|id| (id.clone(), length(id))).collect()
}

/// Runs what is left of a home to its end: projects whose records are whole end well, whatever became of the others. A new
/// project comes first: it writes the blobs it shares with the others again, should they be damaged.
pub fn goes_on(dir: &Path, expected: &Ending) {
    let definition = workload::everything("1s");
    let store = home::open_store(dir).expect("a repaired home opens");
    for id in projects() {
        match home::archive(dir, store.clone()).load(&id) {
            Ok(_) | Err(Error::UnknownProject(_) | Error::Damaged { .. }) => {}
            Err(error) => panic!("{id}: {error}"),
        }
    }
    let fresh = ProjectId::new("fresh").expect("valid");
    assert_eq!(images::run(dir, store, &definition, &fresh, false), *expected, "a new project");
    for id in projects() {
        let store = home::open_store(dir).expect("a repaired home opens");
        let known = store.summary(&id).expect("a repaired home answers").is_some();
        if known && !status(&store, &id).is_terminal() {
            let executed = workload::executions_file(dir);
            // What ran after the records that are left is no longer accounted for.
            fs::remove_file(executed).unwrap_or_default();
            let archive = home::archive(dir, store);
            let steps = images::counted_steps(dir, &archive);
            let now = START.plus(1_000_000);
            let mut driver = Driver::new(archive.clone(), now, 3, steps).expect("a store to own");
            driver.begin(start_of(&definition, &id)).expect("accepted");
            driver.run(&id).expect("a store that answers");
            assert_eq!(ending(&archive, &id), *expected, "{id}");
        } else if known {
            assert_eq!(ending(&home::archive(dir, store), &id), *expected, "{id}");
        }
    }
}

fn status(store: &Arc<SledStore>, id: &ProjectId) -> wfctl::domain::machine::ProjectStatus {
    store.summary(id).expect("readable").expect("known").status
}

/// Files of the store, the blobs and the snapshots, with their length.
pub fn files(dir: &Path) -> Vec<(PathBuf, u64)> {
    let mut found = Vec::new();
    let mut open = vec![dir.to_owned()];
    while let Some(next) = open.pop() {
        for entry in fs::read_dir(&next).expect("a readable folder").flatten() {
            let metadata = entry.metadata().expect("a readable entry");
            match metadata.is_dir() {
                true => open.push(entry.path()),
                false => found.push((entry.path(), metadata.len())),
            }
        }
    }
    found.sort();
    found
}

/// Damages one file at random; says which and how.
pub fn harm(dir: &Path, chance: &mut Chance) -> String {
    let mut targets = files(dir);
    targets.retain(|(path, bytes)| *bytes > 0 && !path.ends_with("executions") && !path.ends_with("lock"));
    let is_log = |path: &Path| path.ends_with("sled/db");
    // The log is where the records are: half of all damage hits it.
    let log = targets.iter().position(|(path, _)| is_log(path)).expect("a home has a log");
    let at = if chance.below(2) == 0 { log } else { chance.below(targets.len() as u64) as usize };
    let (path, length) = targets.swap_remove(at);
    let mut bytes = fs::read(&path).expect("a readable file");
    let place = chance.below(length) as usize;
    let how = match chance.below(5) {
        0 => {
            bytes.truncate(place);
            format!("cut to {place}")
        }
        1 => {
            bytes[place] ^= 1 << chance.below(8);
            format!("flipped at {place}")
        }
        2 => {
            let end = (place + 4096).min(bytes.len());
            bytes[place..end].fill(0);
            format!("zeroed at {place}")
        }
        3 if !is_log(&path) => {
            bytes.clear();
            "emptied".to_owned()
        }
        _ if !is_log(&path) => {
            fs::remove_file(&path).expect("a removable file");
            return format!("{} lost", path.display());
        }
        _ => {
            let end = bytes.len() / 2;
            bytes.truncate(end);
            "cut in half".to_owned()
        }
    };
    fs::write(&path, bytes).expect("a writable file");
    format!("{} of {length} bytes {how}", path.display())
}

/// Copies the records of a home into a new store, and nothing that is derived from them.
pub fn copy_frames(from: &Archive, to: &Path) {
    let store = home::open_store(to).expect("a store that opens");
    let epoch = store.take_over().expect("owned");
    for id in projects() {
        for frame in from.store().frames(&id, Seq(1), usize::MAX).expect("readable") {
            let last = chain::head_after(&id, &frame).expect("whole").seq;
            store.commit(epoch, &[Append { project: id.clone(), frame, last, summary: None }]).expect("accepted");
        }
    }
}
