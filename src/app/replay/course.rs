//! The loop: one record after the other, with what has to happen for it. Starts and ends of steps are decided anew and must come
//! out as recorded; what people, timers, signals and children did is taken from the records; steps run, and are compared.

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use super::compare::{Alike, Difference, Places, short};
use super::ends::{self, End};
use super::models::Played;
use super::stage::{Leg, Live, Stage};
use super::{Counts, Error};
use crate::domain::call::CallKind;
use crate::domain::effect::{Effect, StepOrder, StepRequest, StopCause};
use crate::domain::event::{Actor, Event, StepOutcome};
use crate::domain::ids::{Attempt, CallIx, StepIx, TaskIx};
use crate::domain::limits;
use crate::domain::payload::Payload;
use crate::domain::project::{Decided, Input, Project, Turn};
use crate::domain::view::RecordView;
use crate::domain::workflow::{Action, Definition, EffectClass, Expressions};
use crate::steps::Recalled;
use crate::workspace::git;

/// Why a replay goes no further.
pub enum Stop {
    /// Something came otherwise.
    Differs(Box<Difference>),
    /// It cannot be done.
    Broken(Error),
}

pub type Going = Result<(), Stop>;

/// A step between its beginning and its end.
pub enum Playing {
    /// It is not run: how it ended is taken from the records.
    Given(Attempt, StepIx),
    /// A merge, which is run when its end is due, so that the branch grows as it grew.
    Merge(Box<StepOrder>),
    /// It runs.
    Live(Box<Live>),
}

pub struct Course<'r> {
    pub records: &'r [RecordView],
    pub at: usize,
    pub project: Project,
    pub stage: Stage,
    pub places: Places,
    pub counts: Counts,
    pub playing: BTreeMap<TaskIx, Playing>,
    expressions: Expressions,
    tell: &'r (dyn Fn(&RecordView) + Send + Sync),
}

impl<'r> Course<'r> {
    /// Before the first record.
    pub fn new(
        records: &'r [RecordView],
        definition: Arc<Definition>,
        stage: Stage,
        places: Places,
        tell: &'r (dyn Fn(&RecordView) + Send + Sync),
    ) -> Result<Self, Error> {
        let damaged = |problem: String| Error::Damaged { problem };
        let first = records.first().ok_or_else(|| damaged("it has no records".to_owned()))?;
        let Event::Created(created) = &first.event else {
            return Err(damaged("its first record does not create it".to_owned()));
        };
        let id = first.project.clone();
        let project = Project::create(id, (**created).clone(), definition, first.at, &*stage.store)
            .map_err(|error| damaged(error.to_string()))?;
        tell(first);
        let (counts, playing) = (Counts::default(), BTreeMap::new());
        Ok(Self { records, at: 1, project, stage, places, counts, playing, expressions: Expressions::new(), tell })
    }

    /// All records, to the first difference.
    pub async fn run(&mut self) -> Going {
        while let Some(record) = self.records.get(self.at) {
            match &record.event {
                Event::TaskStarted { task, .. } => self.decide(Input::Start(*task))?,
                Event::CallStarted { task, .. } if self.is_live(*task) => self.call_started(*task).await?,
                Event::CallFinished { task, call, .. } if self.is_live(*task) => {
                    self.call_finished(*task, *call).await?;
                }
                Event::Recovered { .. } => {
                    self.stop_all(StopCause::Shutdown).await;
                    self.take_over()?;
                }
                event => match ends::subject(event).filter(|task| self.playing.contains_key(task)) {
                    Some(task) => self.step_ends(task).await?,
                    None => self.take_over()?,
                },
            }
        }
        self.stop_all(StopCause::Cancel).await;
        Ok(())
    }

    /// What was compared so far.
    pub fn counts(&self) -> Counts {
        let ended = self.project.tasks().iter().filter(|task| task.status.is_terminal());
        Counts { tasks: ended.count() as u64, ..self.counts }
    }

    fn is_live(&self, task: TaskIx) -> bool {
        matches!(self.playing.get(&task), Some(Playing::Live(_)))
    }

    /// Ends everything that runs.
    pub async fn stop_all(&mut self, cause: StopCause) {
        for (_, playing) in std::mem::take(&mut self.playing) {
            if let Playing::Live(live) = playing {
                live.stop(cause).await;
            }
        }
    }

    /// The next record as it is: nothing is decided for it.
    pub fn take_over(&mut self) -> Going {
        let record = &self.records[self.at];
        let applied = self.project.apply(&record.event, record.at, &*self.stage.store);
        applied.map_err(|error| Stop::Broken(Error::Damaged { problem: error.to_string() }))?;
        self.pass();
        Ok(())
    }

    fn pass(&mut self) {
        (self.tell)(&self.records[self.at]);
        self.at += 1;
    }

    /// Decides on `input` at the time of the next record; what is decided must be on record from there on.
    pub fn decide(&mut self, input: Input) -> Going {
        let turn = Turn {
            now: self.records[self.at].at,
            actor: Actor::Engine,
            vault: &*self.stage.store,
            expressions: &self.expressions,
            entropy: 0,
        };
        let mut decided = Decided::default();
        let project = &mut self.project;
        let taken = catch_unwind(AssertUnwindSafe(|| project.take(input, &turn, &mut decided)));
        let nothing = match taken {
            Ok(Ok(())) => "nothing".to_owned(),
            Ok(Err(refusal)) => format!("refused: {refusal}"),
            Err(_) => {
                return Err(self.differs(
                    None,
                    "the engine breaks where it went on",
                    &self.recorded_here(),
                    "a defect",
                ));
            }
        };
        if decided.events.is_empty() {
            return Err(self.differs(None, "the engine decides otherwise", &self.recorded_here(), &nothing));
        }
        for (actor, event) in decided.events {
            let same = self.records.get(self.at).is_some_and(|it| it.event == event && it.actor == actor);
            if !same {
                let came = format!("{event:?}");
                return Err(self.differs(None, "the engine decides otherwise", &self.recorded_here(), &came));
            }
            self.pass();
        }
        for effect in decided.effects {
            match effect {
                Effect::RunStep(order) => self.begin(order)?,
                // A step is stopped when its record is due; the rest is told by records.
                Effect::StopStep { .. }
                | Effect::SetTimer { .. }
                | Effect::StartChild(_)
                | Effect::StopChild { .. } => {}
            }
        }
        Ok(())
    }

    fn recorded_here(&self) -> String {
        self.records.get(self.at).map_or_else(|| "nothing".to_owned(), |record| format!("{:?}", record.event))
    }

    fn begin(&mut self, order: Box<StepOrder>) -> Going {
        let task = order.task;
        let is_outside = matches!(order.effect, EffectClass::Once | EffectClass::Probed);
        let playing = match &order.request {
            StepRequest::Merge(_) => Playing::Merge(order),
            StepRequest::Http { .. } | StepRequest::Land(_) => Playing::Given(order.attempt, order.step),
            StepRequest::Run { .. } if is_outside => Playing::Given(order.attempt, order.step),
            StepRequest::Run { .. } => Playing::Live(Box::new(self.stage.begin(order, None))),
            StepRequest::Agent(_) => {
                let leg = self.leg(&order)?;
                Playing::Live(Box::new(self.stage.begin(order, Some(leg))))
            }
        };
        self.playing.insert(task, playing);
        Ok(())
    }

    /// What models and memory said to a task from here on.
    pub fn leg(&self, order: &StepOrder) -> Result<Leg, Stop> {
        let (exchanges, ended_with) = ends::leg(&self.records[self.at..], order.task);
        let asked = exchanges.iter().map(|exchange| (exchange.intent.clone(), exchange.outcome.clone()));
        let memory = Arc::new(Recalled::new(asked));
        let of_models = exchanges.into_iter().filter(|exchange| ends::is_of_model(exchange.intent.kind)).collect();
        let played = Played::new((&order.name, order.attempt.0), of_models, ended_with, &*self.stage.store);
        let models = played.map(Arc::new).map_err(|problem| Stop::Broken(Error::Damaged { problem }))?;
        Ok(Leg { models, memory })
    }

    async fn step_ends(&mut self, task: TaskIx) -> Going {
        let Some(playing) = self.playing.remove(&task) else { return self.take_over() };
        let Some(end) = ends::of(&self.records[self.at..], task) else {
            return Err(Stop::Broken(Error::Damaged { problem: format!("task {task} has an end that is none") }));
        };
        let (attempt, step) = match playing {
            Playing::Given(attempt, step) => {
                self.counts.given += u64::from(end.is_outcome());
                (attempt, step)
            }
            Playing::Merge(order) => {
                let place = (order.attempt, order.step);
                if let End::Ran(outcome) = &end {
                    self.merge_those_before(outcome).await?;
                    self.counts.steps += 1;
                    let mut live = self.stage.begin(order, None);
                    let came = self.wait_for_end(&mut live, outcome).await?;
                    self.compare_end(&live.order, outcome, &came)?;
                }
                place
            }
            Playing::Live(live) => {
                let place = (live.order.attempt, live.order.step);
                self.live_ends(*live, &end).await?;
                place
            }
        };
        self.decide(Input::StepDone { task, attempt, step, outcome: end.into_outcome() })
    }

    async fn live_ends(&mut self, mut live: Live, end: &End) -> Going {
        let recorded = match end {
            End::Stopped(cause) => {
                live.stop(*cause).await;
                return Ok(());
            }
            End::Ran(outcome) | End::Failed(outcome) => outcome,
        };
        if let Some(cause) = ends::stopped_by(recorded) {
            live.stop(cause).await;
            self.counts.given += 1;
            return Ok(());
        }
        self.counts.steps += 1;
        let came = match self.wait_for_end(&mut live, recorded).await {
            Ok(came) => came,
            Err(stop) => {
                live.stop(StopCause::Cancel).await;
                return Err(stop);
            }
        };
        match (end, &came.result) {
            // Of what followed only the failure is on record.
            (End::Failed(_), Err(failure)) if recorded.result.as_ref().is_err_and(|it| it.class == failure.class) => {
                Ok(())
            }
            _ => self.compare_end(&live.order, recorded, &came),
        }
    }

    /// Merges whose place on the branch is before that of `outcome`; members of a batch may be recorded in another order.
    async fn merge_those_before(&mut self, outcome: &StepOutcome) -> Going {
        let Some(due) = ends::merged(outcome, &*self.stage.store) else { return Ok(()) };
        let waiting = self.playing.iter().filter(|(_, playing)| matches!(playing, Playing::Merge(_)));
        let mut before: Vec<(u64, TaskIx, Box<StepOutcome>)> = waiting
            .filter_map(|(task, _)| {
                let End::Ran(later) = ends::of(&self.records[self.at..], *task)? else { return None };
                Some((ends::merged(&later, &*self.stage.store)?.position, *task, later))
            })
            .filter(|(position, ..)| *position < due.position)
            .collect();
        before.sort_unstable_by_key(|(position, task, _)| (*position, *task));
        for (_, task, recorded) in before {
            if let Some(Playing::Merge(order)) = self.playing.get(&task) {
                // Asked again when its own end is due, the queue gives the same answer.
                let mut live = self.stage.begin(order.clone(), None);
                let came = self.wait_for_end(&mut live, &recorded).await?;
                self.align(&live.order, &recorded, &came)?;
            }
        }
        Ok(())
    }

    /// Brings the branch to the commit on record when a merge was only part of another batch then.
    fn align(&self, order: &StepOrder, recorded: &StepOutcome, came: &StepOutcome) -> Result<bool, Stop> {
        let merged = |outcome| ends::merged(outcome, &*self.stage.store);
        let (Some(one), Some(other)) = (merged(recorded), merged(came)) else { return Ok(false) };
        if one == other || !ends::is_same_merge(&one, &other) {
            return Ok(false);
        }
        let aligned = git::align(Path::new(&self.stage.own_dir), &order.project, &one.integration);
        aligned.map(|()| true).map_err(|error| Stop::Broken(Error::Gone(format!("a merge of it is gone: {error}"))))
    }

    async fn wait_for_end(&self, live: &mut Live, recorded: &StepOutcome) -> Result<StepOutcome, Stop> {
        use super::stage::Heard;
        match live.next(patience(recorded.duration_ms)).await {
            Heard::Ends(outcome) => Ok(*outcome),
            Heard::Says(input, reply) => {
                drop(reply);
                if ends::is_bound_of_calls(recorded) {
                    return Ok(recorded.clone());
                }
                let (call, came) = ends::told(&input);
                let order = &live.order;
                Err(self.differs_at(order, call, "the agent goes on where it ended", &ends::in_words(recorded), &came))
            }
            Heard::Silence => {
                let came = "it still runs, ten times as long".to_owned();
                Err(self.differs_at(&live.order, None, "the step does not end", &ends::in_words(recorded), &came))
            }
        }
    }

    /// How a step ended, against the record of it.
    fn compare_end(&mut self, order: &StepOrder, recorded: &StepOutcome, came: &StepOutcome) -> Going {
        let differs =
            |course: &Self, what: &str, one: &str, other: &str| Err(course.differs_at(order, None, what, one, other));
        let alike = match (&recorded.result, &came.result) {
            (Ok(_), Ok(_)) if self.align(order, recorded, came)? => Alike::Same,
            (Ok(one), Ok(other)) => {
                let (alike, texts) = self.payloads(one, other)?;
                if alike == Alike::Differs {
                    return differs(self, "the output differs", &texts.0, &texts.1);
                }
                alike
            }
            (Err(one), Err(other)) if one.class == other.class && recorded.code == came.code => {
                let alike = self.places.alike(one.message.as_bytes(), other.message.as_bytes());
                if alike == Alike::Differs {
                    let (one, other) = self.places.around(one.message.as_bytes(), other.message.as_bytes());
                    return differs(self, "it fails otherwise", &one, &other);
                }
                alike
            }
            _ => return differs(self, "it ends otherwise", &ends::in_words(recorded), &ends::in_words(came)),
        };
        if recorded.tree != came.tree {
            let tree = |outcome: &StepOutcome| outcome.tree.clone().unwrap_or_else(|| "none".to_owned());
            return differs(self, "the files differ", &tree(recorded), &tree(came));
        }
        self.counts.varied += u64::from(alike == Alike::Varies);
        Ok(())
    }

    /// How alike two values are, and both around the first line that differs.
    pub fn payloads(&self, recorded: &Payload, came: &Payload) -> Result<(Alike, (String, String)), Stop> {
        use crate::domain::payload::PayloadSource as _;
        if recorded == came {
            return Ok((Alike::Same, Default::default()));
        }
        let broken = |error: crate::domain::payload::UnreadablePayload| {
            Stop::Broken(Error::Damaged { problem: error.to_string() })
        };
        let recorded = self.stage.store.read(recorded).map_err(broken)?;
        let came = self.stage.store.read(came).map_err(broken)?;
        let alike = self.places.alike(&recorded, &came);
        let shown = if alike == Alike::Differs { self.places.around(&recorded, &came) } else { Default::default() };
        Ok((alike, shown))
    }

    fn differs(&self, task: Option<TaskIx>, what: &str, recorded: &str, came: &str) -> Stop {
        let record = self.records.get(self.at);
        let task = task.or_else(|| record.and_then(|record| ends::subject(&record.event)));
        let task = task.and_then(|ix| self.project.tasks().get(ix.0 as usize));
        Stop::Differs(Box::new(Difference {
            seq: self.at as u64 + 1,
            task: task.map(|task| task.name.to_string()),
            attempt: task.map(|task| task.attempt.0),
            step: None,
            call: None,
            what: what.to_owned(),
            recorded: short(recorded.to_owned()),
            came: short(came.to_owned()),
        }))
    }

    /// A difference in a step or one of its calls.
    pub fn differs_at(&self, order: &StepOrder, call: Option<CallIx>, what: &str, recorded: &str, came: &str) -> Stop {
        Stop::Differs(Box::new(Difference {
            seq: self.at as u64 + 1,
            task: Some(order.name.to_string()),
            attempt: Some(order.attempt.0),
            step: Some(order.step.0),
            call: call.map(|call| call.0),
            what: what.to_owned(),
            recorded: short(recorded.to_owned()),
            came: short(came.to_owned()),
        }))
    }

    /// Counts a call that came as recorded.
    pub fn count(&mut self, kind: CallKind, alike: Alike) {
        match kind {
            CallKind::Model | CallKind::Compact | CallKind::Embed => self.counts.model_calls += 1,
            CallKind::Tool | CallKind::Check | CallKind::Commit => self.counts.tool_calls += 1,
            CallKind::Prompt | CallKind::Ask | CallKind::Artifact => {}
        }
        self.counts.varied += u64::from(alike == Alike::Varies);
    }
}

/// Ten times what it took, and some time to begin with: another machine may be slower, and more may run on it.
pub fn patience(recorded_ms: u64) -> Duration {
    Duration::from_millis(limits::REPLAY_PATIENCE_MS.saturating_add(recorded_ms.saturating_mul(10)))
}

/// Whether all that a project did happened in folders of its own.
pub fn runs_in_the_folder(definition: &Definition) -> bool {
    let runs = definition.doings().any(|task| matches!(task.action, Action::Run(_) | Action::Agent(_)));
    runs && definition.workspace == crate::domain::workflow::WorkspaceKind::Dir
}
