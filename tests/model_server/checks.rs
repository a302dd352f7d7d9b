//! What every request must keep to, read from the wire and not from our own types: a second opinion on what the product sends.

use std::collections::BTreeSet;

use serde_json::Value;

/// Everything that is wrong with a request.
pub fn problems(body: &Value) -> Vec<String> {
    let mut found = Vec::new();
    if body["model"].as_str().is_none_or(str::is_empty) {
        found.push("it names no model".to_owned());
    }
    if body["stream"] != true {
        found.push("it does not ask for a stream".to_owned());
    }
    let limits = [&body["max_tokens"], &body["max_completion_tokens"]];
    if limits.iter().filter(|limit| limit.as_u64().is_some_and(|limit| limit > 0)).count() != 1 {
        found.push("it needs exactly one limit of its output".to_owned());
    }
    tools(body, &mut found);
    match body["messages"].as_array() {
        Some(messages) if !messages.is_empty() => conversation(messages, &mut found),
        Some(_) | None => found.push("it has no messages".to_owned()),
    }
    found
}

fn tools(body: &Value, found: &mut Vec<String>) {
    let Some(tools) = body.get("tools") else { return };
    let Some(tools) = tools.as_array().filter(|tools| !tools.is_empty()) else {
        found.push("its tools are not a list, or an empty one".to_owned());
        return;
    };
    let mut names = BTreeSet::new();
    for tool in tools {
        let name = tool["function"]["name"].as_str().unwrap_or_default();
        let letters = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-'));
        if tool["type"] != "function" || name.is_empty() || name.len() > 64 || !letters {
            found.push(format!("tool {name:?} is not a well-named function"));
        }
        if !names.insert(name) {
            found.push(format!("tool {name:?} is there twice"));
        }
        let parameters = &tool["function"]["parameters"];
        if parameters["type"] != "object" {
            found.push(format!("the parameters of tool {name:?} are not the schema of an object"));
        }
    }
}

fn conversation(messages: &[Value], found: &mut Vec<String>) {
    let mut open: BTreeSet<&str> = BTreeSet::new();
    let mut begun = false;
    for (at, message) in messages.iter().enumerate() {
        let role = message["role"].as_str().unwrap_or_default();
        if role != "tool" && !open.is_empty() {
            found.push(format!("message {at} comes before the results of {open:?}"));
            open.clear();
        }
        let calls = message["tool_calls"].as_array().map_or(&[][..], Vec::as_slice);
        if !message["content"].is_string() && calls.is_empty() {
            found.push(format!("message {at} ({role}) has no text"));
        }
        match role {
            "system" | "developer" if begun => found.push(format!("message {at} gives instructions in the middle")),
            "system" | "developer" => {}
            "user" => begun = true,
            "assistant" => {
                if !begun {
                    found.push(format!("message {at}: the model speaks first"));
                }
                for call in calls {
                    let id = call["id"].as_str().unwrap_or_default();
                    let function = &call["function"];
                    let whole = function["name"].as_str().is_some_and(|name| !name.is_empty())
                        && function["arguments"].is_string()
                        && call["type"] == "function";
                    if id.is_empty() || !whole {
                        found.push(format!("message {at}: call {id:?} is not whole"));
                    }
                    if !open.insert(id) {
                        found.push(format!("message {at}: two calls {id:?}"));
                    }
                }
            }
            "tool" => {
                let id = message["tool_call_id"].as_str().unwrap_or_default();
                if !open.remove(id) {
                    found.push(format!("message {at} is the result of {id:?}, which was not called"));
                }
            }
            other => found.push(format!("message {at} has the role {other:?}")),
        }
    }
    if !open.is_empty() {
        found.push(format!("the results of {open:?} are missing"));
    }
    if !begun {
        found.push("no user speaks".to_owned());
    }
}
