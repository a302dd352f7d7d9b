//! The task's machine.
//!
//! ```text
//! PENDING -> READY -> RUNNING -> VALIDATING -> COMPLETED          (a task without validations goes RUNNING -> COMPLETED)
//! READY -> AWAITING_APPROVAL | AWAITING_SIGNAL -> COMPLETED       (nothing runs here: a person, a time, a signal, a child)
//! RUNNING | VALIDATING | AWAITING_SIGNAL -> BACKOFF -> READY      (a retry, or held until someone resumes)
//! RUNNING | VALIDATING | AWAITING_SIGNAL -> DEBUGGING -> READY    (a branch task is open for it)
//! RUNNING | VALIDATING -> READY                                   (interrupted: the attempt goes on later)
//! AWAITING_APPROVAL -> READY                                      (an agent's question is answered: its attempt goes on)
//! RUNNING -> IN_DOUBT -> READY | COMPLETED | FAILED               (a `once` step with unknown outcome)
//! everything alive -> CANCELLED; PENDING | READY -> SKIPPED; everything but PENDING and BACKOFF -> FAILED
//! COMPLETED | FAILED | SKIPPED | BACKOFF -> PENDING               (a new round of its phase, or `wfctl retry`)
//! ```
//!
//! [`TABLE`] is the same as data: it makes the error for an illegal transition and the coverage test.

use serde::{Deserialize, Serialize};
use statig::Outcome::{self, Handled, Super, Transition};
use statig::blocking::{self, IntoStateMachine, StateExt as _};

statuses! {
    /// The state of a task. The names are stable: they stand in journals and in `--json`.
    TaskStatus:
    /// Something it needs is not there yet.
    Pending = "PENDING";
    /// Waits for a free worker.
    Ready = "READY";
    /// Its action runs.
    Running = "RUNNING";
    /// Its validations run.
    Validating = "VALIDATING";
    /// A retry waits for its time, or for someone to resume the project.
    Backoff = "BACKOFF";
    /// Waits for a person's yes or no.
    AwaitingApproval = "AWAITING_APPROVAL";
    /// Waits for a signal, a time, an external worker, a child project or its items.
    AwaitingSignal = "AWAITING_SIGNAL";
    /// Whether its step happened is unknown, and it must not simply happen twice.
    InDoubt = "IN_DOUBT";
    /// A branch task tries to repair what makes it fail.
    Debugging = "DEBUGGING";
    /// Terminal: done.
    Completed = "COMPLETED";
    /// Terminal: given up.
    Failed = "FAILED";
    /// Terminal: not needed, or not possible.
    Skipped = "SKIPPED";
    /// Terminal: cancelled with its project.
    Cancelled = "CANCELLED";
}

impl TaskStatus {
    /// COMPLETED, FAILED, SKIPPED or CANCELLED.
    pub fn is_terminal(self) -> bool {
        matches!(self, Self::Completed | Self::Failed | Self::Skipped | Self::Cancelled)
    }

    /// RUNNING or VALIDATING: it occupies a worker.
    pub fn is_active(self) -> bool {
        matches!(self, Self::Running | Self::Validating)
    }
}

/// What may happen to a task, as far as its state is concerned.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Input {
    /// What it needs is there, its backoff is over, its doubt is settled, or its branch is done.
    Ready,
    /// A worker takes it.
    Start,
    /// It asks a person.
    AskApproval,
    /// It waits for something else from outside.
    Await,
    /// Its action is done, its validations begin.
    Validate,
    /// Done.
    Complete,
    /// Tried again after a delay.
    Backoff,
    /// Held until someone resumes.
    Exhaust,
    /// A branch task is opened for it.
    Branch,
    /// The engine stopped in its middle.
    Interrupt,
    /// A `once` step has no known outcome.
    Doubt,
    /// Given up.
    Fail,
    /// Not needed, or not possible.
    Skip,
    /// Cancelled with its project.
    Cancel,
    /// A new round or a new series of attempts.
    Reset,
}

impl Input {
    /// All inputs.
    pub const ALL: &'static [Self] = &[
        Self::Ready,
        Self::Start,
        Self::AskApproval,
        Self::Await,
        Self::Validate,
        Self::Complete,
        Self::Backoff,
        Self::Exhaust,
        Self::Branch,
        Self::Interrupt,
        Self::Doubt,
        Self::Fail,
        Self::Skip,
        Self::Cancel,
        Self::Reset,
    ];
}

/// An input that the present state does not take. Nothing changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a task in {state} does not take {input:?} (it takes {})", allowed(*state))]
pub struct Illegal {
    /// The state.
    pub state: TaskStatus,
    /// The input.
    pub input: Input,
}

fn allowed(state: TaskStatus) -> String {
    let names: Vec<String> =
        TABLE.iter().filter(|(from, ..)| *from == state).map(|(_, input, _)| format!("{input:?}")).collect();
    if names.is_empty() { "nothing".to_owned() } else { names.join(", ") }
}

/// The state after `input`, or why it may not happen. `Ok(None)`: swallowed on purpose, nothing changes.
pub fn next(state: TaskStatus, input: Input) -> Result<Option<TaskStatus>, Illegal> {
    let mut at = state;
    match at.handle(&mut Machine, &input, &mut ()) {
        Transition(to) => Ok(Some(to)),
        Handled => Ok(None),
        Super => Err(Illegal { state, input }),
    }
}

/// The machine has no storage: its transitions depend on state and input alone.
struct Machine;

impl IntoStateMachine for Machine {
    type Event<'evt> = Input;
    type Context<'ctx> = ();
    type State = TaskStatus;
    type Superstate<'sub> = Superstate;

    fn initial() -> TaskStatus {
        TaskStatus::Pending
    }
}

/// What several states answer alike.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Superstate {
    /// Everything that is not terminal.
    Alive,
    /// RUNNING and VALIDATING.
    Active,
    /// An answer from outside is due: AWAITING_APPROVAL, AWAITING_SIGNAL.
    Awaiting,
    /// COMPLETED, FAILED, SKIPPED, CANCELLED.
    Terminal,
}

impl blocking::State<Machine> for TaskStatus {
    fn call_handler(&mut self, _: &mut Machine, input: &Input, _: &mut ()) -> Outcome<Self> {
        match (*self, *input) {
            (Self::Pending | Self::Backoff | Self::InDoubt | Self::Debugging, Input::Ready) => Transition(Self::Ready),
            // A person answered what an agent asked.
            (Self::AwaitingApproval, Input::Ready) => Transition(Self::Ready),
            (Self::Ready, Input::Start) => Transition(Self::Running),
            (Self::Ready, Input::AskApproval) => Transition(Self::AwaitingApproval),
            (Self::Ready, Input::Await) => Transition(Self::AwaitingSignal),
            // What is rendered before a start (a command, a question) can fail too.
            (Self::Ready | Self::Debugging, Input::Exhaust) => Transition(Self::Backoff),
            (Self::Running, Input::Validate) => Transition(Self::Validating),
            (Self::Running, Input::Doubt) => Transition(Self::InDoubt),
            (Self::AwaitingSignal, Input::Backoff | Input::Exhaust) => Transition(Self::Backoff),
            (Self::AwaitingSignal, Input::Branch) => Transition(Self::Debugging),
            (Self::InDoubt, Input::Complete) => Transition(Self::Completed),
            (Self::Completed | Self::Failed | Self::Skipped, Input::Reset) => Transition(Self::Pending),
            (Self::Backoff, Input::Reset) => Transition(Self::Pending),
            (Self::Pending | Self::Ready, Input::Skip) => Transition(Self::Skipped),
            (Self::Ready | Self::InDoubt | Self::Debugging, Input::Fail) => Transition(Self::Failed),
            _ => Super,
        }
    }

    fn superstate(&mut self) -> Option<Superstate> {
        Some(match self {
            Self::Running | Self::Validating => Superstate::Active,
            Self::AwaitingApproval | Self::AwaitingSignal => Superstate::Awaiting,
            Self::Pending | Self::Ready | Self::Backoff | Self::InDoubt | Self::Debugging => Superstate::Alive,
            Self::Completed | Self::Failed | Self::Skipped | Self::Cancelled => Superstate::Terminal,
        })
    }
}

impl blocking::Superstate<Machine> for Superstate {
    fn call_handler(&mut self, _: &mut Machine, input: &Input, _: &mut ()) -> Outcome<TaskStatus> {
        match (*self, *input) {
            (Self::Alive, Input::Cancel) => Transition(TaskStatus::Cancelled),
            (Self::Active | Self::Awaiting, Input::Fail) => Transition(TaskStatus::Failed),
            (Self::Active | Self::Awaiting, Input::Complete) => Transition(TaskStatus::Completed),
            (Self::Active, Input::Backoff | Input::Exhaust) => Transition(TaskStatus::Backoff),
            (Self::Active, Input::Branch) => Transition(TaskStatus::Debugging),
            (Self::Active, Input::Interrupt) => Transition(TaskStatus::Ready),
            // Terminal stays terminal: a cancel that comes too late has nothing left to do.
            (Self::Terminal, Input::Cancel) => Handled,
            _ => Super,
        }
    }

    fn superstate(&mut self) -> Option<Superstate> {
        match self {
            Self::Active | Self::Awaiting => Some(Self::Alive),
            Self::Alive | Self::Terminal => None,
        }
    }
}

use Input as I;
use TaskStatus as S;

/// Every legal transition: state, input, next state. The test below holds the machine to it, in both directions.
pub const TABLE: &[(TaskStatus, Input, TaskStatus)] = &[
    (S::Pending, I::Ready, S::Ready),
    (S::Pending, I::Skip, S::Skipped),
    (S::Pending, I::Cancel, S::Cancelled),
    (S::Ready, I::Start, S::Running),
    (S::Ready, I::AskApproval, S::AwaitingApproval),
    (S::Ready, I::Await, S::AwaitingSignal),
    (S::Ready, I::Exhaust, S::Backoff),
    (S::Ready, I::Fail, S::Failed),
    (S::Ready, I::Skip, S::Skipped),
    (S::Ready, I::Cancel, S::Cancelled),
    (S::Running, I::Validate, S::Validating),
    (S::Running, I::Complete, S::Completed),
    (S::Running, I::Backoff, S::Backoff),
    (S::Running, I::Exhaust, S::Backoff),
    (S::Running, I::Branch, S::Debugging),
    (S::Running, I::Interrupt, S::Ready),
    (S::Running, I::Doubt, S::InDoubt),
    (S::Running, I::Fail, S::Failed),
    (S::Running, I::Cancel, S::Cancelled),
    (S::Validating, I::Complete, S::Completed),
    (S::Validating, I::Backoff, S::Backoff),
    (S::Validating, I::Exhaust, S::Backoff),
    (S::Validating, I::Branch, S::Debugging),
    (S::Validating, I::Interrupt, S::Ready),
    (S::Validating, I::Fail, S::Failed),
    (S::Validating, I::Cancel, S::Cancelled),
    (S::Backoff, I::Ready, S::Ready),
    (S::Backoff, I::Cancel, S::Cancelled),
    (S::Backoff, I::Reset, S::Pending),
    (S::AwaitingApproval, I::Ready, S::Ready),
    (S::AwaitingApproval, I::Complete, S::Completed),
    (S::AwaitingApproval, I::Fail, S::Failed),
    (S::AwaitingApproval, I::Cancel, S::Cancelled),
    (S::AwaitingSignal, I::Complete, S::Completed),
    (S::AwaitingSignal, I::Backoff, S::Backoff),
    (S::AwaitingSignal, I::Exhaust, S::Backoff),
    (S::AwaitingSignal, I::Branch, S::Debugging),
    (S::AwaitingSignal, I::Fail, S::Failed),
    (S::AwaitingSignal, I::Cancel, S::Cancelled),
    (S::InDoubt, I::Ready, S::Ready),
    (S::InDoubt, I::Complete, S::Completed),
    (S::InDoubt, I::Fail, S::Failed),
    (S::InDoubt, I::Cancel, S::Cancelled),
    (S::Debugging, I::Ready, S::Ready),
    (S::Debugging, I::Exhaust, S::Backoff),
    (S::Debugging, I::Fail, S::Failed),
    (S::Debugging, I::Cancel, S::Cancelled),
    (S::Completed, I::Reset, S::Pending),
    (S::Failed, I::Reset, S::Pending),
    (S::Skipped, I::Reset, S::Pending),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_machine_and_its_table_agree_in_both_directions() {
        for &state in TaskStatus::ALL {
            for &input in Input::ALL {
                let listed = TABLE.iter().find(|(from, by, _)| (*from, *by) == (state, input)).map(|(.., to)| *to);
                match next(state, input) {
                    Ok(Some(to)) => assert_eq!(listed, Some(to), "{state} by {input:?}"),
                    Ok(None) | Err(_) => assert_eq!(listed, None, "{state} by {input:?}"),
                }
            }
        }
    }

    #[test]
    fn late_cancels_are_swallowed_and_nothing_else_moves_a_cancelled_task() {
        for &state in TaskStatus::ALL.iter().filter(|state| state.is_terminal()) {
            assert_eq!(next(state, Input::Cancel), Ok(None), "{state}");
        }
        for &input in Input::ALL {
            assert!(!matches!(next(TaskStatus::Cancelled, input), Ok(Some(_))), "CANCELLED left by {input:?}");
        }
    }

    #[test]
    fn an_illegal_transition_says_what_would_be_legal() {
        let message = next(TaskStatus::Pending, Input::Complete).unwrap_err().to_string();
        assert_eq!(message, "a task in PENDING does not take Complete (it takes Ready, Skip, Cancel)");
    }
}
