//! Numbers for a monitoring system, in the text format of Prometheus.
//!
//! All but those of commits and sinks are added up from records when someone asks (`fold`), so that they are the same whether an
//! engine is asked or a home that nobody holds, and cost an engine nothing while nobody asks. `Metrics::render` is what
//! `wfctl metrics` prints and what an HTTP server mounts at `/metrics`.

mod exposition;
mod families;
mod fold;
mod histogram;

pub use families::Metrics;

/// A dashboard for Grafana over these metrics.
pub const GRAFANA: &str = include_str!("grafana.json");
