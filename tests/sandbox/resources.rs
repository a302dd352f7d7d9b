//! Commands that take too much of something, seen from outside.

use wfctl::workspace::process::{Command, End};
use wfctl::workspace::sandbox::{Containment, Policy};

use crate::rig::{self, text};
use crate::world::World;

#[test]
fn endless_output_ends_the_command() {
    let runtime = rig::runtime();
    for sandbox in rig::everybody() {
        let world = World::make();
        let command =
            Command { log_bytes_max: 1 << 20, ..rig::command(&world, "yes", rig::by(sandbox, world.policy())) };
        let report = runtime.block_on(rig::run(&command));
        assert!(matches!(report.end, End::Flooded), "{:?}", report.end);
        assert_eq!(report.output.log_bytes, 1 << 20);
        assert!(!report.ran_under.layers.is_empty());
    }
}

#[test]
fn a_hog_is_ended_by_its_processor_time() {
    let runtime = rig::runtime();
    for sandbox in rig::everybody() {
        let world = World::make();
        let mut policy = world.policy();
        policy.limits.cpu_seconds = Some(1);
        let report = runtime.block_on(rig::run(&rig::command(
            &world,
            "exec sh -c 'while :; do :; done'",
            rig::by(sandbox, policy),
        )));
        // SIGXCPU, or SIGKILL at the hard limit; engines for containers tell signals as codes.
        assert!(matches!(report.end, End::Signalled(24 | 9) | End::Exited(152 | 137)), "{:?}", report.end);
    }
}

/// Terminal control sequences are kept as they came: what shows them makes them harmless.
#[test]
fn output_is_kept_byte_for_byte() {
    let runtime = rig::runtime();
    for sandbox in rig::everybody() {
        let world = World::make();
        let line = "printf '\\033]0;owned\\007\\033[2J\\377\\000'";
        let report = runtime.block_on(rig::run(&rig::command(&world, line, rig::by(sandbox, world.policy()))));
        assert_eq!(report.output.stdout, b"\x1b]0;owned\x07\x1b[2J\xff\0");
    }
}

/// A variable that loads code into programs is the command's own affair: the sandbox's parts never see it.
#[test]
fn preloaded_code_stays_inside() {
    let runtime = rig::runtime();
    for sandbox in rig::everybody() {
        let world = World::make();
        let mut command = rig::command(&world, "/bin/true", rig::by(sandbox, world.policy()));
        command.env.push(("LD_PRELOAD".into(), "/nonexistent/evil.so".into()));
        let report = runtime.block_on(rig::run(&command));
        // The loader of each program that has it complains once.
        assert_eq!(
            text(&report.output.stderr_tail).matches("evil.so").count(),
            1,
            "{}",
            text(&report.output.stderr_tail)
        );
    }
}

/// The environment inside is the command's, and what names the proxy; nothing of whoever started the sandbox.
#[test]
fn the_environment_is_the_commands_alone() {
    let runtime = rig::runtime();
    for sandbox in rig::sandboxes() {
        let world = World::make();
        let command = rig::command(&world, "env", rig::by(sandbox, Policy::clone(&world.policy())));
        let report = runtime.block_on(rig::run(&command));
        let told = text(&report.output.stdout);
        let mut names: Vec<&str> = told.lines().filter_map(|line| Some(line.split_once('=')?.0)).collect();
        // What keeps programs of a repository's configuration from being run by git.
        names.retain(|name| !name.starts_with("GIT_"));
        names.sort_unstable();
        assert_eq!(names, ["PATH", "STRANGER", "TCP", "TEMPORARY", "UDP", "WORLD"]);
    }
}

/// By a control group where there is one, else by what process 1 was told of those that it waited for.
#[test]
fn what_a_command_takes_is_told() {
    let runtime = rig::runtime();
    for sandbox in rig::sandboxes() {
        let world = World::make();
        // A line of 64 MiB is held in memory as a whole, beside loops that count.
        let line = "i=0; while [ $i -lt 300000 ]; do i=$((i+1)); done; head -c 67108864 /dev/zero | tail -n 1 | wc -c";
        let report = runtime.block_on(rig::run(&rig::command(&world, line, rig::by(sandbox, world.policy()))));
        assert!(matches!(report.end, End::Exited(0)), "{:?}", report.end);
        let took = report.ran_under.took;
        let (memory, cpu) = (took.memory_bytes.unwrap(), took.cpu_ms.unwrap());
        assert!((64 << 20..=256 << 20).contains(&memory), "{took}");
        assert!((50..60_000).contains(&cpu), "{took}");
        assert_eq!(took.memory_kills, 0);
    }
}

#[test]
fn what_takes_too_much_memory_is_told_apart() {
    let runtime = rig::runtime();
    for sandbox in rig::sandboxes() {
        let world = World::make();
        let line = "head -c 1073741824 /dev/zero | tail -n 1 >/dev/null";
        let report = runtime.block_on(rig::run(&rig::command(&world, line, rig::by(sandbox, world.policy()))));
        assert!(matches!(report.end, End::Exited(1..) | End::Signalled(9)), "{:?}", report.end);
        let took = report.ran_under.took;
        let is_bounded_together = report.ran_under.layers.iter().any(|layer| layer == "control group");
        match is_bounded_together && took.memory_kills > 0 {
            true => assert!(took.memory_bytes.unwrap() >= 200 << 20, "{took}"),
            // Each process was refused more than its bound.
            false => assert!(took.memory_bytes.unwrap() >= (256 * 9 / 10) << 20, "{took}"),
        }
    }
}

/// Without a sandbox the kernel tells at least how long it was at work.
#[test]
fn what_an_open_command_takes_is_told_too() {
    let world = World::make();
    let line = "i=0; while [ $i -lt 300000 ]; do i=$((i+1)); done; true";
    let report = rig::runtime().block_on(rig::run(&rig::command(&world, line, Containment::Open)));
    let took = report.ran_under.took;
    assert!(took.cpu_ms.unwrap() >= 50 && took.memory_bytes.is_none(), "{took}");
}
