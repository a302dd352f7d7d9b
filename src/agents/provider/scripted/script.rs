//! The file of a scripted provider: conversations, each for the tasks it names, each a list of answers.
//!
//! ```yaml
//! conversations:
//!   - role: planner
//!     turns:
//!       - json: {tasks: [{name: parser}, {name: printer}]}
//!   - role: implementer
//!     task: build-*                     # `*` stands for any text; {{ 1 }} below is what it stood for
//!     turns:
//!       - say: I begin with the file.
//!         calls:
//!           - write: {path: "src/{{ 1 }}.rs", content: "//! {{ 1 }}\n"}
//!       - fails: [{class: rate-limited, retry_after: 2s}]   # the first time it is asked
//!         calls: [{run: {command: cargo check}}]
//!         repeat: 2                     # the same answer for two turns
//!       - say: Done.
//!         usage: {input: 900, cached: 800, output: 20, usd: 0.01}
//! ```
//!
//! The first conversation that fits role, task, attempt and model is taken. In texts and arguments `{{ task }}`, `{{ role }}`,
//! `{{ project }}`, `{{ attempt }}`, `{{ turn }}` and `{{ 1 }}`, `{{ 2 }}`, … are replaced; anything else in braces stays.

use std::str::FromStr as _;

use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use crate::agents::prices::usd_micros;
use crate::domain::chat::{Stop, Usage};
use crate::domain::failure::{Failure, FailureClass};
use crate::domain::limits;
use crate::domain::time::parse_duration;
use crate::domain::workflow::read_data;

/// What is wrong with a script.
#[derive(Debug, thiserror::Error)]
pub enum ScriptError {
    /// It cannot be read.
    #[error("cannot read the scripted answers {origin}: {problem}")]
    Unreadable {
        /// The file.
        origin: String,
        /// Why.
        problem: String,
    },
    /// It is not YAML; the message shows the place.
    #[error("the scripted answers are not YAML\n{0}")]
    Syntax(String),
    /// Something in it is not as it must be.
    #[error("the scripted answers {origin}, {place}: {problem}")]
    Malformed {
        /// The file.
        origin: String,
        /// The conversation and the turn, counted from 1.
        place: String,
        /// What is wrong.
        problem: String,
    },
}

/// A whole file.
#[derive(Debug)]
pub(super) struct Script {
    pub origin: String,
    pub conversations: Vec<Conversation>,
}

/// The answers for some tasks.
#[derive(Debug)]
pub(super) struct Conversation {
    pub role: String,
    pub task: String,
    pub attempt: Option<u32>,
    pub model: String,
    pub answers: Vec<Answer>,
}

/// One answer.
#[derive(Debug)]
pub(super) struct Answer {
    pub text: String,
    pub calls: Vec<(String, Value)>,
    pub stop: Option<Stop>,
    pub usage: Option<Usage>,
    pub delay_ms: u64,
    /// For how many turns it is given.
    pub repeat: u32,
    /// What happens the first times it is asked for.
    pub fails: Vec<Fault>,
}

/// An injected failure.
#[derive(Debug)]
pub(super) struct Fault {
    pub failure: Failure,
    pub sent: bool,
    pub partial: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FileForm {
    conversations: Vec<Value>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ConversationForm {
    #[serde(default = "any")]
    role: String,
    #[serde(default = "any")]
    task: String,
    attempt: Option<u32>,
    #[serde(default = "any")]
    model: String,
    turns: Vec<Value>,
}

fn any() -> String {
    "*".to_owned()
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct AnswerForm {
    say: Option<String>,
    json: Option<Value>,
    #[serde(default)]
    calls: Vec<Map<String, Value>>,
    stop: Option<Stop>,
    usage: Option<UsageForm>,
    #[serde(default)]
    delay_ms: u64,
    #[serde(default = "once")]
    repeat: u32,
    #[serde(default)]
    fails: Vec<FaultForm>,
}

fn once() -> u32 {
    1
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct UsageForm {
    input: u64,
    #[serde(default)]
    cached: u64,
    output: u64,
    #[serde(default)]
    reasoning: u64,
    #[serde(default)]
    usd: f64,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FaultForm {
    class: String,
    message: Option<String>,
    retry_after: Option<String>,
    #[serde(default)]
    sent: bool,
    #[serde(default)]
    partial: String,
}

impl Script {
    /// Reads a script; `origin` names it in messages.
    pub(super) fn parse(origin: &str, text: &str) -> Result<Self, ScriptError> {
        let data = read_data(origin, text).map_err(|problems| ScriptError::Syntax(problems.to_string()))?;
        let place = Place { origin, conversation: 0, turn: 0 };
        let file: FileForm = place.read(data)?;
        let mut conversations = Vec::new();
        for (at, value) in file.conversations.into_iter().enumerate() {
            conversations.push(conversation(value, Place { conversation: at + 1, ..place })?);
        }
        Ok(Self { origin: origin.to_owned(), conversations })
    }
}

fn conversation(value: Value, place: Place<'_>) -> Result<Conversation, ScriptError> {
    let form: ConversationForm = place.read(value)?;
    let mut answers = Vec::new();
    for (at, value) in form.turns.into_iter().enumerate() {
        answers.push(answer(value, Place { turn: at + 1, ..place })?);
    }
    Ok(Conversation { role: form.role, task: form.task, attempt: form.attempt, model: form.model, answers })
}

fn answer(value: Value, place: Place<'_>) -> Result<Answer, ScriptError> {
    let form: AnswerForm = place.read(value)?;
    let mut calls = Vec::new();
    for call in form.calls {
        let mut pairs = call.into_iter();
        match (pairs.next(), pairs.next()) {
            (Some((name, Value::Object(arguments))), None) => calls.push((name, Value::Object(arguments))),
            // Not an object: for what a model writes that cannot be used.
            (Some((name, Value::String(text))), None) => calls.push((name, Value::String(text))),
            (Some((name, Value::Null)), None) => calls.push((name, Value::Object(Map::new()))),
            _ => return Err(place.wrong("a call is one tool with its arguments: `- read: {path: a.txt}`")),
        }
    }
    let text = match (form.say, form.json) {
        (Some(_), Some(_)) => return Err(place.wrong("an answer has `say` or `json`, not both")),
        (Some(text), None) => text,
        (None, Some(value)) => value.to_string(),
        (None, None) => String::new(),
    };
    if form.delay_ms > limits::DURATION_MS || form.repeat == 0 {
        return Err(place.wrong("`delay_ms` is too long, or `repeat` is 0"));
    }
    let fails = form.fails.into_iter().map(|form| fault(form, place)).collect::<Result<_, _>>()?;
    let usage = form.usage.map(|form| usage(&form, place)).transpose()?;
    Ok(Answer { text, calls, stop: form.stop, usage, delay_ms: form.delay_ms, repeat: form.repeat, fails })
}

fn usage(form: &UsageForm, place: Place<'_>) -> Result<Usage, ScriptError> {
    if form.cached > form.input || form.reasoning > form.output {
        return Err(place.wrong("cached tokens are part of the input, reasoning is part of the output"));
    }
    Ok(Usage {
        input_tokens: form.input,
        cached_tokens: form.cached,
        output_tokens: form.output,
        reasoning_tokens: form.reasoning,
        usd_micros: usd_micros(form.usd).map_err(|usd| place.wrong(&format!("{usd} is no amount of money")))?,
        estimated: false,
    })
}

fn fault(form: FaultForm, place: Place<'_>) -> Result<Fault, ScriptError> {
    let class = FailureClass::from_str(&form.class).map_err(|()| {
        let names: Vec<&str> = FailureClass::ALL.iter().map(|class| class.name()).collect();
        place.wrong(&format!("{:?} is no class of failure; there are {}", form.class, names.join(", ")))
    })?;
    let retry_after_ms = match &form.retry_after {
        None => None,
        Some(text) => {
            Some(parse_duration(text).ok_or_else(|| place.wrong(&format!("{text:?} is no duration, as `5s` is")))?)
        }
    };
    let message = form.message.unwrap_or_else(|| format!("a scripted failure of class {class}"));
    Ok(Fault { failure: Failure { class, message, retry_after_ms }, sent: form.sent, partial: form.partial })
}

/// Where in a file something stands.
#[derive(Clone, Copy)]
struct Place<'p> {
    origin: &'p str,
    conversation: usize,
    turn: usize,
}

impl Place<'_> {
    fn read<T: DeserializeOwned>(self, value: Value) -> Result<T, ScriptError> {
        serde_json::from_value(value).map_err(|error| self.wrong(&error.to_string()))
    }

    fn wrong(self, problem: &str) -> ScriptError {
        let place = match (self.conversation, self.turn) {
            (0, _) => "at the top".to_owned(),
            (conversation, 0) => format!("conversation {conversation}"),
            (conversation, turn) => format!("conversation {conversation}, turn {turn}"),
        };
        ScriptError::Malformed { origin: self.origin.to_owned(), place, problem: problem.to_owned() }
    }
}
