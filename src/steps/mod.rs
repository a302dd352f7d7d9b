//! The adapters that run one step of each kind: they turn an order into what `workspace/` or the network does, and what came
//! of it into an outcome. They decide nothing: when to stop, retry or go on is the engine's.

mod agent;
mod containment;
mod http;
mod memory;
mod merge;
mod runner;
mod secrets;
mod shell;
mod sink;
mod value;

pub use agent::{ModelSource, NoModels, Recalled};
pub use containment::{ByHand, Containments, Places, Uncontained};
pub use runner::{Runner, Settings, live_log};
pub use secrets::SecretSource;
pub use sink::{MemorySink, PayloadSink};
