//! `wfctl artifacts`: what agents kept.

use super::super::args;
use super::super::context::Context;
use super::super::error::Error;
use super::super::exit::Exit;
use super::super::table::{self, plain};
use super::super::terminal::{Tone, harmless, harmless_lines};
use crate::domain::payload::Payload;
use crate::domain::view::Summary;
use crate::interfaces::api::{Artifact, Home};

/// Digits of a digest that tell artifacts apart.
const DIGEST_CHARS: usize = 12;

/// Lists them, or hands one out.
pub async fn run(context: &Context, arguments: &args::Artifacts) -> Result<Exit, Error> {
    let (session, summary) = context.read(&arguments.project, "artifacts").await?;
    let home = session.home().clone();
    let done = match &arguments.name {
        Some(name) => print(context, &home, &summary, arguments, name).await,
        None => list(context, &home, &summary, arguments).await,
    };
    session.close().await;
    done.map(|()| Exit::Done)
}

async fn list(context: &Context, home: &Home, summary: &Summary, arguments: &args::Artifacts) -> Result<(), Error> {
    let artifacts = home.artifacts(&summary.id, arguments.task.clone()).await?;
    if context.is_json {
        return artifacts.iter().try_for_each(|artifact| context.terminal.json(artifact));
    }
    if artifacts.is_empty() {
        let of = arguments.task.as_ref().map(|task| format!(" of {}", harmless(task))).unwrap_or_default();
        context.terminal.note(format!("no completed attempt{of} in {} kept an artifact", summary.id));
        return Ok(());
    }
    let rows: Vec<_> = artifacts.iter().map(row).collect();
    table::lines(&context.terminal, &rows).into_iter().try_for_each(|line| context.terminal.data(line))
}

fn row(artifact: &Artifact) -> Vec<table::Cell> {
    vec![
        plain(harmless(&artifact.task)),
        (Tone::Bold, harmless(&artifact.name)),
        plain(format!("{} bytes", artifact.bytes)),
        (Tone::Dim, artifact.digest.to_hex()[..DIGEST_CHARS].to_owned()),
    ]
}

async fn print(
    context: &Context,
    home: &Home,
    summary: &Summary,
    arguments: &args::Artifacts,
    name: &str,
) -> Result<(), Error> {
    let content = home.artifact(&summary.id, arguments.task.clone(), name).await?;
    let bytes = match content.content {
        Payload::Inline(bytes) => bytes,
        Payload::Blob(_) => return Err(Error::Internal("an artifact came without its content".to_owned())),
    };
    let Some(path) = &arguments.output else {
        // As it is for whatever reads it; a terminal would do what it says.
        return match context.terminal.is_out_terminal() {
            true => context.terminal.raw(&harmless_lines(&String::from_utf8_lossy(&bytes))),
            false => context.terminal.bytes(&bytes),
        };
    };
    if path.exists() {
        return Err(Error::Exists(path.clone()));
    }
    std::fs::write(path, &bytes).map_err(|source| Error::File { doing: "write", path: path.clone(), source })?;
    context.terminal.note(format!("wrote {} ({} bytes)", path.display(), bytes.len()));
    Ok(())
}
