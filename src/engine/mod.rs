//! Makes the machines move. Knows only ports: no sled, no process, no terminal.
//!
//! `core` is the deterministic half of the loop (decide, append, apply), `dispatcher` the half that waits and performs.
//! `handle` is what everyone outside holds. Reading beside the loop is `archive`.

pub mod archive;
pub mod clock;
pub mod core;
mod deltas;
mod dispatcher;
pub mod entropy;
pub mod error;
pub mod handle;
pub mod ports;
pub mod pulse;
mod scheduler;
mod timers;
mod worker_pool;

pub use core::{Fork, Start};
pub use deltas::Delta;
pub use dispatcher::{Committed, Progress};
pub use error::{Error, StoreError};
pub use handle::{Engine, Handle, Parts};
