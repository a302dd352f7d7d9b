//! Traces: what records tell, as spans for an OpenTelemetry collector. A project is a trace; in it stand its tasks, their attempts,
//! their steps, and the calls of agents.
//!
//! Spans are made from records alone (`spans`), and their ids are hashes of the project and of the record that began them: an engine
//! that takes a project over goes on with the same trace, and whatever is sent twice is the same. They are sent as OTLP/JSON over
//! HTTP (`export`). The OpenTelemetry SDK would be twelve crates more, and its spans have ids of their own making.

mod export;
mod json;
mod spans;

pub use export::{Collector, Traces};
pub use spans::traceparent;
