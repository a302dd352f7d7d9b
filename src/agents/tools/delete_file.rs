//! `delete_file`: removes one file.

use async_trait::async_trait;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{Site, Tool, ToolFault, ToolOutput, arguments, boundary, object, spec};
use crate::domain::chat::ToolSpec;

pub(super) struct DeleteFile;

#[derive(Deserialize)]
struct Arguments {
    path: String,
}

#[async_trait]
impl Tool for DeleteFile {
    fn spec(&self) -> ToolSpec {
        spec(
            "delete_file",
            "Delete one file. Folders are not deleted; git does not keep empty ones.",
            object(
                json!({ "path": { "type": "string", "description": "The file, relative to the root of the worktree." } }),
                &["path"],
            ),
        )
    }

    async fn call(&self, arguments: &Value, site: &Site<'_>) -> Result<ToolOutput, ToolFault> {
        let Arguments { path } = arguments::typed(arguments)?;
        let boundary = boundary(site.root)?;
        let path = boundary.path(&path)?;
        boundary.delete_file(&path)?;
        Ok(ToolOutput::new(format!("`{path}` deleted")))
    }
}
