//! Reading histories: page by page, every record proven before it is used. Knows the store's trait and the chain, no state.

use super::chain::{self, ChainHead};
use super::codec;
use super::record::Record;
use super::store::{self, Store};
use crate::domain::ids::{Digest, Epoch, ProjectId, Seq};
use crate::domain::limits;

/// Why a history cannot be read to its end.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A record is damaged, missing, or of a later release.
    #[error("project {project}: {source}")]
    Chain {
        /// The project.
        project: ProjectId,
        /// What and where.
        source: chain::Error,
    },
    /// The store did not answer.
    #[error("the history of project {project} could not be read")]
    Store {
        /// The project.
        project: ProjectId,
        /// Its answer.
        source: store::Error,
    },
}

/// Calls `visit` with every record from `from` on and its hash, in order, and returns the head of the chain.
///
/// `known` is what the caller trusts already, the head of a snapshot: it is compared with what is stored, and must lie just
/// before `from` or later in the history. Without it, the chain is proven from the first frame that is read.
pub fn for_each_record(
    store: &(impl Store + ?Sized),
    project: &ProjectId,
    from: Seq,
    known: Option<&ChainHead>,
    mut visit: impl FnMut(Record, Digest),
) -> Result<ChainHead, Error> {
    let broken = |source| Error::Chain { project: project.clone(), source };
    let mut head = match known {
        Some(known) => Some(*known).filter(|known| known.seq.next() == from),
        None => Some(ChainHead::genesis(project)).filter(|_| from <= Seq(1)),
    };
    let mut next = from;
    let mut seen_known = known.is_none() || head.is_some();
    let mut scratch = Vec::new();
    loop {
        let page = store.frames(project, next, limits::READ_PAGE_BYTES);
        let page = page.map_err(|source| Error::Store { project: project.clone(), source })?;
        if page.is_empty() {
            break;
        }
        for frame in &page {
            if frame.first > next {
                return Err(broken(chain::Error::Gap { expected: next, got: frame.first }));
            }
            // A frame that begins before `from` proves itself; that it holds the known record is checked below.
            let expected = head.as_ref().filter(|head| head.seq.next() == frame.first);
            for proven in chain::prove_frame(project, frame, expected).map_err(broken)? {
                if let Some(known) = known.filter(|known| known.seq == proven.seq) {
                    check_known(known, proven.hash).map_err(broken)?;
                    seen_known = true;
                }
                head = Some(ChainHead { seq: proven.seq, hash: proven.hash });
                if proven.seq >= from {
                    let (record, hash) = chain::decode_proven(&proven, &mut scratch).map_err(broken)?;
                    visit(record, hash);
                }
            }
            next = head.map_or(next, |head| head.seq.next());
        }
    }
    match known {
        Some(known) if !seen_known => {
            Err(broken(chain::Error::Gap { expected: known.seq, got: head.map_or(Seq(0), |head| head.seq) }))
        }
        Some(_) | None => Ok(head.unwrap_or_else(|| ChainHead::genesis(project))),
    }
}

fn check_known(known: &ChainHead, found: Digest) -> Result<(), chain::Error> {
    if known.hash == found {
        return Ok(());
    }
    let problem = format!("its hash is {found}, where {} was expected", known.hash);
    Err(chain::Error::Corrupt { seq: known.seq, problem })
}

/// A record that does not verify.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BadRecord {
    /// Its position.
    pub seq: Seq,
    /// What is wrong with it.
    pub problem: String,
}

/// What [`verify`] found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VerifyReport {
    /// Records proven, from the first one.
    pub records: u64,
    /// The head of the proven part: whoever noted it earlier can tell that nothing before it was exchanged.
    pub head: ChainHead,
    /// Records that are whole and of a kind that this release does not know.
    pub unknown: u64,
    /// The first record that is not what was written. Nothing after it is trusted.
    pub first_bad: Option<BadRecord>,
    /// The highest epoch of the proven records.
    pub epoch: Epoch,
}

/// Proves a project's whole history. Damage is in the report, not an error.
pub fn verify(store: &(impl Store + ?Sized), project: &ProjectId) -> VerifyReport {
    let head = ChainHead::genesis(project);
    let mut report = VerifyReport { records: 0, head, unknown: 0, first_bad: None, epoch: Epoch(0) };
    let mut scratch = Vec::new();
    loop {
        let page = match store.frames(project, report.head.seq.next(), limits::READ_PAGE_BYTES) {
            Ok(page) if page.is_empty() => return report,
            Ok(page) => page,
            Err(error) => {
                report.first_bad = Some(BadRecord { seq: report.head.seq.next(), problem: error.to_string() });
                return report;
            }
        };
        for frame in &page {
            let verified = chain::prove_frame(project, frame, Some(&report.head))
                .and_then(|proven| proven.iter().try_for_each(|proven| count(&mut report, proven, &mut scratch)));
            if let Err(error) = verified {
                report.first_bad = Some(BadRecord { seq: error.seq(), problem: error.to_string() });
                return report;
            }
        }
    }
}

fn count(report: &mut VerifyReport, proven: &chain::Proven<'_>, scratch: &mut Vec<u8>) -> Result<(), chain::Error> {
    match chain::decode_proven(proven, scratch) {
        Ok((record, _)) => report.epoch = report.epoch.max(record.epoch),
        Err(chain::Error::UnknownKind { .. }) => {
            report.unknown += 1;
            if let Ok((envelope, _)) = codec::open(proven.bytes) {
                report.epoch = report.epoch.max(envelope.epoch);
            }
        }
        Err(error @ (chain::Error::Corrupt { .. } | chain::Error::Gap { .. } | chain::Error::TooLarge { .. })) => {
            return Err(error);
        }
    }
    report.records += 1;
    report.head = ChainHead { seq: proven.seq, hash: proven.hash };
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::journal::conformance::append;
    use crate::journal::memory_store::MemoryStore;
    use crate::journal::store::{Append, Frame};

    fn project() -> ProjectId {
        ProjectId::new("demo").unwrap()
    }

    /// Frames of 1, 2, 3 and 2 records: 1 | 2 3 | 4 5 6 | 7 8.
    fn journal() -> (MemoryStore, Vec<Append>, Vec<ChainHead>) {
        let store = MemoryStore::new();
        let epoch = store.take_over().unwrap();
        let (mut appends, mut heads) = (Vec::new(), vec![ChainHead::genesis(&project())]);
        for records in [1, 2, 3, 2] {
            let (next, head) = append(&project(), heads[heads.len() - 1], records);
            store.commit(epoch, std::slice::from_ref(&next)).unwrap();
            appends.push(next);
            heads.push(head);
        }
        (store, appends, heads)
    }

    fn first_bad(store: &MemoryStore) -> u64 {
        verify(store, &project()).first_bad.expect("the damage is found").seq.0
    }

    #[test]
    fn a_whole_history_verifies_and_reads_from_anywhere() {
        let (store, _, heads) = journal();
        let report = verify(&store, &project());
        assert_eq!((report.records, report.head, report.first_bad), (8, heads[4], None));
        for from in 1..=9 {
            let mut seen = Vec::new();
            let head =
                for_each_record(&store, &project(), Seq(from), None, |record, _| seen.push(record.seq.0)).unwrap();
            assert_eq!(seen, (from..=8).collect::<Vec<_>>());
            assert!(from == 9 || head == heads[4]);
        }
    }

    #[test]
    fn a_known_head_is_compared_with_what_is_stored() {
        let (store, _, heads) = journal();
        let read =
            |from: u64, known: &ChainHead| for_each_record(&store, &project(), Seq(from), Some(known), |_, _| ());
        assert_eq!(read(4, &heads[2]).unwrap(), heads[4]);
        assert_eq!(read(1, &heads[2]).unwrap(), heads[4]);
        assert_eq!(read(9, &heads[4]).unwrap(), heads[4]);
        let wrong = ChainHead { seq: heads[2].seq, hash: Digest::of(b"another history") };
        assert!(read(4, &wrong).is_err());
        assert!(read(1, &wrong).is_err());
        store.lose(&project(), Seq(4));
        assert!(for_each_record(&store, &project(), Seq(5), None, |_, _| ()).is_err(), "a gap is seen from within");
        let beyond = ChainHead { seq: Seq(50), hash: Digest::of(b"lost") };
        assert!(read(1, &beyond).is_err(), "a snapshot of records that are not stored is not trusted");
    }

    #[test]
    fn every_flipped_byte_names_the_first_bad_record() {
        let (store, appends, heads) = journal();
        for (append, before) in appends.iter().zip(&heads) {
            let whole = &append.frame.bytes;
            for at in 0..whole.len() {
                let mut bytes = whole.clone();
                bytes[at] ^= 1;
                store.overwrite(&project(), append.frame.first, bytes);
                let bad = first_bad(&store);
                assert!(before.seq.0 < bad && bad <= append.last.0, "byte {at} of frame {}: {bad}", append.frame.first);
            }
            store.overwrite(&project(), append.frame.first, whole.clone());
        }
        assert_eq!(verify(&store, &project()).first_bad, None);
    }

    #[test]
    fn missing_swapped_and_cut_frames_are_named() {
        let (store, appends, _) = journal();
        store.lose(&project(), Seq(2));
        assert_eq!(first_bad(&store), 2);

        let (store, ..) = journal();
        store.overwrite(&project(), Seq(2), appends[2].frame.bytes.clone());
        store.overwrite(&project(), Seq(4), appends[1].frame.bytes.clone());
        assert_eq!(first_bad(&store), 2);

        let (store, ..) = journal();
        let cut = &appends[2].frame.bytes[..appends[2].frame.bytes.len() - 8];
        store.overwrite(&project(), Seq(4), cut.to_vec());
        assert_eq!(first_bad(&store), 6, "what stands before the cut is whole");

        let (store, ..) = journal();
        let other = ProjectId::new("other").unwrap();
        store.load(&other, Frame { ..appends[0].frame.clone() });
        assert!(verify(&store, &other).first_bad.is_some(), "a frame fits into its own project only");
    }
}
