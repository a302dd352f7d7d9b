//! Summaries: what takes the place of a conversation that no longer fits. The model sums up; facts (files, checks, notes) are kept as
//! they are on record, because a summary forgets them.

use super::driver::Walk;
use super::models::Came;
use super::stuck::Verdict;
use crate::domain::call::CallKind;
use crate::domain::chat::ModelReply;
use crate::domain::failure::{Failure, FailureClass};
use crate::domain::limits;
use crate::domain::machine::agent_turn::Input;

const SUM_UP: &str = "\
The conversation is too long to go on as it is. Write a summary that takes its place; the standing instructions and the task stay. Call no \
tool. Use these headings, and leave out what you do not know:
## Goal: what is to be done, in your words
## Done: what is finished, with files and functions
## Found out: facts about this repository that cost time to find: commands that work, places, traps
## Tried without success: and why it failed
## Now: what you were doing at this moment
## Next: the next steps in order";

impl Walk<'_> {
    /// Asks for a summary and puts it in the place of what it sums up. Its size follows from the conversation alone: a window that
    /// was configured anew must not change a request that is on record.
    pub(super) async fn compact(&mut self) -> Result<(), Failure> {
        let room = self.transcript.bytes();
        let messages =
            self.transcript.to_sum_up(SUM_UP, room >> self.squeezed.min(16), limits::SUMMARISED_RESULT_BYTES);
        let (request, bytes) = self.next_request(messages)?;
        let changed = if self.record.peek().is_some_and(|call| call.outcome.is_some()) {
            Vec::new()
        } else {
            self.make_ground_ready().await?;
            self.site.changed_files().await?
        };
        let called = self.call(CallKind::Compact, &request, Some(changed)).await?;
        match called.outcome.result.clone() {
            Ok(payload) => {
                let (reply, changed): (ModelReply, Vec<String>) = self.record.json(called.ix, &payload)?;
                self.replied(&request.model, bytes, &reply, Came::Summary);
                self.turn.failures = 0;
                self.put_summary(&reply.text, &changed, room)
            }
            Err(failure) => {
                if failure.class == FailureClass::ContextOverflow {
                    self.squeezed += 1;
                }
                self.call_failed(&request.model, failure, called.known)
            }
        }
    }

    fn put_summary(&mut self, summary: &str, changed: &[String], room: u64) -> Result<(), Failure> {
        self.squeezed = 0;
        let text = self.summary_text(summary, changed);
        self.transcript.sum_up(text, room / 100 * limits::KEPT_TURNS_PERCENT);
        if let Verdict::Stuck(message) = self.watch.summed_up() {
            return Err(Failure::new(FailureClass::Stuck, message));
        }
        self.to(Input::Compacted)
    }

    fn summary_text(&self, summary: &str, changed: &[String]) -> String {
        let mut text = String::from("The conversation before this point was summed up.\n\n");
        text.push_str(if summary.trim().is_empty() { "(No summary was given.)" } else { summary.trim() });
        text.push_str("\n\n## On record\n");
        let mut list = |heading: &str, items: &mut dyn Iterator<Item = &String>| {
            let items: String = items.map(|item| format!("- {item}\n")).collect();
            if !items.is_empty() {
                text.push_str(&format!("\n{heading}:\n{items}"));
            }
        };
        list("Files that differ from where you started", &mut changed.iter());
        list("Your notes", &mut self.notes.iter());
        if let Some(report) = &self.last_report {
            list("Checks that failed when they last ran", &mut report.failing.iter());
            if report.green {
                list("Checks", &mut ["all were green when they last ran".to_owned()].iter());
            }
        }
        text
    }
}
