//! The walk's calls of models: which one, with what, and what comes of it.

use super::driver::{Walk, defect};
use super::models::{Came, Choice, Tried, needs_person, needs_waiting};
use super::order::Limits;
use super::record::{Asked, outcome};
use super::transcript::{bytes_of_request, unpaired};
use crate::agents::provider::{CallContext, ModelFailure};
use crate::domain::budget::Amounts;
use crate::domain::call::{CallKind, CallOutcome};
use crate::domain::chat::{Message, ModelReply, ModelRequest, Usage};
use crate::domain::failure::{Failure, FailureClass};
use crate::domain::ids::CallIx;
use crate::domain::limits;
use crate::domain::machine::agent_turn::{Allowance, Input};
use crate::domain::workflow::EffectClass;

/// What a call of a model came to, on record.
pub(super) struct Called {
    pub(super) ix: CallIx,
    pub(super) outcome: CallOutcome,
    /// It was read back.
    pub(super) known: bool,
}

impl Walk<'_> {
    /// One request and what its reply leads to.
    pub(super) async fn ask_model(&mut self) -> Result<(), Failure> {
        if self.turn.turns >= self.pinned.turns {
            let message = format!("no answer within {} turns", self.pinned.turns);
            return Err(Failure::new(FailureClass::Turns, message));
        }
        let (request, bytes) = self.next_request(self.transcript.messages())?;
        if self.overflows(&request.model, bytes) {
            return self.to(Input::Overflow);
        }
        let called = self.call(CallKind::Model, &request, None).await?;
        match called.outcome.result.clone() {
            Ok(payload) => {
                let reply: ModelReply = self.record.json(called.ix, &payload)?;
                self.replied(&request.model, bytes, &reply, Came::Reply);
                self.take_reply(reply)
            }
            Err(failure) if failure.class == FailureClass::ContextOverflow && self.may_sum_up() => {
                let came = Came::Nothing { failure, waited: false };
                self.history.tried.push(Tried { model: request.model, came });
                self.squeezed = 1;
                self.to(Input::Overflow)
            }
            Err(failure) => {
                if failure.class == FailureClass::ContextOverflow {
                    self.history.tried.push(Tried { model: request.model.clone(), came: Came::Summary });
                }
                self.call_failed(&request.model, failure, called.known)
            }
        }
    }

    /// A request of `messages` to whoever comes next, and its size.
    pub(super) fn next_request(&mut self, messages: Vec<Message>) -> Result<(ModelRequest, u64), Failure> {
        if let Some(fault) = unpaired(&messages) {
            return Err(defect(&fault));
        }
        let mut request = ModelRequest {
            model: String::new(),
            messages,
            tools: self.pinned.specs(),
            answer: None,
            max_output_tokens: self.pinned.max_output_tokens,
            temperature: self.pinned.temperature,
        };
        let bytes = bytes_of_request(&request);
        self.history.tokens = self.gauge.tokens(bytes);
        request.model = self.choose()?;
        Ok((request, bytes))
    }

    /// The model of the next call: the one on record, else the router's choice.
    fn choose(&mut self) -> Result<String, Failure> {
        let talks = |kind: CallKind| matches!(kind, CallKind::Model | CallKind::Compact);
        if let Some(call) = self.record.peek().filter(|call| talks(call.kind)) {
            return Ok(call.label.clone());
        }
        let mut choice = self.models.next(&self.policy, &self.history);
        if self.ended_here && matches!(choice, Choice::GiveUp(_)) {
            // The walk had ended for want of a model, and somebody has it taken up again: a key was set, an account filled.
            self.history.tried.retain(|tried| match &tried.came {
                Came::Nothing { failure, .. } => !needs_person(failure.class),
                Came::Reply | Came::Summary => true,
            });
            choice = self.models.next(&self.policy, &self.history);
        }
        match choice {
            Choice::Ask(model) => Ok(model),
            Choice::Wait(failure) | Choice::GiveUp(failure) => Err(failure),
        }
    }

    /// Whether a summary comes first. What is on record decides; a window that was configured anew changes nothing.
    fn overflows(&self, model: &str, bytes: u64) -> bool {
        match self.record.peek() {
            Some(call) => call.kind == CallKind::Compact,
            None => {
                let allowed = self.models.window(model).map(|window| window / 100 * limits::COMPACT_AT_PERCENT);
                allowed.is_some_and(|allowed| self.gauge.tokens(bytes) > allowed) && self.may_sum_up()
            }
        }
    }

    /// There is something to sum up, and the bound is not reached.
    fn may_sum_up(&self) -> bool {
        self.transcript.grown() && self.turn.may_compact() == Allowance::Left
    }

    /// Makes a call of a model, or reads it back. `changed`: for a summary, where the changed files go.
    pub(super) async fn call(
        &mut self,
        kind: CallKind,
        request: &ModelRequest,
        changed: Option<Vec<String>>,
    ) -> Result<Called, Failure> {
        let asked = Asked {
            kind,
            label: request.model.clone(),
            input: request.digest(),
            shown: String::new(),
            effect: EffectClass::Paid,
        };
        let slot = self.record.take(&asked)?;
        let ix = slot.ix;
        if let Some(outcome) = slot.known {
            self.count(outcome.usage);
            return Ok(Called { ix, outcome, known: true });
        }
        let reserved = self.models.reserve(request)?;
        afford(self.pinned.limits, self.usage, reserved)?;
        self.record.begin(&slot, &asked, reserved).await?;
        let calls = self.record.calls();
        let started = calls.monotonic_ms();
        let heard = |text: &str| if text.is_empty() { calls.alive() } else { calls.said(ix, text) };
        let answer = self.models.complete(request, &self.context(), &heard).await;
        let duration_ms = calls.monotonic_ms().saturating_sub(started);
        let made = match answer {
            Ok(reply) => {
                let kept = match &changed {
                    Some(changed) => self.record.keep_json(&(&reply, changed))?,
                    None => self.record.keep_json(&reply)?,
                };
                CallOutcome { usage: Some(reply.usage), ..outcome(Ok(kept), duration_ms) }
            }
            Err(failed) => {
                let usage = charged(&failed, reserved);
                CallOutcome { usage, ..outcome(Err(failed.failure), duration_ms) }
            }
        };
        self.record.end(&slot, made.clone()).await?;
        self.count(made.usage);
        Ok(Called { ix, outcome: made, known: false })
    }

    fn context(&self) -> CallContext {
        CallContext {
            project: self.order.project.clone(),
            task: self.order.task.clone(),
            role: self.order.role.name.clone(),
            attempt: self.order.attempt,
            turn: self.turn.turns + self.turn.compactions + 1,
        }
    }

    pub(super) fn count(&mut self, usage: Option<Usage>) {
        let Some(usage) = usage else { return };
        let all = &mut self.usage;
        all.input_tokens = all.input_tokens.saturating_add(usage.input_tokens);
        all.cached_tokens = all.cached_tokens.saturating_add(usage.cached_tokens);
        all.output_tokens = all.output_tokens.saturating_add(usage.output_tokens);
        all.reasoning_tokens = all.reasoning_tokens.saturating_add(usage.reasoning_tokens);
        all.usd_micros = all.usd_micros.saturating_add(usage.usd_micros);
        all.estimated |= usage.estimated;
    }

    /// A reply arrived from `model` to a request of `bytes`.
    pub(super) fn replied(&mut self, model: &str, bytes: u64, reply: &ModelReply, came: Came) {
        if !reply.usage.estimated {
            self.gauge.learn(bytes, reply.usage.input_tokens);
        }
        self.history.tried.push(Tried { model: model.to_owned(), came });
    }

    /// A call failed: another one follows at once, or the walk ends here, for good or until it is taken up again.
    pub(super) fn call_failed(&mut self, model: &str, failure: Failure, known: bool) -> Result<(), Failure> {
        let waits = needs_waiting(failure.class);
        self.ended_here = known;
        let came = Came::Nothing { failure: failure.clone(), waited: known && waits };
        self.history.tried.push(Tried { model: model.to_owned(), came });
        if !waits && self.turn.call_failed() == Allowance::UsedUp {
            return Err(failure);
        }
        if waits && !known {
            match self.models.next(&self.policy, &self.history) {
                Choice::Ask(other) if other != model => {}
                Choice::Ask(_) => return Err(failure),
                Choice::Wait(why) | Choice::GiveUp(why) => return Err(why),
            }
        }
        self.to(Input::Retry)
    }
}

/// Whether the bounds of an attempt that used `used` leave room for what is held back for a call.
pub(super) fn afford(bounds: Limits, used: Usage, reserved: Amounts) -> Result<(), Failure> {
    let tokens = used.input_tokens + used.output_tokens;
    let refuse = |what: &str, used: u64, wanted: u64, cap: u64| {
        let message = format!(
            "the attempt's bound of {cap} {what} leaves no room: {used} are used, the next call may take {wanted}"
        );
        Err(Failure::new(FailureClass::Budget, message))
    };
    match (bounds.tokens, bounds.usd_micros) {
        (Some(cap), _) if tokens.saturating_add(reserved.tokens) > cap => {
            refuse("tokens", tokens, reserved.tokens, cap)
        }
        (_, Some(cap)) if used.usd_micros.saturating_add(reserved.usd_micros) > cap => {
            refuse("millionths of a dollar", used.usd_micros, reserved.usd_micros, cap)
        }
        _ => Ok(()),
    }
}

/// What a failed call is charged with: what it used, or all that was held back when it may have been billed.
fn charged(failed: &ModelFailure, reserved: Amounts) -> Option<Usage> {
    let held_back =
        Usage { input_tokens: reserved.tokens, usd_micros: reserved.usd_micros, estimated: true, ..Usage::default() };
    failed.usage.or(failed.sent.then_some(held_back))
}
