//! Following a project: its records as lines, until it ends, needs a person, or is driven by nobody.

use std::collections::HashMap;
use std::time::Duration;

use super::context::Context;
use super::error::Error;
use super::exit::Exit;
use super::progress::Progress;
use super::terminal::{Tone, harmless};
use super::words::{self, Names};
use crate::domain::event::{Await, Event};
use crate::domain::ids::{ProjectId, Seq};
use crate::domain::machine::{ProjectStatus, TaskStatus};
use crate::domain::time::Millis;
use crate::domain::view::{ProjectView, RecordView, Summary, TaskView};
use crate::interfaces::api::{FaultKind, Home, Line};

/// Without a record for this long, a project that may be stuck is looked at; each time twice as long, up to the most.
const QUIET_LEAST: Duration = Duration::from_millis(250);
const QUIET_MOST: Duration = Duration::from_secs(4);

/// Why following ended.
#[derive(Debug)]
pub enum End {
    /// The project is terminal.
    Closed(Summary),
    /// It does not go on without a person: by itself, or because these children do not.
    Held(Summary, Vec<Summary>),
    /// No engine drives it.
    Undriven(Summary),
}

impl End {
    /// The project as it was then.
    pub fn summary(&self) -> &Summary {
        match self {
            Self::Closed(summary) | Self::Held(summary, _) | Self::Undriven(summary) => summary,
        }
    }

    /// The exit code that goes with it.
    pub fn exit(&self) -> Exit {
        match (self, self.summary().status) {
            (_, ProjectStatus::Done) => Exit::Done,
            (_, ProjectStatus::Failed) => Exit::Failed,
            (_, ProjectStatus::Cancelled) => Exit::Cancelled,
            (Self::Closed(_) | Self::Held(..), _) => Exit::Held,
            (Self::Undriven(_), _) => Exit::Interrupted,
        }
    }
}

/// Follows a project from the record after `from`. Lines go to stderr, with `--json` to stdout.
///
/// A view costs as much as the project is large, so one is only taken when the records say that it may tell an end, or when
/// it is quiet around a project that is stuck or waits for children.
pub async fn follow(context: &Context, home: &Home, id: &ProjectId, from: Seq) -> Result<End, Error> {
    let mut view = home.show(id).await?;
    let mut names = Names::of(&view);
    let mut begun = Begun::of(&view);
    let mut progress = Progress::new(&context.terminal, !context.is_json);
    progress.set(&view, &names);
    // What it came to since `from` is told first.
    if view.seq <= from
        && let Some(end) = ended(&view)
    {
        return Ok(end);
    }
    let mut from = from;
    let (mut must_look, mut has_children) = (view.seq > from, view.tasks.iter().any(|task| task.child.is_some()));
    let mut quiet = QUIET_LEAST;
    loop {
        let waiting = home.records(id, from, true);
        let records = match is_stuck(&view) || has_children {
            false => Some(waiting.await?),
            true => tokio::time::timeout(quiet, waiting).await.ok().transpose()?,
        };
        let Some(records) = records else {
            quiet = (quiet * 2).min(QUIET_MOST);
            view = home.show(id).await?;
            has_children = view.tasks.iter().any(|task| task.child.is_some());
            if view.seq <= from
                && let Some(end) = ended_below(home, &view).await?
            {
                return Ok(end);
            }
            continue;
        };
        quiet = QUIET_LEAST;
        if records.is_empty() {
            return Ok(End::Undriven(home.show(id).await?.summary));
        }
        if records.iter().any(|record| record.seq > view.seq && words::grows(&record.event)) {
            view = home.show(id).await?;
            names = Names::of(&view);
            progress.set(&view, &names);
        }
        for record in records {
            from = record.seq;
            must_look |= may_stop(&record.event, view.summary.status == ProjectStatus::Paused);
            has_children |= matches!(record.event, Event::TaskAwaits { what: Await::Child { .. }, .. });
            progress.take(&record.event, &names);
            let goes_on = begun.again(&record);
            print(context, record, &names, goes_on)?;
        }
        // A view may be ahead of the records; then the records come first.
        if must_look && from >= view.seq {
            view = home.show(id).await?;
            must_look = view.seq > from;
            if !must_look && let Some(end) = ended(&view) {
                return Ok(end);
            }
        }
    }
}

/// Whether a project may have come to an end with this record. While it is held, what still runs ends one by one.
fn may_stop(event: &Event, is_held: bool) -> bool {
    match event {
        Event::Closed { .. } | Event::Held { .. } | Event::TaskInDoubt { .. } | Event::Recovered { .. } => true,
        Event::StepFinished { .. }
        | Event::StepInterrupted { .. }
        | Event::TaskAnswered { .. }
        | Event::Released { .. } => is_held,
        _ => false,
    }
}

/// Whether it may come to its end without a record that says so.
fn is_stuck(view: &ProjectView) -> bool {
    view.summary.status == ProjectStatus::Paused || view.counts.iter().any(|(it, _)| *it == TaskStatus::InDoubt)
}

/// Whether the project has ended, or does not go on without a person and nothing of it still runs.
fn ended(view: &ProjectView) -> Option<End> {
    let summary = &view.summary;
    if summary.status.is_terminal() {
        return Some(End::Closed(summary.clone()));
    }
    let held = || End::Held(summary.clone(), Vec::new());
    if summary.status == ProjectStatus::Paused {
        return (!view.tasks.iter().any(|task| task.status.is_active())).then(held);
    }
    let is_in_doubt = view.tasks.iter().any(|task| task.status == TaskStatus::InDoubt);
    (is_in_doubt && !view.tasks.iter().any(is_going_on)).then(held)
}

/// Like [`ended`], and held too when all that is open waits for children that are.
async fn ended_below(home: &Home, view: &ProjectView) -> Result<Option<End>, Error> {
    if let Some(end) = ended(view) {
        return Ok(Some(end));
    }
    let mut children = Vec::new();
    for task in view.tasks.iter().filter(|task| is_going_on(task)) {
        let Some(child) = &task.child else { return Ok(None) };
        let child = match home.show(child).await {
            Ok(child) => child,
            // It is about to be started.
            Err(fault) if fault.kind == FaultKind::UnknownProject => return Ok(None),
            Err(fault) => return Err(fault.into()),
        };
        match Box::pin(ended_below(home, &child)).await? {
            Some(End::Held(child, below)) => children.extend(std::iter::once(child).chain(below)),
            // The parent hears of an end in a moment.
            Some(End::Closed(_) | End::Undriven(_)) | None => return Ok(None),
        }
    }
    Ok((!children.is_empty()).then(|| End::Held(view.summary.clone(), children)))
}

/// Whether a task goes on without a person, or is asked about where everybody sees it. A `foreach` does what its items do.
fn is_going_on(task: &TaskView) -> bool {
    match task.status {
        TaskStatus::AwaitingSignal => task.action != "foreach",
        TaskStatus::Ready
        | TaskStatus::Running
        | TaskStatus::Validating
        | TaskStatus::Backoff
        | TaskStatus::AwaitingApproval
        | TaskStatus::Debugging => true,
        TaskStatus::Pending
        | TaskStatus::InDoubt
        | TaskStatus::Completed
        | TaskStatus::Failed
        | TaskStatus::Skipped
        | TaskStatus::Cancelled => false,
    }
}

/// The attempts that have begun: one that is taken up again has a second record of its start, and does not start.
struct Begun {
    /// The position of the view it was made of.
    seq: Seq,
    /// As of that view: the attempt, and when the task's first one started.
    viewed: HashMap<u32, (u32, Option<Millis>)>,
    followed: HashMap<u32, u32>,
}

impl Begun {
    fn of(view: &ProjectView) -> Self {
        let viewed = view.tasks.iter().map(|task| (task.ix, (task.attempt, task.started))).collect();
        Self { seq: view.seq, viewed, followed: HashMap::new() }
    }

    /// Whether this record takes an attempt up again.
    fn again(&mut self, record: &RecordView) -> bool {
        let Event::TaskStarted { task, attempt } = &record.event else { return false };
        if let Some(before) = self.followed.insert(task.0, attempt.0) {
            return before == attempt.0;
        }
        let Some((before, started)) = self.viewed.get(&task.0) else { return false };
        // A view that is ahead of the record knows this start already; then only a first attempt is told apart.
        let is_known = record.seq > self.seq || attempt.0 == 1;
        is_known && *before == attempt.0 && started.is_some_and(|at| at < record.at)
    }
}

/// Tells one record; `goes_on`: of an attempt that has begun before.
pub fn print(context: &Context, record: RecordView, names: &Names, goes_on: bool) -> Result<(), Error> {
    if context.is_json {
        let task = words::say(&record.event, names).task.map(|task| names.get(task));
        return context.terminal.json(&Line::record(RecordView { task, ..record }));
    }
    let mut said = words::say(&record.event, names);
    if goes_on {
        said.text = said.text.replacen("started", "goes on", 1);
    }
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::event::Actor;
    use crate::domain::ids::{Attempt, Digest, Epoch, ProjectId, TaskIx};

    fn started(seq: u64, at: u64, attempt: u32) -> RecordView {
        RecordView {
            project: ProjectId::new("p").unwrap(),
            seq: Seq(seq),
            epoch: Epoch(1),
            hash: Digest::default(),
            at: Millis(at),
            actor: Actor::Engine,
            task: None,
            event: Event::TaskStarted { task: TaskIx(0), attempt: Attempt(attempt) },
        }
    }

    fn begun(seq: u64, attempt: u32, since: Option<u64>) -> Begun {
        let viewed = [(0, (attempt, since.map(Millis)))].into();
        Begun { seq: Seq(seq), viewed, followed: HashMap::new() }
    }

    #[test]
    fn an_attempt_that_is_taken_up_again_goes_on() {
        let mut fresh = begun(1, 0, None);
        assert!(!fresh.again(&started(2, 20, 1)));
        assert!(fresh.again(&started(5, 50, 1)), "it was parked in between");
        assert!(!fresh.again(&started(6, 60, 2)), "another attempt starts");
        assert!(begun(9, 2, Some(10)).again(&started(10, 50, 2)), "resumed");
        assert!(begun(10, 1, Some(10)).again(&started(10, 50, 1)), "resumed, and the view knows it");
        assert!(!begun(10, 1, Some(10)).again(&started(2, 10, 1)), "its first start");
        assert!(!begun(10, 2, Some(10)).again(&started(8, 50, 2)), "nobody knows");
    }
}
