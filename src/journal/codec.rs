//! One record to bytes and back. Knows neither hashes nor frames: those are `chain.rs` and `frame.rs`.
//!
//! A record is `bincode(seq, epoch, at, actor, kind)`, one version byte, then the event's fields in bincode (variable-length
//! integers). The kind is a number of ours, never the position of a variant in [`Event`], so variants may be inserted and moved.
//!
//! The **nested** enums (`HoldReason`, `Phase`, `FailureClass`, ...) are encoded by position, and fields have no names:
//! those enums are append-only, and a changed field list needs a new version of its kind (`older.rs` reads the ones before).
//! The golden test pins every kind.

mod older;

use bincode::Options as _;

use super::record::Record;
use crate::domain::event::{Actor, Event};
use crate::domain::ids::{Epoch, Seq};
use crate::domain::limits;
use crate::domain::time::Millis;

/// The version of a kind's body that this release writes.
fn version_of(kind: u16) -> u8 {
    if older::CHANGED.contains(&kind) { 3 } else { 1 }
}

/// Kind numbers are below this; bodies must start with a one-byte variant position, which bincode gives below 251.
const KINDS: usize = 251;
const NO_POSITION: u8 = u8::MAX;

macro_rules! kinds {
    ($($number:literal => $variant:ident,)*) => {
        /// The stable number of an event's kind. Numbers are never reused.
        pub fn kind(event: &Event) -> u16 {
            match event { $(Event::$variant { .. } => $number,)* }
        }

        /// The name of a kind, or `None` when this release does not know it.
        pub fn kind_name(kind: u16) -> Option<&'static str> {
            match kind { $($number => Some(stringify!($variant)),)* _ => None }
        }

        /// Kind numbers in the order in which [`Event`] declares its variants.
        const DECLARED: &[u16] = &[$($number,)*];
    };
}

kinds! {
    1 => Created,
    2 => PhaseEntered,
    3 => GateAsked,
    4 => GateAnswered,
    5 => Held,
    6 => Released,
    9 => BudgetRaised,
    10 => AllowanceRaised,
    7 => CancelRequested,
    8 => Closed,
    20 => TasksAdded,
    21 => Expanded,
    22 => BranchOpened,
    23 => UndoPlanned,
    40 => TaskReady,
    41 => TaskStarted,
    42 => StepStarted,
    43 => StepFinished,
    44 => StepInterrupted,
    45 => Diverged,
    46 => TaskValidating,
    47 => TaskAwaits,
    48 => TaskAnswered,
    49 => TaskCompleted,
    50 => TaskBackoff,
    51 => TaskExhausted,
    52 => TaskFailed,
    53 => TaskSkipped,
    54 => TaskCancelled,
    55 => TaskInDoubt,
    56 => DoubtSettled,
    57 => TaskRetried,
    60 => CallStarted,
    61 => CallFinished,
    62 => CallUncertain,
    63 => TaskParked,
    80 => SignalReceived,
    81 => LeaseTaken,
    82 => LeaseRenewed,
    83 => LeaseExpired,
    84 => Refused,
    85 => Recovered,
}

/// Kind number to the position of its variant in [`Event`].
static POSITIONS: [u8; KINDS] = {
    let mut positions = [NO_POSITION; KINDS];
    let mut at = 0;
    while at < DECLARED.len() {
        assert!(positions[DECLARED[at] as usize] == NO_POSITION, "two kinds share a number");
        positions[DECLARED[at] as usize] = at as u8;
        at += 1;
    }
    positions
};

/// Why a record cannot be encoded or decoded.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// Written by a newer release: the bytes are whole, this binary cannot tell what they mean.
    #[error("record {seq} has kind {kind} in version {version}, which this release does not know")]
    UnknownKind {
        /// The kind's number.
        kind: u16,
        /// The version of its body.
        version: u8,
        /// The record.
        seq: Seq,
    },
    /// Not a record.
    #[error("{problem}")]
    Malformed {
        /// What the decoder said.
        problem: String,
    },
    /// Larger than [`limits::RECORD_BYTES`].
    #[error("record {seq} has {bytes} bytes; at most {} are allowed", limits::RECORD_BYTES)]
    TooLarge {
        /// The record.
        seq: Seq,
        /// Its encoded length.
        bytes: usize,
    },
}

/// What every record starts with, whatever its kind: readable even when the kind is not known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Envelope {
    /// The record's position.
    pub seq: Seq,
    /// The engine that wrote it.
    pub epoch: Epoch,
    /// When.
    pub at: Millis,
    /// Who caused it.
    pub actor: Actor,
    /// The kind's number.
    pub kind: u16,
    /// The version of the body.
    pub version: u8,
}

impl Envelope {
    /// Whether this release can decode the body.
    pub fn is_known(&self) -> bool {
        is_known(self.kind, self.version)
    }
}

fn is_known(kind: u16, version: u8) -> bool {
    position(kind).is_some() && (1..=version_of(kind)).contains(&version)
}

fn options() -> impl bincode::Options {
    bincode::DefaultOptions::new().with_limit(limits::RECORD_BYTES as u64).reject_trailing_bytes()
}

fn position(kind: u16) -> Option<u8> {
    POSITIONS.get(usize::from(kind)).copied().filter(|position| *position != NO_POSITION)
}

/// Appends the encoded `record` to `out`. On an error `out` is as before.
pub fn encode(record: &Record, out: &mut Vec<u8>) -> Result<(), Error> {
    let Record { seq, epoch, at, actor, event } = record;
    let start = out.len();
    let kind = kind(event);
    // No limit while writing: bincode would measure every value once more. The length is checked below.
    let options = bincode::DefaultOptions::new();
    let written = options.serialize_into(&mut *out, &(seq, epoch, at, actor, kind)).and_then(|()| {
        let body = out.len();
        options.serialize_into(&mut *out, event).map(|()| body)
    });
    let body = written.map_err(|error| {
        out.truncate(start);
        Error::Malformed { problem: error.to_string() }
    })?;
    let bytes = out.len() - start;
    if bytes > limits::RECORD_BYTES {
        out.truncate(start);
        return Err(Error::TooLarge { seq: *seq, bytes });
    }
    assert_eq!(Some(out[body]), position(kind), "the kinds are listed in the order of Event's variants");
    // The position means nothing to later releases; its place is the version's.
    out[body] = version_of(kind);
    Ok(())
}

/// Reads the envelope and gives the body, version byte first.
pub fn open(mut bytes: &[u8]) -> Result<(Envelope, &[u8]), Error> {
    let malformed = |problem: String| Error::Malformed { problem };
    let (seq, epoch, at, actor, kind) = options()
        .allow_trailing_bytes()
        .deserialize_from(&mut bytes)
        .map_err(|error| malformed(format!("it has no readable envelope: {error}")))?;
    let version = *bytes.first().ok_or_else(|| malformed("it has no body".to_owned()))?;
    Ok((Envelope { seq, epoch, at, actor, kind, version }, bytes))
}

/// Decodes one record. `scratch` is working memory, kept by the caller so that many records need one allocation.
pub fn decode(bytes: &[u8], scratch: &mut Vec<u8>) -> Result<Record, Error> {
    let (Envelope { seq, epoch, at, actor, kind, version }, body) = open(bytes)?;
    let unknown = Error::UnknownKind { kind, version, seq };
    let Some(position) = position(kind).filter(|_| is_known(kind, version)) else { return Err(unknown) };
    let malformed = |error: bincode::Error| Error::Malformed { problem: format!("its body cannot be read: {error}") };
    if version < version_of(kind) {
        let event = older::decode(kind, version, &body[1..]).map_err(malformed)?;
        return Ok(Record { seq, epoch, at, actor, event });
    }
    scratch.clear();
    scratch.push(position);
    scratch.extend_from_slice(&body[1..]);
    let event = options().deserialize(scratch).map_err(malformed)?;
    Ok(Record { seq, epoch, at, actor, event })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::journal::samples;

    #[test]
    fn every_kind_has_a_sample_and_the_samples_come_back() {
        let samples = samples::one_of_each();
        let kinds: Vec<u16> = samples.iter().map(|record| kind(&record.event)).collect();
        assert_eq!(kinds, DECLARED, "one sample per kind, in the order of Event");
        let mut scratch = Vec::new();
        for record in samples {
            let mut bytes = Vec::new();
            encode(&record, &mut bytes).unwrap();
            assert_eq!(decode(&bytes, &mut scratch).unwrap(), record);
        }
    }

    #[test]
    fn a_kind_or_version_of_a_later_release_is_not_corruption() {
        let mut bytes = Vec::new();
        encode(&samples::released(7, "x"), &mut bytes).unwrap();
        let (_, body) = open(&bytes).unwrap();
        let version_at = bytes.len() - body.len();
        let mut later = bytes.clone();
        later[version_at] = 2;
        assert_eq!(decode(&later, &mut Vec::new()), Err(Error::UnknownKind { kind: 6, version: 2, seq: Seq(7) }));
        let mut later = bytes.clone();
        later[version_at - 1] = 250;
        assert_eq!(decode(&later, &mut Vec::new()), Err(Error::UnknownKind { kind: 250, version: 1, seq: Seq(7) }));
    }

    #[test]
    fn trailing_bytes_are_refused() {
        let mut bytes = Vec::new();
        encode(&samples::released(7, "x"), &mut bytes).unwrap();
        bytes.push(0);
        assert!(matches!(decode(&bytes, &mut Vec::new()), Err(Error::Malformed { .. })));
    }

    #[test]
    fn one_byte_past_the_largest_record_is_refused_and_leaves_nothing_behind() {
        let mut bytes = Vec::new();
        encode(&samples::released(1, ""), &mut bytes).unwrap();
        // The comment's length takes five bytes instead of one when it is that long.
        let room = limits::RECORD_BYTES - bytes.len() - 4;
        encode(&samples::released(1, &"x".repeat(room)), &mut Vec::new()).unwrap();
        let error = encode(&samples::released(1, &"x".repeat(room + 1)), &mut bytes.clone()).unwrap_err();
        assert_eq!(error, Error::TooLarge { seq: Seq(1), bytes: limits::RECORD_BYTES + 1 });
    }
}
