//! The conversation of one attempt of an agent, call by call, as the journal has it. Works while it runs.
//!
//! What calls keep is text or JSON that belongs to the agents' room; here it is only made readable, and what is not
//! understood is handed out as it is.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::fault::{Fault, FaultKind};
use super::logs::task_of;
use crate::domain::budget::Amounts;
use crate::domain::call::{CallIntent, CallKind, CallOutcome};
use crate::domain::chat::{ModelReply, ToolCall, Usage};
use crate::domain::event::Event;
use crate::domain::failure::Failure;
use crate::domain::ids::{Attempt, CallIx, ProjectId, TaskIx};
use crate::domain::limits;
use crate::domain::payload::{Payload, PayloadSource};
use crate::domain::time::Millis;
use crate::engine::archive::Archive;

/// What is wanted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Wanted {
    /// The task.
    pub task: String,
    /// The attempt; `None`: the last one.
    pub attempt: Option<u32>,
    /// The position of the first entry wanted.
    pub from: usize,
    /// Long texts whole.
    pub full: bool,
}

/// A piece of a conversation.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Transcript {
    /// The task.
    pub task: String,
    /// The attempt it is of.
    pub attempt: u32,
    /// In the order the calls were made; one that was cut off and made again stands here as often as it was made.
    pub entries: Vec<Entry>,
    /// Where the next piece begins; `None` at the end.
    pub next: Option<usize>,
}

/// One call.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Entry {
    /// Its position in the walk.
    pub ix: CallIx,
    /// What it does.
    pub kind: CallKind,
    /// The model, the tool, the artifact.
    pub label: String,
    /// Its arguments when they are short.
    pub shown: String,
    /// When it began.
    pub began: Millis,
    /// What became of it.
    pub end: End,
    /// What it said: a prompt, a reply, a result, an answer.
    pub text: String,
    /// How long that is in bytes when it was cut.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cut_from: Option<u64>,
    /// Tools that a reply calls.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub calls: Vec<ToolCall>,
    /// Execution time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub duration_ms: Option<u64>,
    /// What it used.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub usage: Option<Usage>,
}

/// What became of a call.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "is")]
pub enum End {
    /// It has not ended.
    Open,
    /// It ended.
    Done,
    /// It failed.
    Failed {
        /// Why.
        failure: Failure,
    },
    /// It was cut off, and nobody knows whether it happened.
    Uncertain {
        /// What the ledger was charged.
        charged: Amounts,
    },
    /// It was cut off and changed nothing that counts; made again.
    Dropped,
}

/// A call as the records tell it.
struct Told {
    intent: CallIntent,
    began: Millis,
    outcome: Option<Box<CallOutcome>>,
    end: End,
}

/// The calls of one attempt.
#[derive(Default)]
struct Fold {
    attempt: Option<Attempt>,
    calls: Vec<Told>,
}

impl Fold {
    /// `wanted`: only this attempt.
    fn take(&mut self, event: Event, at: Millis, of: TaskIx, wanted: Option<u32>) {
        match event {
            Event::CallStarted { task, attempt, call } if task == of && is_wanted(wanted, attempt) => {
                if self.attempt != Some(attempt) {
                    (self.attempt, self.calls) = (Some(attempt), Vec::new());
                }
                if let Some(before) = self.open(call.ix) {
                    before.end = End::Dropped;
                }
                self.calls.push(Told { intent: *call, began: at, outcome: None, end: End::Open });
            }
            Event::CallFinished { task, attempt, call, outcome } if task == of && self.attempt == Some(attempt) => {
                if let Some(told) = self.open(call) {
                    told.end = match &outcome.result {
                        Ok(_) => End::Done,
                        Err(failure) => End::Failed { failure: failure.clone() },
                    };
                    told.outcome = Some(outcome);
                }
            }
            Event::CallUncertain { task, attempt, call, charged } if task == of && self.attempt == Some(attempt) => {
                if let Some(told) = self.open(call) {
                    told.end = End::Uncertain { charged };
                }
            }
            _ => {}
        }
    }

    fn open(&mut self, ix: CallIx) -> Option<&mut Told> {
        self.calls.iter_mut().rev().find(|told| told.intent.ix == ix && told.end == End::Open)
    }
}

fn is_wanted(wanted: Option<u32>, attempt: Attempt) -> bool {
    wanted.is_none_or(|wanted| wanted == attempt.0)
}

/// One piece of a conversation.
pub fn page(archive: &Archive, id: &ProjectId, wanted: &Wanted) -> Result<Transcript, Fault> {
    let project = archive.load(id)?.project;
    let task = task_of(&project, &wanted.task)?;
    let mut fold = Fold::default();
    archive.visit(id, |record| fold.take(record.event, record.at, task, wanted.attempt))?;
    let Some(attempt) = fold.attempt else {
        let of = wanted.attempt.map(|attempt| format!(" in attempt {attempt}")).unwrap_or_default();
        let message = format!("task `{}` has no conversation{of}", wanted.task);
        return Err(Fault::new(FaultKind::NoConversation, message).of(id));
    };
    let most = if wanted.full { usize::MAX } else { limits::TRANSCRIPT_TEXT_BYTES };
    let (mut entries, mut bytes) = (Vec::new(), 0);
    let mut next = None;
    for (at, told) in fold.calls.into_iter().enumerate().skip(wanted.from) {
        // At least one: a page that brings nothing would be asked for again and again.
        if bytes >= limits::TRANSCRIPT_PAGE_BYTES {
            next = Some(at);
            break;
        }
        let entry = entry(told, &**archive.vault(), most)?;
        bytes += entry.text.len() + entry.calls.iter().map(|call| call.arguments.len()).sum::<usize>();
        entries.push(entry);
    }
    Ok(Transcript { task: wanted.task.clone(), attempt: attempt.0, entries, next })
}

fn entry(told: Told, source: &dyn PayloadSource, most: usize) -> Result<Entry, Fault> {
    let Told { intent, began, outcome, end } = told;
    let mut entry = Entry {
        ix: intent.ix,
        kind: intent.kind,
        label: intent.label,
        shown: intent.shown,
        began,
        end,
        text: String::new(),
        cut_from: None,
        calls: Vec::new(),
        duration_ms: outcome.as_ref().map(|outcome| outcome.duration_ms),
        usage: outcome.as_ref().and_then(|outcome| outcome.usage),
    };
    let Some(outcome) = outcome else { return Ok(entry) };
    let is_whole = most == usize::MAX;
    // The whole of what was cut for the model, where it was kept and is asked for.
    let kept = outcome.full.as_ref().filter(|_| is_whole).or(outcome.result.as_ref().ok());
    if let Some(payload) = kept {
        (entry.text, entry.calls) = readable(intent.kind, &read(source, payload)?);
    }
    for text in std::iter::once(&mut entry.text).chain(entry.calls.iter_mut().map(|call| &mut call.arguments)) {
        if text.len() > most {
            entry.cut_from = entry.cut_from.max(Some(text.len() as u64));
            let end = (0..=most).rev().find(|at| text.is_char_boundary(*at)).unwrap_or_default();
            text.truncate(end);
        }
    }
    Ok(entry)
}

fn read(source: &dyn PayloadSource, payload: &Payload) -> Result<String, Fault> {
    let bytes = source.read(payload).map_err(|error| Fault::new(FaultKind::Damaged, error.to_string()))?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// The text for people of what a call of a kind kept, and the tools that it calls.
fn readable(kind: CallKind, kept: &str) -> (String, Vec<ToolCall>) {
    let texts = |keys: [&str; 2]| {
        let value: Value = serde_json::from_str(kept).ok()?;
        let texts: Vec<&str> = keys.iter().filter_map(|key| value.get(key)?.as_str()).collect();
        (!texts.is_empty()).then(|| texts.join("\n\n"))
    };
    let reply = match kind {
        CallKind::Model => serde_json::from_str::<ModelReply>(kept).ok(),
        CallKind::Compact => serde_json::from_str::<(ModelReply, Value)>(kept).ok().map(|(reply, _)| reply),
        CallKind::Prompt => return (texts(["system", "task"]).unwrap_or_else(|| kept.to_owned()), Vec::new()),
        CallKind::Check => return (texts(["text", ""]).unwrap_or_else(|| kept.to_owned()), Vec::new()),
        CallKind::Embed => {
            let sizes =
                serde_json::from_str::<Vec<Vec<f32>>>(kept).map(|all| (all.len(), all.first().map_or(0, Vec::len)));
            let told = sizes.map(|(count, size)| format!("{count} vectors of {size} numbers"));
            return (told.unwrap_or_else(|_| kept.to_owned()), Vec::new());
        }
        CallKind::Tool | CallKind::Ask | CallKind::Artifact | CallKind::Commit => None,
    };
    match reply {
        Some(reply) => (reply.text, reply.calls),
        None => (kept.to_owned(), Vec::new()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::failure::FailureClass;
    use crate::domain::ids::Digest;
    use crate::domain::payload::NoBlobs;
    use crate::domain::workflow::EffectClass;

    fn begin(attempt: u32, ix: u32, kind: CallKind) -> Event {
        let call = CallIntent {
            ix: CallIx(ix),
            kind,
            label: "x".to_owned(),
            input: Digest::default(),
            shown: String::new(),
            effect: EffectClass::Pure,
            reserved: Amounts::default(),
        };
        Event::CallStarted { task: TaskIx(0), attempt: Attempt(attempt), call: Box::new(call) }
    }

    fn end(attempt: u32, ix: u32, result: Result<&str, Failure>) -> Event {
        let result = result.map(|text| Payload::Inline(text.as_bytes().into()));
        let outcome = CallOutcome { result, duration_ms: 1, usage: None, full: None, tree: None, ran_under: None };
        let (task, attempt, call) = (TaskIx(0), Attempt(attempt), CallIx(ix));
        Event::CallFinished { task, attempt, call, outcome: Box::new(outcome) }
    }

    fn ends(events: impl IntoIterator<Item = Event>, wanted: Option<u32>) -> Vec<(u32, End)> {
        let mut fold = Fold::default();
        events.into_iter().for_each(|event| fold.take(event, Millis(0), TaskIx(0), wanted));
        fold.calls.into_iter().map(|told| (told.intent.ix.0, told.end)).collect()
    }

    #[test]
    fn every_time_that_a_call_was_made_is_told() {
        let failure = Failure::new(FailureClass::Overloaded, "busy");
        let charged = Amounts { calls: 1, tokens: 9, usd_micros: 0 };
        let lost = Event::CallUncertain { task: TaskIx(0), attempt: Attempt(2), call: CallIx(1), charged };
        let events = [
            begin(1, 0, CallKind::Prompt),
            end(1, 0, Ok("old")),
            begin(2, 0, CallKind::Prompt),
            begin(2, 0, CallKind::Prompt),
            end(2, 0, Ok("new")),
            begin(2, 1, CallKind::Model),
            lost,
            begin(2, 1, CallKind::Model),
            end(2, 1, Err(failure.clone())),
            begin(2, 2, CallKind::Tool),
        ];
        let expected = vec![
            (0, End::Dropped),
            (0, End::Done),
            (1, End::Uncertain { charged }),
            (1, End::Failed { failure }),
            (2, End::Open),
        ];
        assert_eq!(ends(events.clone(), None), expected);
        assert_eq!(ends(events, Some(1)), [(0, End::Done)]);
    }

    #[test]
    fn what_is_kept_becomes_text_and_what_is_not_understood_stays_as_it_is() {
        assert_eq!(readable(CallKind::Prompt, r#"{"system":"be","task":"do"}"#).0, "be\n\ndo");
        assert_eq!(readable(CallKind::Check, r#"{"green":false,"text":"red"}"#).0, "red");
        assert_eq!(readable(CallKind::Model, "no reply").0, "no reply");
        assert_eq!(readable(CallKind::Tool, r#"{"text":"as it is"}"#).0, r#"{"text":"as it is"}"#);
    }

    #[test]
    fn one_byte_past_the_bound_is_cut() {
        let of = |length: usize, most: usize| {
            let mut fold = Fold::default();
            let events = [begin(1, 0, CallKind::Tool), end(1, 0, Ok(&"x".repeat(length)))];
            events.into_iter().for_each(|event| fold.take(event, Millis(0), TaskIx(0), None));
            let entry = entry(fold.calls.pop().unwrap(), &NoBlobs, most).unwrap();
            (entry.text.len(), entry.cut_from)
        };
        let most = limits::TRANSCRIPT_TEXT_BYTES;
        assert_eq!(of(most, most), (most, None));
        assert_eq!(of(most + 1, most), (most, Some(most as u64 + 1)));
        assert_eq!(of(most + 1, usize::MAX), (most + 1, None));
    }
}
