//! `wfctl show`: one project with its tasks.

use super::super::args;
use super::super::context::Context;
use super::super::error::Error;
use super::super::exit::Exit;
use super::super::table::{self, plain};
use super::super::terminal::{Terminal, Tone, harmless};
use super::super::words::{ago, project_tone, task_tone};
use super::landing;
use crate::domain::sandbox::Took;
use crate::domain::time::{Millis, human_duration};
use crate::domain::view::{ProjectView, TaskView};
use crate::interfaces::api::Home;

/// Most tasks shown; the rest is counted.
const SHOWN: usize = 200;

/// Shows it.
pub async fn run(context: &Context, arguments: &args::Project) -> Result<Exit, Error> {
    let (session, summary) = context.read(&arguments.project, "show").await?;
    let home = session.home().clone();
    let mut view = home.show(&summary.id).await;
    if let Ok(view) = &mut view {
        took(&home, view).await;
    }
    session.close().await;
    let view = view?;
    if context.is_json {
        context.terminal.json(&view)?;
        return Ok(Exit::Done);
    }
    for line in lines(&context.terminal, &view, context.app.now(), SHOWN) {
        context.terminal.data(line)?;
    }
    Ok(Exit::Done)
}

/// What completed tasks took stands in their records alone; with many of them those are not all read for that.
async fn took(home: &Home, view: &mut ProjectView) {
    if view.tasks.len() > SHOWN {
        return;
    }
    let Ok(course) = home.timeline(&view.summary.id, None).await else { return };
    for attempt in course.attempts {
        let all = attempt.steps.iter().map(|step| step.took).fold(Took::default(), Took::and);
        if let Some(task) = view.tasks.iter_mut().find(|task| task.ix == attempt.ix) {
            // The last one wins; they come in the order in which they began.
            task.took = all;
        }
    }
}

/// The whole as lines, with at most `most` tasks.
pub fn lines(terminal: &Terminal, view: &ProjectView, now: Millis, most: usize) -> Vec<String> {
    let summary = &view.summary;
    let is_held = summary.status.is_held();
    let phase = view.phase.filter(|phase| is_held && !summary.status.name().eq_ignore_ascii_case(phase.name()));
    let phase = phase.map(|phase| format!(" in {phase}")).unwrap_or_default();
    let status = terminal.paint(project_tone(summary.status), summary.status.name());
    let mut lines = vec![
        format!("project  {}", terminal.paint(Tone::Bold, summary.id.as_str())),
        format!("workflow {}", harmless(&summary.workflow)),
        format!("status   {status}{phase}"),
    ];
    if !summary.note.is_empty() {
        lines.push(format!("note     {}", harmless(&summary.note)));
    }
    if let Some(gate) = &view.gate {
        lines.push(format!("asks     {} (wfctl approve {})", harmless(&gate.ask), summary.id));
    }
    lines.push(format!("folder   {}", harmless(&view.base_dir)));
    lines.push(format!("created  {} ({})", summary.created, ago(now, summary.created)));
    let counts: Vec<String> = view.counts.iter().filter(|(_, n)| *n > 0).map(|(s, n)| format!("{n} {s}")).collect();
    lines.push(format!("tasks    {}", counts.join(", ")));
    let rows: Vec<_> = view.tasks.iter().take(most).map(|task| row(task, now)).collect();
    lines.extend(table::lines(terminal, &rows));
    lines.extend(landing::not_landed(view));
    if view.tasks.len() > most {
        lines.push(format!("  ... and {} more tasks", view.tasks.len() - most));
    }
    lines
}

fn row(task: &TaskView, now: Millis) -> Vec<table::Cell> {
    let took = match (task.started, task.ended) {
        (Some(started), Some(ended)) => human_duration(ended.since(started)),
        (Some(started), None) => human_duration(now.since(started)),
        (None, _) => String::new(),
    };
    let due = task.due.map(|due| format!(", goes on in {}", human_duration(due.since(now)))).unwrap_or_default();
    let doing = task.doing.as_ref().map(|doing| {
        let turn = doing.turn.map(|turn| format!("turn {turn}, ")).unwrap_or_default();
        format!("{} ({turn}{})", doing.what, human_duration(now.since(doing.since) / 1000 * 1000))
    });
    let text = match (&task.failure, &task.waits_for, &task.output) {
        _ if doing.is_some() => doing.unwrap_or_default(),
        (_, Some(waits), _) => format!("waits for {waits}{due}"),
        (Some(failure), None, _) => failure.to_string(),
        (None, None, Some(serde_json::Value::String(text))) => text.clone(),
        (None, None, Some(value)) => value.to_string(),
        (None, None, None) => String::new(),
    };
    let attempt = if task.attempt > 1 { format!("attempt {}", task.attempt) } else { String::new() };
    vec![
        plain(format!("  {}", harmless(&task.name))),
        (task_tone(task.status), task.status.name().to_owned()),
        (Tone::Dim, took),
        (Tone::Dim, attempt),
        (Tone::Dim, task.took.to_string()),
        plain(harmless(&text).chars().take(100).collect::<String>()),
    ]
}
