//! Accounts: every reservation stands in the project's ledger and in its phase's, so that both caps hold however many steps
//! and calls run at once.

use crate::domain::budget::{Amounts, Caps, Dimension};
use crate::domain::ids::TaskIx;

use super::state::Project;

impl Project {
    /// The first cap, of the project or of the task's phase, that reserving `wanted` would break.
    pub(super) fn would_break(&self, ix: TaskIx, wanted: Amounts) -> Option<Dimension> {
        let phase = self.task(ix).phase;
        let of_phase = self.definition.phase(phase).map_or_else(Caps::default, |spec| spec.budget);
        let phase_breaks = || self.core.phase_ledgers[phase as usize].would_break(&of_phase, wanted);
        let project_breaks = self.core.ledger.would_break(&self.core.caps, wanted);
        project_breaks.or_else(|| if self.core.phase_caps_off { None } else { phase_breaks() })
    }

    /// Whether money is limited: a call whose price is not known may not be made then.
    pub(super) fn limits_money(&self, ix: TaskIx) -> bool {
        let of_phase = self.definition.phase(self.task(ix).phase).is_some_and(|spec| spec.budget.usd_micros.is_some());
        self.core.caps.usd_micros.is_some() || of_phase && !self.core.phase_caps_off
    }

    /// A person has given more. Wall time is the project's alone: more of it says nothing about what a phase may use.
    pub(super) fn raise_caps(&mut self, caps: Caps) {
        let was = self.core.caps;
        let same = (caps.calls, caps.tokens, caps.usd_micros) == (was.calls, was.tokens, was.usd_micros);
        self.core.phase_caps_off |= !same;
        self.core.caps = caps;
    }

    pub(super) fn reserve(&mut self, ix: TaskIx, wanted: Amounts) {
        let phase = self.task(ix).phase;
        self.core.ledger.reserve(wanted);
        self.core.phase_ledgers[phase as usize].reserve(wanted);
    }

    pub(super) fn settle_account(&mut self, ix: TaskIx, reserved: Amounts, used: Amounts) {
        let phase = self.task(ix).phase;
        self.core.ledger.settle(reserved, used);
        self.core.phase_ledgers[phase as usize].settle(reserved, used);
    }

    pub(super) fn release_account(&mut self, ix: TaskIx, reserved: Amounts) {
        let phase = self.task(ix).phase;
        self.core.ledger.release(reserved);
        self.core.phase_ledgers[phase as usize].release(reserved);
    }
}
