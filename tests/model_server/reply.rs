//! What the server may do with a request: answer, refuse, and everything that goes wrong on the way.

use std::time::Duration;

use serde_json::{Value, json};

/// What to do with a request.
#[derive(Debug, Clone)]
pub enum Reply {
    /// Events of a stream with status 200, each a chunk of its own.
    Stream {
        /// Their data.
        events: Vec<Value>,
        /// How it ends.
        end: End,
    },
    /// The body of a stream, byte by byte as given; each piece is a chunk of its own.
    Bytes {
        /// The pieces.
        pieces: Vec<Vec<u8>>,
        /// How it ends.
        end: End,
    },
    /// A status with a body.
    Status {
        /// The status.
        status: u16,
        /// Headers beside `content-length`.
        headers: Vec<(String, String)>,
        /// The body.
        body: String,
    },
    /// Says nothing until the test releases it, then does the other.
    Hang(Box<Reply>),
    /// The head of an answer and its first event, then silence until the test releases it.
    Stall(Value),
    /// The head of an answer and these events, then silence until the test releases it, then the other, a stream.
    Paused(Vec<Value>, Box<Reply>),
    /// Closes the connection without a word.
    Drop,
    /// Waits before the other.
    After(Duration, Box<Reply>),
}

/// How a stream ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// With `[DONE]`.
    Done,
    /// With `[DONE]` twice.
    DoneTwice,
    /// Without `[DONE]`, the transfer complete.
    Unmarked,
    /// The connection is cut in the middle of the transfer.
    Cut,
}

/// Characters per event of a text; more than one event for all but the shortest.
const PIECE_CHARS: usize = 24;

impl Reply {
    /// A text, streamed in pieces, with its usage.
    pub fn text(text: &str) -> Self {
        let mut events = pieces(text);
        events.push(finish("stop"));
        events.push(usage(100, text.len() as u64));
        Self::Stream { events, end: End::Done }
    }

    /// The beginning of a text, a pause until the test ends it, and the rest.
    pub fn paused(before: &str, rest: Reply) -> Self {
        Self::Paused(pieces(before), Box::new(rest))
    }

    /// Tool calls, their arguments in fragments that alternate between the calls.
    pub fn calls(text: &str, calls: &[(&str, &str)]) -> Self {
        let mut events = pieces(text);
        for (index, (name, _)) in calls.iter().enumerate() {
            let call = json!({"index": index, "id": format!("call_{}", fresh_id(name, index)), "type": "function",
                "function": {"name": name, "arguments": ""}});
            events.push(delta(json!({"tool_calls": [call]})));
        }
        let mut fragments: Vec<Vec<String>> =
            calls.iter().map(|(_, arguments)| split(arguments, PIECE_CHARS)).collect();
        while fragments.iter().any(|left| !left.is_empty()) {
            for (index, left) in fragments.iter_mut().enumerate().filter(|(_, left)| !left.is_empty()) {
                let call = json!({"index": index, "function": {"arguments": left.remove(0)}});
                events.push(delta(json!({"tool_calls": [call]})));
            }
        }
        events.push(finish("tool_calls"));
        events.push(usage(100, 20));
        Self::Stream { events, end: End::Done }
    }

    /// A reply that stops at its output limit.
    pub fn at_limit(text: &str) -> Self {
        let mut events = pieces(text);
        events.push(finish("length"));
        events.push(usage(100, text.len() as u64));
        Self::Stream { events, end: End::Done }
    }

    /// A text without a count of tokens.
    pub fn without_usage(text: &str) -> Self {
        let mut events = pieces(text);
        events.push(finish("stop"));
        Self::Stream { events, end: End::Done }
    }

    /// Part of a text, then a cut connection.
    pub fn cut(text: &str) -> Self {
        Self::Stream { events: pieces(text), end: End::Cut }
    }

    /// Nothing but an end.
    pub fn empty() -> Self {
        Self::Stream { events: vec![finish("stop"), usage(100, 0)], end: End::Done }
    }

    /// The model's own refusal.
    pub fn refusal(text: &str) -> Self {
        let events = vec![delta(json!({"refusal": text})), finish("stop"), usage(100, 5)];
        Self::Stream { events, end: End::Done }
    }

    /// A tool call whose arguments are not JSON.
    pub fn broken_call(name: &str) -> Self {
        Self::calls("", &[(name, "{\"path\": \"src/main")])
    }

    /// A status with an error object.
    pub fn refused(status: u16, code: &str, message: &str) -> Self {
        let body = json!({"error": {"message": message, "type": code, "code": code}}).to_string();
        Self::Status { status, headers: Vec::new(), body }
    }

    /// 429 with the wish for a delay.
    pub fn rate_limited(seconds: u64) -> Self {
        let body = json!({"error": {"message": "Rate limit reached", "code": "rate_limit_exceeded"}}).to_string();
        Self::Status { status: 429, headers: vec![("retry-after".into(), seconds.to_string())], body }
    }

    /// 529.
    pub fn overloaded() -> Self {
        Self::refused(529, "overloaded_error", "Overloaded")
    }

    /// The conversation is too long.
    pub fn overflow() -> Self {
        Self::refused(400, "context_length_exceeded", "This model's maximum context length is 8192 tokens")
    }

    /// An error in the middle of a stream.
    pub fn error_in_stream(text: &str, error: Value) -> Self {
        let mut events = pieces(text);
        events.push(json!({ "error": error }));
        Self::Stream { events, end: End::Unmarked }
    }

    /// Whether it is a complete reply of a model, which a provider would bill.
    pub(super) fn is_complete(&self) -> bool {
        match self {
            Self::Stream { events, end } => {
                *end != End::Cut && events.iter().any(|event| event["choices"][0]["finish_reason"].is_string())
            }
            Self::Bytes { end, .. } => *end != End::Cut,
            Self::Status { status, .. } => *status == 200,
            Self::Hang(reply) | Self::After(_, reply) | Self::Paused(_, reply) => reply.is_complete(),
            Self::Stall(_) | Self::Drop => false,
        }
    }
}

/// Ids differ from call to call of a conversation as those of real models do: by name and position here, which is enough as
/// results follow their calls at once.
fn fresh_id(name: &str, index: usize) -> String {
    format!("{name}_{index}")
}

fn split(text: &str, chars: usize) -> Vec<String> {
    let chars_of: Vec<char> = text.chars().collect();
    chars_of.chunks(chars).map(|piece| piece.iter().collect()).collect()
}

fn pieces(text: &str) -> Vec<Value> {
    split(text, PIECE_CHARS).into_iter().map(|piece| delta(json!({ "content": piece }))).collect()
}

/// One event of a reply.
pub fn delta(delta: Value) -> Value {
    json!({"id": "r", "object": "chat.completion.chunk", "created": 1, "model": "served-model",
        "choices": [{"index": 0, "delta": delta, "finish_reason": null}]})
}

/// The event that says why the reply ended.
pub fn finish(reason: &str) -> Value {
    json!({"id": "r", "object": "chat.completion.chunk", "created": 1, "model": "served-model",
        "choices": [{"index": 0, "delta": {}, "finish_reason": reason}]})
}

/// The event with the count of tokens.
pub fn usage(input: u64, output: u64) -> Value {
    json!({"id": "r", "object": "chat.completion.chunk", "created": 1, "model": "served-model", "choices": [],
        "usage": {"prompt_tokens": input, "completion_tokens": output, "total_tokens": input + output,
            "prompt_tokens_details": {"cached_tokens": 0}, "completion_tokens_details": {"reasoning_tokens": 0}}})
}
