//! Read models of a project.

use crate::domain::event::{Await, HoldReason};
use crate::domain::ids::{Seq, TaskIx};
use crate::domain::limits;
use crate::domain::machine::TaskStatus;
use crate::domain::payload::{Payload, PayloadSource};
use crate::domain::sandbox::Took;
use crate::domain::view::{ExternalWork, ProjectView, Question, Summary, TaskView};
use crate::domain::workflow::Action;

use super::state::{Project, Task};

/// What a task has for a worker outside.
fn external(task: &Task) -> Option<ExternalWork> {
    let Some(Await::External { queue, payload }) = task.awaits() else { return None };
    if task.status != TaskStatus::AwaitingSignal {
        return None;
    }
    let lease = task.more.as_ref().and_then(|more| more.lease.as_ref());
    Some(ExternalWork {
        queue: queue.clone(),
        // JSON as it was rendered; a text that is none stands for itself.
        payload: serde_json::from_str(payload).unwrap_or_else(|_| payload.clone().into()),
        worker: lease.map(|lease| lease.worker.clone()),
        until: lease.map(|lease| lease.until),
    })
}

impl Project {
    /// The line of `list`.
    pub fn summary(&self) -> Summary {
        let note = match self.core.hold.as_ref().filter(|_| self.core.status.is_held()) {
            Some(reason) => self.hold_in_words(reason),
            None => match &self.core.gate {
                Some(gate) => format!("asks: {}", gate.ask),
                None => self.core.closing_note.clone(),
            },
        };
        Summary {
            id: self.id.clone(),
            workflow: self.created.workflow.clone(),
            status: self.core.status,
            created: self.created_at,
            changed: self.core.changed,
            parent: self.created.parent.as_ref().map(|(parent, _)| parent.clone()),
            note,
        }
    }

    /// A hold in words.
    pub fn hold_in_words(&self, reason: &HoldReason) -> String {
        let name =
            |ix: &TaskIx| self.core.tasks.get(ix.at()).map_or_else(|| ix.to_string(), |task| task.name.to_string());
        match reason {
            HoldReason::Person { comment } if comment.is_empty() => "paused by a person".to_owned(),
            HoldReason::Person { comment } => format!("paused by a person: {comment}"),
            HoldReason::Exhausted { task, class } => {
                let known = self.core.tasks.get(task.at());
                let failure = known.and_then(Task::failure);
                if let (Some(what), Some(failure)) = (known.and_then(|_| self.parked_for(*task)), failure) {
                    return format!("task {} waits for {what}: {}", name(task), failure.message);
                }
                let why = failure.map_or_else(|| class.to_string(), ToString::to_string);
                format!("no retry is left for task {}: {why}", name(task))
            }
            HoldReason::Budget { dimension } => format!("the budget of {dimension} is used up"),
            HoldReason::Disk { free_bytes } => {
                format!("the disk is nearly full ({} MiB free)", free_bytes / (1024 * 1024))
            }
            HoldReason::Poison { task } => {
                format!("the engine died {} times in the middle of task {}", limits::STEP_RECOVERIES, name(task))
            }
        }
    }

    /// How many tasks are in which state, retired ones left out.
    pub fn counts(&self) -> Vec<(TaskStatus, u32)> {
        let mut counts = vec![0u32; TaskStatus::ALL.len()];
        for task in self.core.tasks.iter().filter(|task| !task.retired) {
            counts[task.status as usize] += 1;
        }
        TaskStatus::ALL.iter().copied().zip(counts).filter(|(_, count)| *count > 0).collect()
    }

    /// Everything about the project. `source` gives the outputs; one that cannot be read is left out, and so are those beyond
    /// [`limits::VIEW_OUTPUT_BYTES`] together.
    pub fn view(&self, source: &dyn PayloadSource) -> ProjectView {
        let mut room_bytes = limits::VIEW_OUTPUT_BYTES;
        let gate = self.core.gate.as_ref().map(|gate| Question { ask: gate.ask.clone(), due: gate.due });
        ProjectView {
            summary: self.summary(),
            seq: Seq(self.seq),
            phase: self.core.phase,
            phases: self.definition.phases.iter().map(|spec| spec.phase).collect(),
            definition: self.created.definition.digest,
            base_dir: self.created.base_dir.clone(),
            source: self.created.source.clone(),
            inputs: (*self.inputs).clone(),
            counts: self.counts(),
            caps: self.core.caps,
            ledger: self.core.ledger,
            gate,
            tasks: self.indices().map(|ix| self.task_view(ix, source, &mut room_bytes)).collect(),
        }
    }

    fn task_view(&self, ix: TaskIx, source: &dyn PayloadSource, room_bytes: &mut u64) -> TaskView {
        let task = self.task(ix);
        let small =
            task.output.as_ref().map(Payload::bytes).filter(|bytes| *bytes <= limits::INLINE_PAYLOAD_BYTES as u64);
        let fits = small.and_then(|bytes| room_bytes.checked_sub(bytes));
        let output = if fits.is_some() { self.output_value(ix, source).ok() } else { None };
        *room_bytes = fits.unwrap_or(*room_bytes);
        TaskView {
            ix: ix.0,
            name: task.name.to_string(),
            phase: task.phase,
            status: task.status,
            action: if task.spec.foreach.is_some() { "foreach" } else { task.spec.action.keyword() }.to_owned(),
            role: match &task.spec.action {
                Action::Agent(agent) => Some(agent.role.clone()),
                _ => None,
            },
            attempt: task.attempt.0,
            needs: task.needs.iter().map(|need| self.task(*need).name.to_string()).collect(),
            since: task.since,
            started: task.first_started,
            ended: task.status.is_terminal().then_some(task.since),
            due: task.due(),
            waits_for: self.waits_for(ix),
            doing: self.doing(ix),
            child: match task.awaits() {
                Some(Await::Child { project }) if task.status == TaskStatus::AwaitingSignal => Some(project.clone()),
                _ => None,
            },
            external: external(task),
            took: took(task),
            failure: task.failure().cloned(),
            output: output.filter(|value| !value.is_null()),
        }
    }

    /// What a task waits for, in words.
    pub(super) fn waits_for(&self, ix: TaskIx) -> Option<String> {
        let task = self.task(ix);
        match task.status {
            TaskStatus::Pending => {
                let missing: Vec<&str> = task
                    .needs
                    .iter()
                    .filter(|need| !self.task(**need).status.is_terminal())
                    .take(4)
                    .map(|need| &*self.task(*need).name)
                    .collect();
                let more = task.unmet.saturating_sub(missing.len() as u32);
                match (missing.is_empty(), more) {
                    (true, _) => Some(format!("phase {}", task.phase)),
                    (false, 0) => Some(missing.join(", ")),
                    (false, more) => Some(format!("{} and {more} more", missing.join(", "))),
                }
            }
            TaskStatus::Ready => {
                Some(if self.may_start() { "a free worker" } else { "the project to go on" }.to_owned())
            }
            TaskStatus::Backoff if self.parked(ix).is_some() => self.parked_for(ix),
            TaskStatus::Backoff if task.due().is_none() => Some("someone to resume or retry it".to_owned()),
            TaskStatus::Backoff => Some("its next attempt".to_owned()),
            TaskStatus::InDoubt => Some("a decision whether its step happened".to_owned()),
            TaskStatus::Debugging => {
                let branch = task.more.as_ref().and_then(|more| more.branch);
                branch.map(|branch| format!("its branch {}", self.task(branch).name))
            }
            TaskStatus::AwaitingApproval | TaskStatus::AwaitingSignal => task.awaits().map(|awaits| match awaits {
                Await::Approval { ask } => format!("approval: {ask}"),
                Await::Signal { name } => format!("signal {name}"),
                Await::Time => "a time".to_owned(),
                Await::External { queue, .. } => format!("a worker of queue {queue}"),
                Await::Child { project } => format!("child project {project}"),
                Await::Items => {
                    let open = task.more.as_ref().map_or(0, |more| more.open_items);
                    format!("{open} of its items")
                }
            }),
            TaskStatus::Running
            | TaskStatus::Validating
            | TaskStatus::Completed
            | TaskStatus::Failed
            | TaskStatus::Skipped
            | TaskStatus::Cancelled => None,
        }
    }
}

/// What the commands of the present attempt took, those of an agent's calls too.
fn took(task: &Task) -> Took {
    let of_steps = task.steps().iter().filter_map(|step| step.outcome.as_ref()?.ran_under.as_deref());
    let of_calls = task.calls().iter().filter_map(|call| call.outcome.as_ref()?.ran_under.as_deref());
    of_steps.chain(of_calls).map(|it| it.took).fold(Took::default(), Took::and)
}
