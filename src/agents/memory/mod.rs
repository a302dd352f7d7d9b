//! What agents remember across runs: chunks of text with metadata, per repository. What one run learned serves the next.
//!
//! Kept in a folder (`embedded`), the log is the truth (`log`, append-only and checksummed); the index of words (`words`) is made from
//! it when it is opened, the vectors (`vectors`) are a cache of what a model said. Or kept in a Qdrant server (`qdrant`). Reading
//! order: `chunk`, `split`, `log`, `words`, `vectors`, `fuse`, `answer`, `embedded`, `qdrant`, `store` (one repository's, wherever it
//! is kept), `memories` (those of a home), `local` (a model for vectors of this machine).

mod answer;
mod chunk;
mod embedded;
mod fuse;
#[cfg(feature = "local-embeddings")]
mod local;
mod log;
mod memories;
mod qdrant;
mod split;
mod store;
mod vectors;
mod words;

pub use answer::{Changed, Error, Found, Hit, Ranked, Status};
pub use chunk::{Chunk, Filters, Kind, Metadata, Platform};
pub use embedded::Embedded;
#[cfg(feature = "local-embeddings")]
pub use local::Local;
pub use memories::{Memories, Remembered};
pub use qdrant::{Key, Server};
pub use split::{split, tokens};
pub use store::{Given, Memory, Need, Wanted};
pub use vectors::{Came, Embedder, Made};

#[cfg(test)]
mod tests;
