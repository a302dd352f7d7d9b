//! What is known of those who are told of records: how far they are and what is wrong.

use serde::{Deserialize, Serialize};

use crate::domain::time::Millis;

/// One sink.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SinkState {
    /// Its name.
    pub name: String,
    /// Where it goes, without what is secret in that.
    pub to: String,
    /// Whether an engine serves it now.
    pub live: bool,
    /// Records that it was given.
    pub delivered: u64,
    /// Records that it was not given yet.
    pub behind: u64,
    /// What is wrong now, in words.
    #[serde(default)]
    pub trouble: Option<String>,
    /// Since when.
    #[serde(default)]
    pub since: Option<Millis>,
    /// The record that it does not take: `project/position`.
    #[serde(default)]
    pub at: Option<String>,
    /// How often that was tried.
    #[serde(default)]
    pub tries: u32,
    /// Nothing is tried any more until someone resumes it.
    #[serde(default)]
    pub parked: bool,
    /// The last record that was given up, and why.
    #[serde(default)]
    pub passed_over: Option<String>,
}
