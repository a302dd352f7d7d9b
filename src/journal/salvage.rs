//! Frames from a log that sled cannot open any more. Frames carry their project, their place and a checksum, so they are
//! recognised in any bytes. Knows frames and chains, not sled: frames longer than one stored part are not recognised.

use std::collections::BTreeMap;

use super::chain::{self, ChainHead};
use super::frame;
use super::store::Frame;
use crate::domain::ids::{ProjectId, Seq};

/// What was found of one project: the frames that continue each other from the first one on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Salvaged {
    /// The project.
    pub project: ProjectId,
    /// Its frames, proven, without a gap.
    pub frames: Vec<(Frame, ChainHead)>,
    /// Frames found beyond a gap, of no use without what is missing.
    pub beyond_gap: usize,
}

/// All sound frames in `bytes`, by project. Copies of a frame (stores move values about) count once.
pub fn salvage(bytes: &[u8]) -> Vec<Salvaged> {
    let mut found: BTreeMap<ProjectId, BTreeMap<Seq, Vec<Frame>>> = BTreeMap::new();
    let mut at = 0;
    while let Some(offset) = position(&bytes[at..]) {
        let start = at + offset;
        match sound_frame(&bytes[start..]) {
            Some((project, frame)) => {
                at = start + frame.bytes.len();
                let candidates = found.entry(project).or_default().entry(frame.first).or_default();
                if !candidates.contains(&frame) {
                    candidates.push(frame);
                }
            }
            None => at = start + frame::MAGIC.len(),
        }
    }
    found.into_iter().map(|(project, frames)| chained(project, frames)).collect()
}

fn position(bytes: &[u8]) -> Option<usize> {
    bytes.windows(frame::MAGIC.len()).position(|window| window == frame::MAGIC)
}

fn sound_frame(bytes: &[u8]) -> Option<(ProjectId, Frame)> {
    let bytes = &bytes[..frame::length(bytes)?];
    if !frame::is_sound(bytes) {
        return None;
    }
    let header = frame::read_header(bytes).ok()?;
    Some((ProjectId::new(header.project).ok()?, Frame { first: header.first, bytes: bytes.to_vec() }))
}

/// Follows the chain; of several frames for one place (a removed project's id was used again) the fitting one is taken.
fn chained(project: ProjectId, mut candidates: BTreeMap<Seq, Vec<Frame>>) -> Salvaged {
    let mut frames = Vec::new();
    let mut head = ChainHead::genesis(&project);
    while let Some(places) = candidates.remove(&head.seq.next()) {
        let fitting = places.into_iter().find_map(|frame| {
            let proven = chain::prove_frame(&project, &frame, Some(&head)).ok()?;
            let last = proven.last()?;
            let after = ChainHead { seq: last.seq, hash: last.hash };
            Some((frame, after))
        });
        let Some((frame, after)) = fitting else { break };
        head = after;
        frames.push((frame, after));
    }
    Salvaged { project, frames, beyond_gap: candidates.values().map(Vec::len).sum() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::journal::conformance::append;

    #[test]
    fn frames_are_found_in_any_order_among_anything() {
        let project = ProjectId::new("p").unwrap();
        let (one, head) = append(&project, ChainHead::genesis(&project), 2);
        let (two, head) = append(&project, head, 1);
        let (three, head) = append(&project, head, 1);
        let (five, _) = append(&project, append(&project, head, 1).1, 1);
        let mut bytes = b"wfjf\x01\xff noise wfjf".to_vec();
        for frame in [&five, &two, &one, &two, &three] {
            bytes.extend_from_slice(&frame.frame.bytes);
            bytes.extend_from_slice(b"wf");
        }
        let salvaged = salvage(&bytes);
        assert_eq!(salvaged.len(), 1);
        let frames: Vec<_> = salvaged[0].frames.iter().map(|(frame, _)| frame.clone()).collect();
        assert_eq!(frames, [one.frame, two.frame, three.frame]);
        assert_eq!(salvaged[0].beyond_gap, 1);
    }
}
