//! A bar under the lines, on a terminal: how many tasks are done, and what runs.

use std::collections::BTreeSet;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};

use super::terminal::Terminal;
use super::words::Names;
use crate::domain::event::Event;
use crate::domain::ids::TaskIx;
use crate::domain::view::ProjectView;

/// Most names shown beside the bar.
const NAMED: usize = 4;
const TICK: Duration = Duration::from_millis(200);

/// The bar; nothing at all where nothing can be redrawn.
pub struct Progress {
    bar: Option<ProgressBar>,
    running: BTreeSet<TaskIx>,
}

impl Progress {
    /// A bar on `terminal`, if it is one and `is_wanted`.
    pub fn new(terminal: &Terminal, is_wanted: bool) -> Self {
        let bar = (is_wanted && terminal.is_live()).then(|| {
            let style = ProgressStyle::with_template("{spinner} {bar:24} {pos}/{len} {elapsed} {wide_msg}");
            let bar = terminal.bars().add(ProgressBar::new(0));
            bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
            bar.enable_steady_tick(TICK);
            bar
        });
        Self { bar, running: BTreeSet::new() }
    }

    /// The counts as of a view.
    pub fn set(&mut self, view: &ProjectView, names: &Names) {
        let Some(bar) = &self.bar else { return };
        let done = view.tasks.iter().filter(|task| task.status.is_terminal()).count();
        bar.set_length(view.tasks.len() as u64);
        bar.set_position(done as u64);
        let active = view.tasks.iter().filter(|task| task.status.is_active());
        self.running = active.map(|task| TaskIx(task.ix)).collect();
        self.show(names);
    }

    /// A record.
    pub fn take(&mut self, event: &Event, names: &Names) {
        let Some(bar) = &self.bar else { return };
        if let Event::TaskStarted { task, .. } = event {
            self.running.insert(*task);
        } else if let Event::TaskCompleted { task, .. }
        | Event::TaskFailed { task, .. }
        | Event::TaskSkipped { task, .. }
        | Event::TaskCancelled { task } = event
        {
            self.running.remove(task);
            bar.inc(1);
        } else if let Event::TaskBackoff { task, .. }
        | Event::TaskExhausted { task, .. }
        | Event::StepInterrupted { task, .. }
        | Event::TaskInDoubt { task, .. } = event
        {
            self.running.remove(task);
        }
        self.show(names);
    }

    fn show(&self, names: &Names) {
        let Some(bar) = &self.bar else { return };
        let shown: Vec<String> = self.running.iter().take(NAMED).map(|task| names.get(*task)).collect();
        let more = self.running.len().saturating_sub(NAMED);
        let more = if more > 0 { format!(" and {more} more") } else { String::new() };
        bar.set_message(format!("{}{more}", shown.join(", ")));
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}
