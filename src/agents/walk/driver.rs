//! The loop of a walk: what the machine of the conversation asks for is done, what came of it is put to the machine.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::embedding::bought;
use super::hands::Schemas;
use super::models::{History, Models, Policy, needs_waiting};
use super::order::{AgentEnd, AgentOrder, Artifact};
use super::prompt::{self, Pinned};
use super::record::{Asked, Record, digest_of, outcome};
use super::stuck::{Facts, Verdict, Watch};
use super::transcript::{Gauge, Transcript};
use super::worksite::{Asks, CheckReport, Worksite};
use crate::agents::calls::Calls;
use crate::agents::signatures::Signature;
use crate::domain::call::CallKind;
use crate::domain::chat::{Message, ModelReply, Stop, ToolCall, Usage};
use crate::domain::failure::{Failure, FailureClass};
use crate::domain::limits;
use crate::domain::machine::TurnState;
use crate::domain::machine::agent_turn::{Allowance, Input, Turn};
use crate::domain::payload::Payload;
use crate::domain::workflow::EffectClass;

const GO_ON: &str = "Your reply was cut at its length limit. Go on exactly where it ended.";
const NOTHING_SAID: &str = "Your reply was empty. Call a tool, or `finish` with your result.";
const ONLY_TEXT: &str =
    "You called no tool, and nobody reads text alone. Go on with a tool, or call `finish` with your result.";

/// Walks one attempt to its end, or to where it cannot go on for now. Dropping the future stops it; whatever is on record stays.
pub async fn run(order: &AgentOrder, calls: &dyn Calls, models: &dyn Models, site: &dyn Worksite) -> AgentEnd {
    match Walk::begin(order, calls, models, site).await {
        Ok(mut walk) => walk.run_out().await,
        Err(failure) => AgentEnd {
            state: if goes_on(&failure) { TurnState::AwaitingModel } else { TurnState::Failed },
            answer: Err(failure),
            tree: None,
            artifacts: Vec::new(),
            message: None,
            usage: Usage::default(),
            turns: 0,
        },
    }
}

/// The files as the walk knows them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Ground {
    pub(super) tree: Option<String>,
    /// Where no trees are kept: calls that may have changed files.
    changes: u64,
}

impl Ground {
    /// What the present files are told apart by.
    pub(super) fn name(&self) -> String {
        self.tree.clone().unwrap_or_else(|| format!("change {}", self.changes))
    }

    /// A call that may have changed files is over.
    pub(super) fn changed(&mut self, tree: Option<&String>) {
        match tree {
            Some(tree) => self.tree = Some(tree.clone()),
            None => self.changes += 1,
        }
    }
}

/// An answer that fits, and the call that gave it (`None`: it came as text).
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Answered {
    pub(super) value: Value,
    pub(super) call: Option<usize>,
}

/// A reply whose tools are due, and their results.
#[derive(Debug, Default)]
pub(super) struct Pending {
    pub(super) calls: Vec<ToolCall>,
    pub(super) results: Vec<Option<String>>,
    /// The reply was cut at its output limit.
    pub(super) cut: bool,
}

pub(super) struct Walk<'w> {
    pub(super) order: &'w AgentOrder,
    pub(super) record: Record<'w>,
    pub(super) models: &'w dyn Models,
    pub(super) site: &'w dyn Worksite,
    pub(super) signature: &'static Signature,
    pub(super) pinned: Pinned,
    pub(super) policy: Policy,
    pub(super) turn: Turn,
    pub(super) transcript: Transcript,
    pub(super) gauge: Gauge,
    pub(super) history: History,
    pub(super) usage: Usage,
    pub(super) ground: Ground,
    /// The files may not be those of the record: they are restored before they are used.
    pub(super) restore_due: bool,
    pub(super) watch: Watch,
    pub(super) facts: Facts,
    pub(super) pending: Pending,
    pub(super) schemas: Schemas,
    pub(super) answered: Option<Answered>,
    /// Text of a reply that was cut and is being continued.
    pub(super) so_far: String,
    /// The files for which the checks were green.
    pub(super) green_at: Option<String>,
    pub(super) last_report: Option<CheckReport>,
    pub(super) notes: Vec<String>,
    /// The files that were pushed last, and the message.
    pub(super) pushed: Option<(String, String)>,
    pub(super) files_read: BTreeSet<String>,
    /// Whole outputs of results that were cut, by their digest.
    pub(super) outputs: BTreeMap<String, Payload>,
    /// How often the request for a summary itself was too long.
    pub(super) squeezed: u32,
    /// The last failure of a model was read back.
    pub(super) ended_here: bool,
}

impl<'w> Walk<'w> {
    /// Pins what the conversation starts from, or reads it back: the first call, but for vectors that memory is asked with.
    async fn begin(
        order: &'w AgentOrder,
        calls: &'w dyn Calls,
        models: &'w dyn Models,
        site: &'w dyn Worksite,
    ) -> Result<Self, Failure> {
        let mut record = Record::new(calls);
        let resumed = record.peek().is_some();
        let input = prompt::digest_of(order);
        let bought = bought(&mut record, site, Asks::Brief, input, order.limits, Usage::default()).await?;
        let asked = Asked {
            kind: CallKind::Prompt,
            label: order.role.name.clone(),
            input,
            shown: order.task.clone(),
            effect: EffectClass::Pure,
        };
        let slot = record.take(&asked)?;
        let ix = slot.ix;
        let known = match slot.known.clone() {
            Some(known) => known,
            None => {
                let started = calls.monotonic_ms();
                let signature = signature(&order.role.output)?;
                let wanted: Vec<String> = order.role.tools.clone();
                let offered = site.tools(&not_own(&wanted)).await?;
                let pinned = Pinned::new(order, signature, offered, &site.brief(bought.given).await?)?;
                let kept = record.keep_json(&pinned)?;
                let mut made = outcome(Ok(kept), calls.monotonic_ms().saturating_sub(started));
                made.tree = site.checkpoint().await?;
                record.note(vec![(slot, asked, made.clone())]).await?;
                made
            }
        };
        let pinned: Pinned = record.json(ix, &known.result?)?;
        let ground = Ground { tree: known.tree, changes: 0 };
        let no_progress = pinned.limits.no_progress_turns.unwrap_or(limits::NO_PROGRESS_TURNS);
        Ok(Self {
            order,
            record,
            models,
            site,
            signature: signature(&pinned.output)?,
            // The order's models win over the pinned ones: a fork may go on with others. Calls on record keep theirs.
            policy: Policy { role: order.role.name.clone(), models: prompt::models_of(order, &pinned.models) },
            turn: Turn::default(),
            transcript: Transcript::new(pinned.messages()),
            gauge: Gauge::default(),
            history: History::default(),
            usage: bought.usage.unwrap_or_default(),
            watch: Watch::new(ground.name(), no_progress),
            ground,
            restore_due: resumed,
            pinned,
            facts: Facts::default(),
            pending: Pending::default(),
            schemas: Schemas::default(),
            answered: None,
            so_far: String::new(),
            green_at: None,
            last_report: None,
            notes: Vec::new(),
            pushed: None,
            files_read: BTreeSet::new(),
            outputs: BTreeMap::new(),
            squeezed: 0,
            ended_here: false,
        })
    }

    async fn run_out(&mut self) -> AgentEnd {
        let mut artifacts = Vec::new();
        let answer = match self.conversation().await {
            Ok(answer) => self.hand_over(&answer).await.map(|kept| {
                artifacts = kept;
                answer
            }),
            Err(failure) => Err(self.ended_by(failure)),
        };
        AgentEnd {
            answer,
            state: self.turn.state(),
            tree: self.ground.tree.clone(),
            artifacts,
            message: self.pushed.take().map(|(_, message)| message),
            usage: self.usage,
            turns: self.turn.turns,
        }
    }

    /// Keeps what the answer says. A walk that was only read back has used no file yet: what is taken from here must be the files
    /// of the record all the same.
    async fn hand_over(&mut self, answer: &Value) -> Result<Vec<Artifact>, Failure> {
        let kept = self.keep_artifacts(answer).await?;
        self.make_ground_ready().await?;
        Ok(kept)
    }

    /// Brings the machine to where `failure` leads. What goes on later stays where it is.
    fn ended_by(&mut self, failure: Failure) -> Failure {
        if goes_on(&failure) || self.turn.state().is_terminal() {
            return failure;
        }
        let input = if failure.class == FailureClass::Stuck { Input::Stuck } else { Input::Fail };
        match self.to(input) {
            Ok(()) => failure,
            Err(defect) => defect,
        }
    }

    async fn conversation(&mut self) -> Result<Value, Failure> {
        loop {
            match self.turn.state() {
                TurnState::AwaitingModel => self.ask_model().await?,
                TurnState::Compacting => self.compact().await?,
                TurnState::AwaitingTools => self.use_tools().await?,
                TurnState::Checking => self.show_evidence().await?,
                TurnState::Done => {
                    return self
                        .answered
                        .take()
                        .map(|answered| answered.value)
                        .ok_or_else(|| defect("DONE without an answer"));
                }
                state @ (TurnState::Asking | TurnState::Stuck | TurnState::Failed) => {
                    return Err(defect(&format!("the conversation goes on in {state}")));
                }
            }
        }
    }

    /// Puts an input to the machine. One that is illegal is a defect of the walk, and ends it.
    pub(super) fn to(&mut self, input: Input) -> Result<(), Failure> {
        self.turn.take(input).map(drop).map_err(|illegal| defect(&illegal.to_string()))
    }

    /// Takes a reply in: its place in the transcript, and what follows from it.
    pub(super) fn take_reply(&mut self, reply: ModelReply) -> Result<(), Failure> {
        self.turn.replied();
        let cut = reply.stop == Stop::AtLimit;
        let calls = distinct(reply.calls);
        if reply.text.trim().is_empty() && calls.is_empty() {
            self.transcript.push(None);
            return self.tell(NOTHING_SAID.to_owned(), FailureClass::EmptyReply);
        }
        self.transcript.push(Some(Message::Assistant { text: reply.text.clone(), calls: calls.clone() }));
        if !calls.is_empty() {
            self.so_far.clear();
            self.turn.cut = 0;
            self.pending = Pending { results: vec![None; calls.len()], calls, cut };
            return self.to(Input::CallsTools);
        }
        self.so_far.push_str(&reply.text);
        if cut {
            return self.continue_text();
        }
        let text = std::mem::take(&mut self.so_far);
        self.take_text(&text)
    }

    fn continue_text(&mut self) -> Result<(), Failure> {
        if self.turn.cut_off() == Allowance::UsedUp {
            let message = format!("the reply was still not complete after {} continuations", limits::CONTINUATIONS);
            return Err(Failure::new(FailureClass::Truncated, message));
        }
        self.transcript.add(Message::User { text: GO_ON.to_owned() });
        self.to(Input::GoOn)
    }

    /// A reply without calls: an answer if it is one, else the model is reminded of its tools.
    fn take_text(&mut self, text: &str) -> Result<(), Failure> {
        if let Some(value) = json_in(text)
            && self.signature.check(&value).is_ok()
        {
            self.turn.usable();
            return self.take_answer(Answered { value, call: None });
        }
        self.facts.only_text = true;
        if let Some(nudge) = self.look_for_progress()? {
            self.turn.malformed += 1;
            self.transcript.add(Message::User { text: nudge });
            return self.to(Input::Tell);
        }
        self.tell(ONLY_TEXT.to_owned(), FailureClass::Malformed)
    }

    /// Tells the model that its reply cannot be used, at most so many times in a row.
    fn tell(&mut self, text: String, class: FailureClass) -> Result<(), Failure> {
        if self.turn.unusable() == Allowance::UsedUp {
            let message = format!("{} replies in a row could not be used; the last time: {text}", self.turn.malformed);
            return Err(Failure::new(class, message));
        }
        self.transcript.add(Message::User { text });
        self.to(Input::Tell)
    }

    /// What the watch says of the reply that is over: nothing, a text for the model, or that the attempt ends.
    pub(super) fn look_for_progress(&mut self) -> Result<Option<String>, Failure> {
        let mut facts = std::mem::take(&mut self.facts);
        facts.files = self.ground.name();
        match self.watch.observe(facts) {
            Verdict::Fine => Ok(None),
            Verdict::Told(text) => Ok(Some(text)),
            Verdict::Stuck(message) => Err(Failure::new(FailureClass::Stuck, message)),
        }
    }

    /// Keeps what the answer says for people; all of it is on record at once.
    async fn keep_artifacts(&mut self, answer: &Value) -> Result<Vec<Artifact>, Failure> {
        let (mut artifacts, mut made) = (Vec::new(), Vec::new());
        for (name, content) in self.signature.artifacts(answer) {
            let asked = Asked {
                kind: CallKind::Artifact,
                label: name.to_owned(),
                input: digest_of(&[name, &content]),
                shown: String::new(),
                effect: EffectClass::Pure,
            };
            let slot = self.record.take(&asked)?;
            let content = match slot.known.clone() {
                Some(known) => known.result?,
                None => {
                    let kept = self.record.keep(content.as_bytes())?;
                    made.push((slot, asked, outcome(Ok(kept.clone()), 0)));
                    kept
                }
            };
            artifacts.push(Artifact { name: name.to_owned(), content });
        }
        self.record.note(made).await?;
        Ok(artifacts)
    }
}

/// Whether the same attempt is taken up again after `failure`.
fn goes_on(failure: &Failure) -> bool {
    failure.class == FailureClass::Interrupted || needs_waiting(failure.class)
}

fn signature(name: &str) -> Result<&'static Signature, Failure> {
    Signature::named(name).ok_or_else(|| {
        Failure::new(FailureClass::Internal, format!("the role answers with {name:?}, and there is no such signature"))
    })
}

/// The names of tools that the worksite has to have.
fn not_own(names: &[String]) -> Vec<String> {
    names.iter().filter(|name| super::own_tools::OwnTool::named(name).is_none()).cloned().collect()
}

/// The same calls with ids that differ: what a model gave twice or not at all gets its position.
pub(super) fn distinct(mut calls: Vec<ToolCall>) -> Vec<ToolCall> {
    let mut taken: BTreeSet<String> = BTreeSet::new();
    for (at, call) in calls.iter_mut().enumerate() {
        while call.id.is_empty() || taken.contains(&call.id) {
            call.id = format!("{}call_{at}", call.id);
        }
        taken.insert(call.id.clone());
    }
    calls
}

/// The JSON object that a text is, in a code block or bare.
fn json_in(text: &str) -> Option<Value> {
    let text = text.trim();
    let fenced = text.strip_prefix("```").and_then(|rest| rest.strip_suffix("```"));
    let inner = fenced.map_or(text, |inside| inside.strip_prefix("json").unwrap_or(inside));
    serde_json::from_str::<Value>(inner.trim()).ok().filter(Value::is_object)
}

pub(super) fn defect(message: &str) -> Failure {
    Failure::new(FailureClass::Internal, format!("a defect of the agent's walk: {message}"))
}
