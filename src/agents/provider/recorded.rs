//! Answers from what a finished project recorded: the same requests get the same replies and failures, in the same order. A
//! request that differs from the recorded one is refused and says which call it was and where it differs first.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use async_trait::async_trait;

use super::{CallContext, Heard, ModelFailure, Provider};
use crate::domain::chat::{ModelReply, ModelRequest, Usage};
use crate::domain::failure::{Failure, FailureClass};
use crate::domain::ids::Digest;

/// Characters shown on either side of the first difference.
const SHOWN_CHARS: usize = 40;

/// One recorded call of a model.
#[derive(Debug, Clone, PartialEq)]
pub struct RecordedExchange {
    /// The digest of its request.
    pub request: Digest,
    /// The request's JSON text, when it is still known; without it a difference is named by its call alone.
    pub text: Option<String>,
    /// How it ended.
    pub outcome: Result<ModelReply, Failure>,
    /// What a failed call used.
    pub usage: Option<Usage>,
}

/// A provider that answers from records.
pub struct Recorded {
    exchanges: BTreeMap<(String, u32), Vec<RecordedExchange>>,
    /// How many exchanges of a task's attempt have been given.
    given: Mutex<BTreeMap<(String, u32), usize>>,
}

impl Recorded {
    /// The exchanges of each task and attempt, in their order.
    pub fn new(exchanges: BTreeMap<(String, u32), Vec<RecordedExchange>>) -> Self {
        Self { exchanges, given: Mutex::default() }
    }

    fn next(&self, request: &ModelRequest, context: &CallContext) -> Result<&RecordedExchange, String> {
        let key = (context.task.clone(), context.attempt);
        let place = format!("task {}, attempt {}", context.task, context.attempt);
        let Some(exchanges) = self.exchanges.get(&key) else {
            return Err(format!("nothing is recorded for {place}"));
        };
        let digest = request.digest();
        let mut given = self.given.lock().unwrap_or_else(PoisonError::into_inner);
        // A resumed replay has read the first calls back from its own journal and begins behind them.
        let begin = || exchanges.iter().position(|exchange| exchange.request == digest).unwrap_or(0);
        let at = given.get(&key).copied().unwrap_or_else(begin);
        let Some(exchange) = exchanges.get(at) else {
            return Err(format!("call {} of {place} is one more than the {} recorded", at + 1, exchanges.len()));
        };
        if exchange.request != digest {
            let asked = serde_json::to_string(request).unwrap_or_default();
            let place = format!("call {} of {place} differs from the recorded one", at + 1);
            return Err(match &exchange.text {
                Some(recorded) => format!("{place} {}", difference(recorded, &asked)),
                None => format!("{place}: its digest is {digest}, recorded is {}", exchange.request),
            });
        }
        given.insert(key, at + 1);
        Ok(exchange)
    }
}

#[async_trait]
impl Provider for Recorded {
    async fn complete(
        &self,
        request: &ModelRequest,
        context: &CallContext,
        heard: Heard<'_>,
    ) -> Result<ModelReply, ModelFailure> {
        let failed = |failure, usage: Option<Usage>| ModelFailure {
            failure,
            sent: usage.is_some(),
            usage,
            partial: String::new(),
        };
        let exchange = self
            .next(request, context)
            .map_err(|what| failed(Failure::new(FailureClass::Diverged, format!("{}: {what}", request.model)), None))?;
        heard("");
        exchange.outcome.clone().map_err(|failure| failed(failure, exchange.usage))
    }
}

/// Where two texts differ first, with what stands there.
fn difference(recorded: &str, asked: &str) -> String {
    let same = recorded.chars().zip(asked.chars()).take_while(|(one, other)| one == other).count();
    let around =
        |text: &str| -> String { text.chars().skip(same.saturating_sub(SHOWN_CHARS)).take(2 * SHOWN_CHARS).collect() };
    format!("from character {} on: recorded {:?}, asked {:?}", same + 1, around(recorded), around(asked))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::chat::{Message, Stop};

    fn request(text: &str) -> ModelRequest {
        ModelRequest {
            model: "recorded/x".into(),
            messages: vec![Message::User { text: text.into() }],
            tools: Vec::new(),
            answer: None,
            max_output_tokens: 10,
            temperature: None,
        }
    }

    fn exchange(text: &str, outcome: Result<&str, FailureClass>) -> RecordedExchange {
        let reply = |text: &str| ModelReply {
            text: text.into(),
            calls: Vec::new(),
            stop: Stop::Answered,
            usage: Usage::default(),
            served_by: "m".into(),
        };
        RecordedExchange {
            request: request(text).digest(),
            text: Some(serde_json::to_string(&request(text)).unwrap()),
            outcome: outcome.map(reply).map_err(|class| Failure::new(class, "recorded")),
            usage: None,
        }
    }

    fn recorded() -> Recorded {
        let exchanges = vec![
            exchange("one", Err(FailureClass::Overloaded)),
            exchange("one", Ok("first")),
            exchange("two", Ok("second")),
        ];
        Recorded::new(BTreeMap::from([(("t".to_owned(), 1), exchanges)]))
    }

    async fn ask(provider: &Recorded, text: &str, task: &str) -> Result<String, Failure> {
        let context = CallContext { project: "p".into(), task: task.into(), role: "r".into(), attempt: 1, turn: 1 };
        let result = provider.complete(&request(text), &context, &|_| {}).await;
        result.map(|reply| reply.text).map_err(|failed| failed.failure)
    }

    #[tokio::test]
    async fn replies_and_failures_come_in_their_order() {
        let provider = recorded();
        assert_eq!(ask(&provider, "one", "t").await.unwrap_err().class, FailureClass::Overloaded);
        assert_eq!(ask(&provider, "one", "t").await.unwrap(), "first");
        assert_eq!(ask(&provider, "two", "t").await.unwrap(), "second");
        let more = ask(&provider, "two", "t").await.unwrap_err().message;
        assert!(more.contains("call 4 of task t, attempt 1 is one more than the 3 recorded"), "{more}");
        let other = ask(&provider, "two", "u").await.unwrap_err();
        assert!(other.message.contains("nothing is recorded for task u") && other.class == FailureClass::Diverged);
    }

    #[tokio::test]
    async fn the_first_difference_is_shown() {
        let provider = recorded();
        ask(&provider, "one", "t").await.unwrap_err();
        let failure = ask(&provider, "onward", "t").await.unwrap_err();
        assert_eq!(failure.class, FailureClass::Diverged);
        assert!(failure.message.contains("call 2 of task t, attempt 1 differs"), "{failure}");
        assert!(failure.message.contains("from character 60 on") && failure.message.contains("onward"), "{failure}");
        assert_eq!(ask(&provider, "one", "t").await.unwrap(), "first", "a refused call is not given away");
    }

    #[tokio::test]
    async fn a_resumed_replay_begins_where_its_journal_ends() {
        let provider = recorded();
        assert_eq!(ask(&provider, "two", "t").await.unwrap(), "second");
    }
}
