//! The hash chain over a project's records, and frames built on it. Knows no store.
//!
//! `hash(n) = BLAKE3 keyed by the project (hash(n-1), bytes of record n)`; the bytes hold seq, epoch, time, actor, kind, version
//! and body. `hash(0)` is derived from the project's id, so no frame fits into another project. A frame carries the hash it
//! continues and the one it ends with in full, and the first 8 bytes of each record's, so that damage has an address.

use super::codec;
use super::frame::{self, Header, MARK_BYTES, Slots};
use super::record::Record;
use super::store::Frame;
use crate::domain::ids::{Digest, ProjectId, Seq};
use crate::domain::limits;

const GENESIS: &str = "wfctl journal chain v1: genesis";
const KEY: &str = "wfctl journal chain v1: record key";
const RECORD_HEADER_BYTES: usize = 4 + MARK_BYTES;

/// The end of a project's chain.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ChainHead {
    /// The last record's position; 0 when there is none.
    pub seq: Seq,
    /// Its hash.
    pub hash: Digest,
}

impl ChainHead {
    /// The head of a project without records.
    pub fn genesis(project: &ProjectId) -> Self {
        Self { seq: Seq(0), hash: Digest(blake3::derive_key(GENESIS, project.as_str().as_bytes())) }
    }
}

/// Why a frame cannot be read or built.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The stored bytes are not what was written.
    #[error("record {seq} is damaged: {problem}")]
    Corrupt {
        /// The first bad record.
        seq: Seq,
        /// What is wrong.
        problem: String,
    },
    /// Whole, but written by a newer release.
    #[error("record {seq} has kind {kind} in version {version}, which this release does not know")]
    UnknownKind {
        /// The kind's number.
        kind: u16,
        /// The version of its body.
        version: u8,
        /// The record.
        seq: Seq,
    },
    /// Records are missing.
    #[error("records are missing: expected {expected}, found {got}")]
    Gap {
        /// The next position.
        expected: Seq,
        /// What came instead.
        got: Seq,
    },
    /// A record or frame is larger than its limit; nothing was added.
    #[error("record {seq} does not fit: {bytes} bytes, at most {limit} are allowed")]
    TooLarge {
        /// The record.
        seq: Seq,
        /// What it would take.
        bytes: usize,
        /// The limit.
        limit: usize,
    },
}

fn corrupt(seq: Seq, problem: impl Into<String>) -> Error {
    Error::Corrupt { seq, problem: problem.into() }
}

impl Error {
    fn of_codec(error: codec::Error, at: Seq) -> Self {
        match error {
            codec::Error::UnknownKind { kind, version, seq } => Self::UnknownKind { kind, version, seq },
            codec::Error::Malformed { problem } => corrupt(at, problem),
            codec::Error::TooLarge { seq, bytes } => Self::TooLarge { seq, bytes, limit: limits::RECORD_BYTES },
        }
    }

    /// The record that the error is about.
    pub fn seq(&self) -> Seq {
        match self {
            Self::Corrupt { seq, .. } | Self::UnknownKind { seq, .. } | Self::TooLarge { seq, .. } => *seq,
            Self::Gap { expected, .. } => *expected,
        }
    }
}

/// Hashes records of one project.
#[derive(Debug, Clone)]
struct Link {
    key: [u8; 32],
    previous: Digest,
}

impl Link {
    fn new(project: &ProjectId, previous: Digest) -> Self {
        Self { key: blake3::derive_key(KEY, project.as_str().as_bytes()), previous }
    }

    fn advance(&mut self, record: &[u8]) -> Digest {
        let mut hasher = blake3::Hasher::new_keyed(&self.key);
        hasher.update(&self.previous.0).update(record);
        self.previous = Digest(*hasher.finalize().as_bytes());
        self.previous
    }
}

/// Builds one frame, record by record.
#[derive(Debug)]
pub struct FrameBuilder {
    project: ProjectId,
    start: ChainHead,
    link: Link,
    records: u32,
    bytes: Vec<u8>,
}

impl FrameBuilder {
    /// A frame that continues `head`.
    pub fn new(project: &ProjectId, head: ChainHead) -> Self {
        let mut bytes = Vec::with_capacity(512);
        // The count and the last hash are known at the end: the header is written again then.
        Header { project: project.as_str(), first: head.seq.next(), records: 0, previous: head.hash, last: head.hash }
            .write(&mut bytes);
        Self { project: project.clone(), start: head, link: Link::new(project, head.hash), records: 0, bytes }
    }

    /// Where the chain ends with what was pushed so far.
    pub fn head(&self) -> ChainHead {
        ChainHead { seq: Seq(self.start.seq.0 + u64::from(self.records)), hash: self.link.previous }
    }

    /// Whether nothing was pushed.
    pub fn is_empty(&self) -> bool {
        self.records == 0
    }

    /// Bytes so far, trailer not counted.
    pub fn bytes(&self) -> usize {
        self.bytes.len()
    }

    /// Adds a record and returns its hash. After an error the builder is as before: [`Error::TooLarge`] with
    /// [`limits::FRAME_BYTES`] means that the frame is full and must be committed first.
    pub fn push(&mut self, record: &Record) -> Result<Digest, Error> {
        let expected = self.head().seq.next();
        if record.seq != expected {
            return Err(Error::Gap { expected, got: record.seq });
        }
        let start = self.bytes.len();
        self.bytes.extend_from_slice(&[0; RECORD_HEADER_BYTES]);
        if let Err(error) = codec::encode(record, &mut self.bytes) {
            self.bytes.truncate(start);
            return Err(Error::of_codec(error, expected));
        }
        self.link_up(start)
    }

    /// The same for a record that is encoded already, maybe by another release, and must be the next one.
    pub fn push_encoded(&mut self, record: &[u8]) -> Result<Digest, Error> {
        let start = self.bytes.len();
        self.bytes.extend_from_slice(&[0; RECORD_HEADER_BYTES]);
        self.bytes.extend_from_slice(record);
        self.link_up(start)
    }

    /// Takes the record at `start` into the chain.
    fn link_up(&mut self, start: usize) -> Result<Digest, Error> {
        let bytes = self.bytes.len() + 4;
        if bytes > limits::FRAME_BYTES {
            self.bytes.truncate(start);
            return Err(Error::TooLarge { seq: self.head().seq.next(), bytes, limit: limits::FRAME_BYTES });
        }
        let content = start + RECORD_HEADER_BYTES;
        let length = u32::try_from(self.bytes.len() - content).expect("a record is shorter than limits::RECORD_BYTES");
        let hash = self.link.advance(&self.bytes[content..]);
        self.bytes[start..start + 4].copy_from_slice(&length.to_le_bytes());
        self.bytes[start + 4..content].copy_from_slice(&hash.0[..MARK_BYTES]);
        self.records += 1;
        Ok(hash)
    }

    /// The frame and the new head, or `None` when nothing was pushed.
    pub fn finish(mut self) -> Option<(Frame, ChainHead)> {
        if self.is_empty() {
            return None;
        }
        let head = self.head();
        let first = self.start.seq.next();
        let mut header = Vec::with_capacity(frame::header_bytes(self.project.as_str().len()));
        let id = self.project.as_str();
        Header { project: id, first, records: self.records, previous: self.start.hash, last: head.hash }
            .write(&mut header);
        self.bytes[..header.len()].copy_from_slice(&header);
        frame::seal(&mut self.bytes);
        Some((Frame { first, bytes: self.bytes }, head))
    }
}

/// Encodes `records`, which continue `head`, as one frame. At least one record.
pub fn encode_frame(project: &ProjectId, head: &ChainHead, records: &[Record]) -> Result<(Frame, ChainHead), Error> {
    let mut builder = FrameBuilder::new(project, *head);
    for record in records {
        builder.push(record)?;
    }
    let expected = head.seq.next();
    builder.finish().ok_or_else(|| corrupt(expected, "a frame needs at least one record"))
}

/// A record whose place in the chain is proven, not yet decoded.
#[derive(Debug, Clone, Copy)]
pub struct Proven<'f> {
    /// Its position.
    pub seq: Seq,
    /// Its encoded bytes, see `codec.rs`.
    pub bytes: &'f [u8],
    /// Its hash.
    pub hash: Digest,
}

/// Checks a frame's checksum, marks and hashes, and that it continues `expected` when given.
pub fn prove_frame<'f>(
    project: &ProjectId,
    frame: &'f Frame,
    expected: Option<&ChainHead>,
) -> Result<Vec<Proven<'f>>, Error> {
    let first = frame.first;
    if let Some(expected) = expected.map(|head| head.seq.next()).filter(|expected| *expected != first) {
        return Err(Error::Gap { expected, got: first });
    }
    if !frame::is_sound(&frame.bytes) {
        return Err(locate_damage(project, frame, expected));
    }
    let header = frame::read_header(&frame.bytes).map_err(|problem| corrupt(first, problem))?;
    if header.project != project.as_str() {
        return Err(corrupt(first, format!("it belongs to project {}", header.project)));
    }
    if header.first != first {
        return Err(corrupt(first, format!("its frame starts at {}", header.first)));
    }
    if expected.is_some_and(|head| head.hash != header.previous) {
        return Err(corrupt(first, "its frame does not continue the record before it"));
    }
    let proven = walk(project, frame, header.previous)?;
    if proven.len() != header.records as usize || proven.last().is_none_or(|last| last.hash != header.last) {
        return Err(corrupt(first, "its frame's header does not describe its records"));
    }
    Ok(proven)
}

fn walk<'f>(project: &ProjectId, frame: &'f Frame, previous: Digest) -> Result<Vec<Proven<'f>>, Error> {
    let mut link = Link::new(project, previous);
    let mut proven = Vec::new();
    let mut seq = frame.first;
    for slot in Slots::of(&frame.bytes, project.as_str().len()) {
        let slot = slot.map_err(|()| corrupt(seq, "it is cut short or its length is wrong"))?;
        let hash = link.advance(slot.bytes);
        if hash.0[..MARK_BYTES] != slot.mark[..] {
            return Err(corrupt(seq, "its bytes do not fit its hash"));
        }
        proven.push(Proven { seq, bytes: slot.bytes, hash });
        seq = seq.next();
    }
    Ok(proven)
}

/// The first bad record of a frame whose checksum failed. Damage outside of the records is given to the frame's first one.
fn locate_damage(project: &ProjectId, frame: &Frame, expected: Option<&ChainHead>) -> Error {
    let previous = match expected {
        Some(head) => Some(head.hash),
        None => frame::read_header(&frame.bytes).ok().map(|header| header.previous),
    };
    let in_header = corrupt(frame.first, "its frame's header or checksum is damaged");
    let Some(previous) = previous else { return in_header };
    match walk(project, frame, previous) {
        Err(error) => error,
        Ok(_) => in_header,
    }
}

/// Checks and decodes a frame. Everything returned is proven to be what was written, in its place.
pub fn decode_frame(
    project: &ProjectId,
    frame: &Frame,
    expected: Option<&ChainHead>,
) -> Result<Vec<(Record, Digest)>, Error> {
    let mut scratch = Vec::new();
    prove_frame(project, frame, expected)?.into_iter().map(|proven| decode_proven(&proven, &mut scratch)).collect()
}

/// Decodes one proven record; `scratch` is working memory.
pub fn decode_proven(proven: &Proven<'_>, scratch: &mut Vec<u8>) -> Result<(Record, Digest), Error> {
    let record = codec::decode(proven.bytes, scratch).map_err(|error| Error::of_codec(error, proven.seq))?;
    if record.seq != proven.seq {
        return Err(corrupt(proven.seq, format!("it calls itself {}", record.seq)));
    }
    Ok((record, proven.hash))
}

/// The head after `frame`, which is checked on the way: what an engine continues from.
pub fn head_after(project: &ProjectId, frame: &Frame) -> Result<ChainHead, Error> {
    let proven = prove_frame(project, frame, None)?;
    let last = proven.last().expect("prove_frame refuses a frame without records");
    Ok(ChainHead { seq: last.seq, hash: last.hash })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::journal::samples;

    fn project() -> ProjectId {
        ProjectId::new("demo-1").unwrap()
    }

    fn three() -> (Frame, Vec<Record>) {
        let records: Vec<_> = (1..=3).map(|seq| samples::released(seq, "because")).collect();
        (encode_frame(&project(), &ChainHead::genesis(&project()), &records).unwrap().0, records)
    }

    #[test]
    fn frames_continue_each_other_and_fit_nowhere_else() {
        let genesis = ChainHead::genesis(&project());
        let (one, head) = encode_frame(&project(), &genesis, &[samples::released(1, "a")]).unwrap();
        let (two, _) = encode_frame(&project(), &head, &[samples::released(2, "b")]).unwrap();
        assert!(decode_frame(&project(), &two, Some(&head)).is_ok());
        assert_eq!(head_after(&project(), &one).unwrap(), head);
        let gap = Error::Gap { expected: Seq(1), got: Seq(2) };
        assert_eq!(decode_frame(&project(), &two, Some(&genesis)), Err(gap));
        let stranger = ChainHead { seq: Seq(1), hash: Digest::of(b"another history") };
        assert!(matches!(decode_frame(&project(), &two, Some(&stranger)), Err(Error::Corrupt { seq: Seq(2), .. })));
        let other = ProjectId::new("demo-2").unwrap();
        assert!(matches!(decode_frame(&other, &one, None), Err(Error::Corrupt { seq: Seq(1), .. })));
    }

    #[test]
    fn any_flipped_byte_is_found_and_named() {
        let (frame, _) = three();
        let header = frame::header_bytes(project().as_str().len());
        let ends: Vec<usize> = Slots::of(&frame.bytes, project().as_str().len())
            .scan(header, |end, slot| {
                *end += RECORD_HEADER_BYTES + slot.unwrap().bytes.len();
                Some(*end)
            })
            .collect();
        for at in 0..frame.bytes.len() {
            for bit in [1, 0x80] {
                let mut bad = frame.clone();
                bad.bytes[at] ^= bit;
                let error = decode_frame(&project(), &bad, Some(&ChainHead::genesis(&project()))).unwrap_err();
                let truth = match ends.iter().position(|end| at < *end) {
                    Some(record) if at >= header => record + 1,
                    Some(_) | None => 1,
                };
                assert!(matches!(error, Error::Corrupt { seq, .. } if seq.0 == truth as u64), "byte {at}: {error}");
            }
        }
    }

    #[test]
    fn any_cut_is_found() {
        let (frame, _) = three();
        for length in 0..frame.bytes.len() {
            let bad = Frame { first: frame.first, bytes: frame.bytes[..length].to_vec() };
            assert!(matches!(decode_frame(&project(), &bad, None), Err(Error::Corrupt { .. })), "cut at {length}");
        }
    }

    #[test]
    fn a_frame_is_full_before_it_passes_its_bound() {
        let mut builder = FrameBuilder::new(&project(), ChainHead::genesis(&project()));
        let big = "x".repeat(limits::RECORD_BYTES / 2);
        let mut seq = 1;
        let error = loop {
            match builder.push(&samples::released(seq, &big)) {
                Ok(_) => seq += 1,
                Err(error) => break error,
            }
        };
        assert!(matches!(error, Error::TooLarge { limit: limits::FRAME_BYTES, .. }));
        let (frame, head) = builder.finish().unwrap();
        assert!(frame.bytes.len() <= limits::FRAME_BYTES);
        assert_eq!(head.seq, Seq(seq - 1));
        assert_eq!(decode_frame(&project(), &frame, None).unwrap().len() as u64, seq - 1);
    }

    #[test]
    #[ignore = "a measurement, not a check"]
    fn encoding_and_decoding_speed() {
        let genesis = ChainHead::genesis(&project());
        let records: Vec<_> = (1..=2_000).map(samples::typical).collect();
        let started = std::time::Instant::now();
        let frames: Vec<_> =
            (0..100).map(|_| encode_frame(&project(), &genesis, std::hint::black_box(&records)).unwrap().0).collect();
        println!("encoded {:.0} records/s", 200_000.0 / started.elapsed().as_secs_f64());
        let started = std::time::Instant::now();
        let decoded: usize =
            frames.iter().map(|frame| decode_frame(&project(), frame, Some(&genesis)).unwrap().len()).sum();
        println!("decoded {:.0} records/s", decoded as f64 / started.elapsed().as_secs_f64());
    }

    proptest! {
        #[test]
        fn records_come_back_as_they_went_in(
            comments in proptest::collection::vec(".{0,200}", 1..20), start in 0u64..u64::MAX / 2, prior in any::<[u8; 32]>(),
        ) {
            let head = ChainHead { seq: Seq(start), hash: Digest(prior) };
            let records: Vec<_> =
                comments.iter().zip(start + 1..).map(|(text, seq)| samples::released(seq, text)).collect();
            let (frame, new_head) = encode_frame(&project(), &head, &records).unwrap();
            let decoded = decode_frame(&project(), &frame, Some(&head)).unwrap();
            prop_assert_eq!(decoded.last().unwrap().1, new_head.hash);
            prop_assert_eq!(decoded.into_iter().map(|(record, _)| record).collect::<Vec<_>>(), records);
        }

        #[test]
        fn arbitrary_bytes_never_pass(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
            let frame = Frame { first: Seq(1), bytes };
            prop_assert!(decode_frame(&project(), &frame, None).is_err());
        }
    }
}
