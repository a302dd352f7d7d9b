//! The journal: hash-chained records in a durable store, blobs beside it, snapshots as caches.
//!
//! sled's types stop in this room. Reading order: `record`, `codec`, `frame`, `chain`, `store` (the trait), then its three
//! implementations, `blobs`, `snapshot`, `reader`, `export`, `doctor`.

pub mod chain;
pub mod codec;
pub mod conformance;
pub mod faulty_store;
pub mod files;
pub mod frame;
pub mod memory_store;
pub mod record;
pub mod samples;
pub mod sled_store;
pub mod store;
