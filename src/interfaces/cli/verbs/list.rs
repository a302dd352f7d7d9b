//! `wfctl list`: projects, the last changed first.

use super::super::args;
use super::super::context::Context;
use super::super::error::Error;
use super::super::exit::Exit;
use super::super::table::{self, plain};
use super::super::terminal::{Tone, harmless};
use super::super::words::{ago, project_tone};
use crate::app::Need;
use crate::domain::machine::ProjectStatus;
use crate::domain::time::Millis;
use crate::domain::view::Summary;
use crate::domain::workflow::did_you_mean;

/// Ended projects are listed for a day.
const RECENT_MS: u64 = 24 * 3_600_000;

/// Lists them.
pub async fn run(context: &Context, arguments: &args::List) -> Result<Exit, Error> {
    let status = arguments.status.as_deref().map(status).transpose()?;
    let (mut projects, damaged) = all(context).await?;
    let (now, total) = (context.app.now(), projects.len());
    let is_wanted = |summary: &Summary| {
        let is_shown = arguments.all || status.is_some() || is_current(summary, now);
        is_shown
            && status.is_none_or(|status| status == summary.status)
            && arguments.workflow.as_ref().is_none_or(|workflow| *workflow == summary.workflow)
    };
    projects.retain(is_wanted);
    projects.sort_by_key(|summary| std::cmp::Reverse(summary.changed));
    let terminal = &context.terminal;
    if context.is_json {
        for summary in &projects {
            terminal.json(summary)?;
        }
    } else {
        for line in table::lines(terminal, &rows(&projects, now)) {
            terminal.data(line)?;
        }
    }
    for problem in &damaged {
        terminal.note(terminal.paint_note(Tone::Bad, format!("not readable: {}", harmless(problem))));
    }
    if !context.is_json {
        let hidden = total - projects.len();
        match (total, hidden) {
            (0, _) => terminal.note("no projects yet; begin with: wfctl init"),
            (_, 0) => {}
            (_, hidden) => terminal.note(format!("{hidden} not shown (ended, children or filtered): wfctl list --all")),
        }
    }
    Ok(if damaged.is_empty() { Exit::Done } else { Exit::Damaged })
}

/// All projects; of a home that nobody has used, none, and it stays unused.
async fn all(context: &Context) -> Result<(Vec<Summary>, Vec<String>), Error> {
    if context.app.is_untouched() {
        return Ok((Vec::new(), Vec::new()));
    }
    let session = context.app.open(Need::Read, "list").await?;
    let found = session.home().find("").await;
    session.close().await;
    Ok(found?)
}

fn is_current(summary: &Summary, now: Millis) -> bool {
    summary.parent.is_none() && (!summary.status.is_terminal() || now.since(summary.changed) < RECENT_MS)
}

fn rows(projects: &[Summary], now: Millis) -> Vec<Vec<table::Cell>> {
    let head = ["PROJECT", "STATUS", "WORKFLOW", "CHANGED", "NOTE"].map(|text| (Tone::Bold, text.to_owned()));
    let row = |summary: &Summary| {
        vec![
            plain(summary.id.to_string()),
            (project_tone(summary.status), summary.status.name().to_owned()),
            plain(harmless(&summary.workflow)),
            (Tone::Dim, ago(now, summary.changed)),
            plain(harmless(&summary.note).chars().take(80).collect::<String>()),
        ]
    };
    if projects.is_empty() {
        Vec::new()
    } else {
        std::iter::once(head.to_vec()).chain(projects.iter().map(row)).collect()
    }
}

fn status(text: &str) -> Result<ProjectStatus, Error> {
    let named = |status: &&ProjectStatus| status.name().eq_ignore_ascii_case(text);
    ProjectStatus::ALL.iter().find(named).copied().ok_or_else(|| {
        let names = || ProjectStatus::ALL.iter().map(|status| status.name());
        let hint = did_you_mean(text, names())
            .unwrap_or_else(|| format!("One of: {}", names().collect::<Vec<_>>().join(", ")));
        Error::Usage { message: format!("`{text}` is not a state of projects"), hint }
    })
}
