//! Numbers for a monitoring system: the same from an engine and from the journal alone, in a form that its tools take.

use std::io::Write as _;
use std::process::{Command, Stdio};

use wfctl::domain::call::CallKind;
use wfctl::domain::chat::Usage;
use wfctl::domain::event::Event;

use crate::rig::{Rig, until};
use crate::scripted::{Stage, reply, scene};

/// What follows from records, and not from the engine that is asked.
fn of_records(text: &str) -> String {
    let lines = text.lines().filter(|line| !line.contains("wfctl_commit_duration") && !line.contains("wfctl_fenced"));
    lines.map(|line| format!("{line}\n")).collect()
}

fn value(text: &str, sample: &str) -> f64 {
    let line = text.lines().find(|line| line.starts_with(&format!("{sample} ")));
    line.unwrap_or_else(|| panic!("{sample} is not in:\n{text}")).rsplit(' ').next().unwrap().parse().unwrap()
}

#[test]
fn an_engine_and_its_journal_tell_the_same() {
    let rig = Rig::new();
    rig.write(
        "w.yaml",
        "name: w
budget: {calls: 10}
retry: {max_attempts: 2, initial: 1ms}
tasks:
  a: {run: 'test -e seen || { touch seen; false; }'}
  ask: {needs: [a], approval: {ask: 'Go?'}}
  b: {needs: [ask], run: echo x}
",
    );
    let mut child = rig.spawn(&["run", "w.yaml", "--id", "p"]);
    until("it asks", || rig.wfctl(&["why", "p"]).out.contains("wfctl approve p ask"));
    let live = rig.wfctl(&["metrics"]).out;
    child.kill().unwrap();
    child.wait().unwrap();
    let offline = rig.wfctl(&["metrics"]).out;
    assert_eq!(of_records(&live), of_records(&offline));
    assert!(value(&live, "wfctl_commit_duration_seconds_count") > 0.0, "the engine has measured its commits");
    assert_eq!(value(&offline, "wfctl_task_pass_rate{role=\"run\"}"), 1.0);
    assert_eq!(value(&offline, "wfctl_avg_iterations{role=\"run\"}"), 2.0);
    assert_eq!(value(&offline, "wfctl_error_rate"), 0.5);
    assert_eq!(value(&offline, "wfctl_budget_left_ratio{project=\"p\",dimension=\"calls\"}"), 0.8);
    assert_eq!(value(&offline, "wfctl_tasks{status=\"AWAITING_APPROVAL\"}"), 1.0);
    assert_eq!(value(&offline, "wfctl_resumes_total"), 0.0);
    assert_eq!(rig.wfctl(&["approve", "p"]).code, Some(0));
    assert_eq!(rig.wfctl(&["resume", "p"]).code, Some(0));
    let ended = rig.wfctl(&["metrics"]).out;
    assert_eq!(value(&ended, "wfctl_projects{status=\"DONE\"}"), 1.0);
    assert_eq!(value(&ended, "wfctl_tasks_total{role=\"run\",result=\"completed\"}"), 2.0);
    assert_eq!(
        value(&ended, "wfctl_schedule_to_start_seconds_count"),
        3.0,
        "two attempts of one task, one of the other"
    );
    assert!(value(&ended, "wfctl_resumes_total") >= 1.0);
}

#[test]
fn agents_are_told_by_role_and_model() {
    let rig = Rig::new();
    let stage = Stage::open(&rig);
    let usage = Usage {
        input_tokens: 1000,
        cached_tokens: 400,
        output_tokens: 50,
        reasoning_tokens: 0,
        usd_micros: 2500,
        estimated: false,
    };
    stage.script([
        scene(CallKind::Prompt, "prompt", "Do it.\n"),
        reply("a/small", "Done.", &[], usage, 900),
        scene(CallKind::Check, "checks", r#"{"green":true,"text":"green","failing":[],"tests":{"ran":8,"flaky":2}}"#),
        scene(CallKind::Commit, "commit", "0123"),
    ]);
    let id = stage.start("p", "name: w\nworkspace: worktree\ntasks: {a: {agent: coder}}\n");
    stage.until(&id, |record| matches!(record.event, Event::Closed { .. }));
    stage.close();
    let text = rig.wfctl(&["metrics"]).out;
    assert_eq!(value(&text, "wfctl_llm_cost_per_task_usd{role=\"coder\"}"), 0.0025);
    assert_eq!(value(&text, "wfctl_model_tokens_total{model=\"a/small\",kind=\"input\"}"), 600.0);
    assert_eq!(value(&text, "wfctl_model_tokens_total{model=\"a/small\",kind=\"cached_input\"}"), 400.0);
    assert_eq!(value(&text, "wfctl_model_calls_total{model=\"a/small\",result=\"answered\"}"), 1.0);
    assert_eq!(value(&text, "wfctl_test_flakiness_rate"), 0.25);
    assert_eq!(value(&text, "wfctl_agent_commits_total"), 1.0);
    assert_eq!(value(&text, "wfctl_commits_per_hour"), 0.0, "the stage's clock is of another day");
    promtool(&text);
}

/// Prometheus' own tool finds nothing to complain of.
#[expect(
    clippy::disallowed_methods,
    clippy::print_stderr,
    reason = "a test asks a tool of the host, or says that it is not there"
)]
fn promtool(text: &str) {
    let mut command = Command::new("promtool");
    command.args(["check", "metrics"]).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let Ok(mut child) = command.spawn() else {
        eprintln!("skipped: promtool is not installed");
        return;
    };
    child.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn the_dashboard_is_printed_as_it_is() {
    let rig = Rig::new();
    let dashboard: serde_json::Value = serde_json::from_str(&rig.wfctl(&["metrics", "--grafana"]).out).unwrap();
    assert_eq!(dashboard["uid"], "wfctl");
}
