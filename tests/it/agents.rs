//! What verbs tell of agents' records.

use wfctl::domain::call::CallKind;
use wfctl::domain::chat::Usage;
use wfctl::domain::event::Event;
use wfctl::domain::failure::FailureClass;
use wfctl::domain::ids::CallIx;

use crate::rig::Rig;
use crate::scripted::{Scene, Stage, reply, scene};

const TWO_AGENTS: &str = "name: w
workspace: worktree
budget: {usd: 1}
phases:
  planning: {tasks: {plan: {agent: architect}}}
  build: {tasks: {code: {agent: {role: coder, model: a/large}, needs: [plan]}}}
";

fn usage(input_tokens: u64, output_tokens: u64, usd_micros: u64) -> Usage {
    Usage {
        input_tokens,
        cached_tokens: input_tokens / 2,
        output_tokens,
        reasoning_tokens: output_tokens / 4,
        usd_micros,
        estimated: false,
    }
}

fn planning() -> Vec<Scene> {
    vec![
        scene(CallKind::Prompt, "prompt", "Plan it.\n"),
        reply("a/small", "I look first.", &[("read_file", r#"{"path":"README"}"#)], usage(1000, 40, 1200), 900),
        scene(CallKind::Tool, "read_file", "read me\n").shown(r#"{"path":"README"}"#),
        reply("a/large", "The plan is ready.", &[], Usage { estimated: true, ..usage(1100, 60, 30_000) }, 2100),
        scene(CallKind::Artifact, "plan", "one\ntwo\n"),
        scene(CallKind::Artifact, "risks", "none\n"),
    ]
}

fn ended(event: &Event) -> bool {
    matches!(event, Event::Closed { .. })
}

#[test]
fn what_agents_used_and_kept_is_told_from_the_journal() {
    let rig = Rig::new();
    let stage = Stage::open(&rig);
    stage.script(planning());
    let id = stage.start("p", TWO_AGENTS);
    stage.until(&id, |record| ended(&record.event));
    stage.close();
    insta::assert_snapshot!(rig.wfctl(&["cost", "p"]).out, @r"
    p: $0.0624 for 4 calls, 4,200 tokens in (50 % cached), 200 out (25 % reasoning); 52 % of it estimated
      budget of usd: $0.0624 of $1.0000 spent, $0.9376 left

    role       calls     in  cached  out  reasoning  estimated  uncertain      usd
    architect      2  2,100   1,050  100         25       52 %          0  $0.0312
    coder          2  2,100   1,050  100         25       52 %          0  $0.0312

    model    calls     in  cached  out  reasoning  estimated  uncertain      usd  median    p95
    a/large      2  2,200   1,100  120         30      100 %          0  $0.0600    2.1s   2.1s
    a/small      2  2,000   1,000   80         20        0 %          0  $0.0024   900ms  900ms

    phase     calls     in  cached  out  reasoning  estimated  uncertain      usd
    planning      2  2,100   1,050  100         25       52 %          0  $0.0312
    build         2  2,100   1,050  100         25       52 %          0  $0.0312

    task  calls     in  cached  out  reasoning  estimated  uncertain      usd
    code      2  2,100   1,050  100         25       52 %          0  $0.0312
    plan      2  2,100   1,050  100         25       52 %          0  $0.0312
    ");
    insta::assert_snapshot!(rig.wfctl(&["cost", "p", "--by", "model"]).out, @r"
    model    calls     in  cached  out  reasoning  estimated  uncertain      usd  median    p95
    a/large      2  2,200   1,100  120         30      100 %          0  $0.0600    2.1s   2.1s
    a/small      2  2,000   1,000   80         20        0 %          0  $0.0024   900ms  900ms
    ");
    let json: serde_json::Value = serde_json::from_str(&rig.wfctl(&["cost", "p", "--json"]).out).unwrap();
    assert_eq!(json["total"]["usd_micros"], 62_400);
    assert_eq!(json["ledger"]["spent"]["usd_micros"], 62_400, "the ledger and the calls say the same");
    insta::assert_snapshot!(rig.wfctl(&["artifacts", "p"]).out, @r"
    plan  plan   8 bytes  04d2649eb725
    plan  risks  5 bytes  c3caf496c7ac
    code  plan   8 bytes  04d2649eb725
    code  risks  5 bytes  c3caf496c7ac
    ");
    let ambiguous = rig.wfctl(&["artifacts", "p", "plan"]);
    assert_eq!(ambiguous.code, Some(6));
    insta::assert_snapshot!(ambiguous.err, @r"
    error[WF0011]: several tasks have an artifact `plan`
      caused by: it is one of: plan, code
      hint: Name the task with `--task`.
    ");
    assert_eq!(rig.wfctl(&["artifacts", "p", "plan", "--task", "plan"]).out, "one\ntwo\n");
    insta::assert_snapshot!(rig.wfctl(&["artifacts", "p", "risk", "--task", "code"]).err, @r"
    error[WF0016]: there is no artifact `risk` of a completed attempt
      caused by: Did you mean `risks`?
      hint: See what there is with `wfctl artifacts p`.
    ");
    insta::assert_snapshot!(rig.wfctl(&["artifacts", "p", "--task", "cod"]).err, @r"
    error[WF0006]: project p has no task `cod`
      caused by: Did you mean `code`?
      hint: See its tasks with `wfctl show p`.
    ");
    assert_eq!(rig.wfctl(&["artifacts", "p", "risks", "--task", "code", "-o", "risks.txt"]).code, Some(0));
    assert_eq!(rig.read("risks.txt"), "none\n");
    assert_eq!(rig.wfctl(&["artifacts", "p", "risks", "--task", "code", "-o", "risks.txt"]).code, Some(6));
}

#[test]
fn a_call_that_was_cut_off_is_told_as_charged() {
    let rig = Rig::new();
    let stage = Stage::open(&rig);
    stage.script([
        scene(CallKind::Prompt, "prompt", "Do it."),
        reply("a/small", "", &[], usage(10, 2, 100), 5).failing(FailureClass::Truncated, "too long"),
    ]);
    let failing = stage.start(
        "f",
        "name: w\nworkspace: worktree\ntasks: {a: {agent: coder, retry: {max_attempts: 1, on_exhausted: fail}}}\n",
    );
    stage.until(&failing, |record| ended(&record.event));
    stage.script([
        scene(CallKind::Prompt, "prompt", "Do it."),
        reply("a/small", "", &[], usage(10, 2, 100), 5).hanging(),
    ]);
    let id = stage.start("p", "name: w\nworkspace: worktree\ntasks: {a: {agent: coder}}\n");
    stage.until(&id, |record| matches!(&record.event, Event::CallStarted { call, .. } if call.ix == CallIx(1)));
    stage.close();
    insta::assert_snapshot!(rig.wfctl(&["cost", "p"]).out, @r"
    p: $0.0050 for 0 calls, 0 tokens in (0 % cached), 0 out (0 % reasoning); 1 call was cut off and charged at 1,000 tokens, $0.0050

    role   calls  in  cached  out  reasoning  estimated  uncertain      usd
    coder      0   0       0    0          0        0 %          1  $0.0050

    model    calls  in  cached  out  reasoning  estimated  uncertain      usd
    a/small      0   0       0    0          0        0 %          1  $0.0050

    phase  calls  in  cached  out  reasoning  estimated  uncertain      usd
    build      0   0       0    0          0        0 %          1  $0.0050

    task  calls  in  cached  out  reasoning  estimated  uncertain      usd
    a         0   0       0    0          0        0 %          1  $0.0050
    ");
    insta::assert_snapshot!(rig.wfctl(&["cost", "f", "--by", "task"]).out, @r"
    task  calls  in  cached  out  reasoning  estimated  uncertain      usd
    a         1  10       5    2          0        0 %          0  $0.0001
    ");
    insta::assert_snapshot!(rig.wfctl(&["artifacts", "p"]).err, @"no completed attempt in p kept an artifact");
}
