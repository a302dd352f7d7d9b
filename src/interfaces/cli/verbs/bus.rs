//! `wfctl bus`: who is told of records.

use serde_json::json;

use super::super::args::{self, BusWhat};
use super::super::context::Context;
use super::super::error::Error;
use super::super::exit::Exit;
use super::super::table::{self, plain};
use super::super::terminal::{Tone, harmless};
use super::super::words::{grouped, lasting};
use crate::app::Need;
use crate::interfaces::api::SinkState;

const NOTHING: &str = "nobody is told of records: configure [bus.redis], [[bus.webhook]] or [[notify]] in config.toml";

/// Status, test, or resume.
pub async fn run(context: &Context, arguments: &args::Bus) -> Result<Exit, Error> {
    match &arguments.what {
        BusWhat::Status => {
            let session = context.app.open(Need::Read, "bus status").await?;
            let sinks = session.home().sinks().await;
            session.close().await;
            tell(context, &sinks?)
        }
        BusWhat::Resume { sink, skip } => {
            let session = context.app.open(Need::Read, "bus resume").await?;
            let sinks = session.home().resume_sink(sink, *skip).await;
            session.close().await;
            sinks?;
            context.terminal.note(format!("{} is tried again", harmless(sink)));
            Ok(Exit::Done)
        }
        BusWhat::Test { sink } => test(context, sink.as_deref()).await,
    }
}

fn tell(context: &Context, sinks: &[SinkState]) -> Result<Exit, Error> {
    let terminal = &context.terminal;
    if context.is_json {
        for sink in sinks {
            terminal.json(sink)?;
        }
        return Ok(Exit::Done);
    }
    if sinks.is_empty() {
        terminal.note(NOTHING);
        let (url, is_named) = context.app.environment().redis_url();
        if is_named {
            terminal.note(format!("REDIS_HOST is set; an empty [bus.redis] publishes to {}", harmless(&url)));
        }
        return Ok(Exit::Done);
    }
    let head = ["sink", "told", "behind", "state", "to"].map(|text| (Tone::Dim, text.to_owned())).to_vec();
    let row = |sink: &SinkState| {
        let state = match (sink.parked, &sink.trouble, sink.live) {
            (true, ..) => (Tone::Bad, "parked"),
            (false, Some(_), _) => (Tone::Warn, "trying"),
            (false, None, true) => (Tone::Good, "well"),
            (false, None, false) => (Tone::Dim, "no engine"),
        };
        let behind = (if sink.behind > 0 { Tone::Warn } else { Tone::Plain }, grouped(sink.behind));
        vec![
            plain(harmless(&sink.name)),
            plain(grouped(sink.delivered)),
            behind,
            (state.0, state.1.to_owned()),
            plain(harmless(&sink.to)),
        ]
    };
    let rows: Vec<_> = std::iter::once(head).chain(sinks.iter().map(row)).collect();
    for line in table::lines(terminal, &rows) {
        terminal.data(line)?;
    }
    let now = context.app.now();
    for sink in sinks {
        if let Some(trouble) = &sink.trouble {
            let at = sink.at.as_ref().map(|at| format!(" at {}", harmless(at))).unwrap_or_default();
            let since = sink.since.map(|since| format!(", {}", lasting(now, since))).unwrap_or_default();
            let text = format!("{}: {}{at}{since}, {} tries", sink.name, harmless(trouble), sink.tries);
            terminal.data(terminal.paint(if sink.parked { Tone::Bad } else { Tone::Warn }, text))?;
        }
        if let Some(passed_over) = &sink.passed_over {
            terminal.data(format!("{}: passed over {}", sink.name, harmless(passed_over)))?;
        }
        if sink.parked && sink.at.is_some() {
            terminal.note(format!(
                "try again with: wfctl bus resume {0} (or {0} --skip, to pass over that record)",
                sink.name
            ));
        }
    }
    Ok(Exit::Done)
}

async fn test(context: &Context, only: Option<&str>) -> Result<Exit, Error> {
    let tried = context.app.try_sinks(only).await?;
    let terminal = &context.terminal;
    if tried.is_empty() {
        if let Some(name) = only {
            let message = format!("no sink `{name}` is configured");
            return Err(Error::Usage { message, hint: "See them with `wfctl bus status`.".to_owned() });
        }
        terminal.note(NOTHING);
        return Ok(Exit::Done);
    }
    for sink in &tried {
        let (is_fine, text) = match &sink.result {
            Ok(said) => (true, said),
            Err(problem) => (false, problem),
        };
        if context.is_json {
            terminal.json(&json!({"sink": sink.name, "to": sink.to, "ok": is_fine, "said": text}))?;
        } else {
            let tone = if is_fine { Tone::Good } else { Tone::Bad };
            let name = terminal.paint(tone, harmless(&sink.name));
            terminal.data(format!("{name}: {} ({})", harmless(text), harmless(&sink.to)))?;
        }
    }
    Ok(if tried.iter().all(|sink| sink.result.is_ok()) { Exit::Done } else { Exit::Failed })
}
