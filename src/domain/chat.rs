//! Conversations with a model as plain data: what is asked, what is answered, what it used. Provider-neutral and byte-stable:
//! the same values give the same JSON text, and that text is what the journal's digest of a request is made of.
//!
//! Knows no provider and no tool. How a request is put on the wire is `agents/provider/`.

use serde::{Deserialize, Serialize};

use super::ids::Digest;

/// One message of a conversation.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase", tag = "role")]
pub enum Message {
    /// Standing instructions.
    System {
        /// The text.
        text: String,
    },
    /// What the engine says for the user's side.
    User {
        /// The text.
        text: String,
    },
    /// What the model said.
    Assistant {
        /// The text; may be empty when it only calls tools.
        text: String,
        /// The tools it calls, in its order.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        calls: Vec<ToolCall>,
    },
    /// The result of one tool call.
    Tool {
        /// The id of the call that it answers.
        id: String,
        /// The text for the model.
        text: String,
    },
}

/// A tool call as the model wrote it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ToolCall {
    /// The model's id for it; unique within its message.
    pub id: String,
    /// The tool.
    pub name: String,
    /// The arguments as the model wrote them: meant to be a JSON object, not yet checked.
    pub arguments: String,
}

/// A tool as the model is told of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ToolSpec {
    /// Its name: `[a-z_]+`.
    pub name: String,
    /// What it does and when to use it.
    pub description: String,
    /// The JSON Schema of its arguments, an object.
    pub parameters: serde_json::Value,
}

/// A schema that the answer must fit.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct AnswerSchema {
    /// Its name: `[a-z_]+`.
    pub name: String,
    /// The JSON Schema.
    pub schema: serde_json::Value,
}

/// One request to a model.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ModelRequest {
    /// `provider/model`, e.g. `openai/gpt-5-mini`; the part before the first `/` names a configured provider.
    pub model: String,
    /// The conversation so far.
    pub messages: Vec<Message>,
    /// The tools on offer, in a stable order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tools: Vec<ToolSpec>,
    /// What the final answer must look like, if structured output is asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub answer: Option<AnswerSchema>,
    /// Most tokens of the reply, reasoning included.
    pub max_output_tokens: u32,
    /// Sampling temperature; absent: the provider's default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub temperature: Option<f32>,
}

impl ModelRequest {
    /// The identity of the request: BLAKE3 of its JSON text.
    ///
    /// # Panics
    /// Never: a request holds only texts, numbers and JSON values, so it serialises.
    pub fn digest(&self) -> Digest {
        Digest::of(&serde_json::to_vec(self).expect("a request holds only what JSON can say"))
    }
}

/// What one call used. Cached tokens are part of the input tokens, reasoning tokens part of the output tokens, whatever a
/// provider's own convention is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Usage {
    /// Tokens of the prompt, cached ones included.
    pub input_tokens: u64,
    /// Of these, read from the provider's prompt cache.
    pub cached_tokens: u64,
    /// Tokens of the reply, reasoning included.
    pub output_tokens: u64,
    /// Of these, reasoning that is not shown.
    pub reasoning_tokens: u64,
    /// Millionths of a US dollar.
    pub usd_micros: u64,
    /// The provider did not say; the numbers are estimates.
    pub estimated: bool,
}

/// Why a reply ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stop {
    /// The model was done.
    Answered,
    /// It waits for tools.
    CalledTools,
    /// At its output limit.
    AtLimit,
}

/// A complete reply.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ModelReply {
    /// The text.
    pub text: String,
    /// Tools called.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub calls: Vec<ToolCall>,
    /// Why it ended.
    pub stop: Stop,
    /// What it used.
    pub usage: Usage,
    /// The model that the provider says has answered.
    pub served_by: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_request_has_the_same_text() {
        let request = ModelRequest {
            model: "openai/x".into(),
            messages: vec![
                Message::System { text: "be brief".into() },
                Message::Assistant {
                    text: String::new(),
                    calls: vec![ToolCall { id: "1".into(), name: "read".into(), arguments: "{}".into() }],
                },
                Message::Tool { id: "1".into(), text: "é".into() },
            ],
            tools: Vec::new(),
            answer: None,
            max_output_tokens: 10,
            temperature: None,
        };
        let text = serde_json::to_string(&request).unwrap();
        let again: ModelRequest = serde_json::from_str(&text).unwrap();
        assert_eq!(serde_json::to_string(&again).unwrap(), text);
        assert_eq!(again.digest(), request.digest());
    }
}
