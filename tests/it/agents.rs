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
fn which_model_was_asked_for_whom_and_why_is_told() {
    let rig = Rig::new();
    let stage = Stage::open(&rig);
    stage.script(vec![
        scene(CallKind::Prompt, "architect", "Plan it.\n"),
        // A summary that fails does not end what the script plays.
        Scene { kind: CallKind::Compact, ..reply("a/large", "", &[], Usage::default(), 400) }
            .failing(FailureClass::RateLimited, "later"),
        reply("b/small", "I look first.", &[("read_file", r#"{"path":"README"}"#)], usage(1000, 40, 1200), 900),
        scene(CallKind::Tool, "read_file", "read me\n").shown(r#"{"path":"README"}"#),
        reply("b/small", "The plan is ready.", &[], usage(1100, 60, 1300), 1100),
    ]);
    let workflow =
        "name: w\nworkspace: worktree\nmodels: {default: [a/large, b/small]}\ntasks: {plan: {agent: architect}}\n";
    let id = stage.start("p", workflow);
    stage.until(&id, |record| ended(&record.event));
    stage.close();
    insta::assert_snapshot!(rig.wfctl(&["cost", "p", "--by", "route"]).out, @r"
    role               calls  failed     in  out      usd  median   p95
    architect b/small      2       0  2,100  100  $0.0025   900ms  1.1s
        instead of a/large (rate-limited): 2 calls
    architect a/large      1       1      0    0  $0.0000       -     -
        first choice: 1 call
    ");
    let json: serde_json::Value = serde_json::from_str(&rig.wfctl(&["cost", "p", "--json"]).out).unwrap();
    assert_eq!(json["routes"][0]["role"], "architect");
    let chosen = serde_json::json!([{"why": "instead of a/large (rate-limited)", "calls": 2}]);
    assert_eq!((&json["routes"][0]["model"], &json["routes"][0]["chosen"]), (&"b/small".into(), &chosen));
}

#[test]
fn a_conversation_can_be_read_while_it_runs_and_after() {
    let rig = Rig::new();
    let stage = Stage::open(&rig);
    let long = "x".repeat(3000);
    let prompt = serde_json::json!({"system": "You are a coder.", "task": "Do it.\nWell."}).to_string();
    stage.script([
        scene(CallKind::Prompt, "coder", prompt),
        reply(
            "a/small",
            "I look.",
            &[("read_file", r#"{"path":"a"}"#), ("run", r#"{"command":"make"}"#)],
            usage(90, 40, 1200),
            900,
        ),
        scene(CallKind::Tool, "read_file", long.clone()).shown(r#"{"path":"a"}"#),
        scene(CallKind::Tool, "run", "")
            .failing(FailureClass::Timeout, "make took too long")
            .shown(r#"{"command":"make"}"#),
        scene(CallKind::Check, "checks", r#"{"green":false,"text":"FAIL one\u001b[31m","failing":["one"]}"#),
        reply("a/small", "", &[], usage(10, 2, 100), 5).hanging(),
    ]);
    let id =
        stage.start("p", "name: w\nworkspace: worktree\ntasks: {a: {agent: coder}, b: {run: 'true', needs: [a]}}\n");
    stage.until(&id, |record| matches!(&record.event, Event::CallStarted { call, .. } if call.ix == CallIx(5)));
    let archive = stage.engine.handle().archive().clone();
    let view = archive.load(&id).unwrap().project.view(&**archive.vault());
    insta::assert_snapshot!(view.tasks[0].doing.clone().unwrap().what, @"asks a/small");
    drop(archive);
    stage.close();
    insta::assert_snapshot!(rig.wfctl(&["transcript", "p", "a"]).out.replace(&long[..2048], "<2048 x>"), @r#"
    a of p, attempt 1

    [0] prompt coder ok 2ms
        You are a coder.

        Do it.
        Well.

    [1] model a/small ok 900ms (90 in, 45 cached, 40 out, 10 reasoning, $0.0012)
        I look.
      calls read_file {"path":"a"}
      calls run {"command":"make"}

    [2] tool read_file {"path":"a"} ok 2ms
        <2048 x>
        ... cut; the whole has 3,000 bytes (--full)

    [3] tool run {"command":"make"} failed: make took too long (timeout) 2ms

    [4] check checks ok 2ms
        FAIL one␛[31m

    [5] model a/small uncertain: cut off, charged at 1,000 tokens, $0.0050
    "#);
    assert!(rig.wfctl(&["transcript", "p", "a", "--full"]).out.contains(&long));
    let json = rig.wfctl(&["transcript", "p", "a", "--json"]).out;
    let lines: Vec<serde_json::Value> = json.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines[2]["text"], long, "a machine gets it whole");
    assert_eq!(lines[5]["end"]["is"], "uncertain");
    insta::assert_snapshot!(rig.wfctl(&["transcript", "p", "b"]).err, @r"
    error[WF0017]: task `b` has no conversation
      hint: See what it waits for with `wfctl why p`.
    ");
    assert_eq!(rig.wfctl(&["transcript", "p", "a", "--attempt", "2"]).code, Some(5));
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

#[test]
fn a_parked_agent_says_who_can_help() {
    let rig = Rig::new();
    let stage = Stage::open(&rig);
    let told = [FailureClass::RateLimited, FailureClass::Auth, FailureClass::Credits, FailureClass::ModelNotFound];
    let mut lines = Vec::new();
    for (at, class) in told.into_iter().enumerate() {
        let asked = reply("a/small", "", &[], usage(10, 2, 100), 5).failing(class, "the provider said no");
        stage.script([scene(CallKind::Prompt, "coder", "Do it."), asked]);
        let id = stage.start(&format!("p{at}"), "name: w\nworkspace: worktree\ntasks: {a: {agent: coder}}\n");
        let waits = |event: &Event| match class.retried_by_default() {
            true => matches!(event, Event::TaskParked { .. }),
            false => matches!(event, Event::Held { .. }),
        };
        stage.until(&id, |record| waits(&record.event));
        for reason in stage.engine.handle().archive().load(&id).unwrap().project.why() {
            let (about, command) = (reason.task.unwrap_or_default(), reason.command.unwrap_or_default());
            lines.push(format!("{id} {about} | {} | {} | {command}", reason.waits_for, reason.due.is_some()));
        }
    }
    stage.close();
    insta::assert_snapshot!(lines.join("\n"), @r"
    p0 a | a provider: rate-limited after: the provider said no (rate-limited) | true | 
    p1  | task a waits for a key that its provider takes: the provider said no | false | set the key, then: wfctl resume p1
    p1 a | a key that its provider takes after: the provider said no (auth) | false | set the key, then: wfctl resume p1
    p2  | task a waits for money on the account with its provider: the provider said no | false | put money on the account, then: wfctl resume p2
    p2 a | money on the account with its provider after: the provider said no (credits) | false | put money on the account, then: wfctl resume p2
    p3  | task a waits for a model that its provider has: the provider said no | false | wfctl fork p3 --at 11 --model <provider/model>
    p3 a | a model that its provider has after: the provider said no (model-not-found) | false | wfctl fork p3 --at 11 --model <provider/model>
    ");
    assert!(rig.wfctl(&["why", "p1"]).out.contains("set the key, then: wfctl resume p1"));
}
