//! What a sandbox costs: the shortest command there is, bare and contained, taking turns so that whatever else the machine
//! does hits all of them.

#![expect(clippy::print_stdout, reason = "a bench prints its table")]
#![expect(clippy::disallowed_methods, reason = "a bench reads the environment to find programs")]

mod support;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use support::{head, ms, ratio, report, scaled, timed};
use wfctl::domain::sandbox::{Allowance, Backend};
use wfctl::telemetry::mask::Masker;
use wfctl::workspace::process::{self, Command, End};
use wfctl::workspace::sandbox::{Containment, Engines, Limits, Place, Policy, Sandbox};

fn command(dir: &Path, contained: Containment) -> Command {
    Command {
        line: "true".to_owned(),
        dir: dir.to_owned(),
        env: vec![("PATH".into(), "/usr/bin:/bin".into())],
        log: None,
        log_bytes_max: 1 << 20,
        value_bytes_max: 0,
        grace: Duration::from_secs(1),
        shutdown_grace: Duration::from_secs(1),
        key: "bench/0/1/0".to_owned(),
        masker: Masker::default(),
        contained,
    }
}

fn policy(dir: &Path) -> Policy {
    let limits = Allowance::default().limits;
    Policy {
        writable: vec![dir.to_owned()],
        hidden: vec!["/root".into(), "/home".into()],
        limits: Limits {
            memory_bytes: limits.memory_bytes,
            cpu_seconds: limits.cpu_seconds,
            processes: limits.processes,
            open_files: limits.open_files,
            file_bytes: limits.file_bytes,
            disk_bytes: limits.scratch_bytes,
        },
        ..Policy::default()
    }
}

fn main() {
    head();
    let runtime = support::runtime();
    let dir = tempfile::tempdir().expect("a temporary folder");
    let stage = Path::new(env!("CARGO_BIN_EXE_wfctl"));
    let path = std::env::var_os("PATH");
    let place = Place { stage, path: path.as_deref(), untrusted: &[], engines: &Engines::default(), image: None };
    let mut rows = vec![("bare".to_owned(), command(dir.path(), Containment::Open), Vec::new())];
    for backend in [Backend::Native, Backend::Bwrap] {
        match runtime.block_on(Sandbox::tried(backend, &place)) {
            Ok(sandbox) => {
                println!("{}: {}", backend.name(), sandbox.found());
                let contained =
                    Containment::Sandbox { sandbox: Arc::new(sandbox), policy: Arc::new(policy(dir.path())) };
                rows.push((backend.name().to_owned(), command(dir.path(), contained), Vec::new()));
            }
            Err(missing) => println!("skipped: {missing}"),
        }
    }
    for _ in 0..scaled(301, 5) {
        for (_, command, times) in &mut rows {
            let run = process::run(command, None, std::future::pending(), || {});
            let (done, took) = timed(|| runtime.block_on(run));
            assert!(matches!(done.expect("a command that runs").end, End::Exited(0)));
            times.push(took);
        }
    }
    let middle = |times: &mut Vec<Duration>| {
        times.sort_unstable();
        times[times.len() / 2]
    };
    let bare = middle(&mut rows[0].2);
    for (name, _, times) in &mut rows {
        let took = middle(times);
        let more = took.saturating_sub(bare);
        let measured = format!("{}, {} more", ms(took), ms(more));
        report(&format!("`true`, {name}"), &measured, &ratio(took, bare), "<= 15 ms more", "");
    }
}
