//! The project's machine: a lifecycle of phases, with *held* and *terminal* states beside it.
//!
//! ```text
//! NEW -> PLANNING -> DESIGN -> BUILD -> TEST -> REVIEW -> DEPLOY -> MONITOR -> DONE      forward, undeclared ones passed over
//! any phase -> an earlier phase                                                          along declared loop-backs
//! working: any phase, NEW                    -> AWAITING_APPROVAL | PAUSED | CANCELLING | FAILED | CANCELLED
//! held: AWAITING_APPROVAL, PAUSED            -> back to where it was held, or CANCELLING | CANCELLED (a gate also: forward, back, FAILED)
//! CANCELLING (undo commands run)             -> CANCELLED | PAUSED
//! terminal: DONE, FAILED, CANCELLED          -> nothing; late cancels are swallowed
//! ```

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use statig::Outcome::{self, Handled, Super, Transition};
use statig::blocking::{self, IntoStateMachine, StateExt as _};

/// A phase of the lifecycle, in order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Phase {
    /// From a goal to a plan.
    Planning,
    /// From a plan to contracts.
    Design,
    /// The work itself; the only phase of a plain workflow.
    Build,
    /// Is it right?
    Test,
    /// Is it good?
    Review,
    /// Into the world.
    Deploy,
    /// Does it stay right?
    Monitor,
}

impl Phase {
    /// All phases in lifecycle order.
    pub const ALL: [Self; 7] =
        [Self::Planning, Self::Design, Self::Build, Self::Test, Self::Review, Self::Deploy, Self::Monitor];

    /// The stable lower-case name, as in workflow files.
    pub fn name(self) -> &'static str {
        match self {
            Self::Planning => "planning",
            Self::Design => "design",
            Self::Build => "build",
            Self::Test => "test",
            Self::Review => "review",
            Self::Deploy => "deploy",
            Self::Monitor => "monitor",
        }
    }
}

impl fmt::Display for Phase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Phase {
    type Err = ();
    fn from_str(name: &str) -> Result<Self, ()> {
        Self::ALL.into_iter().find(|phase| phase.name() == name).ok_or(())
    }
}

statuses! {
    /// The state of a project. The names are stable: they stand in journals and in `--json`.
    ProjectStatus:
    /// Accepted, nothing begun.
    New = "NEW";
    /// In the phase of that name; so the next six.
    Planning = "PLANNING";
    /// See [`Phase::Design`].
    Design = "DESIGN";
    /// See [`Phase::Build`].
    Build = "BUILD";
    /// See [`Phase::Test`].
    Test = "TEST";
    /// See [`Phase::Review`].
    Review = "REVIEW";
    /// See [`Phase::Deploy`].
    Deploy = "DEPLOY";
    /// See [`Phase::Monitor`].
    Monitor = "MONITOR";
    /// The gate behind a phase is being asked.
    AwaitingApproval = "AWAITING_APPROVAL";
    /// Held; the reason is with the project. Running steps end, none starts.
    Paused = "PAUSED";
    /// Running steps are being stopped and undo commands run.
    Cancelling = "CANCELLING";
    /// Terminal: everything done.
    Done = "DONE";
    /// Terminal: it cannot go on.
    Failed = "FAILED";
    /// Terminal: someone cancelled or killed it.
    Cancelled = "CANCELLED";
}

impl ProjectStatus {
    /// The phase of a working state.
    pub fn phase(self) -> Option<Phase> {
        Phase::ALL.into_iter().find(|phase| Self::of(*phase) == self)
    }

    /// The working state of a phase.
    pub fn of(phase: Phase) -> Self {
        match phase {
            Phase::Planning => Self::Planning,
            Phase::Design => Self::Design,
            Phase::Build => Self::Build,
            Phase::Test => Self::Test,
            Phase::Review => Self::Review,
            Phase::Deploy => Self::Deploy,
            Phase::Monitor => Self::Monitor,
        }
    }

    /// Nothing more can happen.
    pub fn is_terminal(self) -> bool {
        matches!(self, Self::Done | Self::Failed | Self::Cancelled)
    }

    /// Waits for a person or a resource.
    pub fn is_held(self) -> bool {
        matches!(self, Self::AwaitingApproval | Self::Paused)
    }
}

/// What may happen to a project, as far as its state is concerned.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Input {
    /// Enter this phase: the first one, the next one, or an earlier one by a loop-back.
    Enter(Phase),
    /// Ask the gate behind the present phase.
    AskGate,
    /// Hold it.
    Hold,
    /// Go on where it was held.
    Release,
    /// Stop everything, take back what can be taken back.
    Cancel,
    /// Close it in this terminal state.
    Close(ProjectStatus),
}

/// An input that the present state does not take. Nothing changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a project in {state} does not take {input:?}")]
pub struct Illegal {
    /// The state.
    pub state: ProjectStatus,
    /// The input.
    pub input: Input,
}

/// What the handlers may look at.
#[derive(Debug, Clone, Copy)]
pub struct Facts {
    /// Where a held project goes back to.
    pub held_from: Option<ProjectStatus>,
}

/// The state after `input`, or why it may not happen. `Ok(None)`: swallowed on purpose, nothing changes.
pub fn next(state: ProjectStatus, facts: Facts, input: Input) -> Result<Option<ProjectStatus>, Illegal> {
    let (mut at, mut context) = (state, facts);
    match at.handle(&mut Machine, &input, &mut context) {
        Transition(to) => Ok(Some(to)),
        Handled => Ok(None),
        Super => Err(Illegal { state, input }),
    }
}

/// The machine without any storage: what it needs comes as context.
struct Machine;

impl IntoStateMachine for Machine {
    type Event<'evt> = Input;
    type Context<'ctx> = Facts;
    type State = ProjectStatus;
    type Superstate<'sub> = Superstate;

    fn initial() -> ProjectStatus {
        ProjectStatus::New
    }
}

/// What several states answer alike.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Superstate {
    /// NEW and all phases.
    Working,
    /// AWAITING_APPROVAL and PAUSED.
    Held,
    /// DONE, FAILED, CANCELLED.
    Terminal,
}

impl blocking::State<Machine> for ProjectStatus {
    fn call_handler(&mut self, _: &mut Machine, input: &Input, facts: &mut Facts) -> Outcome<Self> {
        match (*self, *input) {
            (Self::New, Input::Enter(phase)) => Transition(Self::of(phase)),
            (Self::AwaitingApproval, Input::Enter(phase)) => Transition(Self::of(phase)),
            (Self::AwaitingApproval, Input::Close(to @ (Self::Done | Self::Failed))) => Transition(to),
            (Self::AwaitingApproval, Input::Hold) => Transition(Self::Paused),
            (Self::Paused, Input::Release) => match facts.held_from {
                Some(before) => Transition(before),
                None => Super,
            },
            // A second pause while paused changes nothing: pausing is idempotent.
            (Self::Paused, Input::Hold) => Handled,
            (Self::Cancelling, Input::Close(Self::Cancelled)) => Transition(Self::Cancelled),
            (Self::Cancelling, Input::Hold) => Transition(Self::Paused),
            // A second cancel while cancelling changes nothing.
            (Self::Cancelling, Input::Cancel) => Handled,
            (_, Input::Enter(phase)) if self.phase().is_some() => Transition(Self::of(phase)),
            (_, Input::AskGate) if self.phase().is_some() => Transition(Self::AwaitingApproval),
            (_, Input::Close(Self::Done)) if self.phase().is_some() => Transition(Self::Done),
            _ => Super,
        }
    }

    fn superstate(&mut self) -> Option<Superstate> {
        match self {
            Self::Cancelling => None,
            Self::AwaitingApproval | Self::Paused => Some(Superstate::Held),
            Self::Done | Self::Failed | Self::Cancelled => Some(Superstate::Terminal),
            Self::New
            | Self::Planning
            | Self::Design
            | Self::Build
            | Self::Test
            | Self::Review
            | Self::Deploy
            | Self::Monitor => Some(Superstate::Working),
        }
    }
}

impl blocking::Superstate<Machine> for Superstate {
    fn call_handler(&mut self, _: &mut Machine, input: &Input, _: &mut Facts) -> Outcome<ProjectStatus> {
        match (*self, *input) {
            (Self::Working, Input::Hold) => Transition(ProjectStatus::Paused),
            (Self::Working | Self::Held, Input::Cancel) => Transition(ProjectStatus::Cancelling),
            (Self::Working, Input::Close(ProjectStatus::Failed)) => Transition(ProjectStatus::Failed),
            (Self::Working | Self::Held, Input::Close(ProjectStatus::Cancelled)) => {
                Transition(ProjectStatus::Cancelled)
            }
            // Terminal stays terminal: a cancel, a pause or a close that comes too late has nothing left to do.
            (Self::Terminal, Input::Cancel | Input::Hold | Input::Close(_)) => Handled,
            _ => Super,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn inputs() -> Vec<Input> {
        let mut all: Vec<Input> = Phase::ALL.into_iter().map(Input::Enter).collect();
        all.extend([Input::AskGate, Input::Hold, Input::Release, Input::Cancel]);
        all.extend([ProjectStatus::Done, ProjectStatus::Failed, ProjectStatus::Cancelled].map(Input::Close));
        all
    }

    #[test]
    fn terminal_is_terminal() {
        for &state in ProjectStatus::ALL.iter().filter(|state| state.is_terminal()) {
            for input in inputs() {
                let after = next(state, Facts { held_from: Some(ProjectStatus::Build) }, input);
                assert!(!matches!(after, Ok(Some(_))), "{state} left by {input:?}");
            }
        }
    }

    #[test]
    fn everything_alive_can_be_cancelled_and_held_states_go_back() {
        for &state in ProjectStatus::ALL.iter().filter(|state| !state.is_terminal()) {
            let facts = Facts { held_from: Some(ProjectStatus::Test) };
            assert!(next(state, facts, Input::Cancel).is_ok(), "{state} cannot be cancelled");
        }
        let facts = Facts { held_from: Some(ProjectStatus::Test) };
        assert_eq!(next(ProjectStatus::Paused, facts, Input::Release), Ok(Some(ProjectStatus::Test)));
        assert!(next(ProjectStatus::Build, facts, Input::Release).is_err());
    }

    #[test]
    fn names_are_stable_and_unique() {
        let names: std::collections::BTreeSet<&str> = ProjectStatus::ALL.iter().map(|s| s.name()).collect();
        assert_eq!(names.len(), ProjectStatus::ALL.len());
        for &status in ProjectStatus::ALL {
            assert_eq!(serde_json::to_value(status).unwrap(), status.name());
            assert_eq!(status.name().parse(), Ok(status));
        }
    }
}
