//! Where outputs go. The app plugs in the journal's blob store; this room must not know it.

use std::collections::HashMap;
use std::io;
use std::path::Path;
use std::sync::{Mutex, PoisonError};

use crate::domain::ids::Digest;
use crate::domain::limits;
use crate::domain::payload::{BlobRef, Payload, PayloadSource, UnreadablePayload};
use crate::workspace::files;

/// Keeps outputs durably before the record that names them is written. Both calls may block on the disk; putting the same
/// content twice is harmless.
pub trait PayloadSink: Send + Sync + 'static {
    /// Keeps `content`: inline when it is at most [`limits::INLINE_PAYLOAD_BYTES`], else as a blob.
    fn put(&self, content: &[u8]) -> io::Result<Payload>;

    /// Keeps the file at `path`, which may be as large as [`limits::BLOB_BYTES`]; `None` when there is no such file.
    /// The file itself is left where it is.
    fn put_log(&self, path: &Path) -> io::Result<Option<BlobRef>>;
}

/// Keeps everything in memory, for tests.
#[derive(Debug, Default)]
pub struct MemorySink {
    blobs: Mutex<HashMap<Digest, Vec<u8>>>,
}

impl MemorySink {
    fn keep(&self, content: Vec<u8>) -> BlobRef {
        let blob = BlobRef { digest: Digest::of(&content), bytes: content.len() as u64 };
        self.blobs.lock().unwrap_or_else(PoisonError::into_inner).insert(blob.digest, content);
        blob
    }
}

impl PayloadSink for MemorySink {
    fn put(&self, content: &[u8]) -> io::Result<Payload> {
        Ok(Payload::inline(content).unwrap_or_else(|| Payload::Blob(self.keep(content.to_vec()))))
    }

    fn put_log(&self, path: &Path) -> io::Result<Option<BlobRef>> {
        match files::read_bounded(path, limits::BLOB_BYTES) {
            Ok(content) => Ok(Some(self.keep(content))),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }
}

impl PayloadSource for MemorySink {
    fn read_blob(&self, blob: &BlobRef) -> Result<Vec<u8>, UnreadablePayload> {
        let blobs = self.blobs.lock().unwrap_or_else(PoisonError::into_inner);
        let problem = "it was never put".to_owned();
        blobs.get(&blob.digest).cloned().ok_or(UnreadablePayload { digest: blob.digest, problem })
    }
}
