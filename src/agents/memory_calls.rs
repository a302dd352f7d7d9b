//! A record of calls in memory: what tests and benches walk over. It holds a walk to the same order as the engine's: a call is begun
//! before it ends, under the next number, and a call that was lost in the middle is begun again as it was.

use std::sync::{Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;

use super::calls::{Calls, Denied};
use crate::domain::call::{CallIntent, CallKind, CallOutcome, RecordedCall};
use crate::domain::failure::{Failure, FailureClass};
use crate::domain::ids::CallIx;
use crate::domain::payload::Payload;

/// When the line to the record breaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Break {
    /// Never.
    Never,
    /// This write (from 0) and all later ones are refused: nothing of them is on record.
    Before(usize),
    /// This write (from 0) is on record, but is answered with a refusal, as are all later ones.
    After(usize),
}

/// Calls kept in memory.
#[derive(Debug)]
pub struct MemoryCalls {
    before: Vec<RecordedCall>,
    breaks: Break,
    tick_ms: u64,
    kept: Mutex<Kept>,
}

#[derive(Debug, Default)]
struct Kept {
    calls: Vec<RecordedCall>,
    questions: Vec<(CallIx, String)>,
    writes: usize,
    now_ms: u64,
}

impl Default for MemoryCalls {
    fn default() -> Self {
        Self::over(Vec::new())
    }
}

impl MemoryCalls {
    /// A line to a record that has `recorded` from before. A paid call without an outcome counts as lost once more.
    pub fn over(mut recorded: Vec<RecordedCall>) -> Self {
        for call in &mut recorded {
            if call.outcome.is_none() && matches!(call.kind, CallKind::Model | CallKind::Compact | CallKind::Embed) {
                call.lost += 1;
            }
        }
        let kept = Kept { calls: recorded.clone(), ..Kept::default() };
        Self { before: recorded, breaks: Break::Never, tick_ms: 1, kept: Mutex::new(kept) }
    }

    /// The same, broken at a write.
    #[must_use]
    pub fn broken(mut self, breaks: Break) -> Self {
        self.breaks = breaks;
        self
    }

    /// The same, with a clock that moves on by `tick_ms` whenever it is looked at.
    #[must_use]
    pub fn ticking(mut self, tick_ms: u64) -> Self {
        self.tick_ms = tick_ms;
        self
    }

    /// All calls on record now.
    pub fn record(&self) -> Vec<RecordedCall> {
        self.kept().calls.clone()
    }

    /// How often something was put on record or refused.
    pub fn writes(&self) -> usize {
        self.kept().writes
    }

    /// The questions asked, and the calls that wait for their answers.
    pub fn questions(&self) -> Vec<(CallIx, String)> {
        self.kept().questions.clone()
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self, put: impl FnOnce(&mut Kept)) -> Result<(), Denied> {
        let mut kept = self.kept();
        let number = kept.writes;
        kept.writes += 1;
        match self.breaks {
            Break::Before(at) if number >= at => return Err(Denied::Stopped),
            Break::After(at) if number > at => return Err(Denied::Stopped),
            Break::Never | Break::Before(_) | Break::After(_) => put(&mut kept),
        }
        if self.breaks == Break::After(number) { Err(Denied::Stopped) } else { Ok(()) }
    }
}

impl Kept {
    /// # Panics
    /// When a walk breaks the order of calls: that is a defect of the walk.
    fn begin(&mut self, intent: CallIntent) {
        let at = intent.ix.0 as usize;
        assert!(at <= self.calls.len(), "call {} is begun, but {} comes next", intent.ix, self.calls.len());
        if let Some(lost) = self.calls.get(at) {
            assert!(lost.outcome.is_none(), "call {} has an outcome and is begun again", intent.ix);
            assert_eq!((lost.kind, &lost.label, lost.input), (intent.kind, &intent.label, intent.input));
            return;
        }
        self.calls.push(RecordedCall {
            ix: intent.ix,
            kind: intent.kind,
            label: intent.label,
            input: intent.input,
            effect: intent.effect,
            reserved: intent.reserved,
            lost: 0,
            is_open: true,
            outcome: None,
        });
    }

    /// # Panics
    /// When the call was not begun, or has ended: that is a defect of the walk.
    fn end(&mut self, ix: CallIx, outcome: CallOutcome) {
        let call = self.calls.get_mut(ix.0 as usize).expect("a call is begun before it ends");
        assert!(call.outcome.is_none(), "call {ix} ends twice");
        call.outcome = Some(Box::new(outcome));
        call.is_open = false;
    }
}

#[async_trait]
impl Calls for MemoryCalls {
    fn recorded(&self) -> &[RecordedCall] {
        &self.before
    }

    async fn begin(&self, intent: CallIntent) -> Result<(), Denied> {
        self.write(|kept| kept.begin(intent))
    }

    async fn end(&self, ix: CallIx, outcome: CallOutcome) -> Result<(), Denied> {
        self.write(|kept| kept.end(ix, outcome))
    }

    async fn note(&self, calls: Vec<(CallIntent, CallOutcome)>) -> Result<(), Denied> {
        self.write(|kept| {
            for (intent, outcome) in calls {
                let ix = intent.ix;
                kept.begin(intent);
                kept.end(ix, outcome);
            }
        })
    }

    async fn ask(&self, intent: CallIntent, question: String) -> Result<(), Denied> {
        self.write(|kept| {
            kept.questions.push((intent.ix, question));
            kept.begin(intent);
        })?;
        Err(Denied::Stopped)
    }

    fn keep(&self, value: &[u8]) -> Result<Payload, Failure> {
        Ok(Payload::Inline(value.into()))
    }

    fn read(&self, value: &Payload) -> Result<Vec<u8>, Failure> {
        match value {
            Payload::Inline(bytes) => Ok(bytes.to_vec()),
            Payload::Blob(blob) => {
                let message = format!("blob {} is not in this record: it keeps everything inline", blob.digest);
                Err(Failure::new(FailureClass::Internal, message))
            }
        }
    }

    fn monotonic_ms(&self) -> u64 {
        let mut kept = self.kept();
        kept.now_ms += self.tick_ms;
        kept.now_ms
    }

    fn alive(&self) {}

    fn said(&self, _: CallIx, _: &str) {}
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::budget::Amounts;
    use crate::domain::ids::Digest;
    use crate::domain::workflow::EffectClass;

    fn intent(ix: u32) -> CallIntent {
        CallIntent {
            ix: CallIx(ix),
            kind: CallKind::Model,
            label: "p/m".into(),
            input: Digest::of(b"x"),
            shown: String::new(),
            effect: EffectClass::Paid,
            reserved: Amounts::default(),
        }
    }

    #[tokio::test]
    async fn a_break_before_leaves_nothing_and_a_break_after_leaves_the_write() {
        let calls = MemoryCalls::default().broken(Break::Before(0));
        assert_eq!(calls.begin(intent(0)).await, Err(Denied::Stopped));
        assert_eq!(calls.record().len(), 0);
        let calls = MemoryCalls::default().broken(Break::After(0));
        assert_eq!(calls.begin(intent(0)).await, Err(Denied::Stopped));
        assert_eq!(calls.record().len(), 1);
        let again = MemoryCalls::over(calls.record());
        assert_eq!(again.recorded()[0].lost, 1, "a paid call without an outcome was lost");
        assert_eq!(again.begin(intent(0)).await, Ok(()));
    }

    #[tokio::test]
    #[should_panic(expected = "call 2 is begun, but 0 comes next")]
    async fn a_call_out_of_order_is_a_defect() {
        let _ = MemoryCalls::default().begin(intent(2)).await;
    }
}
