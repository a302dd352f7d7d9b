//! `self-driving`: a tree of planners three levels deep, twelve workers, one of whom fails for good.

use super::{Team, moments};

pub const SCRIPT: &str = "self-driving.yaml";
/// What the workers write, in `notes/`.
const NOTES: [&str; 11] = [
    "digits.1",
    "digits.2",
    "digits.3",
    "digits.4",
    "index",
    "letters.b",
    "letters.c",
    "letters.d",
    "letters.vowels.a",
    "letters.vowels.e",
    "title",
];

pub fn start(team: &Team) -> Vec<String> {
    team.start("self-driving", &["instructions=Notes.", "into=release", "workers=12", "refresh=2"])
}

fn whole(team: &Team) {
    let landed = team.landed();
    for note in NOTES {
        let name = note.rsplit('.').next().unwrap();
        let file = landed.get(&format!("notes/{note}.txt"));
        assert!(file.is_some_and(|text| text.ends_with(name)), "{note}: {file:?} of {:?}", landed.keys());
    }
    assert_eq!(landed.keys().filter(|name| name.starts_with("notes/")).count(), NOTES.len() + 1);
    let tasks = team.tasks();
    assert_eq!(tasks["tree[root.digits.never]"], "FAILED");
    assert_eq!(tasks["land"], "COMPLETED");
    assert!(!tasks.keys().any(|name| name.contains("umlauts")), "a planner at the last level hands on no scope");
    let of = |start: &str| tasks.keys().filter(|name| name.starts_with(start)).count();
    // Letters hand up when their own workers are done, and again when the vowels are.
    assert!(of("tree[root.from-digits-") == 1 && of("tree[root.from-letters-") >= 1, "{tasks:?}");
    assert_eq!(of("tree[root.letters.from-"), 1, "{tasks:?}");
    assert_eq!(of("tree[root.plan-2-"), 1, "{tasks:?}");
    assert_eq!(team.wfctl(&["audit", "verify", "p"]).code, Some(0));
}

#[test]
fn a_tree_of_planners_drives_itself_past_a_worker_that_fails() {
    let team = Team::new(SCRIPT);
    team.to_its_end(&start(&team));
    whole(&team);
    // What failed was handed up as such.
    let digits: Vec<String> =
        team.tasks().into_keys().filter(|name| name.starts_with("tree[root.digits.review-")).collect();
    let told = digits.iter().any(|name| {
        let said = team.wfctl(&["transcript", "p", name, "--full"]).out;
        said.contains("root.digits.never") && said.contains("FAILED")
    });
    assert!(told, "no review of {digits:?} was told of the worker that failed");
}

#[test]
fn in_cycles_a_planner_hears_of_all_its_workers_at_once() {
    let team = Team::new(SCRIPT);
    let mut words = start(&team);
    words.extend(["-i".to_owned(), "cadence=cycle".to_owned()]);
    team.to_its_end(&words);
    let landed = team.landed();
    assert!(NOTES.iter().all(|note| landed.contains_key(&format!("notes/{note}.txt"))), "{:?}", landed.keys());
    let reviews = team.tasks().into_keys().filter(|name| name.starts_with("tree[root.digits.review-")).count();
    assert_eq!(reviews, 1, "one inbox for all five");
}

#[test]
fn a_tree_of_eight_levels_with_the_longest_names_comes_to_its_end() {
    let team = Team::new("deep.yaml");
    team.to_its_end(&team.start("self-driving", &["instructions=Notes.", "into=release", "workers=4", "depth=8"]));
    let written = team.landed().into_values().filter(|text| text == "written").count();
    let tasks = team.tasks();
    assert_eq!(written, 8, "a note at each level: {tasks:?}");
    assert!(tasks.values().all(|status| status == "COMPLETED" || status == "SKIPPED"), "{tasks:?}");
    // Below the third level names are shortened in their middle, and stay different.
    let notes = |shortened: bool| {
        let of = |name: &&String| name.contains(".note-that-") || name.contains("root.note-that-");
        tasks.keys().filter(of).filter(|name| name.contains(".-") == shortened).count()
    };
    assert_eq!((notes(false), notes(true)), (3, 5), "{tasks:?}");
    assert_eq!(team.wfctl(&["audit", "verify", "p"]).code, Some(0));
}

#[test]
fn killed_at_any_moment_the_tree_ends_in_the_same_files() {
    let undisturbed = Team::new(SCRIPT);
    undisturbed.to_its_end(&start(&undisturbed));
    for moments in moments(undisturbed.records()) {
        let killed = Team::killed(SCRIPT, start, moments.clone());
        assert_eq!(killed.landed(), undisturbed.landed(), "killed at records {moments:?}");
        whole(&killed);
    }
}
