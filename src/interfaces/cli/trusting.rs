//! Asking a person for what a repository brings: before something of it runs or is obeyed, it is shown as it is, or as what changed
//! since it was agreed to, and asked for once. Who cannot be asked is told the command that shows it.

mod servers;
mod show;

use std::path::{Path, PathBuf};

use super::args::Verb;
use super::context::Context;
use super::error::Error;
use super::terminal::{Tone, harmless};
use super::words::shell_quoted;
use super::workflows::Source;
use crate::app::Standing;
use crate::domain::workflow::{Definition, WorkspaceKind};
use crate::interfaces::api::StartRequest;

/// How a person's agreement is had.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Consent {
    /// A flag gives it.
    Given,
    /// It is asked for, where somebody is there to be asked.
    Ask,
}

impl Consent {
    /// By whether the flag was given.
    pub fn from_flag(is_given: bool) -> Self {
        if is_given { Self::Given } else { Self::Ask }
    }
}

/// A file of a repository that would be run or obeyed.
#[derive(Debug)]
pub struct Brought {
    /// What it is for, in a word.
    pub what: &'static str,
    /// Where it is.
    pub path: PathBuf,
    /// Its content.
    pub content: Vec<u8>,
    /// What it would do, a line each.
    pub does: Vec<String>,
}

impl Brought {
    /// A role.
    pub fn role(path: PathBuf, content: Vec<u8>) -> Self {
        Self {
            what: "role",
            path,
            content,
            does: vec!["says what agents of this role are told and may use".to_owned()],
        }
    }

    /// The settings of a repository.
    pub fn settings(path: PathBuf, content: Vec<u8>) -> Self {
        Self { what: "settings", path, content, does: vec!["sets what wfctl does in this repository".to_owned()] }
    }
}

/// The files of a workflow; what all of them would do together is told with the first.
pub fn workflow(files: Vec<Source>, definition: &Definition) -> Vec<Brought> {
    let mut does = show::doings(definition);
    let brought =
        |Source { path, bytes }| Brought { what: "workflow", path, content: bytes, does: std::mem::take(&mut does) };
    files.into_iter().map(brought).collect()
}

/// What a start needs agreement to: the files of its workflow, and, where it runs in worktrees, the roles that the repository has
/// at the commit it begins from. Roles that the workflow does not name count too: tasks can be added later.
pub fn of_start(context: &Context, files: Vec<Source>, start: &StartRequest) -> Result<Vec<Brought>, Error> {
    let mut all = workflow(files, &start.definition);
    if start.definition.workspace == WorkspaceKind::Worktree
        && let Some(commit) = &start.base_commit
    {
        let roles = context.app.roles_at(Path::new(&start.base_dir), commit)?;
        all.extend(roles.into_iter().map(|(path, content)| Brought::role(path, content)));
    }
    Ok(all)
}

/// Those of `brought` that nobody has agreed to as they are, with how they stand.
pub fn open(context: &Context, brought: Vec<Brought>) -> Result<Vec<(Brought, Standing)>, Error> {
    let trust = context.app.trust();
    let mut open = Vec::new();
    for mut file in brought {
        let standing = trust.standing(&file.path, &file.content)?;
        let more = servers::doings(&file, context.app.layers().servers());
        file.does.extend(more);
        if !standing.counts() {
            open.push((file, standing));
        }
    }
    Ok(open)
}

/// Has agreement to all of `brought`, or fails. How many files were agreed to just now.
pub fn settle(context: &Context, brought: Vec<Brought>, consent: Consent) -> Result<usize, Error> {
    let open = open(context, brought)?;
    if open.is_empty() {
        return Ok(0);
    }
    if consent == Consent::Ask {
        let refused = || Error::Untrusted(names(&open));
        if context.is_json || !context.terminal.can_ask() {
            return Err(refused());
        }
        shown(context, &open);
        let question = match open.len() {
            1 => "Do you trust this file?".to_owned(),
            count => format!("Do you trust these {count} files?"),
        };
        if !context.terminal.ask(&question)? {
            return Err(refused());
        }
    }
    agree(context, &open)?;
    Ok(open.len())
}

/// Shows files on stderr.
pub fn shown(context: &Context, open: &[(Brought, Standing)]) {
    for (file, standing) in open {
        for line in show::file(file, standing, |tone, text| context.terminal.paint_note(tone, text)) {
            context.terminal.note(line);
        }
    }
}

/// Writes down that they are agreed to, and says so.
pub fn agree(context: &Context, open: &[(Brought, Standing)]) -> Result<(), Error> {
    let contents: Vec<(&Path, &[u8])> = open.iter().map(|(file, _)| (&*file.path, &*file.content)).collect();
    context.app.trust().record(&contents)?;
    for (file, _) in open {
        let text = format!("trusted: {}", harmless(&file.path.display().to_string()));
        context.terminal.note(context.terminal.paint_note(Tone::Dim, text));
    }
    Ok(())
}

/// The files by the paths that are typed for them.
pub fn names(open: &[(Brought, Standing)]) -> Vec<PathBuf> {
    let here = std::env::current_dir().unwrap_or_default();
    let short = |path: &Path| path.strip_prefix(&here).map_or_else(|_| path.to_owned(), Path::to_owned);
    let mut names: Vec<PathBuf> = open.iter().map(|(file, _)| short(&file.path)).collect();
    names.dedup();
    names
}

/// Deals with settings of the repository around here that nobody has agreed to: what begins a project has agreement or is
/// refused, everything else goes on without them and says so.
pub fn settings(context: &mut Context, verb: &Verb) -> Result<(), Error> {
    let Some((path, text)) = context.app.untrusted_settings() else { return Ok(()) };
    let consent = match verb {
        Verb::Run(run) if !run.dry_run => Consent::from_flag(run.trust),
        Verb::Fork(_) => Consent::Ask,
        // They obey no setting of a repository.
        Verb::Trust(_) | Verb::Completions(_) | Verb::Man | Verb::Version | Verb::Explain(_) | Verb::Schema(_) => {
            return Ok(());
        }
        _ => {
            let file = shell_quoted(&harmless(&path.display().to_string()));
            let text =
                format!("the settings of this repository are not trusted and do not count; see: wfctl trust {file}");
            context.terminal.note(context.terminal.paint_note(Tone::Warn, text));
            return Ok(());
        }
    };
    let brought = Brought::settings(path.to_owned(), text.as_bytes().to_vec());
    settle(context, vec![brought], consent)?;
    Ok(context.app.read_settings_again()?)
}
