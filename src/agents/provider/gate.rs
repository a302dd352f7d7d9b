//! A provider's limits: calls at once, calls and tokens in a minute. A call waits for its turn here, before it is sent; waiting is
//! a sign of life, as it is not the provider that is silent.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use tokio::sync::Semaphore;

use super::{CallContext, Heard, ModelFailure, MonotonicClock, Provider};
use crate::agents::prices::Prices;
use crate::domain::chat::{ModelReply, ModelRequest};
use crate::domain::failure::{Failure, FailureClass};

/// How often a waiting call says that it is alive.
const SIGN_OF_LIFE: Duration = Duration::from_secs(5);
const MINUTE_MS: u64 = 60_000;

/// What a provider allows; `None`: no limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct GateLimits {
    /// Calls at once.
    pub concurrent: Option<u32>,
    /// Calls in a minute.
    pub requests_per_minute: Option<u32>,
    /// Tokens in a minute, counted as they are reserved.
    pub tokens_per_minute: Option<u64>,
}

impl GateLimits {
    /// Whether there is anything to wait for.
    pub fn is_open(&self) -> bool {
        *self == Self::default()
    }
}

/// A bucket that holds what a minute allows and fills evenly. Starts full.
#[derive(Debug)]
struct Bucket {
    per_minute: u64,
    /// What is in it, in parts of a [`MINUTE_MS`]th.
    parts: u64,
    at_ms: u64,
}

impl Bucket {
    fn new(per_minute: u64, now_ms: u64) -> Self {
        Self { per_minute, parts: per_minute.saturating_mul(MINUTE_MS), at_ms: now_ms }
    }

    /// Milliseconds until `amount` can be taken; 0: now. More than a minute allows is let through when the bucket is full.
    fn wait_ms(&mut self, amount: u64, now_ms: u64) -> u64 {
        let full = self.per_minute.saturating_mul(MINUTE_MS);
        let filled = now_ms.saturating_sub(self.at_ms).saturating_mul(self.per_minute);
        self.parts = self.parts.saturating_add(filled).min(full);
        self.at_ms = self.at_ms.max(now_ms);
        let wanted = amount.min(self.per_minute).saturating_mul(MINUTE_MS);
        wanted.saturating_sub(self.parts).div_ceil(self.per_minute.max(1))
    }

    fn take(&mut self, amount: u64) {
        self.parts = self.parts.saturating_sub(amount.saturating_mul(MINUTE_MS));
    }
}

/// A provider behind its limits.
pub struct Gate {
    inner: Arc<dyn Provider>,
    places: Option<Semaphore>,
    requests: Option<Mutex<Bucket>>,
    tokens: Option<Mutex<Bucket>>,
    prices: Arc<Prices>,
    monotonic_ms: MonotonicClock,
}

impl Gate {
    /// Puts `inner` behind `limits`.
    pub fn new(
        inner: Arc<dyn Provider>,
        limits: GateLimits,
        prices: Arc<Prices>,
        monotonic_ms: MonotonicClock,
    ) -> Self {
        let now_ms = monotonic_ms();
        let bucket = |per_minute: u64| Mutex::new(Bucket::new(per_minute, now_ms));
        Self {
            inner,
            places: limits.concurrent.map(|places| Semaphore::new(places as usize)),
            requests: limits.requests_per_minute.map(|most| bucket(u64::from(most))),
            tokens: limits.tokens_per_minute.map(bucket),
            prices,
            monotonic_ms,
        }
    }

    /// Takes one request and `tokens` from the buckets, or says how long to wait; never one without the other.
    fn take(&self, tokens: u64) -> Option<Duration> {
        let now_ms = (self.monotonic_ms)();
        let mut wanted = [(&self.requests, 1), (&self.tokens, tokens)]
            .into_iter()
            .filter_map(|(bucket, amount)| {
                Some((bucket.as_ref()?.lock().unwrap_or_else(PoisonError::into_inner), amount))
            })
            .collect::<Vec<_>>();
        let wait_ms = wanted.iter_mut().map(|(bucket, amount)| bucket.wait_ms(*amount, now_ms)).max().unwrap_or(0);
        if wait_ms > 0 {
            return Some(Duration::from_millis(wait_ms));
        }
        wanted.iter_mut().for_each(|(bucket, amount)| bucket.take(*amount));
        None
    }
}

#[async_trait]
impl Provider for Gate {
    async fn complete(
        &self,
        request: &ModelRequest,
        context: &CallContext,
        heard: Heard<'_>,
    ) -> Result<ModelReply, ModelFailure> {
        let _place = match &self.places {
            None => None,
            Some(places) => loop {
                match tokio::time::timeout(SIGN_OF_LIFE, places.acquire()).await {
                    Ok(Ok(place)) => break Some(place),
                    Ok(Err(_closed)) => {
                        let failure = Failure::new(FailureClass::Internal, "the gate of a provider is closed");
                        return Err(ModelFailure { failure, sent: false, usage: None, partial: String::new() });
                    }
                    Err(_) => heard(""),
                }
            },
        };
        let tokens = match self.prices.estimate(request) {
            Ok(amounts) => amounts.tokens,
            Err(unpriced) => unpriced.amounts.tokens,
        };
        while let Some(wait) = self.take(tokens) {
            tokio::time::sleep(wait.min(SIGN_OF_LIFE)).await;
            heard("");
        }
        self.inner.complete(request, context, heard).await
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use tokio::sync::Notify;

    use super::*;
    use crate::domain::chat::{Message, Stop, Usage};

    #[test]
    fn a_bucket_gives_what_a_minute_allows() {
        let mut bucket = Bucket::new(60, 0);
        for _ in 0..60 {
            assert_eq!(bucket.wait_ms(1, 0), 0);
            bucket.take(1);
        }
        assert_eq!(bucket.wait_ms(1, 0), 1_000);
        assert_eq!((bucket.wait_ms(1, 999), bucket.wait_ms(1, 1_000)), (1, 0));
        assert_eq!(bucket.wait_ms(600, 59_999), 1, "more than fits needs a full bucket");
        assert_eq!(bucket.wait_ms(600, u64::MAX), 0);
        bucket.take(600);
        assert_eq!(bucket.wait_ms(1, u64::MAX), 1_000);
        assert_eq!(bucket.wait_ms(1, 5), 1_000, "a clock that goes back fills nothing");
    }

    /// Answers when told to; counts who is inside.
    #[derive(Default)]
    struct Slow {
        inside: AtomicUsize,
        most: AtomicUsize,
        go: Notify,
    }

    #[async_trait]
    impl Provider for Slow {
        async fn complete(
            &self,
            request: &ModelRequest,
            _context: &CallContext,
            _heard: Heard<'_>,
        ) -> Result<ModelReply, ModelFailure> {
            let inside = self.inside.fetch_add(1, Ordering::SeqCst) + 1;
            self.most.fetch_max(inside, Ordering::SeqCst);
            self.go.notified().await;
            self.inside.fetch_sub(1, Ordering::SeqCst);
            let served_by = request.model.clone();
            Ok(ModelReply {
                text: "x".into(),
                calls: Vec::new(),
                stop: Stop::Answered,
                usage: Usage::default(),
                served_by,
            })
        }
    }

    fn request() -> ModelRequest {
        ModelRequest {
            model: "a/x".into(),
            messages: vec![Message::User { text: "go".into() }],
            tools: Vec::new(),
            answer: None,
            max_output_tokens: 10,
            temperature: None,
        }
    }

    fn gate(limits: GateLimits, inner: Arc<Slow>) -> Arc<Gate> {
        Arc::new(Gate::new(inner, limits, Arc::new(Prices::shipped()), Arc::new(|| 0)))
    }

    async fn call(gate: Arc<Gate>) -> bool {
        let context = CallContext { project: "p".into(), task: "t".into(), role: "r".into(), attempt: 1, turn: 1 };
        gate.complete(&request(), &context, &|_| {}).await.is_ok()
    }

    #[tokio::test]
    async fn no_more_calls_at_once_than_allowed() {
        let inner = Arc::new(Slow::default());
        let gate = gate(GateLimits { concurrent: Some(2), ..GateLimits::default() }, inner.clone());
        let calls: Vec<_> = (0..6).map(|_| tokio::spawn(call(gate.clone()))).collect();
        while !calls.iter().all(tokio::task::JoinHandle::is_finished) {
            inner.go.notify_one();
            tokio::task::yield_now().await;
        }
        assert_eq!(inner.most.load(Ordering::SeqCst), 2);
    }

    #[tokio::test]
    async fn calls_wait_for_their_minute_and_show_that_they_are_alive() {
        let inner = Arc::new(Slow::default());
        let limits = GateLimits { requests_per_minute: Some(1), ..GateLimits::default() };
        // Made, the first call, the second call too early, the second call.
        let times = Mutex::new(vec![MINUTE_MS, MINUTE_MS - 1, 0, 0]);
        let clock: MonotonicClock = Arc::new(move || times.lock().unwrap().pop().unwrap());
        let gate = Gate::new(inner.clone(), limits, Arc::new(Prices::shipped()), clock);
        let signs = AtomicUsize::new(0);
        let context = CallContext { project: "p".into(), task: "t".into(), role: "r".into(), attempt: 1, turn: 1 };
        let sign = |_: &str| {
            signs.fetch_add(1, Ordering::SeqCst);
        };
        for waits in [0, 1] {
            inner.go.notify_one();
            assert!(gate.complete(&request(), &context, &sign).await.is_ok());
            assert_eq!(signs.load(Ordering::SeqCst), waits);
        }
    }

    #[test]
    fn tokens_are_not_taken_when_requests_have_to_wait() {
        let limits = GateLimits { requests_per_minute: Some(1), tokens_per_minute: Some(100), concurrent: None };
        let gate = gate(limits, Arc::default());
        assert_eq!(gate.take(60), None);
        assert_eq!(gate.take(60), Some(Duration::from_secs(60)));
        let tokens = gate.tokens.as_ref().unwrap().lock().unwrap();
        assert_eq!(tokens.parts, 40 * MINUTE_MS);
    }
}
