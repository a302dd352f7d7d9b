//! What people do to a project under way: every verb once as meant, and as it is not meant.

use crate::rig::{Rig, until};

const ALL: &str = "name: all
tasks:
  made: {run: echo made >> log, undo: echo unmade >> log}
  sig: {wait: {signal: go}}
  ext: {external: {queue: q}}
  bad: {needs: [made], run: 'test -e fixed', retry: {max_attempts: 1}}
  ask: {needs: [made], approval: {ask: 'Gö on? 🚀'}}
  end: {needs: [sig, ext, bad, ask], run: echo end >> log}
";
const MORE: &str = "name: more\ntasks: {extra: {needs: [made], run: 'echo {{ tasks.made.status | sh }} >> log'}}\n";

impl Rig {
    /// The exit code and what was said on stderr.
    fn says(&self, arguments: &[&str]) -> (i32, String) {
        let done = self.wfctl(arguments);
        (done.code.unwrap(), done.err)
    }

    fn is_refused(&self, arguments: &[&str], exit: i32, with: &str) {
        let (code, err) = self.says(arguments);
        assert!(code == exit && err.contains(with), "{arguments:?}: {code}: {err}");
    }
}

#[test]
fn an_unused_home_stays_unused() {
    let rig = Rig::new();
    for verb in
        ["show", "why", "events", "logs", "pause", "cancel", "kill", "retry", "resume", "approve", "diff", "watch"]
    {
        rig.is_refused(&[verb, "p"], 5, "WF0004");
    }
    for verb in [&["list"][..], &["audit", "verify"], &["doctor"], &["gc"], &["resume", "--all"]] {
        assert_eq!(rig.wfctl(verb).code, Some(0), "{verb:?}");
    }
    assert!(!rig.folder().join("home").exists());
}

#[test]
fn a_held_project_is_worked_on_while_nobody_drives_it() {
    let rig = Rig::new();
    rig.write("all.yaml", ALL);
    rig.write("more.yaml", MORE);
    assert_eq!(rig.wfctl(&["run", "all.yaml", "--id", "p"]).code, Some(3));
    let undriven = "no engine drives it; go on with: wfctl resume p\n";
    assert_eq!(rig.says(&["signal", "p", "go", "--payload", "{\"ü\": 1}"]), (0, format!("received: p\n{undriven}")));
    rig.is_refused(&["signal", "p", ""], 2, "WF0015");
    rig.is_refused(&["signal", "p", "go", "--payload", "x"], 2, "WF0001");
    rig.is_refused(&["retry", "p", "asc"], 5, "did you mean \"ask\"?");
    rig.is_refused(&["retry", "p", "made"], 6, "`wfctl why p`");
    rig.is_refused(&["resume", "p", "--in-doubt", "done"], 6, "no task is in doubt");
    rig.is_refused(&["resume", "p", "--budget", "calls=x"], 2, "WF0001");

    let token = rig.wfctl(&["claim", "p", "ext"]).out.trim().to_owned();
    rig.is_refused(&["claim", "p", "ext"], 6, "taken by tester");
    rig.is_refused(&["heartbeat", "p", "ext", "--token", "1"], 6, "WF0013");
    assert_eq!(rig.wfctl(&["heartbeat", "p", "ext", "--token", &token]).code, Some(0));
    assert_eq!(rig.wfctl(&["answer", "p", "ext", "--token", &token, "--output", "7"]).code, Some(0));
    rig.is_refused(&["answer", "p", "ext", "--token", &token, "--output", "8"], 6, "WF00");

    assert_eq!(rig.says(&["add", "p", "more.yaml"]), (0, format!("1 task added: p\n{undriven}")));
    assert_eq!(rig.wfctl(&["add", "p", "more.yaml"]).code, Some(0), "the same once more is no more");
    rig.write("other.yaml", &MORE.replace("echo", "echo other"));
    rig.is_refused(&["add", "p", "other.yaml"], 2, "there is already a task");
    rig.write("more_than_tasks.yaml", &format!("{MORE}budget: {{calls: 3}}\n"));
    rig.is_refused(&["add", "p", "more_than_tasks.yaml"], 2, "WF0103");
    assert_eq!(rig.says(&["pause", "p"]).1, "paused: p\ngo on with: wfctl resume p\n");
    rig.is_refused(&["approve", "p", "made"], 2, "asks for no approval");
    assert_eq!(rig.wfctl(&["approve", "p"]).code, Some(0));
    rig.is_refused(&["reject", "p", "ask"], 6, "answered before");
    rig.write("fixed", "");
    assert_eq!(rig.wfctl(&["retry", "p"]).code, Some(0));
    assert_eq!(rig.wfctl(&["resume", "p"]).code, Some(0));
    let mut log: Vec<String> = rig.read("log").lines().map(str::to_owned).collect();
    log.sort();
    assert_eq!(log, ["COMPLETED", "end", "made"]);

    assert_eq!(rig.wfctl(&["diff", "p"]).err.split(' ').next(), Some("no"));
    rig.write("all.yaml", &ALL.replace("echo end", "echo END"));
    insta::assert_snapshot!(rig.wfctl(&["diff", "p"]).out, @r#"
    ~ task end
        ~ action.run: "echo end >> log" -> "echo END >> log"
    "#);
    let head = rig.wfctl(&["audit", "head", "p"]).out.trim().to_owned();
    assert_eq!(rig.wfctl(&["audit", "verify", "p", "--head", &head]).code, Some(0));
    rig.is_refused(&["audit", "verify", "p", "--head", &format!("3:{}", &head[head.len() - 64..])], 1, "WF0060");
    let records = rig.wfctl(&["audit", "export", "p"]).out;
    let last: serde_json::Value = serde_json::from_str(records.lines().last().unwrap()).unwrap();
    assert_eq!(head, format!("{}:{}", last["seq"], last["hash"].as_str().unwrap()));
    rig.is_refused(&["cancel", "p"], 6, "nothing to cancel");
    assert_eq!(rig.says(&["gc", "--older-than", "0s"]).1.split(" and").next(), Some("1 project"));
    rig.is_refused(&["show", "p"], 5, "WF0004");
    assert_eq!(rig.wfctl(&["doctor", "--repair"]).code, Some(0));
}

#[test]
fn a_live_project_is_stopped_from_another_shell() {
    let rig = Rig::new();
    rig.write("all.yaml", ALL);
    rig.write("fixed", "");
    for (id, verb, log) in [("a", "cancel", "made\nunmade\n"), ("b", "kill", "made\n")] {
        rig.write("log", "");
        assert_eq!(rig.wfctl(&["run", "all.yaml", "--id", id, "--detach"]).code, Some(0));
        until("it asks", || rig.wfctl(&["why", id]).out.contains("approve"));
        rig.is_refused(&["gc"], 7, "WF0020");
        let (code, err) = rig.says(&[verb, id]);
        assert!(code == 0 && err.contains("CANCELLED"), "{err}");
        assert_eq!(rig.read("log"), log);
        assert_eq!(rig.says(&[verb, id]), (0, format!("cancelled already: {id}\n")));
    }
}

#[test]
fn all_that_is_open_is_resumed_and_followed() {
    let rig = Rig::new();
    rig.write("w.yaml", "name: w\ntasks: {a: {run: test -e go, retry: {max_attempts: 1}}}\n");
    for id in ["one", "two"] {
        assert_eq!(rig.wfctl(&["run", "w.yaml", "--id", id]).code, Some(3));
    }
    rig.write("go", "");
    let resumed = rig.wfctl(&["resume", "--all"]);
    assert_eq!((resumed.code, resumed.out.as_str()), (Some(0), "one\ntwo\n"), "{}", resumed.err);
    assert!(["one DONE", "two DONE"].iter().all(|end| resumed.err.contains(end)), "{}", resumed.err);
    assert_eq!(rig.says(&["resume", "--all"]), (0, "nothing was resumed: see `wfctl list`\n".to_owned()));
}

#[test]
fn what_needs_no_home() {
    let rig = Rig::new();
    assert!(rig.wfctl(&["config", "show", "--origin"]).out.contains("idle_exit = 30s"));
    for shell in ["bash", "zsh", "fish"] {
        assert!(rig.wfctl(&["completions", shell]).out.contains("heartbeat"), "{shell}");
    }
    assert!(rig.wfctl(&["man"]).out.contains(".TH wfctl"));
    assert!(rig.wfctl(&["explain", "exit-codes"]).out.contains("130  interrupted"));
    assert!(!rig.folder().join("home").exists());
}
