//! Names of things: newtypes, so that a task index can never be passed where a sequence number is meant.
//! Knows nothing of storage or of people's input formats. See `limits.rs` for the bounds used here.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::limits;

/// The id of a project: 1 to 64 characters of `a-z 0-9 . _ -`, starting with a letter or digit.
///
/// Cheap to clone: the text is shared.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ProjectId(Arc<str>);

/// Why a text is not a project id.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is not a project id: {problem}")]
pub struct InvalidId {
    /// The offending text, cut to a readable length.
    pub text: String,
    /// What is wrong with it.
    pub problem: &'static str,
}

impl ProjectId {
    /// Checks and wraps `text`.
    pub fn new(text: &str) -> Result<Self, InvalidId> {
        let problem = if text.is_empty() {
            Some("it is empty")
        } else if text.len() > limits::PROJECT_ID_BYTES {
            Some("it is longer than 64 characters")
        } else if !text.bytes().all(|b| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'.' | b'_' | b'-')) {
            Some("only a-z, 0-9, '.', '_' and '-' are allowed")
        } else if !text.starts_with(|c: char| c.is_ascii_lowercase() || c.is_ascii_digit()) {
            Some("it must start with a letter or a digit")
        } else {
            None
        };
        match problem {
            None => Ok(Self(Arc::from(text))),
            Some(problem) => Err(InvalidId { text: text.chars().take(80).collect(), problem }),
        }
    }

    /// An id for a project of `workflow` that differs by what is random; whether it is free is for the caller to see.
    pub fn fresh(workflow: &str, mut random: u64) -> Self {
        const LETTERS: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";
        let stem: String = workflow.chars().take(limits::PROJECT_ID_BYTES - 8).collect();
        let mut suffix = String::new();
        for _ in 0..6 {
            suffix.push(char::from(LETTERS[(random & 31) as usize]));
            random >>= 5;
        }
        let id = Self::new(&format!("{}-{suffix}", stem.to_ascii_lowercase()));
        id.expect("a workflow's name is made of the characters that ids may have")
    }

    /// The text of the id.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ProjectId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for ProjectId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for ProjectId {
    type Err = InvalidId;
    fn from_str(text: &str) -> Result<Self, InvalidId> {
        Self::new(text)
    }
}

impl Serialize for ProjectId {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for ProjectId {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::new(&text).map_err(serde::de::Error::custom)
    }
}

macro_rules! number {
    ($(#[$doc:meta])* $name:ident($inner:ty)) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(pub $inner);

        impl $name {
            /// The number after this one.
            #[must_use]
            pub fn next(self) -> Self {
                Self(self.0.saturating_add(1))
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(&self.0, f)
            }
        }
    };
}

number! {
    /// The position of a record in its project's journal: dense, the first is 1, 0 means "before the first".
    Seq(u64)
}
number! {
    /// The fencing number of the engine that owns the store: grows by one with every opening, never reused.
    Epoch(u64)
}
number! {
    /// The position of a task in its project: dense, in the order the tasks were added; never reused.
    TaskIx(u32)
}
number! {
    /// The number of an execution of a task: the first is 1. An interrupted execution is continued under its number.
    Attempt(u32)
}
number! {
    /// The position of a step in its attempt: 0 is the task's action, the following ones are its validations.
    StepIx(u32)
}

number! {
    /// The position of a call in the walk of an agent's attempt: dense, the first is 0.
    CallIx(u32)
}

impl TaskIx {
    /// The index into a slice of tasks.
    pub fn at(self) -> usize {
        self.0 as usize
    }
}

/// A BLAKE3 digest: names blobs, definitions, step inputs and links of the journal's chain.
///
/// Serialised as hexadecimal where people read, as 32 bytes elsewhere.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Digest(pub [u8; 32]);

impl Serialize for Digest {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if serializer.is_human_readable() {
            serializer.serialize_str(&self.to_hex())
        } else {
            self.0.serialize(serializer)
        }
    }
}

impl<'de> Deserialize<'de> for Digest {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        if deserializer.is_human_readable() {
            let text = String::deserialize(deserializer)?;
            Self::from_hex(&text).ok_or_else(|| serde::de::Error::custom("a digest is 64 hexadecimal digits"))
        } else {
            <[u8; 32]>::deserialize(deserializer).map(Self)
        }
    }
}

impl Digest {
    /// The digest of `bytes`.
    pub fn of(bytes: &[u8]) -> Self {
        Self(*blake3::hash(bytes).as_bytes())
    }

    /// Lower-case hexadecimal, 64 characters.
    pub fn to_hex(&self) -> String {
        use fmt::Write as _;
        self.0.iter().fold(String::with_capacity(64), |mut hex, byte| {
            write!(hex, "{byte:02x}").expect("writing to a String cannot fail");
            hex
        })
    }

    /// The inverse of [`Digest::to_hex`]; `None` for anything else.
    pub fn from_hex(hex: &str) -> Option<Self> {
        let hex = hex.as_bytes();
        if hex.len() != 64 {
            return None;
        }
        let digit = |b: u8| match b {
            b'0'..=b'9' => Some(b - b'0'),
            b'a'..=b'f' => Some(b - b'a' + 10),
            _ => None,
        };
        let mut out = [0u8; 32];
        for (byte, pair) in out.iter_mut().zip(hex.chunks_exact(2)) {
            *byte = digit(pair[0])? << 4 | digit(pair[1])?;
        }
        Some(Self(out))
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.to_hex())
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.to_hex()[..12])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn project_ids_are_checked() {
        assert!(ProjectId::new("release-k3m9qa").is_ok());
        for bad in ["", "-x", ".x", "A", "a/b", "a b", "ü", &"x".repeat(limits::PROJECT_ID_BYTES + 1)] {
            assert!(ProjectId::new(bad).is_err(), "{bad:?} was accepted");
        }
    }

    #[test]
    fn digests_survive_hexadecimal() {
        let digest = Digest::of(b"x");
        assert_eq!(Digest::from_hex(&digest.to_hex()), Some(digest));
        assert_eq!(Digest::from_hex("zz"), None);
    }
}
