//! `wfctl doctor`: check everything that is stored, and heal what can be healed.

use super::super::args;
use super::super::context::Context;
use super::super::error::Error;
use super::super::exit::Exit;
use super::super::terminal::{Tone, harmless};
use crate::app::{Came, Health, Need};
use crate::interfaces::api::Check;

/// Checks, or repairs and then checks.
pub async fn run(context: &Context, arguments: &args::Doctor) -> Result<Exit, Error> {
    if arguments.sandbox {
        return sandbox(context).await;
    }
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

/// Shows what each backend puts in force here, and what came of trying to get out.
async fn sandbox(context: &Context) -> Result<Exit, Error> {
    let all = context.app.sandbox_health().await;
    let mut holds = true;
    let mut works = false;
    for health in &all {
        works |= health.found.is_ok();
        holds &= backend(context, health)?;
    }
    if !works && !context.is_json {
        context
            .terminal
            .note("no sandbox works here, so commands of projects do not run; run them without: --sandbox none");
    }
    Ok(if holds && works { Exit::Done } else { Exit::Damaged })
}

/// Tells of one backend, and whether nothing got out of it.
fn backend(context: &Context, health: &Health) -> Result<bool, Error> {
    let name = health.backend.name();
    let (layers, escapes) = match &health.found {
        Ok((found, escapes)) => (found.layers.join(", "), escapes),
        Err(missing) => {
            let check = Check {
                severity: "note".to_owned(),
                kind: "sandbox".to_owned(),
                what: format!("{name} does not work here: {}", missing.why),
                place: missing.remedy.to_owned(),
                next: String::new(),
            };
            tell(context, &check)?;
            return Ok(true);
        }
    };
    let check = |severity: &str, what: String, place: &str| Check {
        severity: severity.to_owned(),
        kind: "sandbox".to_owned(),
        what,
        place: place.to_owned(),
        next: String::new(),
    };
    tell(context, &check("note", format!("{name} works"), &layers))?;
    let mut holds = true;
    for escape in escapes {
        let (severity, came) = match &escape.came {
            Came::Stopped => ("note", "stopped".to_owned()),
            Came::Through => ("error", "got through".to_owned()),
            Came::Untried(why) => ("warning", format!("could not be tried: {why}")),
        };
        holds &= severity != "error";
        tell(context, &check(severity, format!("{name}: to {}: {came}", escape.what), escape.layer))?;
    }
    Ok(holds)
}
