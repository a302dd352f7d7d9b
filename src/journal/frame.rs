//! The layout of a frame: the records of one project in one commit. Knows lengths and offsets, no hashes (see `chain.rs`).
//!
//! ```text
//! header   magic "wfjf", format u8, id length u8, id, first seq u64, records u32, previous hash [32], last hash [32]
//! record   length u32, mark [8] (the first bytes of the record's hash), bytes
//! trailer  crc32c u32 of everything before it
//! ```
//!
//! Integers are little-endian. The checksum finds damage cheaply, the marks say which record it is in, the hashes prove
//! that nothing was exchanged. The id stands in the frame so that frames can be recognised in a store that does not open.

use crate::domain::ids::{Digest, Seq};

/// What every frame starts with.
pub const MAGIC: &[u8; 4] = b"wfjf";
/// The only format so far.
pub const FORMAT: u8 = 1;
/// Bytes of a record's hash kept beside it.
pub const MARK_BYTES: usize = 8;
const TRAILER_BYTES: usize = 4;
const ID_AT: usize = 6;

/// A frame's header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Header<'f> {
    /// The project's id.
    pub project: &'f str,
    /// The first record's position.
    pub first: Seq,
    /// How many records follow.
    pub records: u32,
    /// The hash that the first record continues.
    pub previous: Digest,
    /// The hash of the last record.
    pub last: Digest,
}

/// Length of the header for a project whose id has `id_bytes`.
pub fn header_bytes(id_bytes: usize) -> usize {
    ID_AT + id_bytes + 8 + 4 + 32 + 32
}

impl Header<'_> {
    /// Appends the header.
    pub fn write(&self, out: &mut Vec<u8>) {
        let id_bytes = u8::try_from(self.project.len()).expect("a project id has at most 64 bytes");
        out.extend_from_slice(MAGIC);
        out.extend_from_slice(&[FORMAT, id_bytes]);
        out.extend_from_slice(self.project.as_bytes());
        out.extend_from_slice(&self.first.0.to_le_bytes());
        out.extend_from_slice(&self.records.to_le_bytes());
        out.extend_from_slice(&self.previous.0);
        out.extend_from_slice(&self.last.0);
    }
}

/// Reads the header at the start of `bytes`; the error says what is wrong with it.
pub fn read_header(bytes: &[u8]) -> Result<Header<'_>, &'static str> {
    const SHORT: &str = "the frame is shorter than its header";
    let mut rest = bytes;
    let (magic, fixed) = (take::<4>(&mut rest).ok_or(SHORT)?, take::<2>(&mut rest).ok_or(SHORT)?);
    if magic != MAGIC {
        return Err("it does not start like a frame");
    }
    if fixed[0] != FORMAT {
        return Err("its frame format is not known to this release");
    }
    let (id, mut rest) = rest.split_at_checked(usize::from(fixed[1])).ok_or(SHORT)?;
    let project = std::str::from_utf8(id).map_err(|_| "its project id is not text")?;
    let first = Seq(u64::from_le_bytes(*take(&mut rest).ok_or(SHORT)?));
    let records = u32::from_le_bytes(*take(&mut rest).ok_or(SHORT)?);
    let previous = Digest(*take(&mut rest).ok_or(SHORT)?);
    let last = Digest(*take(&mut rest).ok_or(SHORT)?);
    Ok(Header { project, first, records, previous, last })
}

/// Takes `N` bytes off the front.
fn take<'b, const N: usize>(rest: &mut &'b [u8]) -> Option<&'b [u8; N]> {
    let (head, tail) = rest.split_first_chunk::<N>()?;
    *rest = tail;
    Some(head)
}

/// One record as it stands in a frame, not yet checked.
#[derive(Debug, Clone, Copy)]
pub struct Slot<'f> {
    /// The first bytes of its hash.
    pub mark: &'f [u8; MARK_BYTES],
    /// Its encoded bytes.
    pub bytes: &'f [u8],
}

/// Walks the records between the header and the trailer. `Some(Err(()))` once when the lengths do not add up.
#[derive(Debug, Clone)]
pub struct Slots<'f> {
    rest: &'f [u8],
}

impl<'f> Slots<'f> {
    /// Over the records of a whole frame of a project whose id has `id_bytes`.
    pub fn of(frame: &'f [u8], id_bytes: usize) -> Self {
        let end = frame.len().saturating_sub(TRAILER_BYTES);
        Self { rest: frame.get(header_bytes(id_bytes)..end).unwrap_or_default() }
    }

    fn slot(&mut self) -> Option<Slot<'f>> {
        let length = u32::from_le_bytes(*take(&mut self.rest)?);
        let mark = take(&mut self.rest)?;
        let (bytes, rest) = self.rest.split_at_checked(length as usize)?;
        self.rest = rest;
        Some(Slot { mark, bytes })
    }
}

impl<'f> Iterator for Slots<'f> {
    type Item = Result<Slot<'f>, ()>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() {
            return None;
        }
        Some(self.slot().ok_or_else(|| self.rest = &[]))
    }
}

/// The length of the frame at the start of `bytes`, going by its own numbers; `None` when they point past the end.
pub fn length(bytes: &[u8]) -> Option<usize> {
    let header = read_header(bytes).ok()?;
    let start = header_bytes(header.project.len());
    let mut slots = Slots { rest: bytes.get(start..)? };
    for _ in 0..header.records {
        slots.slot()?;
    }
    (slots.rest.len() >= TRAILER_BYTES).then(|| bytes.len() - slots.rest.len() + TRAILER_BYTES)
}

/// Appends the trailer to a frame that starts at the beginning of `out`.
pub fn seal(out: &mut Vec<u8>) {
    let checksum = crc32c::crc32c(out);
    out.extend_from_slice(&checksum.to_le_bytes());
}

/// Whether the checksum fits.
pub fn is_sound(frame: &[u8]) -> bool {
    let Some((content, trailer)) = frame.split_last_chunk::<TRAILER_BYTES>() else { return false };
    crc32c::crc32c(content) == u32::from_le_bytes(*trailer)
}
