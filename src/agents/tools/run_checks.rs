//! `run_checks`: the project's own checks, as the engine will run them before it accepts that the task is done.

use async_trait::async_trait;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{Site, Tool, ToolFault, ToolOutput, arguments, object, spec};
use crate::domain::chat::ToolSpec;

/// Most names in one call; no project has as many checks.
const NAMES: usize = 32;

pub(super) struct RunChecks;

#[derive(Deserialize)]
struct Arguments {
    names: Option<Vec<String>>,
}

#[async_trait]
impl Tool for RunChecks {
    fn spec(&self) -> ToolSpec {
        spec(
            "run_checks",
            "Run the project's checks (format, lint, build, tests) and see which pass and what the others say. The same ones are \
             run before finish is accepted.",
            object(
                json!({
                    "names": {
                        "type": "array", "items": { "type": "string" }, "maxItems": NAMES,
                        "description": "Only these checks; all when left out."
                    },
                }),
                &[],
            ),
        )
    }

    async fn call(&self, arguments: &Value, site: &Site<'_>) -> Result<ToolOutput, ToolFault> {
        let Arguments { names } = arguments::typed(arguments)?;
        let report = site.checks.run(&names.unwrap_or_default()).await.map_err(ToolFault::Ends)?;
        Ok(ToolOutput::new(report))
    }
}
