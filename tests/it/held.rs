//! Projects that do not go on by themselves: whoever follows them is told, and leaves.

use rustix::process::Pid;

use crate::rig::{Rig, until};

#[test]
fn a_parent_whose_child_is_held_is_told_as_held() {
    let rig = Rig::new();
    rig.write("kid.yaml", "name: kid\ntasks: {a: {run: 'false', retry: {max_attempts: 1}}}\n");
    rig.write("w.yaml", "name: w\ntasks: {c: {workflow: kid.yaml}}\n");
    let held = rig.wfctl(&["run", "w.yaml", "--id", "p"]);
    assert_eq!(held.code, Some(3), "{}", held.err);
    assert!(held.err.contains("held: child project p.0.1: "), "{}", held.err);
    assert!(held.err.contains("no retry is left for task a"), "{}", held.err);
}

#[test]
fn cancelling_a_project_of_a_killed_engine_ends_its_commands() {
    let rig = Rig::new();
    rig.write("w.yaml", "name: w\ntasks: {a: {run: 'echo $$ > pid; exec sleep 1000'}}\n");
    let mut engine = rig.spawn(&["run", "w.yaml", "--id", "p"]);
    until("it runs", || rig.read("pid").ends_with('\n'));
    engine.kill().unwrap();
    engine.wait().unwrap();
    let pid = Pid::from_raw(rig.read("pid").trim().parse().unwrap()).unwrap();
    let path = std::path::PathBuf::from(format!("/proc/{}/cmdline", pid.as_raw_nonzero()));
    let is_there = || std::fs::read(&path).is_ok_and(|line| line.starts_with(b"sleep"));
    assert!(is_there());
    let cancelled = rig.wfctl(&["cancel", "p"]);
    assert_eq!(cancelled.code, Some(0), "{}", cancelled.err);
    assert!(!is_there());
}
