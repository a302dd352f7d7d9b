//! Following a project: its records as lines, until it ends, needs a person, or is driven by nobody.

use super::context::Context;
use super::error::Error;
use super::exit::Exit;
use super::progress::Progress;
use super::terminal::{Tone, harmless};
use super::words::{self, Names};
use crate::domain::event::Event;
use crate::domain::ids::{ProjectId, Seq};
use crate::domain::machine::{ProjectStatus, TaskStatus};
use crate::domain::view::{ProjectView, RecordView, Summary};
use crate::interfaces::api::{Home, Line};

/// Why following ended.
#[derive(Debug)]
pub enum End {
    /// The project is terminal.
    Closed(Summary),
    /// It does not go on without a person.
    Held(Summary),
    /// No engine drives it.
    Undriven(Summary),
}

impl End {
    /// The project as it was then.
    pub fn summary(&self) -> &Summary {
        match self {
            Self::Closed(summary) | Self::Held(summary) | Self::Undriven(summary) => summary,
        }
    }

    /// The exit code that goes with it.
    pub fn exit(&self) -> Exit {
        match (self, self.summary().status) {
            (_, ProjectStatus::Done) => Exit::Done,
            (_, ProjectStatus::Failed) => Exit::Failed,
            (_, ProjectStatus::Cancelled) => Exit::Cancelled,
            (Self::Closed(_) | Self::Held(_), _) => Exit::Held,
            (Self::Undriven(_), _) => Exit::Interrupted,
        }
    }
}

/// Follows a project from the record after `from`. Lines go to stderr, with `--json` to stdout.
pub async fn follow(context: &Context, home: &Home, id: &ProjectId, from: Seq) -> Result<End, Error> {
    let mut view = home.show(id).await?;
    let mut names = Names::of(&view);
    let mut progress = Progress::new(&context.terminal, !context.is_json);
    progress.set(&view, &names);
    // What it came to since `from` is told first.
    if view.seq <= from
        && let Some(end) = ended(&view)
    {
        return Ok(end);
    }
    let mut from = from;
    loop {
        let records = home.records(id, from, true).await?;
        if records.is_empty() {
            return Ok(End::Undriven(home.show(id).await?.summary));
        }
        if records.iter().any(|record| words::grows(&record.event)) {
            view = home.show(id).await?;
            names = Names::of(&view);
            progress.set(&view, &names);
        }
        let mut is_turning_point = false;
        for record in records {
            from = record.seq;
            is_turning_point |= may_stop(&record.event);
            progress.take(&record.event, &names);
            print(context, record, &names)?;
        }
        if is_turning_point {
            view = home.show(id).await?;
            // A view may be ahead of the records; then the records come first.
            if view.seq <= from
                && let Some(end) = ended(&view)
            {
                return Ok(end);
            }
        }
    }
}

fn may_stop(event: &Event) -> bool {
    matches!(
        event,
        Event::Closed { .. }
            | Event::Held { .. }
            | Event::TaskInDoubt { .. }
            | Event::StepInterrupted { .. }
            | Event::StepFinished { .. }
            | Event::TaskAnswered { .. }
            | Event::Recovered { .. }
            | Event::Released { .. }
    )
}

/// Whether the project has ended, or does not go on without a person and nothing of it still runs.
fn ended(view: &ProjectView) -> Option<End> {
    let summary = &view.summary;
    if summary.status.is_terminal() {
        return Some(End::Closed(summary.clone()));
    }
    let count = |wanted: &dyn Fn(TaskStatus) -> bool| -> u32 {
        view.counts.iter().filter(|(status, _)| wanted(*status)).map(|(_, count)| *count).sum()
    };
    let active = count(&TaskStatus::is_active);
    if summary.status == ProjectStatus::Paused {
        return (active == 0).then(|| End::Held(summary.clone()));
    }
    let going_on = |status: TaskStatus| match status {
        TaskStatus::Ready
        | TaskStatus::Running
        | TaskStatus::Validating
        | TaskStatus::Backoff
        | TaskStatus::AwaitingApproval
        | TaskStatus::AwaitingSignal
        | TaskStatus::Debugging => true,
        TaskStatus::Pending
        | TaskStatus::InDoubt
        | TaskStatus::Completed
        | TaskStatus::Failed
        | TaskStatus::Skipped
        | TaskStatus::Cancelled => false,
    };
    let is_in_doubt = count(&|status| status == TaskStatus::InDoubt) > 0;
    (is_in_doubt && count(&going_on) == 0).then(|| End::Held(summary.clone()))
}

fn print(context: &Context, record: RecordView, names: &Names) -> Result<(), Error> {
    if context.is_json {
        let task = words::say(&record.event, names).task.map(|task| names.get(task));
        return context.terminal.json(&Line::record(RecordView { task, ..record }));
    }
    let said = words::say(&record.event, names);
    if said.is_news {
        let terminal = &context.terminal;
        let time = record.at.to_rfc3339();
        let time = terminal.paint_note(Tone::Dim, time.get(11..19).unwrap_or_default());
        let what = terminal.paint_note(said.tone, harmless(&said.text));
        let about = said.task.map_or_else(|| record.project.to_string(), |task| names.get(task));
        terminal.note(format!("{time} {about} {what}"));
    }
    Ok(())
}
