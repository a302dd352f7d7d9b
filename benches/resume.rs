//! How long it takes to be back: a killed run's first new step, a very long journal, ten thousand projects that wait.

#![expect(clippy::print_stdout, reason = "a bench prints its table")]
#![expect(clippy::disallowed_methods, reason = "a bench measures wall time")]

mod support;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use support::{
    bench_user, chain, definition, done, head, median, memory_mib, ms, report, resume_command, scaled, start_of,
};
use wfctl::domain::effect::StepOrder;
use wfctl::domain::event::StepOutcome;
use wfctl::domain::ids::ProjectId;
use wfctl::domain::workflow::{Action, TaskSpec, WaitSpec};
use wfctl::engine::ports::{StepControl, StepRunner};

/// Runs `until` steps, then holds the next one forever: the engine that owns it is "killed" in its middle.
struct StopsAt {
    until: usize,
    begun: AtomicUsize,
    reached: tokio::sync::Notify,
}

impl StopsAt {
    fn new(until: usize) -> Arc<Self> {
        Arc::new(Self { until, begun: AtomicUsize::new(0), reached: tokio::sync::Notify::new() })
    }
}

#[async_trait::async_trait]
impl StepRunner for StopsAt {
    async fn run(&self, _: StepOrder, mut control: StepControl) -> StepOutcome {
        if self.begun.fetch_add(1, Ordering::SeqCst) < self.until {
            return done();
        }
        self.reached.notify_one();
        control.stopped().await;
        std::future::pending().await
    }
}

/// From "resume" to the first new step: opening the store, replaying, deciding, one commit.
fn first_step(steps: usize) {
    let measure = || {
        let home = tempfile::tempdir().expect("a temporary folder");
        let runtime = support::runtime();
        let workflow = definition("chain", chain(steps));
        let id = ProjectId::new("p").expect("valid");
        runtime.block_on(async {
            let runner = StopsAt::new(steps / 2);
            let engine = support::engine(home.path(), runner.clone(), 4);
            engine.handle().start(start_of(&workflow, Some("p")), bench_user()).await.expect("accepted");
            runner.reached.notified().await;
            // A copy of the files as they are now is what a killed process leaves behind.
            let copy = tempfile::tempdir().expect("a temporary folder");
            copy_tree(home.path(), copy.path());
            let runner = StopsAt::new(0);
            let began = Instant::now();
            let resumed = support::engine(copy.path(), runner.clone(), 4);
            resumed.handle().resume(id, resume_command(), bench_user()).await.expect("accepted");
            runner.reached.notified().await;
            let took = began.elapsed();
            std::mem::forget(resumed);
            std::mem::forget(engine);
            took
        })
    };
    let took = median(scaled(9, 1), measure);
    let what = format!("killed half-way through {steps} steps: resume to first new step");
    report(&what, &ms(took), "-", "<= 50 ms", "15 ms");
}

fn copy_tree(from: &std::path::Path, to: &std::path::Path) {
    for entry in std::fs::read_dir(from).expect("a readable folder").flatten() {
        let target = to.join(entry.file_name());
        if entry.path().is_dir() {
            std::fs::create_dir_all(&target).expect("a writable folder");
            copy_tree(&entry.path(), &target);
        } else {
            std::fs::copy(entry.path(), &target).expect("a readable file");
        }
    }
}

/// A project whose journal has a million records: signals that nobody takes make them cheaply, like a long-lived run.
fn long_journal(records: usize) {
    let home = tempfile::tempdir().expect("a temporary folder");
    let runtime = support::runtime();
    let id = ProjectId::new("long").expect("valid");
    runtime.block_on(async {
        let wait = Action::Wait(WaitSpec::Signal { name: "never".to_owned(), timeout_ms: None });
        let workflow = definition("long", vec![TaskSpec::new("wait", wait)]);
        let engine = support::engine(home.path(), Arc::new(support::NoOp), 4);
        let handle = engine.handle().clone();
        handle.start(start_of(&workflow, Some("long")), bench_user()).await.expect("accepted");
        // A pause that meets a pause is swallowed, so a few more are asked for than are recorded.
        let mut made = 0;
        while made < records + records / 20 {
            let mut asked = Vec::new();
            for _ in 0..2_000 {
                let (handle, id) = (handle.clone(), id.clone());
                let pause = made % 2 == 0;
                made += 1;
                asked.push(tokio::spawn(async move {
                    let comment = String::new();
                    let command =
                        if pause { wfctl::domain::project::Command::Pause { comment } } else { resume_command() };
                    handle.command(id, command, bench_user()).await
                }));
            }
            for asked in asked {
                asked.await.expect("a task that ends").expect("accepted");
            }
        }
        engine.shutdown().await;
    });
    let took = median(scaled(5, 1), || {
        let began = Instant::now();
        let (archive, _store) = support::open(home.path());
        let loaded = archive.load(&id).expect("a project that loads");
        assert!(loaded.project.seq() as usize >= records / 2, "{} records", loaded.project.seq());
        began.elapsed()
    });
    let seq = support::open(home.path()).0.load(&id).expect("a project that loads").project.seq();
    report(&format!("resume of a project with {seq} records"), &ms(took), "-", "<= 1 s", "100 ms");
}

/// CPU time of this process so far.
fn cpu() -> Duration {
    let stat = std::fs::read_to_string("/proc/self/stat").expect("Linux");
    let after_name = stat.rsplit(')').next().unwrap_or_default();
    let fields: Vec<&str> = after_name.split_whitespace().collect();
    let ticks: u64 = fields[11].parse::<u64>().unwrap_or(0) + fields[12].parse::<u64>().unwrap_or(0);
    Duration::from_millis(ticks * 10)
}

fn idle(projects: usize) {
    let home = tempfile::tempdir().expect("a temporary folder");
    let runtime = support::runtime();
    runtime.block_on(async {
        let wait = Action::Wait(WaitSpec::Signal { name: "go".to_owned(), timeout_ms: Some(86_400_000) });
        let workflow = definition("waits", vec![TaskSpec::new("wait", wait)]);
        let engine = support::engine(home.path(), Arc::new(support::NoOp), 4);
        let handle = engine.handle().clone();
        let mut starts = Vec::new();
        for at in 0..projects {
            let (handle, start) = (handle.clone(), start_of(&workflow, Some(&format!("w{at}"))));
            starts.push(tokio::spawn(async move { handle.start(start, bench_user()).await }));
        }
        for start in starts {
            start.await.expect("a task that ends").expect("accepted");
        }
        let (before, began) = (cpu(), Instant::now());
        tokio::time::sleep(Duration::from_secs(if support::smoke() { 1 } else { 10 })).await;
        let share = (cpu() - before).as_secs_f64() / began.elapsed().as_secs_f64() * 100.0;
        let (_, now) = memory_mib();
        let measured = format!("{share:.2} % of a core, {now} MiB");
        report(
            &format!("idle engine with {projects} waiting projects"),
            &measured,
            "-",
            "<= 1 %, <= 300 MiB",
            "0 %, 100 MiB",
        );
        engine.shutdown().await;
    });
}

fn main() {
    head();
    idle(scaled(10_000, 200));
    first_step(scaled(1_000, 50));
    long_journal(scaled(1_000_000, 4_000));
    println!();
}
