//! Whether an agent still gets anywhere: by what it repeats, and by what its turns change. Pure; fed with what is on record.
//!
//! The thresholds of repetition are those that OpenHands arrived at. What waits (a long-running tool that is asked again) is not
//! repetition. An agent is told once before it counts as stuck.

use std::collections::BTreeSet;

use crate::domain::ids::Digest;
use crate::domain::limits;

/// The same call with the same result, this often.
const SAME_RESULT: usize = 4;
/// The same call with the same error, this often.
const SAME_ERROR: usize = 3;
/// Two calls in turn, this many in all.
const ALTERNATING: usize = 6;
/// Replies without a call, this often in a row.
const MONOLOGUE: u32 = 3;
/// Summaries without a change of the files between them.
const IDLE_SUMMARIES: u32 = 2;

/// A call with its result.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Action {
    pub(super) call: Digest,
    pub(super) result: Digest,
    pub(super) error: bool,
}

/// What one reply led to.
#[derive(Debug, Clone, Default)]
pub(super) struct Facts {
    /// Its calls, those that waited left out, each once.
    pub(super) actions: Vec<Action>,
    /// It called no tool.
    pub(super) only_text: bool,
    /// Files read for the first time.
    pub(super) first_reads: bool,
    /// What names the present files.
    pub(super) files: String,
    /// The failing checks, when checks ran.
    pub(super) failing: Option<BTreeSet<String>>,
}

/// What follows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Verdict {
    Fine,
    /// The agent is told this.
    Told(String),
    /// The attempt ends with this.
    Stuck(String),
}

#[derive(Debug, Clone)]
pub(super) struct Watch {
    no_progress_turns: u32,
    actions: Vec<Action>,
    monologue: u32,
    told_of_repetition: bool,
    idle_turns: u32,
    files: String,
    failing: Option<BTreeSet<String>>,
    summed_up_at: Option<String>,
    idle_summaries: u32,
}

impl Watch {
    pub(super) fn new(files: String, no_progress_turns: u32) -> Self {
        Self {
            no_progress_turns,
            actions: Vec::new(),
            monologue: 0,
            told_of_repetition: false,
            idle_turns: 0,
            files,
            failing: None,
            summed_up_at: None,
            idle_summaries: 0,
        }
    }

    /// Takes in one reply.
    pub(super) fn observe(&mut self, facts: Facts) -> Verdict {
        self.progress(&facts);
        self.monologue = if facts.only_text { self.monologue + 1 } else { 0 };
        self.actions.extend(facts.actions);
        let kept = self.actions.len().saturating_sub(ALTERNATING.max(SAME_RESULT));
        self.actions.drain(..kept);
        if let Some(what) = self.repetition() {
            self.actions.clear();
            if self.told_of_repetition {
                return Verdict::Stuck(format!("the agent was told and still repeats itself: {what}"));
            }
            self.told_of_repetition = true;
            return Verdict::Told(format!(
                "You repeat yourself: {what}. The result will not change. Say what you expected, then try something different, or \
                 finish with what you have."
            ));
        }
        self.idleness()
    }

    /// Takes in that the conversation is summed up.
    pub(super) fn summed_up(&mut self) -> Verdict {
        self.idle_summaries = if self.summed_up_at.as_ref() == Some(&self.files) { self.idle_summaries + 1 } else { 0 };
        self.summed_up_at = Some(self.files.clone());
        if self.idle_summaries >= IDLE_SUMMARIES {
            let times = self.idle_summaries + 1;
            return Verdict::Stuck(format!(
                "the conversation was summed up {times} times without a changed file between"
            ));
        }
        Verdict::Fine
    }

    /// A changed tree, fewer failing checks or a file read for the first time.
    fn progress(&mut self, facts: &Facts) {
        let fewer = match (&self.failing, &facts.failing) {
            (Some(before), Some(now)) => now.len() < before.len() && now.is_subset(before),
            (None, Some(_)) => true,
            (_, None) => false,
        };
        let changed = facts.files != self.files;
        if changed || fewer || facts.first_reads {
            self.idle_turns = 0;
        } else {
            self.idle_turns += 1;
        }
        if changed || fewer {
            self.told_of_repetition = false;
        }
        self.files.clone_from(&facts.files);
        if facts.failing.is_some() {
            self.failing.clone_from(&facts.failing);
        }
    }

    fn repetition(&self) -> Option<String> {
        let last = |count: usize| self.actions.len().checked_sub(count).map(|from| &self.actions[from..]);
        if last(SAME_ERROR).is_some_and(|tail| tail[0].error && tail.iter().all(|action| *action == tail[0])) {
            return Some(format!("the same call failed with the same error {SAME_ERROR} times"));
        }
        if last(SAME_RESULT).is_some_and(|tail| tail.iter().all(|action| *action == tail[0])) {
            return Some(format!("the same call gave the same result {SAME_RESULT} times"));
        }
        let alternates =
            |tail: &[Action]| tail[0] != tail[1] && tail.iter().enumerate().all(|(at, action)| *action == tail[at % 2]);
        if last(ALTERNATING).is_some_and(alternates) {
            return Some(format!("the same two calls in turn, {ALTERNATING} in all"));
        }
        let talks = self.monologue >= MONOLOGUE;
        talks.then(|| format!("{} replies in a row without a call of a tool", self.monologue))
    }

    fn idleness(&self) -> Verdict {
        let (idle, allowed) = (self.idle_turns, self.no_progress_turns);
        if idle == allowed {
            return Verdict::Told(format!(
                "In the last {idle} turns no file changed, no failing check was fixed and nothing new was read. Decide: make the change, or \
                 finish and say plainly what is missing."
            ));
        }
        if idle >= allowed.saturating_add(limits::NO_PROGRESS_GRACE_TURNS) {
            return Verdict::Stuck(format!("no progress in {idle} turns: no file changed, no failing check was fixed"));
        }
        Verdict::Fine
    }
}
