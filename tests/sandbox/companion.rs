//! Servers of tools, which are talked to over their pipes, in the sandbox of commands: they hear and are heard, the same probes are
//! stopped, and nobody outlives whoever started them.

use std::path::Path;
use std::sync::Arc;

use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use wfctl::workspace::companion::{Companion, Pipes, Start};
use wfctl::workspace::leftovers::Leftovers;
use wfctl::workspace::sandbox::{Containment, Error, TRIES};

use crate::lives::{alive, engine_of, killed_outright, unique, until};
use crate::rig;
use crate::world::{TREASURE, World};

/// Names the role of this binary executed anew as an engine with a server, and the `sleep` of that server.
const ENGINE: &str = "WFCTL_TEST_SERVERS_ENGINE";

/// What a server must not do more than a command: files, keys, processes, kernel, network, amounts.
const PROBES: &[&str] = &[
    "read_key",
    "read_engines_home",
    "read_other_worktree",
    "list_home",
    "read_temporary_file",
    "write_absolute",
    "write_through_symlink",
    "write_repository",
    "signal_outside",
    "descriptors_of_one",
    "trace",
    "mount",
    "new_user_namespace",
    "tcp_to_host",
    "dns",
    "engines_socket",
    "abstract_socket",
    "fork_bomb",
    "fill_tmp",
];

fn register(world: &World) -> Arc<Leftovers> {
    Arc::new(Leftovers::open(world.at("register"), "sandbox-suite").unwrap())
}

/// Starts a shell with a script in the work folder.
async fn shell(world: &World, script: &str, contained: &Containment, leftovers: Arc<Leftovers>) -> (Companion, Pipes) {
    let (args, dir, env) = (["-c".to_owned(), script.to_owned()], world.at("work"), world.variables());
    let start = Start {
        program: "sh",
        from: Path::new("/"),
        args: &args,
        dir: &dir,
        repository: Some(&dir),
        env: &env,
        key: "mcp/x",
        contained,
    };
    Companion::start(start, leftovers).await.unwrap()
}

/// Asks a server to run a probe; what it says of its end.
async fn probed(world: &World, name: &str, contained: &Containment) -> String {
    let own = std::env::current_exe().unwrap();
    let script = format!(
        "read -r name; {}=$name {} --exact probes::run --nocapture >&2; echo \"ended $?\"; cat",
        rig::PROBE,
        own.display()
    );
    let mut tries = 1;
    loop {
        let (companion, mut pipes) = shell(world, &script, contained, register(world)).await;
        // Refused where nothing was started.
        let _told = pipes.input.write_all(format!("{name}\n").as_bytes()).await;
        let mut line = String::new();
        BufReader::new(pipes.output).read_line(&mut line).await.unwrap();
        let ending = companion.end().await;
        match ending.unstarted {
            Some(Error::Silent { .. }) if tries < TRIES => tries += 1,
            unstarted => {
                assert!(unstarted.is_none(), "{unstarted:?}");
                assert!(line.starts_with("ended "), "{name}: {line:?} {}", ending.said);
                return line.trim_end().trim_start_matches("ended ").to_owned();
            }
        }
    }
}

#[test]
fn a_server_hears_and_is_heard_and_tells_what_it_runs_under() {
    let runtime = rig::runtime();
    for sandbox in rig::sandboxes() {
        let world = World::make();
        runtime.block_on(async {
            let contained = rig::by(sandbox, world.policy());
            let script = "while read -r line; do echo \"you said $line\"; done; echo over; echo bye >&2";
            let (mut companion, mut pipes) = shell(&world, script, &contained, register(&world)).await;
            let mut lines = BufReader::new(pipes.output).lines();
            for word in ["one", "two"] {
                pipes.input.write_all(format!("{word}\n").as_bytes()).await.unwrap();
                assert_eq!(lines.next_line().await.unwrap().unwrap(), format!("you said {word}"));
            }
            let told = companion.runs_under().unwrap();
            assert_eq!(told.backend, sandbox.backend().name());
            assert!(told.layers.iter().any(|layer| layer == "seccomp"), "{told}");
            // The end of what it hears is the end of its input: nobody else holds the other end.
            drop(pipes.input);
            assert_eq!(lines.next_line().await.unwrap().unwrap(), "over");
            assert_eq!(lines.next_line().await.unwrap(), None);
            let ending = companion.end().await;
            assert!(ending.unstarted.is_none() && ending.said == "bye", "{ending:?}");
        });
    }
}

#[test]
fn a_server_gets_out_no_more_than_a_command() {
    let runtime = rig::runtime();
    for sandbox in rig::sandboxes() {
        for name in PROBES {
            let mut world = World::make();
            let contained = rig::by(sandbox, world.policy());
            let ended = runtime.block_on(probed(&world, name, &contained));
            assert_eq!(ended, rig::STOPPED.to_string(), "{name} under {:?}", sandbox.backend());
            std::fs::remove_dir_all(world.at("register")).unwrap();
            assert!(world.is_untouched(), "{name} changed something under {:?}", sandbox.backend());
        }
    }
}

/// Without a sandbox the same gets through.
#[test]
fn the_canary_of_servers_gets_through() {
    let runtime = rig::runtime();
    for name in ["read_key", "write_absolute", "tcp_to_host", "list_home"] {
        let world = World::make();
        let ended = runtime.block_on(probed(&world, name, &Containment::Open));
        assert_eq!(ended, rig::THROUGH.to_string(), "{name}");
    }
}

#[test]
fn what_is_granted_is_reached_and_nothing_beside_it() {
    let runtime = rig::runtime();
    for sandbox in rig::sandboxes() {
        let world = World::make();
        let mut policy = world.policy();
        policy.readable.push(world.at("home/.ssh"));
        policy.writable.push(world.at("outside"));
        let contained = rig::by(sandbox, policy);
        let script = "cat \"$WORLD/home/.ssh/id_ed25519\"; echo; echo new >\"$WORLD/outside/new\"; cat \"$WORLD/home/wfctl/journal\"";
        let said = runtime.block_on(async {
            let (companion, pipes) = shell(&world, script, &contained, register(&world)).await;
            let mut lines = BufReader::new(pipes.output).lines();
            assert_eq!(lines.next_line().await.unwrap().unwrap(), TREASURE);
            assert_eq!(lines.next_line().await.unwrap(), None);
            companion.end().await.said
        });
        assert!(said.contains("journal"), "{said}");
        assert_eq!(std::fs::read_to_string(world.at("outside/new")).unwrap(), "new\n");
    }
}

#[test]
fn one_that_cannot_start_says_why() {
    let runtime = rig::runtime();
    for sandbox in rig::sandboxes() {
        let world = World::make();
        std::fs::write(world.at("home/tool"), "#!/bin/sh\n").unwrap();
        let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
        std::fs::set_permissions(world.at("home/tool"), mode).unwrap();
        let (policy, program) = (world.policy(), world.at("home/tool").display().to_string());
        assert!(policy.hides(&world.at("home/tool")) && !policy.hides(&world.at("work/file")));
        let contained = rig::by(sandbox, policy);
        let (dir, env) = (world.at("work"), world.variables());
        let start = Start {
            program: &program,
            from: Path::new("/"),
            args: &[],
            dir: &dir,
            repository: None,
            env: &env,
            key: "mcp/x",
            contained: &contained,
        };
        let ending = runtime.block_on(async {
            let (companion, pipes) = Companion::start(start, register(&world)).await.unwrap();
            assert_eq!(BufReader::new(pipes.output).lines().next_line().await.unwrap(), None);
            companion.end().await
        });
        assert!(matches!(ending.unstarted, Some(Error::NotStarted(_))), "{ending:?}");
    }
}

/// Not "soon": whoever let go of it can go on with the files.
#[test]
fn a_dropped_server_leaves_nobody_behind() {
    let runtime = rig::runtime();
    for sandbox in rig::sandboxes() {
        let (world, sleep) = (World::make(), unique());
        let script = format!("setsid sleep {sleep} & echo up; sleep {sleep}");
        runtime.block_on(async {
            let contained = rig::by(sandbox, world.policy());
            let (companion, pipes) = shell(&world, &script, &contained, register(&world)).await;
            assert_eq!(BufReader::new(pipes.output).lines().next_line().await.unwrap().unwrap(), "up");
            until("both run", || alive(&sleep) == 2);
            drop(companion);
            assert_eq!(alive(&sleep), 0);
        });
    }
}

/// Not a test: an engine that is killed while it has a server.
#[test]
fn engine() {
    let Ok(sleep) = std::env::var(ENGINE) else { return };
    let backend = std::env::var("BACKEND").unwrap();
    let sandbox = rig::sandboxes().iter().find(|it| it.backend().name() == backend).unwrap();
    let world = World::make();
    rig::runtime().block_on(async {
        let contained = rig::by(sandbox, world.policy());
        let script = format!("setsid sleep {sleep} & echo up; sleep {sleep}");
        let (_companion, pipes) = shell(&world, &script, &contained, register(&world)).await;
        let mut lines = BufReader::new(pipes.output).lines();
        lines.next_line().await.unwrap();
        println!("up {} {}", world.stranger.id(), world.base.display());
        lines.next_line().await.unwrap();
    });
}

/// kill -9 of the engine: its servers end, whether or not another engine ever looks after them.
#[test]
fn a_killed_engine_takes_its_servers_along() {
    for sandbox in rig::sandboxes() {
        let sleep = unique();
        let mut command = engine_of("companion::engine", ENGINE, &sleep, sandbox.backend().name());
        killed_outright(&mut command, &sleep, |count| count == 2, "the server is dead");
    }
}
