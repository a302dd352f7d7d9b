//! The walk's line to its record: every call takes the next number, and is read back when it has an outcome there.
//!
//! Knows no model and no tool; only that what was asked then must be what is asked now.

use crate::agents::calls::{Calls, Denied};
use crate::domain::budget::Amounts;
use crate::domain::call::{CallIntent, CallKind, CallOutcome, RecordedCall};
use crate::domain::failure::{Failure, FailureClass};
use crate::domain::ids::{CallIx, Digest};
use crate::domain::limits;
use crate::domain::payload::Payload;
use crate::domain::workflow::EffectClass;

/// What is asked for.
#[derive(Debug, Clone)]
pub(super) struct Asked {
    pub(super) kind: CallKind,
    pub(super) label: String,
    pub(super) input: Digest,
    pub(super) shown: String,
    pub(super) effect: EffectClass,
}

/// A call's number, and what the record has of it.
#[derive(Debug)]
pub(super) struct Slot {
    pub(super) ix: CallIx,
    /// The outcome on record.
    pub(super) known: Option<CallOutcome>,
    /// It is on record without an outcome: it may have happened.
    pub(super) lost: bool,
}

pub(super) struct Record<'c> {
    calls: &'c dyn Calls,
    next: u32,
}

impl<'c> Record<'c> {
    pub(super) fn new(calls: &'c dyn Calls) -> Self {
        Self { calls, next: 0 }
    }

    pub(super) fn calls(&self) -> &'c dyn Calls {
        self.calls
    }

    /// What is on record under the next number.
    pub(super) fn peek(&self) -> Option<&'c RecordedCall> {
        self.calls.recorded().get(self.next as usize)
    }

    /// Takes the next number for `asked`; what is on record there must be the same.
    pub(super) fn take(&mut self, asked: &Asked) -> Result<Slot, Failure> {
        let recorded = self.peek();
        let ix = CallIx(self.next);
        self.next += 1;
        let Some(call) = recorded else { return Ok(Slot { ix, known: None, lost: false }) };
        if call.kind == CallKind::Embed && call.outcome.is_none() {
            // It was charged, and whatever comes now takes its place.
            return Ok(Slot { ix, known: None, lost: false });
        }
        if (call.kind, call.label.as_str(), call.input) != (asked.kind, asked.label.as_str(), asked.input) {
            let message = format!(
                "call {ix} was {} {:?} with input {} when it was recorded, and is now {} {:?} with input {}",
                call.kind, call.label, call.input, asked.kind, asked.label, asked.input
            );
            return Err(Failure::new(FailureClass::Diverged, message));
        }
        let known = call.outcome.as_deref().cloned();
        Ok(Slot { ix, lost: known.is_none(), known })
    }

    pub(super) async fn begin(&self, slot: &Slot, asked: &Asked, reserved: Amounts) -> Result<(), Failure> {
        self.calls.begin(intent(slot, asked, reserved)).await.map_err(denied)
    }

    pub(super) async fn end(&self, slot: &Slot, outcome: CallOutcome) -> Result<(), Failure> {
        self.calls.end(slot.ix, outcome).await.map_err(denied)
    }

    /// Puts calls on record that were made already. One that was begun by an earlier walk is only ended.
    pub(super) async fn note(&self, made: Vec<(Slot, Asked, CallOutcome)>) -> Result<(), Failure> {
        let calls = made
            .into_iter()
            .map(|(slot, asked, outcome)| (intent(&slot, &asked, Amounts::default()), outcome))
            .collect::<Vec<_>>();
        if calls.is_empty() { Ok(()) } else { self.calls.note(calls).await.map_err(denied) }
    }

    /// Asks a person; the walk goes on when it is taken up again with the answer.
    pub(super) async fn ask(&self, slot: &Slot, asked: &Asked, question: &str) -> Failure {
        match self.calls.ask(intent(slot, asked, Amounts::default()), question.to_owned()).await {
            Ok(()) => denied(Denied::Stopped),
            Err(why) => denied(why),
        }
    }

    pub(super) fn keep(&self, value: &[u8]) -> Result<Payload, Failure> {
        self.calls.keep(value)
    }

    /// Reads a JSON value back.
    pub(super) fn json<T: serde::de::DeserializeOwned>(&self, ix: CallIx, value: &Payload) -> Result<T, Failure> {
        let bytes = self.calls.read(value)?;
        serde_json::from_slice(&bytes).map_err(|problem| {
            let message = format!("the outcome of call {ix} cannot be read back: {problem}");
            Failure::new(FailureClass::Diverged, message)
        })
    }

    /// Reads a text back.
    pub(super) fn text(&self, value: &Payload) -> Result<String, Failure> {
        Ok(String::from_utf8_lossy(&self.calls.read(value)?).into_owned())
    }

    /// Keeps a value of ours as JSON.
    pub(super) fn keep_json<T: serde::Serialize>(&self, value: &T) -> Result<Payload, Failure> {
        let bytes = serde_json::to_vec(value).map_err(|problem| {
            Failure::new(FailureClass::Internal, format!("a value of a conversation cannot be written: {problem}"))
        })?;
        self.keep(&bytes)
    }
}

fn intent(slot: &Slot, asked: &Asked, reserved: Amounts) -> CallIntent {
    CallIntent {
        ix: slot.ix,
        kind: asked.kind,
        label: asked.label.clone(),
        input: asked.input,
        shown: asked.shown.clone(),
        effect: asked.effect,
        reserved,
    }
}

fn denied(why: Denied) -> Failure {
    let message = match why {
        Denied::Budget => "the project's budget leaves no room for the next call of the agent",
        Denied::Stopped => "the agent's conversation was stopped; it goes on where it is",
    };
    Failure::new(FailureClass::Interrupted, message)
}

/// An outcome without usage, whole output and tree.
pub(super) fn outcome(result: Result<Payload, Failure>, duration_ms: u64) -> CallOutcome {
    CallOutcome { result, duration_ms, usage: None, full: None, tree: None, ran_under: None }
}

/// `text` short enough to be shown in a list of calls.
pub(super) fn shown(text: &str) -> String {
    let mut short: String = text.chars().take(limits::MESSAGE_CHARS).collect();
    if short.len() < text.len() {
        short.push('…');
    }
    short
}

/// The digest of a call that is named by texts: each is preceded by its length, so that no two lists share one.
pub(super) fn digest_of(parts: &[&str]) -> Digest {
    let mut bytes = Vec::new();
    for part in parts {
        bytes.extend_from_slice(&(part.len() as u64).to_le_bytes());
        bytes.extend_from_slice(part.as_bytes());
    }
    Digest::of(&bytes)
}
