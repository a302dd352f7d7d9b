//! What memory said in a conversation that is on record: a replay asks no memory, it is told what the agent was told then.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};

use super::super::runner::Settings;
use crate::agents::memory::{Came, Wanted};
use crate::agents::tools;
use crate::agents::walk::{self, ToolResult};
use crate::domain::call::{CallIntent, CallKind, CallOutcome};
use crate::domain::failure::{Failure, FailureClass};

/// The calls of one leg of an attempt that ask memory, in their order, each with how it ended; `None`: the engine stopped before.
pub struct Recalled(Mutex<VecDeque<(CallIntent, Option<CallOutcome>)>>);

impl Recalled {
    /// Of `calls`, which are those of the leg, the ones that ask memory.
    pub fn new(calls: impl IntoIterator<Item = (CallIntent, Option<CallOutcome>)>) -> Self {
        let asks = |(call, _): &(CallIntent, Option<CallOutcome>)| Self::asks_memory(call);
        Self(Mutex::new(calls.into_iter().filter(asks).collect()))
    }

    /// Whether a call may have asked memory.
    pub fn asks_memory(call: &CallIntent) -> bool {
        match call.kind {
            CallKind::Prompt | CallKind::Embed => true,
            CallKind::Tool => tools::is_of_memory(&call.label),
            CallKind::Model
            | CallKind::Compact
            | CallKind::Check
            | CallKind::Ask
            | CallKind::Artifact
            | CallKind::Commit => false,
        }
    }

    /// The next of them, when it is of this kind and name; the next one after it is then the next.
    fn next(&self, kind: CallKind, label: Option<&str>) -> Option<Option<CallOutcome>> {
        let mut calls = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let is_it = |call: &CallIntent| call.kind == kind && label.is_none_or(|label| call.label == label);
        calls.front().filter(|(call, _)| is_it(call))?;
        calls.pop_front().map(|(_, outcome)| outcome)
    }

    /// What was bought before the next call.
    pub(super) fn wanted(&self) -> Option<Wanted> {
        let calls = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (call, _) = calls.front().filter(|(call, _)| call.kind == CallKind::Embed)?;
        Some(Wanted { model: call.label.clone(), texts: Vec::new(), reserved: call.reserved })
    }

    /// The vectors that came then.
    pub(super) async fn vectors(&self, settings: &Settings) -> Came {
        let Some(outcome) = self.next(CallKind::Embed, None) else {
            return Came { vectors: Err(not_then("no vectors were made")), usage: None };
        };
        // The engine stopped while it waited; so will this one.
        let Some(outcome) = outcome else { return std::future::pending().await };
        let read = |payload| {
            let bytes = settings.read(&payload)?;
            serde_json::from_slice(&bytes)
                .map_err(|error| not_then(&format!("the vectors on record cannot be read: {error}")))
        };
        Came { vectors: outcome.result.and_then(read), usage: outcome.usage }
    }

    /// What the task was given from memory then; nothing where that is not on record apart.
    pub(super) fn given(&self, settings: &Settings) -> String {
        let kept = self.next(CallKind::Prompt, None).flatten().and_then(|outcome| outcome.result.ok());
        kept.and_then(|kept| settings.read(&kept).ok()).map(|prompt| walk::remembered(&prompt)).unwrap_or_default()
    }

    /// What the tool `name` said then.
    pub(super) async fn said(&self, name: &str, settings: &Settings) -> Result<ToolResult, Failure> {
        let outcome = self.next(CallKind::Tool, Some(name)).ok_or_else(|| not_then("the tool was not called"))?;
        let Some(outcome) = outcome else { return std::future::pending().await };
        let text = String::from_utf8_lossy(&settings.read(&outcome.result?)?).into_owned();
        let full = outcome.full.map(|full| settings.read(&full)).transpose()?;
        Ok(ToolResult::of_record(text, full))
    }
}

fn not_then(what: &str) -> Failure {
    Failure::new(FailureClass::NotFound, format!("memory is not asked in a replay, and by the records {what}"))
}
