//! The keys of the one tree. Projects' keys never mix: an id holds no zero byte and ends with one.
//!
//! ```text
//! 'f' id 0 first-seq(8) part(2) parts(2)   one part of a frame, at most limits::STORE_PART_BYTES
//! 's' id                                   a summary
//! ```
//!
//! Numbers are big-endian, so that keys sort as numbers do.

use crate::domain::ids::{ProjectId, Seq};

/// The first byte of all keys of frames.
pub const FRAMES: u8 = b'f';
/// The first byte of all keys of summaries.
pub const SUMMARIES: u8 = b's';
const PART_SUFFIX_BYTES: usize = 12;

/// What all of a project's frames' keys start with.
pub fn frames_of(project: &ProjectId) -> Vec<u8> {
    let mut key = Vec::with_capacity(2 + project.as_str().len() + PART_SUFFIX_BYTES);
    key.push(FRAMES);
    key.extend_from_slice(project.as_str().as_bytes());
    key.push(0);
    key
}

/// One part of a frame.
pub fn part(project: &ProjectId, first: Seq, part: u16, parts: u16) -> Vec<u8> {
    let mut key = frames_of(project);
    key.extend_from_slice(&first.0.to_be_bytes());
    key.extend_from_slice(&part.to_be_bytes());
    key.extend_from_slice(&parts.to_be_bytes());
    key
}

/// After every key of the frame that starts at `first`, before every later one.
pub fn end_of(project: &ProjectId, first: Seq) -> Vec<u8> {
    part(project, first, u16::MAX, u16::MAX)
}

/// A project's summary.
pub fn summary(project: &ProjectId) -> Vec<u8> {
    let mut key = vec![SUMMARIES];
    key.extend_from_slice(project.as_str().as_bytes());
    key
}

/// What stands in a frame's key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PartKey<'k> {
    /// The project's id, unchecked.
    pub project: &'k [u8],
    /// The frame's first record.
    pub first: Seq,
    /// Which part.
    pub part: u16,
}

/// The inverse of [`part`]; `None` for any other key.
pub fn read_part(key: &[u8]) -> Option<PartKey<'_>> {
    let (front, suffix) = key.split_last_chunk::<PART_SUFFIX_BYTES>()?;
    let (first, rest) = suffix.split_first_chunk::<8>()?;
    let (part, _parts) = rest.split_first_chunk::<2>()?;
    let project = front.strip_prefix(&[FRAMES])?.strip_suffix(&[0])?;
    Some(PartKey { project, first: Seq(u64::from_be_bytes(*first)), part: u16::from_be_bytes(*part) })
}

/// The first key after all frames of the project whose key this is.
pub fn after_project(key: PartKey<'_>) -> Vec<u8> {
    let mut after = vec![FRAMES];
    after.extend_from_slice(key.project);
    after.push(1);
    after
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_come_back_and_sort_by_project_then_position() {
        let (a, ab) = (ProjectId::new("a").unwrap(), ProjectId::new("a-b").unwrap());
        let key = part(&a, Seq(300), 2, 5);
        assert_eq!(read_part(&key), Some(PartKey { project: b"a", first: Seq(300), part: 2 }));
        assert!(part(&a, Seq(255), 0, 1) < part(&a, Seq(256), 0, 1));
        assert!(end_of(&a, Seq(u64::MAX)) < part(&ab, Seq(1), 0, 1));
        assert!(read_part(&summary(&a)).is_none());
    }
}
