//! The stored format, pinned: what the first release wrote must be read by every later one, byte for byte.

use serde::{Deserialize, Serialize};

use super::chain::{self, ChainHead};
use super::memory_store::MemoryStore;
use super::store::Frame;
use super::{reader, samples};
use crate::domain::ids::{ProjectId, Seq};

/// One line of `frames.jsonl`.
#[derive(Serialize, Deserialize)]
struct Line {
    project: ProjectId,
    first: Seq,
    hex: String,
}

const RECORDS_PER_FRAME: usize = 5;
const HEAD: &str = "bcb44b3b71468a5310188013f7778a0520a382fee2cc3526e2a9dd79a45ee880";

fn path() -> std::path::PathBuf {
    std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/stores/v1/frames.jsonl")
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

fn stored_frames() -> Vec<Frame> {
    let text = std::fs::read_to_string(path()).unwrap();
    let lines = text.lines().map(|line| serde_json::from_str::<Line>(line).unwrap());
    lines.map(|line| Frame { first: line.first, bytes: unhex(&line.hex) }).collect()
}

fn unhex(hex: &str) -> Vec<u8> {
    let byte = |at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap();
    (0..hex.len()).step_by(2).map(byte).collect()
}

#[test]
fn fault_30_the_golden_store_verifies_and_holds_what_was_written() {
    let store = MemoryStore::new();
    for frame in stored_frames() {
        store.load(&project(), frame);
    }
    let report = reader::verify(&store, &project());
    assert_eq!(report.first_bad, None);
    assert_eq!(report.head.hash.to_hex(), HEAD);
    let mut records = Vec::new();
    reader::for_each_record(&store, &project(), Seq(1), None, |record, _| records.push(record)).unwrap();
    assert_eq!(records, samples::one_of_each());
}

#[test]
fn every_kind_is_still_written_with_the_same_bytes() {
    assert_eq!(present_frames(), stored_frames(), "a changed body needs a new version of its kind, see codec.rs");
}

#[test]
#[ignore = "writes the golden store; only before the format's first release"]
fn write_the_golden_store() {
    let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    let lines = present_frames().iter().fold(String::new(), |text, frame| {
        let line = Line { project: project(), first: frame.first, hex: hex(&frame.bytes) };
        text + &serde_json::to_string(&line).unwrap() + "\n"
    });
    std::fs::write(path(), lines).unwrap();
}
