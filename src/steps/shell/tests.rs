//! Commands as steps: values, classes, environment, probes, stops.

use serde_json::{Value, json};

use crate::domain::effect::{StepOrder, StepRequest, StopCause};
use crate::domain::failure::FailureClass;
use crate::domain::limits;
use crate::domain::payload::PayloadSource as _;
use crate::domain::workflow::{OutputFormat, WorkspaceKind};
use crate::steps::runner::testing::{Rig, TOKEN, failure};

fn order(rig: &Rig, command: &str) -> StepOrder {
    rig.order(StepRequest::Run { command: command.to_owned(), probe: None, output: OutputFormat::Auto })
}

#[tokio::test]
async fn the_value_is_stdout_and_the_log_has_both() {
    let rig = Rig::new();
    let outcome = rig.run(order(&rig, "echo '{\"a\": 1}'; cat /dev/null; echo warned >&2")).await;
    assert_eq!(rig.value(&outcome), json!({"a": 1}));
    assert_eq!((outcome.code, outcome.tree.clone()), (Some(0), None));
    let log = rig.sink.read_blob(&outcome.log.unwrap()).unwrap();
    assert_eq!(log.len(), "{\"a\": 1}\nwarned\n".len());
    assert!(!rig.live_log().exists());
    assert_eq!(rig.value(&rig.run(order(&rig, "true")).await), json!(""));
}

#[tokio::test]
async fn each_end_has_its_class_and_says_what_was_seen() {
    let rig = Rig::new();
    for (command, class, code, told) in [
        ("echo out; echo bad >&2; exit 3", FailureClass::Exit, Some(3), "exit code 3: bad"),
        ("echo out; exit 3", FailureClass::Exit, Some(3), "exit code 3: out"),
        ("false", FailureClass::Exit, Some(1), "exit code 1"),
        ("kill -9 $$", FailureClass::Signal, None, "killed by signal 9"),
        ("exit 137", FailureClass::Signal, Some(137), "exit code 137 (signal 9)"),
        ("no-such-program x", FailureClass::NotFound, Some(127), "command not found: no-such-program"),
        ("/etc/passwd", FailureClass::NotFound, Some(126), "command is not executable: /etc/passwd"),
        ("a\0b", FailureClass::NotFound, None, "the command contains a null byte"),
    ] {
        let outcome = rig.run(order(&rig, command)).await;
        let failure = failure(&outcome);
        assert_eq!((failure.class, outcome.code, failure.message.as_str()), (class, code, told), "{command}");
    }
    let outcome = rig.run(order(&rig, "no-such-program; exit $?")).await;
    assert_eq!(failure(&outcome).class, FailureClass::NotFound);
}

#[tokio::test]
async fn the_environment_is_the_engines_then_the_steps_then_ours() {
    let rig = Rig::new();
    let mut order = order(&rig, "env");
    order.env = vec![("KEPT".to_owned(), "2".to_owned()), ("WFCTL_TASK".to_owned(), "forged".to_owned())];
    let text = rig.value(&rig.run(order.clone()).await).as_str().unwrap().to_owned();
    assert!(text.contains("=core.hookspath\n"), "no hook of a repository runs: {text}");
    let theirs = ["WFCTL_ENGINE=", "GIT_CONFIG_"];
    let mut lines: Vec<&str> =
        text.lines().filter(|line| theirs.iter().all(|start| !line.starts_with(start))).collect();
    lines.sort_unstable();
    let expected = [
        "GIT_EDITOR=true",
        "GIT_TERMINAL_PROMPT=0",
        "KEPT=2",
        "PATH=/bin:/usr/bin",
        "WFCTL_ATTEMPT=2",
        "WFCTL_PROJECT=p",
        "WFCTL_STEP_KEY=p/3/2/0",
        "WFCTL_TASK=build",
    ];
    assert_eq!(lines, expected);
    order.env = vec![("A".to_owned(), "x\0".to_owned())];
    assert_eq!(failure(&rig.run(order).await).class, FailureClass::Malformed);
}

#[tokio::test]
async fn a_probe_is_asked_only_when_the_step_may_have_run() {
    let rig = Rig::new();
    let probed = |probe: &str, maybe_ran| {
        let request = StepRequest::Run {
            command: "echo ran".to_owned(),
            probe: Some(probe.to_owned()),
            output: OutputFormat::Auto,
        };
        StepOrder { maybe_ran, ..rig.order(request) }
    };
    let value = async |order| rig.value(&rig.run(order).await);
    assert_eq!(value(probed("echo adopted", false)).await, json!("ran"));
    assert_eq!(value(probed("echo adopted", true)).await, json!("adopted"));
    assert_eq!(value(probed("false", true)).await, json!("ran"));
    let outcome = rig.run(probed("no-such-probe", true)).await;
    assert_eq!(failure(&outcome).class, FailureClass::NotFound);
}

#[tokio::test]
async fn stops_have_their_class_and_keep_the_log() {
    for (cause, class) in [
        (StopCause::Timeout, FailureClass::Timeout),
        (StopCause::Idle, FailureClass::Idle),
        (StopCause::Cancel, FailureClass::Cancelled),
        (StopCause::Shutdown, FailureClass::Interrupted),
    ] {
        let rig = Rig::new();
        let (handle, step) = rig.start(order(&rig, "echo started; sleep 1000"));
        while handle.alive_ms() == 0 {
            tokio::task::yield_now().await;
        }
        assert!(rig.live_log().exists());
        handle.stop(cause);
        let outcome = step.await.unwrap();
        assert_eq!(failure(&outcome).class, class);
        assert_eq!(rig.sink.read_blob(&outcome.log.unwrap()).unwrap(), b"started\n");
    }
}

#[tokio::test]
async fn an_engine_that_is_gone_takes_its_step_along() {
    let rig = Rig::new();
    let (handle, step) = rig.start(order(&rig, "sleep 1000"));
    drop(handle);
    assert_eq!(failure(&step.await.unwrap()).class, FailureClass::Interrupted);
}

// Scenario 28.
#[tokio::test]
async fn fault_28_large_and_binary_output() {
    let rig = Rig::new();
    let outcome = rig.run(order(&rig, "head -c 1500000 /dev/zero | tr '\\000' x")).await;
    assert_eq!(rig.value(&outcome).as_str().unwrap().len() as u64, limits::EXPRESSION_VALUE_BYTES);
    assert_eq!(outcome.log.unwrap().bytes, 1_500_000);
    let outcome = rig.run(order(&rig, "printf '\\377\\000'")).await;
    assert_eq!(rig.value(&outcome), Value::String("\u{fffd}\0".to_owned()));
    let mut json = order(&rig, "head -c 1500000 /dev/zero");
    let StepRequest::Run { output, .. } = &mut json.request else { unreachable!("made above") };
    *output = OutputFormat::Json;
    assert_eq!(failure(&rig.run(json).await).class, FailureClass::Oversized);
}

#[tokio::test]
async fn places() {
    let rig = Rig::new();
    let mut none = order(&rig, "pwd");
    none.workspace.kind = WorkspaceKind::None;
    assert!(rig.value(&rig.run(none).await).as_str().unwrap().ends_with("/work/p"));
    let mut missing = order(&rig, "pwd");
    missing.workspace.base_dir = "/nonexistent/x".into();
    let failure_of_missing = failure(&rig.run(missing).await);
    assert_eq!(failure_of_missing.message, "folder not found: /nonexistent/x");
    let mut no_repository = order(&rig, "pwd");
    no_repository.workspace.kind = WorkspaceKind::Worktree;
    assert_eq!(failure(&rig.run(no_repository).await).class, FailureClass::Workspace);
}

#[tokio::test]
async fn a_secret_is_handed_over_by_name_and_seen_by_nobody_else() {
    let rig = Rig::new();
    let request =
        |command: &str| StepRequest::Run { command: command.to_owned(), probe: None, output: OutputFormat::Auto };
    let mut order = order(&rig, "env | grep -c ^TOKEN");
    let outcome = rig.run(order.clone()).await;
    assert_eq!(outcome.code, Some(1), "neither by its own name nor by that which the engine has it by");
    order.secrets = vec!["TOKEN".to_owned()];
    order.request = request("printf %s \"$TOKEN\" | wc -c | tr -d ' '; echo \"$TOKEN\"; env | grep -c ^TOKEN_OF; true");
    let outcome = rig.run(order.clone()).await;
    let log = rig.sink.read_blob(&outcome.log.unwrap()).unwrap();
    let mut lines: Vec<&str> = std::str::from_utf8(&log).unwrap().lines().collect();
    lines.sort_unstable();
    assert_eq!(lines, ["0", &TOKEN.len().to_string(), "[secret]"]);
    order.request = request(r#"printf '["%s", "\\u0068unter2/hunter2+token"]' "$TOKEN""#);
    let outcome = rig.run(order.clone()).await;
    assert_eq!(rig.value(&outcome), json!(["[secret]", "[secret]"]), "also what JSON spells out");
    order.request = request("echo \"it is $TOKEN\" >&2; exit 3");
    assert_eq!(failure(&rig.run(order).await).message, "exit code 3: it is [secret]");
}

#[tokio::test]
async fn a_secret_that_is_not_there_fails_the_step_for_a_person_to_see() {
    let rig = Rig::new();
    for (name, told) in [("GONE", "there is no value at env:GONE"), ("PATH_OF_ENGINE", "it is not declared")] {
        let mut order = order(&rig, "touch ran");
        order.secrets = vec![name.to_owned()];
        let failure = failure(&rig.run(order).await);
        assert_eq!(failure.class, FailureClass::Auth);
        assert!(failure.message.contains(told) && !failure.class.retried_by_default(), "{failure}");
        assert!(!rig.home.path().join("ran").exists());
    }
}
