//! What an engine for containers is asked for, what becomes of a command in one, and who removes it.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};
use wfctl::domain::effect::StopCause;
use wfctl::domain::sandbox::Backend;
use wfctl::workspace::leftovers::{ENGINE_VARIABLE, Leftovers, STEP_VARIABLE};
use wfctl::workspace::process::{self, Command, End, Error};
use wfctl::workspace::sandbox::proxy::{Allowed, Proxy};
use wfctl::workspace::sandbox::{self, Containment, Engines, Missing, Network, Place, Policy, Sandbox};

use crate::engine::{Engine, Flaw, IMAGE, IMAGE_ID};
use crate::rig::{self, text};
use crate::world::World;

fn tried(socket: &Path, image: Option<&str>) -> Result<Sandbox, Missing> {
    let engines = Engines { docker: vec![socket.to_owned()], ..Engines::default() };
    let stage = rig::stage();
    let place = Place { stage: &stage, path: None, untrusted: &[], engines: &engines, image };
    rig::runtime().block_on(Sandbox::tried(Backend::Docker, &place))
}

fn sandbox(engine: &Engine) -> Arc<Sandbox> {
    Arc::new(tried(&engine.socket, Some(IMAGE)).unwrap())
}

/// A command that may use the folder of the world and nothing else.
fn command(world: &World, line: &str, sandbox: &Arc<Sandbox>) -> Command {
    let policy = Policy { readable: Vec::new(), scratch: vec!["/tmp".into()], ..world.policy() };
    rig::command(world, line, rig::by(sandbox, policy))
}

#[test]
fn what_it_says_and_its_code_are_the_commands() {
    let engine = Engine::start(Flaw::None);
    let (world, sandbox) = (World::make(), sandbox(&engine));
    let report =
        rig::runtime().block_on(rig::run(&command(&world, "pwd; printf 'a\\0b'; echo no >&2; exit 7", &sandbox)));
    assert!(matches!(report.end, End::Exited(7)), "{:?}", report.end);
    assert_eq!(text(&report.output.stdout), format!("{}\na\0b", world.at("work").display()));
    assert_eq!(text(&report.output.stderr_tail), "no\n");
    let expected = [
        "docker 9.9",
        &format!("image {IMAGE_ID}"),
        "network none",
        "read-only root",
        "no capabilities",
        "memory",
        "pids",
        "rlimits",
        "seccomp",
        "no new privileges",
    ];
    assert_eq!(
        (report.ran_under.backend.as_str(), report.ran_under.layers),
        ("docker", expected.map(str::to_owned).into())
    );
    // It is gone when the runner returns, not soon.
    assert_eq!(engine.names(), Vec::<String>::new());
}

#[test]
fn a_lot_of_output_comes_through_whole() {
    let engine = Engine::start(Flaw::None);
    let (world, sandbox) = (World::make(), sandbox(&engine));
    let report = rig::runtime().block_on(rig::run(&command(&world, "seq 200000", &sandbox)));
    assert!(matches!(report.end, End::Exited(0)), "{:?}", report.end);
    assert_eq!(report.output.stdout.len().min(1 << 20), 1 << 20);
    let flooded = Command { log_bytes_max: 1 << 16, ..command(&world, "yes", &sandbox) };
    let report = rig::runtime().block_on(rig::run(&flooded));
    assert!(matches!(report.end, End::Flooded), "{:?}", report.end);
    assert_eq!(engine.names(), Vec::<String>::new());
}

#[test]
fn the_engine_is_asked_for_every_bound() {
    let engine = Engine::start(Flaw::None);
    let (world, sandbox) = (World::make(), sandbox(&engine));
    let mut asked_for = command(&world, "echo $A", &sandbox);
    asked_for.env = vec![
        ("A".into(), "x=y".into()),
        (ENGINE_VARIABLE.into(), "home:7:9".into()),
        (STEP_VARIABLE.into(), "p/3/2/1".into()),
    ];
    let report = rig::runtime().block_on(rig::run(&asked_for));
    assert_eq!(text(&report.output.stdout), "x=y\n");
    let body = engine.last_body();
    let is = |pointer: &str, expected: Value| {
        assert_eq!(body.pointer(pointer).unwrap_or(&Value::Null), &expected, "{pointer} in {body:#}");
    };
    is("/Image", json!(IMAGE_ID));
    is("/Entrypoint", json!(["/bin/sh"]));
    is("/Cmd", json!(["-c", "echo $A"]));
    is("/WorkingDir", json!(world.at("work")));
    is("/Healthcheck/Test", json!(["NONE"]));
    let (uid, gid) = (rustix::process::geteuid().as_raw(), rustix::process::getegid().as_raw());
    is("/User", json!(format!("{uid}:{gid}")));
    is("/Tty", json!(false));
    is("/OpenStdin", json!(false));
    for (name, value) in [
        ("wfctl.home", "home"),
        ("wfctl.engine", "home:7:9"),
        ("wfctl.project", "p"),
        ("wfctl.task", "3"),
        ("wfctl.attempt", "2"),
        ("wfctl.step", "1"),
    ] {
        assert_eq!(body["Labels"][name], value, "{name}");
    }
    is("/HostConfig/NetworkMode", json!("none"));
    is("/HostConfig/ReadonlyRootfs", json!(true));
    is("/HostConfig/CapDrop", json!(["ALL"]));
    is("/HostConfig/SecurityOpt", json!(["no-new-privileges"]));
    is("/HostConfig/Privileged", json!(false));
    is("/HostConfig/IpcMode", json!("private"));
    is("/HostConfig/CgroupnsMode", json!("private"));
    is("/HostConfig/Init", json!(true));
    is("/HostConfig/Memory", json!(256 << 20));
    is("/HostConfig/MemorySwap", json!(256 << 20));
    is("/HostConfig/PidsLimit", json!(136));
    is("/HostConfig/ShmSize", json!(8 << 20));
    is("/HostConfig/LogConfig/Type", json!("none"));
    is("/HostConfig/RestartPolicy/Name", json!("no"));
    let bound = |name: &str, most: u64| json!({ "Name": name, "Soft": most, "Hard": most });
    let bounds = [("core", 0), ("cpu", 60), ("fsize", 8 << 20), ("nofile", 128)].map(|(name, most)| bound(name, most));
    is("/HostConfig/Ulimits", json!(bounds));
    let tmp = format!("rw,exec,nosuid,nodev,size={},mode=1777", 8 << 20);
    is("/HostConfig/Tmpfs/~1tmp", json!(tmp));
    // The image wants a volume there, which would have no bound.
    is("/HostConfig/Tmpfs/~1data", json!(tmp));
    let mounts = body.pointer("/HostConfig/Mounts").unwrap().as_array().unwrap();
    let of = |path: std::path::PathBuf| {
        mounts.iter().find(|mount| mount["Target"] == json!(path)).map(|mount| mount["ReadOnly"].clone())
    };
    assert_eq!(of(world.at("work")), Some(json!(false)));
    assert_eq!(of(world.at("work/.git")), Some(json!(true)));
    assert_eq!(of(world.at("home")), None, "{mounts:?}");
    assert!(mounts.iter().all(|mount| mount["Type"] == "bind" && mount["BindOptions"]["Propagation"] == "rprivate"));
}

#[test]
fn all_of_the_network_is_given_and_some_hosts_are_refused() {
    let engine = Engine::start(Flaw::None);
    let (world, sandbox) = (World::make(), sandbox(&engine));
    let by = |network| rig::by(&sandbox, Policy { network, readable: Vec::new(), ..world.policy() });
    let runtime = rig::runtime();
    let report = runtime.block_on(rig::run(&rig::command(&world, "true", by(Network::Host))));
    assert!(matches!(report.end, End::Exited(0)));
    assert!(!report.ran_under.layers.iter().any(|layer| layer.starts_with("network")), "{}", report.ran_under);
    assert_eq!(engine.last_body()["HostConfig"]["NetworkMode"], "host");
    let _entered = runtime.enter();
    let proxy = Proxy::start(&world.at("home/wfctl/proxy"), Allowed::parse(["example.org"]).unwrap()).unwrap();
    let some = rig::command(&world, "true", by(Network::Hosts(proxy)));
    let refused = runtime.block_on(process::run(&some, None, std::future::pending(), || {})).unwrap_err();
    assert!(matches!(refused, Error::Sandbox(sandbox::Error::Refused { .. })), "{refused:?}");
    assert!(refused.to_string().contains("--allow-net '*'"), "{refused}");
}

#[test]
fn what_is_missing_is_named() {
    let engine = Engine::start(Flaw::None);
    let nameless = tried(&engine.socket, None).unwrap_err();
    assert!(nameless.remedy.contains("--sandbox-image"), "{nameless}");
    let unknown = tried(&engine.socket, Some("other")).unwrap_err();
    assert_eq!(unknown.remedy, "fetch it: docker pull other");
    assert_eq!(engine.count("POST"), 0, "nothing is pulled: {:?}", engine.asked());
    let silent = tried(Path::new("/nonexistent/docker.sock"), Some(IMAGE)).unwrap_err();
    assert!(silent.why.contains("no engine answers (/nonexistent/docker.sock: "), "{silent}");
}

#[test]
fn an_engine_that_leaves_a_bound_out_runs_nothing() {
    let engine = Engine::start(Flaw::NoMemoryBound);
    let refused = tried(&engine.socket, Some(IMAGE)).unwrap_err();
    assert!(refused.why.contains("cannot bound the memory"), "{refused}");
    assert_eq!((engine.count("POST"), engine.names()), (1, Vec::new()), "{:?}", engine.asked());
    let engine = Engine::start(Flaw::NoStart);
    let refused = tried(&engine.socket, Some(IMAGE)).unwrap_err();
    assert!(refused.why.contains("start the container: no room on the device"), "{refused}");
    assert_eq!(engine.names(), Vec::<String>::new());
}

#[test]
fn a_stopped_command_may_tidy_up() {
    let engine = Engine::start(Flaw::None);
    let (world, sandbox) = (World::make(), sandbox(&engine));
    for (line, tidied) in [
        ("trap 'echo tidy; exit 0' TERM; echo up; while :; do sleep 0.01; done", true),
        ("trap '' TERM; echo up; while :; do sleep 0.01; done", false),
    ] {
        let grace = Duration::from_millis(if tidied { 20_000 } else { 100 });
        let command = Command { grace, ..command(&world, line, &sandbox) };
        let report = rig::runtime().block_on(async {
            let up = tokio::sync::Notify::new();
            let stop = async {
                up.notified().await;
                StopCause::Cancel
            };
            process::run(&command, None, stop, || up.notify_one()).await.unwrap()
        });
        assert!(matches!(report.end, End::Stopped(StopCause::Cancel)), "{:?}", report.end);
        assert_eq!(text(&report.output.stdout).contains("tidy"), tidied);
        assert_eq!(engine.names(), Vec::<String>::new());
    }
    assert!(engine.asked().iter().any(|line| line.contains("/kill?signal=SIGTERM")));
}

#[test]
fn a_killed_part_of_ours_takes_the_container_along() {
    let engine = Engine::start(Flaw::None);
    let (world, sandbox) = (World::make(), sandbox(&engine));
    let dir = tempfile::tempdir().unwrap();
    let command = command(&world, "echo up; sleep 1000", &sandbox);
    rig::runtime().block_on(async {
        let leftovers = Leftovers::open(dir.path().to_owned(), "home").unwrap();
        let up = tokio::sync::Notify::new();
        let running = process::run(&command, Some(&leftovers), std::future::pending(), || up.notify_one());
        let killed = async {
            up.notified().await;
            let entry = std::fs::read_to_string(dir.path().join("1")).unwrap();
            let part: i32 = entry.split(' ').next().unwrap().parse().unwrap();
            assert_eq!(engine.names().len(), 1);
            kill_process(Pid::from_raw(part).unwrap(), Signal::KILL).unwrap();
        };
        let (report, ()) = tokio::join!(running, killed);
        assert!(matches!(report.unwrap().end, End::Signalled(9)));
        assert_eq!(engine.names(), Vec::<String>::new(), "gone when the runner returns");
        let noted = std::fs::read_to_string(dir.path().join("container-engines")).unwrap();
        assert_eq!(noted, format!("{}\n", engine.socket.display()));
    });
}

#[test]
fn a_dropped_run_leaves_no_container() {
    let engine = Engine::start(Flaw::None);
    let (world, sandbox) = (World::make(), sandbox(&engine));
    let command = command(&world, "echo up; sleep 1000", &sandbox);
    rig::runtime().block_on(async {
        let up = tokio::sync::Notify::new();
        tokio::select! {
            _ = process::run(&command, None, std::future::pending(), || up.notify_one()) => panic!("it ended"),
            () = up.notified() => {}
        }
    });
    crate::lives::until("the container is gone", || engine.names().is_empty());
}

#[test]
fn containers_of_dead_engines_are_removed_and_those_of_others_are_not() {
    let engine = Engine::start(Flaw::None);
    let dir = tempfile::tempdir().unwrap();
    let leftovers = Leftovers::open(dir.path().to_owned(), "home").unwrap();
    // No process has this number and began at that time.
    engine.leave("dead", &json!({ "wfctl.home": "home", "wfctl.engine": format!("home:{}:1", std::process::id()) }));
    engine.leave("own", &json!({ "wfctl.home": "home", "wfctl.engine": leftovers.engine_marker() }));
    engine.leave("other", &json!({ "wfctl.home": "another", "wfctl.engine": "another:1:1" }));
    let reaped = || rig::runtime().block_on(leftovers.reap()).unwrap();
    assert_eq!(reaped(), 0, "a home without containers asks nobody");
    assert_eq!(engine.asked(), Vec::<String>::new());
    std::fs::write(dir.path().join("container-engines"), format!("{}\n", engine.socket.display())).unwrap();
    assert_eq!(reaped(), 1);
    assert_eq!(engine.names(), ["other", "own"]);
    assert!(!dir.path().join("container-engines").exists());
    // One that does not answer keeps nobody from starting, and is asked again.
    std::fs::write(dir.path().join("container-engines"), "/nonexistent/docker.sock\n").unwrap();
    assert_eq!(reaped(), 0);
    assert!(dir.path().join("container-engines").exists());
}

#[test]
fn programs_are_the_images() {
    let engine = Engine::start(Flaw::None);
    let (world, sandbox) = (World::make(), sandbox(&engine));
    assert!(sandbox.has_own_files());
    // A plain command is not looked up here: its bare name is the image's affair.
    let report = rig::runtime().block_on(rig::run(&command(&world, "env", &sandbox)));
    assert!(matches!(report.end, End::Exited(0)));
    assert_eq!(engine.last_body()["Entrypoint"], json!(["env"]));
    let contained = command(&world, "true", &sandbox).contained;
    assert!(matches!(contained, Containment::Sandbox { .. }));
}
