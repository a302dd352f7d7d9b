//! `write_file`: a whole file at once.

use async_trait::async_trait;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{Site, Tool, ToolFault, ToolOutput, arguments, boundary, object, spec, text_file};
use crate::domain::chat::ToolSpec;
use crate::workspace::boundary::Written;

pub(super) struct WriteFile;

#[derive(Deserialize)]
struct Arguments {
    path: String,
    content: String,
}

#[async_trait]
impl Tool for WriteFile {
    fn spec(&self) -> ToolSpec {
        spec(
            "write_file",
            "Create a file, or replace the whole content of one. Folders that are missing are made. To change a part of an \
             existing file use edit_file.",
            object(
                json!({
                    "path": { "type": "string", "description": "The file, relative to the root of the worktree." },
                    "content": { "type": "string", "description": "The whole content, with a line end at its end." },
                }),
                &["path", "content"],
            ),
        )
    }

    async fn call(&self, arguments: &Value, site: &Site<'_>) -> Result<ToolOutput, ToolFault> {
        let Arguments { path, content } = arguments::typed(arguments)?;
        let boundary = boundary(site.root)?;
        let path = boundary.path(&path)?;
        let done = match boundary.write(&path, content.as_bytes())? {
            Written::Created => "created",
            Written::Replaced => "overwritten",
        };
        let lines = text_file::lines_of(text_file::line_count(&content));
        Ok(ToolOutput::new(format!("`{path}` {done}: {lines}, {} bytes", content.len())))
    }
}
