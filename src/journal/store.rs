//! The store's contract. Every implementation passes the one suite in `conformance.rs`.
//!
//! A store holds, per project, a dense sequence of frames (the encoded records of one commit) and one summary; and for the
//! whole store the epoch of its owner. It never looks into a frame beyond its header.

use crate::domain::ids::{Epoch, ProjectId, Seq};
use crate::domain::view::Summary;

/// The records of one project in one commit, encoded by `codec.rs`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Frame {
    /// The first record's position.
    pub first: Seq,
    /// The encoded records with the frame's header.
    pub bytes: Vec<u8>,
}

/// What one project contributes to a commit.
#[derive(Debug, Clone)]
pub struct Append {
    /// The project.
    pub project: ProjectId,
    /// Its new records; `first` must continue what is stored.
    pub frame: Frame,
    /// The last record's position.
    pub last: Seq,
    /// The new summary when it changed.
    pub summary: Option<Summary>,
}

/// An append-only, fenced, durable home for frames.
///
/// All methods may be called from any thread. Reads see every commit that returned `Ok` and none that did not.
pub trait Store: Send + Sync + 'static {
    /// Makes `appends` durable, all or none: when this returns `Ok`, a power cut loses nothing of them.
    ///
    /// Refused with [`Error::Fenced`] when a newer epoch owns the store, and with [`Error::Gap`] when a frame does not
    /// continue its project's stored frames. Several frames of one project stand in the order of their records.
    fn commit(&self, epoch: Epoch, appends: &[Append]) -> Result<(), Error>;

    /// Takes ownership: stores and returns the next epoch, durably. Every older epoch's commits are refused from here on.
    fn take_over(&self) -> Result<Epoch, Error>;

    /// The epoch that owns the store now; 0 before the first take-over.
    fn epoch(&self) -> Result<Epoch, Error>;

    /// The frames of a project that hold records at or after `from`, in order. The first one may begin before `from`.
    ///
    /// At most `max_bytes` of frames are returned (always at least one frame when there is any): call again to go on.
    fn frames(&self, project: &ProjectId, from: Seq, max_bytes: usize) -> Result<Vec<Frame>, Error>;

    /// The last frame of a project, or `None` when nothing is stored of it.
    fn last_frame(&self, project: &ProjectId) -> Result<Option<Frame>, Error>;

    /// The summary of one project.
    fn summary(&self, project: &ProjectId) -> Result<Option<Summary>, Error>;

    /// All summaries, in id order. A summary that cannot be read is reported in its place and hides no other.
    fn summaries(&self) -> Result<Vec<Result<Summary, Damaged>>, Error>;

    /// All projects that have a frame or a summary, in id order.
    fn projects(&self) -> Result<Vec<ProjectId>, Error>;

    /// Writes summaries again from what the journal says (`doctor --repair`); durable on return.
    fn rebuild_summaries(&self, epoch: Epoch, summaries: &[Summary]) -> Result<(), Error>;

    /// Removes a project and all its frames (`gc`); durable on return. Removing what is not there is not an error.
    fn remove(&self, epoch: Epoch, project: &ProjectId) -> Result<(), Error>;

    /// Bytes on disk; 0 for a store in memory.
    fn size_on_disk(&self) -> u64;
}

/// An index entry that cannot be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Damaged {
    /// The project, as far as its key could be read.
    pub project: String,
    /// What is wrong.
    pub problem: String,
}

/// The position that must follow `stored`, checked against `append`; every store refuses the same way.
pub(super) fn check_continues(append: &Append, stored: Seq) -> Result<(), Error> {
    let expected = stored.next();
    let got = append.frame.first;
    if got != expected {
        return Err(Error::Gap { project: append.project.clone(), expected, got });
    }
    assert!(append.last >= got, "a frame holds at least one record");
    Ok(())
}

/// Refuses a caller whose epoch is not the owner's.
pub(super) fn check_owner(mine: Epoch, owner: Epoch) -> Result<(), Error> {
    if mine == owner { Ok(()) } else { Err(Error::Fenced { mine, owner }) }
}

/// What a store can answer instead of what was asked for.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Another engine has taken the store over; this one must stop.
    #[error("the store was taken over by epoch {owner}; this engine has epoch {mine}")]
    Fenced {
        /// The caller's epoch.
        mine: Epoch,
        /// The owner's epoch.
        owner: Epoch,
    },
    /// A frame does not continue what is stored: a defect of ours, refused before it does harm.
    #[error("records of {project} must continue at {expected}, not at {got}")]
    Gap {
        /// The project.
        project: ProjectId,
        /// The next position.
        expected: Seq,
        /// The frame's first position.
        got: Seq,
    },
    /// Another process has the store open.
    #[error("the store is in use by another process")]
    Locked,
    /// No space is left on the device.
    #[error("no space is left on the device of the store")]
    DiskFull,
    /// What is stored is damaged.
    #[error("the store is damaged: {problem}")]
    Corrupt {
        /// What and where.
        problem: String,
    },
    /// The system refused.
    #[error("{context}")]
    Io {
        /// What was being done.
        context: String,
        /// What the system said.
        source: std::io::Error,
    },
}
