//! Answers from a file, chosen by role, task, attempt and turn: work without a network, demonstrations, tests. The form of the
//! file is told in [`script`].
//!
//! The same call gets the same answer, whenever it is sent. Only injected failures are counted, in this process: the first
//! times a turn is asked for it fails, then it is answered.

mod pattern;
pub mod script;

use std::collections::HashMap;
use std::io::Read as _;
use std::path::Path;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use serde_json::Value;

use self::pattern::captures;
use self::script::{Answer, Conversation, Script, ScriptError};
use super::{CallContext, Heard, ModelFailure, Provider, conversation};
use crate::agents::prices::Prices;
use crate::domain::chat::{ModelReply, ModelRequest, Stop, ToolCall};
use crate::domain::failure::{Failure, FailureClass};
use crate::domain::limits;

/// Most pieces in which an answer that takes its time is said.
const PIECES_OF_A_DELAY: usize = 40;

/// A provider that answers from a script.
pub struct Scripted {
    script: Script,
    prices: Prices,
    /// How often each call was sent.
    sends: Mutex<HashMap<CallContext, usize>>,
}

/// The answer for a call, and what the stars of its conversation stood for.
struct Chosen<'s> {
    answer: &'s Answer,
    stars: Vec<String>,
}

impl Scripted {
    /// Reads the script `text`; `origin` names it in messages.
    pub fn parse(origin: &str, text: &str) -> Result<Self, ScriptError> {
        let script = Script::parse(origin, text)?;
        Ok(Self { script, prices: Prices::default(), sends: Mutex::default() })
    }

    /// Reads the script at `path`.
    pub fn open(path: &Path) -> Result<Self, ScriptError> {
        let origin = path.display().to_string();
        let unreadable = |problem: String| ScriptError::Unreadable { origin: origin.clone(), problem };
        let file = std::fs::File::open(path).map_err(|error| unreadable(error.to_string()))?;
        let mut text = String::new();
        let bytes = file.take(limits::SCRIPT_BYTES + 1).read_to_string(&mut text);
        if bytes.map_err(|error| unreadable(error.to_string()))? as u64 > limits::SCRIPT_BYTES {
            return Err(unreadable(format!("it has more than {} bytes", limits::SCRIPT_BYTES)));
        }
        Self::parse(&origin, &text)
    }

    fn choose(&self, request: &ModelRequest, context: &CallContext) -> Result<Chosen<'_>, String> {
        let asked =
            format!("role {}, task {}, attempt {}, turn {}", context.role, context.task, context.attempt, context.turn);
        let fits = |conversation: &Conversation| {
            let attempt = conversation.attempt.is_none_or(|attempt| attempt == context.attempt);
            let named = captures(&conversation.role, &context.role).is_some()
                && captures(&conversation.model, &request.model).is_some();
            (attempt && named).then(|| captures(&conversation.task, &context.task)).flatten()
        };
        let found = self.script.conversations.iter().find_map(|found| Some((found, fits(found)?)));
        let Some((conversation, stars)) = found else {
            let there: Vec<String> = self.script.conversations.iter().map(named).collect();
            let there = if there.is_empty() { "nothing".to_owned() } else { there.join("; ") };
            return Err(format!("{} has no answer for {asked}; it has: {there}", self.script.origin));
        };
        let mut turns = 0;
        for answer in &conversation.answers {
            turns += u64::from(answer.repeat);
            if u64::from(context.turn) <= turns {
                return Ok(Chosen { answer, stars });
            }
        }
        let named = named(conversation);
        Err(format!("{} has no answer for {asked}; its conversation for {named} has {turns} turns", self.script.origin))
    }

    /// How often this call was sent before.
    fn count(&self, context: &CallContext) -> usize {
        let mut sends = self.sends.lock().unwrap_or_else(PoisonError::into_inner);
        let count = sends.entry(context.clone()).or_default();
        *count += 1;
        *count - 1
    }
}

#[async_trait]
impl Provider for Scripted {
    async fn complete(
        &self,
        request: &ModelRequest,
        context: &CallContext,
        heard: Heard<'_>,
    ) -> Result<ModelReply, ModelFailure> {
        let refused = |what: String| ModelFailure {
            failure: Failure::new(FailureClass::BadRequest, format!("{}: {what}", request.model)),
            sent: false,
            usage: None,
            partial: String::new(),
        };
        if let Some(problem) = conversation::problem(&request.messages) {
            return Err(refused(format!("the conversation is broken: {problem}")));
        }
        let Chosen { answer, stars } = self.choose(request, context).map_err(refused)?;
        let delay = Duration::from_millis(answer.delay_ms);
        if !answer.fails.is_empty()
            && let Some(fault) = answer.fails.get(self.count(context))
        {
            pass(delay).await;
            heard("");
            let usage = fault.sent.then(|| self.prices.guess(request, fault.partial.len()));
            let partial = fault.partial.clone();
            return Err(ModelFailure { failure: fault.failure.clone(), sent: fault.sent, usage, partial });
        }
        let fill = |text: &str| filled(text, context, &stars);
        let text = fill(&answer.text);
        say(&text, delay, heard).await;
        let calls: Vec<ToolCall> = answer
            .calls
            .iter()
            .enumerate()
            .map(|(at, (name, arguments))| {
                let arguments = match arguments {
                    Value::String(text) => fill(text),
                    other => filled_value(other, &fill).to_string(),
                };
                ToolCall { id: format!("call_{}_{at}", context.turn), name: name.clone(), arguments }
            })
            .collect();
        let usual = if calls.is_empty() { Stop::Answered } else { Stop::CalledTools };
        let reply_bytes = text.len() + calls.iter().map(|call| call.arguments.len()).sum::<usize>();
        let usage = answer.usage.unwrap_or_else(|| self.prices.guess(request, reply_bytes));
        let stop = answer.stop.unwrap_or(usual);
        Ok(ModelReply { text, calls, stop, usage, served_by: request.model.clone() })
    }
}

/// Waits so long; not at all where nothing is to be waited for, with or without a runtime.
async fn pass(delay: Duration) {
    if !delay.is_zero() {
        tokio::time::sleep(delay).await;
    }
}

/// Says `text` as a model does, a few words at a time, so that it takes `delay`; without one it is said at once.
async fn say(text: &str, delay: Duration, heard: Heard<'_>) {
    let words: Vec<&str> = text.split_inclusive(char::is_whitespace).collect();
    let pieces: Vec<&[&str]> = words.chunks(words.len().div_ceil(PIECES_OF_A_DELAY).max(1)).collect();
    if delay.is_zero() || pieces.is_empty() {
        pass(delay).await;
        return heard(text);
    }
    for piece in &pieces {
        tokio::time::sleep(delay / pieces.len() as u32).await;
        heard(&piece.concat());
    }
}

/// What a conversation is for, in messages.
fn named(conversation: &Conversation) -> String {
    let attempt = conversation.attempt.map(|attempt| format!(", attempt {attempt}")).unwrap_or_default();
    format!("role {}, task {}{attempt}", conversation.role, conversation.task)
}

/// `text` with what stands in double braces replaced where it is known.
fn filled(text: &str, context: &CallContext, stars: &[String]) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find("{{") {
        let inside = rest[at + 2..].find("}}").map(|end| &rest[at + 2..at + 2 + end]);
        let value = inside.and_then(|inside| match inside.trim() {
            "task" => Some(context.task.clone()),
            "role" => Some(context.role.clone()),
            "project" => Some(context.project.clone()),
            "attempt" => Some(context.attempt.to_string()),
            "turn" => Some(context.turn.to_string()),
            number => stars.get(number.parse::<usize>().ok()?.checked_sub(1)?).cloned(),
        });
        out.push_str(&rest[..at]);
        match (value, inside) {
            (Some(value), Some(inside)) => {
                out.push_str(&value);
                rest = &rest[at + inside.len() + 4..];
            }
            (None, _) | (_, None) => {
                out.push_str("{{");
                rest = &rest[at + 2..];
            }
        }
    }
    out.push_str(rest);
    out
}

fn filled_value(value: &Value, fill: &impl Fn(&str) -> String) -> Value {
    match value {
        Value::String(text) => Value::String(fill(text)),
        Value::Array(items) => items.iter().map(|item| filled_value(item, fill)).collect(),
        Value::Object(fields) => {
            Value::Object(fields.iter().map(|(name, value)| (name.clone(), filled_value(value, fill))).collect())
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => value.clone(),
    }
}

#[cfg(test)]
mod tests;
