//! Why something was not done, as a model reads it: a code, what went wrong, what to do next.

use std::fmt::Write as _;

use rmcp::ErrorData;
use rmcp::model::{CallToolResult, ContentBlock, MetaObject};
use serde::Serialize;
use serde_json::json;

use super::parts::Parts;
use crate::interfaces::api::Fault;

/// Where the data of an error is in the `_meta` of a result.
const ERROR: &str = "wfctl/error";

/// Why something was not done.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Refusal {
    /// The stable code; `wfctl explain` has its page.
    pub code: String,
    /// A few words for the code.
    pub title: String,
    /// What went wrong this time.
    pub message: String,
    /// What lies behind it, outermost first.
    pub causes: Vec<String>,
    /// What to do next.
    pub next: Option<String>,
}

impl Refusal {
    /// All of it as text.
    pub fn to_text(&self) -> String {
        let mut text = format!("error[{}]: {}", self.code, self.message);
        for cause in &self.causes {
            // Writing to a string does not fail.
            let _ = write!(text, "\n  caused by: {cause}");
        }
        if let Some(next) = &self.next {
            let _ = write!(text, "\n  next: {next}");
        }
        text
    }

    /// As the result of a tool: what it says is for the model to read. As data it is in `_meta`: clients hold structured content to
    /// the schema of answers even when it is an error's.
    pub fn to_result(&self) -> CallToolResult {
        let mut meta = MetaObject::new();
        meta.insert(ERROR.to_owned(), json!(self));
        let mut result = CallToolResult::error(vec![ContentBlock::text(self.to_text())]);
        result.meta = Some(meta);
        result
    }

    /// As an error of the protocol, for what is no tool.
    pub fn to_error(&self) -> ErrorData {
        let data = Some(json!(self));
        match self.code.as_str() {
            // What is not there.
            "WF0004" | "WF0006" | "WF0016" => ErrorData::resource_not_found(self.to_text(), data),
            _ => ErrorData::invalid_params(self.to_text(), data),
        }
    }
}

/// What went wrong, before it is known what to say about it.
#[derive(Debug)]
pub enum Trouble {
    /// The home refused.
    Fault(Fault),
    /// It is said already.
    Refusal(Refusal),
}

impl Trouble {
    /// What is said about it.
    pub fn explained(self, parts: &Parts) -> Refusal {
        match self {
            Self::Fault(fault) => (parts.explain)(&fault),
            Self::Refusal(refusal) => refusal,
        }
    }
}

impl From<Fault> for Trouble {
    fn from(fault: Fault) -> Self {
        Self::Fault(fault)
    }
}

impl From<Refusal> for Trouble {
    fn from(refusal: Refusal) -> Self {
        Self::Refusal(refusal)
    }
}
