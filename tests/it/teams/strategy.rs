//! The 4-step template over price fixtures with known values.

use super::crew::{Crew, fixture, has_python};

/// The script of a run in which the first list is not the template and the first RSI is wrong.
pub fn team() -> Crew {
    let script = std::fs::read_to_string(fixture("transcripts/strategy.yaml")).unwrap();
    Crew::new(&script, Some("strategy"), "strategy", &["request=RSI below 65 with MACD above 0 enters."])
}

#[test]
fn a_branch_todo_repairs_an_rsi_that_is_not_the_known_one() {
    if !has_python() {
        return;
    }
    let team = team();
    let done = team.run();
    assert_eq!(done.code, Some(0), "{}\n{}", done.err, team.why());
    // Held against the fixtures once more, outside of the engine.
    team.rig.git("", &["clone", "-q", "-b", "release", "repo", "copy"]);
    team.rig.host("copy", "python3", &["-B", "fixtures/verify.py"]);
    team.rig.host("copy", "python3", &["-B", "-m", "unittest", "-q"]);
    // The branch was opened by the engine's own run of the acceptance command, and its parent was tested again.
    let log = team.rig.wfctl(&["events", "p", "--json"]).out;
    assert!(log.contains("rsi_3[4]: expected 61.538462, got 50.0"), "the debugger was told what was expected");
    assert_eq!(team.status("step[indicators.test].fix1"), "COMPLETED");
    assert_eq!(team.status("step[indicators.test].fix2"), "NOT THERE");
    assert_eq!(team.status("step[indicators.test]"), "COMPLETED");
    assert!(team.rig.wfctl(&["artifacts", "p"]).out.contains("diagnosis.json"));
    // Steps whose interface is nobody else's have no contract; a step that passes has nothing to escalate.
    assert_eq!(team.status("step[entry.contract]"), "SKIPPED");
    assert_eq!(team.status("step[indicators.escalation]"), "SKIPPED");
    let told = team.rig.wfctl(&["transcript", "p", "plan", "--full"]).out;
    assert!(
        told.contains("this is not the template"),
        "the planner was told what was wrong with its first list: {told}"
    );
    team.is_tidy();
}
