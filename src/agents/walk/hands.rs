//! The walk's calls of tools: those that change nothing side by side, the others one after another in the model's order.

use std::collections::BTreeMap;

use futures_util::{FutureExt as _, StreamExt as _, stream};
use jsonschema::Validator;
use serde_json::Value;

use super::driver::{Answered, Walk};
use super::embedding::bought;
use super::own_tools::OwnTool;
use super::record::{Asked, Slot, digest_of, outcome, shown};
use super::stuck::Action;
use super::worksite::{Asks, ERROR, ToolResult, ToolRun, WholeOutputs};
use crate::agents::calls::Calls;
use crate::agents::signatures::{compiled, faults_by};
use crate::domain::budget::Amounts;
use crate::domain::call::{CallKind, CallOutcome};
use crate::domain::chat::{Message, ToolCall};
use crate::domain::failure::{Failure, FailureClass};
use crate::domain::ids::Digest;
use crate::domain::limits;
use crate::domain::machine::agent_turn::{Allowance, Input};
use crate::domain::payload::Payload;
use crate::domain::workflow::EffectClass;

/// What is to be done with one call of a reply.
#[derive(Debug, Clone)]
enum Planned {
    /// Nothing: the model is told why.
    Told(String),
    /// A tool of the worksite.
    Run { effect: EffectClass, arguments: Value },
    /// A tool of the walk.
    Own(OwnTool, Value),
}

impl Planned {
    fn is_pure(&self) -> bool {
        matches!(self, Self::Run { effect: EffectClass::Pure, .. })
    }
}

/// The schemas of tools that were called, made ready once in a walk.
#[derive(Debug, Default)]
pub(super) struct Schemas(BTreeMap<String, Validator>);

impl Schemas {
    /// Where `arguments` do not fit the schema of the tool `name`, which is asked for the first time.
    fn faults(&mut self, name: &str, arguments: &Value, schema: impl FnOnce() -> Value) -> Result<(), Vec<String>> {
        if let Some(known) = self.0.get(name) {
            return faults_by(known, arguments);
        }
        let made = compiled(&schema())?;
        let faults = faults_by(&made, arguments);
        self.0.insert(name.to_owned(), made);
        faults
    }
}

impl Walk<'_> {
    /// Does what the reply asks for, and puts the results behind it.
    pub(super) async fn use_tools(&mut self) -> Result<(), Failure> {
        let calls = self.pending.calls.clone();
        let mut planned: Vec<Planned> = Vec::with_capacity(calls.len());
        for (at, call) in calls.iter().enumerate() {
            planned.push(self.plan(at, call));
        }
        let malformed = planned.iter().find_map(|one| match one {
            Planned::Told(text) => Some(text.clone()),
            Planned::Run { .. } | Planned::Own(..) => None,
        });
        let mut finish = None;
        let mut at = 0;
        while at < calls.len() {
            let pure = planned[at..].iter().take_while(|one| one.is_pure()).count();
            if pure > 0 {
                self.run_side_by_side(at, &planned[at..at + pure]).await?;
                at += pure;
                continue;
            }
            let result = match &planned[at] {
                Planned::Told(text) => text.clone(),
                Planned::Run { effect, arguments } => self.run_alone(at, *effect, arguments).await?,
                Planned::Own(OwnTool::RunChecks, _) => self.check().await?.text,
                Planned::Own(OwnTool::AskHuman, arguments) => self.ask_human(arguments).await?,
                Planned::Own(OwnTool::Note, arguments) => self.note(at, arguments).await?,
                Planned::Own(OwnTool::GitCommit, arguments) => self.commit(at, arguments).await?,
                Planned::Own(OwnTool::GitCommitAndPush, arguments) => self.commit_and_push(at, arguments).await?,
                Planned::Own(OwnTool::Finish, answer) => match finish.replace((at, answer.clone())) {
                    None => String::new(),
                    Some(first) => {
                        finish = Some(first);
                        format!("{ERROR}finish was called twice in one reply; the first call counts")
                    }
                },
            };
            self.pending.results[at] = Some(result);
            at += 1;
        }
        match malformed {
            None => self.turn.usable(),
            Some(text) if self.turn.unusable() == Allowance::UsedUp => {
                let message = format!(
                    "{} replies in a row had calls that could not be used; the last: {text}",
                    self.turn.malformed
                );
                return Err(Failure::new(FailureClass::Malformed, message));
            }
            Some(_) => {}
        }
        match finish {
            Some((at, value)) => self.finish(at, value),
            None => self.close_exchange(Input::ToolsDone),
        }
    }

    /// What is to be done with a call; a function of the reply and of what is pinned.
    fn plan(&mut self, at: usize, call: &ToolCall) -> Planned {
        let told = |text: String| Planned::Told(format!("{ERROR}{text}"));
        if at >= limits::TOOL_CALLS_PER_REPLY {
            return told(format!("a reply may call at most {} tools", limits::TOOL_CALLS_PER_REPLY));
        }
        let own = OwnTool::named(&call.name).filter(|own| self.pinned.own.contains(own));
        let offered = self.pinned.offered.iter().find(|tool| tool.spec.name == call.name);
        if own.is_none() && offered.is_none() {
            let names: Vec<String> = self.pinned.specs().into_iter().map(|tool| tool.name).collect();
            return told(format!("there is no tool {:?}; there are: {}", call.name, names.join(", ")));
        }
        let written = if call.arguments.trim().is_empty() { "{}" } else { &call.arguments };
        let arguments: Value = match serde_json::from_str(written) {
            Ok(arguments) => arguments,
            Err(_) if self.pending.cut => {
                let limit = self.pinned.max_output_tokens;
                return told(format!(
                    "your reply was cut at its limit of {limit} tokens in the middle of this call; make smaller calls"
                ));
            }
            Err(problem) => return told(format!("the arguments are not JSON: {problem}")),
        };
        // An answer is checked for its meaning too, and refusals of it are counted by themselves.
        if own != Some(OwnTool::Finish)
            && let Err(faults) = self.schemas.faults(&call.name, &arguments, || match (own, offered) {
                (Some(own), _) => own.spec(&self.pinned.answer).parameters,
                (None, offered) => offered.map(|tool| tool.spec.parameters.clone()).unwrap_or_default(),
            })
        {
            return told(format!("the arguments do not fit: {}", faults.join("; ")));
        }
        match (own, offered) {
            (Some(own), _) => Planned::Own(own, arguments),
            (None, Some(tool)) => Planned::Run { effect: tool.effect, arguments },
            (None, None) => told(format!("there is no tool {:?}", call.name)),
        }
    }

    /// Runs neighbours that change nothing, a few at a time, and puts them on record together.
    async fn run_side_by_side(&mut self, from: usize, planned: &[Planned]) -> Result<(), Failure> {
        let mut slots: Vec<(Asked, Slot, Value)> = Vec::new();
        for (one, call) in planned.iter().zip(&self.pending.calls[from..]) {
            if let Planned::Run { arguments, .. } = one {
                let asked = asked(call, EffectClass::Pure, arguments);
                let slot = self.record.take(&asked)?;
                slots.push((asked, slot, arguments.clone()));
            }
        }
        if slots.iter().any(|(_, slot, _)| slot.known.is_none()) {
            self.make_ground_ready().await?;
        }
        let (site, calls) = (self.site, self.record.calls());
        let outputs = &Recorded { outputs: &self.outputs, calls };
        let mut runs = Vec::new();
        for (asked, _, arguments) in slots.iter().filter(|(_, slot, _)| slot.known.is_none()) {
            let run = async move {
                let started = calls.monotonic_ms();
                let (name, effect) = (&*asked.label, asked.effect);
                let result =
                    site.run(ToolRun { name, arguments, effect, maybe_ran: false, outputs, given: None }).await;
                calls.alive();
                (result, calls.monotonic_ms().saturating_sub(started))
            };
            runs.push(run.boxed());
        }
        let mut results = stream::iter(runs).buffered(limits::PARALLEL_TOOLS).collect::<Vec<_>>().await.into_iter();
        let (mut made, mut outcomes) = (Vec::new(), Vec::new());
        for (asked, slot, arguments) in slots {
            let outcome = match slot.known.clone() {
                Some(known) => known,
                None => {
                    let (result, duration_ms) =
                        results.next().unwrap_or_else(|| (Err(super::driver::defect("a tool was not run")), 0));
                    let outcome = self.tool_outcome(result, duration_ms)?;
                    made.push((slot, asked, outcome.clone()));
                    outcome
                }
            };
            outcomes.push((arguments, outcome));
        }
        self.record.note(made).await?;
        for (at, (arguments, outcome)) in outcomes.into_iter().enumerate() {
            let text = self.take_result(from + at, &arguments, &outcome)?;
            self.pending.results[from + at] = Some(text);
        }
        Ok(())
    }

    /// Runs one tool that may change something.
    async fn run_alone(&mut self, at: usize, effect: EffectClass, arguments: &Value) -> Result<String, Failure> {
        let asked = asked(&self.pending.calls[at], effect, arguments);
        let asks = Asks::Tool(&asked.label, arguments);
        let bought = bought(&mut self.record, self.site, asks, asked.input, self.pinned.limits, self.usage).await?;
        self.count(bought.usage);
        let slot = self.record.take(&asked)?;
        let outcome = match slot.known.clone() {
            Some(known) => known,
            None => {
                self.make_ground_ready().await?;
                self.record.begin(&slot, &asked, Amounts::default()).await?;
                let calls = self.record.calls();
                let started = calls.monotonic_ms();
                let result = if slot.lost && effect == EffectClass::Once {
                    let text = "the engine stopped while this ran, and it must not run twice; look whether it happened"
                        .to_owned();
                    Ok(ToolResult { text, failed: true, full: None })
                } else {
                    let outputs = &Recorded { outputs: &self.outputs, calls };
                    let (name, maybe_ran, given) = (&*asked.label, slot.lost, bought.given);
                    self.site.run(ToolRun { name, arguments, effect, maybe_ran, outputs, given }).await
                };
                calls.alive();
                let mut outcome = self.tool_outcome(result, calls.monotonic_ms().saturating_sub(started))?;
                outcome.tree = self.site.checkpoint().await?;
                outcome.ran_under = self.site.ran_under();
                self.record.end(&slot, outcome.clone()).await?;
                outcome
            }
        };
        self.ground.changed(outcome.tree.as_ref());
        self.take_result(at, arguments, &outcome)
    }

    /// The outcome of a tool for the record. What only stopped it is no outcome.
    fn tool_outcome(&self, result: Result<ToolResult, Failure>, duration_ms: u64) -> Result<CallOutcome, Failure> {
        match result {
            Ok(result) => {
                let text = if result.failed { format!("{ERROR}{}", result.text) } else { result.text };
                let kept = self.record.keep(text.as_bytes())?;
                let full = result.full.map(|whole| self.record.keep(&whole)).transpose()?;
                Ok(CallOutcome { full, ..outcome(Ok(kept), duration_ms) })
            }
            Err(stopped) if matches!(stopped.class, FailureClass::Interrupted | FailureClass::Cancelled) => {
                Err(stopped)
            }
            Err(failure) => Ok(outcome(Err(failure), duration_ms)),
        }
    }

    /// The text of an outcome for the model, with what the walk remembers of it.
    fn take_result(&mut self, at: usize, arguments: &Value, outcome: &CallOutcome) -> Result<String, Failure> {
        let mut text = self.record.text(&outcome.result.clone()?)?;
        let call = &self.pending.calls[at];
        let error = text.starts_with(ERROR);
        let action = Action {
            call: digest_of(&[&call.name, &arguments.to_string()]),
            result: Digest::of(text.as_bytes()),
            error,
        };
        if outcome.duration_ms < limits::WAITING_TOOL_MS && !self.facts.actions.contains(&action) {
            self.facts.actions.push(action);
        }
        if call.name == "read_file" && !error {
            self.facts.first_reads |= self.files_read.insert(word(arguments, "path").to_owned());
        }
        if text.is_empty() {
            text.push_str("(no output)");
        }
        if let Some(full) = &outcome.full {
            let handle = match full {
                Payload::Blob(blob) => blob.digest,
                Payload::Inline(bytes) => Digest::of(bytes),
            };
            self.outputs.insert(handle.to_hex(), full.clone());
        }
        Ok(text)
    }

    /// Makes the files those of the record, once, before the first call that uses them.
    pub(super) async fn make_ground_ready(&mut self) -> Result<(), Failure> {
        if self.restore_due {
            if let Some(tree) = &self.ground.tree {
                self.site.restore(tree).await?;
            }
            self.restore_due = false;
        }
        Ok(())
    }

    async fn ask_human(&mut self, arguments: &Value) -> Result<String, Failure> {
        let question = word(arguments, "question");
        let asked = Asked {
            kind: CallKind::Ask,
            label: OwnTool::AskHuman.name().to_owned(),
            input: digest_of(&[question]),
            shown: shown(question),
            effect: EffectClass::Idempotent,
        };
        self.to(Input::Ask)?;
        let slot = self.record.take(&asked)?;
        let Some(known) = &slot.known else { return Err(self.record.ask(&slot, &asked, question).await) };
        self.to(Input::Answered)?;
        match &known.result {
            Ok(payload) => self.record.text(payload),
            Err(refused) => Ok(format!("{ERROR}{}", refused.message)),
        }
    }

    async fn note(&mut self, at: usize, arguments: &Value) -> Result<String, Failure> {
        let asked = asked(&self.pending.calls[at], EffectClass::Pure, arguments);
        let slot = self.record.take(&asked)?;
        let outcome = match slot.known.clone() {
            Some(known) => known,
            None => {
                let outcome = outcome(Ok(self.record.keep(b"noted")?), 0);
                self.record.note(vec![(slot, asked, outcome.clone())]).await?;
                outcome
            }
        };
        self.notes.push(word(arguments, "text").to_owned());
        self.take_result(at, arguments, &outcome)
    }

    async fn commit(&mut self, at: usize, arguments: &Value) -> Result<String, Failure> {
        let outcome = self.committed(at, arguments, None).await?;
        self.take_result(at, arguments, &outcome)
    }

    /// The same, with a message that the work keeps when it is merged.
    async fn commit_and_push(&mut self, at: usize, arguments: &Value) -> Result<String, Failure> {
        let outcome = self.committed(at, arguments, Some(self.ground.name())).await?;
        let text = self.take_result(at, arguments, &outcome)?;
        if !text.starts_with(ERROR) {
            self.pushed = Some((self.ground.name(), word(arguments, "message").to_owned()));
        }
        Ok(text)
    }

    /// Commits the files, if they are not on record as committed. `push`: the present ones, which are refused when nothing is new.
    async fn committed(&mut self, at: usize, arguments: &Value, push: Option<String>) -> Result<CallOutcome, Failure> {
        let asked = Asked { kind: CallKind::Commit, ..asked(&self.pending.calls[at], EffectClass::Probed, arguments) };
        let slot = self.record.take(&asked)?;
        if let Some(known) = slot.known.clone() {
            return Ok(known);
        }
        self.make_ground_ready().await?;
        self.record.begin(&slot, &asked, Amounts::default()).await?;
        let started = self.record.calls().monotonic_ms();
        let refused = match &push {
            Some(files) => self.nothing_to_push(files).await?,
            None => None,
        };
        let result = match refused {
            Some(why) => Ok(ToolResult { text: why.to_owned(), failed: true, full: None }),
            None => self.site.commit(word(arguments, "message")).await.map(|id| {
                let merged = "; when the task is done it is merged into the project's branch under this message";
                let text = format!("committed as {id}{}", if push.is_some() { merged } else { "" });
                ToolResult { text, failed: false, full: None }
            }),
        };
        let duration_ms = self.record.calls().monotonic_ms().saturating_sub(started);
        let outcome = self.tool_outcome(result, duration_ms)?;
        self.record.end(&slot, outcome.clone()).await?;
        Ok(outcome)
    }

    /// Why the present `files` are not pushed.
    async fn nothing_to_push(&self, files: &str) -> Result<Option<&'static str>, Failure> {
        if !self.site.merges() {
            return Ok(Some("the work of this task is not merged, so that there is nothing to push to"));
        }
        if self.pushed.as_ref().is_some_and(|(before, _)| before == files) {
            return Ok(Some("nothing has changed since your last commit"));
        }
        Ok(self.site.changed_files().await?.is_empty().then_some("nothing has changed since you began"))
    }

    /// Takes an answer given by its tool.
    fn finish(&mut self, at: usize, value: Value) -> Result<(), Failure> {
        if let Err(faults) = self.signature.check(&value) {
            let faults = faults.join("; ");
            if self.turn.answer_refused() == Allowance::UsedUp {
                let message = format!("{} answers did not fit; the last: {faults}", self.turn.refused_answers);
                return Err(Failure::new(FailureClass::Malformed, message));
            }
            self.pending.results[at] =
                Some(format!("{ERROR}the answer does not fit: {faults}. Repair it and call finish again."));
            return self.close_exchange(Input::ToolsDone);
        }
        self.take_answer(Answered { value, call: Some(at) })
    }

    /// Puts the results behind their reply and goes on with `input`; the watch may have something to say to the model.
    pub(super) fn close_exchange(&mut self, input: Input) -> Result<(), Failure> {
        let pending = std::mem::take(&mut self.pending);
        for (call, result) in pending.calls.into_iter().zip(pending.results) {
            self.transcript.add(Message::Tool { id: call.id, text: result.unwrap_or_default() });
        }
        if let Some(text) = self.look_for_progress()? {
            self.transcript.add(Message::User { text });
        }
        self.to(input)
    }
}

fn asked(call: &ToolCall, effect: EffectClass, arguments: &Value) -> Asked {
    let text = arguments.to_string();
    Asked {
        kind: CallKind::Tool,
        label: call.name.clone(),
        input: digest_of(&[&call.name, &text]),
        shown: shown(&text),
        effect,
    }
}

fn word<'a>(arguments: &'a Value, key: &str) -> &'a str {
    arguments.get(key).and_then(Value::as_str).unwrap_or_default()
}

/// The whole outputs on record.
struct Recorded<'r> {
    outputs: &'r BTreeMap<String, Payload>,
    calls: &'r dyn Calls,
}

impl WholeOutputs for Recorded<'_> {
    fn whole(&self, handle: &str) -> Result<Option<Vec<u8>>, Failure> {
        self.outputs.get(handle).map(|kept| self.calls.read(kept)).transpose()
    }
}
