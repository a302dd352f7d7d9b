//! The budget ledger: reserved before a step, settled after it, so that the cap holds however many steps run at once.
//!
//! The ledger itself is derived from the journal: `StepStarted` reserves, `StepFinished` settles, an interruption releases.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Amounts of everything that can be limited. Money is counted in millionths of a US dollar.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Amounts {
    /// Steps started.
    pub calls: u64,
    /// Model tokens.
    pub tokens: u64,
    /// Millionths of a US dollar.
    pub usd_micros: u64,
}

impl Amounts {
    /// One call and nothing else.
    pub const ONE_CALL: Self = Self { calls: 1, tokens: 0, usd_micros: 0 };

    fn plus(self, other: Self) -> Self {
        Self {
            calls: self.calls.saturating_add(other.calls),
            tokens: self.tokens.saturating_add(other.tokens),
            usd_micros: self.usd_micros.saturating_add(other.usd_micros),
        }
    }

    fn minus(self, other: Self) -> Self {
        Self {
            calls: self.calls.saturating_sub(other.calls),
            tokens: self.tokens.saturating_sub(other.tokens),
            usd_micros: self.usd_micros.saturating_sub(other.usd_micros),
        }
    }
}

/// The caps of a project. An absent cap does not limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Caps {
    /// Most steps started.
    pub calls: Option<u64>,
    /// Most model tokens.
    pub tokens: Option<u64>,
    /// Most money, in millionths of a US dollar.
    pub usd_micros: Option<u64>,
    /// Most wall time from the project's start, time held by a person not counted.
    pub wall_ms: Option<u64>,
}

impl Caps {
    /// Caps that nothing reaches: what a person gives who wants no limit any more.
    pub const OUT_OF_REACH: Self =
        Self { calls: Some(u64::MAX), tokens: Some(u64::MAX), usd_micros: Some(u64::MAX), wall_ms: Some(u64::MAX) };

    /// These caps with those that `given` names in their place.
    #[must_use]
    pub fn raised_by(&self, given: &Self) -> Self {
        Self {
            calls: given.calls.or(self.calls),
            tokens: given.tokens.or(self.tokens),
            usd_micros: given.usd_micros.or(self.usd_micros),
            wall_ms: given.wall_ms.or(self.wall_ms),
        }
    }

    /// Whether these caps leave more room in one dimension than `before` did.
    pub fn allows_more(&self, before: &Self, dimension: Dimension) -> bool {
        let (now, then) = match dimension {
            Dimension::Calls => (self.calls, before.calls),
            Dimension::Tokens => (self.tokens, before.tokens),
            Dimension::Usd => (self.usd_micros, before.usd_micros),
            Dimension::Wall => (self.wall_ms, before.wall_ms),
        };
        match (now, then) {
            (Some(now), Some(then)) => now > then,
            (None, _) => true,
            (Some(_), None) => false,
        }
    }
}

/// Which cap a reservation would break.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Dimension {
    /// Steps.
    Calls,
    /// Tokens.
    Tokens,
    /// Money.
    Usd,
    /// Wall time.
    Wall,
}

impl fmt::Display for Dimension {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Calls => "calls",
            Self::Tokens => "tokens",
            Self::Usd => "usd",
            Self::Wall => "wall time",
        })
    }
}

/// What is spent and what is reserved by steps in flight.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Ledger {
    /// Settled for good.
    pub spent: Amounts,
    /// Held by steps that have not ended.
    pub reserved: Amounts,
}

impl Ledger {
    /// The first cap that reserving `wanted` would break, or `None` when it fits.
    pub fn would_break(&self, caps: &Caps, wanted: Amounts) -> Option<Dimension> {
        let after = self.spent.plus(self.reserved).plus(wanted);
        let over = |cap: Option<u64>, value: u64| cap.is_some_and(|cap| value > cap);
        if over(caps.calls, after.calls) {
            Some(Dimension::Calls)
        } else if over(caps.tokens, after.tokens) {
            Some(Dimension::Tokens)
        } else if over(caps.usd_micros, after.usd_micros) {
            Some(Dimension::Usd)
        } else {
            None
        }
    }

    /// Holds `wanted` back. The caller has asked [`Ledger::would_break`] before.
    pub fn reserve(&mut self, wanted: Amounts) {
        self.reserved = self.reserved.plus(wanted);
    }

    /// Replaces a reservation by what was really used.
    pub fn settle(&mut self, reserved: Amounts, used: Amounts) {
        self.reserved = self.reserved.minus(reserved);
        self.spent = self.spent.plus(used);
    }

    /// Gives a reservation back unused.
    pub fn release(&mut self, reserved: Amounts) {
        self.reserved = self.reserved.minus(reserved);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn one_past_the_cap_is_refused() {
        let caps = Caps { calls: Some(2), ..Caps::default() };
        let mut ledger = Ledger::default();
        ledger.reserve(Amounts::ONE_CALL);
        ledger.reserve(Amounts::ONE_CALL);
        assert_eq!(ledger.would_break(&caps, Amounts::ONE_CALL), Some(Dimension::Calls));
        ledger.release(Amounts::ONE_CALL);
        assert_eq!(ledger.would_break(&caps, Amounts::ONE_CALL), None);
    }

    proptest! {
        #[test]
        fn a_cap_is_never_passed_when_every_reservation_is_asked_for(
            cap in 0u64..50, steps in proptest::collection::vec((0u64..9, 0u64..9, any::<bool>()), 0..200),
        ) {
            let caps = Caps { tokens: Some(cap), ..Caps::default() };
            let mut ledger = Ledger::default();
            let mut open = Vec::new();
            for (wanted, used, settle) in steps {
                let wanted = Amounts { tokens: wanted, ..Amounts::default() };
                if ledger.would_break(&caps, wanted).is_none() {
                    ledger.reserve(wanted);
                    open.push((wanted, Amounts { tokens: used.min(wanted.tokens), ..Amounts::default() }));
                }
                if settle && let Some((reserved, used)) = open.pop() {
                    ledger.settle(reserved, used);
                }
                prop_assert!(ledger.spent.tokens + ledger.reserved.tokens <= cap);
            }
        }
    }
}
