//! `hierarchical`: areas, planners below planners, workers, a judge, three cycles.

use super::{Team, moments};

pub const SCRIPT: &str = "hierarchical.yaml";

pub fn start(team: &Team) -> Vec<String> {
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
    let told = team.wfctl(&["events", "p", "--task", "team[index]#2", "--kind", "TaskBackoff"]).out;
    assert!(told.contains("is not in its planner's scope (index.txt)"), "{told}");
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

#[cfg(feature = "sqlite")]
#[test]
fn a_run_can_be_asked_in_sql() {
    let team = Team::new(SCRIPT);
    assert_eq!(team.wfctl(&start(&team)).code, Some(0));
    let done = team.wfctl(&["export", "p", "--sqlite", "run.db"]);
    assert_eq!(done.code, Some(0), "{}", done.err);
    let again = team.wfctl(&["export", "p", "--sqlite", "run.db"]);
    assert_eq!(again.code, Some(2), "nothing is overwritten: {}", again.err);
    let database = rusqlite::Connection::open(team.rig.path("run.db")).unwrap();
    let all = |query: &str| -> Vec<String> {
        let mut statement = database.prepare(query).unwrap();
        let rows = statement.query_map([], |row| row.get::<_, String>(0)).unwrap();
        rows.map(Result::unwrap).collect()
    };
    assert_eq!(
        all(
            "SELECT id || ' ' || priority || ' ' || created_by FROM tasks WHERE title IN ('Apple', 'Currant') ORDER BY id"
        ),
        ["team[fruit.apple] high team[fruit]", "team[fruit.berries.currant] medium team[fruit.berries]"]
    );
    assert_eq!(
        all(
            "SELECT planner_id || ' ' || coalesce(parent_planner, '-') || ' ' || tasks_created FROM planners WHERE domain = 'Berries'"
        ),
        [r#"team[fruit.berries] team[fruit] ["team[fruit.berries.currant]"]"#]
    );
    assert_eq!(
        all(
            "SELECT cycle_number || ' ' || tasks_completed || ' ' || continue_next_cycle || ' ' || judge_reasoning FROM cycles ORDER BY 1"
        ),
        [
            "1 4 1 the judge says no: The beet is missing, and there is no index.",
            "2 2 1 the judge says no: The index misses the beet.",
            "3 3 0 the goal is reached"
        ]
    );
}
