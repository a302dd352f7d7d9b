//! The walk's line to the record: `Calls` over the engine's port, with a diary for people.

use async_trait::async_trait;

use super::super::runner::Settings;
use super::diary::Diary;
use crate::agents::{Calls, Denied};
use crate::domain::call::{CallInput, CallIntent, CallKind, CallOutcome, RecordedCall};
use crate::domain::chat::ModelReply;
use crate::domain::effect::StepOrder;
use crate::domain::failure::Failure;
use crate::domain::ids::CallIx;
use crate::domain::payload::Payload;
use crate::domain::time::human_duration;
use crate::engine::ports::{CallDenied, StepControl};

/// Most of a text that the diary shows of a call.
const SHOWN_CHARS: usize = 2_000;

pub(super) struct Line<'l> {
    settings: &'l Settings,
    order: &'l StepOrder,
    control: &'l StepControl,
    diary: &'l Diary,
}

impl<'l> Line<'l> {
    pub(super) fn new(
        settings: &'l Settings,
        order: &'l StepOrder,
        control: &'l StepControl,
        diary: &'l Diary,
    ) -> Self {
        Self { settings, order, control, diary }
    }

    async fn put(&self, input: CallInput) -> Result<(), Denied> {
        self.control.calls().put(input).await.map_err(|denied| match denied {
            CallDenied::Budget => Denied::Budget,
            CallDenied::Stopped => Denied::Stopped,
        })
    }

    fn tell_begin(&self, intent: &CallIntent) {
        let shown = if intent.shown.is_empty() { String::new() } else { format!(" {}", intent.shown) };
        self.diary.say(&format!("[{}] {} {}{shown}\n", intent.ix, intent.kind, intent.label));
    }

    fn tell_end(&self, ix: CallIx, kind: Option<CallKind>, outcome: &CallOutcome) {
        let took = human_duration(outcome.duration_ms);
        let text = match &outcome.result {
            Err(failure) => format!("    failed after {took}: {failure}\n"),
            Ok(_) if kind.is_none_or(|kind| kind == CallKind::Prompt) => return,
            Ok(payload) => {
                let bytes = self.settings.read(payload).unwrap_or_default();
                match serde_json::from_slice::<ModelReply>(&bytes) {
                    Ok(reply) => said(&reply, &took),
                    Err(_) => format!("    ok after {took}\n"),
                }
            }
        };
        self.diary.say(&format!("[{ix}]{text}"));
    }
}

/// A reply in lines.
fn said(reply: &ModelReply, took: &str) -> String {
    let usage = reply.usage;
    let mut text =
        format!("    {} in {took}, {} + {} tokens\n", reply.served_by, usage.input_tokens, usage.output_tokens);
    for line in cut(&reply.text).lines() {
        text.push_str(&format!("    | {line}\n"));
    }
    for call in &reply.calls {
        text.push_str(&format!("    -> {} {}\n", call.name, cut(&call.arguments).replace('\n', " ")));
    }
    text
}

fn cut(text: &str) -> String {
    let mut short: String = text.chars().take(SHOWN_CHARS).collect();
    if short.len() < text.len() {
        short.push('…');
    }
    short
}

#[async_trait]
impl Calls for Line<'_> {
    fn recorded(&self) -> &[RecordedCall] {
        &self.order.calls
    }

    async fn begin(&self, intent: CallIntent) -> Result<(), Denied> {
        let told = intent.clone();
        self.put(CallInput::Begin(Box::new(intent))).await?;
        self.tell_begin(&told);
        Ok(())
    }

    async fn end(&self, ix: CallIx, outcome: CallOutcome) -> Result<(), Denied> {
        self.tell_end(ix, Some(CallKind::Model), &outcome);
        self.put(CallInput::End(ix, Box::new(outcome))).await
    }

    async fn note(&self, calls: Vec<(CallIntent, CallOutcome)>) -> Result<(), Denied> {
        for (intent, outcome) in &calls {
            self.tell_begin(intent);
            if outcome.result.is_err() {
                self.tell_end(intent.ix, Some(intent.kind), outcome);
            }
        }
        self.put(CallInput::Note(calls)).await
    }

    async fn ask(&self, intent: CallIntent, question: String) -> Result<(), Denied> {
        self.diary.say(&format!("[{}] asks a person: {question}\n", intent.ix));
        self.put(CallInput::Ask(Box::new(intent), question)).await?;
        // The task waits now; this walk is over, and starts over when the answer is there.
        Err(Denied::Stopped)
    }

    fn keep(&self, value: &[u8]) -> Result<Payload, Failure> {
        self.settings.keep(value)
    }

    fn read(&self, value: &Payload) -> Result<Vec<u8>, Failure> {
        self.settings.read(value)
    }

    fn monotonic_ms(&self) -> u64 {
        self.settings.clock.monotonic_ms()
    }

    fn alive(&self) {
        self.control.alive(self.settings.clock.monotonic_ms());
    }
}
