//! `wfctl doctor`: check everything that is stored, and heal what can be healed.

use super::super::args;
use super::super::context::Context;
use super::super::error::Error;
use super::super::exit::Exit;
use super::super::terminal::{Tone, harmless};
use crate::app::Need;
use crate::interfaces::api::Check;

/// Checks, or repairs and then checks.
pub async fn run(context: &Context, arguments: &args::Doctor) -> Result<Exit, Error> {
    if context.app.is_untouched() {
        context.terminal.note(format!("nothing is stored yet: {}", context.app.home().display()));
        return Ok(Exit::Done);
    }
    if arguments.repair {
        for done in context.app.repair().await? {
            tell(context, &done)?;
        }
    }
    let session = context.app.open(Need::Read, "doctor").await?;
    let findings = session.home().check().await;
    session.close().await;
    let findings = findings?;
    for finding in &findings {
        tell(context, finding)?;
    }
    let is_bad = findings.iter().any(|finding| finding.severity == "error");
    if findings.is_empty() && !context.is_json {
        context.terminal.data(context.terminal.paint(Tone::Good, "everything is as it should be"))?;
    }
    if !is_bad {
        return Ok(Exit::Done);
    }
    if !context.is_json && !arguments.repair {
        context.terminal.note("heal what can be healed with: wfctl doctor --repair");
    }
    Ok(Exit::Damaged)
}

fn tell(context: &Context, check: &Check) -> Result<(), Error> {
    if context.is_json {
        return context.terminal.json(check);
    }
    let tone = match check.severity.as_str() {
        "error" => Tone::Bad,
        "warning" => Tone::Warn,
        _ => Tone::Dim,
    };
    let head = context.terminal.paint(tone, format!("{} {}", check.severity, check.kind));
    context.terminal.data(format!("{head}: {}: {}", harmless(&check.what), harmless(&check.place)))
}
