//! What models say while they are still saying it, for whoever watches. Kept nowhere, and nothing is decided by it: a listener that is
//! too slow misses some, and whoever speaks never waits.

use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::broadcast;

use crate::domain::effect::StepOrder;
use crate::domain::ids::{Attempt, CallIx, ProjectId};
use crate::domain::limits;

/// The next words of a reply.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delta {
    /// The project.
    pub project: ProjectId,
    /// The task's name.
    pub task: Arc<str>,
    /// The attempt.
    pub attempt: Attempt,
    /// The call.
    pub call: CallIx,
    /// How many characters of the reply came before; 0 again when a call that was cut off is made again.
    pub at: u64,
    /// The words, at most [`limits::DELTA_BYTES`].
    pub text: String,
}

/// Where all words go.
#[derive(Debug, Clone)]
pub(super) struct Deltas(broadcast::Sender<Arc<Delta>>);

/// The walk of one step, as far as it speaks.
#[derive(Debug)]
pub(super) struct Mouth {
    project: ProjectId,
    task: Arc<str>,
    attempt: Attempt,
    /// The call that is answered, and how many characters of it were told.
    told: Mutex<(CallIx, u64)>,
    deltas: Deltas,
}

impl Default for Deltas {
    fn default() -> Self {
        Self(broadcast::channel(limits::DELTAS_TOLD).0)
    }
}

impl Deltas {
    /// What is said from here on.
    pub(super) fn listen(&self) -> broadcast::Receiver<Arc<Delta>> {
        self.0.subscribe()
    }

    /// The mouth of a step.
    pub(super) fn of(&self, order: &StepOrder) -> Mouth {
        Mouth {
            project: order.project.clone(),
            task: order.name.clone(),
            attempt: order.attempt,
            told: Mutex::new((CallIx(0), 0)),
            deltas: self.clone(),
        }
    }
}

impl Mouth {
    /// Tells the next words of the reply to `call`.
    pub(super) fn say(&self, call: CallIx, text: &str) {
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        if told.0 != call {
            *told = (call, 0);
        }
        let mut rest = text;
        while !rest.is_empty() {
            let most = rest.len().min(limits::DELTA_BYTES);
            let cut = (0..=most).rev().find(|at| rest.is_char_boundary(*at)).unwrap_or(rest.len());
            let (piece, more) = rest.split_at(cut);
            rest = more;
            let at = told.1;
            told.1 += piece.chars().count() as u64;
            if self.deltas.0.receiver_count() > 0 {
                let (project, task) = (self.project.clone(), self.task.clone());
                let delta = Delta { project, task, attempt: self.attempt, call, at, text: piece.to_owned() };
                // Whoever listened may have gone: words that nobody hears are nobody's loss.
                let _ = self.deltas.0.send(Arc::new(delta));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mouth(deltas: &Deltas) -> Mouth {
        let (project, told) = (ProjectId::new("p").unwrap(), Mutex::new((CallIx(0), 0)));
        Mouth { project, task: Arc::from("write"), attempt: Attempt(1), told, deltas: deltas.clone() }
    }

    fn heard(listener: &mut broadcast::Receiver<Arc<Delta>>) -> Vec<(u32, u64, String)> {
        let told = std::iter::from_fn(|| listener.try_recv().ok());
        told.map(|delta| (delta.call.0, delta.at, delta.text.clone())).collect()
    }

    #[test]
    fn a_listener_hears_from_where_it_came_and_each_call_is_counted_anew() {
        let deltas = Deltas::default();
        let mouth = mouth(&deltas);
        mouth.say(CallIx(1), "häl");
        let mut listener = deltas.listen();
        mouth.say(CallIx(1), "lo");
        mouth.say(CallIx(1), "");
        mouth.say(CallIx(4), "next");
        assert_eq!(heard(&mut listener), [(1, 3, "lo".to_owned()), (4, 0, "next".to_owned())]);
    }

    #[test]
    fn what_is_long_is_told_in_pieces_that_cut_no_character() {
        let deltas = Deltas::default();
        let mut listener = deltas.listen();
        let text = format!("{}é and more", "x".repeat(limits::DELTA_BYTES - 1));
        mouth(&deltas).say(CallIx(1), &text);
        let pieces = heard(&mut listener);
        assert_eq!(pieces.iter().map(|(_, at, _)| *at).collect::<Vec<_>>(), [0, limits::DELTA_BYTES as u64 - 1]);
        assert_eq!(pieces.into_iter().map(|(.., text)| text).collect::<String>(), text);
    }

    #[test]
    fn one_past_what_a_listener_may_be_behind_is_missed_and_nobody_waits() {
        let deltas = Deltas::default();
        let (mut listener, mouth) = (deltas.listen(), mouth(&deltas));
        (0..=limits::DELTAS_TOLD).for_each(|_| mouth.say(CallIx(1), "x"));
        assert_eq!(listener.try_recv(), Err(broadcast::error::TryRecvError::Lagged(1)));
        assert_eq!(heard(&mut listener).first().map(|(_, at, _)| *at), Some(1));
    }
}
