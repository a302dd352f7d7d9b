//! From records to spans: a fold over one project's records, which gives a span when it ends.

use std::collections::{BTreeMap, HashMap};

use crate::domain::call::{CallIntent, CallKind, CallOutcome};
use crate::domain::event::{Event, HoldReason, StepOutcome};
use crate::domain::failure::Failure;
use crate::domain::ids::{Attempt, CallIx, Digest, ProjectId, Seq, StepIx, TaskIx};
use crate::domain::machine::ProjectStatus;
use crate::domain::time::Millis;
use crate::interfaces::bus::sink::Entry;

/// A trace's id.
pub type TraceId = [u8; 16];
/// A span's id.
pub type SpanId = [u8; 8];

/// The value of an attribute.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    Text(String),
    Number(u64),
    Decimal(f64),
    Flag(bool),
}

/// Named values.
pub type Attributes = Vec<(&'static str, Value)>;

/// Something that lasted from a moment to another.
#[derive(Debug, Clone, PartialEq)]
pub struct Span {
    pub trace: TraceId,
    pub id: SpanId,
    pub parent: Option<SpanId>,
    pub name: String,
    /// It asks another system, and waits for its answer.
    pub is_client: bool,
    pub start: Millis,
    pub end: Millis,
    pub attributes: Attributes,
    /// Moments within it.
    pub moments: Vec<(Millis, String)>,
    /// Why it failed.
    pub failure: Option<String>,
    /// The span of another trace that it belongs to.
    pub link: Option<(TraceId, SpanId)>,
}

/// A span that has not ended.
#[derive(Debug, Clone)]
struct Open {
    id: SpanId,
    parent: Option<SpanId>,
    name: String,
    is_client: bool,
    start: Millis,
    attributes: Attributes,
    moments: Vec<(Millis, String)>,
    link: Option<(TraceId, SpanId)>,
}

/// The trace of a project: from its id and the seed that it was given, so that one of the same name in another home is another one.
pub fn trace_id(project: &ProjectId, seed: u64) -> TraceId {
    first(&Digest::of(format!("trace {project} {seed}").as_bytes()))
}

/// The span that the record at `seq` begins.
fn span_id(trace: &TraceId, seq: Seq) -> SpanId {
    let mut bytes = trace.to_vec();
    bytes.extend(seq.0.to_be_bytes());
    first(&Digest::of(&bytes))
}

fn first<const N: usize>(digest: &Digest) -> [u8; N] {
    let mut id = [0; N];
    id.copy_from_slice(&digest.0[..N]);
    id
}

/// The W3C trace context of a record: its project's trace, within the span of the project.
pub fn traceparent(entry: &Entry) -> String {
    let trace = trace_id(&entry.record.project, entry.names.seed);
    let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    format!("00-{}-{}-01", hex(&trace), hex(&span_id(&trace, Seq(1))))
}

/// The open spans of one project.
#[derive(Debug, Default)]
pub struct Fold {
    seq: Seq,
    trace: TraceId,
    root: Option<Open>,
    tasks: BTreeMap<TaskIx, Open>,
    attempts: BTreeMap<TaskIx, (Attempt, Open)>,
    steps: BTreeMap<TaskIx, Open>,
    calls: HashMap<(TaskIx, CallIx), Open>,
    done: Vec<Span>,
}

impl Fold {
    /// Takes a record and gives the spans that it ends. One that was taken before gives none.
    pub fn take(&mut self, entry: &Entry) -> Vec<Span> {
        let (project, seq) = entry.at();
        if seq <= self.seq {
            return Vec::new();
        }
        self.seq = seq;
        self.trace = trace_id(project, entry.names.seed);
        self.add(entry);
        std::mem::take(&mut self.done)
    }

    fn add(&mut self, entry: &Entry) {
        let at = entry.record.at;
        match entry.event() {
            Event::Created(created) => {
                let attributes = vec![("wfctl.workflow", text(&created.workflow))];
                let mut root = self.open(entry, None, format!("project {}", created.workflow), attributes);
                root.link = created.parent.as_ref().map(|(parent, _)| {
                    let trace = trace_id(parent, entry.names.parent_seed);
                    (trace, span_id(&trace, Seq(1)))
                });
                self.root = Some(root);
            }
            Event::PhaseEntered { phase, round, .. } => self.moment(at, format!("phase {phase}, round {round}")),
            Event::Held { reason } => self.moment(at, format!("held: {}", held(reason))),
            Event::Released { .. } => self.moment(at, "released".to_owned()),
            Event::GateAsked { phase, .. } => self.moment(at, format!("asks behind {phase}")),
            Event::GateAnswered { decision, .. } => self.moment(at, format!("answered: {decision:?}").to_lowercase()),
            Event::Recovered { .. } => self.moment(at, "taken over by another engine".to_owned()),
            Event::TaskReady { task } | Event::TaskAwaits { task, .. } => self.begin_task(*task, entry),
            Event::TaskStarted { task, attempt } => self.begin_attempt(*task, *attempt, entry),
            Event::StepStarted { task, step, effect, .. } => self.begin_step(*task, *step, effect.name(), entry),
            Event::StepFinished { task, outcome, .. } => self.end_step(*task, at, outcome),
            Event::StepInterrupted { task, crashed, .. } => {
                let why = if *crashed { "the engine died" } else { "the engine stopped" };
                self.break_step(*task, at, why);
            }
            Event::CallStarted { task, attempt, call } => self.begin_call(*task, *attempt, call, entry),
            Event::CallFinished { task, call, outcome, .. } => self.end_call(*task, *call, at, outcome),
            Event::CallUncertain { task, call, charged, .. } => {
                if let Some(mut open) = self.calls.remove(&(*task, *call)) {
                    open.attributes.push(("wfctl.cost.usd", Value::Decimal(charged.usd_micros as f64 / 1e6)));
                    self.close(open, at, Some("cut off: whether it was answered is uncertain".to_owned()));
                }
            }
            Event::TaskInDoubt { task, .. } => self.break_step(*task, at, "its outcome is not known"),
            Event::TaskParked { task, failure, .. } => self.break_step(*task, at, failure.class.name()),
            Event::TaskBackoff { task, failure, .. }
            | Event::TaskExhausted { task, failure, .. }
            | Event::BranchOpened { task, failure, .. } => self.end_attempt(*task, at, Some(failure)),
            Event::TaskCompleted { task, .. } => {
                self.end_attempt(*task, at, None);
                self.end_task(*task, at, "completed", None);
            }
            Event::TaskFailed { task, failure, .. } => {
                self.end_attempt(*task, at, Some(failure));
                self.end_task(*task, at, "failed", Some(failure.to_string()));
            }
            Event::TaskSkipped { task, .. } => self.end_task(*task, at, "skipped", None),
            Event::TaskCancelled { task } => {
                self.break_step(*task, at, "cancelled");
                self.end_attempt(*task, at, None);
                self.end_task(*task, at, "cancelled", None);
            }
            Event::Closed { status, reason, .. } => self.end_all(at, *status, reason),
            _ => {}
        }
    }

    fn open(&self, entry: &Entry, parent: Option<SpanId>, name: String, mut attributes: Attributes) -> Open {
        attributes.push(("wfctl.project", text(entry.record.project.as_str())));
        attributes.push(("wfctl.seq", Value::Number(entry.record.seq.0)));
        if let Some(task) = &entry.record.task {
            attributes.push(("wfctl.task", text(task)));
        }
        Open {
            id: span_id(&self.trace, entry.record.seq),
            parent,
            name,
            is_client: false,
            start: entry.record.at,
            attributes,
            moments: Vec::new(),
            link: None,
        }
    }

    fn close(&mut self, open: Open, end: Millis, failure: Option<String>) {
        self.done.push(Span {
            trace: self.trace,
            id: open.id,
            parent: open.parent,
            name: open.name,
            is_client: open.is_client,
            start: open.start,
            end: end.max(open.start),
            attributes: open.attributes,
            moments: open.moments,
            failure,
            link: open.link,
        });
    }

    fn moment(&mut self, at: Millis, what: String) {
        if let Some(root) = &mut self.root {
            root.moments.push((at, what));
        }
    }

    fn root_id(&self) -> Option<SpanId> {
        self.root.as_ref().map(|root| root.id)
    }

    fn begin_task(&mut self, task: TaskIx, entry: &Entry) {
        if self.tasks.contains_key(&task) {
            return;
        }
        let name = format!("task {}", entry.names.name(task).unwrap_or_default());
        let attributes = vec![("wfctl.worker", text(entry.names.worker(task)))];
        let open = self.open(entry, self.root_id(), name, attributes);
        self.tasks.insert(task, open);
    }

    fn begin_attempt(&mut self, task: TaskIx, attempt: Attempt, entry: &Entry) {
        self.begin_task(task, entry);
        // The same attempt goes on after an interruption, and so does its span.
        if self.attempts.get(&task).is_some_and(|(open, _)| *open == attempt) {
            return;
        }
        self.end_attempt(task, entry.record.at, None);
        let parent = self.tasks.get(&task).map(|open| open.id);
        let attributes = vec![("wfctl.attempt", Value::Number(u64::from(attempt.0)))];
        let open = self.open(entry, parent, format!("attempt {attempt}"), attributes);
        self.attempts.insert(task, (attempt, open));
    }

    fn begin_step(&mut self, task: TaskIx, step: StepIx, effect: &str, entry: &Entry) {
        self.break_step(task, entry.record.at, "begun anew");
        let parent = self.attempts.get(&task).map(|(_, open)| open.id);
        let mut attributes = vec![("wfctl.step", Value::Number(u64::from(step.0))), ("wfctl.effect", text(effect))];
        let name = match entry.names.role(task).filter(|_| step.0 == 0) {
            Some(role) => {
                attributes.push(("gen_ai.operation.name", text("invoke_agent")));
                attributes.push(("gen_ai.agent.name", text(role)));
                format!("invoke_agent {role}")
            }
            None => format!("step {step}"),
        };
        let open = self.open(entry, parent, name, attributes);
        self.steps.insert(task, open);
    }

    fn end_step(&mut self, task: TaskIx, at: Millis, outcome: &StepOutcome) {
        self.end_calls(task, at);
        let Some(mut open) = self.steps.remove(&task) else { return };
        if let Some(code) = outcome.code {
            open.attributes.push(("wfctl.code", text(&code.to_string())));
        }
        let failure = outcome.result.as_ref().err();
        open.attributes.extend(failure.map(|failure| ("error.type", text(failure.class.name()))));
        self.close(open, at, failure.map(|failure| failure.message.clone()));
    }

    fn break_step(&mut self, task: TaskIx, at: Millis, why: &str) {
        self.end_calls(task, at);
        if let Some(mut open) = self.steps.remove(&task) {
            open.attributes.push(("error.type", text("interrupted")));
            self.close(open, at, Some(why.to_owned()));
        }
    }

    fn begin_call(&mut self, task: TaskIx, attempt: Attempt, call: &CallIntent, entry: &Entry) {
        if let Some(before) = self.calls.remove(&(task, call.ix)) {
            self.close(before, entry.record.at, Some("made again".to_owned()));
        }
        let mut attributes = vec![
            ("wfctl.attempt", Value::Number(u64::from(attempt.0))),
            ("wfctl.call", Value::Number(u64::from(call.ix.0))),
            ("wfctl.call.kind", text(call.kind.name())),
        ];
        let name = match call.kind {
            CallKind::Model | CallKind::Compact => {
                let (provider, model) = call.label.split_once('/').unwrap_or(("", &call.label));
                attributes.push(("gen_ai.operation.name", text("chat")));
                attributes.push(("gen_ai.provider.name", text(provider)));
                attributes.push(("gen_ai.request.model", text(model)));
                format!("chat {model}")
            }
            CallKind::Embed => {
                let (provider, model) = call.label.split_once('/').unwrap_or(("", &call.label));
                attributes.push(("gen_ai.operation.name", text("embeddings")));
                attributes.push(("gen_ai.provider.name", text(provider)));
                attributes.push(("gen_ai.request.model", text(model)));
                format!("embeddings {model}")
            }
            CallKind::Tool => {
                attributes.push(("gen_ai.operation.name", text("execute_tool")));
                attributes.push(("gen_ai.tool.name", text(&call.label)));
                format!("execute_tool {}", call.label)
            }
            CallKind::Prompt | CallKind::Check | CallKind::Ask | CallKind::Artifact | CallKind::Commit => {
                call.kind.name().to_owned()
            }
        };
        let parent = self.steps.get(&task).map(|open| open.id);
        let mut open = self.open(entry, parent, name, attributes);
        open.is_client = matches!(call.kind, CallKind::Model | CallKind::Compact | CallKind::Embed);
        self.calls.insert((task, call.ix), open);
    }

    fn end_call(&mut self, task: TaskIx, call: CallIx, at: Millis, outcome: &CallOutcome) {
        let Some(mut open) = self.calls.remove(&(task, call)) else { return };
        if let Some(usage) = outcome.usage {
            open.attributes.extend([
                ("gen_ai.usage.input_tokens", Value::Number(usage.input_tokens)),
                ("gen_ai.usage.output_tokens", Value::Number(usage.output_tokens)),
                ("gen_ai.usage.cache_read.input_tokens", Value::Number(usage.cached_tokens)),
                ("wfctl.usage.estimated", Value::Flag(usage.estimated)),
                ("wfctl.cost.usd", Value::Decimal(usage.usd_micros as f64 / 1e6)),
            ]);
        }
        let failure = outcome.result.as_ref().err();
        open.attributes.extend(failure.map(|failure| ("error.type", text(failure.class.name()))));
        self.close(open, at, failure.map(|failure| failure.message.clone()));
    }

    fn end_calls(&mut self, task: TaskIx, at: Millis) {
        let mut left: Vec<CallIx> = self.calls.keys().filter(|(of, _)| *of == task).map(|(_, call)| *call).collect();
        left.sort_unstable();
        for call in left {
            if let Some(open) = self.calls.remove(&(task, call)) {
                self.close(open, at, Some("interrupted".to_owned()));
            }
        }
    }

    fn end_attempt(&mut self, task: TaskIx, at: Millis, failure: Option<&Failure>) {
        self.break_step(task, at, "its attempt ended");
        let Some((_, mut open)) = self.attempts.remove(&task) else { return };
        open.attributes.extend(failure.map(|failure| ("error.type", text(failure.class.name()))));
        self.close(open, at, failure.map(|failure| failure.message.clone()));
    }

    fn end_task(&mut self, task: TaskIx, at: Millis, how: &str, failure: Option<String>) {
        let Some(mut open) = self.tasks.remove(&task) else { return };
        open.attributes.push(("wfctl.status", text(how)));
        self.close(open, at, failure);
    }

    fn end_all(&mut self, at: Millis, status: ProjectStatus, reason: &str) {
        for task in self.tasks.keys().copied().collect::<Vec<_>>() {
            self.end_attempt(task, at, None);
            self.end_task(task, at, "left", None);
        }
        let Some(mut root) = self.root.take() else { return };
        root.attributes.push(("wfctl.status", text(status.name())));
        self.close(root, at, (status == ProjectStatus::Failed).then(|| reason.to_owned()));
    }
}

fn text(value: &str) -> Value {
    Value::Text(value.to_owned())
}

fn held(reason: &HoldReason) -> &'static str {
    match reason {
        HoldReason::Person { .. } => "by a person",
        HoldReason::Exhausted { .. } => "no retry is left",
        HoldReason::Budget { .. } => "a budget is used up",
        HoldReason::Disk { .. } => "the disk is nearly full",
        HoldReason::Poison { .. } => "a step took the engine down too often",
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::sync::Arc;

    use super::*;
    use crate::domain::view::RecordView;
    use crate::interfaces::api::TaskNames;

    /// Every history that is kept, with its tasks called by their numbers.
    fn histories() -> Vec<(String, Vec<Entry>)> {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/histories");
        let names = ["0", "1", "2", "3", "4", "5", "6", "7"].map(|name| (name, Some("coder")));
        let names = Arc::new(TaskNames::of("w", &names));
        let entry = |line: &str| {
            let mut record: RecordView = serde_json::from_str(line).unwrap();
            record.task = record.event.task().map(|task| task.to_string());
            Entry { record, names: names.clone() }
        };
        let files = std::fs::read_dir(folder).unwrap().map(|file| file.unwrap().path());
        let read = files.map(|path| {
            let text = std::fs::read_to_string(&path).unwrap();
            (path.display().to_string(), text.lines().skip(1).map(entry).collect::<Vec<_>>())
        });
        read.collect()
    }

    fn spans(fold: &mut Fold, entries: &[Entry]) -> Vec<Span> {
        entries.iter().flat_map(|entry| fold.take(entry)).collect()
    }

    #[test]
    fn every_history_is_one_tree_of_spans() {
        let histories = histories();
        assert!(histories.len() > 30);
        for (file, entries) in histories {
            let mut fold = Fold::default();
            let spans = spans(&mut fold, &entries);
            let ids: BTreeSet<SpanId> = spans.iter().map(|span| span.id).collect();
            let is_over = entries.last().is_some_and(|entry| matches!(entry.event(), Event::Closed { .. }));
            if is_over {
                assert_eq!(spans.iter().filter(|span| span.parent.is_none()).count(), 1, "{file}: one root");
                assert!(spans.iter().all(|span| span.parent.is_none_or(|parent| ids.contains(&parent))), "{file}");
                let left = fold.tasks.len() + fold.attempts.len() + fold.steps.len() + fold.calls.len();
                assert_eq!((left, fold.root.is_none()), (0, true), "{file}: nothing is left open");
            }
            assert!(spans.iter().all(|span| span.trace == spans[0].trace && span.start <= span.end), "{file}");
        }
    }

    #[test]
    fn a_fold_that_begins_anew_makes_the_same_spans() {
        for (file, entries) in histories() {
            let whole = spans(&mut Fold::default(), &entries);
            for at in [1, entries.len() / 2, entries.len()] {
                let (mut first, mut second) = (Fold::default(), Fold::default());
                let mut parts = spans(&mut first, &entries[..at]);
                // What the first one sent, the second one recalls; a record that comes twice adds nothing.
                spans(&mut second, &entries[..at]);
                parts.extend(spans(&mut second, &entries[at.saturating_sub(1)..]));
                assert_eq!(parts, whole, "{file} at {at}");
            }
        }
    }
}
