//! Crash rigs: images at every sync point, `kill -9` at random moments, two engines on one home, real graphs, damaged homes.
//! Every rig has a test that plants a bug and sees it caught. Seeds and counts come from the environment:
//! `WFCTL_CRASH_SEED`, `WFCTL_CRASH_KILLS`, `WFCTL_DAGS`.

mod crash_support {
    pub mod chance;
    pub mod checker;
    pub mod child;
    pub mod dags;
    pub mod damage;
    pub mod driver;
    pub mod full;
    pub mod home;
    pub mod images;
    pub mod kills;
    pub mod owners;
    pub mod planted;
    pub mod workload;
}

use crash_support::chance::{self, Chance};
use crash_support::{checker, child, dags, damage, full, home, images, kills, owners, planted, workload};
use wfctl::domain::ids::ProjectId;

fn id(text: &str) -> ProjectId {
    ProjectId::new(text).expect("a fixed, valid id")
}

fn temporary() -> tempfile::TempDir {
    tempfile::tempdir().expect("a temporary folder")
}

/// Fault scenarios 1, 2, 4.
#[test]
fn fault_01_an_image_at_every_sync_point_comes_to_the_same_end() {
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
fn fault_02_killed_at_random_moments_it_loses_nothing_and_repeats_nothing() {
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

/// Every task once, never before its parents, and as long as the longest way through the graph.
#[test]
fn real_graphs_take_as_long_as_their_critical_path() {
    let Some(files) = dags::files("real_graphs_take_as_long_as_their_critical_path") else { return };
    for file in files {
        let graph = dags::Graph::read(&file);
        let ran = dags::run_in_memory(&graph);
        assert!(ran.problems.is_empty(), "{}: {:#?}", file.display(), ran.problems);
        assert_eq!(ran.makespan_ms, graph.critical_path_ms(), "{}", file.display());
    }
}

/// Fault scenarios 2, 4, on real work.
#[test]
fn real_graphs_crashed_at_random_turns_complete_every_task_once() {
    let Some(files) = dags::files("real_graphs_crashed_at_random_turns_complete_every_task_once") else { return };
    let mut chance = Chance::new(chance::seed("graphs", 0xDA65));
    for file in files {
        let graph = dags::Graph::read(&file);
        let problems = dags::run_with_crashes(&graph, &mut chance, 3);
        assert!(problems.is_empty(), "{}: {problems:#?}", file.display());
    }
}

/// Fault scenarios 2, 3, 4, on real work.
#[test]
fn fault_04_real_graphs_killed_at_random_moments_complete_every_task_once() {
    let Some(files) = dags::files("fault_04_real_graphs_killed_at_random_moments_complete_every_task_once") else {
        return;
    };
    let mut chance = Chance::new(chance::seed("killed graphs", 0x9A9));
    for _ in 0..3 {
        let file = &files[chance.below(files.len() as u64) as usize];
        let home = temporary();
        let what = file.to_string_lossy();
        let seen = kills::run(home.path(), &what, &mut chance, 5);
        kills::check_end(home.path(), &what, &seen);
    }
}

/// Fault scenario 9.
#[test]
fn fault_09_a_stopped_engine_still_holds_its_home_and_goes_on() {
    owners::stopped_owner(&temporary().path().join("home"));
}

/// Fault scenario 9: somebody "helps" by deleting the lock.
#[test]
fn fault_09_deleting_the_lock_file_does_not_let_a_second_engine_in() {
    owners::stopped_owner_without_its_lock(&temporary().path().join("home"));
}

/// Fault scenario 9: a stopped engine wakes up after another one has taken over.
#[test]
fn fault_09_a_stale_engine_is_fenced() {
    owners::stale_owner(&temporary().path().join("home"));
    owners::fenced_core(&temporary().path().join("home"));
}

/// Fault scenarios 9, 31.
#[test]
fn fault_31_two_copies_of_a_home_run_at_once() {
    let root = temporary();
    owners::two_copies(&root.path().join("home"));
}

/// Fault scenario 31.
#[test]
fn fault_31_backups_taken_while_it_runs_are_consistent() {
    let root = temporary();
    owners::copies_of_a_running_home(&root.path().join("home"), 8);
}

/// Fault scenario 5: every file cut short, flipped, zeroed, emptied or lost.
#[test]
fn fault_05_a_damaged_home_gives_an_error_or_a_prefix_and_repair_lets_the_rest_go_on() {
    let root = temporary();
    let whole = root.path().join("whole");
    let endings = damage::make(&whole);
    let histories = damage::histories(&home::open(&whole).expect("whole"));
    let mut chance = Chance::new(chance::seed("damage", 0xDA3A6E));
    for trial in 0..chance::number("WFCTL_CRASH_DAMAGES", 40) {
        let dir = root.path().join(trial.to_string());
        home::copy(&whole, &dir);
        let what = damage::harm(&dir, &mut chance);
        match home::open(&dir) {
            Ok(archive) => {
                let short = damage::prefixes(&archive, &histories).expect(&what);
                drop(archive);
                damage::check_named(&dir, &short, &what);
            }
            Err(error) => assert!(error.to_string().contains("doctor"), "{what}: {error}"),
        }
        damage::repair(&dir).unwrap_or_else(|error| panic!("{what}: {error}"));
        let left: Vec<_> = damage::findings(&dir).into_iter().filter(|finding| !finding.next.is_empty()).collect();
        assert!(left.is_empty(), "{what}: {left:#?}");
        damage::goes_on(&dir, &endings[0]);
        std::fs::remove_dir_all(&dir).expect("a removable copy");
    }
}

/// Fault scenario 7: the disk is full at any moment, and has space again later.
#[test]
fn fault_07_a_full_disk_stops_the_engine_with_its_own_error_and_loses_nothing() {
    const KIB: u64 = 1024;
    let (_, records, ..) = planted::run(false);
    assert!(!records.is_empty());
    let root = temporary();
    let store = home::open_store(root.path()).expect("a store that opens");
    let expected = images::run(root.path(), store, &workload::everything("1s"), &id("p"), false);
    let mut met = 0;
    for free in [0, 1, 4, 8, 16, 32, 64, 128, 256, 512, 600, 1024, 1100, 2048] {
        let Some(small) = full::Small::new(16 * KIB) else {
            eprintln!("SKIPPED a_full_disk: it needs the right to mount a file system");
            return;
        };
        met += u32::from(full::run(small.path(), free * KIB, &expected));
    }
    assert!(met >= 3, "the disk was full only {met} times");
}

/// Fault scenario 7: snapshots and summaries are derived, and come back identical.
#[test]
fn fault_07_derived_data_is_rebuilt_identically() {
    let root = temporary();
    let whole = root.path().join("whole");
    damage::make(&whole);
    let bare = root.path().join("bare");
    home::copy(&whole, &bare);
    std::fs::remove_dir_all(bare.join("snapshots")).expect("there are snapshots");
    std::fs::remove_dir_all(bare.join("store")).expect("there is a store");
    damage::copy_frames(&home::open(&whole).expect("whole"), &bare);
    let missing = damage::findings(&bare).iter().filter(|finding| finding.code == "summary-missing").count();
    assert_eq!(missing, damage::projects().len());
    damage::repair(&bare).expect("it can be repaired");
    let (whole, bare) = (home::open(&whole).expect("whole"), home::open(&bare).expect("repaired"));
    assert_eq!(whole.store().summaries().expect("readable"), bare.store().summaries().expect("readable"));
    for id in damage::projects() {
        let (with, without) = (whole.load(&id).expect("loads"), bare.load(&id).expect("loads"));
        assert!(with.project.to_snapshot() == without.project.to_snapshot(), "{id}");
        assert_eq!(with.head, without.head);
    }
}

#[test]
fn a_store_that_acknowledges_before_it_commits_is_caught() {
    let root = temporary();
    assert_eq!(planted::early_acknowledgement(root.path(), &id("p")).len(), 3);
}

#[test]
fn a_runner_that_runs_twice_is_caught() {
    let (id, records, mut executed, definition) = planted::run(true);
    let found = checker::problems(&id, &records, &definition, &executed);
    assert!(found.iter().any(|problem| problem.contains("ran twice in one engine's life")), "{found:#?}");
    assert!(found.iter().any(|problem| problem.contains("which must not run twice")), "{found:#?}");
    executed.dedup();
    assert_eq!(checker::problems(&id, &records, &definition, &executed), Vec::<String>::new());
    let again = workload::Execution { epoch: 9, ..executed[0].clone() };
    let found = checker::problems(&id, &records, &definition, &[executed, vec![again]].concat());
    assert!(found.iter().any(|problem| problem.contains("although its outcome was durable")), "{found:#?}");
}

#[test]
fn a_bent_history_is_caught() {
    assert!(planted::missing_frame(&id("p")).is_err());
    let (id, records, executed, definition) = planted::run(false);
    assert_eq!(checker::problems(&id, &records, &definition, &executed), Vec::<String>::new());
    for (expected, bent) in planted::bent(&records) {
        let found = checker::problems(&id, &bent, &definition, &executed);
        assert!(found.iter().any(|problem| problem.contains(expected)), "{expected}: {found:#?}");
    }
}

#[test]
fn an_acknowledgement_without_a_record_and_an_epoch_that_returns_are_caught() {
    let root = temporary();
    let mut seen = kills::run(root.path(), "everything", &mut Chance::new(1), 0);
    let archive = home::open(root.path()).expect("a home that opens");
    assert_eq!(kills::contradictions(&archive, root.path(), "everything", &seen), Vec::<String>::new());
    for line in ["started p7", "signalled p0 r99", "answered p0 77", "epoch 1"] {
        let mut more =
            kills::Seen { accepted: seen.accepted.clone(), epochs: seen.epochs.clone(), ..Default::default() };
        more.hear(line);
        assert_eq!(kills::contradictions(&archive, root.path(), "everything", &more).len(), 1, "{line}");
    }
    seen.accepted.clear();
}
