//! A whole engine without threads: the core under a clock that moves only when nothing else is left to do, with steps that
//! take as long as they are told to, and a person who answers whatever is asked.

use std::collections::BTreeMap;
use std::sync::Arc;

use wfctl::domain::effect::{Effect, StepOrder};
use wfctl::domain::event::{Actor, Await, Decision, DoubtAnswer, StepOutcome};
use wfctl::domain::ids::{Digest, Epoch, ProjectId};
use wfctl::domain::machine::{ProjectStatus, TaskStatus};
use wfctl::domain::payload::{Payload, PayloadSource};
use wfctl::domain::project::Command;
use wfctl::domain::time::Millis;
use wfctl::domain::workflow::{Action, WaitSpec};
use wfctl::engine::archive::Archive;
use wfctl::engine::clock::ManualClock;
use wfctl::engine::core::{Core, Request};
use wfctl::engine::entropy::SeededEntropy;
use wfctl::engine::ports::Clock as _;
use wfctl::engine::{Error, Start};

/// What a step does and how long it takes.
pub type Steps<'s> = Box<dyn FnMut(&StepOrder, Epoch, Millis) -> (StepOutcome, u64) + 's>;

/// See the module's text.
pub struct Driver<'s> {
    core: Core<()>,
    /// The read side.
    pub archive: Archive,
    /// The clock.
    pub clock: Arc<ManualClock>,
    epoch: Epoch,
    steps: Steps<'s>,
    /// Outcomes by the moment at which they come.
    coming: BTreeMap<Millis, Vec<Request>>,
    /// Turns that committed something.
    pub turns: u64,
}

/// Who answers.
pub fn person() -> Actor {
    Actor::User("rig".to_owned())
}

/// A plain resume.
pub fn resume() -> Command {
    Command::Resume { in_doubt: None, budget: None, comment: String::new() }
}

impl<'s> Driver<'s> {
    /// Takes the archive's store over, at `now`.
    pub fn new(archive: Archive, now: Millis, workers: usize, steps: Steps<'s>) -> Result<Self, Error> {
        let clock = Arc::new(ManualClock::new(now));
        let epoch = archive.store().take_over()?;
        let core = Core::new(archive.clone(), clock.clone(), Arc::new(SeededEntropy::new(7)), epoch, workers);
        Ok(Self { core, archive, clock, epoch, steps, coming: BTreeMap::new(), turns: 0 })
    }

    /// One turn of the core; what it starts is executed on the spot, and its outcome comes when its time has passed.
    pub fn turn(&mut self, requests: Vec<Request>) -> Result<(), Error> {
        let turned = self.core.turn(requests.into_iter().map(|request| (request, Some(()))))?;
        self.turns += u64::from(turned.records > 0);
        for (_, reply) in turned.replies {
            match reply {
                Ok(_) | Err(Error::Refused(_)) => {}
                Err(error) => return Err(error),
            }
        }
        assert!(turned.abandoned.is_empty(), "a defect set {:?} aside", turned.abandoned);
        for (id, effect) in turned.effects {
            let Effect::RunStep(order) = effect else { continue };
            let now = self.clock.now();
            let (outcome, lasts_ms) = (self.steps)(&order, self.epoch, now);
            let outcome = Box::new(outcome);
            let (task, attempt, step) = (order.task, order.attempt, order.step);
            let request = Request::Outcome { id, task, attempt, step, outcome };
            self.coming.entry(now.plus(lasts_ms)).or_default().push(request);
        }
        Ok(())
    }

    /// Starts a project, or resumes it when it is there already.
    pub fn begin(&mut self, start: Start) -> Result<(), Error> {
        let id = start.id.clone().expect("the rigs name their projects");
        if self.archive.store().summary(&id)?.is_none() {
            return self.turn(vec![Request::Start { start: Box::new(start), actor: person() }]);
        }
        self.turn(vec![Request::Resume { id, command: resume(), actor: person() }])
    }

    /// Goes on by one event: what comes next, else an answer to what is asked. False when `id` has come to its end.
    pub fn step(&mut self, id: &ProjectId) -> Result<bool, Error> {
        if self.core.project(id).is_none() {
            return Ok(false);
        }
        let outcome = self.coming.keys().next().copied();
        let timer = self.core.next_due();
        let Some(next) = outcome.into_iter().chain(timer).min() else {
            let requests = self.answers(id);
            assert!(!requests.is_empty(), "{id} waits for nothing and does not end: {:?}", self.core.project(id));
            self.turn(requests)?;
            return Ok(true);
        };
        self.clock.advance(next.since(self.clock.now()));
        let requests = self.coming.remove(&next).unwrap_or_default();
        self.turn(requests)?;
        Ok(true)
    }

    fn answers(&self, id: &ProjectId) -> Vec<Request> {
        let project = self.core.project(id).expect("it was there a moment ago");
        let command = |command| Request::Command { id: id.clone(), command, actor: person() };
        let comment = String::new;
        let mut requests = Vec::new();
        if project.status() == ProjectStatus::Paused {
            requests.push(command(resume()));
        }
        for task in project.tasks() {
            match (task.status, task.awaits()) {
                (TaskStatus::AwaitingApproval, _) => {
                    let answer = Some(task.name.to_string());
                    let (decision, comment) = (Decision::Approved, comment());
                    requests.push(command(Command::Answer { task: answer, decision, comment }));
                }
                (TaskStatus::AwaitingSignal, Some(Await::Signal { name })) => {
                    let (name, request) = (name.clone(), "r1".to_owned());
                    requests.push(command(Command::Signal { name, payload: serde_json::json!({"go": 1}), request }));
                }
                (TaskStatus::InDoubt, _) => {
                    // Executions are counted at once, so a step in doubt did run.
                    let in_doubt = Some(DoubtAnswer::Done);
                    requests.push(command(Command::Resume { in_doubt, budget: None, comment: comment() }));
                }
                _ => {}
            }
        }
        requests
    }

    /// Goes on until `id` is terminal.
    pub fn run(&mut self, id: &ProjectId) -> Result<(), Error> {
        while self.step(id)? {}
        Ok(())
    }
}

/// How a project ended, in what must not depend on crashes.
#[derive(Debug, PartialEq, Eq)]
pub struct Ending {
    /// Its status.
    pub status: ProjectStatus,
    /// Its own output.
    pub output: Digest,
    /// Per task: name, status, attempts, output (but the output of a wait, which is a moment).
    pub tasks: Vec<(String, TaskStatus, u32, Digest)>,
}

/// How `id` ended: from its records alone, which must say the same as its newest snapshot and the records after it.
pub fn ending(archive: &Archive, id: &ProjectId) -> Ending {
    let replayed = archive.replay(id, wfctl::domain::ids::Seq(u64::MAX)).expect("a whole journal").project;
    let loaded = archive.load(id).expect("a whole journal").project;
    assert_eq!(loaded.to_snapshot(), replayed.to_snapshot(), "a snapshot says something else than the records");
    let bytes = |payload: &Payload| {
        let read = PayloadSource::read(&**archive.vault(), payload).expect("a readable value");
        Digest::of(&read)
    };
    Ending {
        status: replayed.status(),
        output: bytes(replayed.closing_output()),
        tasks: replayed
            .tasks()
            .iter()
            .map(|task| {
                let timeless = !matches!(task.spec.action, Action::Wait(WaitSpec::Duration { .. }));
                let output = task.output.as_ref().filter(|_| timeless).map(bytes).unwrap_or_default();
                (task.name.to_string(), task.status, task.attempt.0, output)
            })
            .collect(),
    }
}
