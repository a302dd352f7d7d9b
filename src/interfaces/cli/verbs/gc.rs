//! `wfctl gc`: remove what has ended.

use super::super::args;
use super::super::context::Context;
use super::super::error::Error;
use super::super::exit::Exit;
use super::super::terminal::{Tone, harmless};
use crate::app::Need;
use crate::domain::time::{Millis, parse_duration};

/// Removes it.
pub async fn run(context: &Context, arguments: &args::Gc) -> Result<Exit, Error> {
    let age_ms = parse_duration(&arguments.older_than).ok_or_else(|| Error::Usage {
        message: format!("`{}` is not a duration", arguments.older_than),
        hint: "Write for example 12h or 7d; 0s means everything that has ended.".to_owned(),
    })?;
    if context.app.is_untouched() {
        context.terminal.note(format!("nothing is stored yet: {}", context.app.home().display()));
        return Ok(Exit::Done);
    }
    let before = Millis(context.app.now().0.saturating_sub(age_ms).saturating_add(u64::from(age_ms == 0)));
    let session = context.app.open(Need::Read, "gc").await?;
    let removed = session.home().remove(before, arguments.dry_run).await;
    session.close().await;
    let (removed, terminal) = (removed?, &context.terminal);
    if context.is_json {
        terminal.json(&removed)?;
    } else {
        for id in &removed.projects {
            terminal.data(id.as_str())?;
        }
        let verb = if arguments.dry_run { "would be removed" } else { "removed" };
        let count = |count: usize, what: &str| format!("{count} {what}{}", if count == 1 { "" } else { "s" });
        let projects = count(removed.projects.len(), "project");
        terminal.note(format!("{projects} and {} {verb}", count(removed.blobs, "blob")));
    }
    for problem in &removed.problems {
        terminal.note(terminal.paint_note(Tone::Warn, format!("not removed: {}", harmless(problem))));
    }
    Ok(if removed.problems.is_empty() { Exit::Done } else { Exit::Damaged })
}
