//! Known secrets kept out of what models are sent, and out of what comes back.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::sync::Arc;

use crate::agents::provider::ModelFailure;
use crate::domain::chat::{Message, ModelReply, ModelRequest};
use crate::domain::failure::Failure;
use crate::telemetry::mask::Masker;

/// The request without known secrets, and the names of those that were in it.
pub(super) fn request<'r>(masks: &[Masker; 2], request: &'r ModelRequest) -> (Cow<'r, ModelRequest>, Vec<String>) {
    let mut names: BTreeSet<Arc<str>> = BTreeSet::new();
    let mut masked = Cow::Borrowed(request);
    for masker in masks.iter().filter(|masker| !masker.is_empty()) {
        let found: BTreeSet<Arc<str>> = texts_of(&masked).flat_map(|text| masker.names_in(text.as_bytes())).collect();
        if !found.is_empty() {
            names.extend(found);
            clean(masker, masked.to_mut());
        }
    }
    (masked, names.iter().map(ToString::to_string).collect())
}

fn texts_of(request: &ModelRequest) -> impl Iterator<Item = &str> {
    let of_messages = request.messages.iter().flat_map(|message| {
        let (text, calls) = match message {
            Message::System { text } | Message::User { text } | Message::Tool { text, .. } => (text, [].as_slice()),
            Message::Assistant { text, calls } => (text, calls.as_slice()),
        };
        std::iter::once(text.as_str()).chain(calls.iter().map(|call| call.arguments.as_str()))
    });
    of_messages.chain(request.tools.iter().map(|tool| tool.description.as_str()))
}

fn clean(masker: &Masker, request: &mut ModelRequest) {
    for message in &mut request.messages {
        match message {
            Message::System { text } | Message::User { text } | Message::Tool { text, .. } => {
                *text = masker.text(std::mem::take(text));
            }
            Message::Assistant { text, calls } => {
                *text = masker.text(std::mem::take(text));
                calls.iter_mut().for_each(|call| call.arguments = arguments(masker, &call.arguments));
            }
        }
    }
    for tool in &mut request.tools {
        tool.description = masker.text(std::mem::take(&mut tool.description));
    }
}

/// JSON as a model wrote it, which stays JSON when it was.
fn arguments(masker: &Masker, text: &str) -> String {
    String::from_utf8_lossy(&masker.json(text.as_bytes())).into_owned()
}

/// A reply without known secrets.
pub(super) fn reply(masks: &[Masker; 2], mut reply: ModelReply) -> ModelReply {
    reply.text = text(masks, reply.text);
    for call in &mut reply.calls {
        call.arguments = masks.iter().fold(call.arguments.clone(), |text, masker| arguments(masker, &text));
    }
    reply
}

/// A failure without known secrets: servers quote what they were sent.
pub(super) fn failure(masks: &[Masker; 2], failed: ModelFailure) -> ModelFailure {
    let failure = Failure { message: text(masks, failed.failure.message), ..failed.failure };
    ModelFailure { failure, partial: text(masks, failed.partial), ..failed }
}

fn text(masks: &[Masker; 2], text: String) -> String {
    masks.iter().fold(text, |text, masker| masker.text(text))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::chat::{Stop, ToolCall, Usage};

    fn asked(texts: [&str; 3]) -> ModelRequest {
        let [system, arguments, result] = texts;
        let call = ToolCall { id: "1".into(), name: "write".into(), arguments: arguments.into() };
        ModelRequest {
            model: "a/b".into(),
            messages: vec![
                Message::System { text: system.into() },
                Message::Assistant { text: String::new(), calls: vec![call] },
                Message::Tool { id: "1".into(), text: result.into() },
            ],
            tools: Vec::new(),
            answer: None,
            max_output_tokens: 10,
            temperature: None,
        }
    }

    fn masks() -> [Masker; 2] {
        [Masker::new([("A", "hunter2hunter2")]), Masker::new([("GUESSED", "guessed-secret"), ("TAG", "assistant")])]
    }

    #[test]
    fn a_prompt_loses_what_is_known_in_every_part_and_the_names_are_told() {
        let with = asked(["key hunter2hunter2", "{\"x\":\"guessed-secret\"}", "aHVudGVyMmh1bnRlcjI="]);
        let (sent, names) = request(&masks(), &with);
        assert_eq!(*sent, asked(["key [secret]", "{\"x\":\"[secret]\"}", "[secret]"]));
        assert_eq!(names, ["A", "GUESSED"]);
        let without = asked(["nothing", "{}", "here"]);
        let (sent, names) = request(&masks(), &without);
        assert!(matches!(sent, Cow::Borrowed(_)) && names.is_empty());
    }

    #[test]
    fn an_answer_and_a_failure_lose_it_too() {
        let call = ToolCall { id: "1".into(), name: "run".into(), arguments: "{\"c\":\"echo hunter2hunter2\"}".into() };
        let said = ModelReply {
            text: "it is hunter2hunter2".into(),
            calls: vec![call],
            stop: Stop::CalledTools,
            usage: Usage::default(),
            served_by: "b".into(),
        };
        let came = reply(&masks(), said);
        assert_eq!(
            (came.text.as_str(), came.calls[0].arguments.as_str()),
            ("it is [secret]", "{\"c\":\"echo [secret]\"}")
        );
        let why = Failure::new(crate::domain::failure::FailureClass::BadRequest, "hunter2hunter2 is wrong");
        let failed =
            ModelFailure { failure: why, sent: true, usage: None, partial: "68756e7465723268756e74657232".into() };
        let failed = failure(&masks(), failed);
        assert_eq!((failed.failure.message.as_str(), failed.partial.as_str()), ("[secret] is wrong", "[secret]"));
    }
}
