//! Runs a probe, or any command, in a world: contained by a backend, or not at all.

use std::path::PathBuf;
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use wfctl::domain::sandbox::Backend;
use wfctl::telemetry::mask::Masker;
use wfctl::workspace::process::{self, Command, End, Report};
use wfctl::workspace::sandbox::{Containment, Engines, Place, Policy, Sandbox};

use crate::world::World;

/// The exit code of a probe that was stopped, and of one that got through.
pub const STOPPED: i32 = 41;
pub const THROUGH: i32 = 42;
/// Names the probe, in the environment of this binary executed anew.
pub const PROBE: &str = "WFCTL_TEST_PROBE";
/// A folder for worlds, and the stage's program, for users who may not enter the build folder.
pub const BASE: &str = "WFCTL_TEST_BASE";
pub const STAGE: &str = "WFCTL_TEST_STAGE";
/// The image for containers.
const IMAGE: &str = "WFCTL_TEST_IMAGE";

/// A sandbox of each backend that works here. The native one must, or there is nothing to test.
static SANDBOXES: LazyLock<Vec<Arc<Sandbox>>> = LazyLock::new(|| {
    let path = std::env::var_os("PATH");
    let stage = stage();
    let place =
        Place { stage: &stage, path: path.as_deref(), untrusted: &[], engines: &Engines::default(), image: None };
    let mut found = Vec::new();
    for backend in [Backend::Native, Backend::Bwrap] {
        match runtime().block_on(Sandbox::tried(backend, &place)) {
            Ok(sandbox) => found.push(Arc::new(sandbox)),
            Err(missing) => {
                eprintln!("skipped: {missing}");
                assert!(backend != Backend::Native || std::env::var_os("CI").is_none(), "{missing}");
            }
        }
    }
    found
});

/// Those that this machine makes itself.
pub fn sandboxes() -> &'static [Arc<Sandbox>] {
    &SANDBOXES
}

/// An engine that makes containers, when one answers and has an image with what the probes need: a shell and the C library
/// that this binary was built with.
static CONTAINERS: LazyLock<Option<Arc<Sandbox>>> = LazyLock::new(|| {
    let address = std::env::var("DOCKER_HOST").unwrap_or("unix:///var/run/docker.sock".to_owned());
    let docker = address.strip_prefix("unix://").map(PathBuf::from).into_iter().collect();
    let engines = Engines { docker, ..Engines::default() };
    let image = std::env::var(IMAGE).unwrap_or("debian:bookworm-slim".to_owned());
    let stage = stage();
    let place = Place { stage: &stage, path: None, untrusted: &[], engines: &engines, image: Some(&image) };
    match runtime().block_on(Sandbox::tried(Backend::Docker, &place)) {
        Ok(sandbox) => Some(Arc::new(sandbox)),
        Err(missing) => {
            eprintln!("skipped: {missing}");
            None
        }
    }
});

/// All of them.
pub fn everybody() -> impl Iterator<Item = &'static Arc<Sandbox>> {
    sandboxes().iter().chain(CONTAINERS.as_ref())
}

pub fn base() -> PathBuf {
    std::env::var_os(BASE).map_or_else(|| PathBuf::from(env!("CARGO_TARGET_TMPDIR")), PathBuf::from)
}

pub fn stage() -> PathBuf {
    std::env::var_os(STAGE).map_or_else(|| PathBuf::from(env!("CARGO_BIN_EXE_wfctl")), PathBuf::from)
}

pub fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

pub fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread().enable_all().worker_threads(2).build().unwrap()
}

pub fn by(sandbox: &Arc<Sandbox>, mut policy: Policy) -> Containment {
    if sandbox.has_own_files() {
        // The probes are in this binary, which no image has.
        policy.readable.extend(std::env::current_exe());
    }
    Containment::Sandbox { sandbox: Arc::clone(sandbox), policy: Arc::new(policy) }
}

/// A command in the work folder.
pub fn command(world: &World, line: &str, contained: Containment) -> Command {
    Command {
        line: line.to_owned(),
        dir: world.at("work"),
        env: world.variables(),
        log: None,
        log_bytes_max: 64 << 20,
        value_bytes_max: 1 << 20,
        grace: Duration::from_secs(20),
        shutdown_grace: Duration::from_secs(20),
        key: "p/0/1/0".to_owned(),
        masker: Masker::default(),
        contained,
    }
}

/// Runs a command to its end.
pub async fn run(command: &Command) -> Report {
    process::run(command, None, std::future::pending(), || {}).await.unwrap()
}

/// A command that runs a probe.
pub fn probe(world: &World, name: &str, contained: Containment) -> Command {
    let own = std::env::current_exe().unwrap();
    let mut command = command(world, &format!("{} --exact probes::run --nocapture", own.display()), contained);
    command.env.push((PROBE.into(), name.into()));
    command
}

/// How a probe went: `None`, it got through; else what stopped it.
pub async fn probed(world: &World, name: &str, contained: Containment) -> Option<String> {
    let report = run(&probe(world, name, contained)).await;
    let said = format!("{}{}", text(&report.output.stdout), text(&report.output.stderr_tail));
    match report.end {
        End::Exited(STOPPED) => Some(said),
        End::Exited(THROUGH) => None,
        // Whoever takes too much memory is killed by the kernel.
        End::Signalled(9) if name == "memory_bomb" => Some("killed".to_owned()),
        other => panic!("the probe {name} ended with {other:?}: {said}"),
    }
}

pub fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}
