//! A request in the provider's words: async-openai's types, filled so that the same request is the same bytes.

use async_openai::types::chat::{
    ChatCompletionMessageToolCall, ChatCompletionMessageToolCalls, ChatCompletionRequestAssistantMessage,
    ChatCompletionRequestMessage, ChatCompletionRequestSystemMessage, ChatCompletionRequestToolMessage,
    ChatCompletionRequestUserMessage, ChatCompletionStreamOptions, ChatCompletionTool, ChatCompletionTools,
    CreateChatCompletionRequest, FunctionCall, FunctionObject, ResponseFormat, ResponseFormatJsonSchema,
};
use serde_json::Value;

use crate::agents::provider::presets::Quirks;
use crate::agents::provider::presets::{Answers, OutputLimit};
use crate::domain::chat::{AnswerSchema, Message, ModelRequest};

/// The body. `model` is the name without the provider in front; `limit` is the most output tokens that it can do.
pub(super) fn body(request: &ModelRequest, model: &str, limit: u32, quirks: &Quirks) -> CreateChatCompletionRequest {
    let tools = request.tools.iter().map(|tool| {
        let function = FunctionObject {
            name: tool.name.clone(),
            description: Some(tool.description.clone()),
            parameters: Some(tool.parameters.clone()),
            strict: None,
        };
        ChatCompletionTools::Function(ChatCompletionTool { function })
    });
    let mut body = CreateChatCompletionRequest {
        model: model.to_owned(),
        messages: request.messages.iter().map(message).collect(),
        stream: Some(true),
        temperature: request.temperature.filter(|_| !quirks.fixed_temperature),
        tools: (!request.tools.is_empty()).then(|| tools.collect()),
        response_format: request.answer.as_ref().map(|answer| response_format(answer, quirks.answers)),
        ..CreateChatCompletionRequest::default()
    };
    if quirks.counts_on_request {
        body.stream_options =
            Some(ChatCompletionStreamOptions { include_usage: Some(true), include_obfuscation: None });
    }
    match quirks.output_limit {
        OutputLimit::MaxCompletionTokens => body.max_completion_tokens = Some(limit),
        OutputLimit::MaxTokens => set_max_tokens(&mut body, limit),
    }
    body
}

#[expect(deprecated, reason = "OpenAI renamed the field; most other servers know only its old name")]
fn set_max_tokens(body: &mut CreateChatCompletionRequest, tokens: u32) {
    body.max_tokens = Some(tokens);
}

fn message(message: &Message) -> ChatCompletionRequestMessage {
    match message {
        Message::System { text } => ChatCompletionRequestSystemMessage::from(text.clone()).into(),
        Message::User { text } => ChatCompletionRequestUserMessage::from(text.clone()).into(),
        Message::Assistant { text, calls } => {
            let calls: Vec<ChatCompletionMessageToolCalls> = calls
                .iter()
                .map(|call| {
                    let function = FunctionCall { name: call.name.clone(), arguments: call.arguments.clone() };
                    ChatCompletionMessageToolCall { id: call.id.clone(), function }.into()
                })
                .collect();
            let content = (!text.is_empty() || calls.is_empty()).then(|| text.clone().into());
            let tool_calls = (!calls.is_empty()).then_some(calls);
            ChatCompletionRequestAssistantMessage { content, tool_calls, ..Default::default() }.into()
        }
        Message::Tool { id, text } => {
            ChatCompletionRequestToolMessage { content: text.clone().into(), tool_call_id: id.clone() }.into()
        }
    }
}

fn response_format(answer: &AnswerSchema, answers: Answers) -> ResponseFormat {
    match answers {
        Answers::JsonObject => ResponseFormat::JsonObject,
        Answers::JsonSchema => ResponseFormat::JsonSchema {
            json_schema: ResponseFormatJsonSchema {
                description: None,
                name: answer.name.clone(),
                schema: answer.schema.clone(),
                strict: Some(fits_strict(&answer.schema)),
            },
        },
    }
}

/// Whether OpenAI's strict mode takes the schema: each object names all its properties as required and allows no others.
/// Any other schema is refused there, so it is asked for without.
fn fits_strict(schema: &Value) -> bool {
    match schema {
        Value::Array(items) => items.iter().all(fits_strict),
        Value::Object(fields) => {
            let object = fields.get("type").is_some_and(|kind| kind == "object") || fields.contains_key("properties");
            let required = fields.get("required").and_then(Value::as_array);
            let properties = fields.get("properties").and_then(Value::as_object);
            let listed = |name: &String| required.is_some_and(|required| required.iter().any(|other| other == name));
            let whole = fields.get("additionalProperties") == Some(&Value::Bool(false))
                && properties.is_none_or(|properties| properties.keys().all(listed));
            (!object || whole) && fields.values().all(fits_strict)
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => true,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::domain::chat::{ToolCall, ToolSpec};

    fn request() -> ModelRequest {
        ModelRequest {
            model: "openai/m".into(),
            messages: vec![
                Message::System { text: "be brief".into() },
                Message::User { text: "read é".into() },
                Message::Assistant {
                    text: String::new(),
                    calls: vec![ToolCall { id: "c1".into(), name: "read".into(), arguments: "{\"b\":1}".into() }],
                },
                Message::Tool { id: "c1".into(), text: "content".into() },
            ],
            tools: vec![ToolSpec {
                name: "read".into(),
                description: "Reads.".into(),
                parameters: json!({"type": "object"}),
            }],
            answer: Some(AnswerSchema { name: "plan".into(), schema: json!({"type": "object"}) }),
            max_output_tokens: 64,
            temperature: Some(0.2),
        }
    }

    #[test]
    fn the_body_is_what_the_api_documents() {
        let body = serde_json::to_value(body(&request(), "m", 64, &Quirks::default())).unwrap();
        let wanted = json!({
            "messages": [
                {"role": "system", "content": "be brief"},
                {"role": "user", "content": "read é"},
                {"role": "assistant", "tool_calls": [
                    {"type": "function", "id": "c1", "function": {"name": "read", "arguments": "{\"b\":1}"}}]},
                {"role": "tool", "content": "content", "tool_call_id": "c1"},
            ],
            "model": "m",
            "stream": true,
            "stream_options": {"include_usage": true},
            "max_tokens": 64,
            "temperature": 0.2,
            "tools": [{"type": "function", "function":
                {"name": "read", "description": "Reads.", "parameters": {"type": "object"}}}],
            "response_format": {"type": "json_schema",
                "json_schema": {"name": "plan", "schema": {"type": "object"}, "strict": false}},
        });
        let mut close = body.clone();
        close["temperature"] = json!(0.2);
        assert_eq!(close, wanted);
        assert!((body["temperature"].as_f64().unwrap() - 0.2).abs() < 1e-6);
    }

    #[test]
    fn quirks_change_what_they_name() {
        let quirks = Quirks {
            output_limit: OutputLimit::MaxCompletionTokens,
            answers: Answers::JsonObject,
            counts_on_request: false,
            fixed_temperature: true,
        };
        let body = serde_json::to_value(body(&request(), "m", 64, &quirks)).unwrap();
        assert_eq!(
            (&body["max_completion_tokens"], &body["response_format"]),
            (&json!(64), &json!({"type": "json_object"}))
        );
        for absent in ["max_tokens", "stream_options", "temperature"] {
            assert_eq!(body.get(absent), None, "{absent}");
        }
    }

    #[test]
    fn the_same_request_is_the_same_bytes() {
        let bytes = || serde_json::to_vec(&body(&request(), "m", 64, &Quirks::default())).unwrap();
        assert_eq!(bytes(), bytes());
    }

    #[test]
    fn strict_is_asked_for_only_where_it_is_taken() {
        let object = |required: Value, more: Value| json!({"type": "object", "properties": {"a": {"type": "string"}}, "required": required, "additionalProperties": more});
        assert!(fits_strict(&object(json!(["a"]), json!(false))));
        assert!(!fits_strict(&object(json!([]), json!(false))));
        assert!(!fits_strict(&object(json!(["a"]), json!(true))));
        assert!(!fits_strict(&json!({"type": "array", "items": {"type": "object"}})));
    }
}
