//! Tools under the names by which other systems of agents know them, so that roles and prompts written for those work here.

use async_trait::async_trait;
use serde_json::Value;

use super::{Site, Tool, ToolFault, ToolOutput};
use crate::domain::chat::ToolSpec;
use crate::domain::workflow::EffectClass;

/// A tool under another name. All else, its arguments included, is the tool's own.
pub(super) struct Renamed {
    pub name: &'static str,
    pub tool: Box<dyn Tool>,
}

#[async_trait]
impl Tool for Renamed {
    fn spec(&self) -> ToolSpec {
        ToolSpec { name: self.name.to_owned(), ..self.tool.spec() }
    }

    fn effect(&self) -> EffectClass {
        self.tool.effect()
    }

    async fn call(&self, arguments: &Value, site: &Site<'_>) -> Result<ToolOutput, ToolFault> {
        self.tool.call(arguments, site).await
    }
}
