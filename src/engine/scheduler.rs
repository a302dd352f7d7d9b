//! Which project may start a task next: all that have one ready take turns, one task each, while workers are free.

use std::collections::VecDeque;

/// The ring of projects that may have a ready task. Indices are the dispatcher's.
#[derive(Debug, Default)]
pub struct Scheduler {
    ring: VecDeque<u32>,
    in_ring: Vec<bool>,
}

impl Scheduler {
    /// `project` may have something to start.
    pub fn offer(&mut self, project: u32) {
        let at = project as usize;
        if self.in_ring.len() <= at {
            self.in_ring.resize(at + 1, false);
        }
        if !self.in_ring[at] {
            self.in_ring[at] = true;
            self.ring.push_back(project);
        }
    }

    /// The project whose turn it is; it leaves the ring until it is offered again.
    pub fn next(&mut self) -> Option<u32> {
        let project = self.ring.pop_front()?;
        self.in_ring[project as usize] = false;
        Some(project)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn projects_take_turns() {
        let mut scheduler = Scheduler::default();
        for project in [1, 0, 1, 2] {
            scheduler.offer(project);
        }
        let mut order = Vec::new();
        for _ in 0..6 {
            let project = scheduler.next().unwrap();
            order.push(project);
            scheduler.offer(project);
        }
        assert_eq!(order, [1, 0, 2, 1, 0, 2]);
    }
}
