//! The families of metrics, and how each follows from the records. Names end in their unit; a rate or ratio lies between 0 and 1.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Mutex, PoisonError};

use super::exposition::{Exposition, Kind};
use super::fold::{Calls, Open, Totals, Work};
use super::histogram::Histogram;
use crate::domain::budget::Caps;
use crate::domain::ids::{ProjectId, Seq};
use crate::domain::limits;
use crate::domain::machine::{ProjectStatus, TaskStatus};
use crate::domain::project::Project;
use crate::domain::time::Millis;
use crate::engine::archive::Archive;
use crate::engine::pulse::COMMIT_BUCKETS_US;
use crate::interfaces::api::{Directory, Fault, SinkState};

/// The metrics of a home. What was added up before is not read again.
pub struct Metrics {
    archive: Archive,
    directory: Directory,
    so_far: Mutex<SoFar>,
}

#[derive(Default)]
struct SoFar {
    totals: Totals,
    projects: HashMap<ProjectId, (Seq, Open)>,
}

/// What is true at this moment.
#[derive(Default)]
struct Now {
    projects: BTreeMap<&'static str, u64>,
    tasks: BTreeMap<&'static str, u64>,
    budgets: Vec<(ProjectId, &'static str, f64)>,
}

impl Metrics {
    /// Over an archive.
    pub fn new(archive: Archive) -> Self {
        Self { directory: Directory::new(archive.clone()), archive, so_far: Mutex::default() }
    }

    /// The text. `sinks` are those who are told of records. Blocks on the disk: the first time it reads every record of the home.
    pub fn render(&self, now: Millis, sinks: &[SinkState]) -> Result<String, Fault> {
        let mut so_far = self.so_far.lock().unwrap_or_else(PoisonError::into_inner);
        let present = self.catch_up(&mut so_far)?;
        let mut text = Exposition::default();
        let commits_of_last_hour = so_far.totals.commits_of_last_hour(now);
        of_tasks(&mut text, &so_far.totals.work);
        of_models(&mut text, &so_far.totals.calls);
        of_history(&mut text, &so_far.totals, commits_of_last_hour);
        of_present(&mut text, &present);
        self.of_engine(&mut text);
        of_sinks(&mut text, sinks);
        Ok(text.into_text())
    }

    fn catch_up(&self, so_far: &mut SoFar) -> Result<Now, Fault> {
        let mut present = Now::default();
        for status in ProjectStatus::ALL {
            present.projects.insert(status.name(), 0);
        }
        for status in TaskStatus::ALL {
            present.tasks.insert(status.name(), 0);
        }
        for summary in self.archive.summaries()?.into_iter().filter_map(Result::ok) {
            *present.projects.entry(summary.status.name()).or_default() += 1;
            // What cannot be read is told by the doctor; the others are counted.
            if let Err(fault) = self.add_project(&summary.id, so_far) {
                tracing::warn!(project = %summary.id, error = %fault, "its records are not counted");
            }
            if summary.status.is_terminal() {
                continue;
            }
            match self.archive.load(&summary.id) {
                Ok(loaded) => present.add(&loaded.project),
                Err(error) => tracing::warn!(project = %summary.id, %error, "its tasks are not counted"),
            }
        }
        Ok(present)
    }

    fn add_project(&self, id: &ProjectId, so_far: &mut SoFar) -> Result<(), Fault> {
        let (position, open) = so_far.projects.entry(id.clone()).or_default();
        if self.archive.head(id)?.is_none_or(|head| head <= *position) {
            return Ok(());
        }
        loop {
            let records = self.archive.records(id, *position, limits::FOLLOW_BATCH_RECORDS)?;
            let Some(last) = records.last() else { return Ok(()) };
            *position = last.seq;
            for record in &records {
                let task = record.event.task();
                let names = self.directory.names(id, task);
                let vault = &**self.archive.vault();
                open.take(&record.event, record.at, |task| names.worker(task), vault, &mut so_far.totals);
            }
        }
    }

    fn of_engine(&self, text: &mut Exposition) {
        let commits = self.archive.pulse().commits();
        let bounds = COMMIT_BUCKETS_US.iter().map(|us| *us as f64 / 1e6).collect();
        let histogram = Histogram::of(bounds, commits.buckets, commits.total_us as f64 / 1e6);
        let help = "Time until a commit was durable, by the engine that is asked; without one there are none.";
        text.histogram("wfctl_commit_duration_seconds", help, &histogram);
        let help = "Commits refused because another engine had taken the store over.";
        text.single("wfctl_fenced_writes_total", Kind::Counter, help, commits.fenced as f64);
    }
}

impl Now {
    fn add(&mut self, project: &Project) {
        for (status, count) in project.counts() {
            *self.tasks.entry(status.name()).or_default() += u64::from(count);
        }
        let (caps, ledger): (&Caps, _) = (project.caps(), project.ledger());
        let used =
            |of: fn(&crate::domain::budget::Amounts) -> u64| of(&ledger.spent).saturating_add(of(&ledger.reserved));
        let of_caps = [
            ("calls", caps.calls, used(|it| it.calls)),
            ("tokens", caps.tokens, used(|it| it.tokens)),
            ("usd", caps.usd_micros, used(|it| it.usd_micros)),
        ];
        for (dimension, cap, used) in of_caps {
            if let Some(cap) = cap.filter(|cap| *cap > 0 && self.budgets.len() < limits::METRIC_BUDGETS) {
                self.budgets.push((project.id.clone(), dimension, ratio(cap.saturating_sub(used), cap)));
            }
        }
    }
}

fn ratio(part: u64, whole: u64) -> f64 {
    if whole == 0 { 0.0 } else { part as f64 / whole as f64 }
}

fn usd(micros: u64) -> f64 {
    micros as f64 / 1e6
}

fn of_tasks(text: &mut Exposition, work: &BTreeMap<String, Work>) {
    let by_role = |of: fn(&Work) -> Option<f64>| {
        let samples = work.iter().filter_map(move |(role, work)| Some(([("role", role.clone())], of(work)?)));
        samples.collect::<Vec<_>>()
    };
    let ends = work.iter().flat_map(|(role, work)| {
        let result = |name: &str, count: u64| ([("role", role.clone()), ("result", name.to_owned())], count as f64);
        [result("completed", work.completed), result("failed", work.failed)]
    });
    text.family(
        "wfctl_tasks_total",
        Kind::Counter,
        "Tasks that ended, by who did them and how they ended.",
        ends.collect::<Vec<_>>(),
    );
    let passed = by_role(|it| (it.completed + it.failed > 0).then(|| ratio(it.completed, it.completed + it.failed)));
    text.family("wfctl_task_pass_rate", Kind::Gauge, "Share of the tasks that ended which completed, by role.", passed);
    let iterations = by_role(|it| (it.completed > 0).then(|| it.attempts as f64 / it.completed as f64));
    text.family(
        "wfctl_avg_iterations",
        Kind::Gauge,
        "Attempts that a completed task took on average, by role.",
        iterations,
    );
    let time = by_role(|it| {
        let ended = it.completed + it.failed;
        (ended > 0).then(|| it.busy_ms as f64 / 1000.0 / ended as f64)
    });
    let help = "Time that the steps of a task which ended ran on average, by role.";
    text.family("wfctl_avg_time_per_task_seconds", Kind::Gauge, help, time);
    let cost = by_role(|it| (it.with_calls > 0).then(|| usd(it.usd_micros) / it.with_calls as f64));
    let help = "Money for calls of models per task that asked one, in US dollars, by role.";
    text.family("wfctl_llm_cost_per_task_usd", Kind::Gauge, help, cost);
    let help = "Attempts of tasks that failed, by role.";
    text.family("wfctl_attempt_failures_total", Kind::Counter, help, by_role(|it| Some(it.failures as f64)));
    let help = "Time on processors of commands, by the role of their task, as far as the kernel told.";
    let cpu = by_role(|it| it.took.cpu_ms.map(|ms| ms as f64 / 1000.0));
    text.family("wfctl_command_cpu_seconds_total", Kind::Counter, help, cpu);
    let help = "The most memory that a command took at once, by the role of its task, as far as the kernel told.";
    text.family(
        "wfctl_command_memory_max_bytes",
        Kind::Gauge,
        help,
        by_role(|it| it.took.memory_bytes.map(|most| most as f64)),
    );
    let help = "Processes of commands that were ended at their bound of memory, by the role of their task.";
    text.family(
        "wfctl_command_memory_kills_total",
        Kind::Counter,
        help,
        by_role(|it| Some(f64::from(it.took.memory_kills))),
    );
    let (completed, failures) = work.values().fold((0, 0), |(c, f), it| (c + it.completed, f + it.failures));
    let help = "Share of the attempts that ended which failed.";
    text.single("wfctl_error_rate", Kind::Gauge, help, ratio(failures, completed + failures));
}

fn of_models(text: &mut Exposition, calls: &BTreeMap<String, Calls>) {
    let by = |label: &'static str, of: fn(&Calls) -> Vec<(&'static str, f64)>| {
        let samples = calls.iter().flat_map(move |(model, calls)| {
            of(calls)
                .into_iter()
                .map(move |(name, value)| ([("model", model.clone()), (label, name.to_owned())], value))
        });
        samples.collect::<Vec<_>>()
    };
    let ends = by("result", |it| {
        vec![("answered", it.answered as f64), ("failed", it.failed as f64), ("uncertain", it.uncertain as f64)]
    });
    text.family(
        "wfctl_model_calls_total",
        Kind::Counter,
        "Calls of models that ended, by model and how they ended.",
        ends,
    );
    let tokens = by("kind", |it| {
        let fresh = it.input_tokens.saturating_sub(it.cached_tokens);
        vec![("input", fresh as f64), ("cached_input", it.cached_tokens as f64), ("output", it.output_tokens as f64)]
    });
    text.family("wfctl_model_tokens_total", Kind::Counter, "Tokens of calls of models, by model and kind.", tokens);
    let cost = calls.iter().map(|(model, calls)| ([("model", model.clone())], usd(calls.usd_micros)));
    text.family(
        "wfctl_model_cost_usd_total",
        Kind::Counter,
        "Money for calls of models, in US dollars.",
        cost.collect::<Vec<_>>(),
    );
}

fn of_history(text: &mut Exposition, totals: &Totals, commits_of_last_hour: u64) {
    text.single("wfctl_records_total", Kind::Counter, "Records of all projects.", totals.records as f64);
    text.single("wfctl_agent_commits_total", Kind::Counter, "Commits made by agents.", totals.commits as f64);
    let help = "Commits made by agents in the last hour.";
    text.single("wfctl_commits_per_hour", Kind::Gauge, help, commits_of_last_hour as f64);
    text.single("wfctl_tests_total", Kind::Counter, "Tests that ran in the checks of agents.", totals.tests as f64);
    let help = "Share of these tests that failed and passed when run again on the same files.";
    text.single("wfctl_test_flakiness_rate", Kind::Gauge, help, ratio(totals.flaky, totals.tests));
    text.single(
        "wfctl_resumes_total",
        Kind::Counter,
        "Times that an engine took a project over.",
        totals.resumes as f64,
    );
    let help = "Time from the moment a task could start until it did.";
    text.histogram("wfctl_schedule_to_start_seconds", help, &totals.starts);
}

fn of_present(text: &mut Exposition, now: &Now) {
    let by_status = |of: &BTreeMap<&'static str, u64>| {
        let samples = of.iter().map(|(status, count)| ([("status", (*status).to_owned())], *count as f64));
        samples.collect::<Vec<_>>()
    };
    text.family("wfctl_projects", Kind::Gauge, "Projects, by their state.", by_status(&now.projects));
    let help = "Tasks of projects that have not ended, by their state.";
    text.family("wfctl_tasks", Kind::Gauge, help, by_status(&now.tasks));
    let ready = now.tasks.get(TaskStatus::Ready.name()).copied().unwrap_or_default();
    text.single("wfctl_queue_depth", Kind::Gauge, "Tasks that wait for a free worker.", ready as f64);
    let left = now
        .budgets
        .iter()
        .map(|(id, dimension, left)| ([("project", id.to_string()), ("dimension", (*dimension).to_owned())], *left));
    let help = "Share of a budget that is neither spent nor reserved, of projects that have not ended.";
    text.family("wfctl_budget_left_ratio", Kind::Gauge, help, left.collect::<Vec<_>>());
}

fn of_sinks(text: &mut Exposition, sinks: &[SinkState]) {
    let each = |of: fn(&SinkState) -> f64| {
        sinks.iter().map(move |sink| ([("sink", sink.name.clone())], of(sink))).collect::<Vec<_>>()
    };
    let help = "Records that a sink was not told of yet.";
    text.family("wfctl_sink_behind_records", Kind::Gauge, help, each(|sink| sink.behind as f64));
    let help = "Whether a sink was given up until someone resumes it.";
    text.family("wfctl_sink_parked", Kind::Gauge, help, each(|sink| f64::from(u8::from(sink.parked))));
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::domain::payload::NoBlobs;
    use crate::journal::samples;

    /// Every family, with something in each.
    fn text() -> String {
        let (mut totals, mut open) = (Totals::default(), Open::default());
        for record in samples::one_of_each() {
            open.take(&record.event, record.at, |_| "coder", &NoBlobs, &mut totals);
        }
        let mut text = Exposition::default();
        of_tasks(&mut text, &totals.work);
        of_models(&mut text, &totals.calls);
        of_history(&mut text, &totals, 0);
        of_present(&mut text, &Now::default());
        of_sinks(&mut text, &[]);
        text.histogram("wfctl_commit_duration_seconds", "See above.", &Histogram::new(&[1.0]));
        text.single("wfctl_fenced_writes_total", Kind::Counter, "See above.", 0.0);
        text.into_text()
    }

    fn names(text: &str) -> BTreeSet<&str> {
        text.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.split(' ').next()).collect()
    }

    #[test]
    fn the_dashboard_shows_every_metric_and_no_other() {
        let dashboard: serde_json::Value = serde_json::from_str(super::super::GRAFANA).unwrap();
        let panels = dashboard["panels"].as_array().unwrap();
        let queries = panels.iter().flat_map(|panel| panel["targets"].as_array().unwrap());
        let queries: Vec<&str> = queries.map(|target| target["expr"].as_str().unwrap()).collect();
        let is_word = |c: char| c.is_ascii_alphanumeric() || c == '_';
        let words = queries.iter().flat_map(|query| query.split(|c| !is_word(c)));
        let shown: BTreeSet<&str> = words
            .filter(|word| word.starts_with("wfctl_"))
            .map(|word| word.strip_suffix("_bucket").unwrap_or(word))
            .collect();
        assert_eq!(shown, names(&text()));
    }

    #[test]
    fn every_kind_of_record_is_counted_once() {
        let text = text();
        let count = samples::one_of_each().len();
        assert!(text.contains(&format!("wfctl_records_total {count}\n")), "{text}");
        assert!(text.contains("wfctl_tasks_total{role=\"coder\",result=\"completed\"} 1\n"), "{text}");
        assert!(text.contains("wfctl_resumes_total 1\n"), "{text}");
        // Of a step and of a call.
        assert!(text.contains("wfctl_command_cpu_seconds_total{role=\"coder\"} 2.46\n"), "{text}");
        assert!(text.contains("wfctl_command_memory_max_bytes{role=\"coder\"} 1073741824\n"), "{text}");
        assert!(text.contains("wfctl_command_memory_kills_total{role=\"coder\"} 2\n"), "{text}");
    }
}
