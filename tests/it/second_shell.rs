//! More than one process in a home.

use crate::rig::{Done, Rig, until};

const ASKS: &str = "name: w
tasks:
  ask: {approval: {ask: 'Go?'}}
  done: {needs: [ask], run: echo x >> done}
";

#[test]
fn a_second_shell_approves_while_the_first_runs() {
    let rig = Rig::new();
    rig.write("w.yaml", ASKS);
    let child = rig.spawn(&["run", "w.yaml", "--id", "p"]);
    until("it asks", || rig.wfctl(&["why", "p"]).out.contains("wfctl approve p ask"));
    let approved = rig.wfctl(&["approve", "p"]);
    assert_eq!(approved.err, "approved: p\n");
    assert_eq!(Done::from(child.wait_with_output().unwrap()).code, Some(0));
    assert_eq!(rig.wfctl(&["approve", "p"]).code, Some(6));
}

#[test]
fn fault_09_two_resumes_at_once_run_everything_once() {
    let rig = Rig::new();
    rig.write("w.yaml", ASKS);
    assert_eq!(rig.wfctl(&["run", "--detach", "w.yaml", "--id", "p"]).out, "p\n");
    let both = [rig.spawn(&["resume", "p"]), rig.spawn(&["resume", "p"])];
    until("it asks", || rig.wfctl(&["why", "p"]).out.contains("wfctl approve p ask"));
    assert_eq!(rig.wfctl(&["approve", "p"]).code, Some(0));
    for child in both {
        let ended = Done::from(child.wait_with_output().unwrap());
        assert!(matches!(ended.code, Some(0 | 6)), "{}", ended.err);
    }
    assert_eq!(rig.read("done"), "x\n");
}
