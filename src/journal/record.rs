//! The record: one journal entry, as it is before it is encoded.

use crate::domain::event::{Actor, Event};
use crate::domain::ids::{Epoch, Seq};
use crate::domain::time::Millis;

/// One journal entry. Its hash and its predecessor's are computed by `chain.rs`, not carried along.
#[derive(Debug, Clone, PartialEq)]
pub struct Record {
    /// Dense per project, from 1.
    pub seq: Seq,
    /// The engine that wrote it.
    pub epoch: Epoch,
    /// Wall time of the decision.
    pub at: Millis,
    /// Who caused it.
    pub actor: Actor,
    /// What happened.
    pub event: Event,
}
