//! How contained commands begin and end: codes and signals, requests to stop, what they leave behind, and engines that die.

use std::path::Path;
use std::time::{Duration, Instant};

use wfctl::domain::effect::StopCause;
use wfctl::workspace::command_line;
use wfctl::workspace::leftovers::{ENGINE_VARIABLE, Leftovers, STEP_VARIABLE};
use wfctl::workspace::process::{self, Command, End, Error};
use wfctl::workspace::sandbox;

use crate::rig::{self, text};
use crate::world::World;

/// Longer than anything here takes on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

/// Names the role of this binary executed anew as an engine, and the backend that it uses.
const ENGINE: &str = "WFCTL_TEST_ENGINE";

pub fn until(what: &str, mut happened: impl FnMut() -> bool) {
    let start = Instant::now();
    while !happened() {
        assert!(start.elapsed() < PATIENCE, "{what}");
        std::thread::yield_now();
    }
}

/// The live processes of the host whose command line has `word`. A pid of the inside says nothing outside.
pub fn alive(word: &str) -> usize {
    let lines =
        std::fs::read_dir("/proc").unwrap().filter_map(|entry| std::fs::read(entry.ok()?.path().join("cmdline")).ok());
    lines.filter(|line| line.split(|byte| *byte == 0).any(|part| part == word.as_bytes())).count()
}

/// A number of seconds that no other `sleep` on this machine sleeps for.
pub fn unique() -> String {
    use std::sync::atomic::{AtomicU32, Ordering};
    static NEXT: AtomicU32 = AtomicU32::new(0);
    format!("{}.{}", 100_000 + std::process::id() % 100_000, NEXT.fetch_add(1, Ordering::Relaxed))
}

#[test]
fn codes_and_signals_are_told_apart() {
    let runtime = rig::runtime();
    for sandbox in rig::sandboxes() {
        let world = World::make();
        let end =
            |line: &str| runtime.block_on(rig::run(&rig::command(&world, line, rig::by(sandbox, world.policy())))).end;
        assert!(matches!(end("true"), End::Exited(0)));
        assert!(matches!(end("exit 7"), End::Exited(7)));
        assert!(matches!(end("exit 137"), End::Exited(137)));
        assert!(matches!(end("kill -9 $$"), End::Signalled(9)));
        assert!(matches!(end("kill -TERM $$"), End::Signalled(15)));
        assert!(matches!(end("nonsense-xyz; exit $?"), End::Exited(127)));
    }
}

#[test]
fn what_it_ran_under_is_told() {
    let runtime = rig::runtime();
    for sandbox in rig::sandboxes() {
        let world = World::make();
        let report = runtime.block_on(rig::run(&rig::command(&world, "echo hi", rig::by(sandbox, world.policy()))));
        assert_eq!(text(&report.output.stdout), "hi\n");
        let told = report.ran_under;
        assert_eq!(told.backend, sandbox.backend().name());
        for layer in ["user namespace", "mount namespace", "pid namespace", "network namespace", "rlimits", "seccomp"] {
            assert!(told.layers.iter().any(|it| it == layer), "{layer}: {told:?}");
        }
        println!("{told}");
    }
}

#[test]
fn what_cannot_start_says_why() {
    let runtime = rig::runtime();
    for sandbox in rig::sandboxes() {
        let world = World::make();
        std::fs::write(world.at("home/tool"), "#!/bin/sh\n").unwrap();
        let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
        std::fs::set_permissions(world.at("home/tool"), mode).unwrap();
        let error = |command: &Command| {
            runtime.block_on(process::run(command, None, std::future::pending(), || {})).unwrap_err()
        };
        let line = world.at("home/tool").display().to_string();
        let hidden = error(&rig::command(&world, &line, rig::by(sandbox, world.policy())));
        assert!(matches!(hidden, Error::CommandLine(command_line::Error::NotFound(_))), "{hidden:?}");
        let mut policy = world.policy();
        policy.writable.push(world.at("nowhere"));
        let missing = error(&rig::command(&world, "true", rig::by(sandbox, policy)));
        assert!(matches!(missing, Error::Sandbox(sandbox::Error::Policy(_))), "{missing:?}");
        // A folder to run in that is hidden from the command.
        let mut policy = world.policy();
        policy.hidden.push(world.at("outside"));
        let command = Command { dir: world.at("home/wfctl"), ..rig::command(&world, "true", rig::by(sandbox, policy)) };
        let refused = error(&command);
        assert!(matches!(refused, Error::Sandbox(sandbox::Error::Refused { .. })), "{refused:?}");
    }
}

#[test]
fn daemons_die_with_their_command() {
    let runtime = rig::runtime();
    for sandbox in rig::everybody() {
        let world = World::make();
        let sleep = unique();
        let line = format!(
            "setsid sleep {sleep} & (setsid sh -c 'sleep {sleep} & sleep {sleep}' &) ; nohup sleep {sleep} >/dev/null 2>&1 & \
             until [ $(grep -lz 'sleep' /proc/[0-9]*/cmdline 2>/dev/null | wc -l) -ge 4 ]; do :; done; exit 3"
        );
        let report = runtime.block_on(rig::run(&rig::command(&world, &line, rig::by(sandbox, world.policy()))));
        assert!(matches!(report.end, End::Exited(3)), "{:?} {}", report.end, text(&report.output.stderr_tail));
        // Not "soon": when the runner returns, nobody is left.
        assert_eq!(alive(&sleep), 0);
    }
}

#[test]
fn a_stopped_command_may_tidy_up_and_takes_everybody_along() {
    let runtime = rig::runtime();
    for sandbox in rig::everybody() {
        for (line, tidied) in [
            ("trap 'echo tidy; exit 0' TERM; setsid sleep SLEEP & echo up; while :; do sleep 0.01; done", true),
            ("trap '' TERM; setsid sleep SLEEP & echo up; while :; do sleep 0.01; done", false),
        ] {
            let world = World::make();
            let sleep = unique();
            let grace = Duration::from_millis(if tidied { 20_000 } else { 100 });
            let line = line.replace("SLEEP", &sleep);
            let command = Command { grace, ..rig::command(&world, &line, rig::by(sandbox, world.policy())) };
            let report = runtime.block_on(async {
                let up = tokio::sync::Notify::new();
                let stop = async {
                    up.notified().await;
                    StopCause::Cancel
                };
                process::run(&command, None, stop, || up.notify_one()).await.unwrap()
            });
            assert!(matches!(report.end, End::Stopped(StopCause::Cancel)), "{:?}", report.end);
            assert_eq!(text(&report.output.stdout).contains("tidy"), tidied);
            assert_eq!(alive(&sleep), 0);
        }
    }
}

#[test]
fn a_dropped_run_leaves_nobody_behind() {
    let runtime = rig::runtime();
    for sandbox in rig::everybody() {
        let world = World::make();
        let sleep = unique();
        let command = rig::command(&world, &format!("echo up; sleep {sleep}"), rig::by(sandbox, world.policy()));
        runtime.block_on(async {
            let up = tokio::sync::Notify::new();
            tokio::select! {
                _ = process::run(&command, None, std::future::pending(), || up.notify_one()) => panic!("it ended"),
                () = up.notified() => {}
            }
        });
        until("the command is dead", || alive(&sleep) == 0);
    }
}

/// Not a test: an engine that is killed in the middle of a command.
#[test]
fn engine() {
    let Ok(sleep) = std::env::var(ENGINE) else { return };
    let Some(sandbox) =
        rig::everybody().find(|it| std::env::var("BACKEND").is_ok_and(|name| name == it.backend().name()))
    else {
        panic!("the backend does not work any more")
    };
    let world = World::make();
    let mut command = rig::command(
        &world,
        &format!("echo up; setsid sleep {sleep} & sleep {sleep}"),
        rig::by(sandbox, world.policy()),
    );
    rig::runtime().block_on(async {
        let dir = std::env::var_os("REGISTER").unwrap();
        let leftovers = Leftovers::open(Path::new(&dir).to_owned(), "sandbox-suite").unwrap();
        command.env.push((ENGINE_VARIABLE.into(), leftovers.engine_marker().into()));
        command.env.push((STEP_VARIABLE.into(), command.key.clone().into()));
        let up = || println!("up {} {}", world.stranger.id(), world.base.display());
        process::run(&command, Some(&leftovers), std::future::pending(), up).await.unwrap();
    });
}

/// Starts the engine that the test `command` names, kills it outright once its sleeps are there (`is_running` is told how many), and
/// waits until none is left.
pub fn killed_outright(
    command: &mut std::process::Command,
    sleep: &str,
    is_running: impl Fn(usize) -> bool,
    gone: &str,
) {
    use std::io::{BufRead as _, BufReader};
    let mut engine = command.stdout(std::process::Stdio::piped()).spawn().unwrap();
    let lines = BufReader::new(engine.stdout.take().unwrap()).lines();
    let told = lines.map_while(Result::ok).find_map(|line| Some(line.split_once("up ")?.1.to_owned()));
    until("both processes run", || is_running(alive(sleep)));
    engine.kill().unwrap();
    engine.wait().unwrap();
    until(gone, || alive(sleep) == 0);
    // Its world is nobody's now.
    let told = told.unwrap();
    let (stranger, base) = told.split_once(' ').unwrap();
    let stranger = rustix::process::Pid::from_raw(stranger.parse().unwrap()).unwrap();
    rustix::process::kill_process(stranger, rustix::process::Signal::KILL).unwrap();
    std::fs::remove_dir_all(base).unwrap();
}

/// This program as the engine that one of its tests is.
pub fn engine_of(test: &str, variable: &str, sleep: &str, backend: &str) -> std::process::Command {
    let mut command = std::process::Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", test, "--nocapture"]).env(variable, sleep).env("BACKEND", backend);
    command
}

/// The engine is killed outright: the command and what it detached must end, whether or not anybody looks after them.
#[test]
fn a_killed_engine_takes_its_commands_along() {
    for sandbox in rig::everybody() {
        let (dir, sleep) = (tempfile::tempdir_in(rig::base()).unwrap(), unique());
        let mut command = engine_of("lives::engine", ENGINE, &sleep, sandbox.backend().name());
        killed_outright(command.env("REGISTER", dir.path()), &sleep, |count| count >= 2, "the commands are dead");
    }
}

/// A stage that outlived its engine (it was stopped when the engine died) is found by the register and ended.
#[test]
fn the_register_finds_a_stopped_stage() {
    use rustix::process::{Pid, Signal, kill_process};
    let runtime = rig::runtime();
    for sandbox in rig::everybody() {
        let world = World::make();
        let dir = tempfile::tempdir_in(rig::base()).unwrap();
        let sleep = unique();
        let command = rig::command(&world, &format!("echo up; sleep {sleep}"), rig::by(sandbox, world.policy()));
        runtime.block_on(async {
            let leftovers = Leftovers::open(dir.path().to_owned(), "sandbox-suite").unwrap();
            let up = tokio::sync::Notify::new();
            let running = process::run(&command, Some(&leftovers), std::future::pending(), || up.notify_one());
            let reaped = async {
                up.notified().await;
                let entry = std::fs::read_to_string(dir.path().join("1")).unwrap();
                let stage: i32 = entry.split(' ').next().unwrap().parse().unwrap();
                kill_process(Pid::from_raw(stage).unwrap(), Signal::STOP).unwrap();
                Leftovers::open(dir.path().to_owned(), "sandbox-suite").unwrap().reap().await.unwrap()
            };
            let (report, reaped) = tokio::join!(running, reaped);
            assert!(reaped >= 1);
            assert!(matches!(report.unwrap().end, End::Signalled(9)));
        });
        assert_eq!(alive(&sleep), 0);
    }
}
