//! The whole loop over the real store: sequential steps, fan-outs, many projects, a very large DAG. Steps are in-process
//! no-ops, so that what is measured is ours.

#![expect(clippy::print_stdout, reason = "a bench prints its table")]
#![expect(clippy::disallowed_methods, reason = "a bench measures wall time and runs make beside us")]

mod support;

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use support::{
    NoOp, bench_user, chain, definition, fan, head, median, memory_mib, ms, ratio, report, scaled, start_of,
};
use wfctl::domain::ids::ProjectId;
use wfctl::domain::workflow::{Definition, TaskSpec};
use wfctl::engine::clock::SystemClock;
use wfctl::engine::ports::StepRunner;
use wfctl::steps::{Containments, MemorySink, NoModels, Places, Runner, Settings};
use wfctl::workspace::{Workspaces, index::Indexes, leftovers::Leftovers};

/// Runs `projects` projects of `definition` as no-ops to their end.
fn run(definition: &Arc<Definition>, projects: usize, workers: usize) -> (Duration, u64) {
    run_with(definition, projects, workers, |_| Arc::new(NoOp))
}

/// Runs `projects` projects of `definition` to their end; the time is from the first start to the last DONE.
fn run_with(
    definition: &Arc<Definition>,
    projects: usize,
    workers: usize,
    runner: impl Fn(&Path) -> Arc<dyn StepRunner>,
) -> (Duration, u64) {
    let home = tempfile::tempdir().expect("a temporary folder");
    let runtime = support::runtime();
    runtime.block_on(async {
        let engine = support::engine(home.path(), runner(home.path()), workers);
        let handle = engine.handle().clone();
        let before = handle.progress().commits;
        let began = Instant::now();
        let mut starts = Vec::with_capacity(projects);
        for at in 0..projects {
            let (handle, start) = (handle.clone(), start_of(definition, Some(&format!("p{at}"))));
            starts.push(tokio::spawn(async move { handle.start(start, bench_user()).await }));
        }
        for started in starts {
            started.await.expect("a task that ends").expect("a start that is accepted");
        }
        let ids: Vec<ProjectId> = (0..projects).map(|at| ProjectId::new(&format!("p{at}")).expect("valid")).collect();
        let mut watching = handle.clone();
        while watching.progress().driven > 0 {
            assert!(watching.changed().await, "the engine ended");
        }
        let took = began.elapsed();
        support::until_done(&handle, &ids).await;
        let commits = handle.progress().commits - before;
        engine.shutdown().await;
        (took, commits)
    })
}

fn sequential(floor: &mut support::Floor) {
    let steps = scaled(1_000, 50);
    let workflow = definition("chain", chain(steps));
    let mut commits = 0;
    let took = median(scaled(5, 1), || {
        let (took, made) = run(&workflow, 1, 4);
        commits = made;
        took
    });
    let syncs = median(scaled(5, 1), || floor.syncs(steps, &[7; 300]));
    let measured = format!("{}, {:.2} commits a step", ms(took), commits as f64 / steps as f64);
    report(
        &format!("{steps} sequential steps"),
        &measured,
        &ratio(took, syncs),
        "<= 2 commits, <= 3 x",
        "1 commit, 1.5 x",
    );
}

fn fan_out() {
    let width = scaled(1_000, 50);
    let workflow = definition("fan", fan(width));
    let took = median(scaled(7, 1), || run(&workflow, 1, 1_024).0);
    report(&format!("1 -> {width} -> 1"), &ms(took), "-", "<= 100 ms", "30 ms");
}

fn many_projects() {
    let projects = scaled(1_000, 20);
    let workflow = definition("five", chain(5));
    let took = median(scaled(5, 1), || run(&workflow, projects, 4_096).0);
    report(&format!("{projects} projects x 5 steps"), &ms(took), "-", "<= 300 ms", "100 ms");
}

/// The product's own runner: real processes.
fn real_runner(home: &Path) -> Arc<dyn StepRunner> {
    let leftovers = Leftovers::open(home.join("run"), "bench").expect("a folder for running steps");
    let sink = Arc::new(MemorySink::default());
    Arc::new(Arc::new(Runner::new(Settings {
        environment: std::env::vars_os().collect(),
        grace: Duration::from_secs(2),
        shutdown_grace: Duration::from_secs(1),
        logs_dir: home.join("logs"),
        workspaces: Arc::new(Workspaces::new(home)),
        containments: Arc::new(Containments::new(Places::new(home, env!("CARGO_BIN_EXE_wfctl").into()))),
        leftovers: Arc::new(leftovers),
        sink: sink.clone(),
        source: sink,
        models: Arc::new(NoModels),
        secrets: Arc::new(wfctl::secrets::Shelf::default()),
        masks: wfctl::telemetry::mask::Masks::default(),
        indexes: Arc::new(Indexes::new(home.join("indexes"))),
        servers: None,
        memories: None,
        recalled: None,
        clock: Arc::new(SystemClock::default()),
    })))
}

/// The same graph for GNU make: `true` once, `width` times, once.
fn makefile(width: usize) -> String {
    let middle: Vec<String> = (0..width).map(|at| format!("t{at}")).collect();
    let names = middle.join(" ");
    format!(
        ".PHONY: all first last {names}\nall: last\nfirst:\n\t@true\n{names}: first\n\t@true\nlast: {names}\n\t@true\n"
    )
}

fn against_make() {
    let width = scaled(1_000, 20);
    let dir = tempfile::tempdir().expect("a temporary folder");
    std::fs::write(dir.path().join("Makefile"), makefile(width)).expect("a writable folder");
    let workflow = definition("fan", fan(width));
    let mut makes = Vec::new();
    let took = median(scaled(5, 1), || {
        let began = Instant::now();
        let made = std::process::Command::new("make").args(["-j2", "-s"]).current_dir(dir.path()).status();
        makes.push(began.elapsed());
        assert!(made.is_ok_and(|status| status.success()), "GNU make is needed for the comparison");
        run_with(&workflow, 1, 2, real_runner).0
    });
    makes.sort_unstable();
    let make = makes[makes.len() / 2];
    let against = format!("{} of make -j2 ({})", ratio(took, make), ms(make));
    report(&format!("1 -> {width} -> 1 of `run: true`, 2 workers"), &ms(took), &against, "<= 2 x", "1.2 x");
}

/// 100,000 tasks in layers of 1,000, each needing three of the layer before.
fn layered(count: usize) -> Vec<TaskSpec> {
    let width = count.min(1_000);
    let name = |at: usize| format!("task-{at}");
    let needs = |at: usize| -> Vec<String> {
        let Some(above) = at.checked_sub(width) else { return Vec::new() };
        let first = above / width * width;
        (0..3).map(|step| name(first + (above - first + step * 7) % width)).collect()
    };
    (0..count).map(|at| support::task(name(at), needs(at))).collect()
}

fn large_dag() {
    let count = scaled(100_000, 1_000);
    let workflow = definition("large", layered(count));
    let (took, commits) = run(&workflow, 1, 1_024);
    let (peak, _) = memory_mib();
    let measured = format!("{:.2} s, peak {peak} MiB, {commits} commits", took.as_secs_f64());
    report(&format!("DAG of {count} tasks"), &measured, "-", "<= 20 s, <= 400 MiB", "5 s, 150 MiB");
}

/// `cargo bench --bench dispatch_dag -- make` runs only that one.
fn wanted(name: &str) -> bool {
    let mut named = std::env::args().skip(1).filter(|arg| !arg.starts_with('-')).peekable();
    named.peek().is_none() || named.any(|arg| arg == name)
}

fn main() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let mut floor = support::Floor::new(dir.path());
    head();
    // The memory figure is a peak: the large one goes first, in a process that has done nothing else.
    if wanted("large") {
        large_dag();
    }
    if wanted("sequential") {
        sequential(&mut floor);
    }
    if wanted("fan") {
        fan_out();
    }
    if wanted("projects") {
        many_projects();
    }
    if wanted("make") {
        against_make();
    }
    println!("(one fdatasync of 300 bytes: {})", ms(median(101, || floor.syncs(1, &[7; 300]))));
}
