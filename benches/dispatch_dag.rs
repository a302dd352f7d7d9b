//! The whole loop over the real store: sequential steps, fan-outs, many projects, a very large DAG. Steps are in-process
//! no-ops, so that what is measured is ours.

#![expect(clippy::print_stdout, reason = "a bench prints its table")]

mod support;

use std::sync::Arc;
use std::time::Duration;

use support::{
    NoOp, bench_user, chain, definition, fan, head, median, memory_mib, ms, ratio, report, scaled, start_of,
};
use wfctl::domain::ids::ProjectId;
use wfctl::domain::workflow::{Definition, TaskSpec};

/// Runs `projects` projects of `definition` to their end; the time is from the first start to the last DONE.
fn run(definition: &Arc<Definition>, projects: usize, workers: usize) -> (Duration, u64) {
    let home = tempfile::tempdir().expect("a temporary folder");
    let runtime = support::runtime();
    runtime.block_on(async {
        let engine = support::engine(home.path(), Arc::new(NoOp), workers);
        let handle = engine.handle().clone();
        let before = handle.progress().commits;
        let start = std::time::Instant::now;
        #[expect(clippy::disallowed_methods, reason = "a bench measures wall time")]
        let began = start();
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

fn main() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let mut floor = support::Floor::new(dir.path());
    head();
    // The memory figure is a peak: the large one goes first, in a process that has done nothing else.
    large_dag();
    sequential(&mut floor);
    fan_out();
    many_projects();
    println!("(one fdatasync of 300 bytes: {})", ms(median(101, || floor.syncs(1, &[7; 300]))));
}
