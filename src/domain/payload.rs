//! Values that steps take and give. Small ones stand in the journal itself, large ones are blobs named by digest.
//! This file knows how large is large; it cannot read or write a blob (see `journal/blobs.rs`).

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

use super::ids::Digest;
use super::limits;

/// A reference to a content-addressed blob.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct BlobRef {
    /// BLAKE3 of the uncompressed content.
    pub digest: Digest,
    /// Uncompressed length.
    pub bytes: u64,
}

/// A value in the journal: at most [`limits::INLINE_PAYLOAD_BYTES`] inline, anything larger by reference.
///
/// Serialised for people as `{"inline": "text"}` (or `{"bytes": [..]}` when it is not UTF-8) and `{"blob": {..}}`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Payload {
    /// The content itself.
    Inline(Box<[u8]>),
    /// The content is in the blob store.
    Blob(BlobRef),
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum ForPeople<'p> {
    Inline(Cow<'p, str>),
    Bytes(Cow<'p, [u8]>),
    Blob(BlobRef),
}

#[derive(Serialize, Deserialize)]
enum ForMachines<'p> {
    #[serde(borrow)]
    Inline(BytesOf<'p>),
    Blob(BlobRef),
}

/// Bytes written in one piece instead of one by one.
struct BytesOf<'p>(Cow<'p, [u8]>);

impl Serialize for BytesOf<'_> {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(&self.0)
    }
}

impl<'de: 'p, 'p> Deserialize<'de> for BytesOf<'p> {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Bytes;
        impl serde::de::Visitor<'_> for Bytes {
            type Value = Vec<u8>;
            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("bytes")
            }
            fn visit_bytes<E>(self, bytes: &[u8]) -> Result<Vec<u8>, E> {
                Ok(bytes.to_vec())
            }
            fn visit_byte_buf<E>(self, bytes: Vec<u8>) -> Result<Vec<u8>, E> {
                Ok(bytes)
            }
        }
        deserializer.deserialize_byte_buf(Bytes).map(|bytes| Self(Cow::Owned(bytes)))
    }
}

impl Serialize for Payload {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match (self, serializer.is_human_readable()) {
            (Self::Inline(bytes), false) => ForMachines::Inline(BytesOf(Cow::Borrowed(bytes))).serialize(serializer),
            (Self::Blob(blob), false) => ForMachines::Blob(*blob).serialize(serializer),
            (Self::Blob(blob), true) => ForPeople::Blob(*blob).serialize(serializer),
            (Self::Inline(bytes), true) => match std::str::from_utf8(bytes) {
                Ok(text) => ForPeople::Inline(Cow::Borrowed(text)).serialize(serializer),
                Err(_) => ForPeople::Bytes(Cow::Borrowed(bytes)).serialize(serializer),
            },
        }
    }
}

impl<'de> Deserialize<'de> for Payload {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        if deserializer.is_human_readable() {
            Ok(match ForPeople::deserialize(deserializer)? {
                ForPeople::Inline(text) => Self::Inline(text.as_bytes().into()),
                ForPeople::Bytes(bytes) => Self::Inline(bytes.into()),
                ForPeople::Blob(blob) => Self::Blob(blob),
            })
        } else {
            Ok(match ForMachines::deserialize(deserializer)? {
                ForMachines::Inline(bytes) => Self::Inline(bytes.0.into()),
                ForMachines::Blob(blob) => Self::Blob(blob),
            })
        }
    }
}

impl Default for Payload {
    fn default() -> Self {
        Self::Inline(Box::default())
    }
}

impl Payload {
    /// Wraps `bytes` inline when they are small enough.
    pub fn inline(bytes: &[u8]) -> Option<Self> {
        (bytes.len() <= limits::INLINE_PAYLOAD_BYTES).then(|| Self::Inline(bytes.into()))
    }

    /// Uncompressed length in bytes.
    pub fn bytes(&self) -> u64 {
        match self {
            Self::Inline(content) => content.len() as u64,
            Self::Blob(blob) => blob.bytes,
        }
    }

    /// Nothing at all.
    pub fn is_empty(&self) -> bool {
        self.bytes() == 0
    }
}

/// Reads payloads back. A payload's content never changes, so a reader is as pure as a table of constants.
pub trait PayloadSource {
    /// The content of `blob`, or why it cannot be had.
    fn read_blob(&self, blob: &BlobRef) -> Result<Vec<u8>, UnreadablePayload>;

    /// The content of `payload`.
    fn read<'p>(&self, payload: &'p Payload) -> Result<Cow<'p, [u8]>, UnreadablePayload> {
        match payload {
            Payload::Inline(content) => Ok(Cow::Borrowed(content)),
            Payload::Blob(blob) => self.read_blob(blob).map(Cow::Owned),
        }
    }
}

/// A blob that a record names cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("blob {digest} cannot be read: {problem}")]
pub struct UnreadablePayload {
    /// Which blob.
    pub digest: Digest,
    /// Missing, damaged, or what the file system said.
    pub problem: String,
}

/// A source without any blob, for values known to be inline.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoBlobs;

impl PayloadSource for NoBlobs {
    fn read_blob(&self, blob: &BlobRef) -> Result<Vec<u8>, UnreadablePayload> {
        Err(UnreadablePayload { digest: blob.digest, problem: "there is no blob store here".to_owned() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_byte_past_the_bound_is_not_inline() {
        assert!(Payload::inline(&vec![0; limits::INLINE_PAYLOAD_BYTES]).is_some());
        assert!(Payload::inline(&vec![0; limits::INLINE_PAYLOAD_BYTES + 1]).is_none());
    }
}
