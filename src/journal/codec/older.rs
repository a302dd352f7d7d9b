//! Bodies as earlier releases wrote them, read into today's events. Fields are those of the version, in its order.

use bincode::Options as _;
use serde::de::Error as _;
use serde::{Deserialize, Serialize};

use super::options;
use crate::domain::budget::Amounts;
use crate::domain::call::CallOutcome;
use crate::domain::chat::Usage;
use crate::domain::event::{Event, StepOutcome};
use crate::domain::failure::Failure;
use crate::domain::ids::{Attempt, CallIx, StepIx, TaskIx};
use crate::domain::payload::{BlobRef, Payload};

const STEP_FINISHED: u16 = 43;
const CALL_FINISHED: u16 = 61;

/// Kinds whose body is in its second version. Version 1 did not tell what commands ran under.
pub(super) const CHANGED: [u16; 2] = [STEP_FINISHED, CALL_FINISHED];

#[derive(Serialize, Deserialize)]
struct StepFinished1 {
    task: TaskIx,
    attempt: Attempt,
    step: StepIx,
    result: Result<Payload, Failure>,
    log: Option<BlobRef>,
    code: Option<i32>,
    duration_ms: u64,
    used: Amounts,
    tree: Option<String>,
}

#[derive(Serialize, Deserialize)]
struct CallFinished1 {
    task: TaskIx,
    attempt: Attempt,
    call: CallIx,
    result: Result<Payload, Failure>,
    duration_ms: u64,
    usage: Option<Usage>,
    full: Option<Payload>,
    tree: Option<String>,
}

/// Reads a body of version 1 of a kind that has changed since.
pub(super) fn decode(kind: u16, body: &[u8]) -> Result<Event, bincode::Error> {
    match kind {
        STEP_FINISHED => {
            let StepFinished1 { task, attempt, step, result, log, code, duration_ms, used, tree } =
                options().deserialize(body)?;
            let outcome = Box::new(StepOutcome { result, log, code, duration_ms, used, tree, ran_under: None });
            Ok(Event::StepFinished { task, attempt, step, outcome })
        }
        CALL_FINISHED => {
            let CallFinished1 { task, attempt, call, result, duration_ms, usage, full, tree } =
                options().deserialize(body)?;
            let outcome = Box::new(CallOutcome { result, duration_ms, usage, full, tree, ran_under: None });
            Ok(Event::CallFinished { task, attempt, call, outcome })
        }
        other => Err(bincode::Error::custom(format!("kind {other} has no earlier version"))),
    }
}
