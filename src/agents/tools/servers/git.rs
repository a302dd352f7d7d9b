//! The server `git`: the repository of the worktree. What changes more than the task's own branch needs the person's leave
//! (`--allow-git`); a push runs as a command, within what commands may reach.

use std::fmt::Write as _;

use serde::Deserialize;
use serde_json::{Value, json};

use super::super::{Site, ToolFault, ToolOutput, arguments, boundary, object};
use super::{Served, web};
use crate::domain::limits;
use crate::domain::sandbox::GitAccess;
use crate::domain::workflow::EffectClass;
use crate::workspace::git;

/// The tools.
pub(super) const TOOLS: [Served; 6] = [
    Served {
        server: "git",
        name: "git_init",
        about: "Make a git repository in a folder of the worktree that is in none.",
        effect: EffectClass::Idempotent,
        parameters: || {
            let path = json!({ "type": "string", "description": "The folder, relative to the root; the root itself when left out." });
            object(
                json!({ "path": path, "branch": { "type": "string", "description": "The first branch; main when left out." } }),
                &[],
            )
        },
        work: |arguments, site| Box::pin(git_init(arguments, site)),
    },
    Served {
        server: "git",
        name: "git_commit",
        about: "Commit everything that is changed in the worktree, on the branch that the work belongs to.",
        effect: EffectClass::Probed,
        parameters: || {
            let message = json!({
                "type": "string", "minLength": 1, "maxLength": limits::COMMENT_BYTES, "description": "A subject line, a blank line, why."
            });
            object(json!({ "message": message }), &["message"])
        },
        work: |arguments, site| Box::pin(git_commit(arguments, site)),
    },
    Served {
        server: "git",
        name: "git_branch",
        about: "List the branches of the repository, or create one at HEAD or at another commit.",
        effect: EffectClass::Idempotent,
        parameters: || {
            object(
                json!({
                    "create": { "type": "string", "minLength": 1, "maxLength": 200, "description": "The name of a new branch." },
                    "from": { "type": "string", "minLength": 1, "maxLength": 200, "description": "Where it begins; HEAD when left out." },
                }),
                &[],
            )
        },
        work: |arguments, site| Box::pin(git_branch(arguments, site)),
    },
    Served {
        server: "git",
        name: "git_merge",
        about: "Merge a branch or commit into the worktree. A conflict changes nothing and names the files.",
        effect: EffectClass::Restorable,
        parameters: || {
            let revision = json!({ "type": "string", "minLength": 1, "maxLength": 200, "description": "A branch, tag or commit." });
            object(json!({ "revision": revision }), &["revision"])
        },
        work: |arguments, site| Box::pin(git_merge(arguments, site)),
    },
    Served {
        server: "git",
        name: "git_push",
        about: "Push a branch to a remote of the repository. It needs leave to write to the repository, and to reach the remote's host.",
        effect: EffectClass::Idempotent,
        parameters: || {
            object(
                json!({
                    "remote": { "type": "string", "minLength": 1, "maxLength": 100, "description": "The name of a configured remote." },
                    "branch": { "type": "string", "minLength": 1, "maxLength": 200, "description": "A local branch." },
                }),
                &["remote", "branch"],
            )
        },
        work: |arguments, site| Box::pin(git_push(arguments, site)),
    },
    Served {
        server: "git",
        name: "search_repositories",
        about: "Search public repositories by words: name, stars, description, address. It asks api.github.com, or another host with the \
                same interface, which the person must have allowed.",
        effect: EffectClass::Idempotent,
        parameters: || {
            object(
                json!({
                    "query": { "type": "string", "minLength": 1, "maxLength": 256 },
                    "limit": { "type": "integer", "minimum": 1, "maximum": 50, "description": "Most repositories; 10 when left out." },
                    "api": { "type": "string", "description": "The address of the interface, when it is not https://api.github.com." },
                }),
                &["query"],
            )
        },
        work: |arguments, site| Box::pin(search_repositories(arguments, site)),
    },
];

#[derive(Deserialize)]
struct Init {
    path: Option<String>,
    branch: Option<String>,
}

#[derive(Deserialize)]
struct Commit {
    message: String,
}

#[derive(Deserialize)]
struct Branch {
    create: Option<String>,
    from: Option<String>,
}

#[derive(Deserialize)]
struct Merge {
    revision: String,
}

#[derive(Deserialize)]
struct Push {
    remote: String,
    branch: String,
}

#[derive(Deserialize)]
struct Repositories {
    query: String,
    limit: Option<usize>,
    api: Option<String>,
}

/// Refuses what the person has not allowed.
fn may_write(site: &Site<'_>) -> Result<(), ToolFault> {
    match site.beyond.allowed.git {
        GitAccess::Write => Ok(()),
        GitAccess::Read => Err(ToolFault::Told(
            "the repository may only be read here; a person allows more with --allow-git. Go on without it, or ask"
                .to_owned(),
        )),
    }
}

fn told(error: git::Error) -> ToolFault {
    ToolFault::Told(error.to_string())
}

async fn git_init(arguments: &Value, site: &Site<'_>) -> Result<ToolOutput, ToolFault> {
    let Init { path, branch } = arguments::typed(arguments)?;
    may_write(site)?;
    let boundary = boundary(site.root)?;
    let path = boundary.path(path.as_deref().unwrap_or("."))?;
    boundary.create_folders(&path)?;
    let folder = site.root.join(path.names().join("/"));
    let branch = branch.unwrap_or_else(|| "main".to_owned());
    match git::init(&folder, &branch).map_err(told)? {
        true => Ok(ToolOutput::new(format!("`{path}` is a repository now, on branch {branch}, without a commit"))),
        false => Ok(ToolOutput::new(format!("`{path}` is in a repository already"))),
    }
}

async fn git_commit(arguments: &Value, site: &Site<'_>) -> Result<ToolOutput, ToolFault> {
    let Commit { message } = arguments::typed(arguments)?;
    let id = site.beyond.repository.commit(&message).await?;
    Ok(ToolOutput::new(format!("committed as {id}")))
}

async fn git_branch(arguments: &Value, site: &Site<'_>) -> Result<ToolOutput, ToolFault> {
    let Branch { create, from } = arguments::typed(arguments)?;
    match create {
        Some(name) => {
            may_write(site)?;
            let at = git::create_branch(site.root, &name, from.as_deref()).map_err(told)?;
            Ok(ToolOutput::new(format!("branch {name} is at {at}")))
        }
        None => {
            let mut out = String::new();
            for (name, commit, is_current) in git::branches_of(site.root).map_err(told)? {
                let mark = if is_current { "*" } else { " " };
                // Writing to a string does not fail.
                let _ = writeln!(out, "{mark} {name} {}", &commit[..commit.len().min(12)]);
            }
            Ok(ToolOutput::new(if out.is_empty() { "(no branches)\n".to_owned() } else { out }))
        }
    }
}

async fn git_merge(arguments: &Value, site: &Site<'_>) -> Result<ToolOutput, ToolFault> {
    let Merge { revision } = arguments::typed(arguments)?;
    site.beyond.repository.merge(&revision).await.map(ToolOutput::new)
}

async fn git_push(arguments: &Value, site: &Site<'_>) -> Result<ToolOutput, ToolFault> {
    let Push { remote, branch } = arguments::typed(arguments)?;
    may_write(site)?;
    site.beyond.world()?;
    let remotes = git::remotes(site.root).map_err(told)?;
    if !remotes.contains(&remote) {
        let known = if remotes.is_empty() { "none is configured".to_owned() } else { remotes.join(", ") };
        return Err(ToolFault::Told(format!("there is no remote {remote:?}; there are: {known}")));
    }
    if !git::branches_of(site.root).map_err(told)?.iter().any(|(name, ..)| *name == branch) {
        return Err(ToolFault::Told(format!("there is no branch {branch:?}")));
    }
    let reference = format!("refs/heads/{branch}");
    // Never with force: what is there and not here stays.
    let line = format!("git push -- {} {}", quoted(&remote), quoted(&format!("{reference}:{reference}")));
    let ran = site.commands.run(&line, limits::TOOL_COMMAND_MS).await.map_err(ToolFault::Ends)?;
    let said = String::from_utf8_lossy(&ran.output).trim().to_owned();
    match ran.code {
        Some(0) => Ok(ToolOutput::new(format!("pushed {branch} to {remote}\n{said}"))),
        _ => Err(ToolFault::Told(format!("{branch} was not pushed to {remote}: {said}"))),
    }
}

async fn search_repositories(arguments: &Value, site: &Site<'_>) -> Result<ToolOutput, ToolFault> {
    let Repositories { query, limit, api } = arguments::typed(arguments)?;
    let api = api.unwrap_or_else(|| "https://api.github.com".to_owned());
    let words = percent_encoding::utf8_percent_encode(&query, percent_encoding::NON_ALPHANUMERIC);
    let url = format!("{}/search/repositories?q={words}&per_page={}", api.trim_end_matches('/'), limit.unwrap_or(10));
    let page = web::get(site, &url, limits::FETCH_BYTES).await?;
    let answer: Value = serde_json::from_slice(&page.body)
        .map_err(|error| ToolFault::Told(format!("{api} does not answer as GitHub does: {error}")))?;
    let Some(items) = answer.get("items").and_then(Value::as_array) else {
        return Err(ToolFault::Told(format!("{api} does not answer as GitHub does: there are no `items`")));
    };
    let mut out = String::new();
    for item in items.iter().take(limit.unwrap_or(10)) {
        let text = |key: &str| item.get(key).and_then(Value::as_str).unwrap_or_default();
        let stars = item.get("stargazers_count").and_then(Value::as_u64).unwrap_or_default();
        let about: String = text("description").chars().take(limits::MESSAGE_CHARS).collect();
        let _ = writeln!(out, "{} ({stars} stars) {}\n  {about}", text("full_name"), text("html_url"));
    }
    Ok(ToolOutput::new(if out.is_empty() { "no repository fits\n".to_owned() } else { out }))
}

/// A word of a command line.
fn quoted(word: &str) -> String {
    format!("'{}'", word.replace('\'', "'\\''"))
}
