//! Commands as they really are: forking, deaf to signals, endless, binary, silent.

use std::cell::Cell;
use std::ffi::OsString;
use std::path::Path;
use std::time::Duration;

use super::{Command, End, Error, Report, run};
use crate::domain::effect::StopCause;
use crate::domain::limits;
use crate::workspace::sandbox::Containment;
use crate::workspace::{command_line, procfs};

fn command(line: &str, dir: &Path) -> Command {
    Command {
        line: line.to_owned(),
        dir: dir.to_owned(),
        env: vec![(OsString::from("PATH"), OsString::from("/bin:/usr/bin"))],
        log: Some(dir.join("log")),
        log_bytes_max: limits::BLOB_BYTES,
        value_bytes_max: 1 << 20,
        grace: Duration::from_millis(100),
        shutdown_grace: Duration::from_millis(50),
        key: "p/0/1/0".to_owned(),
        masker: crate::telemetry::mask::Masker::default(),
        contained: Containment::Open,
    }
}

async fn finished(line: &str) -> Report {
    let dir = tempfile::tempdir().unwrap();
    run(&command(line, dir.path()), None, std::future::pending(), || {}).await.unwrap()
}

/// Runs `line`, which prints pids in one line of its log, and stops it once it has; returns those pids.
async fn stopped(line: &str, cause: StopCause) -> (Report, Vec<i32>) {
    let dir = tempfile::tempdir().unwrap();
    let log = dir.path().join("log");
    let seen = tokio::sync::Notify::new();
    let stop = async {
        while !std::fs::read_to_string(&log).is_ok_and(|text| text.ends_with('\n')) {
            seen.notified().await;
        }
        cause
    };
    let report = run(&command(line, dir.path()), None, stop, || seen.notify_one()).await.unwrap();
    let pids = String::from_utf8(report.output.stdout.clone()).unwrap();
    (report, pids.split_whitespace().map(|pid| pid.parse().unwrap()).collect())
}

fn is_alive(pid: i32) -> bool {
    procfs::stat(pid).is_some_and(|process| !process.is_zombie)
}

#[tokio::test]
async fn codes_and_signals_are_told_apart() {
    assert!(matches!(finished("true").await.end, End::Exited(0)));
    assert!(matches!(finished("false").await.end, End::Exited(1)));
    assert!(matches!(finished("exit 7").await.end, End::Exited(7)));
    assert!(matches!(finished("kill -9 $$").await.end, End::Signalled(9)));
    assert!(matches!(finished("nonsense-xyz; exit $?").await.end, End::Exited(127)));
}

#[tokio::test]
async fn with_and_without_a_shell_the_result_is_the_same() {
    for line in ["echo a  b", "printf x/y", "ls -d .", "cat /etc/hostname", "env"] {
        let (direct, shell) = (finished(line).await, finished(&format!("{{ {line}; }}")).await);
        assert!(matches!((&direct.end, &shell.end), (End::Exited(0), End::Exited(0))), "{line}");
        if line != "env" {
            assert_eq!(direct.output.stdout, shell.output.stdout, "{line}");
        }
    }
}

#[tokio::test]
async fn streams_are_kept_apart_and_together() {
    let dir = tempfile::tempdir().unwrap();
    let line = "echo one; echo two >&2; cat; printf '\\377\\000'";
    let report = run(&command(line, dir.path()), None, std::future::pending(), || {}).await.unwrap();
    assert_eq!(report.output.stdout, b"one\n\xff\0");
    assert_eq!(report.output.stderr_tail, b"two\n");
    assert_eq!(std::fs::metadata(dir.path().join("log")).unwrap().len(), report.output.log_bytes);
    assert_eq!(report.output.log_bytes, 10);
}

#[tokio::test]
async fn a_silent_command_has_no_log() {
    let dir = tempfile::tempdir().unwrap();
    run(&command("true", dir.path()), None, std::future::pending(), || {}).await.unwrap();
    assert!(!dir.path().join("log").exists());
}

#[tokio::test]
async fn what_cannot_start_says_why() {
    let dir = tempfile::tempdir().unwrap();
    let error = |line: &str, change: fn(&mut Command)| {
        let mut command = command(line, dir.path());
        change(&mut command);
        async move { run(&command, None, std::future::pending(), || {}).await.unwrap_err() }
    };
    let not_found = error("no-such-program a b", |_| {}).await;
    assert!(matches!(not_found, Error::CommandLine(command_line::Error::NotFound(name)) if name == "no-such-program"));
    assert!(matches!(error("a\0b", |_| {}).await, Error::CommandLine(command_line::Error::NullByte)));
    assert!(
        matches!(error("true", |c| c.env.push(("A".into(), "x\0".into()))).await, Error::Environment(name) if name == "A")
    );
    assert!(matches!(error("true", |c| c.dir = "/nonexistent/x".into()).await, Error::NoFolder(_)));
}

// Scenario 18: the process group is really dead.
#[tokio::test]
async fn a_stop_kills_grandchildren() {
    for cause in [StopCause::Timeout, StopCause::Idle, StopCause::Cancel, StopCause::Shutdown] {
        let (report, pids) = stopped("sleep 1000 & echo $$ $!; sleep 1000", cause).await;
        assert!(matches!(report.end, End::Stopped(told) if told == cause));
        assert_eq!(pids.len(), 2);
        assert!(!pids.into_iter().any(is_alive));
    }
}

#[tokio::test]
async fn a_stop_kills_what_is_deaf_to_sigterm() {
    let line = "trap '' TERM; sh -c 'sleep 1000; sleep 1000' & echo $$ $!; while :; do sleep 1; done";
    let (report, pids) = stopped(line, StopCause::Timeout).await;
    assert!(matches!(report.end, End::Stopped(StopCause::Timeout)));
    assert!(!pids.into_iter().any(is_alive));
}

#[tokio::test]
async fn a_stopped_command_may_tidy_up() {
    let (report, _) =
        stopped("trap 'echo 0; exit 0' TERM; echo $$; while :; do sleep 0.01; done", StopCause::Cancel).await;
    assert!(matches!(report.end, End::Stopped(StopCause::Cancel)));
    assert!(report.output.stdout.ends_with(b"\n0\n"));
}

#[tokio::test]
async fn a_background_child_that_holds_stdout_is_killed_at_the_end() {
    let report = finished("sleep 1000 & echo $!").await;
    assert!(matches!(report.end, End::Exited(0)));
    let pid = String::from_utf8(report.output.stdout).unwrap().trim().parse().unwrap();
    assert!(!is_alive(pid));
    let silent = finished("sleep 1000 >/dev/null 2>&1 & echo $!").await;
    assert!(!is_alive(String::from_utf8(silent.output.stdout).unwrap().trim().parse().unwrap()));
}

#[tokio::test]
async fn a_child_that_left_the_group_cannot_hang_the_step() {
    let report = finished("setsid sleep 1000 & echo $!; exit 3").await;
    assert!(matches!(report.end, End::Exited(3)));
    let pid: i32 = String::from_utf8(report.output.stdout).unwrap().trim().parse().unwrap();
    if let Some(pid) = rustix::process::Pid::from_raw(pid) {
        let _already_gone = rustix::process::kill_process(pid, rustix::process::Signal::KILL);
    }
}

#[tokio::test]
async fn endless_output_is_bounded() {
    let dir = tempfile::tempdir().unwrap();
    let command = Command { log_bytes_max: 1_000_000, value_bytes_max: 10, ..command("yes", dir.path()) };
    let report = run(&command, None, std::future::pending(), || {}).await.unwrap();
    assert!(matches!(report.end, End::Flooded));
    assert_eq!(std::fs::metadata(dir.path().join("log")).unwrap().len(), 1_000_000);
    assert_eq!(report.output.stdout, b"y\ny\ny\ny\ny\n");
    assert!(report.output.stdout_bytes > 1_000_000);
}

#[tokio::test]
async fn each_output_is_a_sign_of_life() {
    let dir = tempfile::tempdir().unwrap();
    let signs = Cell::new(0);
    let command = command("echo a; cat log; echo b >&2", dir.path());
    run(&command, None, std::future::pending(), || signs.set(signs.get() + 1)).await.unwrap();
    assert!(signs.get() >= 2, "{signs:?}");
}

#[tokio::test]
async fn a_log_that_cannot_be_written_ends_the_command() {
    let dir = tempfile::tempdir().unwrap();
    let command = Command { log: Some("/dev/null/x".into()), ..command("yes", dir.path()) };
    let report = run(&command, None, std::future::pending(), || {}).await.unwrap();
    assert!(matches!(report.end, End::LogFailed(_)));
}

#[tokio::test]
async fn a_dropped_run_leaves_nothing_behind() {
    let dir = tempfile::tempdir().unwrap();
    let command = command("sleep 1000 & echo $$ $!; sleep 1000", dir.path());
    let seen = tokio::sync::Notify::new();
    tokio::select! {
        _ = run(&command, None, std::future::pending(), || seen.notify_one()) => panic!("it does not end by itself"),
        () = seen.notified() => {}
    }
    let pids = std::fs::read_to_string(dir.path().join("log")).unwrap();
    for pid in pids.split_whitespace().map(|pid| pid.parse().unwrap()) {
        while is_alive(pid) {
            tokio::task::yield_now().await;
        }
    }
}

/// Not a test of correctness: prints what one `true` costs. `cargo test --release spawn_cost -- --ignored --nocapture`
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "a measurement"]
async fn spawn_cost() {
    let dir = tempfile::tempdir().unwrap();
    let leftovers = crate::workspace::leftovers::Leftovers::open(dir.path().join("run"), "h").unwrap();
    let rounds = 1000;
    let start = std::time::Instant::now();
    for _ in 0..rounds {
        prepared_true();
    }
    let bare = start.elapsed();
    let start = std::time::Instant::now();
    for _ in 0..rounds {
        run(&command("true", dir.path()), Some(&leftovers), std::future::pending(), || {}).await.unwrap();
    }
    let ours = start.elapsed();
    println!("bare {:?}, captured {:?} per `true`", bare / rounds, ours / rounds);
}

fn prepared_true() {
    std::process::Command::new("/bin/true").status().unwrap();
}
