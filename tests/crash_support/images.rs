//! A crash image at every sync point: the home's files as they are right before and right after each commit. Each image is
//! opened, verified, resumed and run to its end, which must be the end of the run that was never interrupted.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use wfctl::domain::ids::{Epoch, ProjectId, Seq};
use wfctl::domain::project::SNAPSHOT_FORMAT;
use wfctl::domain::time::Millis;
use wfctl::domain::workflow::Definition;
use wfctl::engine::archive::Archive;
use wfctl::journal::reader;
use wfctl::journal::store::Store;

use super::checker;
use super::driver::{Driver, Ending, ending};
use super::home::{self, Hooked};
use super::workload::{execute, executions, outcome_of, start_of};

/// The moment every run starts at.
pub const START: Millis = Millis(1_700_000_000_000);

/// A home as a crash would have left it.
#[derive(Debug, Clone)]
pub struct Image {
    /// Where it is.
    pub dir: PathBuf,
    /// The last acknowledged record of each project.
    pub acknowledged: HashMap<ProjectId, Seq>,
}

/// Steps that are counted in `home` and take a few milliseconds.
pub fn counted_steps(home: &Path, archive: &Archive) -> super::driver::Steps<'static> {
    let (home, vault) = (home.to_owned(), archive.vault().clone());
    Box::new(move |order, epoch, now| {
        execute(&home, order, epoch, now.0);
        // All different, so that outcomes come one by one and every one has a commit of its own.
        (outcome_of(order, &*vault), 10 + 7 * u64::from(order.task.0) + u64::from(order.step.0))
    })
}

/// The moment of the last record in a home: where time goes on after a crash.
fn last_moment(archive: &Archive, id: &ProjectId) -> Millis {
    checker::history(&**archive.store(), id).expect("whole").last().map_or(START, |record| record.at)
}

/// Runs `definition` to its end in the home `dir`, which may be an image. With `snapshots`, every turn is followed by one.
pub fn run(dir: &Path, store: Arc<dyn Store>, definition: &Arc<Definition>, id: &ProjectId, snapshots: bool) -> Ending {
    let archive = home::archive(dir, store);
    let now = last_moment(&archive, id);
    let mut driver = Driver::new(archive.clone(), now, 3, counted_steps(dir, &archive)).expect("a store to own");
    driver.begin(start_of(definition, id)).expect("accepted");
    while driver.step(id).expect("a store that answers") {
        if snapshots {
            let loaded = archive.replay(id, Seq(u64::MAX)).expect("whole");
            let state = loaded.project.to_snapshot();
            let cache = archive.snapshots().expect("a home keeps snapshots");
            cache.save(id, loaded.head.seq, loaded.head.hash, SNAPSHOT_FORMAT, state);
        }
    }
    let found = checker::history(&*archive.store().clone(), id).expect("a whole chain");
    let problems = checker::problems(id, &found, definition, &executions(dir));
    assert!(problems.is_empty(), "{}: {problems:#?}", dir.display());
    ending(&archive, id)
}

/// Runs once, uninterrupted, taking an image before and after every commit.
pub fn take(root: &Path, definition: &Arc<Definition>, id: &ProjectId) -> (Ending, Vec<Image>) {
    let (live, images) = (root.join("live"), Arc::new(Mutex::new(Vec::<Image>::new())));
    let inner = home::open_store(&live).expect("a store that opens");
    let (taken, home, to) = (images.clone(), live.clone(), root.join("images"));
    let store = Hooked::new(inner, move |store, epoch, appends| {
        let mut taken = taken.lock().expect("one thread");
        let mut acknowledged = taken.last().map(|image| image.acknowledged.clone()).unwrap_or_default();
        let mut image = |acknowledged: &HashMap<ProjectId, Seq>| {
            let dir = to.join(taken.len().to_string());
            home::copy(&home, &dir);
            taken.push(Image { dir, acknowledged: acknowledged.clone() });
        };
        image(&acknowledged);
        store.commit(epoch, appends)?;
        acknowledged.extend(appends.iter().map(|append| (append.project.clone(), append.last)));
        image(&acknowledged);
        Ok(())
    });
    let ending = run(&live, Arc::new(store), definition, id, true);
    let images = images.lock().expect("one thread").clone();
    (ending, images)
}

/// What an image holds less than was acknowledged, if anything.
pub fn lost(image: &Image, store: &dyn Store) -> Vec<String> {
    let mut lost = Vec::new();
    for (project, seq) in &image.acknowledged {
        let report = reader::verify(store, project);
        if report.first_bad.is_some() || report.head.seq < *seq {
            lost.push(format!("{project}: record {seq} was acknowledged, {report:?}"));
        }
    }
    lost
}

/// Opens an image, finds everything acknowledged, and runs it to its end; `again` crashes it once more after so many turns.
pub fn check(image: &Image, definition: &Arc<Definition>, id: &ProjectId, expected: &Ending, again: u64) {
    let mut dir = image.dir.clone();
    let store = home::open_store(&dir).expect("an image opens");
    let lost = lost(image, &*store);
    assert!(lost.is_empty(), "{}: {lost:?}", dir.display());
    let mut store: Arc<dyn Store> = store;
    for crash in 0..again {
        let archive = home::archive(&dir, store);
        let now = last_moment(&archive, id);
        let steps = counted_steps(&dir, &archive);
        let mut driver = Driver::new(archive, now, 3, steps).expect("a store to own");
        driver.begin(start_of(definition, id)).or_else(terminal).expect("accepted");
        for _ in 0..crash {
            driver.step(id).expect("a store that answers");
        }
        let next = dir.with_extension(format!("again-{crash}"));
        home::copy(&dir, &next);
        drop(driver);
        store = home::open_store(&next).expect("an image opens");
        dir = next;
    }
    let epoch = store.epoch().expect("an epoch");
    let found = run(&dir, store.clone(), definition, id, false);
    assert_eq!(found, *expected, "{}", dir.display());
    assert!(store.epoch().expect("an epoch") > epoch || epoch == Epoch(0), "epochs grow");
}

/// An image after the last commit is of a finished project.
fn terminal(error: wfctl::engine::Error) -> Result<(), wfctl::engine::Error> {
    match error {
        wfctl::engine::Error::Refused(_) => Ok(()),
        error => Err(error),
    }
}
