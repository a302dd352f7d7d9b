//! The engine that is killed: this test binary started again, told by the environment what to run. What it has accepted and
//! what it has done it says on its standard output, one line each; the rigs' lines begin with [`MARK`].

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use wfctl::domain::effect::StepOrder;
use wfctl::domain::event::{Await, Decision, DoubtAnswer, Event, StepOutcome};
use wfctl::domain::ids::{Epoch, ProjectId, Seq, TaskIx};
use wfctl::domain::project::{Command, Vault};
use wfctl::domain::workflow::Definition;
use wfctl::engine::clock::SystemClock;
use wfctl::engine::entropy::SystemEntropy;
use wfctl::engine::ports::{Clock as _, StepControl, StepRunner};
use wfctl::engine::{Engine, Error, Handle, Parts};

use super::driver::{person, resume};
use super::workload::{execute, outcome_of, start_of};
use super::{chance, dags, home, workload};

/// The home that a child works on; its being set is what makes a process a child.
pub const HOME: &str = "WFCTL_CRASH_CHILD_HOME";
/// What it runs: `everything`, the same `slow`ly, or the path of a graph.
pub const WHAT: &str = "WFCTL_CRASH_CHILD_WHAT";
/// What the rigs' lines begin with; the test harness writes lines of its own.
pub const MARK: &str = "@@ ";
/// Signals sent to each project.
pub const SIGNALS: u32 = 3;

/// Stands for the project itself where tasks are meant.
const PROJECT: TaskIx = TaskIx(u32::MAX);

/// The definition that a child is told to run.
pub fn definition(what: &str) -> Arc<Definition> {
    match what {
        "everything" => workload::everything("6ms"),
        "slow" => workload::everything("200ms"),
        path => dags::Graph::read(Path::new(path)).definition(),
    }
}

/// The projects that a child runs.
pub fn projects(what: &str) -> Vec<ProjectId> {
    let count = if ["everything", "slow"].contains(&what) { 3 } else { 1 };
    (0..count).map(|n| ProjectId::new(&format!("p{n}")).expect("valid")).collect()
}

fn say(line: &str) {
    let mut out = std::io::stdout().lock();
    // Whoever listened is gone: so is the reason to go on.
    if writeln!(out, "{MARK}{line}").and_then(|()| out.flush()).is_err() {
        std::process::exit(1);
    }
}

struct Runner {
    home: PathBuf,
    epoch: Epoch,
    vault: Arc<dyn Vault + Send + Sync>,
    clock: SystemClock,
}

#[async_trait::async_trait]
impl StepRunner for Runner {
    async fn run(&self, order: StepOrder, _: StepControl) -> StepOutcome {
        execute(&self.home, &order, self.epoch, self.clock.now().0);
        say(&format!("ran {}", order.key()));
        for _ in 0..20 {
            tokio::task::yield_now().await;
        }
        outcome_of(&order, &*self.vault)
    }
}

/// Runs the engine as the environment says, when it says so. Never returns then.
pub fn run_if_told() {
    let (Some(home), Some(what)) = (chance::text(HOME), chance::text(WHAT)) else { return };
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    let ended = runtime.expect("a runtime").block_on(run(Path::new(&home), &what));
    match ended {
        Ok(()) => say("done"),
        Err(error) => say(&format!("ended {error}")),
    }
    std::process::exit(0);
}

async fn run(dir: &Path, what: &str) -> Result<(), Error> {
    say("opening");
    let archive = home::open(dir)?;
    say("opened");
    let epoch = archive.store().take_over()?;
    say(&format!("epoch {epoch}"));
    let (vault, clock) = (archive.vault().clone(), SystemClock::default());
    let parts = Parts {
        archive,
        epoch,
        runner: Arc::new(Runner { home: dir.to_owned(), epoch, vault, clock }),
        clock: Arc::new(SystemClock::default()),
        entropy: Arc::new(SystemEntropy),
        disk: None,
        workers: 3,
        closed: Box::new(|_| {}),
    };
    let engine = Engine::start(parts).expect("a thread for the engine");
    let definition = definition(what);
    let mut people = Vec::new();
    for id in projects(what) {
        let (handle, definition) = (engine.handle().clone(), definition.clone());
        people.push(tokio::spawn(async move { drive(handle, id, &definition).await }));
    }
    for driven in people {
        driven.await.expect("no panic")?;
    }
    match engine.shutdown().await {
        None => Ok(()),
        Some(why) => Err(Error::Stopped(why)),
    }
}

/// A refusal is an answer: the project has ended, or what is asked was answered before the last kill.
fn unless_refused<T>(result: Result<T, Error>) -> Result<Option<T>, Error> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(Error::Refused(_)) => Ok(None),
        Err(error) => Err(error),
    }
}

/// The person of one project: starts or resumes it, sends its signals, answers what it asks, until it ends.
async fn drive(handle: Handle, id: ProjectId, definition: &Arc<Definition>) -> Result<(), Error> {
    let (_, existed) = handle.start(start_of(definition, &id), person()).await?;
    say(&format!("started {id}"));
    if existed {
        // Two people resume it at once (fault scenario 9): one takes it up, the other changes nothing.
        let resumed = || handle.resume(id.clone(), resume(), person());
        let (one, other) = tokio::join!(resumed(), resumed());
        unless_refused(one).and(unless_refused(other))?;
        say(&format!("resumed {id}"));
    }
    for n in 0..SIGNALS {
        let (name, request) = ("go".to_owned(), format!("r{n}"));
        let signal = Command::Signal { name, payload: serde_json::json!(n), request };
        if unless_refused(handle.command(id.clone(), signal, person()).await)?.is_some() {
            say(&format!("signalled {id} r{n}"));
        }
    }
    let (mut seq, mut open) = (Seq(0), Vec::new());
    loop {
        let records = handle.follow(&id, seq).await?;
        let Some(last) = records.last() else {
            let why = handle.ended().await.unwrap_or_default();
            return Err(Error::Stopped(why));
        };
        seq = last.seq;
        for record in &records {
            match &record.event {
                Event::TaskAwaits { task, what: Await::Approval { .. }, .. } => {
                    let name = definition.tasks().nth(task.at()).map(|(_, spec)| spec.name.clone());
                    let (decision, comment) = (Decision::Approved, String::new());
                    open.push((*task, Command::Answer { task: name, decision, comment }));
                }
                Event::TaskInDoubt { task, .. } => {
                    let in_doubt = Some(DoubtAnswer::Done);
                    open.push((*task, Command::Resume { in_doubt, budget: None, comment: String::new() }));
                }
                // A step that met the killer too often is held as poison; here, the killer is known.
                Event::Held { .. } => open.push((PROJECT, resume())),
                Event::Released { .. } => open.retain(|(of, _)| *of != PROJECT),
                Event::TaskAnswered { task, .. } | Event::DoubtSettled { task, .. } => {
                    open.retain(|(of, _)| of != task);
                }
                Event::Closed { .. } => return Ok(()),
                _ => {}
            }
        }
        for (task, command) in open.drain(..) {
            let taken = unless_refused(handle.command(id.clone(), command, person()).await)?.is_some();
            if taken && task != PROJECT {
                say(&format!("answered {id} {task}"));
            }
        }
    }
}
