//! Evidence: an answer that says the work is good is accepted only with green checks on record that ran over the files as they are.

use super::driver::{Answered, Walk};
use super::record::{Asked, digest_of, outcome};
use super::worksite::CheckReport;
use crate::agents::roles::Evidence;
use crate::domain::budget::Amounts;
use crate::domain::call::{CallKind, CallOutcome};
use crate::domain::chat::Message;
use crate::domain::failure::{Failure, FailureClass};
use crate::domain::machine::agent_turn::Input;
use crate::domain::workflow::EffectClass;

impl Walk<'_> {
    /// Takes an answer that fits: it is accepted, or its evidence comes first.
    pub(super) fn take_answer(&mut self, answered: Answered) -> Result<(), Failure> {
        let due = match self.pinned.evidence {
            Evidence::Checks => self.signature.claims_success(&answered.value),
            Evidence::None => false,
        };
        self.answered = Some(answered);
        self.to(if due { Input::Finish } else { Input::Accept })
    }

    /// Runs the checks unless they were green over these very files; red ones go back to the model.
    pub(super) async fn show_evidence(&mut self) -> Result<(), Failure> {
        if self.green_at.as_ref() == Some(&self.ground.name()) {
            return self.to(Input::Green);
        }
        let report = self.check().await?;
        if report.green {
            return self.to(Input::Green);
        }
        let told =
            format!("error: not finished: the checks are red. Repair the cause, then finish again.\n{}", report.text);
        match self.answered.take().and_then(|answered| answered.call) {
            Some(at) => {
                if let Some(result) = self.pending.results.get_mut(at) {
                    *result = Some(told);
                }
                self.close_exchange(Input::Red)
            }
            None => {
                self.transcript.add(Message::User { text: told });
                self.close_exchange(Input::Red)
            }
        }
    }

    /// Runs the repository's checks, or reads back what they said.
    pub(super) async fn check(&mut self) -> Result<CheckReport, Failure> {
        let asked = Asked {
            kind: CallKind::Check,
            label: "checks".to_owned(),
            input: digest_of(&["checks", &self.ground.name()]),
            shown: String::new(),
            effect: EffectClass::Restorable,
        };
        let slot = self.record.take(&asked)?;
        let ix = slot.ix;
        let made = match slot.known.clone() {
            Some(known) => known,
            None => {
                self.make_ground_ready().await?;
                self.record.begin(&slot, &asked, Amounts::default()).await?;
                let calls = self.record.calls();
                let started = calls.monotonic_ms();
                let result = match self.site.check().await {
                    Ok(report) => Ok(self.record.keep_json(&report)?),
                    Err(stopped) if matches!(stopped.class, FailureClass::Interrupted | FailureClass::Cancelled) => {
                        return Err(stopped);
                    }
                    Err(failure) => Err(failure),
                };
                calls.alive();
                let duration_ms = calls.monotonic_ms().saturating_sub(started);
                let tree = self.site.checkpoint().await?;
                let made = CallOutcome { tree, ran_under: self.site.ran_under(), ..outcome(result, duration_ms) };
                self.record.end(&slot, made.clone()).await?;
                made
            }
        };
        if made.tree.is_some() {
            self.ground.changed(made.tree.as_ref());
        }
        let report: CheckReport = self.record.json(ix, &made.result?)?;
        self.green_at = report.green.then(|| self.ground.name());
        self.facts.failing = Some(report.failing.iter().cloned().collect());
        self.last_report = Some(report.clone());
        Ok(report)
    }
}
