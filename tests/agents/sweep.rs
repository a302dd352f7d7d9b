//! The SDLC workflow, killed at every append to the journal and resumed: the same commits, files and artifacts as without a kill,
//! and no model reply that arrived is asked for twice.

use std::collections::BTreeMap;

use serde_json::json;
use wfctl::domain::call::CallKind;
use wfctl::domain::event::Event;
use wfctl::domain::ids::{Attempt, CallIx, ProjectId, TaskIx};
use wfctl::domain::machine::ProjectStatus;
use wfctl::domain::payload::PayloadSource as _;

use crate::house::{Driven, Fate, House, definition};
use crate::model_server::ModelServer;
use crate::notes;
use crate::player::Player;

const SDLC: &str = include_str!("../../workflows/sdlc.yaml");

/// What a run leaves.
#[derive(Debug, PartialEq, Eq)]
struct Left {
    refs: String,
    worktrees: String,
    in_home: Vec<String>,
    artifacts: BTreeMap<(u32, String), String>,
    /// The kinds and labels of all calls with an outcome, by task.
    calls: BTreeMap<(u32, u32, u32), (CallKind, String)>,
}

/// What the journal says of model calls.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
struct Asked {
    completed: usize,
    uncertain: usize,
}

struct Run {
    left: Left,
    asked: Asked,
    served: usize,
    commits: u64,
}

fn run(fate: Fate, workers: usize) -> Run {
    let server = Player::serve(notes::SCRIPT);
    let house = House::new(&notes::FILES).with_workers(workers);
    let commits = run_in(&house, &server, fate);
    let id = ProjectId::new("p").unwrap();
    let (left, asked) = looked_at(&house, &id);
    Run { left, asked, served: server.counts().completed, commits }
}

/// Runs to DONE, killed once if that is its fate; how many commits that took when it is not.
fn run_in(house: &House, server: &ModelServer, fate: Fate) -> u64 {
    let start = || {
        let inputs = json!({"goal": "Add notes.", "into": "release"});
        house.start("p", definition(SDLC, &server.base_url()), inputs)
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
            Driven::Died => life.bury(),
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
    let names = |folder: &str| house.left_in_home(folder).into_iter().map(|path| path.display().to_string());
    let left = Left {
        refs: house.git(&["for-each-ref", "--format=%(refname) %(objectname) %(tree)"]),
        worktrees: house.git(&["worktree", "list", "--porcelain"]).lines().count().to_string(),
        in_home: names("worktrees").chain(names("run")).collect(),
        artifacts,
        calls,
    };
    (left, asked)
}

#[test]
fn uninterrupted() {
    let once = run(Fate::Lives, 1);
    println!("{} commits, {:?} {} {:#?}", once.commits, once.asked, once.served, once.left);
}
