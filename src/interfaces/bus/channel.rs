//! Which record goes to which channel. Every kind of record stands here, so that a new one cannot be forgotten.

use crate::domain::event::Event;

/// What agents are asked.
pub const REQUESTS: &str = "agent.requests";
/// What came of it.
pub const RESULTS: &str = "agent.results";
/// Transitions of projects and tasks.
pub const WORKFLOW: &str = "workflow.events";
/// Every record.
pub const AUDIT: &str = "audit.logs";

/// All channels.
pub const CHANNELS: [&str; 4] = [REQUESTS, RESULTS, WORKFLOW, AUDIT];

/// What a kind of record is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Topic {
    /// A transition of a project or a task.
    Transition,
    /// A step begins; of an agent, a request.
    Begin,
    /// It ended.
    End,
    /// A call of an agent begins.
    AgentBegin,
    /// It ended.
    AgentEnd,
    /// For the audit alone.
    Note,
}

macro_rules! kinds {
    ($($variant:ident: $topic:ident,)*) => {
        /// The stable name of a record's kind, as `wfctl events --kind` takes it.
        pub fn kind(event: &Event) -> &'static str {
            match event { $(Event::$variant { .. } => stringify!($variant),)* }
        }

        fn topic(event: &Event) -> Topic {
            match event { $(Event::$variant { .. } => Topic::$topic,)* }
        }

        /// The names of all kinds.
        pub const KINDS: &[&str] = &[$(stringify!($variant),)*];
    };
}

kinds! {
    Created: Transition,
    PhaseEntered: Transition,
    GateAsked: Transition,
    GateAnswered: Transition,
    Held: Transition,
    Released: Transition,
    BudgetRaised: Transition,
    AllowanceRaised: Transition,
    CancelRequested: Transition,
    Closed: Transition,
    TasksAdded: Transition,
    Expanded: Transition,
    BranchOpened: Transition,
    UndoPlanned: Transition,
    TaskReady: Transition,
    TaskStarted: Transition,
    StepStarted: Begin,
    StepFinished: End,
    StepInterrupted: End,
    Diverged: Note,
    TaskValidating: Transition,
    TaskAwaits: Transition,
    TaskAnswered: Transition,
    TaskCompleted: Transition,
    TaskBackoff: Transition,
    TaskExhausted: Transition,
    TaskFailed: Transition,
    TaskSkipped: Transition,
    TaskCancelled: Transition,
    TaskInDoubt: Transition,
    DoubtSettled: Transition,
    TaskRetried: Transition,
    CallStarted: AgentBegin,
    CallFinished: AgentEnd,
    CallUncertain: AgentEnd,
    TaskParked: Transition,
    SignalReceived: Transition,
    LeaseTaken: Note,
    LeaseRenewed: Note,
    LeaseExpired: Note,
    Refused: Note,
    Recovered: Transition,
}

/// The channel of a record beside [`AUDIT`], if it has one. `of_agent`: the task that it is about runs an agent.
pub fn of(event: &Event, of_agent: bool) -> Option<&'static str> {
    match topic(event) {
        Topic::Transition => Some(WORKFLOW),
        Topic::AgentBegin => Some(REQUESTS),
        Topic::AgentEnd => Some(RESULTS),
        Topic::Begin => of_agent.then_some(REQUESTS),
        Topic::End => of_agent.then_some(RESULTS),
        Topic::Note => None,
    }
}

/// Whether `name` can stand in a list of wanted events: a channel, or a kind of record.
pub fn is_event_name(name: &str) -> bool {
    CHANNELS.contains(&name) || KINDS.contains(&name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::event::HoldReason;
    use crate::domain::ids::{Attempt, TaskIx};

    #[test]
    fn records_find_their_channels() {
        let started = Event::TaskStarted { task: TaskIx(3), attempt: Attempt(1) };
        assert_eq!(
            (kind(&started), of(&started, false), started.task()),
            ("TaskStarted", Some(WORKFLOW), Some(TaskIx(3)))
        );
        let interrupted = Event::StepInterrupted {
            task: TaskIx(0),
            attempt: Attempt(1),
            step: crate::domain::ids::StepIx(0),
            crashed: true,
        };
        assert_eq!(of(&interrupted, true), Some(RESULTS));
        assert_eq!(of(&interrupted, false), None, "a command's step is no agent's");
        let held = Event::Held { reason: HoldReason::Disk { free_bytes: 1 } };
        assert_eq!((of(&held, false), held.task()), (Some(WORKFLOW), None));
        assert!(is_event_name("TaskFailed") && is_event_name(AUDIT) && !is_event_name("TaskFaild"));
    }
}
