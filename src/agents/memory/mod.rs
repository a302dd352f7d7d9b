//! What agents remember across runs: chunks of text with metadata, per repository. What one run learned serves the next.
//!
//! The log is the truth (`log`, append-only and checksummed); the index of words (`words`) is made from it when it is opened, the
//! vectors (`vectors`) are a cache of what an endpoint said. Reading order: `chunk`, `split`, `log`, `words`, `vectors`, `fuse`,
//! `store` (one repository's memory), `memories` (those of a home).

mod chunk;
mod fuse;
mod log;
mod memories;
mod split;
mod store;
mod vectors;
mod words;

pub use chunk::{Chunk, Filters, Kind, Metadata, Platform};
pub use memories::{Memories, Remembered};
pub use split::{split, tokens};
pub use store::{Changed, Error, Found, Hit, Memory, Ranked, Status};
pub use vectors::Embedder;

#[cfg(test)]
mod tests;
