//! The engine's ports over the journal's files.

use std::path::{Path, PathBuf};
use std::sync::mpsc::{SyncSender, sync_channel};
use std::thread::JoinHandle;

use crate::domain::ids::{Digest, ProjectId, Seq};
use crate::domain::payload::{BlobRef, Payload, PayloadSource, UnreadablePayload};
use crate::domain::project;
use crate::engine::ports::{self, SnapshotCache};
use crate::journal::blobs::Blobs;
use crate::journal::chain::ChainHead;
use crate::journal::sled_store;
use crate::journal::snapshot::Snapshots;
use crate::steps::PayloadSink;

/// Blobs as the domain and the steps want them.
#[derive(Debug, Clone)]
pub struct Vault(pub Blobs);

impl PayloadSource for Vault {
    fn read_blob(&self, blob: &BlobRef) -> Result<Vec<u8>, UnreadablePayload> {
        self.0.read_blob(blob)
    }
}

impl project::Vault for Vault {
    fn keep_blob(&self, bytes: &[u8]) -> Result<BlobRef, UnreadablePayload> {
        let refused = |error: crate::journal::blobs::Error| UnreadablePayload {
            digest: Digest::of(bytes),
            problem: error.to_string(),
        };
        self.0.put(bytes).map_err(refused)
    }
}

impl PayloadSink for Vault {
    fn put(&self, content: &[u8]) -> std::io::Result<Payload> {
        match Payload::inline(content) {
            Some(payload) => Ok(payload),
            None => self.0.put(content).map(Payload::Blob).map_err(std::io::Error::other),
        }
    }

    fn put_log(&self, path: &Path) -> std::io::Result<Option<BlobRef>> {
        match self.0.put_file(path) {
            Ok(blob) => Ok(Some(blob)),
            Err(_) if !path.exists() => Ok(None),
            Err(error) => Err(std::io::Error::other(error)),
        }
    }
}

/// Most snapshots that wait for the disk; whoever has one more waits.
const WAITING_SNAPSHOTS: usize = 16;

enum Job {
    Save { project: ProjectId, head: ChainHead, format: u16, bytes: Vec<u8> },
    Flush(SyncSender<()>),
}

/// Snapshots that are written by a thread of their own.
#[derive(Debug)]
pub struct SnapshotWriter {
    snapshots: Snapshots,
    jobs: Option<SyncSender<Job>>,
    thread: Option<JoinHandle<()>>,
}

impl SnapshotWriter {
    /// Over the snapshots in `dir`.
    pub fn new(dir: &Path) -> std::io::Result<Self> {
        let (jobs, waiting) = sync_channel::<Job>(WAITING_SNAPSHOTS);
        let writing = Snapshots::new(dir);
        let thread = std::thread::Builder::new().name("wfctl-snapshots".to_owned()).spawn(move || {
            for job in waiting {
                match job {
                    Job::Save { project, head, format, bytes } => {
                        if let Err(error) = writing.save(&project, &head, format, &bytes) {
                            tracing::warn!(%project, %error, "a snapshot was not kept");
                        }
                    }
                    // Whoever waited may have gone.
                    Job::Flush(done) => drop(done.send(())),
                }
            }
        })?;
        Ok(Self { snapshots: Snapshots::new(dir), jobs: Some(jobs), thread: Some(thread) })
    }

    /// Waits until everything given so far is on the disk. Blocks.
    pub fn flush(&self) {
        let (done, waiting) = sync_channel(1);
        if self.jobs.as_ref().is_some_and(|jobs| jobs.send(Job::Flush(done)).is_ok()) {
            // An error means that the thread is gone, and nothing is waited for.
            let _ = waiting.recv();
        }
    }
}

impl SnapshotCache for SnapshotWriter {
    fn save(&self, project: &ProjectId, seq: Seq, hash: Digest, format: u16, bytes: Vec<u8>) {
        let job = Job::Save { project: project.clone(), head: ChainHead { seq, hash }, format, bytes };
        if self.jobs.as_ref().is_none_or(|jobs| jobs.send(job).is_err()) {
            tracing::warn!(%project, "a snapshot was not kept: its writer is gone");
        }
    }

    fn load(&self, project: &ProjectId, format: u16) -> Option<(Seq, Digest, Vec<u8>)> {
        let snapshot = self.snapshots.load(project, format)?;
        Some((snapshot.head.seq, snapshot.head.hash, snapshot.state))
    }
}

impl Drop for SnapshotWriter {
    fn drop(&mut self) {
        drop(self.jobs.take());
        if let Some(thread) = self.thread.take() {
            // A panic there was reported by its own thread.
            let _ = thread.join();
        }
    }
}

/// The file system of the home.
#[derive(Debug)]
pub struct Disk(pub PathBuf);

impl ports::Disk for Disk {
    fn free_bytes(&self) -> Option<u64> {
        sled_store::free_bytes(&self.0).ok()
    }
}
