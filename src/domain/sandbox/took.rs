//! What a command took of the machine: memory and processors.

use std::fmt;

use serde::{Deserialize, Serialize};

/// What a command and all that it started took, as far as the kernel told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Took {
    /// The most memory at once, in bytes: of all processes together, with the files that the kernel kept in memory for them, where a
    /// control group counts; else of the largest process.
    pub memory_bytes: Option<u64>,
    /// Time on processors, of all processes together.
    pub cpu_ms: Option<u64>,
    /// How many processes the kernel ended because all of them together had reached their bound of memory.
    pub memory_kills: u32,
}

impl Took {
    /// Whether nothing is known.
    pub fn is_nothing(&self) -> bool {
        *self == Self::default()
    }

    /// What this and what came after it took: the most of both memories, the sum of both times.
    #[must_use]
    pub fn and(self, next: Self) -> Self {
        let sum = |one: Option<u64>, other: Option<u64>| match (one, other) {
            (Some(one), Some(other)) => Some(one.saturating_add(other)),
            (one, other) => one.or(other),
        };
        Self {
            memory_bytes: self.memory_bytes.max(next.memory_bytes),
            cpu_ms: sum(self.cpu_ms, next.cpu_ms),
            memory_kills: self.memory_kills.saturating_add(next.memory_kills),
        }
    }
}

impl fmt::Display for Took {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let cpu = self.cpu_ms.map(|ms| format!("{}.{:02} s of processor", ms / 1000, ms % 1000 / 10));
        let memory = self.memory_bytes.map(|bytes| format!("{} of memory", in_words(bytes)));
        let parts: Vec<String> = cpu.into_iter().chain(memory).collect();
        f.write_str(&parts.join(", "))
    }
}

/// An amount of memory with its unit, rounded.
pub fn in_words(bytes: u64) -> String {
    const UNITS: [(&str, u32); 3] = [("GiB", 30), ("MiB", 20), ("KiB", 10)];
    match UNITS.iter().find(|(_, shift)| bytes >> shift > 0) {
        Some((unit, shift)) => {
            let tenths = (u128::from(bytes) * 10) >> shift;
            format!("{}.{} {unit}", tenths / 10, tenths % 10)
        }
        None => format!("{bytes} B"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn took(memory_bytes: Option<u64>, cpu_ms: Option<u64>, memory_kills: u32) -> Took {
        Took { memory_bytes, cpu_ms, memory_kills }
    }

    #[test]
    fn times_add_up_and_memories_do_not() {
        let all = took(Some(5), Some(10), 1).and(took(Some(3), Some(7), 0)).and(took(None, None, 2));
        assert_eq!(all, took(Some(5), Some(17), 3));
        assert!(Took::default().and(Took::default()).is_nothing());
    }

    #[test]
    fn it_is_told_in_words() {
        assert_eq!(took(Some(3 << 29), Some(1_234), 0).to_string(), "1.23 s of processor, 1.5 GiB of memory");
        assert_eq!(took(Some(700), None, 0).to_string(), "700 B of memory");
        assert_eq!(took(Some(34 << 20), None, 0).to_string(), "34.0 MiB of memory");
        assert_eq!(Took::default().to_string(), "");
    }
}
