//! Forks: the same beginning, another end.

use wfctl::domain::call::CallKind;
use wfctl::domain::chat::Usage;
use wfctl::domain::event::{Actor, Event};
use wfctl::domain::ids::{CallIx, ProjectId, Seq};
use wfctl::domain::limits;
use wfctl::domain::project::RefusalKind;
use wfctl::engine::{Error, Fork};

use crate::rig::{Done, Rig};
use crate::scripted::{Scene, Stage, reply, scene};

/// Each task adds a line to a file of the repository and to one outside.
const CHAIN: &str = "name: w
workspace: worktree
tasks:
  a: {run: 'echo a >> lines; echo a >> $OUT'}
  b: {run: 'echo b >> lines; echo b >> $OUT', needs: [a]}
  c: {run: 'cat lines; echo c >> lines; echo c >> $OUT', needs: [b]}
";

/// The position of the first record of a kind about a task.
fn position(rig: &Rig, project: &str, kind: &str, task: &str) -> String {
    let about: &[&str] = if task.is_empty() { &[] } else { &["--task", task] };
    let out = rig.wfctl(&[&["events", project, "--json", "--kind", kind], about].concat()).out;
    let line: serde_json::Value = serde_json::from_str(out.lines().next().unwrap()).unwrap();
    line["record"]["seq"].to_string()
}

fn repository(rig: &Rig) {
    rig.repository("repo");
    let outside = rig.path("outside").display().to_string();
    rig.write("repo/w.yaml", &CHAIN.replace("$OUT", &outside));
}

fn assert_ok(done: &Done) {
    assert_eq!(done.code, Some(0), "{}\n{}", done.out, done.err);
}

#[test]
fn a_fork_goes_on_from_the_files_of_its_beginning() {
    let rig = Rig::new();
    repository(&rig);
    assert_ok(&rig.wfctl_in("repo", &["run", "w.yaml", "--id", "p"]));
    let at = position(&rig, "p", "TaskCompleted", "b");
    let forked = rig.wfctl(&["fork", "p", "--at", &at, "--id", "q"]);
    assert_ok(&forked);
    assert_eq!(forked.out, "q\n");
    assert_eq!(rig.read("outside"), "a\nb\nc\nc\n", "what both have in common ran once");
    assert_eq!(rig.git("repo", &["show", "ai/generated/q/result:lines"]), "a\nb\nc");
    assert_eq!(rig.wfctl(&["logs", "q", "c"]).out, "a\nb\n");
    assert_ok(&rig.wfctl(&["audit", "verify"]));
    assert_ok(&rig.wfctl(&["fork", "p", "--at", "1", "--id", "whole"]));
    assert_eq!(rig.read("outside"), "a\nb\nc\nc\na\nb\nc\n", "nothing but the start is common");
    let again = rig.wfctl(&["fork", "p", "--at", &at, "--id", "q"]);
    assert_ok(&again);
    assert_eq!(
        (again.out.as_str(), rig.read("outside").lines().count()),
        ("q\n", 7),
        "the same fork, not a second one"
    );
    let other = rig.wfctl(&["fork", "p", "--at", "1", "--id", "q"]);
    assert_eq!(other.code, Some(6));
    assert!(other.err.contains("the id q belongs to a project of something else than a fork"), "{}", other.err);
    assert_eq!(rig.git("repo", &["for-each-ref", "refs/wfctl"]), "", "an ended fork leaves no reference");
}

#[test]
fn an_attempt_that_was_open_is_run_from_its_own_beginning() {
    let rig = Rig::new();
    repository(&rig);
    assert_ok(&rig.wfctl_in("repo", &["run", "w.yaml", "--id", "p"]));
    let at = position(&rig, "p", "StepStarted", "b");
    let forked = rig.wfctl(&["fork", "p", "--at", &at, "-d"]);
    assert_ok(&forked);
    let id = format!("p.f{at}");
    assert_eq!(forked.out, format!("{id}\n"));
    crate::rig::until("it ends", || rig.wfctl(&["list", "--all"]).out.matches("DONE").count() == 2);
    crate::rig::until("its result is there", || {
        !rig.git("repo", &["branch", "--list", &format!("ai/generated/{id}/*")]).is_empty()
    });
    assert_eq!(rig.git("repo", &["show", &format!("ai/generated/{id}/result:lines")]), "a\nb\nc");
    assert_eq!(rig.read("outside"), "a\nb\nc\nb\nc\n");
}

#[test]
fn what_cannot_be_forked_is_told() {
    let rig = Rig::new();
    repository(&rig);
    assert_ok(&rig.wfctl_in("repo", &["run", "w.yaml", "--id", "p"]));
    let last = position(&rig, "p", "Closed", "");
    let refused = |at: &str| {
        let done = rig.wfctl(&["fork", "p", "--at", at]);
        assert_eq!(rig.wfctl(&["list", "--all", "--json"]).out.lines().count(), 1, "nothing was started");
        (done.code, done.err)
    };
    let (code, text) = refused(&last);
    assert_eq!(code, Some(6));
    insta::assert_snapshot!(text.replace(&last, "LAST"), @r"
    error[WF0010]: project p is DONE at record LAST; fork it at an earlier one
      hint: See what it does with `wfctl why p`.
    ");
    let (code, text) = refused("1000");
    assert_eq!(code, Some(2));
    insta::assert_snapshot!(text.replace(&last, "LAST"), @"error[WF0015]: project p has no record 1000: it has LAST");
    assert_eq!(refused("0").0, Some(2));
    assert_eq!(rig.wfctl(&["fork", "p", "--at", "3", "--model", "gpt"]).code, Some(2));
    // git has collected what nothing names any more.
    let at = position(&rig, "p", "TaskCompleted", "b");
    rig.git("repo", &["branch", "-D", "ai/generated/p/result"]);
    rig.git("repo", &["-c", "gc.pruneExpire=now", "gc", "-q", "--prune=now"]);
    let (code, text) = refused(&at);
    assert_eq!(code, Some(6));
    assert!(text.contains("error[WF0018]: git no longer has all files of p at record"), "{text}");
}

#[test]
fn a_child_that_is_open_cannot_have_two_parents() {
    let rig = Rig::new();
    rig.write("kid.yaml", "name: kid\ntasks: {ask: {approval: 'go on?'}}\n");
    rig.write("w.yaml", "name: w\ntasks: {a: {run: 'true'}, c: {workflow: kid.yaml, needs: [a]}}\n");
    rig.wfctl(&["run", "w.yaml", "--id", "p", "-d"]);
    crate::rig::until("the child asks", || rig.wfctl(&["why", "p.1.1"]).out.contains("go on?"));
    let asked = rig.wfctl(&["cost", "p", "--children"]);
    assert_eq!(asked.out, "p has asked no model yet\n", "told by the engine that holds the home");
    assert_eq!(rig.wfctl(&["transcript", "p", "a"]).code, Some(5));
    let refused = rig.wfctl(&["fork", "p", "--at", &position(&rig, "p", "TaskAwaits", "c"), "-d"]);
    assert_eq!(refused.code, Some(6));
    assert!(refused.err.contains("task c of p waits for its child project p.1.1"), "{}", refused.err);
    let forked = rig.wfctl(&["fork", "p", "--at", &position(&rig, "p", "TaskCompleted", "a"), "--id", "q", "-d"]);
    assert_ok(&forked);
    crate::rig::until("its own child asks", || rig.wfctl(&["why", "q.1.1"]).out.contains("go on?"));
    assert_ok(&rig.wfctl(&["kill", "p"]));
    assert_ok(&rig.wfctl(&["kill", "q"]));
}

fn talk() -> Vec<Scene> {
    let usage = Usage { input_tokens: 10, output_tokens: 5, usd_micros: 7, ..Usage::default() };
    vec![
        scene(CallKind::Prompt, "coder", "Do it."),
        reply("a/small", "I look.", &[("read_file", "{}")], usage, 5),
        scene(CallKind::Tool, "read_file", "text"),
        reply("a/small", "I write.", &[("write_file", "{}")], usage, 5),
        scene(CallKind::Tool, "write_file", "written"),
        reply("a/small", "Done.", &[], usage, 5),
    ]
}

#[test]
fn a_conversation_forks_in_its_middle_and_reads_back_what_was_said() {
    let rig = Rig::new();
    let stage = Stage::open(&rig);
    stage.script(talk());
    let id =
        stage.start("p", "name: w\nworkspace: worktree\nbudget: {usd: 1, wall: 30m}\ntasks: {a: {agent: coder}}\n");
    let middle =
        stage.until(&id, |record| matches!(&record.event, Event::CallFinished { call, .. } if *call == CallIx(2)));
    let open =
        stage.until(&id, |record| matches!(&record.event, Event::CallStarted { call, .. } if call.ix == CallIx(3)));
    stage.until(&id, |record| matches!(&record.event, Event::Closed { .. }));
    assert_eq!(stage.made().len(), 6);
    // The time since then is not the fork's: its budget of time is not used up.
    stage.clock.advance(3_600_000);
    let fork = |id: &str, at: Seq, models: &[&str]| {
        let models = models.iter().map(|model| (*model).to_owned()).collect();
        let fork =
            Fork { source: ProjectId::new("p").unwrap(), at, id: ProjectId::new(id).unwrap(), models, budget: None };
        stage.wait(stage.engine.handle().fork(fork, Actor::User("tester".to_owned())))
    };
    let (forked, existed) = fork("q", middle.seq, &[]).unwrap();
    assert!(!existed);
    stage.until(&forked, |record| matches!(&record.event, Event::Closed { .. }));
    assert_eq!(stage.made(), ["q 3 a/small", "q 4 write_file", "q 5 a/small"], "calls 0 to 2 were read back");
    assert!(fork("q", middle.seq, &[]).unwrap().1, "the same fork again");
    assert!(matches!(fork("q", middle.seq, &["b/large"]), Err(Error::IdTaken { .. })));
    let past = fork("r", Seq(limits::FORK_RECORDS + 1), &[]);
    assert!(matches!(past, Err(Error::Refused(refusal)) if refusal.kind == RefusalKind::Limit));
    let most = fork("r", Seq(limits::FORK_RECORDS), &[]);
    assert!(matches!(most, Err(Error::Refused(refusal)) if refusal.kind == RefusalKind::Invalid), "within the bound");
    let unknown = Fork {
        source: ProjectId::new("nobody").unwrap(),
        at: Seq(1),
        id: ProjectId::new("r").unwrap(),
        models: Vec::new(),
        budget: None,
    };
    let unknown = stage.wait(stage.engine.handle().fork(unknown, Actor::Engine));
    assert!(matches!(unknown, Err(Error::UnknownProject(id)) if id.as_str() == "nobody"));
    assert_eq!(stage.made(), [""; 0]);

    let (cut, _) = fork("cut", open.seq, &["b/large"]).unwrap();
    stage.until(&cut, |record| matches!(&record.event, Event::Closed { .. }));
    assert_eq!(stage.made()[0], "cut 3 a/small", "a call without an outcome is made again");
    let archive = stage.engine.handle().archive().clone();
    let created = archive.load(&cut).unwrap().project.created.clone();
    let models = format!("{:?}", archive.definition(&cut, &created.definition).unwrap().models.default);
    assert_eq!(models, r#"["b/large"]"#);
    drop(archive);
    stage.close();
    let cost = |id: &str| {
        let out = rig.wfctl(&["cost", id, "--json"]).out;
        let json: serde_json::Value = serde_json::from_str(&out).unwrap();
        let total = &json["total"];
        (
            total["calls"].as_u64(),
            total["uncertain"].as_u64(),
            total["usd_micros"] == json["ledger"]["spent"]["usd_micros"],
        )
    };
    assert_eq!(cost("p"), (Some(3), Some(0), true));
    assert_eq!(cost("q"), (Some(3), Some(0), true), "a fork's own journal says what its beginning cost");
    assert_eq!(cost("cut"), (Some(3), Some(1), true));
    assert_ok(&rig.wfctl(&["audit", "verify"]));
}
