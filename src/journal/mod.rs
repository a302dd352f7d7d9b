//! The journal: hash-chained records in a durable store, blobs beside it, snapshots as caches.
//!
//! sled's types stop in this room. Reading order: `record`, `codec`, `chain`, `store` (the trait), then its three
//! implementations, `blobs`, `snapshot`, `recovery`.

pub mod record;
pub mod store;
