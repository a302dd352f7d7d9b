//! What keeps a planner fresh: its scratchpad written anew, a long text in short.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::Answer;

/// A scratchpad, written anew.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Scratchpad {
    /// All of it.
    pub scratchpad: String,
}

/// A long text in short.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Summary {
    /// The short text.
    pub summary: String,
}

fn one_text(name: &str) -> Value {
    json!({
        "type": "object",
        "properties": { name: { "type": "string", "minLength": 1 } },
        "required": [name],
        "additionalProperties": false
    })
}

impl Answer for Scratchpad {
    const NAME: &'static str = "scratchpad";

    fn schema() -> Value {
        one_text("scratchpad")
    }

    fn artifacts(&self, _: &Value) -> Vec<(&'static str, String)> {
        vec![("scratchpad.md", format!("{}\n", self.scratchpad.trim_end()))]
    }
}

impl Answer for Summary {
    const NAME: &'static str = "summary";

    fn schema() -> Value {
        one_text("summary")
    }

    fn artifacts(&self, _: &Value) -> Vec<(&'static str, String)> {
        vec![("summary.md", format!("{}\n", self.summary.trim_end()))]
    }
}
