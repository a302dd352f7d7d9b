//! `wfctl why`: what a project waits for, since when, and the command that unblocks it.

use crate::domain::event::{Await, HoldReason};
use crate::domain::failure::FailureClass;
use crate::domain::ids::TaskIx;
use crate::domain::machine::{ProjectStatus, TaskStatus};
use crate::domain::view::Reason;

use super::state::Project;

/// Most tasks listed; a project of 100,000 waiting tasks has few causes.
const MOST_TASKS: usize = 50;

impl Project {
    /// What it waits for, the most telling first. Empty for a project that is done, or simply running.
    pub fn why(&self) -> Vec<Reason> {
        let mut reasons = Vec::new();
        if self.core.status.is_terminal() {
            return reasons;
        }
        self.why_project(&mut reasons);
        for ix in self.indices() {
            if reasons.len() >= MOST_TASKS {
                break;
            }
            reasons.extend(self.why_task(ix));
        }
        reasons
    }

    fn why_project(&self, reasons: &mut Vec<Reason>) {
        let id = &self.id;
        if let Some(hold) = self.core.hold.as_ref().filter(|_| self.core.status == ProjectStatus::Paused) {
            let command = match hold {
                HoldReason::Person { .. } | HoldReason::Poison { .. } => format!("wfctl resume {id}"),
                HoldReason::Exhausted { class: FailureClass::Sandbox, .. } => {
                    format!("see `wfctl doctor` for what is missing, then: wfctl retry {id}")
                }
                HoldReason::Exhausted { task, .. } => {
                    // A parked agent goes on in the middle of its conversation; a new series would begin anew.
                    let parked = self.core.tasks.get(task.at()).and_then(|_| self.unpark(*task));
                    parked.unwrap_or_else(|| format!("wfctl retry {id}"))
                }
                HoldReason::Budget { dimension } => {
                    format!("wfctl resume --budget {}=<more> {id}", dimension_key(*dimension))
                }
                HoldReason::Disk { .. } => {
                    format!("free some space; it goes on by itself while an engine runs, else: wfctl resume {id}")
                }
            };
            reasons.push(Reason {
                task: None,
                waits_for: self.hold_in_words(hold),
                since: self.core.held_since.unwrap_or(self.core.changed),
                due: None,
                command: Some(command),
            });
        }
        if let Some(gate) = &self.core.gate {
            reasons.push(Reason {
                task: None,
                waits_for: format!("approval after {}: {}", gate.phase, gate.ask),
                since: gate.since,
                due: gate.due,
                command: Some(format!("wfctl approve {id}")),
            });
        }
    }

    fn why_task(&self, ix: TaskIx) -> Option<Reason> {
        let (id, task) = (&self.id, self.task(ix));
        let name = &task.name;
        let command = match (task.status, task.awaits()) {
            (TaskStatus::InDoubt, _) => Some(format!("wfctl resume --in-doubt rerun|done|fail {id}")),
            (TaskStatus::AwaitingApproval, _) => Some(format!("wfctl approve {id} {name}")),
            (TaskStatus::AwaitingSignal, Some(Await::Signal { name })) => Some(format!("wfctl signal {id} {name}")),
            (TaskStatus::AwaitingSignal, Some(Await::External { .. })) => Some(format!("wfctl claim {id} {name}")),
            (TaskStatus::AwaitingSignal, Some(Await::Child { project })) => Some(format!("wfctl why {project}")),
            (TaskStatus::AwaitingSignal, Some(Await::Items)) => return None,
            (TaskStatus::AwaitingSignal, _) | (TaskStatus::Debugging, _) => None,
            (TaskStatus::Backoff, _) if self.parked(ix).is_some() => self.unpark(ix),
            (TaskStatus::Backoff, _) => Some(format!("wfctl retry {id} {name}")),
            (TaskStatus::Running, _) => {
                let since = self.doing(ix)?.since;
                let (task, waits_for) = (Some(name.to_string()), self.works_with(ix)?);
                return Some(Reason { task, waits_for, since, due: None, command: None });
            }
            (TaskStatus::Ready, _) => None,
            _ => return None,
        };
        let mut waits_for = self.waits_for(ix)?;
        if let Some(failure) = task.failure().filter(|_| task.status == TaskStatus::Backoff) {
            waits_for = format!("{waits_for} after: {failure}");
        }
        Some(Reason { task: Some(name.to_string()), waits_for, since: task.since, due: task.due(), command })
    }
}

fn dimension_key(dimension: crate::domain::budget::Dimension) -> &'static str {
    use crate::domain::budget::Dimension;
    match dimension {
        Dimension::Calls => "calls",
        Dimension::Tokens => "tokens",
        Dimension::Usd => "usd",
        Dimension::Wall => "wall",
    }
}
