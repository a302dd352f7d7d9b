//! How fast one caller may ask: a bucket that fills at a steady rate and holds twice a second's worth.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use tokio::time::Instant;

/// The buckets, one per kind of caller.
#[derive(Debug)]
pub struct Rate<K> {
    per_second: f64,
    buckets: Mutex<HashMap<K, Bucket>>,
}

#[derive(Debug, Clone, Copy)]
struct Bucket {
    left: f64,
    at: Instant,
}

impl<K: Eq + std::hash::Hash> Rate<K> {
    /// Full buckets.
    pub fn new(per_second: u32) -> Self {
        Self { per_second: f64::from(per_second.max(1)), buckets: Mutex::default() }
    }

    /// Takes one out of a caller's bucket; false when it is empty.
    pub fn take(&self, of: K) -> bool {
        self.take_at(of, Instant::now())
    }

    fn take_at(&self, of: K, now: Instant) -> bool {
        let most = self.per_second * 2.0;
        let mut buckets = self.buckets.lock().unwrap_or_else(PoisonError::into_inner);
        let bucket = buckets.entry(of).or_insert(Bucket { left: most, at: now });
        let passed = now.saturating_duration_since(bucket.at).as_secs_f64();
        bucket.left = (bucket.left + passed * self.per_second).min(most);
        bucket.at = now;
        if bucket.left < 1.0 {
            return false;
        }
        bucket.left -= 1.0;
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn one_past_the_burst_waits_for_its_share() {
        let rate = Rate::new(10);
        let start = Instant::now();
        assert!((0..20).all(|_| rate.take_at("a", start)));
        assert!(!rate.take_at("a", start));
        assert!(rate.take_at("b", start), "another caller has its own");
        assert!(rate.take_at("a", start + Duration::from_millis(101)));
        assert!(!rate.take_at("a", start + Duration::from_millis(101)));
    }
}
