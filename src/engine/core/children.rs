//! Child projects: started, resumed, told of to their parents.

use super::*;

impl<R> Core<R> {
    pub(super) fn start_child(&mut self, parent: ProjectId, order: ChildOrder) {
        let live = self.by_id.get(&order.child).and_then(|slot| self.slots[*slot as usize].as_ref());
        let found = match live {
            Some(live) => Ok(Some((live.project.status(), live.project.created.parent.clone().map(|(id, _)| id)))),
            None => {
                let stored = self.archive.store().summary(&order.child);
                stored.map(|found| found.map(|summary| (summary.status, summary.parent)))
            }
        };
        if let Ok(Some((_, of))) = &found
            && of.as_ref() != Some(&parent)
        {
            let reason = format!("the id {} belongs to a project that is not its child", order.child);
            return self.child_failed(&parent, order.task, &reason);
        }
        if live.is_some_and(|live| live.driven) {
            return;
        }
        if let Some(free_bytes) = self.disk_low {
            // Not a failure of the child: its parent waits for room, and asks again when it is released.
            if let Some(&slot) = self.by_id.get(&parent) {
                self.take(slot, Input::DiskLow { free_bytes }, Actor::Engine);
            }
            return;
        }
        let status = found.map(|found| found.map(|(status, _)| status));
        match status {
            Ok(Some(status)) if status.is_terminal() => self.tell_parent(&parent, order.task, &order.child),
            Ok(Some(_)) => self.resume_child(parent, &order),
            Ok(None) => {
                let start = Start {
                    id: Some(order.child),
                    env: self.env_for_child(&parent, &order.definition),
                    definition: order.definition,
                    inputs: order.inputs,
                    base_dir: order.base_dir.to_string(),
                    source: None,
                    base_commit: self.by_id.get(&parent).and_then(|slot| {
                        self.slots[*slot as usize].as_ref().and_then(|live| live.project.created.base_commit.clone())
                    }),
                    parent: Some((parent.clone(), order.task)),
                    depth: order.depth,
                };
                if let Err(error) = self.start(start, Actor::Parent(parent.clone())) {
                    self.child_failed(&parent, order.task, &error.to_string());
                }
            }
            Err(error) => self.child_failed(&parent, order.task, &error.to_string()),
        }
    }

    /// What the parent captured at its start of what the child wants to read.
    pub(super) fn env_for_child(&self, parent: &ProjectId, definition: &Definition) -> Vec<(String, String)> {
        let parent = self.by_id.get(parent).and_then(|slot| self.slots[*slot as usize].as_ref());
        let captured = parent.map(|live| live.project.created.env.as_slice()).unwrap_or_default();
        captured.iter().filter(|(name, _)| definition.pass_env.contains(name)).cloned().collect()
    }

    /// A child that exists and that this engine does not drive yet.
    pub(super) fn resume_child(&mut self, parent: ProjectId, order: &ChildOrder) {
        let slot = match self.slot_of(&order.child) {
            Ok(slot) => slot,
            Err(error) => return self.child_failed(&parent, order.task, &error.to_string()),
        };
        let poisoned = match self.drive(slot) {
            Ok(poisoned) => poisoned,
            Err(error) => return self.child_failed(&parent, order.task, &error.to_string()),
        };
        let hold = self.slots[slot as usize].as_ref().and_then(|live| live.project.hold());
        if !poisoned && !matches!(hold, Some(HoldReason::Person { .. })) {
            let command = Command::Resume { in_doubt: None, budget: None, comment: String::new() };
            // A refusal means that it goes on by itself, or waits for someone; both are fine.
            let _ = self.take_command(slot, command, Actor::Parent(parent));
        }
    }

    /// A cancelled parent takes its child along, and waits for its end.
    pub(super) fn stop_child(&mut self, parent: ProjectId, task: TaskIx, child: &ProjectId, undo: bool) {
        let comment = format!("its parent {parent} was cancelled");
        let command = if undo { Command::Cancel { undo, comment } } else { Command::Kill { comment } };
        let slot = match self.slot_of(child) {
            Ok(slot) => slot,
            Err(error) => return self.child_failed(&parent, task, &error.to_string()),
        };
        let alive = self.slots[slot as usize].as_ref().is_some_and(|live| !live.project.status().is_terminal());
        // Its undo commands need someone to run them.
        if undo
            && alive
            && let Err(error) = self.drive(slot)
        {
            return self.child_failed(&parent, task, &error.to_string());
        }
        self.take(slot, Input::Command(command), Actor::Parent(parent.clone()));
        if !alive {
            self.tell_parent(&parent, task, child);
        }
    }

    pub(super) fn child_failed(&mut self, parent: &ProjectId, task: TaskIx, reason: &str) {
        if let Some(&slot) = self.by_id.get(parent) {
            let (status, reason) = (ProjectStatus::Failed, reason.to_owned());
            let input = Input::ChildClosed { task, status, reason, output: Default::default() };
            self.take(slot, input, Actor::Engine);
        }
    }

    pub(super) fn tell_parent(&mut self, parent: &ProjectId, task: TaskIx, child: &ProjectId) {
        let Some(&slot) = self.by_id.get(parent) else { return };
        let live = self.by_id.get(child).and_then(|slot| self.slots[*slot as usize].as_ref());
        let end = match live {
            Some(live) => Ok((
                live.project.status(),
                live.project.closing_note().to_owned(),
                live.project.closing_output().clone(),
            )),
            None => self.load(child).map(|loaded| {
                let project = loaded.project;
                (project.status(), project.closing_note().to_owned(), project.closing_output().clone())
            }),
        };
        match end {
            Ok((status, reason, output)) if status.is_terminal() => {
                let child = Actor::Engine;
                self.take(slot, Input::ChildClosed { task, status, reason, output }, child);
            }
            Ok(_) => {}
            Err(error) => self.child_failed(parent, task, &error.to_string()),
        }
    }
}
