//! One fixed record of each kind, for golden tests and benchmarks. The values are arbitrary and must never change.

use std::sync::Arc;

use crate::domain::budget::{Amounts, Caps, Dimension};
use crate::domain::call::{CallIntent, CallKind, CallOutcome};
use crate::domain::chat::Usage;
use crate::domain::event::{
    Actor, Await, Created, Decision, DoubtAnswer, Event, HoldReason, PhaseCause, SkipReason, StepOutcome,
};
use crate::domain::failure::{Failure, FailureClass};
use crate::domain::ids::{Attempt, CallIx, Digest, Epoch, ProjectId, Seq, StepIx, TaskIx};
use crate::domain::machine::{Phase, ProjectStatus};
use crate::domain::payload::{BlobRef, Payload};
use crate::domain::sandbox::{Attestation, Took};
use crate::domain::time::Millis;
use crate::domain::workflow::{EffectClass, WorkspaceKind};

use super::record::Record;

/// A record with a comment of any length.
pub fn released(seq: u64, comment: &str) -> Record {
    record(seq, Event::Released { comment: comment.to_owned() })
}

/// A record of about 300 bytes, the size that measurements use.
pub fn typical(seq: u64) -> Record {
    record(seq, Event::Released { comment: "x".repeat(264) })
}

fn record(seq: u64, event: Event) -> Record {
    let actor = match seq % 4 {
        0 => Actor::User("ada".to_owned()),
        1 => Actor::Engine,
        2 => Actor::Api("ci".to_owned()),
        _ => Actor::Parent(ProjectId::new("parent-1").expect("a fixed, valid id")),
    };
    Record { seq: Seq(seq), epoch: Epoch(3), at: Millis(1_760_000_000_000 + seq), actor, event }
}

fn blob() -> BlobRef {
    BlobRef { digest: Digest([7; 32]), bytes: 70_000 }
}

fn text(content: &str) -> Payload {
    Payload::Inline(content.as_bytes().into())
}

fn failure() -> Failure {
    Failure { class: FailureClass::RateLimited, message: "429".to_owned(), retry_after_ms: Some(1_500) }
}

fn amounts() -> Amounts {
    Amounts { calls: 1, tokens: 300, usd_micros: 70_000 }
}

/// One record of each kind, in the order of the kinds, from seq 1.
pub fn one_of_each() -> Vec<Record> {
    records(project_events().into_iter().chain(task_events()).chain(outside_events()))
}

/// The records of these events, from seq 1.
pub fn records(events: impl IntoIterator<Item = Event>) -> Vec<Record> {
    events.into_iter().zip(1..).map(|(event, seq)| record(seq, event)).collect()
}

fn project_events() -> Vec<Event> {
    vec![
        Event::Created(Box::new(Created {
            workflow: "release".to_owned(),
            definition: blob(),
            inputs: text("{\"version\":\"1\"}"),
            env: vec![("LANG".to_owned(), "C".to_owned())],
            base_dir: "/src".to_owned(),
            source: Some("/src/release.yaml".to_owned()),
            workspace: WorkspaceKind::Worktree,
            base_commit: Some("0123abcd".to_owned()),
            seed: 42,
            parent: Some((ProjectId::new("parent-1").expect("a fixed, valid id"), TaskIx(4))),
            depth: 1,
        })),
        Event::PhaseEntered { phase: Phase::Build, round: 2, cause: PhaseCause::LoopBack { from: Phase::Test } },
        Event::GateAsked { phase: Phase::Deploy, ask: "ship?".to_owned(), due: Some(Millis(9)) },
        Event::GateAnswered { phase: Phase::Deploy, decision: Decision::Rejected, comment: "no".to_owned() },
        Event::Held { reason: HoldReason::Budget { dimension: Dimension::Usd } },
        Event::Released { comment: "go".to_owned() },
        Event::BudgetRaised { caps: Caps { calls: Some(9), wall_ms: Some(1), ..Caps::default() } },
        Event::AllowanceRaised { allowed: "{}".to_owned() },
        Event::CancelRequested { undo: true, comment: "stop".to_owned() },
        Event::Closed { status: ProjectStatus::Done, reason: "all done".to_owned(), output: text("{}") },
        Event::TasksAdded { phase: Phase::Build, tasks: Payload::Blob(blob()), parent: Some(TaskIx(1)) },
        Event::Expanded { task: TaskIx(1), items: text("[1,2]"), count: 2 },
        Event::BranchOpened { task: TaskIx(1), branch: 1, failure: Failure::new(FailureClass::Exit, "exit code 1") },
        Event::UndoPlanned { tasks: vec![TaskIx(3), TaskIx(300)] },
    ]
}

fn task_events() -> Vec<Event> {
    let (task, attempt, step) = (TaskIx(5), Attempt(2), StepIx(1));
    let outcome = StepOutcome {
        result: Ok(text("ok")),
        log: Some(blob()),
        code: Some(-9),
        duration_ms: 1_234,
        used: amounts(),
        tree: Some("feed".to_owned()),
        ran_under: Some(attestation()),
    };
    vec![
        Event::TaskReady { task },
        Event::TaskStarted { task, attempt },
        Event::StepStarted {
            task,
            attempt,
            step,
            input: Digest([9; 32]),
            shown: "cargo test".to_owned(),
            effect: EffectClass::Restorable,
            reserved: amounts(),
            tree: Some("beef".to_owned()),
        },
        Event::StepFinished { task, attempt, step, outcome: Box::new(outcome) },
        Event::StepInterrupted { task, attempt, step, crashed: true },
        Event::Diverged { task, attempt, step, recorded: Digest([1; 32]), present: Digest([2; 32]) },
        Event::TaskValidating { task },
        Event::TaskAwaits { task, attempt, what: Await::Signal { name: "paid".to_owned() }, due: None },
        Event::TaskAnswered { task, result: Err(failure()), comment: "late".to_owned() },
        Event::TaskCompleted { task, output: text("out") },
        Event::TaskBackoff { task, attempt, failure: failure(), delay_ms: 2_000, due: Millis(77) },
        Event::TaskExhausted { task, attempt, failure: failure() },
        Event::TaskFailed { task, failure: failure(), tolerated: false },
        Event::TaskSkipped { task, reason: SkipReason::Upstream { task: TaskIx(2) } },
        Event::TaskCancelled { task },
        Event::TaskInDoubt { task, attempt, step },
        Event::DoubtSettled { task, answer: DoubtAnswer::Done },
        Event::TaskRetried { task },
        Event::CallStarted { task, attempt, call: Box::new(call_intent()) },
        Event::CallFinished { task, attempt, call: CallIx(3), outcome: Box::new(call_outcome()) },
        Event::CallUncertain { task, attempt, call: CallIx(3), charged: amounts() },
        Event::TaskParked { task, attempt, failure: failure(), due: Some(Millis(5)) },
    ]
}

fn call_intent() -> CallIntent {
    CallIntent {
        ix: CallIx(3),
        kind: CallKind::Model,
        label: "openai/gpt-5-mini".to_owned(),
        input: Digest([3; 32]),
        shown: "turn 2".to_owned(),
        effect: EffectClass::Paid,
        reserved: amounts(),
    }
}

fn attestation() -> Arc<Attestation> {
    let took = Took { memory_bytes: Some(1 << 30), cpu_ms: Some(1_230), memory_kills: 1 };
    let layers = vec!["landlock 7".to_owned(), "seccomp".to_owned()];
    Arc::new(Attestation { backend: "native".to_owned(), layers, took })
}

fn call_outcome() -> CallOutcome {
    CallOutcome {
        result: Ok(text("reply")),
        duration_ms: 900,
        usage: Some(Usage {
            input_tokens: 1_000,
            cached_tokens: 900,
            output_tokens: 50,
            reasoning_tokens: 10,
            usd_micros: 77,
            estimated: true,
        }),
        full: Some(Payload::Blob(blob())),
        tree: Some("cafe".to_owned()),
        ran_under: Some(attestation()),
    }
}

fn outside_events() -> Vec<Event> {
    let task = TaskIx(6);
    vec![
        Event::SignalReceived { name: "paid".to_owned(), payload: text("1"), request: "r-1".to_owned() },
        Event::LeaseTaken { task, worker: "w".to_owned(), token: u64::MAX, until: Millis(5) },
        Event::LeaseRenewed { task, until: Millis(6) },
        Event::LeaseExpired { task },
        Event::Refused { what: "approve".to_owned(), why: "nothing is asked".to_owned() },
        Event::Recovered { read_back: 1, run_again: 2, probed: 3, in_doubt: 4 },
    ]
}
