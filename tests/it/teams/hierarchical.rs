//! `hierarchical`: areas, planners below planners, workers, a judge, three cycles.

use super::{Team, moments};

const SCRIPT: &str = "hierarchical.yaml";

fn start(team: &Team) -> Vec<String> {
    team.start("hierarchical", &["goal=Notes.", "branch=release", "max_cycles=3"])
}

#[test]
fn the_judge_sends_it_back_twice_and_stops_on_evidence() {
    let team = Team::new(SCRIPT);
    let done = team.wfctl(&start(&team));
    assert_eq!(done.code, Some(0), "{}{}", done.out, done.err);
    let landed = team.landed();
    assert_eq!(landed["index.txt"], "apple\nbeet\ncarrot\ncurrant\npear");
    assert_eq!(landed["notes/roots/carrot.txt"], "carrot", "the checks sent it back");
    assert_eq!(landed.keys().filter(|name| name.starts_with("notes/")).count(), 6);
    let tasks = team.tasks();
    for name in ["team[fruit.berries.currant]", "team[beet.write]#2", "team[index.beet]#3"] {
        assert_eq!(tasks[name], "COMPLETED", "{tasks:?}");
    }
    // A plan in a circle and a judge without evidence are told what is wrong, and do better.
    let told = team.wfctl(&["transcript", "p", "team[roots]"]).out;
    assert!(told.contains("Two roots.") && told.contains("One root."), "{told}");
    let told = team.wfctl(&["transcript", "p", "judge", "--attempt", "3"]).out;
    assert!(told.contains("All there.") && told.contains("index.txt: five lines"), "{told}");
    assert_eq!(team.wfctl(&["audit", "verify", "p"]).code, Some(0));
}

#[test]
fn a_judge_who_is_not_satisfied_in_the_last_cycle_fails_the_project() {
    let team = Team::new(SCRIPT);
    let done = team.wfctl(&team.start("hierarchical", &["goal=Notes.", "branch=release", "max_cycles=2"]));
    assert_ne!(done.code, Some(0));
    assert!(done.err.contains("went back to planning 1 of 1 times"), "{}", done.err);
    assert_eq!(team.landed().keys().filter(|name| name.starts_with("notes/")).count(), 1, "nothing was landed");
}

#[test]
fn killed_at_any_moment_it_ends_in_the_same_files() {
    let whole = Team::new(SCRIPT);
    assert_eq!(whole.wfctl(&start(&whole)).code, Some(0));
    for moments in moments(whole.records()) {
        let killed = Team::killed(SCRIPT, start, moments.clone());
        assert_eq!(killed.landed(), whole.landed(), "killed at records {moments:?}");
        assert_eq!(killed.tasks(), whole.tasks(), "killed at records {moments:?}");
        assert_eq!(killed.wfctl(&["audit", "verify", "p"]).code, Some(0));
    }
}
