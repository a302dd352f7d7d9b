//! Settings: ordered layers that remember where each value came from.
//!
//! `defaults.toml` (compiled in) < `~/.config/wfctl/config.toml` < `.wfctl.toml` of the repository < environment < flags.
//! `env_vars` is the only file of the product that reads the environment.

mod bus;
pub mod env_vars;
mod layers;
mod memory;
mod sandbox;

pub use bus::{BusSpec, NotifySpec, RedisSpec, WebhookSpec};
pub use env_vars::{Environment, TracesSpec};
pub use layers::{Error, Key, Layers, Origin, Setting};
pub use memory::{EmbeddingsSpec, MemorySpec, QdrantSpec};

use std::time::Duration;

use crate::domain::time::parse_duration;

/// The settings that are in force.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// Most steps at once.
    pub workers: usize,
    /// Between SIGTERM and SIGKILL of a step that is stopped.
    pub grace: Duration,
    /// The same while the engine itself stops.
    pub shutdown_grace: Duration,
    /// How long a detached engine stays without anything to drive.
    pub idle_exit: Duration,
    /// When to colour.
    pub color: Color,
    /// What is logged, as a filter of `tracing`.
    pub log: String,
    /// Whether the log is JSON lines.
    pub log_json: bool,
}

/// When to colour.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Color {
    /// On a terminal, unless `NO_COLOR` is set.
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}

impl Config {
    /// The settings that `layers` settle on; they were checked when they were read.
    pub fn new(layers: &Layers) -> Self {
        let text = |key: Key| layers.get(key).value.as_str();
        let time = |key: Key| Duration::from_millis(parse_duration(text(key)).unwrap_or_default());
        let workers = match text(Key::Workers).parse().unwrap_or_default() {
            0 => std::thread::available_parallelism().map_or(1, std::num::NonZero::get),
            workers => workers,
        };
        Self {
            workers,
            grace: time(Key::Grace),
            shutdown_grace: time(Key::ShutdownGrace),
            idle_exit: time(Key::IdleExit),
            color: match text(Key::Color) {
                "always" => Color::Always,
                "never" => Color::Never,
                _ => Color::Auto,
            },
            log: text(Key::Log).to_owned(),
            log_json: text(Key::LogFormat) == "json",
        }
    }
}
