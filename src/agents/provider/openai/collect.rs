//! The chunks of a stream to one reply. Tolerant on purpose: servers that speak this protocol differ in what they leave out,
//! repeat or call differently, so chunks are read as JSON values and only what is needed is looked at.

use serde_json::Value;

use super::usage;
use crate::domain::chat::{Stop, ToolCall, Usage};
use crate::domain::limits;

/// What a chunk was.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Taken {
    /// Part of the reply.
    Part,
    /// The end of the stream.
    Done,
    /// The provider reports an error in the middle of its answer.
    Failed(Value),
    /// Not JSON, or not an object; with what is wrong.
    Malformed(String),
    /// More than a reply may have; with what there is too much of.
    TooMuch(&'static str),
}

/// A tool call that is still arriving.
#[derive(Debug, Clone, Default)]
struct Part {
    index: Option<u64>,
    id: String,
    name: String,
    arguments: String,
}

/// What arrived so far.
#[derive(Debug, Clone, Default)]
pub(super) struct Collected {
    /// The text.
    pub text: String,
    /// What the model said instead of answering.
    pub refusal: String,
    /// Why it ended; empty while it goes on.
    pub finish: String,
    /// The provider's count.
    pub usage: Option<Usage>,
    /// What the provider says it cost, in millionths of a dollar.
    pub usd_micros: Option<u64>,
    /// The model that answers.
    pub served_by: String,
    /// Bytes of the reply so far, reasoning that is shown to nobody included.
    pub bytes: usize,
    /// Some part of a reply arrived.
    pub begun: bool,
    parts: Vec<Part>,
}

impl Collected {
    /// Takes the data of one event.
    pub(super) fn take(&mut self, data: &[u8]) -> Taken {
        let data = data.trim_ascii();
        if data == b"[DONE]" {
            return Taken::Done;
        }
        if data.is_empty() {
            return Taken::Part;
        }
        let chunk: Value = match serde_json::from_slice(data) {
            Ok(chunk) => chunk,
            Err(error) => return Taken::Malformed(error.to_string()),
        };
        let Some(fields) = chunk.as_object() else { return Taken::Malformed("it is not an object".to_owned()) };
        if fields.get("error").is_some_and(|error| !error.is_null()) {
            return Taken::Failed(chunk);
        }
        self.begun = true;
        if let Some(model) = text(&chunk, "model") {
            self.served_by = model.to_owned();
        }
        self.take_usage(&chunk);
        let choices = fields.get("choices").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
        // Only one choice is ever asked for.
        for choice in choices.iter().take(1) {
            if let Some(error) = choice.get("error").filter(|error| !error.is_null()) {
                return Taken::Failed(serde_json::json!({ "error": error }));
            }
            if let Some(finish) = text(choice, "finish_reason") {
                self.finish = finish.to_owned();
            }
            // `message`: the whole reply of a server that does not stream.
            if let Some(delta) = choice.get("delta").or_else(|| choice.get("message"))
                && let Err(problem) = self.take_delta(delta)
            {
                return problem;
            }
        }
        Taken::Part
    }

    fn take_usage(&mut self, chunk: &Value) {
        // Groq puts it into a field of its own when it was not asked for.
        let counted = [chunk.get("usage"), chunk.pointer("/x_groq/usage")];
        for counted in counted.into_iter().flatten() {
            if let Some(usage) = usage::read(counted) {
                self.usage = Some(usage);
            }
            self.usd_micros = usage::billed(counted).or(self.usd_micros);
        }
    }

    fn take_delta(&mut self, delta: &Value) -> Result<(), Taken> {
        let mut more = 0;
        if let Some(content) = text(delta, "content") {
            self.text.push_str(content);
            more += content.len();
        }
        if let Some(refusal) = text(delta, "refusal") {
            self.refusal.push_str(refusal);
            more += refusal.len();
        }
        // Not kept: no provider wants it back in this protocol. Counted, because it is billed.
        more += ["reasoning", "reasoning_content"]
            .iter()
            .filter_map(|name| text(delta, name))
            .map(str::len)
            .max()
            .unwrap_or(0);
        for call in delta.get("tool_calls").and_then(Value::as_array).map_or(&[][..], Vec::as_slice) {
            more += self.take_call(call);
        }
        self.bytes += more;
        if self.bytes > limits::MODEL_REPLY_BYTES {
            return Err(Taken::TooMuch("bytes"));
        }
        if self.parts.len() > limits::MODEL_REPLY_CALLS {
            return Err(Taken::TooMuch("tool calls"));
        }
        Ok(())
    }

    /// Adds a piece of a call to the call it belongs to: the one with its index, unless it has an id of its own; some servers
    /// give every call the index 0, others none at all.
    fn take_call(&mut self, piece: &Value) -> usize {
        let index = piece.get("index").and_then(Value::as_u64);
        let id = text(piece, "id").unwrap_or_default();
        let belongs = |part: &Part| {
            (index.is_none() || part.index == index) && (id.is_empty() || part.id == id || part.id.is_empty())
        };
        let part = match self.parts.iter().rposition(belongs) {
            Some(at) if index.is_some() || at + 1 == self.parts.len() => &mut self.parts[at],
            Some(_) | None => {
                self.parts.push(Part { index, ..Part::default() });
                self.parts.last_mut().expect("one was just added")
            }
        };
        if part.id.is_empty() {
            part.id = id.to_owned();
        }
        let Some(function) = piece.get("function") else { return 0 };
        if part.name.is_empty() {
            part.name = text(function, "name").unwrap_or_default().to_owned();
        }
        let before = part.arguments.len();
        match function.get("arguments") {
            Some(Value::String(arguments)) => part.arguments.push_str(arguments),
            // Meant to be text; some servers send the object itself.
            Some(object @ Value::Object(_)) => part.arguments.push_str(&object.to_string()),
            Some(Value::Null | Value::Bool(_) | Value::Number(_) | Value::Array(_)) | None => {}
        }
        part.arguments.len() - before
    }

    /// The model is done, whatever may still come.
    pub(super) fn is_finished(&self) -> bool {
        !self.finish.is_empty()
    }

    /// Why it ended.
    pub(super) fn stop(&self) -> Stop {
        match self.finish.as_str() {
            "length" | "max_tokens" | "MAX_TOKENS" => Stop::AtLimit,
            _ if self.parts.is_empty() => Stop::Answered,
            _ => Stop::CalledTools,
        }
    }

    /// The calls. A call without an id gets one that no other turn of the conversation has. At the output limit, a call whose
    /// arguments were cut off is left out: it was never finished.
    pub(super) fn calls(&mut self, turn: u32) -> Vec<ToolCall> {
        let at_limit = self.stop() == Stop::AtLimit;
        let whole = |part: &Part| !at_limit || serde_json::from_str::<Value>(&part.arguments).is_ok();
        let parts = std::mem::take(&mut self.parts).into_iter().filter(whole).enumerate();
        let mut calls: Vec<ToolCall> = Vec::new();
        for (at, part) in parts {
            let taken = part.id.is_empty() || calls.iter().any(|call| call.id == part.id);
            let id = if taken { format!("call_{turn}_{at}") } else { part.id };
            let arguments = if part.arguments.trim().is_empty() { "{}".to_owned() } else { part.arguments };
            calls.push(ToolCall { id, name: part.name, arguments });
        }
        calls
    }
}

/// A text field that is there and not empty.
fn text<'v>(value: &'v Value, name: &str) -> Option<&'v str> {
    value.get(name).and_then(Value::as_str).filter(|text| !text.is_empty())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn collected(chunks: &[Value]) -> Collected {
        let mut collected = Collected::default();
        for chunk in chunks {
            assert_eq!(collected.take(chunk.to_string().as_bytes()), Taken::Part, "{chunk}");
        }
        collected
    }

    fn calls(deltas: &[Value]) -> Vec<(String, String, String)> {
        let chunks: Vec<Value> =
            deltas.iter().map(|calls| json!({"choices": [{"delta": {"tool_calls": calls}}]})).collect();
        let calls = collected(&chunks).calls(7);
        calls.into_iter().map(|call| (call.id, call.name, call.arguments)).collect()
    }

    fn call(id: &str, name: &str, arguments: &str) -> (String, String, String) {
        (id.into(), name.into(), arguments.into())
    }

    #[test]
    fn pieces_of_calls_find_their_call() {
        let by_index = calls(&[
            json!([{"index": 0, "id": "a", "function": {"name": "read", "arguments": ""}}]),
            json!([{"index": 1, "id": "b", "function": {"name": "list", "arguments": "{\"x\""}}]),
            json!([{"index": 0, "function": {"arguments": "{}"}}, {"index": 1, "function": {"arguments": ":1}"}}]),
        ]);
        assert_eq!(by_index, [call("a", "read", "{}"), call("b", "list", "{\"x\":1}")]);
        let same_index = calls(&[json!([
            {"index": 0, "id": "a", "function": {"name": "read", "arguments": "{}"}},
            {"index": 0, "id": "b", "function": {"name": "list", "arguments": {"x": 1}}},
        ])]);
        assert_eq!(same_index, [call("a", "read", "{}"), call("b", "list", "{\"x\":1}")]);
        let repeated_id = calls(&[
            json!([{"index": 0, "id": "a", "function": {"name": "read", "arguments": "{"}}]),
            json!([{"index": 0, "id": "a", "function": {"name": "read", "arguments": "}"}}]),
        ]);
        assert_eq!(repeated_id, [call("a", "read", "{}")]);
        let no_index_no_id =
            calls(&[json!([{"function": {"name": "read"}}]), json!([{"function": {"arguments": "{ }"}}])]);
        assert_eq!(no_index_no_id, [call("call_7_0", "read", "{ }")]);
        let no_index = calls(&[json!([
            {"id": "a", "function": {"name": "read"}}, {"id": "b", "function": {"name": "read"}},
        ])]);
        assert_eq!(no_index, [call("a", "read", "{}"), call("b", "read", "{}")]);
    }

    #[test]
    fn a_call_that_was_cut_at_the_limit_is_left_out() {
        let mut collected = collected(&[json!({"choices": [{"finish_reason": "length", "delta": {"tool_calls": [
            {"index": 0, "id": "a", "function": {"name": "read", "arguments": "{}"}},
            {"index": 1, "id": "b", "function": {"name": "read", "arguments": "{\"pa"}},
        ]}}]})]);
        assert_eq!(collected.stop(), Stop::AtLimit);
        assert_eq!(collected.calls(1).len(), 1);
    }

    #[test]
    fn what_is_no_part_is_told_apart() {
        let mut collected = Collected::default();
        assert_eq!(collected.take(b" [DONE] "), Taken::Done);
        assert_eq!(collected.take(b""), Taken::Part);
        assert!(!collected.begun);
        for (data, wanted) in [("{\"cho", "EOF"), ("[1]", "not an object"), ("\u{0}", "expected")] {
            assert!(matches!(collected.take(data.as_bytes()), Taken::Malformed(why) if why.contains(wanted)), "{data}");
        }
        let in_a_choice = json!({"choices": [{"error": {"code": 502}}]});
        assert!(matches!(collected.take(in_a_choice.to_string().as_bytes()), Taken::Failed(_)));
        assert_eq!(collected.take(br#"{"error": null, "choices": null}"#), Taken::Part);
    }

    #[test]
    fn one_past_what_a_reply_may_have_is_refused() {
        let chunk = |delta: Value| json!({"choices": [{"delta": delta}]}).to_string();
        let piece = "x".repeat(limits::MODEL_REPLY_BYTES);
        let mut collected = Collected::default();
        assert_eq!(collected.take(chunk(json!({"content": piece})).as_bytes()), Taken::Part);
        assert_eq!(collected.take(chunk(json!({"reasoning": "x"})).as_bytes()), Taken::TooMuch("bytes"));
        let calls: Vec<Value> =
            (0..=limits::MODEL_REPLY_CALLS).map(|at| json!({"index": at, "id": at.to_string()})).collect();
        let (most, _) = calls.split_at(limits::MODEL_REPLY_CALLS);
        assert_eq!(Collected::default().take(chunk(json!({"tool_calls": most})).as_bytes()), Taken::Part);
        assert_eq!(
            Collected::default().take(chunk(json!({"tool_calls": calls})).as_bytes()),
            Taken::TooMuch("tool calls")
        );
    }
}
