//! `move_file`: gives a file or a folder another place.

use async_trait::async_trait;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{Site, Tool, ToolFault, ToolOutput, arguments, boundary, object, spec};
use crate::domain::chat::ToolSpec;

pub(super) struct MoveFile;

#[derive(Deserialize)]
struct Arguments {
    from: String,
    to: String,
}

#[async_trait]
impl Tool for MoveFile {
    fn spec(&self) -> ToolSpec {
        spec(
            "move_file",
            "Move or rename a file or a folder. Nothing may exist at `to`; folders above it are made.",
            object(
                json!({
                    "from": { "type": "string", "description": "What to move, relative to the root of the worktree." },
                    "to": { "type": "string", "description": "Its new path, with its new name." },
                }),
                &["from", "to"],
            ),
        )
    }

    async fn call(&self, arguments: &Value, site: &Site<'_>) -> Result<ToolOutput, ToolFault> {
        let Arguments { from, to } = arguments::typed(arguments)?;
        let boundary = boundary(site.root)?;
        let (from, to) = (boundary.path(&from)?, boundary.path(&to)?);
        boundary.rename(&from, &to)?;
        Ok(ToolOutput::new(format!("`{from}` moved to `{to}`")))
    }
}
