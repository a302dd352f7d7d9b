//! Each team killed at random moments and resumed: it comes to the same files as without.

use std::time::{Duration, Instant};

use wfctl::domain::retry::split_mix;

use super::crew::{Crew, ID, has_python};
use super::{autonomous_app, contract_first, kills_or, sdlc, strategy};

/// Kills of each team where nobody says otherwise.
const KILLS: usize = 4;
const POLL: Duration = Duration::from_millis(15);
const PATIENCE: Duration = Duration::from_secs(240);

/// Runs a team to its end and kills it on the way, each time after so many further records.
#[expect(clippy::disallowed_methods, reason = "a bound on waiting for another process")]
fn killed(team: &Crew, records: usize, kills: usize) {
    let start = Instant::now();
    let mut running = team.begin();
    let mut marks: Vec<usize> = (0..kills).map(|kill| 1 + split_mix(kill as u64) as usize % records).collect();
    marks.sort_unstable();
    for mark in marks {
        while team.records() < mark && running.try_wait().unwrap().is_none() {
            for (task, _) in team.questions() {
                team.rig.wfctl(&["approve", ID, &task]);
            }
            assert!(start.elapsed() < PATIENCE, "it never had {mark} records: {}", team.why());
            std::thread::sleep(POLL);
        }
        running.kill().unwrap();
        running.wait().unwrap();
        running = team.rig.spawn(&["resume", ID]);
    }
    let mut done = team.finish(running, |_, _| "approve");
    while done.code != Some(0) {
        let shown = team.rig.wfctl(&["show", ID]).out;
        if shown.contains("DONE") {
            break;
        }
        assert!(start.elapsed() < PATIENCE, "{} {}: {}", done.err, done.out, team.why());
        done = team.finish(team.rig.spawn(&["resume", ID]), |_, _| "approve");
    }
}

fn ends_the_same(team: impl Fn() -> Crew) {
    let undisturbed = team();
    let done = undisturbed.run();
    assert_eq!(done.code, Some(0), "{}", done.err);
    let other = team();
    killed(&other, undisturbed.records(), kills_or(KILLS));
    assert_eq!(other.files(), undisturbed.files());
    other.is_tidy();
}

#[test]
fn contract_first_killed_again_and_again_makes_the_same_files() {
    ends_the_same(contract_first::team);
}

#[test]
fn sdlc_killed_again_and_again_makes_the_same_files() {
    ends_the_same(sdlc::team);
}

#[test]
fn strategy_killed_again_and_again_makes_the_same_files() {
    if has_python() {
        ends_the_same(strategy::team);
    }
}

#[test]
fn autonomous_app_killed_again_and_again_makes_the_same_files() {
    if has_python() {
        ends_the_same(autonomous_app::team);
    }
}
