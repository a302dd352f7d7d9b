//! The server `memory`: the repository's memory under the names that other systems have for it.

use std::fmt::Write as _;

use serde::Deserialize;
use serde_json::{Value, json};

use super::super::memory::{self, Given};
use super::super::{Site, ToolFault, ToolOutput, arguments, object};
use super::Served;
use crate::agents::memory::{Error, Filters};
use crate::domain::limits;
use crate::domain::workflow::EffectClass;

/// The tools.
pub(super) const TOOLS: [Served; 4] = [
    Served {
        server: "memory",
        name: "store_knowledge",
        about: "Store a text with what is known of it in the repository's memory. The same text of the same source is stored once.",
        effect: EffectClass::Idempotent,
        parameters: memory::store_schema,
        work: |arguments, site| Box::pin(memory::store(arguments, site)),
    },
    Served {
        server: "memory",
        name: "retrieve_context",
        about: "Find the chunks of the repository's memory that fit a query best, and read them.",
        effect: EffectClass::Idempotent,
        parameters: memory::search_schema,
        work: |arguments, site| Box::pin(memory::search(arguments, site)),
    },
    Served {
        server: "memory",
        name: "update_memory",
        about: "Give a chunk of memory another content or other metadata, or take it away with `delete`. Ids are told by \
                retrieve_context and search_knowledge.",
        effect: EffectClass::Idempotent,
        parameters: || {
            let mut fields = memory::described();
            fields.insert("id".to_owned(), json!({ "type": "string", "minLength": 1, "maxLength": 64 }));
            fields.insert(
                "content".to_owned(),
                json!({ "type": "string", "minLength": 1, "description": "The new content, of one chunk's length." }),
            );
            fields.insert("delete".to_owned(), json!({ "type": "boolean", "description": "Take the chunk away." }));
            object(Value::Object(fields), &["id"])
        },
        work: |arguments, site| Box::pin(update(arguments, site)),
    },
    Served {
        server: "memory",
        name: "search_knowledge",
        about: "List chunks of the repository's memory by their metadata, newest first, each with the beginning of its content.",
        effect: EffectClass::Idempotent,
        parameters: || {
            let most = json!({ "type": "integer", "minimum": 1, "maximum": limits::MEMORY_HITS, "description": "Most chunks; 20 when left out." });
            object(json!({ "filters": memory::filters(), "limit": most }), &[])
        },
        work: |arguments, site| Box::pin(list(arguments, site)),
    },
];

/// Chunks that a listing shows when no number is given.
const LISTED: usize = 20;

#[derive(Deserialize)]
struct Update {
    id: String,
    content: Option<String>,
    #[serde(default)]
    delete: bool,
    #[serde(flatten)]
    given: Given,
}

#[derive(Deserialize)]
struct List {
    #[serde(default)]
    filters: Filters,
    limit: Option<usize>,
}

async fn update(arguments: &Value, site: &Site<'_>) -> Result<ToolOutput, ToolFault> {
    let Update { id, content, delete, given } = arguments::typed(arguments)?;
    let world = site.beyond.world()?;
    let (memory, vectors) = memory::opened(site)?;
    if delete {
        let told = match memory.delete(&id).await {
            Ok(()) => format!("deleted {id}"),
            Err(Error::NoChunk(id)) => format!("there is no chunk {id} (any more)"),
            Err(error) => return Err(memory::fault(error)),
        };
        return Ok(ToolOutput::new(told));
    }
    let known = memory.get(&id).await.map_err(memory::fault)?;
    let content = content.map_or(known.content, world.mask);
    let metadata = Some(given.over(known.metadata));
    let changed = memory.update(&id, &content, metadata, vectors).await.map_err(memory::fault)?;
    let told = if changed.known > 0 { format!("{id} is just so already") } else { format!("updated {id}") };
    Ok(ToolOutput::new(told))
}

async fn list(arguments: &Value, site: &Site<'_>) -> Result<ToolOutput, ToolFault> {
    let List { filters, limit } = arguments::typed(arguments)?;
    let (memory, _) = memory::opened(site)?;
    let most = limit.unwrap_or(LISTED);
    let (chunks, all) = memory.search_by_metadata(&filters, most).await.map_err(memory::fault)?;
    let mut out = String::new();
    for chunk in &chunks {
        let first: String =
            chunk.content.lines().next().unwrap_or_default().chars().take(limits::MESSAGE_CHARS).collect();
        // Writing to a string does not fail.
        let _ = writeln!(out, "{}\n  {first}", memory::line(chunk));
    }
    Ok(ToolOutput::new(format!("{} of {all} chunks\n{out}", chunks.len())))
}
