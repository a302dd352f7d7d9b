//! Killed, stopped, interrupted: what was done stays done, and what is left goes on.

use rustix::process::Signal;

use crate::rig::{Done, Rig, signal, until};

/// `b` runs until the file `go` is there.
const WORKFLOW: &str = "name: w
tasks:
  a: {run: echo a >> done}
  b: {needs: [a], run: 'while ! test -e go; do sleep 0.05; done; echo b >> done'}
  c: {needs: [b], run: echo c >> done}
";

fn started(rig: &Rig) -> std::process::Child {
    rig.write("w.yaml", WORKFLOW);
    let child = rig.spawn(&["run", "w.yaml", "--id", "p"]);
    // A task is finished when its record is durable, a moment after its command is.
    until("the second task runs", || {
        rig.wfctl(&["events", "p", "--task", "b", "--kind", "StepStarted"]).out.lines().count() == 1
    });
    child
}

#[test]
fn killed_and_resumed_every_task_runs_once() {
    let rig = Rig::new();
    let mut child = started(&rig);
    child.kill().unwrap();
    child.wait().unwrap();
    let resumed = rig.spawn(&["resume", "p"]);
    // Not before: what the dead engine left running would see the file too, and end by itself.
    until("the second task runs again", || {
        rig.wfctl(&["events", "p", "--task", "b", "--kind", "StepStarted"]).out.lines().count() == 2
    });
    rig.write("go", "");
    let resumed = Done::from(resumed.wait_with_output().unwrap());
    assert_eq!(resumed.code, Some(0), "{}", resumed.err);
    assert_eq!(rig.read("done"), "a\nb\nc\n");
    assert_eq!(rig.wfctl(&["audit", "verify", "p"]).code, Some(0));
}

#[test]
fn a_stopped_engine_is_named_and_not_waited_for_forever() {
    let rig = Rig::new();
    let child = started(&rig);
    signal(&child, Signal::STOP);
    let refused = rig.wfctl(&["resume", "p"]);
    signal(&child, Signal::CONT);
    assert_eq!(refused.code, Some(7));
    assert!(refused.err.contains("WF0021") && refused.err.contains(&format!("pid {}", child.id())), "{}", refused.err);
    rig.write("go", "");
    assert_eq!(Done::from(child.wait_with_output().unwrap()).code, Some(0));
}

#[test]
fn an_interrupt_stops_in_order_and_tells_how_to_go_on() {
    let rig = Rig::new();
    let child = started(&rig);
    signal(&child, Signal::INT);
    let stopped = Done::from(child.wait_with_output().unwrap());
    assert_eq!(stopped.code, Some(130), "{}", stopped.err);
    assert!(stopped.err.ends_with("interrupted; go on with: wfctl resume p\n"), "{}", stopped.err);
    rig.write("go", "");
    assert_eq!(rig.wfctl(&["resume", "p"]).code, Some(0));
    assert_eq!(rig.read("done"), "a\nb\nc\n");
}

/// Whoever gives a home back closes its store a moment after the lock; the next one waits for that.
#[test]
fn a_store_that_is_still_being_closed_is_waited_for() {
    let rig = Rig::new();
    rig.write("w.yaml", "name: w\ntasks: {a: {run: echo x}}\n");
    assert_eq!(rig.wfctl(&["run", "w.yaml", "--id", "p"]).code, Some(0));
    let home = rig.folder().join("home");
    let lock = std::fs::File::open(home.join("store/lock")).unwrap();
    rustix::fs::flock(&lock, rustix::fs::FlockOperation::LockExclusive).unwrap();
    let child = rig.spawn(&["show", "p"]);
    let pid = format!("\"pid\":{},", child.id());
    until("it has the home's lock", || std::fs::read_to_string(home.join("lock")).unwrap_or_default().contains(&pid));
    drop(lock);
    let shown = Done::from(child.wait_with_output().unwrap());
    assert_eq!(shown.code, Some(0), "{}", shown.err);
}

/// Fault scenario 28, with a real shell: each bad output ends its step with one clear failure, and a later command still works.
#[test]
fn fault_28_output_that_cannot_be_used_is_one_clear_failure() {
    let rig = Rig::new();
    rig.write(
        "w.yaml",
        r"name: w
retry: {max_attempts: 1, on_exhausted: continue}
tasks:
  large: {run: 'head -c 1500000 /dev/zero | tr ''\000'' 1', output: json}
  broken: {run: 'echo ''{''', output: json}
  nulls: {run: 'printf ''\000''', output: json}
  not_utf8: {run: 'printf ''\377\376'' ', output: json}
  raw: {run: 'printf ''a\000\377b'' '}
  after: {needs: [large, broken, nulls, not_utf8, raw], run: 'echo done > done'}
",
    );
    let run = rig.wfctl(&["run", "w.yaml", "--id", "p"]);
    assert_eq!(run.code, Some(0), "{}", run.err);
    assert_eq!(rig.read("done"), "done\n");
    let failed = rig.wfctl(&["events", "p", "--kind", "TaskFailed"]).out;
    assert_eq!(failed.lines().count(), 4, "{failed}");
    for (task, class) in
        [("large", "oversized"), ("broken", "malformed"), ("nulls", "malformed"), ("not_utf8", "malformed")]
    {
        let line = failed.lines().find(|line| line.contains(task)).unwrap_or_default();
        assert!(line.contains(class), "{task}: {line}");
    }
    assert_eq!(rig.wfctl(&["audit", "verify", "p"]).code, Some(0));
}
