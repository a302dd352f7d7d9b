//! Replay: the records alone give the state, always. Random inputs in random states, histories that must replay to the
//! same end for ever (`fixtures/histories/`, missing ones are made with `WFCTL_BLESS=1`), and every transition taken by something.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]
#![expect(clippy::disallowed_methods, reason = "seeds and counts come from the environment")]

#[path = "support/mod.rs"]
#[expect(dead_code, reason = "each test binary uses its own part of the rig")]
mod support;

#[path = "support/scenarios.rs"]
mod scenarios;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use proptest::prelude::*;
use serde::{Deserialize, Serialize};
use support::dice::{self, Dice};
use support::rig::*;
use wfctl::domain::budget::Caps;
use wfctl::domain::effect::TimerKey;
use wfctl::domain::event::{Actor, Created, Decision, DoubtAnswer, Event};
use wfctl::domain::failure::FailureClass;
use wfctl::domain::ids::{Attempt, ProjectId, StepIx, TaskIx};
use wfctl::domain::machine::{Phase, ProjectStatus, TaskStatus, project as project_machine, task as task_machine};
use wfctl::domain::payload::Payload;
use wfctl::domain::project::{Command, Decided, Input, Project, Turn, Vault};
use wfctl::domain::time::Millis;
use wfctl::domain::view::RecordView;
use wfctl::domain::workflow::{Definition, Expressions};

fn any_input(dice: &mut Dice, project: &Project) -> Input {
    let tasks = project.tasks().len();
    // One past the end too: nobody promises that an outcome names a task that exists.
    let task = TaskIx(dice.below(tasks + 1) as u32);
    let active: Vec<TaskIx> = project.active().collect();
    let name = project.tasks().get(task.at()).map_or_else(|| "nothing".to_owned(), |task| task.name.to_string());
    let comment = String::new();
    match dice.below(30) {
        24.. => {
            let task = dice.pick(&active).copied().filter(|_| dice.chance(95)).unwrap_or(task);
            let known = project.tasks().get(task.at());
            let attempt = known.map_or(Attempt(1), |task| task.attempt);
            Input::Call { task, attempt, input: dice::call_of(dice, known.map_or(&[], |task| task.calls())) }
        }
        0..6 => match project.next_ready().filter(|_| dice.chance(80)) {
            Some(ready) => Input::Start(ready),
            None => Input::Start(task),
        },
        6..13 => {
            let task = dice.pick(&active).copied().filter(|_| dice.chance(85)).unwrap_or(task);
            let known = project.tasks().get(task.at());
            let attempt = known.map_or(Attempt(1), |task| task.attempt);
            let step = known.and_then(|task| task.open_step()).map_or(StepIx(0), |step| step.ix);
            let class = FailureClass::ALL[dice.below(FailureClass::ALL.len())];
            let merging = known.is_some_and(|task| task.spec.merge && task.spec.validate.len() + 1 == step.0 as usize);
            let outcome = match dice.below(10) {
                0..6 if merging => support::flows::merged(dice.below(9) as u64),
                0..6 => support::flows::left(["t", "u"][dice.below(2)]),
                6 if merging => support::flows::bad(FailureClass::Conflict),
                _ => support::flows::bad(class),
            };
            Input::StepDone { task, attempt, step, outcome: Box::new(outcome) }
        }
        13 => Input::Due([TimerKey::Task(task), TimerKey::Gate, TimerKey::Wall][dice.below(3)]),
        14 => Input::ChildClosed {
            task,
            status: [ProjectStatus::Done, ProjectStatus::Failed][dice.below(2)],
            reason: String::new(),
            output: Payload::default(),
        },
        15 => Input::Recover,
        16 => [Input::DiskLow { free_bytes: 1 }, Input::DiskOk][dice.below(2)].clone(),
        17 => Input::Begin,
        _ => Input::Command(match dice.below(11) {
            0 => Command::Pause { comment },
            1..4 => Command::Resume {
                in_doubt: dice
                    .chance(50)
                    .then(|| [DoubtAnswer::Rerun, DoubtAnswer::Done, DoubtAnswer::Fail][dice.below(3)]),
                budget: dice.chance(50).then(Caps::default),
                comment,
            },
            4 => Command::Cancel { undo: dice.chance(70), comment },
            5 => Command::Retry { task: dice.chance(50).then_some(name) },
            6 => Command::Answer { task: dice.chance(50).then_some(name), decision: Decision::Approved, comment },
            7 => Command::Signal { name: "s".to_owned(), payload: serde_json::json!(1), request: String::new() },
            8 => Command::Claim { task: name, worker: "w".to_owned() },
            9 => Command::Result { task: name, token: 0, result: Ok(serde_json::json!(1)) },
            _ if dice.chance(20) => Command::Kill { comment },
            _ => {
                let name = format!("new{}", dice.next() % 1_000);
                Command::Add { tasks: vec![dice::task(dice, &name, 1)], phase: None }
            }
        }),
    }
}

fn created(definition: &Definition, vault: &MemoryVault) -> Created {
    Created {
        workflow: definition.name.clone(),
        definition: vault.keep_blob(&definition.to_canonical_json()).unwrap(),
        inputs: Payload::inline(b"{}").unwrap(),
        env: Vec::new(),
        base_dir: "/".to_owned(),
        source: None,
        workspace: definition.workspace,
        base_commit: None,
        seed: 7,
        parent: None,
        depth: 0,
    }
}

struct Bench {
    vault: MemoryVault,
    expressions: Expressions,
}

impl Bench {
    fn new() -> Self {
        Self { vault: MemoryVault::default(), expressions: Expressions::new() }
    }

    fn project(&self, definition: Definition) -> Project {
        let created = created(&definition, &self.vault);
        Project::create(ProjectId::new("p").unwrap(), created, Arc::new(definition), BEGIN, &self.vault).unwrap()
    }

    fn take(&self, project: &mut Project, input: Input, now: Millis) -> Decided {
        let turn = Turn { now, actor: person(), vault: &self.vault, expressions: &self.expressions, entropy: 12_345 };
        let mut decided = Decided::default();
        let _ = project.take(input, &turn, &mut decided);
        decided
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn fault_29_any_input_in_any_state_is_taken_or_refused_and_replays(seed: u64) {
        let mut dice = Dice(seed);
        let bench = Bench::new();
        let mut live = bench.project(dice::definition(&mut dice, 0));
        let mut replayed = live.clone();
        let mut now = BEGIN;
        for _ in 0..120 {
            now = now.plus(dice.below(20_000) as u64);
            let terminal = live.status().is_terminal();
            let input = any_input(&mut dice, &live);
            let decided = bench.take(&mut live, input, now);
            prop_assert!(!terminal || decided.events.is_empty(), "a terminal project decides {:?}", decided.events);
            for (_, event) in &decided.events {
                replayed.apply(event, now, &bench.vault).unwrap();
            }
            prop_assert_eq!(same(&live, &replayed), Ok(()));
        }
    }

    #[test]
    fn a_history_cut_off_anywhere_is_recovered_and_comes_to_its_end(seed: u64) {
        let mut dice = Dice(seed);
        let bench = Bench::new();
        let mut live = bench.project(dice::definition(&mut dice, 1));
        let first = live.clone();
        let (mut now, mut events) = (BEGIN, Vec::new());
        for input in std::iter::once(Input::Begin).chain((0..40).map(|_| Input::DiskOk)) {
            now = now.plus(dice.below(5_000) as u64);
            let input = if matches!(input, Input::Begin) { input } else { any_input(&mut dice, &live) };
            events.extend(bench.take(&mut live, input, now).events.into_iter().map(|(_, event)| (event, now)));
        }
        for cut in (0..=events.len()).step_by(1 + events.len() / 12) {
            let mut project = first.clone();
            for (event, at) in &events[..cut] {
                project.apply(event, *at, &bench.vault).unwrap();
            }
            if !project.status().is_terminal() {
                bench.take(&mut project, Input::Recover, now);
                let last = finish(&bench, &mut project, now);
                prop_assert!(project.status().is_terminal(), "cut at {cut}: {:?}\n{:#?}\n{last:?}", &events[..cut], project.why());
            }
        }
    }
}

/// Answers everything well until the project ends.
fn finish(bench: &Bench, project: &mut Project, mut now: Millis) -> Vec<(Actor, Event)> {
    let mut last = Vec::new();
    for _ in 0..400 {
        if project.status().is_terminal() {
            break;
        }
        now = now.plus(100_000);
        let mut inputs = Vec::new();
        let comment = String::new;
        let yes = |task: Option<String>| Command::Answer { task, decision: Decision::Approved, comment: comment() };
        if project.status() == ProjectStatus::Paused || project.tasks().iter().any(|t| t.status == TaskStatus::InDoubt)
        {
            let doubt = project.tasks().iter().any(|task| task.status == TaskStatus::InDoubt);
            let in_doubt = doubt.then_some(DoubtAnswer::Done);
            inputs.push(Input::Command(Command::Resume {
                in_doubt,
                budget: Some(Caps::OUT_OF_REACH),
                comment: comment(),
            }));
        }
        if project.status() == ProjectStatus::AwaitingApproval {
            inputs.push(Input::Command(yes(None)));
        }
        for ix in project.awaiting() {
            let task = project.task(ix);
            let name = task.name.to_string();
            inputs.push(Input::Due(TimerKey::Task(ix)));
            inputs.push(Input::Command(yes(Some(name.clone()))));
            inputs.push(Input::Command(Command::Result { task: name, token: 0, result: Ok(serde_json::json!(1)) }));
            inputs.push(Input::ChildClosed {
                task: ix,
                status: ProjectStatus::Done,
                reason: comment(),
                output: Payload::default(),
            });
        }
        for name in ["s", "t"] {
            inputs.push(Input::Command(Command::Signal {
                name: name.to_owned(),
                payload: serde_json::json!(1),
                request: comment(),
            }));
        }
        for (ix, task) in project.tasks().iter().enumerate() {
            if let Some(step) = task.open_step() {
                let merging = task.spec.merge && task.spec.validate.len() + 1 == step.ix.0 as usize;
                let outcome = if merging { support::flows::merged(100) } else { support::flows::good() };
                let outcome = Box::new(outcome);
                inputs.push(Input::StepDone { task: TaskIx(ix as u32), attempt: task.attempt, step: step.ix, outcome });
            }
            if task.status == TaskStatus::Backoff {
                inputs.push(Input::Due(TimerKey::Task(TaskIx(ix as u32))));
            }
        }
        for input in inputs {
            last = bench.take(project, input, now).events;
        }
        while let Some(ready) = project.next_ready() {
            last = bench.take(project, Input::Start(ready), now).events;
        }
    }
    last
}

// --- golden histories --------------------------------------------------------------------------------------------------

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/histories")
}

/// What a golden file holds beside its records: everything that replay needs, and what it must come to.
#[derive(Serialize, Deserialize)]
struct Golden {
    definition: Definition,
    status: ProjectStatus,
    tasks: Vec<(String, TaskStatus, u32)>,
    blobs: Vec<String>,
}

fn end_of(project: &Project) -> Vec<(String, TaskStatus, u32)> {
    project.tasks().iter().map(|task| (task.name.to_string(), task.status, task.attempt.0)).collect()
}

#[test]
fn fault_30_golden_histories_replay_to_the_same_end_for_ever() {
    let bless = std::env::var_os("WFCTL_BLESS").is_some();
    for (name, scenario) in scenarios::all() {
        let path = folder().join(format!("{name}.jsonl"));
        if bless && !path.exists() {
            let (rig, id) = scenario();
            let project = rig.project(&id);
            let golden = Golden {
                definition: (*project.definition).clone(),
                status: project.status(),
                tasks: end_of(project),
                blobs: rig.vault.texts(),
            };
            let mut lines = vec![serde_json::to_string(&golden).unwrap()];
            lines.extend(rig.records(&id).iter().map(|record| serde_json::to_string(record).unwrap()));
            std::fs::create_dir_all(folder()).unwrap();
            std::fs::write(&path, lines.join("\n") + "\n").unwrap();
        }
        assert!(path.exists(), "{} is missing: make it with WFCTL_BLESS=1", path.display());
    }
    let mut read = 0;
    for entry in std::fs::read_dir(folder()).unwrap() {
        let path = entry.unwrap().path();
        let text = std::fs::read_to_string(&path).unwrap();
        let mut lines = text.lines();
        let golden: Golden = serde_json::from_str(lines.next().expect("a first line")).unwrap();
        let vault = MemoryVault::default();
        for blob in &golden.blobs {
            vault.keep_blob(blob.as_bytes()).unwrap();
        }
        let mut project: Option<Project> = None;
        for line in lines {
            let record: RecordView = serde_json::from_str(line).unwrap();
            match &mut project {
                Some(project) => project.apply(&record.event, record.at, &vault).unwrap(),
                None => {
                    let Event::Created(created) = record.event else { panic!("{}: creates nothing", path.display()) };
                    let definition = Arc::new(golden.definition.clone());
                    project = Some(Project::create(record.project, *created, definition, record.at, &vault).unwrap());
                }
            }
        }
        let project = project.unwrap();
        assert_eq!((project.status(), end_of(&project)), (golden.status, golden.tasks), "{}", path.display());
        read += 1;
    }
    assert!(read >= scenarios::all().len());
}

/// One project as a released journal holds it: frames as they stand in the store, and the blobs they name.
#[derive(Serialize, Deserialize)]
struct Stored {
    project: ProjectId,
    frames: Vec<(u64, String)>,
    blobs: Vec<String>,
    status: ProjectStatus,
    tasks: Vec<(String, TaskStatus, u32)>,
}

#[test]
fn fault_30_projects_of_every_released_journal_open_verify_and_are_shown() {
    use wfctl::engine::archive::Archive;
    use wfctl::journal::memory_store::MemoryStore;
    use wfctl::journal::store::{Frame, Store as _};
    let stores = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/stores");
    let made_with = stores.join("v3/projects.jsonl");
    if std::env::var_os("WFCTL_BLESS").is_some() && !made_with.exists() {
        let lines =
            ["lifecycle", "foreach_and_when", "cancel_with_undo", "external", "agent", "allows_more"].map(|wanted| {
                let (rig, id) = scenarios::all().iter().find(|(name, _)| *name == wanted).unwrap().1();
                let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
                let frames = rig.disk.frames(&id, wfctl::domain::ids::Seq(1), usize::MAX).unwrap();
                let frames = frames.iter().map(|frame| (frame.first.0, hex(&frame.bytes))).collect();
                let (blobs, project) = (rig.vault.texts(), rig.project(&id));
                let (status, tasks) = (project.status(), end_of(project));
                serde_json::to_string(&Stored { project: id, frames, blobs, status, tasks }).unwrap()
            });
        std::fs::write(&made_with, lines.join("\n") + "\n").unwrap();
    }
    for release in std::fs::read_dir(&stores).unwrap() {
        let path = release.unwrap().path().join("projects.jsonl");
        for line in std::fs::read_to_string(&path).unwrap().lines() {
            let stored: Stored = serde_json::from_str(line).unwrap();
            let (store, vault) = (MemoryStore::new(), Arc::new(MemoryVault::default()));
            for blob in &stored.blobs {
                vault.keep_blob(blob.as_bytes()).unwrap();
            }
            for (first, hex) in &stored.frames {
                let byte = |at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap();
                let bytes = (0..hex.len()).step_by(2).map(byte).collect();
                store.load(&stored.project, Frame { first: wfctl::domain::ids::Seq(*first), bytes });
            }
            assert_eq!(wfctl::journal::reader::verify(&store, &stored.project).first_bad, None);
            let archive = Archive::new(Arc::new(store), vault.clone(), None);
            let project = archive.load(&stored.project).unwrap().project;
            let view = project.view(&*vault);
            assert_eq!((project.status(), end_of(&project)), (stored.status, stored.tasks));
            assert_eq!((view.summary.status, view.seq.0), (stored.status, project.seq()));
            let records = archive.records(&stored.project, wfctl::domain::ids::Seq(0), usize::MAX).unwrap();
            assert_eq!(records.len() as u64, project.seq());
        }
    }
}

// --- coverage of the tables --------------------------------------------------------------------------------------------

fn untaken_of_tasks(
    table: &[(TaskStatus, task_machine::Input, TaskStatus)],
    taken: &support::check::Taken,
) -> Vec<String> {
    let missing = table.iter().filter(|(from, input, to)| !taken.task.contains(&(*from, format!("{input:?}"), *to)));
    missing.map(|(from, input, to)| format!("{from} --{input:?}--> {to}")).collect()
}

/// A phase is a phase, wherever it stands.
fn kind_of(status: ProjectStatus) -> &'static str {
    if status.phase().is_some() { "PHASE" } else { status.name() }
}

/// Every transition that the project's machine allows, phases taken as one.
fn project_table() -> BTreeSet<(&'static str, &'static str, &'static str)> {
    use project_machine::Input as I;
    let mut inputs: Vec<I> = Phase::ALL.into_iter().map(I::Enter).collect();
    inputs.extend([I::AskGate, I::Hold, I::Release, I::Cancel]);
    inputs.extend([ProjectStatus::Done, ProjectStatus::Failed, ProjectStatus::Cancelled].map(I::Close));
    let mut table = BTreeSet::new();
    for &from in ProjectStatus::ALL {
        for &held_from in
            ProjectStatus::ALL.iter().filter(|from| !from.is_terminal() && **from != ProjectStatus::Paused)
        {
            for &input in &inputs {
                let facts = project_machine::Facts { held_from: Some(held_from) };
                if let Ok(Some(to)) = project_machine::next(from, facts, input) {
                    let name = match input {
                        I::Enter(_) => "Enter",
                        I::AskGate => "AskGate",
                        I::Hold => "Hold",
                        I::Release => "Release",
                        I::Cancel => "Cancel",
                        I::Close(_) => "Close",
                    };
                    table.insert((kind_of(from), name, kind_of(to)));
                }
            }
        }
    }
    table
}

#[test]
fn every_transition_of_both_machines_is_taken_by_a_scenario() {
    let mut taken = support::check::Taken::default();
    for (_, scenario) in scenarios::all() {
        let (rig, _) = scenario();
        taken.task.extend(rig.taken.task.clone());
        taken.project.extend(rig.taken.project.clone());
    }
    let untaken = untaken_of_tasks(task_machine::TABLE, &taken);
    assert!(untaken.is_empty(), "no scenario takes these: {untaken:#?}");
    let seen: BTreeSet<_> =
        taken.project.iter().map(|(from, input, to)| (kind_of(*from), input.as_str(), kind_of(*to))).collect();
    let untaken: Vec<_> = project_table().into_iter().filter(|row| !seen.contains(row)).collect();
    assert!(untaken.is_empty(), "no scenario takes these: {untaken:#?}");
    for phase in Phase::ALL {
        assert!(taken.project.iter().any(|(_, _, to)| *to == ProjectStatus::of(phase)), "{phase} is never entered");
    }
    // And a row that was added without a scenario would be found.
    let mut table = task_machine::TABLE.to_vec();
    table.push((TaskStatus::Cancelled, task_machine::Input::Reset, TaskStatus::Pending));
    assert_eq!(untaken_of_tasks(&table, &taken), ["CANCELLED --Reset--> PENDING"]);
}

// --- the checker itself ------------------------------------------------------------------------------------------------

/// What the checker says about a history.
fn judge(records: &[RecordView], definition: &Arc<Definition>, vault: &MemoryVault) -> Result<(), String> {
    let mut model = support::check::Model::new(&records[0], definition)?;
    let mut taken = support::check::Taken::default();
    records[1..].iter().try_for_each(|record| model.see(record, vault, &mut taken))
}

#[test]
fn the_checker_objects_to_doctored_histories() {
    let scenarios = scenarios::all();
    let of = |wanted: &str| {
        let (rig, id) = scenarios.iter().find(|(name, _)| *name == wanted).unwrap().1();
        (rig.records(&id), rig.project(&id).definition.clone(), rig)
    };
    let (records, definition, rig) = of("retries");
    assert_eq!(judge(&records, &definition, &rig.vault), Ok(()));
    type Doctor = fn(&mut Vec<RecordView>);
    let at = |records: &[RecordView], wanted: fn(&Event) -> bool| {
        records.iter().position(|record| wanted(&record.event)).expect("the history has one")
    };
    let renumber = |records: &mut Vec<RecordView>| {
        for (n, record) in records.iter_mut().enumerate() {
            record.seq = wfctl::domain::ids::Seq(n as u64 + 1);
        }
    };
    let kinds: [fn(&Event) -> bool; 6] = [
        |event| matches!(event, Event::TaskReady { .. }),
        |event| matches!(event, Event::TaskStarted { .. }),
        |event| matches!(event, Event::StepStarted { .. }),
        |event| matches!(event, Event::StepFinished { .. }),
        |event| matches!(event, Event::TaskBackoff { .. }),
        |event| matches!(event, Event::Released { .. }),
    ];
    for (n, kind) in kinds.into_iter().enumerate() {
        let mut less = records.clone();
        let place = at(&less, kind);
        less.remove(place);
        assert!(judge(&less, &definition, &rig.vault).is_err(), "a missing record, kind {n}");
        renumber(&mut less);
        assert!(judge(&less, &definition, &rig.vault).is_err(), "a missing record closed up, kind {n}");
        let mut twice = records.clone();
        twice.insert(place, twice[place].clone());
        renumber(&mut twice);
        assert!(judge(&twice, &definition, &rig.vault).is_err(), "a record twice, kind {n}");
    }
    let doctors: [Doctor; 4] = [
        |records| records.last_mut().unwrap().epoch.0 = 0,
        |records| {
            let mut late = records[1].clone();
            late.seq = records.last().unwrap().seq.next();
            records.push(late);
        },
        |records| {
            let backoff = records.iter_mut().find_map(|record| match &mut record.event {
                Event::TaskBackoff { delay_ms, .. } => Some(delay_ms),
                _ => None,
            });
            *backoff.unwrap() += 1;
        },
        |records| {
            let backoff = records.iter().position(|record| matches!(record.event, Event::TaskBackoff { .. })).unwrap();
            records[backoff + 1].at = records[backoff].at;
        },
    ];
    for (n, doctor) in doctors.into_iter().enumerate() {
        let mut doctored = records.clone();
        doctor(&mut doctored);
        assert!(judge(&doctored, &definition, &rig.vault).is_err(), "doctor {n}");
    }
}

#[test]
fn the_checker_objects_to_doctored_calls_and_merges() {
    let scenarios = scenarios::all();
    let refuses = |wanted: &str, doctor: &dyn Fn(&mut Event) -> bool, keeps: bool| {
        let (rig, id) = scenarios.iter().find(|(name, _)| *name == wanted).unwrap().1();
        let (mut records, definition) = (rig.records(&id), rig.project(&id).definition.clone());
        assert_eq!(judge(&records, &definition, &rig.vault), Ok(()));
        let at = records.iter_mut().position(|record| doctor(&mut record.event)).expect("the history has one");
        if !keeps {
            records.remove(at);
        }
        for (n, record) in records.iter_mut().enumerate() {
            record.seq = wfctl::domain::ids::Seq(n as u64 + 1);
        }
        assert!(judge(&records, &definition, &rig.vault).is_err(), "{wanted}: record {at}");
    };
    refuses("agent", &|event| matches!(event, Event::CallStarted { .. }), false);
    refuses("agent", &|event| matches!(event, Event::CallFinished { .. }), false);
    refuses("agent_loses_a_call", &|event| matches!(event, Event::CallUncertain { .. }), false);
    refuses("agent_parked", &|event| matches!(event, Event::TaskParked { .. }), false);
    refuses("agent_token_cap", &|event| matches!(event, Event::BudgetRaised { .. }), false);
    refuses("agent_phase_cap", &|event| matches!(event, Event::BudgetRaised { .. }), false);
    let charges_less = |event: &mut Event| match event {
        Event::CallUncertain { charged, .. } => {
            charged.tokens -= 1;
            true
        }
        _ => false,
    };
    refuses("agent_loses_a_call", &charges_less, true);
    let unmerged = |event: &mut Event| match event {
        Event::StepStarted { step, .. } if step.0 == 1 => true,
        Event::StepFinished { step, .. } if step.0 == 1 => true,
        _ => false,
    };
    refuses("merges", &unmerged, false);
    let late = |event: &mut Event| match event {
        Event::CallStarted { call, .. } if call.ix.0 == 1 => {
            call.ix.0 = 2;
            true
        }
        _ => false,
    };
    refuses("agent", &late, true);
}
