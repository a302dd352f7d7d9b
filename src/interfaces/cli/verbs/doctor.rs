//! `wfctl doctor`: check everything that is stored, heal what can be healed, and try what keeps commands in their place.

mod servers;

use super::super::args;
use super::super::context::Context;
use super::super::error::Error;
use super::super::exit::Exit;
use super::super::terminal::{Tone, harmless};
use crate::app::{Came, Escape, Found, Health, Need};
use crate::domain::sandbox::Backend;
use crate::interfaces::api::Check;

/// Checks, or repairs and then checks.
pub async fn run(context: &Context, arguments: &args::Doctor) -> Result<Exit, Error> {
    if arguments.sandbox {
        return sandbox(context).await;
    }
    let stored = stored(context, arguments).await?;
    // Whoever repairs asks about what is stored only.
    let holds = arguments.repair || sandbox_in_short(context).await?;
    Ok(if holds { stored } else { Exit::Damaged })
}

/// What is stored.
async fn stored(context: &Context, arguments: &args::Doctor) -> Result<Exit, Error> {
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
        context.terminal.data(context.terminal.paint(Tone::Good, "everything that is stored is as it should be"))?;
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
        holds &= backend(context, health.backend.name(), &health.found)?;
    }
    if !works && !context.is_json {
        context
            .terminal
            .note("no sandbox works here, so commands of projects do not run; run them without: --sandbox none");
    }
    Ok(if holds && works { Exit::Done } else { Exit::Damaged })
}

/// The same in a line for each backend, with what commands run under unless a project says otherwise; whether nothing got out.
async fn sandbox_in_short(context: &Context) -> Result<bool, Error> {
    let wanted = context.app.layers().allowance().backend;
    let all = context.app.sandbox_health().await;
    let works = |health: &&Health| health.found.is_ok() && (wanted == Backend::Auto || wanted == health.backend);
    let used = all.iter().find(works).map(|health| health.backend);
    let mut holds = true;
    for Health { backend, found } in &all {
        let name = backend.name();
        let (layers, escapes) = match found {
            Ok((found, escapes)) => (found.layers.join(", "), escapes),
            Err(_) => {
                holds &= self::backend(context, name, found)?;
                continue;
            }
        };
        let stopped = escapes.iter().filter(|escape| escape.came == Came::Stopped).count();
        let place = if used == Some(*backend) { "works, and commands run in it" } else { "works" };
        let what = format!("{name} {place}; {stopped} of {} ways out were tried and stopped", escapes.len());
        tell(context, &check("note", what, &layers))?;
        for escape in escapes.iter().filter(|escape| escape.came != Came::Stopped) {
            holds &= one(context, name, escape)?;
        }
    }
    containers(context, wanted).await?;
    servers::run(context)?;
    match (wanted, used) {
        (_, Some(_)) => {}
        (Backend::None, None) => {
            let what = "commands run without a sandbox, as your configuration says".to_owned();
            tell(context, &check("warning", what, "[sandbox] backend"))?;
        }
        (wanted, None) => {
            let what = format!("commands do not run: the sandbox `{}` cannot be had here", wanted.name());
            tell(context, &check("warning", what, "wfctl explain WF0046"))?;
        }
    }
    Ok(holds)
}

/// Tells in a line which engines could make containers; none needs to.
async fn containers(context: &Context, wanted: Backend) -> Result<(), Error> {
    let mut silent = Vec::new();
    for (backend, found) in context.app.container_engines().await {
        match found {
            // One that is wanted was tried already.
            _ if wanted == backend => {}
            Ok(told) => {
                let how = format!("commands run in its containers with --sandbox {} --sandbox-image", backend.name());
                tell(context, &check("note", format!("{told} answers"), &how))?;
            }
            Err(missing) => silent.push(format!("{}: {}", backend.name(), missing.why)),
        }
    }
    if silent.is_empty() {
        return Ok(());
    }
    tell(context, &check("note", silent.join("; "), "commands run in containers only if you ask for it"))
}

/// Tells of one backend, and whether nothing got out of it.
fn backend(context: &Context, name: &str, found: &Found) -> Result<bool, Error> {
    let (layers, escapes) = match found {
        Ok((found, escapes)) => (found.layers.join(", "), escapes),
        Err(missing) => {
            tell(context, &check("note", format!("{name} does not work here: {}", missing.why), &missing.remedy))?;
            return Ok(true);
        }
    };
    tell(context, &check("note", format!("{name} works"), &layers))?;
    let mut holds = true;
    for escape in escapes {
        holds &= one(context, name, escape)?;
    }
    Ok(holds)
}

/// Tells of one way out, and whether it was closed.
fn one(context: &Context, name: &str, escape: &Escape) -> Result<bool, Error> {
    let (severity, came) = match &escape.came {
        Came::Stopped => ("note", "stopped".to_owned()),
        Came::Through => ("error", "got through".to_owned()),
        Came::Untried(why) => ("warning", format!("could not be tried: {why}")),
    };
    tell(context, &check(severity, format!("{name}: to {}: {came}", escape.what), escape.layer))?;
    Ok(escape.came != Came::Through)
}

fn check(severity: &str, what: String, place: &str) -> Check {
    Check {
        severity: severity.to_owned(),
        kind: "sandbox".to_owned(),
        what,
        place: place.to_owned(),
        next: String::new(),
    }
}
