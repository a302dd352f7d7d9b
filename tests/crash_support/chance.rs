//! Chance that can be repeated: every rig draws from one seed, which it prints, and which an environment variable sets.

use wfctl::domain::retry::split_mix;

/// A sequence that follows from its seed alone.
#[derive(Debug, Clone)]
pub struct Chance(u64);

impl Chance {
    /// The sequence of `seed`.
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// The next number.
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        split_mix(self.0)
    }

    /// A number below `bound`, which is at least 1.
    pub fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound.max(1)
    }
}

/// A number from the environment, or `default`.
pub fn number(variable: &str, default: u64) -> u64 {
    let Some(text) = text(variable) else { return default };
    text.parse().unwrap_or_else(|_| panic!("{variable} must be a number, not {text:?}"))
}

/// A text from the environment.
#[expect(clippy::disallowed_methods, reason = "seeds, counts and the role of a child come from the environment")]
pub fn text(variable: &str) -> Option<String> {
    std::env::var(variable).ok()
}

/// The seed of a rig: `WFCTL_CRASH_SEED`, or the rig's own; printed, so that a failure can be replayed.
#[expect(clippy::print_stderr, reason = "the seed is what replays a failure")]
pub fn seed(rig: &str, own: u64) -> u64 {
    let seed = number("WFCTL_CRASH_SEED", own);
    eprintln!("{rig}: replay with WFCTL_CRASH_SEED={seed}");
    seed
}
