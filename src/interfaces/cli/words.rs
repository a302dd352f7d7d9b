//! Records in words.

use super::terminal::{Tone, harmless};
use crate::domain::event::{Actor, Await, Decision, Event, HoldReason, PhaseCause, SkipReason};
use crate::domain::ids::TaskIx;
use crate::domain::machine::{ProjectStatus, TaskStatus};
use crate::domain::time::{Millis, human_duration};
use crate::domain::view::ProjectView;

/// How long ago `then` was; what is less than a second old is from just now.
pub fn ago(now: Millis, then: Millis) -> String {
    match now.since(then) / 1000 * 1000 {
        0 => "just now".to_owned(),
        ms => format!("{} ago", human_duration(ms)),
    }
}

/// How long something lasts already.
pub fn lasting(now: Millis, since: Millis) -> String {
    match now.since(since) / 1000 * 1000 {
        0 => "since just now".to_owned(),
        ms => format!("for {}", human_duration(ms)),
    }
}

/// Millionths of a US dollar, with as many digits as tell something.
pub fn money(usd_micros: u64) -> String {
    let (dollars, micros) = (grouped(usd_micros / 1_000_000), usd_micros % 1_000_000);
    match micros % 100 {
        0 => format!("${dollars}.{:04}", micros / 100),
        _ => format!("${dollars}.{micros:06}"),
    }
}

/// A word of a command line that is printed to be copied.
pub fn shell_quoted(text: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_./,:=@%+".contains(c);
    match !text.is_empty() && text.chars().all(is_plain) {
        true => text.to_owned(),
        false => format!("'{}'", text.replace('\'', r"'\''")),
    }
}

/// A number with its thousands apart.
pub fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// The names of a project's tasks.
#[derive(Debug, Default)]
pub struct Names(Vec<String>);

impl Names {
    /// As of a view.
    pub fn of(view: &ProjectView) -> Self {
        let mut names = Self::default();
        for task in &view.tasks {
            let at = task.ix as usize;
            if names.0.len() <= at {
                names.0.resize(at + 1, String::new());
            }
            names.0[at] = harmless(&task.name);
        }
        names
    }

    /// The name of a task.
    pub fn get(&self, task: TaskIx) -> String {
        let known = self.0.get(task.at()).filter(|name| !name.is_empty()).cloned();
        known.unwrap_or_else(|| format!("task {task}"))
    }
}

/// The stable name of a record's kind.
pub fn kind(event: &Event) -> String {
    match serde_json::to_value(event) {
        Ok(serde_json::Value::Object(object)) => object.keys().next().cloned().unwrap_or_default(),
        Ok(serde_json::Value::String(name)) => name,
        Ok(_) | Err(_) => String::new(),
    }
}

/// Whether a record may bring tasks that were not there before.
pub fn grows(event: &Event) -> bool {
    matches!(
        event,
        Event::Created(_)
            | Event::TasksAdded { .. }
            | Event::Expanded { .. }
            | Event::BranchOpened { .. }
            | Event::UndoPlanned { .. }
            | Event::PhaseEntered { .. }
    )
}

/// Who it was.
pub fn actor(actor: &Actor) -> String {
    match actor {
        Actor::Engine => "engine".to_owned(),
        Actor::User(name) => harmless(name),
        Actor::Api(name) => format!("api:{}", harmless(name)),
        Actor::Parent(id) => format!("parent:{id}"),
    }
}

/// A project's state in its tone.
pub fn project_tone(status: ProjectStatus) -> Tone {
    match status {
        ProjectStatus::Done => Tone::Good,
        ProjectStatus::Failed => Tone::Bad,
        ProjectStatus::Cancelled => Tone::Dim,
        ProjectStatus::AwaitingApproval | ProjectStatus::Paused | ProjectStatus::Cancelling => Tone::Warn,
        ProjectStatus::New
        | ProjectStatus::Planning
        | ProjectStatus::Design
        | ProjectStatus::Build
        | ProjectStatus::Test
        | ProjectStatus::Review
        | ProjectStatus::Deploy
        | ProjectStatus::Monitor => Tone::Plain,
    }
}

/// A task's state in its tone.
pub fn task_tone(status: TaskStatus) -> Tone {
    match status {
        TaskStatus::Completed => Tone::Good,
        TaskStatus::Failed => Tone::Bad,
        TaskStatus::Pending | TaskStatus::Skipped | TaskStatus::Cancelled => Tone::Dim,
        TaskStatus::Ready | TaskStatus::Running | TaskStatus::Validating => Tone::Plain,
        TaskStatus::Backoff
        | TaskStatus::AwaitingApproval
        | TaskStatus::AwaitingSignal
        | TaskStatus::InDoubt
        | TaskStatus::Debugging => Tone::Warn,
    }
}

/// What a record says: the task it is about, how it is meant, and a text of one line.
pub struct Said {
    /// The task.
    pub task: Option<TaskIx>,
    /// In which tone.
    pub tone: Tone,
    /// The words.
    pub text: String,
    /// Whether someone who only follows along wants to see it.
    pub is_news: bool,
}

fn about(task: TaskIx, tone: Tone, is_news: bool, text: impl Into<String>) -> Said {
    Said { task: Some(task), tone, text: text.into(), is_news }
}

fn of_project(tone: Tone, is_news: bool, text: impl Into<String>) -> Said {
    Said { task: None, tone, text: text.into(), is_news }
}

/// A record in words.
pub fn say(event: &Event, names: &Names) -> Said {
    match event {
        Event::Created(_)
        | Event::PhaseEntered { .. }
        | Event::GateAsked { .. }
        | Event::GateAnswered { .. }
        | Event::Held { .. }
        | Event::Released { .. }
        | Event::BudgetRaised { .. }
        | Event::AllowanceRaised { .. }
        | Event::CancelRequested { .. }
        | Event::Closed { .. }
        | Event::TasksAdded { .. }
        | Event::UndoPlanned { .. }
        | Event::SignalReceived { .. }
        | Event::Refused { .. }
        | Event::Recovered { .. } => say_project(event, names),
        Event::Expanded { task, count, .. } => about(*task, Tone::Dim, true, format!("{count} items")),
        Event::BranchOpened { task, branch, failure } => {
            about(*task, Tone::Warn, true, format!("branch {branch} opened to repair: {failure}"))
        }
        Event::TaskReady { task } => about(*task, Tone::Dim, false, "ready"),
        Event::TaskStarted { task, attempt } => about(
            *task,
            Tone::Dim,
            true,
            if attempt.0 > 1 { format!("started, attempt {attempt}") } else { "started".to_owned() },
        ),
        Event::StepStarted { task, step, effect, .. } => {
            about(*task, Tone::Dim, false, format!("step {step} begins ({})", effect.name()))
        }
        Event::StepFinished { task, step, outcome, .. } => {
            let took = human_duration(outcome.duration_ms);
            let end = match &outcome.result {
                Ok(_) => "ok".to_owned(),
                Err(failure) => failure.to_string(),
            };
            about(*task, Tone::Dim, false, format!("step {step} ended after {took}: {end}"))
        }
        Event::StepInterrupted { task, step, crashed, .. } => {
            let why = if *crashed { "the engine died" } else { "the engine stopped" };
            about(*task, Tone::Warn, true, format!("step {step} interrupted: {why}"))
        }
        Event::Diverged { task, step, .. } => {
            about(*task, Tone::Warn, true, format!("step {step} is no longer the one that was recorded"))
        }
        Event::TaskValidating { task } => about(*task, Tone::Dim, false, "validating"),
        Event::TaskAwaits { task, what, due, .. } => {
            let until = due.map(|due| format!(" (until {due})")).unwrap_or_default();
            let is_news = !matches!(what, Await::Items);
            about(*task, Tone::Warn, is_news, format!("waits for {}{until}", awaited(what)))
        }
        Event::TaskAnswered { task, result, comment } => {
            let answer = match result {
                Ok(_) => "answered".to_owned(),
                Err(failure) => format!("answered: {failure}"),
            };
            about(*task, Tone::Plain, true, said(&answer, comment))
        }
        Event::TaskCompleted { task, .. } => about(*task, Tone::Good, true, "completed"),
        Event::TaskBackoff { task, attempt, failure, delay_ms, .. } => {
            let wait = human_duration(*delay_ms);
            about(*task, Tone::Warn, true, format!("attempt {attempt} failed, next in {wait}: {failure}"))
        }
        Event::TaskExhausted { task, attempt, failure } => {
            about(*task, Tone::Bad, true, format!("attempt {attempt} failed, none is left: {failure}"))
        }
        Event::TaskFailed { task, failure, tolerated } => {
            let word = if *tolerated { "failed (tolerated)" } else { "failed" };
            about(*task, Tone::Bad, true, format!("{word}: {failure}"))
        }
        Event::TaskSkipped { task, reason } => {
            let why = match reason {
                SkipReason::Condition => "its condition is false".to_owned(),
                SkipReason::Upstream { task } => format!("{} did not complete", names.get(*task)),
            };
            about(*task, Tone::Dim, true, format!("skipped: {why}"))
        }
        Event::TaskCancelled { task } => about(*task, Tone::Dim, true, "cancelled"),
        Event::TaskInDoubt { task, step, .. } => {
            about(*task, Tone::Warn, true, format!("in doubt: nobody knows whether step {step} happened"))
        }
        Event::DoubtSettled { task, answer } => {
            about(*task, Tone::Plain, true, format!("doubt settled: {answer:?}").to_lowercase())
        }
        Event::TaskRetried { task } => about(*task, Tone::Plain, true, "a new series of attempts"),
        Event::CallStarted { .. } | Event::CallFinished { .. } | Event::CallUncertain { .. } => say_call(event),
        Event::TaskParked { task, failure, due, .. } => {
            let until = due.map_or_else(|| "until someone resumes".to_owned(), |due| format!("until {due}"));
            about(*task, Tone::Warn, true, format!("parked {until}: {failure}"))
        }
        Event::LeaseTaken { task, worker, until, .. } => {
            about(*task, Tone::Plain, true, format!("taken by {} until {until}", harmless(worker)))
        }
        Event::LeaseRenewed { task, until } => {
            about(*task, Tone::Dim, false, format!("its worker is alive, until {until}"))
        }
        Event::LeaseExpired { task } => about(*task, Tone::Warn, true, "its worker was silent for too long"),
    }
}

fn say_call(event: &Event) -> Said {
    match event {
        Event::CallStarted { task, call, .. } => {
            let shown = if call.shown.is_empty() { String::new() } else { format!(" {}", harmless(&call.shown)) };
            let (ix, kind, label) = (call.ix, call.kind, harmless(&call.label));
            about(*task, Tone::Dim, false, format!("call {ix}: {kind} {label}{shown}"))
        }
        Event::CallFinished { task, call, outcome, .. } => {
            let took = human_duration(outcome.duration_ms);
            let end = match &outcome.result {
                Ok(_) => "ok".to_owned(),
                Err(failure) => failure.to_string(),
            };
            let used = outcome.usage.map(|usage| {
                let estimated = if usage.estimated { ", estimated" } else { "" };
                format!("; {} + {} tokens{estimated}", usage.input_tokens, usage.output_tokens)
            });
            let used = used.unwrap_or_default();
            about(*task, Tone::Dim, false, format!("call {call} ended after {took}: {end}{used}"))
        }
        Event::CallUncertain { task, call, charged, .. } => {
            let tokens = charged.tokens;
            about(
                *task,
                Tone::Warn,
                true,
                format!("call {call} is uncertain: charged {tokens} tokens, to be sent again"),
            )
        }
        other => of_project(Tone::Dim, false, kind(other)),
    }
}

fn say_project(event: &Event, names: &Names) -> Said {
    match event {
        Event::Created(created) => of_project(Tone::Dim, false, format!("created from workflow {}", created.workflow)),
        Event::PhaseEntered { phase, round, cause } => {
            let why = match cause {
                PhaseCause::Started | PhaseCause::Forward => String::new(),
                PhaseCause::LoopBack { from } => format!(", back from {from} (round {round})"),
            };
            of_project(Tone::Dim, !why.is_empty(), format!("phase {phase}{why}"))
        }
        Event::GateAsked { ask, due, .. } => {
            let until = due.map(|due| format!(" (until {due})")).unwrap_or_default();
            of_project(Tone::Warn, true, format!("asks: {ask}{until}"))
        }
        Event::GateAnswered { decision, comment, .. } => {
            let word = match decision {
                Decision::Approved => "approved",
                Decision::Rejected => "rejected",
            };
            of_project(Tone::Plain, true, said(word, comment))
        }
        Event::Held { reason } => {
            let why = match reason {
                HoldReason::Person { comment } => said("by a person", comment),
                HoldReason::Exhausted { task, class } => {
                    format!("no attempt is left for {} ({class})", names.get(*task))
                }
                HoldReason::Budget { dimension } => format!("the budget of {dimension} is used up"),
                HoldReason::Disk { .. } => "the disk is nearly full".to_owned(),
                HoldReason::Poison { task } => format!("the engine keeps dying in {}", names.get(*task)),
            };
            of_project(Tone::Warn, true, format!("paused: {why}"))
        }
        Event::Released { comment } => of_project(Tone::Plain, true, said("goes on", comment)),
        Event::BudgetRaised { .. } => of_project(Tone::Plain, true, "budget raised"),
        Event::AllowanceRaised { .. } => of_project(Tone::Plain, true, "its commands may reach more"),
        Event::CancelRequested { undo, comment } => of_project(
            Tone::Warn,
            true,
            said(if *undo { "cancel, with undo" } else { "cancel, without undo" }, comment),
        ),
        Event::Closed { status, reason, .. } => of_project(project_tone(*status), true, said(status.name(), reason)),
        Event::TasksAdded { phase, .. } => of_project(Tone::Plain, true, format!("tasks added to phase {phase}")),
        Event::UndoPlanned { tasks } => {
            let tasks: Vec<String> = tasks.iter().map(|task| names.get(*task)).collect();
            of_project(Tone::Warn, !tasks.is_empty(), format!("undo of {}", tasks.join(", ")))
        }
        Event::SignalReceived { name, .. } => of_project(Tone::Plain, true, format!("signal {name} arrived")),
        Event::Refused { what, why } => of_project(Tone::Warn, true, format!("{what} refused: {why}")),
        Event::Recovered { read_back, run_again, probed, in_doubt } => {
            let steps = |count: &u32, what: &str| (*count > 0).then(|| format!("{count} {what}"));
            let parts = [
                steps(read_back, "read back"),
                steps(run_again, "run again"),
                steps(probed, "looked for"),
                steps(in_doubt, "in doubt"),
            ];
            let parts: Vec<String> = parts.into_iter().flatten().collect();
            let what = if parts.is_empty() { "no step was open".to_owned() } else { parts.join(", ") };
            of_project(Tone::Plain, true, format!("taken over by a new engine: {what}"))
        }
        other => of_project(Tone::Dim, false, kind(other)),
    }
}

fn awaited(what: &Await) -> String {
    match what {
        Await::Approval { ask } => format!("approval: {ask}"),
        Await::Signal { name } => format!("signal {name}"),
        Await::Time => "a time".to_owned(),
        Await::External { queue, .. } => format!("a worker of queue {queue}"),
        Await::Child { project } => format!("child project {project}"),
        Await::Items => "its items".to_owned(),
    }
}

fn said(what: &str, comment: &str) -> String {
    if comment.is_empty() { what.to_owned() } else { format!("{what}: {comment}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_told_whole() {
        assert_eq!([0, 999, 1000, 1_234_567].map(grouped), ["0", "999", "1,000", "1,234,567"]);
        let told = ["$0.0000", "$0.000001", "$0.0123", "$1,234.5000"];
        assert_eq!([0, 1, 12_300, 1_234_500_000].map(money), told);
    }
}
