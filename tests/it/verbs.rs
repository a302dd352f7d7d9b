//! What verbs print, and the exit codes that go with it.

use crate::rig::Rig;

#[test]
fn a_newcomer_begins() {
    let rig = Rig::new();
    let written = rig.wfctl(&["init"]);
    assert_eq!(written.err, "wrote workflow.yaml; start it with: wfctl run workflow.yaml\n");
    assert_eq!(rig.wfctl(&["init"]).code, Some(6));
    insta::assert_snapshot!(rig.wfctl(&["validate", "workflow.yaml"]).out, @"workflow.yaml: valid, workflow hello with 4 tasks");
    insta::assert_snapshot!(rig.wfctl(&["graph", "workflow.yaml"]).out, @r"
    hello
    └─ build
       ├─ greet (run)
       ├─ count (run)
       ├─ ask (approval) ← greet
       └─ report (run) ← ask, count
    ");
    insta::assert_snapshot!(rig.wfctl(&["list"]).err, @"no projects yet; begin with: wfctl init");
}

#[test]
fn nonsense_is_told_with_what_to_do() {
    let rig = Rig::new();
    let show = rig.wfctl(&["show", "nothing"]);
    assert_eq!(show.code, Some(5));
    insta::assert_snapshot!(show.err, @r"
    error[WF0004]: there is no project `nothing`
      hint: See them all with `wfctl list --all`.
    ");
    let run = rig.wfctl(&["run", "realease"]);
    assert_eq!(run.code, Some(5));
    insta::assert_snapshot!(run.err, @r"
    error[WF0002]: there is no workflow `realease`
      hint: Did you mean `release`?
    ");
    assert_eq!(rig.wfctl(&["frobnicate"]).code, Some(2));
    assert_eq!(rig.wfctl(&["explain", "WF9999"]).code, Some(5));
}

#[test]
fn invalid_files_are_refused_and_change_nothing() {
    let rig = Rig::new();
    let fixtures = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/invalid");
    let mut seen = 0;
    for entry in std::fs::read_dir(fixtures).unwrap() {
        let path = entry.unwrap().path();
        let name = path.display().to_string();
        if path.extension().is_none_or(|it| it != "yaml") || name.ends_with("/warnings.yaml") {
            continue;
        }
        let run = rig.wfctl(&["run", &name]);
        if run.code == Some(2) {
            assert!(run.err.contains("error[WF01") && run.err.contains("--> "), "{name}: {}", run.err);
            seen += 1;
        }
    }
    assert!(seen >= 30, "only {seen} files were refused");
    assert!(!rig.folder().join("home").exists(), "a refused file made a home");
}

#[test]
fn an_id_makes_a_start_idempotent() {
    let rig = Rig::new();
    rig.write("w.yaml", "name: w\ninputs: {n: {type: integer, default: 1}}\ntasks: {a: {run: echo x >> done}}\n");
    assert_eq!(rig.wfctl(&["run", "w.yaml", "--id", "one"]).code, Some(0));
    let again = rig.wfctl(&["run", "w.yaml", "--id", "one"]);
    assert_eq!((again.code, again.out.as_str()), (Some(0), "one\n"));
    assert_eq!(rig.read("done"), "x\n");
    assert_eq!(rig.wfctl(&["run", "w.yaml", "--id", "one", "-i", "n=2"]).code, Some(6));
    assert_eq!(rig.wfctl(&["audit", "verify"]).code, Some(0));
}

#[test]
fn json_lines_parse() {
    let rig = Rig::new();
    rig.write(
        "w.yaml",
        "name: w\ntasks: {a: {run: echo x}, b: {run: exit 3, retry: {max_attempts: 1, on_exhausted: fail}}}\n",
    );
    let run = rig.wfctl(&["run", "w.yaml", "--json"]);
    assert_eq!(run.code, Some(1));
    let lines: Vec<serde_json::Value> = run.out.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines[0]["type"], "started");
    assert_eq!(lines[lines.len() - 1]["exit"], 1);
    assert!(lines.iter().all(|line| line["v"] == 1));
}

#[test]
fn a_closed_pipe_is_a_quiet_end() {
    let rig = Rig::new();
    let mut child = rig.spawn(&["explain"]);
    drop(child.stdout.take());
    let done = crate::rig::Done::from(child.wait_with_output().unwrap());
    assert_eq!((done.code, done.err.as_str()), (Some(0), ""));
}
