//! The journal: hash-chained records in a durable store, blobs beside it, snapshots as caches.
//!
//! sled's types stop in this room. Reading order: `record`, `codec`, `frame`, `chain`, `store` (the trait), then its three
//! implementations, `blobs`, `snapshot`, `reader`, `export`, `doctor`.

pub mod blobs;
pub mod chain;
pub mod codec;
pub mod conformance;
pub mod doctor;
pub mod export;
pub mod faulty_store;
pub mod files;
pub mod frame;
#[cfg(test)]
mod golden;
pub mod memory_store;
pub mod reader;
pub mod record;
pub mod salvage;
pub mod samples;
pub mod sled_store;
pub mod snapshot;
pub mod store;
