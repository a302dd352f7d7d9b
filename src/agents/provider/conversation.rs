//! What every conversation must keep to. Providers refuse one that does not with a message that helps nobody; ours that work
//! without a network refuse it too, so that a broken history is found in any test and not on the first day with a real model.

use std::collections::BTreeSet;

use crate::domain::chat::Message;

/// The first thing that is wrong with a conversation, if anything is.
///
/// Instructions come first; then a user speaks; each tool call is answered once, before anyone else speaks, and nothing is
/// answered that was not called.
pub fn problem(messages: &[Message]) -> Option<String> {
    let mut open: BTreeSet<&str> = BTreeSet::new();
    let mut begun = false;
    for (at, message) in messages.iter().enumerate() {
        let wrong = |what: String| Some(format!("message {at} {what}"));
        if !matches!(message, Message::Tool { .. })
            && let Some(id) = open.first()
        {
            return wrong(format!("comes before the result of call {id:?}"));
        }
        match message {
            Message::System { .. } if begun => return wrong("gives instructions in the middle".to_owned()),
            Message::System { .. } => {}
            Message::User { .. } => begun = true,
            Message::Assistant { .. } | Message::Tool { .. } if !begun => {
                return wrong("comes before the user's first".to_owned());
            }
            Message::Assistant { calls, .. } => {
                for call in calls {
                    if call.id.is_empty() || call.name.is_empty() {
                        return wrong("has a call without an id or a name".to_owned());
                    }
                    if !open.insert(&call.id) {
                        return wrong(format!("has two calls {:?}", call.id));
                    }
                }
            }
            Message::Tool { id, .. } => {
                if !open.remove(id.as_str()) {
                    return wrong(format!("is the result of call {id:?}, which nobody made"));
                }
            }
        }
    }
    match open.first() {
        Some(id) => Some(format!("the result of call {id:?} is missing")),
        None if !begun => Some("there is no message of a user".to_owned()),
        None => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::chat::ToolCall;

    fn system() -> Message {
        Message::System { text: "s".into() }
    }

    fn user() -> Message {
        Message::User { text: "u".into() }
    }

    fn calls(ids: &[&str]) -> Message {
        let call = |id: &&str| ToolCall { id: (*id).into(), name: "read".into(), arguments: "{}".into() };
        Message::Assistant { text: String::new(), calls: ids.iter().map(call).collect() }
    }

    fn result(id: &str) -> Message {
        Message::Tool { id: id.into(), text: "r".into() }
    }

    #[test]
    fn whole_conversations_pass() {
        for messages in [
            vec![user()],
            vec![system(), user(), calls(&["a", "b"]), result("b"), result("a"), calls(&["a"]), result("a"), user()],
            vec![system(), system(), user(), calls(&[]), user()],
        ] {
            assert_eq!(problem(&messages), None);
        }
    }

    #[test]
    fn each_rule_is_kept() {
        for (messages, wanted) in [
            (vec![], "no message of a user"),
            (vec![system()], "no message of a user"),
            (vec![calls(&[])], "message 0 comes before the user's first"),
            (vec![user(), system()], "message 1 gives instructions in the middle"),
            (vec![user(), calls(&["a"])], "the result of call \"a\" is missing"),
            (vec![user(), calls(&["a"]), user()], "message 2 comes before the result of call \"a\""),
            (vec![user(), result("a")], "which nobody made"),
            (vec![user(), calls(&["a"]), result("a"), result("a")], "message 3 is the result of call \"a\""),
            (vec![user(), calls(&["a", "a"]), result("a")], "two calls"),
            (vec![user(), calls(&[""]), result("")], "without an id"),
        ] {
            let problem = problem(&messages).unwrap();
            assert!(problem.contains(wanted), "{problem}");
        }
    }
}
