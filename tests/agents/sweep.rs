//! The SDLC workflow, killed at every append to the journal and resumed: the same commits, files and artifacts as without a kill,
//! and no model reply that arrived is asked for twice.

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::path::PathBuf;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use wfctl::domain::call::CallKind;
use wfctl::domain::event::Event;
use wfctl::domain::ids::{Attempt, CallIx, ProjectId, TaskIx};
use wfctl::domain::machine::ProjectStatus;
use wfctl::domain::payload::PayloadSource as _;
use wfctl::domain::workflow::{Given, bind};

use crate::house::{Driven, Fate, House, definition};
use crate::model_server::ModelServer;
use crate::notes;
use crate::player::Player;

/// Of the kills, only each so many-th is tried where not all are asked for: at every append, before it.
const STRIDE: usize = 2;
/// Tasks of the workflow and items of its plan come before those that resolve conflicts.
const FIRST_MERGER: u32 = 18;
const SDLC: &str = include_str!("../../workflows/sdlc.yaml");

/// What a run leaves.
#[derive(Debug, PartialEq, Eq, Default)]
struct Left {
    refs: String,
    worktrees: usize,
    /// Worktrees and notes of running commands in the home.
    in_home: Vec<String>,
    artifacts: BTreeMap<(u32, String), String>,
    /// The kinds and labels of all calls with an outcome, by task, attempt and position.
    calls: BTreeMap<(u32, u32, u32), (CallKind, String)>,
}

/// What the journal says of model calls.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
struct Asked {
    completed: usize,
    uncertain: usize,
}

#[derive(Default)]
struct Run {
    left: Left,
    /// The files of the branch that was landed on, those of the agents' artifacts left out.
    files: String,
    list: String,
    asked: Asked,
    /// Replies that the server wrote to their end.
    served: usize,
    commits: u64,
}

fn run(fate: Fate, workers: usize) -> Run {
    let server = Player::serve(notes::SCRIPT);
    let house = House::new(&notes::FILES).with_workers(workers);
    let commits = run_in(&house, &server, fate);
    let (left, asked) = looked_at(&house, &ProjectId::new("p").unwrap());
    let all = house.git(&["ls-tree", "-r", "release"]);
    let files: Vec<&str> = all.lines().filter(|line| !line.contains(".wfctl/artifacts/")).collect();
    let list = house.file("release", "notes/list.txt");
    Run { left, files: files.join("\n"), list, asked, served: server.counts().completed, commits }
}

fn run_in(house: &House, server: &ModelServer, fate: Fate) -> u64 {
    let start = || {
        let definition = definition(SDLC, &server.base_url());
        let given = [("goal", "Add notes."), ("into", "release")];
        let given = given.map(|(name, value)| (name.to_owned(), Given::Text(value.to_owned()))).into();
        let inputs = bind(&definition.inputs, &given).unwrap();
        house.start("p", definition, inputs.into())
    };
    let mut fates = vec![Fate::Lives, fate];
    loop {
        let life = house.open_with(fates.pop().expect("a killed run needs one more engine"));
        let driven = match life.begin(start()) {
            Some(id) => life.drive(&id),
            None => Driven::Died,
        };
        match driven {
            Driven::Ended(status) => {
                assert_eq!(status, ProjectStatus::Done, "{fate:?}");
                let commits = life.commits();
                // The kill may come with the very last append.
                life.close();
                if fates.is_empty() || fate == Fate::Lives {
                    return commits;
                }
                house.open().close();
                return commits;
            }
            Driven::Held => panic!("{fate:?}: it is held: {:?}", why(house)),
            Driven::Died => {
                life.bury();
                house.cut_power();
            }
        }
    }
}

fn why(house: &House) -> Vec<String> {
    let loaded = house.archive().load(&ProjectId::new("p").unwrap()).unwrap();
    loaded.project.why().into_iter().map(|reason| reason.waits_for).collect()
}

fn looked_at(house: &House, id: &ProjectId) -> (Left, Asked) {
    let mut open: BTreeMap<(TaskIx, Attempt, CallIx), (CallKind, String)> = BTreeMap::new();
    let (mut artifacts, mut calls, mut asked) = (BTreeMap::new(), BTreeMap::new(), Asked::default());
    for record in house.records(id) {
        match record.event {
            Event::CallStarted { task, attempt, call } => {
                open.insert((task, attempt, call.ix), (call.kind, call.label.clone()));
            }
            Event::CallFinished { task, attempt, call, outcome } => {
                let (kind, label) = open[&(task, attempt, call)].clone();
                asked.completed += usize::from(kind == CallKind::Model && outcome.result.is_ok());
                if kind == CallKind::Artifact {
                    let content = house.shelf.read(outcome.result.as_ref().unwrap()).unwrap().into_owned();
                    artifacts.insert((task.0, label.clone()), String::from_utf8(content).unwrap());
                }
                let twice = calls.insert((task.0, attempt.0, call.0), (kind, label));
                assert_eq!(twice, None, "a call has one outcome");
            }
            Event::CallUncertain { .. } => asked.uncertain += 1,
            _ => {}
        }
    }
    let home = house.home();
    let name = |path: PathBuf| path.strip_prefix(&home).unwrap().display().to_string();
    // A note that begins with an empty line is of nobody.
    let counts = |path: &PathBuf| path.is_file() && !std::fs::read(path).unwrap().starts_with(b"\n");
    let left_in = |folder: &str| house.left_in_home(folder).into_iter().filter(counts).map(name);
    let left = Left {
        refs: house.git(&["for-each-ref", "--format=%(refname) %(objectname) %(tree)"]),
        worktrees: house.git(&["worktree", "list"]).lines().count(),
        in_home: left_in("worktrees").chain(left_in("run")).collect(),
        artifacts,
        calls,
    };
    (left, asked)
}

/// Everything that is wrong with a run that was killed at most `kills` times, each of which may have cut off `workers` calls.
fn faults(killed: &Run, undisturbed: &Run, cut_off: usize) -> Vec<String> {
    let (left, wanted) = (&killed.left, &undisturbed.left);
    let mut faults = Vec::new();
    let mut differs = |what: &str, got: &dyn Debug, wanted: &dyn Debug, is_so: bool| {
        if is_so {
            faults.push(format!("{what}: {got:#?}\n  instead of {wanted:#?}"));
        }
    };
    differs("branches", &left.refs, &wanted.refs, left.refs != wanted.refs);
    differs("worktrees", &left.worktrees, &wanted.worktrees, left.worktrees != wanted.worktrees);
    differs("in the home", &left.in_home, &wanted.in_home, left.in_home != wanted.in_home);
    differs("artifacts", &left.artifacts, &wanted.artifacts, left.artifacts != wanted.artifacts);
    differs("calls", &left.calls, &wanted.calls, left.calls != wanted.calls);
    faults.extend(paid_twice(killed, undisturbed.asked.completed, cut_off));
    faults
}

/// What is wrong between the journal and the bill.
fn paid_twice(killed: &Run, completed: usize, cut_off: usize) -> Vec<String> {
    let (asked, served) = (killed.asked, killed.served);
    let mut faults = Vec::new();
    if asked.completed != completed {
        faults.push(format!("{} completed model calls on record instead of {completed}", asked.completed));
    }
    if asked.uncertain > cut_off {
        faults.push(format!("{} uncertain calls, {cut_off} may have been cut off", asked.uncertain));
    }
    if served < asked.completed || served > asked.completed + asked.uncertain {
        faults.push(format!("the server completed {served} replies, the journal has {asked:?}"));
    }
    faults
}

/// Runs each fate and compares; two at a time, for half of a run is waiting.
fn sweep(fates: Vec<Fate>, judge: impl Fn(Fate) -> Vec<String> + Sync) {
    let next = AtomicUsize::new(0);
    let found = Mutex::new(Vec::new());
    let work = || {
        while let Some(fate) = fates.get(next.fetch_add(1, Ordering::SeqCst)) {
            let faults = judge(*fate);
            found.lock().unwrap().extend(faults.into_iter().map(|fault| format!("{fate:?}: {fault}")));
        }
    };
    std::thread::scope(|scope| {
        let other = scope.spawn(work);
        work();
        other.join().unwrap();
    });
    let found = found.into_inner().unwrap();
    assert!(found.is_empty(), "{} faults in {} kills:\n{}", found.len(), fates.len(), found.join("\n"));
}

/// The kills of a run of so many commits: with `WFCTL_SWEEP=all` each commit is both refused and lost an answer to; else every
/// `stride`-th of those.
fn kills(commits: u64, stride: usize) -> Vec<Fate> {
    let all = (1..=commits).flat_map(|at| [Fate::DiesBefore(at), Fate::DiesAfter(at)]);
    let stride = if all_asked_for() { 1 } else { stride };
    all.step_by(stride).collect()
}

#[expect(clippy::disallowed_methods, reason = "how long a test takes is chosen by its caller")]
fn all_asked_for() -> bool {
    std::env::var("WFCTL_SWEEP").is_ok_and(|wanted| wanted == "all")
}

#[test]
fn killed_at_every_append_it_ends_the_same_and_pays_nothing_twice() {
    let undisturbed = run(Fate::Lives, 1);
    assert_eq!(undisturbed.asked, Asked { completed: 18, uncertain: 0 });
    assert_eq!(undisturbed.served, 18);
    assert!(undisturbed.left.refs.contains("refs/heads/release"));
    assert_eq!(undisturbed.list, notes::MERGED);
    assert_eq!((undisturbed.left.worktrees, undisturbed.left.in_home.as_slice()), (1, [].as_slice()));
    let fates = kills(undisturbed.commits, STRIDE);
    sweep(fates, |fate| faults(&run(fate, 1), &undisturbed, 1));
}

/// What does not depend on which of two tasks is merged first: files of the project, artifacts of tasks that are always there.
fn without_order(mut run: Run) -> Run {
    run.left.refs = run.files.clone();
    run.left.artifacts.retain(|(task, _), _| *task < FIRST_MERGER);
    run.left.calls.retain(|(task, ..), _| *task < FIRST_MERGER);
    run
}

#[test]
fn with_four_workers_killed_at_any_append_it_makes_the_same_files_and_artifacts() {
    let undisturbed = without_order(run(Fate::Lives, 4));
    assert_eq!(undisturbed.left.worktrees, 1);
    let fates = kills(undisturbed.commits, 9);
    sweep(fates, |fate| faults(&without_order(run(fate, 4)), &undisturbed, 4));
}

#[test]
fn a_store_that_forgets_what_it_acknowledged_is_found_by_the_bill() {
    let undisturbed = run(Fate::Lives, 1);
    // Five commits hold a model call from its beginning to its end, wherever they begin.
    let fates = (20..26).map(|at| Fate::Forgets { at, commits: 5 });
    let found: Vec<String> = fates.flat_map(|fate| faults(&run(fate, 1), &undisturbed, 1)).collect();
    assert!(found.iter().any(|fault| fault.starts_with("the server completed")), "{found:#?}");
}

#[test]
fn the_judge_sees_each_kind_of_difference() {
    let honest =
        || Run { left: Left::default(), asked: Asked { completed: 3, uncertain: 1 }, served: 4, ..Run::default() };
    assert_eq!(faults(&honest(), &honest(), 1), [""; 0]);
    type Change<'c> = &'c dyn Fn(&mut Run);
    let wrong: [(&str, Change); 8] = [
        ("branches", &|run| run.left.refs.push('x')),
        ("worktrees", &|run| run.left.worktrees += 1),
        ("in the home", &|run| run.left.in_home.push("worktrees/x".to_owned())),
        ("artifacts", &|run| drop(run.left.artifacts.insert((0, "plan.md".to_owned()), String::new()))),
        ("calls", &|run| drop(run.left.calls.insert((0, 1, 0), (CallKind::Model, "m".to_owned())))),
        ("2 completed model calls", &|run| run.asked.completed -= 1),
        ("2 uncertain calls", &|run| run.asked.uncertain += 1),
        ("the server completed 5", &|run| run.served += 1),
    ];
    for (what, change) in wrong {
        let mut other = honest();
        change(&mut other);
        let found = faults(&other, &honest(), 1);
        assert!(found.iter().any(|fault| fault.starts_with(what)), "{what}: {found:?}");
    }
}
