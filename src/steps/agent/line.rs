//! The walk's line to the record: `Calls` over the engine's port, with a diary for people.
//!
//! What has happened already (an outcome, a call that changes nothing) is sent and not waited for: the engine takes what it is
//! sent in order, so that the walk's next `begin` waits for all of it at once. A turn of an agent thus costs the wait for one
//! commit and not for three.

use std::pin::Pin;
use std::sync::{Mutex, PoisonError};

use async_trait::async_trait;
use futures_util::FutureExt as _;

use super::super::runner::{Settings, masked};
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

/// Something that was sent and is not durable yet.
type Sent<'l> = Pin<Box<dyn Future<Output = Result<(), CallDenied>> + Send + 'l>>;

pub(super) struct Line<'l> {
    settings: &'l Settings,
    order: &'l StepOrder,
    control: &'l StepControl,
    diary: &'l Diary,
    /// What the next `begin` waits for, in order.
    sent: Mutex<Vec<Sent<'l>>>,
}

impl<'l> Line<'l> {
    pub(super) fn new(
        settings: &'l Settings,
        order: &'l StepOrder,
        control: &'l StepControl,
        diary: &'l Diary,
    ) -> Self {
        Self { settings, order, control, diary, sent: Mutex::default() }
    }

    /// Sends `input`; an error says that it was refused at once.
    fn send(&self, input: CallInput) -> Result<(), Denied> {
        let mut sent: Sent<'l> = self.control.calls().put(input);
        // The port sends when it is first asked.
        match (&mut sent).now_or_never() {
            Some(taken) => taken.map_err(denied),
            None => {
                self.sent.lock().unwrap_or_else(PoisonError::into_inner).push(sent);
                Ok(())
            }
        }
    }

    /// Sends `input` and waits until it and all before it are durable.
    async fn put(&self, input: CallInput) -> Result<(), Denied> {
        self.send(input)?;
        let all = std::mem::take(&mut *self.sent.lock().unwrap_or_else(PoisonError::into_inner));
        for sent in all {
            sent.await.map_err(denied)?;
        }
        Ok(())
    }

    /// A failure may quote what was sent. (A value is masked where it is kept.)
    fn masked(&self, outcome: CallOutcome) -> CallOutcome {
        let masker = self.settings.masks.now();
        CallOutcome { result: outcome.result.map_err(|failure| masked(&masker, failure)), ..outcome }
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

fn denied(why: CallDenied) -> Denied {
    match why {
        CallDenied::Budget => Denied::Budget,
        CallDenied::Stopped => Denied::Stopped,
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
        let outcome = self.masked(outcome);
        self.tell_end(ix, Some(CallKind::Model), &outcome);
        self.send(CallInput::End(ix, Box::new(outcome)))
    }

    async fn note(&self, calls: Vec<(CallIntent, CallOutcome)>) -> Result<(), Denied> {
        let calls: Vec<_> = calls.into_iter().map(|(intent, outcome)| (intent, self.masked(outcome))).collect();
        for (intent, outcome) in &calls {
            self.tell_begin(intent);
            if outcome.result.is_err() {
                self.tell_end(intent.ix, Some(intent.kind), outcome);
            }
        }
        self.send(CallInput::Note(calls))
    }

    async fn ask(&self, intent: CallIntent, question: String) -> Result<(), Denied> {
        self.diary.say(&format!("[{}] asks a person: {question}\n", intent.ix));
        self.put(CallInput::Ask(Box::new(intent), question)).await?;
        // The task waits now; this walk is over, and starts over when the answer is there.
        Err(Denied::Stopped)
    }

    fn keep(&self, value: &[u8]) -> Result<Payload, Failure> {
        // Everything that a model reads or says is kept first, and read back from there: a prompt, a reply, an output.
        let names = self.settings.masks.now().names_in(value);
        if !names.is_empty() {
            let names: Vec<&str> = names.iter().map(|name| &**name).collect();
            let step = self.order.key();
            tracing::warn!(step, secrets = names.join(", "), "secrets were struck out of what an agent reads or says");
        }
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

    fn said(&self, ix: CallIx, text: &str) {
        self.alive();
        self.control.calls().said(ix, text);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::task::Poll;

    use futures_util::poll;
    use tokio::sync::{mpsc, oneshot};

    use super::*;
    use crate::domain::budget::Amounts;
    use crate::domain::effect::StepRequest;
    use crate::domain::ids::Digest;
    use crate::domain::workflow::{EffectClass, OutputFormat};
    use crate::engine::ports::{CallPort, step_control};
    use crate::steps::runner::testing::Rig;

    type Asked = (CallInput, oneshot::Sender<Result<(), CallDenied>>);

    /// An engine that says nothing until the test does.
    struct Slow(mpsc::UnboundedSender<Asked>);

    #[async_trait]
    impl CallPort for Slow {
        async fn put(&self, input: CallInput) -> Result<(), CallDenied> {
            let (reply_to, reply) = oneshot::channel();
            self.0.send((input, reply_to)).unwrap();
            reply.await.unwrap_or(Err(CallDenied::Stopped))
        }
    }

    fn intent(ix: u32) -> CallIntent {
        CallIntent {
            ix: CallIx(ix),
            kind: CallKind::Model,
            label: "m".to_owned(),
            input: Digest::default(),
            shown: String::new(),
            effect: EffectClass::Paid,
            reserved: Amounts::default(),
        }
    }

    fn outcome() -> CallOutcome {
        CallOutcome {
            result: Ok(Payload::default()),
            duration_ms: 1,
            usage: None,
            full: None,
            tree: None,
            ran_under: None,
        }
    }

    /// What the engine was sent, in a word each, and where its answers go.
    fn taken(
        asked: &mut mpsc::UnboundedReceiver<Asked>,
    ) -> Vec<(&'static str, oneshot::Sender<Result<(), CallDenied>>)> {
        let word = |input: &CallInput| match input {
            CallInput::Begin(_) => "begin",
            CallInput::End(..) => "end",
            CallInput::Note(_) => "note",
            CallInput::Ask(..) => "ask",
        };
        std::iter::from_fn(|| asked.try_recv().ok()).map(|(input, reply_to)| (word(&input), reply_to)).collect()
    }

    /// Runs `check` with a line whose engine is slow.
    async fn with_line(check: impl AsyncFnOnce(Line<'_>, mpsc::UnboundedReceiver<Asked>)) {
        let rig = Rig::new();
        let request = StepRequest::Run { command: "true".to_owned(), probe: None, output: OutputFormat::Auto };
        let order = rig.order(request);
        let (sender, asked) = mpsc::unbounded_channel();
        let (_handle, control) = step_control(0);
        let control = control.recording(Arc::new(Slow(sender)));
        let diary = Diary::open(&rig.live_log(), &rig.runner.settings.masks);
        check(Line::new(&rig.runner.settings, &order, &control, &diary), asked).await;
    }

    #[tokio::test]
    async fn what_has_happened_is_sent_at_once_and_the_next_begin_waits_for_all_of_it() {
        with_line(async |line, mut asked| {
            line.end(CallIx(0), outcome()).await.unwrap();
            line.note(vec![(intent(1), outcome())]).await.unwrap();
            assert_eq!(asked.len(), 2, "both are on their way before anything was answered");
            let mut begin = line.begin(intent(2));
            assert!(poll!(&mut begin).is_pending());
            let (words, replies): (Vec<_>, Vec<_>) = taken(&mut asked).into_iter().unzip();
            assert_eq!(words, ["end", "note", "begin"]);
            for reply_to in replies {
                assert!(poll!(&mut begin).is_pending(), "something is not durable yet");
                reply_to.send(Ok(())).unwrap();
            }
            assert_eq!(poll!(&mut begin), Poll::Ready(Ok(())));
            drop(begin);
            let again = line.begin(intent(3));
            tokio::pin!(again);
            assert!(poll!(&mut again).is_pending());
            taken(&mut asked).remove(0).1.send(Ok(())).unwrap();
            assert_eq!(poll!(&mut again), Poll::Ready(Ok(())), "what was waited for once is forgotten");
        })
        .await;
    }

    #[tokio::test]
    async fn the_next_begin_tells_that_something_before_it_was_refused() {
        with_line(async |line, mut asked| {
            line.note(vec![(intent(0), outcome())]).await.unwrap();
            let mut begin = line.begin(intent(1));
            assert!(poll!(&mut begin).is_pending());
            let mut replies = taken(&mut asked);
            replies.remove(0).1.send(Err(CallDenied::Stopped)).unwrap();
            assert_eq!(poll!(&mut begin), Poll::Ready(Err(Denied::Stopped)));
        })
        .await;
    }
}
