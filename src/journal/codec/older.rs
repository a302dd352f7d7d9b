//! Bodies as earlier releases wrote them, read into today's events. Fields are those of the version, in its order.

use std::sync::Arc;

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
use crate::domain::sandbox::{Attestation, Took};

const STEP_FINISHED: u16 = 43;
const CALL_FINISHED: u16 = 61;

/// Kinds whose body is in its third version. Version 1 did not tell what commands ran under, version 2 not what they took.
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

/// What version 2 told of a command.
#[derive(Serialize, Deserialize)]
struct Attestation2 {
    backend: String,
    layers: Vec<String>,
}

#[derive(Serialize, Deserialize)]
struct StepFinished2 {
    before: StepFinished1,
    ran_under: Option<Attestation2>,
}

#[derive(Serialize, Deserialize)]
struct CallFinished2 {
    before: CallFinished1,
    ran_under: Option<Attestation2>,
}

impl From<Attestation2> for Arc<Attestation> {
    fn from(Attestation2 { backend, layers }: Attestation2) -> Self {
        Arc::new(Attestation { backend, layers, took: Took::default() })
    }
}

/// Reads a body of an earlier version of a kind that has changed since.
pub(super) fn decode(kind: u16, version: u8, body: &[u8]) -> Result<Event, bincode::Error> {
    match (kind, version) {
        (STEP_FINISHED, 1) => Ok(step(options().deserialize(body)?, None)),
        (STEP_FINISHED, 2) => {
            let StepFinished2 { before, ran_under } = options().deserialize(body)?;
            Ok(step(before, ran_under.map(Arc::from)))
        }
        (CALL_FINISHED, 1) => Ok(call(options().deserialize(body)?, None)),
        (CALL_FINISHED, 2) => {
            let CallFinished2 { before, ran_under } = options().deserialize(body)?;
            Ok(call(before, ran_under.map(Arc::from)))
        }
        (other, version) => Err(bincode::Error::custom(format!("kind {other} has no version {version}"))),
    }
}

fn step(before: StepFinished1, ran_under: Option<Arc<Attestation>>) -> Event {
    let StepFinished1 { task, attempt, step, result, log, code, duration_ms, used, tree } = before;
    let outcome = Box::new(StepOutcome { result, log, code, duration_ms, used, tree, ran_under });
    Event::StepFinished { task, attempt, step, outcome }
}

fn call(before: CallFinished1, ran_under: Option<Arc<Attestation>>) -> Event {
    let CallFinished1 { task, attempt, call, result, duration_ms, usage, full, tree } = before;
    let outcome = Box::new(CallOutcome { result, duration_ms, usage, full, tree, ran_under });
    Event::CallFinished { task, attempt, call, outcome }
}
