//! What is known of the models of late: which are better left alone for a while, how quick they are. Shared by all tasks of the
//! process, kept nowhere: a new process learns it again. Time is monotonic milliseconds that the caller gives.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::{Rule, rule};
use crate::domain::failure::{Failure, FailureClass};
use crate::domain::limits;

/// After a refusal for the rate of requests that names no delay.
const RATE_LIMITED_MS: u64 = 5_000;
/// After a used-up quota whose return is not known.
const QUOTA_MS: u64 = 15 * 60_000;
/// After as many failures in a row as are retried: others need not find out again.
const FAILING_MS: u64 = 30_000;
/// Weight of what was known before against one new latency.
const MEMORY: u64 = 7;

#[derive(Debug, Default)]
struct Known {
    ready_at_ms: u64,
    failures: u32,
    latency_ms: Option<u64>,
}

/// See the file's head. Clones share what they know.
#[derive(Debug, Clone, Default)]
pub struct Cooling(Arc<Mutex<BTreeMap<String, Known>>>);

impl Cooling {
    fn known(&self) -> MutexGuard<'_, BTreeMap<String, Known>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// `model` failed now.
    pub fn failed(&self, model: &str, failure: &Failure, now_ms: u64) {
        let mut all = self.known();
        let known = all.entry(model.to_owned()).or_default();
        let pause_ms = match rule(failure.class) {
            Rule::Cool if failure.class == FailureClass::Quota => failure.retry_after_ms.unwrap_or(QUOTA_MS),
            Rule::Cool => failure.retry_after_ms.unwrap_or(RATE_LIMITED_MS),
            Rule::Again { most } => {
                known.failures += 1;
                let worn_out = known.failures >= most;
                failure.retry_after_ms.unwrap_or(0).max(if worn_out { FAILING_MS } else { 0 })
            }
            Rule::Other | Rule::OtherProvider | Rule::Compact | Rule::GoOn | Rule::End => 0,
        };
        known.ready_at_ms = known.ready_at_ms.max(now_ms.saturating_add(pause_ms.min(limits::DURATION_MS)));
    }

    /// `model` answered after `latency_ms`.
    pub fn answered(&self, model: &str, latency_ms: u64) {
        let mut all = self.known();
        let known = all.entry(model.to_owned()).or_default();
        known.failures = 0;
        let before = known.latency_ms.unwrap_or(latency_ms);
        known.latency_ms = Some((before.saturating_mul(MEMORY).saturating_add(latency_ms)) / (MEMORY + 1));
    }

    /// Milliseconds until `model` should be asked again; 0: now.
    pub fn ready_in_ms(&self, model: &str, now_ms: u64) -> u64 {
        self.known().get(model).map_or(0, |known| known.ready_at_ms.saturating_sub(now_ms))
    }

    /// How long a reply of `model` takes of late.
    pub fn latency_ms(&self, model: &str) -> Option<u64> {
        self.known().get(model).and_then(|known| known.latency_ms)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn failure(class: FailureClass, retry_after_ms: Option<u64>) -> Failure {
        Failure { class, message: String::new(), retry_after_ms }
    }

    #[test]
    fn a_model_cools_as_long_as_its_provider_asks() {
        let cooling = Cooling::default();
        cooling.clone().failed("a/x", &failure(FailureClass::RateLimited, Some(2_000)), 100);
        assert_eq!((cooling.ready_in_ms("a/x", 100), cooling.ready_in_ms("a/x", 2_100)), (2_000, 0));
        cooling.failed("a/x", &failure(FailureClass::RateLimited, None), 100);
        assert_eq!(cooling.ready_in_ms("a/x", 100), RATE_LIMITED_MS);
        cooling.failed("a/x", &failure(FailureClass::RateLimited, Some(1)), 100);
        assert_eq!(cooling.ready_in_ms("a/x", 100), RATE_LIMITED_MS, "a shorter wish does not shorten a longer one");
        cooling.failed("a/y", &failure(FailureClass::Quota, None), 0);
        assert_eq!((cooling.ready_in_ms("a/y", 0), cooling.ready_in_ms("b/z", 0)), (QUOTA_MS, 0));
        cooling.failed("a/y", &failure(FailureClass::Quota, Some(u64::MAX)), 0);
        assert_eq!(cooling.ready_in_ms("a/y", 0), limits::DURATION_MS);
    }

    #[test]
    fn a_model_that_fails_in_a_row_cools_and_a_reply_ends_the_row() {
        let cooling = Cooling::default();
        let fail = || cooling.failed("a/x", &failure(FailureClass::Overloaded, None), 10);
        fail();
        fail();
        cooling.answered("a/x", 5);
        fail();
        fail();
        assert_eq!(cooling.ready_in_ms("a/x", 10), 0);
        fail();
        assert_eq!(cooling.ready_in_ms("a/x", 10), FAILING_MS);
    }

    #[test]
    fn latency_moves_slowly() {
        let cooling = Cooling::default();
        assert_eq!(cooling.latency_ms("a/x"), None);
        cooling.answered("a/x", 800);
        cooling.answered("a/x", 1_600);
        assert_eq!(cooling.latency_ms("a/x"), Some(900));
    }
}
