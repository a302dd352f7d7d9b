//! `wfctl transcript`: the conversation of an agent.

use super::super::args;
use super::super::context::Context;
use super::super::error::Error;
use super::super::exit::Exit;
use super::super::terminal::{Terminal, Tone, harmless, harmless_lines};
use super::super::words::{grouped, money};
use crate::domain::call::CallKind;
use crate::domain::chat::Usage;
use crate::domain::ids::ProjectId;
use crate::domain::time::human_duration;
use crate::interfaces::api::{CallEnd, CallEntry, Home, WantedTranscript};

/// Prints it.
pub async fn run(context: &Context, arguments: &args::Transcript) -> Result<Exit, Error> {
    let (session, summary) = context.read(&arguments.project, "transcript").await?;
    let home = session.home().clone();
    let printed = print(context, &home, &summary.id, arguments).await;
    session.close().await;
    printed.map(|()| Exit::Done)
}

async fn print(context: &Context, home: &Home, id: &ProjectId, arguments: &args::Transcript) -> Result<(), Error> {
    // A machine is not spared anything.
    let full = arguments.full || context.is_json;
    let task = arguments.task.clone();
    let mut wanted = WantedTranscript { task, attempt: arguments.attempt, from: 0, full };
    loop {
        let page = home.transcript(id, wanted.clone()).await?;
        let terminal = &context.terminal;
        if wanted.from == 0 && !context.is_json {
            let head = format!("{} of {id}, attempt {}", harmless(&page.task), page.attempt);
            terminal.data(terminal.paint(Tone::Bold, head))?;
        }
        for entry in &page.entries {
            match context.is_json {
                true => terminal.json(entry)?,
                false => lines(terminal, entry).into_iter().try_for_each(|line| terminal.data(line))?,
            }
        }
        let Some(next) = page.next else { return Ok(()) };
        // A new attempt that begins meanwhile is another conversation.
        (wanted.from, wanted.attempt) = (next, Some(page.attempt));
    }
}

fn lines(terminal: &Terminal, entry: &CallEntry) -> Vec<String> {
    let about = match (entry.kind, entry.shown.as_str()) {
        (CallKind::Prompt, _) | (_, "") => harmless(&entry.label),
        (_, shown) => format!("{} {}", harmless(&entry.label), harmless(shown)),
    };
    let (tone, end) = ending(entry);
    let took = entry.duration_ms.filter(|ms| *ms > 0).map(|ms| format!(" {}", human_duration(ms)));
    let used = entry.usage.map(|usage| format!(" ({})", used(&usage))).unwrap_or_default();
    let head = terminal.paint(Tone::Bold, format!("[{}] {} {about}", entry.ix, entry.kind));
    let details = terminal.paint(tone, format!("{end}{}{used}", took.unwrap_or_default()));
    let mut lines = vec![String::new(), format!("{head} {details}")];
    lines.extend(harmless_lines(&entry.text).lines().map(|line| format!("    {line}").trim_end().to_owned()));
    for call in &entry.calls {
        let arguments = harmless(&call.arguments);
        lines.push(format!("  {} {} {arguments}", terminal.paint(Tone::Dim, "calls"), harmless(&call.name)));
    }
    if let Some(bytes) = entry.cut_from {
        let note = format!("    ... cut; the whole has {} bytes (--full)", grouped(bytes));
        lines.push(terminal.paint(Tone::Dim, note));
    }
    lines
}

fn ending(entry: &CallEntry) -> (Tone, String) {
    match &entry.end {
        CallEnd::Open if entry.kind == CallKind::Ask => (Tone::Warn, "waits for an answer".to_owned()),
        CallEnd::Open => (Tone::Warn, "not ended yet".to_owned()),
        CallEnd::Done => (Tone::Dim, "ok".to_owned()),
        CallEnd::Failed { failure } => (Tone::Bad, format!("failed: {}", harmless(&failure.to_string()))),
        CallEnd::Uncertain { charged } => {
            let (tokens, usd) = (grouped(charged.tokens), money(charged.usd_micros));
            (Tone::Warn, format!("uncertain: cut off, charged at {tokens} tokens, {usd}"))
        }
        CallEnd::Dropped => (Tone::Dim, "cut off, made again".to_owned()),
    }
}

fn used(usage: &Usage) -> String {
    let mut text = format!("{} in", grouped(usage.input_tokens));
    if usage.cached_tokens > 0 {
        text += &format!(", {} cached", grouped(usage.cached_tokens));
    }
    text += &format!(", {} out", grouped(usage.output_tokens));
    if usage.reasoning_tokens > 0 {
        text += &format!(", {} reasoning", grouped(usage.reasoning_tokens));
    }
    let estimated = if usage.estimated { ", estimated" } else { "" };
    format!("{text}{estimated}, {}", money(usage.usd_micros))
}
