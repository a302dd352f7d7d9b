//! What the records say of the end of a step: which record it is, and with which outcome it was decided.

use super::models::Exchange;
use crate::domain::budget::Amounts;
use crate::domain::call::{CallInput, CallKind};
use crate::domain::effect::StopCause;
use crate::domain::event::{Event, StepOutcome};
use crate::domain::failure::{Failure, FailureClass};
use crate::domain::ids::{CallIx, TaskIx};
use crate::domain::payload::PayloadSource;
use crate::domain::project::Merged;
use crate::domain::view::RecordView;
use crate::steps::Recalled;

/// How a step ended.
pub enum End {
    /// By itself, with this outcome.
    Ran(Box<StepOutcome>),
    /// With a failure that is on record as what followed from it.
    Failed(Box<StepOutcome>),
    /// It was stopped: what it did until then depends on the moment.
    Stopped(StopCause),
}

impl End {
    /// Whether it ended by itself.
    pub fn is_outcome(&self) -> bool {
        matches!(self, Self::Ran(_) | Self::Failed(_))
    }

    /// What the engine was told.
    pub fn into_outcome(self) -> Box<StepOutcome> {
        match self {
            Self::Ran(outcome) | Self::Failed(outcome) => outcome,
            Self::Stopped(_) => Box::new(Self::stopped_outcome()),
        }
    }

    /// The outcome of a step that an engine interrupts.
    pub fn stopped_outcome() -> StepOutcome {
        failed(Failure::new(FailureClass::Interrupted, "stopped: the engine is shutting down"))
    }
}

fn failed(failure: Failure) -> StepOutcome {
    StepOutcome {
        result: Err(failure),
        log: None,
        code: None,
        duration_ms: 0,
        used: Amounts::default(),
        tree: None,
        ran_under: None,
    }
}

/// The task whose running step a record may end.
pub fn subject(event: &Event) -> Option<TaskIx> {
    match event {
        Event::CallUncertain { task, .. }
        | Event::StepFinished { task, .. }
        | Event::StepInterrupted { task, .. }
        | Event::TaskParked { task, .. }
        | Event::TaskInDoubt { task, .. }
        | Event::TaskFailed { task, .. }
        | Event::TaskCancelled { task } => Some(*task),
        _ => None,
    }
}

/// How the running step of a task ended, by the next records; `None`: they do not say.
pub fn of(records: &[RecordView], task: TaskIx) -> Option<End> {
    let mut own = records.iter().map(|record| &record.event).filter(|event| subject(event) == Some(task));
    own.find_map(|event| match event {
        Event::StepFinished { outcome, .. } => Some(by_itself(outcome)),
        Event::TaskParked { failure, .. } | Event::TaskFailed { failure, .. } => {
            Some(End::Failed(Box::new(failed(failure.clone()))))
        }
        Event::StepInterrupted { .. } | Event::TaskInDoubt { .. } => Some(End::Stopped(StopCause::Shutdown)),
        Event::TaskCancelled { .. } => Some(End::Stopped(StopCause::Cancel)),
        _ => None,
    })
}

/// A step that was stopped from outside ended when somebody wanted it to, and its outcome is the recorded one.
fn by_itself(outcome: &StepOutcome) -> End {
    match outcome.result.as_ref().err().map(|failure| failure.class) {
        Some(FailureClass::Timeout | FailureClass::Idle | FailureClass::Cancelled | FailureClass::Interrupted) => {
            End::Failed(Box::new(outcome.clone()))
        }
        Some(_) | None => End::Ran(Box::new(outcome.clone())),
    }
}

/// Why a step is stopped that was stopped on record.
pub fn stopped_by(outcome: &StepOutcome) -> Option<StopCause> {
    match outcome.result.as_ref().err()?.class {
        FailureClass::Timeout => Some(StopCause::Timeout),
        FailureClass::Idle => Some(StopCause::Idle),
        FailureClass::Cancelled => Some(StopCause::Cancel),
        FailureClass::Interrupted => Some(StopCause::Shutdown),
        _ => None,
    }
}

/// What a merge made.
pub fn merged(outcome: &StepOutcome, source: &dyn PayloadSource) -> Option<Merged> {
    let bytes = source.read(outcome.result.as_ref().ok()?).ok()?;
    serde_json::from_slice::<Merged>(&bytes).ok()
}

/// Whether two merges put the same work and the same files at the same place of the branch. The commit that did it names the
/// batch that it was part of, and which merges wait together is a matter of moments.
pub fn is_same_merge(one: &Merged, other: &Merged) -> bool {
    (&one.commit, &one.tree, one.position) == (&other.commit, &other.tree, other.position)
}

/// Whether an attempt ended because it had as many calls as one may have: the engine ends it, not its walk.
pub fn is_bound_of_calls(outcome: &StepOutcome) -> bool {
    let failure = outcome.result.as_ref().err();
    failure.is_some_and(|it| it.class == FailureClass::Turns && it.message.starts_with("an attempt has at most"))
}

/// What models and memory said to a task until its step ends or is taken up again, and the failure that it ended with.
pub fn leg(records: &[RecordView], of: TaskIx) -> (Vec<Exchange>, Option<Failure>) {
    let mut exchanges: Vec<Exchange> = Vec::new();
    for record in records {
        match &record.event {
            Event::CallStarted { task, call, .. }
                if *task == of && (is_of_model(call.kind) || Recalled::asks_memory(call)) =>
            {
                exchanges.push(Exchange { intent: (**call).clone(), outcome: None });
            }
            Event::CallFinished { task, call, outcome, .. } if *task == of => {
                let open = exchanges.last_mut().filter(|open| open.intent.ix == *call);
                if let Some(open) = open {
                    open.outcome = Some((**outcome).clone());
                }
            }
            Event::StepFinished { task, outcome, .. } if *task == of => {
                return (exchanges, outcome.result.as_ref().err().cloned());
            }
            Event::TaskParked { task, failure, .. } | Event::TaskFailed { task, failure, .. } if *task == of => {
                return (exchanges, Some(failure.clone()));
            }
            Event::StepInterrupted { task, .. } | Event::TaskCancelled { task } if *task == of => break,
            _ => {}
        }
    }
    (exchanges, None)
}

/// Whether a call asks a model for a reply.
pub fn is_of_model(kind: CallKind) -> bool {
    matches!(kind, CallKind::Model | CallKind::Compact)
}

/// An outcome in a line.
pub fn in_words(outcome: &StepOutcome) -> String {
    let code = outcome.code.map(|code| format!(", code {code}")).unwrap_or_default();
    match &outcome.result {
        Ok(_) => format!("it ended well{code}"),
        Err(failure) => format!("it failed{code}: {failure}"),
    }
}

/// A call that is put on record, in a line.
pub fn told(input: &CallInput) -> (Option<CallIx>, String) {
    let named = |intent: &crate::domain::call::CallIntent| {
        (Some(intent.ix), format!("{} {} {} (input {})", intent.kind, intent.label, intent.shown, intent.input))
    };
    match input {
        CallInput::Begin(intent) | CallInput::Ask(intent, _) => named(intent),
        CallInput::Note(calls) => calls.first().map_or((None, "no call".to_owned()), |(intent, _)| named(intent)),
        CallInput::End(call, _) => (Some(*call), format!("the end of call {call}")),
    }
}
