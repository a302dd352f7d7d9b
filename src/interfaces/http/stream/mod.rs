//! Live events: the records of the journal as they become durable, each exactly once, in order, from wherever a client was.
//!
//! The journal is the queue. Per project that somebody follows, one pump reads what is new, renders it once, and keeps the last
//! pieces for all who are nearly up to date; whoever is further behind reads the journal at its own pace. Nothing here is ever
//! waited for by the engine. What a model is still saying comes beside them, to whoever is quick enough.

mod all;
mod cursor;
mod deltas;
mod hub;
mod piece;
mod sse;
mod ws;

pub use hub::Hub;
pub use sse::{all_events, project_events};
pub use ws::socket;

pub(super) use sse::{__path_all_events, __path_project_events};
pub(super) use ws::__path_socket;
