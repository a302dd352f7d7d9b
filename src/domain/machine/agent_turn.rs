//! The machine of an agent's conversation.
//!
//! ```text
//! AWAITING_MODEL -> AWAITING_TOOLS -> AWAITING_MODEL       (a reply calls tools; their results go back)
//! AWAITING_MODEL -> AWAITING_MODEL                         (a reply that cannot be used as it is, or a call that failed)
//! AWAITING_MODEL -> COMPACTING -> AWAITING_MODEL           (the conversation no longer fits the model's window)
//! AWAITING_TOOLS -> ASKING -> AWAITING_TOOLS               (a person is asked)
//! AWAITING_MODEL | AWAITING_TOOLS -> CHECKING              (an answer is there, its evidence is due)
//! CHECKING -> DONE | AWAITING_MODEL                        (the checks are green, or red)
//! AWAITING_MODEL | AWAITING_TOOLS -> DONE                  (an answer that needs no evidence)
//! everything alive -> STUCK | FAILED
//! ```
//!
//! [`TABLE`] is the same as data. [`Turn`] adds what a state alone cannot know: how often the model was told, what is left of
//! its turns. None of it is persisted: it follows from the recorded calls each time a walk starts over.

use serde::{Deserialize, Serialize};
use statig::Outcome::{self, Super, Transition};
use statig::blocking::{self, IntoStateMachine, StateExt as _};

use crate::domain::limits;

statuses! {
    /// Where a conversation is. The names are stable: they are shown.
    TurnState:
    /// A request is due or under way.
    AwaitingModel = "AWAITING_MODEL";
    /// The tools of a reply are due or under way.
    AwaitingTools = "AWAITING_TOOLS";
    /// A summary of the conversation is due or under way.
    Compacting = "COMPACTING";
    /// An answer waits for its evidence.
    Checking = "CHECKING";
    /// A person is asked.
    Asking = "ASKING";
    /// Terminal: answered.
    Done = "DONE";
    /// Terminal: it repeats itself or makes no progress.
    Stuck = "STUCK";
    /// Terminal: given up.
    Failed = "FAILED";
}

impl TurnState {
    /// DONE, STUCK or FAILED.
    pub fn is_terminal(self) -> bool {
        matches!(self, Self::Done | Self::Stuck | Self::Failed)
    }
}

/// What may happen in a conversation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Input {
    /// The reply calls tools.
    CallsTools,
    /// The reply cannot be used: the model is told why.
    Tell,
    /// The reply was cut at its output limit: the model goes on.
    GoOn,
    /// The call of the model failed; another one is made.
    Retry,
    /// The conversation does not fit the window.
    Overflow,
    /// The summary is there.
    Compacted,
    /// Every tool of the reply has a result.
    ToolsDone,
    /// A tool asks a person.
    Ask,
    /// The person answered.
    Answered,
    /// A valid answer whose evidence is due.
    Finish,
    /// A valid answer that needs no evidence.
    Accept,
    /// The checks are green.
    Green,
    /// The checks are red: the model is told.
    Red,
    /// It repeats itself or makes no progress.
    Stuck,
    /// Given up.
    Fail,
}

impl Input {
    /// All inputs.
    pub const ALL: &'static [Self] = &[
        Self::CallsTools,
        Self::Tell,
        Self::GoOn,
        Self::Retry,
        Self::Overflow,
        Self::Compacted,
        Self::ToolsDone,
        Self::Ask,
        Self::Answered,
        Self::Finish,
        Self::Accept,
        Self::Green,
        Self::Red,
        Self::Stuck,
        Self::Fail,
    ];
}

/// An input that the present state does not take. Nothing changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a conversation in {state} does not take {input:?} (it takes {})", allowed(*state))]
pub struct Illegal {
    /// The state.
    pub state: TurnState,
    /// The input.
    pub input: Input,
}

fn allowed(state: TurnState) -> String {
    let names: Vec<String> =
        TABLE.iter().filter(|(from, ..)| *from == state).map(|(_, input, _)| format!("{input:?}")).collect();
    if names.is_empty() { "nothing".to_owned() } else { names.join(", ") }
}

/// The state after `input`, or why it may not happen.
pub fn next(state: TurnState, input: Input) -> Result<TurnState, Illegal> {
    let mut at = state;
    match at.handle(&mut Machine, &input, &mut ()) {
        Transition(to) => Ok(to),
        Outcome::Handled | Super => Err(Illegal { state, input }),
    }
}

/// The machine has no storage: its transitions depend on state and input alone.
struct Machine;

impl IntoStateMachine for Machine {
    type Event<'evt> = Input;
    type Context<'ctx> = ();
    type State = TurnState;
    type Superstate<'sub> = Superstate;

    fn initial() -> TurnState {
        TurnState::AwaitingModel
    }
}

/// What several states answer alike.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Superstate {
    /// Everything that is not terminal.
    Alive,
    /// DONE, STUCK, FAILED.
    Terminal,
}

impl blocking::State<Machine> for TurnState {
    fn call_handler(&mut self, _: &mut Machine, input: &Input, _: &mut ()) -> Outcome<Self> {
        match (*self, *input) {
            (Self::AwaitingModel, Input::CallsTools) => Transition(Self::AwaitingTools),
            (Self::AwaitingModel, Input::Tell | Input::GoOn | Input::Retry) => Transition(Self::AwaitingModel),
            (Self::AwaitingModel, Input::Overflow) => Transition(Self::Compacting),
            (Self::Compacting, Input::Compacted) => Transition(Self::AwaitingModel),
            (Self::Compacting, Input::Retry) => Transition(Self::Compacting),
            (Self::AwaitingTools, Input::ToolsDone) => Transition(Self::AwaitingModel),
            (Self::AwaitingTools, Input::Ask) => Transition(Self::Asking),
            (Self::Asking, Input::Answered) => Transition(Self::AwaitingTools),
            (Self::Checking, Input::Green) => Transition(Self::Done),
            (Self::Checking, Input::Red) => Transition(Self::AwaitingModel),
            // An answer as text comes from AWAITING_MODEL, one by its tool from AWAITING_TOOLS.
            (Self::AwaitingModel | Self::AwaitingTools, Input::Finish) => Transition(Self::Checking),
            (Self::AwaitingModel | Self::AwaitingTools, Input::Accept) => Transition(Self::Done),
            _ => Super,
        }
    }

    fn superstate(&mut self) -> Option<Superstate> {
        Some(if self.is_terminal() { Superstate::Terminal } else { Superstate::Alive })
    }
}

impl blocking::Superstate<Machine> for Superstate {
    fn call_handler(&mut self, _: &mut Machine, input: &Input, _: &mut ()) -> Outcome<TurnState> {
        match (*self, *input) {
            (Self::Alive, Input::Stuck) => Transition(TurnState::Stuck),
            (Self::Alive, Input::Fail) => Transition(TurnState::Failed),
            _ => Super,
        }
    }
}

use Input as I;
use TurnState as S;

/// Every legal transition: state, input, next state. The test below holds the machine to it, in both directions.
pub const TABLE: &[(TurnState, Input, TurnState)] = &[
    (S::AwaitingModel, I::CallsTools, S::AwaitingTools),
    (S::AwaitingModel, I::Tell, S::AwaitingModel),
    (S::AwaitingModel, I::GoOn, S::AwaitingModel),
    (S::AwaitingModel, I::Retry, S::AwaitingModel),
    (S::AwaitingModel, I::Overflow, S::Compacting),
    (S::AwaitingModel, I::Finish, S::Checking),
    (S::AwaitingModel, I::Accept, S::Done),
    (S::AwaitingModel, I::Stuck, S::Stuck),
    (S::AwaitingModel, I::Fail, S::Failed),
    (S::AwaitingTools, I::ToolsDone, S::AwaitingModel),
    (S::AwaitingTools, I::Ask, S::Asking),
    (S::AwaitingTools, I::Finish, S::Checking),
    (S::AwaitingTools, I::Accept, S::Done),
    (S::AwaitingTools, I::Stuck, S::Stuck),
    (S::AwaitingTools, I::Fail, S::Failed),
    (S::Compacting, I::Compacted, S::AwaitingModel),
    (S::Compacting, I::Retry, S::Compacting),
    (S::Compacting, I::Stuck, S::Stuck),
    (S::Compacting, I::Fail, S::Failed),
    (S::Checking, I::Green, S::Done),
    (S::Checking, I::Red, S::AwaitingModel),
    (S::Checking, I::Stuck, S::Stuck),
    (S::Checking, I::Fail, S::Failed),
    (S::Asking, I::Answered, S::AwaitingTools),
    (S::Asking, I::Stuck, S::Stuck),
    (S::Asking, I::Fail, S::Failed),
];

/// What the model may be told once more, or that it was told often enough.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Allowance {
    /// Told, and the conversation goes on.
    Left,
    /// The bound is reached: the attempt ends.
    UsedUp,
}

/// A conversation's state with the counters that bound it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Turn {
    state: TurnState,
    /// Replies used so far.
    pub turns: u32,
    /// Replies in a row that could not be used.
    pub malformed: u32,
    /// Answers refused, in all.
    pub refused_answers: u32,
    /// Replies in a row that were cut at the output limit.
    pub cut: u32,
    /// Summaries made.
    pub compactions: u32,
    /// Calls of a model that failed in a row and were followed by another one at once.
    pub failures: u32,
}

impl Default for Turn {
    fn default() -> Self {
        let state = Machine::initial();
        Self { state, turns: 0, malformed: 0, refused_answers: 0, cut: 0, compactions: 0, failures: 0 }
    }
}

impl Turn {
    /// The present state.
    pub fn state(&self) -> TurnState {
        self.state
    }

    /// Takes `input`, or says why it may not happen.
    pub fn take(&mut self, input: Input) -> Result<TurnState, Illegal> {
        self.state = next(self.state, input)?;
        if input == Input::Compacted {
            self.compactions += 1;
        }
        Ok(self.state)
    }

    /// A reply arrived: one turn is used, the series of failed calls is over.
    pub fn replied(&mut self) {
        self.turns += 1;
        self.failures = 0;
    }

    /// A reply could be used: the series of malformed and cut ones is over.
    pub fn usable(&mut self) {
        self.malformed = 0;
        self.cut = 0;
    }

    /// A reply could not be used.
    pub fn unusable(&mut self) -> Allowance {
        self.malformed += 1;
        left(self.malformed <= limits::MALFORMED_REPAIRS)
    }

    /// An answer did not fit its schema or its meaning.
    pub fn answer_refused(&mut self) -> Allowance {
        self.refused_answers += 1;
        left(self.refused_answers <= limits::MALFORMED_REPAIRS)
    }

    /// A reply was cut at the output limit.
    pub fn cut_off(&mut self) -> Allowance {
        self.cut += 1;
        left(self.cut <= limits::CONTINUATIONS)
    }

    /// Whether the conversation may be summed up once more.
    pub fn may_compact(&self) -> Allowance {
        left(self.compactions < limits::COMPACTIONS_PER_ATTEMPT)
    }

    /// A call of a model failed in a way that needs no waiting.
    pub fn call_failed(&mut self) -> Allowance {
        self.failures += 1;
        left(self.failures <= limits::MODEL_FAILURES_IN_A_ROW)
    }
}

fn left(yes: bool) -> Allowance {
    if yes { Allowance::Left } else { Allowance::UsedUp }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_machine_and_its_table_agree_in_both_directions() {
        for &state in TurnState::ALL {
            for &input in Input::ALL {
                let listed = TABLE.iter().find(|(from, by, _)| (*from, *by) == (state, input)).map(|(.., to)| *to);
                assert_eq!(next(state, input).ok(), listed, "{state} by {input:?}");
            }
        }
    }

    #[test]
    fn terminal_states_take_nothing() {
        for &state in TurnState::ALL.iter().filter(|state| state.is_terminal()) {
            for &input in Input::ALL {
                assert_eq!(next(state, input), Err(Illegal { state, input }));
            }
        }
        let message = next(TurnState::Done, Input::Fail).unwrap_err().to_string();
        assert_eq!(message, "a conversation in DONE does not take Fail (it takes nothing)");
    }

    #[test]
    fn every_allowance_ends_one_past_its_bound() {
        let mut turn = Turn::default();
        for _ in 0..limits::MALFORMED_REPAIRS {
            assert_eq!(turn.unusable(), Allowance::Left);
            assert_eq!(turn.answer_refused(), Allowance::Left);
        }
        assert_eq!(turn.unusable(), Allowance::UsedUp);
        assert_eq!(turn.answer_refused(), Allowance::UsedUp);
        turn.usable();
        assert_eq!(turn.unusable(), Allowance::Left, "a usable reply ends the series of malformed ones");
        assert_eq!(turn.answer_refused(), Allowance::UsedUp, "but not the count of refused answers");
        for _ in 0..limits::CONTINUATIONS {
            assert_eq!(turn.cut_off(), Allowance::Left);
        }
        assert_eq!(turn.cut_off(), Allowance::UsedUp);
    }

    #[test]
    fn summaries_and_failed_calls_end_one_past_their_bound() {
        let mut turn = Turn::default();
        for _ in 0..limits::COMPACTIONS_PER_ATTEMPT {
            assert_eq!(turn.may_compact(), Allowance::Left);
            turn.take(Input::Overflow).unwrap();
            turn.take(Input::Compacted).unwrap();
        }
        assert_eq!(turn.may_compact(), Allowance::UsedUp);
        for _ in 0..limits::MODEL_FAILURES_IN_A_ROW {
            assert_eq!(turn.call_failed(), Allowance::Left);
        }
        assert_eq!(turn.call_failed(), Allowance::UsedUp);
        turn.replied();
        assert_eq!(turn.call_failed(), Allowance::Left, "a reply ends the series of failed calls");
    }
}
