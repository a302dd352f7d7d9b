//! Crash rigs: images at every sync point, `kill -9` at random moments, two engines on one home, real graphs, damaged homes.
//! Every rig has a test that plants a bug and sees it caught. Seeds and counts come from the environment:
//! `WFCTL_CRASH_SEED`, `WFCTL_CRASH_KILLS`, `WFCTL_DAGS`.

mod crash_support {
    pub mod chance;
    pub mod checker;
    pub mod child;
    pub mod dags;
    pub mod driver;
    pub mod home;
    pub mod images;
    pub mod kills;
    pub mod workload;
}

use std::sync::Arc;

use crash_support::chance::{self, Chance};
use crash_support::{checker, child, driver, home, images, kills, workload};
use wfctl::domain::ids::ProjectId;
use wfctl::journal::sled_store::SledStore;

fn id(text: &str) -> ProjectId {
    ProjectId::new(text).expect("a fixed, valid id")
}

fn temporary() -> tempfile::TempDir {
    tempfile::tempdir().expect("a temporary folder")
}

/// Fault scenarios 1, 2, 4.
#[test]
fn an_image_at_every_sync_point_comes_to_the_same_end() {
    let root = temporary();
    let (definition, id) = (workload::everything("1s"), id("p"));
    let (expected, images) = images::take(root.path(), &definition, &id);
    assert!(images.len() > 40, "only {} sync points", images.len());
    for (at, image) in (0u64..).zip(&images) {
        images::check(image, &definition, &id, &expected, if at % 4 == 0 { at / 4 % 4 } else { 0 });
    }
}

/// Not a test: the engine that the other tests start, stop and kill.
#[test]
fn the_child_of_the_rigs() {
    child::run_if_told();
}

/// Fault scenarios 2, 3, 4, 15.
#[test]
#[expect(clippy::print_stderr, reason = "how many kills there were, and where, belongs to the result")]
fn killed_at_random_moments_it_loses_nothing_and_repeats_nothing() {
    let seed = chance::seed("kills", 0xC0FFEE);
    let mut chance = Chance::new(seed);
    let kills = chance::number("WFCTL_CRASH_KILLS", 25);
    let (mut done, mut opening, mut recovering, mut homes) = (0, 0, 0, 0);
    while done < kills {
        let home = temporary();
        let most = 3 + chance.below(10);
        let seen = kills::run(home.path(), "everything", &mut chance, most.min(kills - done));
        kills::check_end(home.path(), "everything", &seen);
        done += seen.kills;
        opening += seen.while_opening;
        recovering += seen.while_recovering;
        homes += 1;
    }
    eprintln!("kills: {done} on {homes} homes, {opening} while opening, {recovering} while recovering");
}
