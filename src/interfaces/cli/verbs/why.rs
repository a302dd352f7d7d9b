//! `wfctl why`: what a project waits for, since when, and the command that unblocks it.

use super::super::args;
use super::super::context::Context;
use super::super::error::Error;
use super::super::exit::Exit;
use super::super::terminal::{Tone, harmless};
use super::super::words::{lasting, project_tone};
use crate::domain::time::human_duration;

/// Tells it.
pub async fn run(context: &Context, arguments: &args::Project) -> Result<Exit, Error> {
    let (session, summary) = context.read(&arguments.project, "why").await?;
    let why = session.home().why(&summary.id).await;
    session.close().await;
    let (why, now, terminal) = (why?, context.app.now(), &context.terminal);
    if context.is_json {
        terminal.json(&serde_json::json!({"project": why.project, "driven": why.driven, "reasons": why.reasons}))?;
        return Ok(Exit::Done);
    }
    let id = &why.project.id;
    let status = terminal.paint(project_tone(why.project.status), why.project.status.name());
    let note = harmless(&why.project.note);
    let told = if note.is_empty() { String::new() } else { format!(": {note}") };
    if why.project.status.is_terminal() {
        terminal.data(format!("{id} is {status}{told}; it waits for nothing"))?;
        return Ok(Exit::Done);
    }
    terminal.data(format!("{id} is {status}{told}"))?;
    for reason in &why.reasons {
        let about = reason.task.as_ref().map_or_else(|| "the project".to_owned(), |task| harmless(task));
        let since = lasting(now, reason.since);
        let due =
            reason.due.map(|due| format!(", goes on by itself in {}", human_duration(due.since(now) / 1000 * 1000)));
        let text = harmless(&reason.waits_for);
        // A hold is told in the first line already, in the same words.
        let what = match reason.task.is_none() && text == note {
            true => "the project is held".to_owned(),
            false => format!("{about} waits for {text}"),
        };
        terminal.data(format!("  {what} ({since}{})", due.unwrap_or_default()))?;
        if let Some(command) = &reason.command {
            terminal.data(format!("    {}", terminal.paint(Tone::Bold, harmless(command))))?;
        }
    }
    if why.reasons.is_empty() && why.driven {
        terminal.data("  it waits for nothing: its tasks run")?;
    }
    if !why.driven {
        terminal.data("  no engine drives it; nothing moves before")?;
        terminal.data(format!("    {}", terminal.paint(Tone::Bold, format!("wfctl resume {id}"))))?;
    }
    Ok(Exit::Done)
}
