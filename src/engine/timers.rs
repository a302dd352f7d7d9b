//! Due moments of all projects, earliest first. Nothing here is durable: timers are set again from the state at a resume.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use crate::domain::effect::TimerKey;
use crate::domain::time::Millis;

/// A heap of moments. A timer cannot be taken back: one that no longer fits when it fires is ignored by its project.
#[derive(Debug, Default)]
pub struct Timers {
    heap: BinaryHeap<Reverse<(Millis, u32, TimerKey)>>,
}

impl Timers {
    /// Wake `project` (an index of the dispatcher) at `due`.
    pub fn set(&mut self, due: Millis, project: u32, key: TimerKey) {
        self.heap.push(Reverse((due, project, key)));
    }

    /// The earliest moment.
    pub fn next_due(&self) -> Option<Millis> {
        self.heap.peek().map(|Reverse((due, ..))| *due)
    }

    /// The next timer whose moment has come, if any.
    pub fn pop_due(&mut self, now: Millis) -> Option<(u32, TimerKey)> {
        let due = self.next_due().filter(|due| *due <= now)?;
        let popped = self.heap.pop().map(|Reverse((_, project, key))| (project, key));
        debug_assert!(due <= now, "only due timers are taken");
        popped
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::ids::TaskIx;

    #[test]
    fn many_due_at_once_fire_in_order_and_once() {
        let mut timers = Timers::default();
        for (due, project) in [(30, 3), (10, 1), (20, 2), (99, 9)] {
            timers.set(Millis(due), project, TimerKey::Task(TaskIx(0)));
        }
        let fired: Vec<u32> = std::iter::from_fn(|| timers.pop_due(Millis(50))).map(|(project, _)| project).collect();
        assert_eq!(fired, [1, 2, 3]);
        assert_eq!(timers.next_due(), Some(Millis(99)));
        assert_eq!(timers.pop_due(Millis(50)), None);
    }
}
