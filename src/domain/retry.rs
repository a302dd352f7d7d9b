//! Retry policies: when a failed transition is tried again, and after what delay.
//!
//! The delay is a pure function of (policy, attempt, seed), so a journaled decision can be checked by anyone.
//! Jitter follows "equal jitter" (M. Brooker, "Exponential Backoff And Jitter", AWS Architecture Blog, 2015), scaled by
//! `jitter_percent`: the delay is uniform in `[d - d*p/100, d]`, so it never exceeds the cap.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::failure::{Failure, FailureClass};

/// What happens when a policy allows no further attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum OnExhausted {
    /// The project pauses with the reason; a resume gives the task a fresh allowance, its attempts are numbered on.
    #[default]
    Pause,
    /// The task fails; what needs it is skipped.
    Fail,
    /// The task fails, but what needs it goes on as if it had succeeded with no output.
    Continue,
}

/// When and how often a failed transition is tried again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RetryPolicy {
    /// Attempts in all, the first included; at least 1.
    pub max_attempts: u32,
    /// Delay before the second attempt.
    pub initial_ms: u64,
    /// Each further delay is this many percent of the one before; 200 doubles.
    pub factor_percent: u32,
    /// No delay is longer.
    pub max_interval_ms: u64,
    /// How much of the delay is random, 0 to 100.
    pub jitter_percent: u32,
    /// No further attempt once this long has passed since the first one started.
    pub max_elapsed_ms: Option<u64>,
    /// Classes never retried, beside those that are not retried by default.
    pub never: BTreeSet<FailureClass>,
    /// Classes retried although they are not by default.
    pub also: BTreeSet<FailureClass>,
    /// What happens at the end.
    pub on_exhausted: OnExhausted,
}

impl Default for RetryPolicy {
    fn default() -> Self {
        Self {
            max_attempts: 4,
            initial_ms: 1_000,
            factor_percent: 200,
            max_interval_ms: 60_000,
            jitter_percent: 20,
            max_elapsed_ms: None,
            never: BTreeSet::new(),
            also: BTreeSet::new(),
            on_exhausted: OnExhausted::Pause,
        }
    }
}

impl RetryPolicy {
    /// How calls of a model that failed for its provider's sake are made again: for about twenty minutes, then a person is asked.
    pub fn of_providers() -> Self {
        Self { max_attempts: 10, initial_ms: 2_000, max_interval_ms: 300_000, ..Self::default() }
    }
}

/// What a policy says about a failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Verdict {
    /// Try again after this delay.
    Retry {
        /// Delay from now.
        delay_ms: u64,
    },
    /// No further attempt: the class is not retried.
    NotRetried,
    /// No further attempt: the attempts or the time are used up.
    Exhausted,
}

impl RetryPolicy {
    /// Whether failures of `class` are retried at all.
    pub fn retries(&self, class: FailureClass) -> bool {
        !self.never.contains(&class) && (class.retried_by_default() || self.also.contains(&class))
    }

    /// The verdict after `attempt` attempts of the running series failed with `failure`, `elapsed_ms` after the first began.
    ///
    /// A `retry-after` of the other side lengthens the delay, up to the longest duration allowed; it never shortens it.
    pub fn verdict(&self, attempt: u32, elapsed_ms: u64, failure: &Failure, seed: u64) -> Verdict {
        if !self.retries(failure.class) {
            return Verdict::NotRetried;
        }
        if attempt >= self.max_attempts {
            return Verdict::Exhausted;
        }
        let asked_ms = failure.retry_after_ms.unwrap_or(0).min(super::limits::DURATION_MS);
        let delay_ms = self.delay_ms(attempt, seed).max(asked_ms);
        if self.max_elapsed_ms.is_some_and(|max| elapsed_ms.saturating_add(delay_ms) > max) {
            return Verdict::Exhausted;
        }
        Verdict::Retry { delay_ms }
    }

    /// The delay after the `attempt`-th failure (the first is 1).
    pub fn delay_ms(&self, attempt: u32, seed: u64) -> u64 {
        let mut base_ms = self.initial_ms.min(self.max_interval_ms);
        for _ in 1..attempt {
            let next_ms = base_ms.saturating_mul(u64::from(self.factor_percent)) / 100;
            if next_ms >= self.max_interval_ms {
                base_ms = self.max_interval_ms;
                break;
            }
            if next_ms == base_ms {
                break;
            }
            base_ms = next_ms;
        }
        let spread_ms = base_ms.saturating_mul(u64::from(self.jitter_percent.min(100))) / 100;
        let random = split_mix(seed ^ split_mix(u64::from(attempt)));
        base_ms - ((u128::from(random) * u128::from(spread_ms + 1)) >> 64) as u64
    }
}

/// SplitMix64's output function (Steele, Lea, Flood: "Fast Splittable Pseudorandom Number Generators", OOPSLA 2014).
pub fn split_mix(seed: u64) -> u64 {
    let mut z = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_default_doubles_from_one_second_to_a_minute() {
        let policy = RetryPolicy { jitter_percent: 0, ..RetryPolicy::default() };
        let delays: Vec<u64> = (1..=8).map(|attempt| policy.delay_ms(attempt, 7)).collect();
        assert_eq!(delays, [1_000, 2_000, 4_000, 8_000, 16_000, 32_000, 60_000, 60_000]);
    }

    #[test]
    fn classes_and_counts_end_a_series() {
        let policy = RetryPolicy { max_attempts: 2, max_elapsed_ms: Some(10_000), ..RetryPolicy::default() };
        let exit = Failure::new(FailureClass::Exit, "exit code 1");
        assert!(matches!(policy.verdict(1, 0, &exit, 1), Verdict::Retry { .. }));
        assert_eq!(policy.verdict(2, 0, &exit, 1), Verdict::Exhausted);
        assert_eq!(policy.verdict(1, 9_900, &exit, 1), Verdict::Exhausted);
        assert_eq!(policy.verdict(1, 0, &Failure::new(FailureClass::NotFound, "x"), 1), Verdict::NotRetried);
    }

    #[test]
    fn retry_after_lengthens_the_delay() {
        let policy = RetryPolicy::default();
        let failure = Failure { retry_after_ms: Some(30_000), ..Failure::new(FailureClass::RateLimited, "429") };
        assert_eq!(policy.verdict(1, 0, &failure, 1), Verdict::Retry { delay_ms: 30_000 });
    }

    proptest! {
        #[test]
        fn delays_stay_in_their_bounds(
            initial in 0u64..10_000_000, factor in 0u32..2_000, cap in 0u64..10_000_000,
            jitter in 0u32..200, attempt in 1u32..2_000, seed: u64,
        ) {
            let policy = RetryPolicy {
                initial_ms: initial, factor_percent: factor, max_interval_ms: cap, jitter_percent: jitter,
                ..RetryPolicy::default()
            };
            let delay = policy.delay_ms(attempt, seed);
            prop_assert!(delay <= cap);
            prop_assert_eq!(delay, policy.delay_ms(attempt, seed));
            if factor >= 100 && jitter == 0 {
                prop_assert!(delay >= initial.min(cap));
            }
        }
    }
}
