//! `wfctl trust`: show what a repository brings, and agree to it.

use std::path::{Path, PathBuf};

use super::super::args;
use super::super::context::Context;
use super::super::error::Error;
use super::super::exit::Exit;
use super::super::table::{self, plain};
use super::super::terminal::{Tone, harmless};
use super::super::trusting::{self, Brought};
use super::super::workflows;
use crate::app::git_root;

/// The settings of a repository.
const SETTINGS: &str = ".wfctl.toml";
/// Where it keeps roles.
const ROLES: &str = ".wfctl/roles";
/// How much of a digest is listed.
const SHORT: usize = 12;

/// Lists, takes back, or shows and asks.
pub fn run(context: &Context, arguments: &args::Trust) -> Result<Exit, Error> {
    if arguments.list {
        return list(context);
    }
    if !arguments.revoke.is_empty() {
        return revoke(context, &arguments.revoke);
    }
    let brought = match arguments.paths.is_empty() {
        true => everything(context)?,
        false => {
            let mut all = Vec::new();
            for path in &arguments.paths {
                all.extend(named(context, path)?);
            }
            all
        }
    };
    let count = brought.len();
    let open = trusting::open(context, brought)?;
    if open.is_empty() {
        context.terminal.note(if count == 0 { "nothing here needs trust" } else { "all of it counts already" });
        return Ok(Exit::Done);
    }
    if !context.is_json {
        trusting::shown(context, &open);
    }
    if !arguments.yes {
        if context.is_json || !context.terminal.can_ask() {
            return Err(Error::Usage {
                message: "nobody is there to be asked".to_owned(),
                hint: "Once you have looked at it: wfctl trust --yes".to_owned(),
            });
        }
        let question = format!("Do you trust {}?", if open.len() == 1 { "this file" } else { "these files" });
        if !context.terminal.ask(&question)? {
            return Err(Error::Untrusted(trusting::names(&open)));
        }
    }
    trusting::agree(context, &open)?;
    for (file, _) in open.iter().filter(|_| context.is_json) {
        context
            .terminal
            .json(&serde_json::json!({"v": 1, "type": "trusted", "path": file.path.display().to_string()}))?;
    }
    Ok(Exit::Done)
}

/// What is named on the command line: a role or settings by their place, everything else is a workflow.
fn named(context: &Context, name: &str) -> Result<Vec<Brought>, Error> {
    let path = std::path::absolute(name).unwrap_or_else(|_| PathBuf::from(name));
    let is_role = path.extension().is_some_and(|it| it == "md") && path.parent().is_some_and(|it| it.ends_with(ROLES));
    if is_role {
        let committed = roles_here(context, &path)?.into_iter().filter(|(known, _)| same(known, &path));
        let mut found: Vec<Brought> = committed.map(|(path, content)| Brought::role(path, content)).collect();
        // What is not committed yet counts as soon as it is.
        match std::fs::read(&path) {
            Ok(content) if found.iter().all(|role| role.content != content) => found.push(Brought::role(path, content)),
            Ok(_) => {}
            Err(_) if !found.is_empty() => {}
            Err(source) => return Err(Error::File { doing: "read", path, source }),
        }
        return Ok(found);
    }
    if path.ends_with(SETTINGS) {
        let content =
            std::fs::read(&path).map_err(|source| Error::File { doing: "read", path: path.clone(), source })?;
        return Ok(vec![Brought::settings(path, content)]);
    }
    let found = workflows::load(&context.terminal, name)?;
    Ok(trusting::workflow(found.files, &found.definition))
}

/// Everything in the repository around here that needs trust. A workflow that is not valid cannot run, and is only named.
fn everything(context: &Context) -> Result<Vec<Brought>, Error> {
    let here = std::env::current_dir().unwrap_or_default();
    let Some(root) = git_root(&here) else { return Ok(Vec::new()) };
    let mut all = Vec::new();
    for path in workflows::files_here() {
        match workflows::load(&context.terminal, &path.display().to_string()) {
            Ok(found) => all.extend(trusting::workflow(found.files, &found.definition)),
            Err(_) => {
                let text = format!("left out, for it is not valid: {}", harmless(&path.display().to_string()));
                context.terminal.note(context.terminal.paint_note(Tone::Warn, text));
            }
        }
    }
    let mut roles = roles_here(context, &root)?;
    for entry in std::fs::read_dir(root.join(ROLES)).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.extension().is_some_and(|it| it == "md") && path.is_file() {
            let content = std::fs::read(&path);
            let content = content.map_err(|source| Error::File { doing: "read", path: path.clone(), source })?;
            roles.push((path, content));
        }
    }
    all.extend(roles.into_iter().map(|(path, content)| Brought::role(path, content)));
    if let Some((path, text)) = context.app.untrusted_settings() {
        all.push(Brought::settings(path.to_owned(), text.as_bytes().to_vec()));
    }
    // A child of two workflows is one file, and so is a role that was not changed since its commit.
    let mut seen = std::collections::BTreeSet::new();
    all.retain(|file| seen.insert((file.path.clone(), file.content.clone())));
    Ok(all)
}

/// The roles of the present commit; none where there is no commit.
fn roles_here(context: &Context, path: &Path) -> Result<Vec<(PathBuf, Vec<u8>)>, Error> {
    let folder = path.ancestors().find(|folder| folder.is_dir()).unwrap_or(path);
    match context.app.base_commit(folder) {
        Ok(commit) => Ok(context.app.roles_at(folder, &commit)?),
        Err(_) => Ok(Vec::new()),
    }
}

fn same(one: &Path, other: &Path) -> bool {
    let real = |path: &Path| path.canonicalize().unwrap_or_else(|_| path.to_owned());
    real(one) == real(other)
}

fn list(context: &Context) -> Result<Exit, Error> {
    let entries = context.app.trust().entries()?;
    let terminal = &context.terminal;
    if context.is_json {
        for entry in entries {
            terminal.json(&serde_json::json!({
                "v": 1, "type": "trust", "path": entry.path, "digest": entry.digest, "at": entry.at,
            }))?;
        }
        return Ok(Exit::Done);
    }
    if entries.is_empty() {
        terminal.note("nothing is trusted yet; see what this repository brings with: wfctl trust");
    }
    let rows: Vec<_> = entries
        .iter()
        .map(|entry| {
            let digest = entry.digest.get(..SHORT).unwrap_or(&entry.digest).to_owned();
            vec![plain(harmless(&digest)), plain(entry.at.to_string()), plain(harmless(&entry.path))]
        })
        .collect();
    for line in table::lines(terminal, &rows) {
        terminal.data(line)?;
    }
    Ok(Exit::Done)
}

fn revoke(context: &Context, paths: &[PathBuf]) -> Result<Exit, Error> {
    let trust = context.app.trust();
    for path in paths {
        let shown = harmless(&path.display().to_string());
        match trust.revoke(path)? {
            0 => {
                return Err(Error::Usage {
                    message: format!("{shown} is not trusted, so there is nothing to take back"),
                    hint: "See what is with `wfctl trust --list`.".to_owned(),
                });
            }
            _ => context.terminal.note(format!("no longer trusted: {shown}")),
        }
    }
    Ok(Exit::Done)
}
