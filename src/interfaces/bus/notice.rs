//! Notices: the few moments at which a person wants to hear of a project. One per cause: what is asked, held or ended is told once,
//! however often its record is read, until the project has left that state and come to it again.

use std::collections::{BTreeSet, HashMap};
use std::fmt::Write as _;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::sink::Entry;
use crate::domain::event::{Await, Event, HoldReason};
use crate::domain::ids::{ProjectId, Seq, TaskIx};
use crate::domain::limits;
use crate::domain::machine::ProjectStatus;
use crate::domain::time::Millis;

/// What a notice is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum NoticeKind {
    /// A person is asked.
    Approval,
    /// It does not go on by itself.
    Paused,
    /// It cannot go on.
    Failed,
    /// Everything is done.
    Done,
    /// Someone cancelled it.
    Cancelled,
}

impl NoticeKind {
    /// What one is told of when nothing else is said.
    pub const USUAL: [Self; 4] = [Self::Approval, Self::Paused, Self::Failed, Self::Done];

    /// All kinds.
    pub const ALL: [Self; 5] = [Self::Approval, Self::Paused, Self::Failed, Self::Done, Self::Cancelled];

    /// The stable name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Approval => "approval",
            Self::Paused => "paused",
            Self::Failed => "failed",
            Self::Done => "done",
            Self::Cancelled => "cancelled",
        }
    }
}

/// One notice.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notice {
    /// What it is about.
    pub kind: NoticeKind,
    /// The project.
    pub project: ProjectId,
    /// The record that it follows from.
    pub seq: Seq,
    /// When that was.
    pub at: Millis,
    /// The workflow.
    pub workflow: String,
    /// The task.
    pub task: Option<String>,
    /// What happened, in a sentence.
    pub message: String,
    /// The command to type next.
    pub next: String,
}

impl Notice {
    /// One that only says that it arrived.
    pub fn test(now: Millis, project: ProjectId) -> Self {
        Self {
            kind: NoticeKind::Done,
            project,
            seq: Seq(0),
            at: now,
            workflow: "test".to_owned(),
            task: None,
            message: "sent by `wfctl bus test`".to_owned(),
            next: "wfctl bus status".to_owned(),
        }
    }

    /// As a CloudEvent; its id differs from that of the record that it follows from.
    pub fn to_event(&self) -> Value {
        json!({
            "specversion": "1.0",
            "id": format!("{}/{}/{}", self.project, self.seq, self.kind.name()),
            "source": format!("/wfctl/projects/{}", self.project),
            "type": format!("wfctl.notice.{}", self.kind.name()),
            "subject": self.task.as_deref().unwrap_or(self.project.as_str()),
            "time": self.at.to_rfc3339(),
            "datacontenttype": "application/json",
            "data": {
                "kind": self.kind, "project": self.project, "workflow": self.workflow, "task": self.task,
                "message": self.message, "next": self.next, "seq": self.seq,
            },
        })
    }
}

/// What makes two notices the same.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Cause {
    /// A question about a task.
    Task(TaskIx, String),
    /// The question of a gate.
    Gate(String),
    /// Whether a step happened.
    Doubt(TaskIx),
    /// Why it is held.
    Hold(String),
    /// How it ended.
    End,
}

/// Makes notices of records.
#[derive(Debug)]
pub struct Watch {
    on: Vec<NoticeKind>,
    projects: HashMap<ProjectId, Told>,
}

/// What has been told of a project and still holds.
#[derive(Debug, Default)]
struct Told {
    seq: Seq,
    causes: BTreeSet<Cause>,
    /// Of the last record, which may come again until it is taken.
    last: Option<Notice>,
}

impl Watch {
    /// For notices of these kinds; none: the usual ones.
    pub fn new(on: Vec<NoticeKind>) -> Self {
        let on = if on.is_empty() { NoticeKind::USUAL.to_vec() } else { on };
        Self { on, projects: HashMap::new() }
    }

    /// The first record that is worth a notice, and that. Records after it are not looked at. The same record asked again gives
    /// the same answer.
    pub fn first(&mut self, entries: &[Entry]) -> Option<(usize, Notice)> {
        entries.iter().enumerate().find_map(|(at, entry)| self.take(entry).map(|notice| (at, notice)))
    }

    /// Records that were told of before.
    pub fn recall(&mut self, entries: &[Entry]) {
        for entry in entries {
            self.take(entry);
        }
    }

    /// A project has ended.
    pub fn forget(&mut self, project: &ProjectId) {
        self.projects.remove(project);
    }

    fn take(&mut self, entry: &Entry) -> Option<Notice> {
        let (project, seq) = entry.at();
        let told = self.projects.entry(project.clone()).or_default();
        if seq < told.seq {
            return None;
        }
        if seq > told.seq {
            told.seq = seq;
            told.last = told.new_notice(entry);
        }
        told.last.clone().filter(|notice| self.on.contains(&notice.kind))
    }
}

impl Told {
    fn new_notice(&mut self, entry: &Entry) -> Option<Notice> {
        self.leave(entry.event());
        let (kind, cause, message, next) = about(entry)?;
        // The end of a child is its parent's business.
        let is_end = matches!(kind, NoticeKind::Failed | NoticeKind::Done | NoticeKind::Cancelled);
        if (is_end && entry.names.parent.is_some()) || !self.causes.insert(cause) {
            return None;
        }
        Some(Notice {
            kind,
            project: entry.record.project.clone(),
            seq: entry.record.seq,
            at: entry.record.at,
            workflow: entry.names.workflow.clone(),
            task: entry.record.task.clone(),
            message: cut(&message),
            next,
        })
    }

    /// Forgets the causes that no longer hold after a record.
    fn leave(&mut self, event: &Event) {
        match event {
            Event::Released { .. } | Event::CancelRequested { .. } => {
                self.causes.retain(|cause| !matches!(cause, Cause::Hold(_)));
            }
            Event::GateAnswered { .. } | Event::PhaseEntered { .. } => {
                self.causes.retain(|cause| !matches!(cause, Cause::Gate(_)));
            }
            Event::DoubtSettled { task, .. } => self.causes.retain(|cause| *cause != Cause::Doubt(*task)),
            Event::TaskAnswered { task, .. } | Event::TaskCancelled { task } | Event::TaskRetried { task } => {
                self.causes.retain(|cause| !matches!(cause, Cause::Task(of, _) if of == task));
            }
            _ => {}
        }
    }
}

fn about(entry: &Entry) -> Option<(NoticeKind, Cause, String, String)> {
    let (id, task) = (&entry.record.project, entry.record.task.as_deref().unwrap_or_default());
    Some(match entry.event() {
        Event::TaskAwaits { task: ix, what: Await::Approval { ask }, .. } => {
            let message = format!("{id} waits for approval of {task}: {ask}");
            (NoticeKind::Approval, Cause::Task(*ix, ask.clone()), message, format!("wfctl approve {id} {task}"))
        }
        Event::GateAsked { ask, .. } => {
            let message = format!("{id} waits for approval: {ask}");
            (NoticeKind::Approval, Cause::Gate(ask.clone()), message, format!("wfctl approve {id}"))
        }
        Event::TaskInDoubt { task: ix, .. } => {
            let message = format!("{id} does not know whether a step of {task} happened");
            (NoticeKind::Paused, Cause::Doubt(*ix), message, format!("wfctl why {id}"))
        }
        Event::Held { reason } => {
            let why = why(entry, reason);
            (NoticeKind::Paused, Cause::Hold(why.clone()), format!("{id} is paused: {why}"), format!("wfctl why {id}"))
        }
        Event::Closed { status, reason, .. } => {
            let (kind, word) = match status {
                ProjectStatus::Done => (NoticeKind::Done, "done"),
                ProjectStatus::Cancelled => (NoticeKind::Cancelled, "cancelled"),
                _ => (NoticeKind::Failed, "failed"),
            };
            let mut message = format!("{id} is {word}");
            if kind == NoticeKind::Failed {
                message = format!("{id} failed");
            }
            if !reason.is_empty() {
                // Writing to a string does not fail.
                let _ = write!(message, ": {reason}");
            }
            (kind, Cause::End, message, format!("wfctl show {id}"))
        }
        _ => return None,
    })
}

fn why(entry: &Entry, reason: &HoldReason) -> String {
    let name = |task: &TaskIx| entry.names.name(*task).map_or_else(|| format!("task {task}"), str::to_owned);
    match reason {
        HoldReason::Person { comment } if comment.is_empty() => "by a person".to_owned(),
        HoldReason::Person { comment } => format!("by a person: {comment}"),
        HoldReason::Exhausted { task, class } => format!("no retry is left for {} ({class})", name(task)),
        HoldReason::Budget { dimension } => format!("the budget of {dimension} is used up"),
        HoldReason::Disk { .. } => "the disk is nearly full".to_owned(),
        HoldReason::Poison { task } => format!("the engine died too often in the middle of {}", name(task)),
    }
}

/// At most [`limits::NOTICE_CHARS`], on one line, without a null byte: it is also given to commands.
fn cut(text: &str) -> String {
    text.chars().take(limits::NOTICE_CHARS).map(|c| if c.is_control() { ' ' } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use super::super::testing::{Told as Record, entry};
    use super::*;
    use crate::domain::budget::Dimension;
    use crate::domain::event::Decision;
    use crate::domain::ids::Attempt;
    use crate::domain::machine::Phase;
    use crate::domain::payload::Payload;

    fn held() -> Event {
        Event::Held { reason: HoldReason::Budget { dimension: Dimension::Usd } }
    }

    fn asks(task: u32) -> Event {
        let what = Await::Approval { ask: "Go?\n\0".to_owned() };
        Event::TaskAwaits { task: TaskIx(task), attempt: Attempt(1), what, due: None }
    }

    fn closed(status: ProjectStatus) -> Event {
        Event::Closed { status, reason: "because".to_owned(), output: Payload::default() }
    }

    fn told(watch: &mut Watch, events: &[Event]) -> Vec<String> {
        let entries: Vec<Entry> =
            (1..).zip(events).map(|(seq, event)| entry(Record { seq, event: event.clone() })).collect();
        let mut notices = Vec::new();
        let mut rest = &entries[..];
        while let Some((at, notice)) = watch.first(rest) {
            assert_eq!(watch.first(&rest[at..]), Some((0, notice.clone())), "asked again, the same");
            notices.push(format!("{}: {}; {}", notice.kind.name(), notice.message, notice.next));
            rest = &rest[at + 1..];
        }
        notices
    }

    #[test]
    fn each_cause_is_told_once_until_it_is_left() {
        let released = Event::Released { comment: String::new() };
        let events = [asks(0), held(), held(), released, held(), asks(0), closed(ProjectStatus::Failed)];
        let notices = told(&mut Watch::new(Vec::new()), &events);
        let paused = "paused: p is paused: the budget of usd is used up; wfctl why p";
        let asked = "approval: p waits for approval of one: Go?  ; wfctl approve p one";
        assert_eq!(notices, [asked, paused, paused, "failed: p failed: because; wfctl show p"]);
    }

    #[test]
    fn questions_of_gates_and_other_tasks_are_other_causes() {
        let gate = Event::GateAsked { phase: Phase::Build, ask: "Ship?".to_owned(), due: None };
        let answered =
            Event::GateAnswered { phase: Phase::Build, decision: Decision::Rejected, comment: String::new() };
        let events = [asks(0), asks(1), gate.clone(), gate.clone(), answered, gate, closed(ProjectStatus::Done)];
        let notices = told(&mut Watch::new(vec![NoticeKind::Approval]), &events);
        assert_eq!(notices.len(), 4, "{notices:?}");
        assert!(notices.iter().all(|notice| notice.starts_with("approval")));
    }

    #[test]
    fn what_an_earlier_process_told_is_not_told_again() {
        let mut watch = Watch::new(Vec::new());
        watch.recall(&[entry(Record { seq: 1, event: held() })]);
        let again =
            [entry(Record { seq: 2, event: held() }), entry(Record { seq: 3, event: closed(ProjectStatus::Done) })];
        let (at, notice) = watch.first(&again).unwrap();
        assert_eq!((at, notice.kind), (1, NoticeKind::Done));
    }

    #[test]
    fn a_message_has_a_bound() {
        assert_eq!(cut(&"x".repeat(limits::NOTICE_CHARS + 1)).len(), limits::NOTICE_CHARS);
    }
}
