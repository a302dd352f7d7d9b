//! `list_files`: the names of one folder.

use std::fmt::Write as _;

use async_trait::async_trait;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{Site, Tool, ToolFault, ToolOutput, arguments, object, reading, spec};
use crate::domain::chat::ToolSpec;
use crate::domain::workflow::EffectClass;
use crate::workspace::boundary::{Kind, Listing};

pub(super) struct ListFiles;

#[derive(Deserialize)]
struct Arguments {
    path: Option<String>,
}

#[async_trait]
impl Tool for ListFiles {
    fn spec(&self) -> ToolSpec {
        spec(
            "list_files",
            "List what is directly in one folder, ignored files included: folders first (with a `/`), then files with their \
             sizes. Use tree for several levels at once.",
            object(
                json!({ "path": { "type": "string", "description": "The folder; the root of the worktree when left out." } }),
                &[],
            ),
        )
    }

    fn effect(&self) -> EffectClass {
        EffectClass::Pure
    }

    async fn call(&self, arguments: &Value, site: &Site<'_>) -> Result<ToolOutput, ToolFault> {
        let Arguments { path } = arguments::typed(arguments)?;
        reading(site, move |boundary| {
            let path = boundary.path(path.as_deref().unwrap_or("."))?;
            Ok(shown(&path.to_string(), &boundary.list(&path)?))
        })
        .await
        .map(ToolOutput::new)
    }
}

fn shown(path: &str, listing: &Listing) -> String {
    if listing.entries.is_empty() {
        return format!("(`{path}` is empty)\n");
    }
    let mut out = String::new();
    for entry in &listing.entries {
        let line = match entry.kind {
            Kind::Folder => format!("{}/", entry.name),
            Kind::File => format!("{} ({} bytes)", entry.name, entry.bytes),
            Kind::Link => format!("{} (symbolic link, not followed)", entry.name),
            Kind::Special => format!("{} (not a regular file)", entry.name),
        };
        writeln!(out, "{line}").expect("writing to a string does not fail");
    }
    if listing.left_out > 0 {
        writeln!(out, "({} more are left out)", listing.left_out).expect("writing to a string does not fail");
    }
    out
}
