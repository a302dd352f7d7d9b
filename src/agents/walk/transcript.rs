//! The conversation so far as messages: what is pinned at its start, what was summed up, and the exchanges since.
//!
//! An exchange is one reply with everything that belongs to it, so that no result of a tool is ever without its call. Requests are
//! append-only between two summaries, which keeps a provider's prompt cache warm.

use std::collections::BTreeSet;

use crate::domain::chat::{Message, ModelRequest};

/// One reply and what followed it.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Exchange {
    /// The reply; absent when there was nothing in it to keep.
    pub(super) reply: Option<Message>,
    /// Results of its tools, then what the engine says.
    pub(super) rest: Vec<Message>,
}

impl Exchange {
    fn messages(&self) -> impl Iterator<Item = &Message> {
        self.reply.iter().chain(&self.rest)
    }

    fn bytes(&self) -> u64 {
        self.messages().map(bytes_of).sum()
    }
}

#[derive(Debug, Clone, PartialEq)]
pub(super) struct Transcript {
    /// Never changes within an attempt.
    pinned: Vec<Message>,
    /// What takes the place of the exchanges that were summed up.
    summary: Option<Message>,
    exchanges: Vec<Exchange>,
    /// Exchanges that the last summary left standing.
    kept: usize,
}

impl Transcript {
    pub(super) fn new(pinned: Vec<Message>) -> Self {
        Self { pinned, summary: None, exchanges: Vec::new(), kept: 0 }
    }

    pub(super) fn messages(&self) -> Vec<Message> {
        let head = self.pinned.iter().chain(&self.summary);
        head.chain(self.exchanges.iter().flat_map(Exchange::messages)).cloned().collect()
    }

    /// Whether anything was said since the last summary.
    pub(super) fn grown(&self) -> bool {
        self.exchanges.len() > self.kept
    }

    pub(super) fn push(&mut self, reply: Option<Message>) {
        self.exchanges.push(Exchange { reply, rest: Vec::new() });
    }

    /// Its size as it counts towards the window.
    pub(super) fn bytes(&self) -> u64 {
        let head: u64 = self.pinned.iter().chain(&self.summary).map(bytes_of).sum();
        head + self.exchanges.iter().map(Exchange::bytes).sum::<u64>()
    }

    /// Adds to the last exchange.
    pub(super) fn add(&mut self, message: Message) {
        match self.exchanges.last_mut() {
            Some(exchange) => exchange.rest.push(message),
            None => self.exchanges.push(Exchange { reply: None, rest: vec![message] }),
        }
    }

    /// The messages of a request for a summary: the pinned ones, then as many of the newest exchanges as `bytes` leaves room for, with
    /// long results cut, then `instruction`.
    pub(super) fn to_sum_up(&self, instruction: &str, bytes: u64, longest_result: usize) -> Vec<Message> {
        let instruction = Message::User { text: instruction.to_owned() };
        let head: Vec<Message> = self.pinned.iter().chain(&self.summary).cloned().collect();
        let fixed: u64 = head.iter().map(bytes_of).sum::<u64>() + bytes_of(&instruction);
        let shortened: Vec<Exchange> = self.exchanges.iter().map(|one| shortened(one, longest_result)).collect();
        let from = newest_within(&shortened, bytes.saturating_sub(fixed));
        let mut messages = head;
        messages.extend(shortened[from..].iter().flat_map(Exchange::messages).cloned());
        messages.push(instruction);
        messages
    }

    /// Puts `summary` in the place of all exchanges but the newest that fit into `bytes`.
    pub(super) fn sum_up(&mut self, summary: String, bytes: u64) {
        let from = newest_within(&self.exchanges, bytes);
        self.exchanges.drain(..from);
        self.kept = self.exchanges.len();
        self.summary = Some(Message::User { text: summary });
    }
}

/// Where the longest run of newest exchanges begins that takes at most `bytes`.
fn newest_within(exchanges: &[Exchange], bytes: u64) -> usize {
    let mut left = bytes;
    let mut from = exchanges.len();
    for exchange in exchanges.iter().rev() {
        let size = exchange.bytes();
        if size > left {
            break;
        }
        left -= size;
        from -= 1;
    }
    from
}

fn shortened(exchange: &Exchange, longest_result: usize) -> Exchange {
    let rest = exchange.rest.iter().map(|message| match message {
        Message::Tool { id, text } if text.len() > longest_result => {
            Message::Tool { id: id.clone(), text: head_and_tail(text, longest_result) }
        }
        other => other.clone(),
    });
    Exchange { reply: exchange.reply.clone(), rest: rest.collect() }
}

/// The beginning and the end of `text`, with what was left out between them counted.
pub(super) fn head_and_tail(text: &str, bytes: usize) -> String {
    if text.len() <= bytes {
        return text.to_owned();
    }
    let (mut head, mut tail) = (bytes / 2, text.len() - bytes / 2);
    while !text.is_char_boundary(head) {
        head -= 1;
    }
    while !text.is_char_boundary(tail) {
        tail += 1;
    }
    format!("{}\n[{} bytes left out]\n{}", &text[..head], tail - head, &text[tail..])
}

/// Bytes of a message as it counts towards the window.
fn bytes_of(message: &Message) -> u64 {
    let size = match message {
        Message::System { text } | Message::User { text } => text.len(),
        Message::Assistant { text, calls } => {
            text.len()
                + calls.iter().map(|call| call.id.len() + call.name.len() + call.arguments.len() + 16).sum::<usize>()
        }
        Message::Tool { id, text } => id.len() + text.len(),
    };
    size as u64 + 16
}

/// Bytes of a whole request as they count towards the window.
pub(super) fn bytes_of_request(request: &ModelRequest) -> u64 {
    let tools: usize = request
        .tools
        .iter()
        .map(|tool| tool.name.len() + tool.description.len() + tool.parameters.to_string().len())
        .sum();
    request.messages.iter().map(bytes_of).sum::<u64>() + tools as u64
}

/// Turns bytes into tokens: four bytes each at first, then as the provider counted the last request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Gauge {
    tokens: u64,
    bytes: u64,
}

impl Default for Gauge {
    fn default() -> Self {
        Self { tokens: 1, bytes: 4 }
    }
}

impl Gauge {
    /// Learns from a request of `bytes` that had `tokens`. What cannot be (more than a token for a byte, or less than one for
    /// sixteen) is not learnt.
    pub(super) fn learn(&mut self, bytes: u64, tokens: u64) {
        if tokens > 0 && tokens <= bytes && bytes / 16 <= tokens {
            *self = Self { tokens, bytes };
        }
    }

    pub(super) fn tokens(self, bytes: u64) -> u64 {
        (u128::from(bytes) * u128::from(self.tokens)).div_ceil(u128::from(self.bytes)).try_into().unwrap_or(u64::MAX)
    }
}

/// What is wrong with the order of `messages`: every call must have its result right behind its reply, and every result its call.
pub(super) fn unpaired(messages: &[Message]) -> Option<String> {
    let mut open: BTreeSet<&str> = BTreeSet::new();
    for message in messages {
        match message {
            Message::Tool { id, .. } => {
                if !open.remove(id.as_str()) {
                    return Some(format!("the result {id:?} has no call"));
                }
            }
            Message::System { .. } | Message::User { .. } | Message::Assistant { .. } => {
                if let Some(id) = open.first() {
                    return Some(format!("the call {id:?} has no result"));
                }
                if let Message::Assistant { calls, .. } = message {
                    open = calls.iter().map(|call| call.id.as_str()).collect();
                    if open.len() != calls.len() {
                        return Some("two calls of one reply have the same id".to_owned());
                    }
                }
            }
        }
    }
    open.first().map(|id| format!("the call {id:?} has no result"))
}
