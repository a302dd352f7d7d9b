//! The stored format, pinned: what the first release wrote must be read by every later one, byte for byte.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::chain::{self, ChainHead};
use super::memory_store::MemoryStore;
use super::record::Record;
use super::store::Frame;
use super::{reader, samples};
use crate::domain::event::Event;
use crate::domain::ids::{ProjectId, Seq};
use crate::domain::sandbox::{Attestation, Took};

/// One line of `frames.jsonl`.
#[derive(Serialize, Deserialize)]
struct Line {
    project: ProjectId,
    first: Seq,
    hex: String,
}

const RECORDS_PER_FRAME: usize = 5;

/// One release's way of writing: its folder, and the hash of the last record.
struct Release {
    folder: &'static str,
    head: &'static str,
    holds: fn() -> Vec<Record>,
}

const RELEASES: [Release; 3] = [
    Release {
        folder: "v1",
        head: "bcb44b3b71468a5310188013f7778a0520a382fee2cc3526e2a9dd79a45ee880",
        holds: without_attestations,
    },
    Release {
        folder: "v2",
        head: "7b97f1d390cddf359d02f388eefb35a13a67293deeeae25717753f10368c950c",
        holds: without_amounts,
    },
    Release {
        folder: PRESENT,
        head: "939ac4c1fb33c06bb6f7eb1cd46b4ccd9b0ed6eb2031576ff71c09ed981cda63",
        holds: samples::one_of_each,
    },
];
/// The folder of what this release writes.
const PRESENT: &str = "v3";

/// What the first version of the format could say.
fn without_attestations() -> Vec<Record> {
    let known = |mut event: Event| {
        match &mut event {
            Event::StepFinished { outcome, .. } => outcome.ran_under = None,
            Event::CallFinished { outcome, .. } => outcome.ran_under = None,
            Event::AllowanceRaised { .. } => return None,
            _ => {}
        }
        Some(event)
    };
    samples::records(samples::one_of_each().into_iter().filter_map(|record| known(record.event)))
}

/// What the second version could say.
fn without_amounts() -> Vec<Record> {
    let forget = |ran_under: &mut Option<Arc<Attestation>>| {
        if let Some(attestation) = ran_under {
            Arc::make_mut(attestation).took = Took::default();
        }
    };
    let known = |mut event: Event| {
        match &mut event {
            Event::StepFinished { outcome, .. } => forget(&mut outcome.ran_under),
            Event::CallFinished { outcome, .. } => forget(&mut outcome.ran_under),
            _ => {}
        }
        event
    };
    samples::records(samples::one_of_each().into_iter().map(|record| known(record.event)))
}

fn path(folder: &str) -> std::path::PathBuf {
    std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/stores").join(folder).join("frames.jsonl")
}

fn project() -> ProjectId {
    ProjectId::new("golden-1").unwrap()
}

fn present_frames() -> Vec<Frame> {
    let mut head = ChainHead::genesis(&project());
    let encode = |records: &[_]| {
        let (frame, after) = chain::encode_frame(&project(), &head, records).unwrap();
        head = after;
        frame
    };
    samples::one_of_each().chunks(RECORDS_PER_FRAME).map(encode).collect()
}

fn stored_frames(folder: &str) -> Vec<Frame> {
    let text = std::fs::read_to_string(path(folder)).unwrap();
    let lines = text.lines().map(|line| serde_json::from_str::<Line>(line).unwrap());
    lines.map(|line| Frame { first: line.first, bytes: unhex(&line.hex) }).collect()
}

fn unhex(hex: &str) -> Vec<u8> {
    let byte = |at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap();
    (0..hex.len()).step_by(2).map(byte).collect()
}

#[test]
fn fault_30_the_golden_stores_verify_and_hold_what_was_written() {
    for release in RELEASES {
        let store = MemoryStore::new();
        for frame in stored_frames(release.folder) {
            store.load(&project(), frame);
        }
        let report = reader::verify(&store, &project());
        assert_eq!(report.first_bad, None, "{}", release.folder);
        assert_eq!(report.head.hash.to_hex(), release.head, "{}", release.folder);
        let mut records = Vec::new();
        reader::for_each_record(&store, &project(), Seq(1), None, |record, _| records.push(record)).unwrap();
        assert_eq!(records, (release.holds)(), "{}", release.folder);
    }
}

#[test]
fn every_kind_is_still_written_with_the_same_bytes() {
    assert_eq!(
        present_frames(),
        stored_frames(PRESENT),
        "a changed body needs a new version of its kind, see codec.rs"
    );
}

#[test]
#[ignore = "writes the golden store of this release; only before it is released"]
fn write_the_golden_store() {
    let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    let lines = present_frames().iter().fold(String::new(), |text, frame| {
        let line = Line { project: project(), first: frame.first, hex: hex(&frame.bytes) };
        text + &serde_json::to_string(&line).unwrap() + "\n"
    });
    std::fs::write(path(PRESENT), lines).unwrap();
}
