//! Reading sled's tree: frames put together from their parts, summaries, the list of projects. Writes nothing.

use super::guard::guarded;
use super::keys;
use crate::domain::ids::{Epoch, ProjectId, Seq};
use crate::domain::limits;
use crate::domain::view::Summary;
use crate::journal::codec;
use crate::journal::frame::{self, Slots};
use crate::journal::store::{Damaged, Error, Frame};

const SUMMARY_FORMAT: u8 = 1;
const READING: &str = "read the store";

/// The position of a frame's last record, as its header says.
pub fn last_seq(frame: &Frame) -> Option<Seq> {
    let header = frame::read_header(&frame.bytes).ok()?;
    Some(Seq(header.first.0 + u64::from(header.records).checked_sub(1)?))
}

/// See [`Store::frames`](crate::journal::store::Store::frames); frames that start after `tail` are not committed yet.
pub fn frames(
    db: &sled::Db,
    project: &ProjectId,
    from: Seq,
    tail: Option<Seq>,
    max_bytes: usize,
) -> Result<Vec<Frame>, Error> {
    let last = tail.unwrap_or(Seq(u64::MAX));
    if from > last {
        return Ok(Vec::new());
    }
    guarded(READING, || {
        let lowest = keys::frames_of(project);
        let before = db.range(lowest..=keys::end_of(project, from)).next_back().transpose()?;
        let first = before.and_then(|(key, _)| keys::read_part(&key).map(|key| key.first)).unwrap_or(from);
        let mut page: Vec<Frame> = Vec::new();
        let mut bytes = 0;
        for entry in db.range(keys::part(project, first, 0, 0)..=keys::end_of(project, last)) {
            let (key, value) = entry?;
            let Some(key) = keys::read_part(&key) else { continue };
            match page.last_mut() {
                Some(frame) if frame.first == key.first => frame.bytes.extend_from_slice(&value),
                Some(_) if bytes >= max_bytes => break,
                Some(_) | None => page.push(Frame { first: key.first, bytes: value.to_vec() }),
            }
            bytes += value.len();
        }
        // The last one may have passed the bound only as its later parts came.
        if bytes > max_bytes && page.len() > 1 {
            page.pop();
        }
        // What was found at or before `from` may end before it.
        if page.first().is_some_and(|frame| frame.first < from && last_seq(frame).is_some_and(|last| last < from)) {
            page.remove(0);
        }
        Ok(page)
    })
}

/// The last frame that starts at or before `tail`.
pub fn last_frame(db: &sled::Db, project: &ProjectId, tail: Option<Seq>) -> Result<Option<Frame>, Error> {
    let last = tail.unwrap_or(Seq(u64::MAX));
    let first = guarded(READING, || {
        let key = db.range(keys::frames_of(project)..=keys::end_of(project, last)).next_back().transpose()?;
        Ok(key.and_then(|(key, _)| keys::read_part(&key).map(|key| key.first)))
    })?;
    match first {
        None => Ok(None),
        Some(first) => Ok(frames(db, project, first, tail, 0)?.pop()),
    }
}

/// All keys of a project's frames.
pub fn keys_of(db: &sled::Db, project: &ProjectId) -> Result<Vec<sled::IVec>, Error> {
    guarded(READING, || db.scan_prefix(keys::frames_of(project)).keys().collect())
}

/// All projects that have a frame or a summary. Jumps from project to project, so the cost does not grow with the history.
pub fn projects(db: &sled::Db) -> Result<Vec<ProjectId>, Error> {
    let mut projects = std::collections::BTreeSet::new();
    let mut from = vec![keys::FRAMES];
    while let Some(key) = guarded(READING, || db.range(&*from..&[keys::FRAMES + 1]).next().transpose())? {
        let Some(part) = keys::read_part(&key.0) else {
            // Not a key of ours: damage that must not hide the others.
            from = key.0.to_vec();
            from.push(0);
            continue;
        };
        projects.extend(std::str::from_utf8(part.project).ok().and_then(|id| ProjectId::new(id).ok()));
        from = keys::after_project(part);
    }
    let summaries: Vec<sled::IVec> = guarded(READING, || db.scan_prefix([keys::SUMMARIES]).keys().collect())?;
    let ids = summaries.iter().filter_map(|key| std::str::from_utf8(&key[1..]).ok());
    projects.extend(ids.filter_map(|id| ProjectId::new(id).ok()));
    Ok(projects.into_iter().collect())
}

/// The highest epoch that any project's last frame carries.
pub fn highest_epoch(db: &sled::Db) -> Result<Epoch, Error> {
    let mut highest = Epoch(0);
    for project in projects(db)? {
        let Some(frame) = last_frame(db, &project, None)? else { continue };
        for slot in Slots::of(&frame.bytes, project.as_str().len()).flatten() {
            if let Ok((envelope, _)) = codec::open(slot.bytes) {
                highest = highest.max(envelope.epoch);
            }
        }
    }
    Ok(highest)
}

/// A summary's stored form: a format byte, JSON, a checksum. It is an index that can be rebuilt, so names matter more than bytes.
pub fn encode_summary(summary: &Summary) -> Vec<u8> {
    let bound = limits::SUMMARY_NOTE_BYTES.min(summary.note.len());
    let cut = (0..=bound).rfind(|at| summary.note.is_char_boundary(*at)).unwrap_or(0);
    let mut bytes = vec![SUMMARY_FORMAT];
    let written = if cut < summary.note.len() {
        let note = summary.note[..cut].to_owned();
        serde_json::to_writer(&mut bytes, &Summary { note, ..summary.clone() })
    } else {
        serde_json::to_writer(&mut bytes, summary)
    };
    written.expect("a summary holds only texts and numbers, and memory takes all bytes");
    bytes.extend_from_slice(&crc32c::crc32c(&bytes).to_le_bytes());
    bytes
}

fn decode_summary(key: &[u8], bytes: &[u8]) -> Result<Summary, Damaged> {
    let project = String::from_utf8_lossy(key.get(1..).unwrap_or_default()).into_owned();
    let damaged = |problem: String| Damaged { project: project.clone(), problem };
    let checked = bytes.split_last_chunk::<4>().filter(|(content, sum)| crc32c::crc32c(content).to_le_bytes() == **sum);
    let (content, _) = checked.ok_or_else(|| damaged("its summary is damaged".to_owned()))?;
    let json = content.strip_prefix(&[SUMMARY_FORMAT]);
    let json = json.ok_or_else(|| damaged("its summary has a format of a later release".to_owned()))?;
    let summary: Summary =
        serde_json::from_slice(json).map_err(|error| damaged(format!("its summary cannot be read: {error}")))?;
    if summary.id.as_str() == project {
        Ok(summary)
    } else {
        Err(damaged("its summary is another project's".to_owned()))
    }
}

/// One summary; a damaged one is an error here.
pub fn summary(db: &sled::Db, project: &ProjectId) -> Result<Option<Summary>, Error> {
    let key = keys::summary(project);
    let Some(value) = guarded(READING, || db.get(&key))? else { return Ok(None) };
    let summary = decode_summary(&key, &value);
    summary.map(Some).map_err(|damaged| Error::Corrupt {
        problem: format!("project {}: {}; run `wfctl doctor --repair`", damaged.project, damaged.problem),
    })
}

/// All summaries, each damaged one in its place.
pub fn summaries(db: &sled::Db) -> Result<Vec<Result<Summary, Damaged>>, Error> {
    guarded(READING, || {
        db.scan_prefix([keys::SUMMARIES]).map(|entry| entry.map(|(key, value)| decode_summary(&key, &value))).collect()
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::journal::conformance;

    #[test]
    fn one_byte_past_the_bound_a_note_is_cut_and_always_fits_into_one_part() {
        let project = ProjectId::new(&"p".repeat(limits::PROJECT_ID_BYTES)).unwrap();
        let stored = |note: &str| {
            let bytes = encode_summary(&conformance::summary(&project, note));
            assert!(bytes.len() <= limits::STORE_PART_BYTES);
            decode_summary(&keys::summary(&project), &bytes).unwrap().note
        };
        // The worst case for JSON: a control character takes six bytes.
        let longest = "\u{1}".repeat(limits::SUMMARY_NOTE_BYTES);
        assert_eq!(stored(&longest), longest);
        assert_eq!(stored(&format!("{longest}x")), longest);
        let wide = "ü".repeat(limits::SUMMARY_NOTE_BYTES);
        assert_eq!(stored(&wide).len(), limits::SUMMARY_NOTE_BYTES);
    }

    #[test]
    fn a_damaged_summary_hides_no_other() {
        let project = ProjectId::new("p").unwrap();
        let bytes = encode_summary(&conformance::summary(&project, "x"));
        for at in 0..bytes.len() {
            let mut bad = bytes.clone();
            bad[at] ^= 1;
            assert_eq!(decode_summary(b"sp", &bad).unwrap_err().project, "p");
        }
    }
}
