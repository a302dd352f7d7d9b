//! Journals and artifacts as resources.

use std::sync::Arc;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use rmcp::ErrorData;
use rmcp::model::{
    ListResourceTemplatesResult, ListResourcesResult, MetaObject, ReadResourceResult, Resource, ResourceContents,
    ResourceTemplate,
};

use super::desk::{self, Room};
use super::page;
use super::parts::Parts;
use super::refusal::Trouble;
use super::uri::{ARTIFACT_TEMPLATE, JOURNAL_TEMPLATE, Place};
use crate::app::Need;
use crate::domain::ids::{ProjectId, Seq};
use crate::domain::payload::Payload;
use crate::domain::view::{RecordView, Summary};
use crate::interfaces::api::{Fault, FaultKind, Line};

/// The media type of a journal: a JSON object a line.
const JOURNAL_TYPE: &str = "application/x-ndjson";

/// The journals of all projects, the newest first.
pub async fn list(parts: &Arc<Parts>, cursor: Option<String>) -> Result<ListResourcesResult, ErrorData> {
    let found = desk::ask(parts, Need::Read, async |room: Room| Ok(room.home.find("").await?.0)).await;
    let mut projects = found.map_err(|refusal| refusal.to_error())?;
    projects.sort_by_key(|summary| (std::cmp::Reverse(summary.created), summary.id.clone()));
    let start = match &cursor {
        None => 0,
        Some(cursor) => {
            let at = projects.iter().position(|summary| summary.id.as_str() == cursor);
            at.ok_or_else(|| ErrorData::invalid_params(format!("`{cursor}` is no cursor of this server"), None))? + 1
        }
    };
    let (resources, more) = page::fill(projects[start..].iter().map(journal), usize::from(page::MOST_ITEMS));
    let next = start.checked_add(resources.len()).filter(|_| more).and_then(|end| projects.get(end - 1));
    let mut result = ListResourcesResult::with_all_items(resources);
    result.next_cursor = next.map(|summary| summary.id.to_string());
    Ok(result)
}

fn journal(summary: &Summary) -> Resource {
    Resource::new(Place::journal(&summary.id).to_string(), format!("{}/journal", summary.id))
        .with_title(format!("Journal of {}", summary.id))
        .with_description(format!("{} ({})", summary.workflow, summary.status))
        .with_mime_type(JOURNAL_TYPE)
}

/// How addresses are made.
pub fn templates() -> ListResourceTemplatesResult {
    ListResourceTemplatesResult::with_all_items(vec![
        ResourceTemplate::new(JOURNAL_TEMPLATE, "journal")
            .with_title("Journal")
            .with_description("The records of a project as JSON lines; `from` is the position of the first one wanted.")
            .with_mime_type(JOURNAL_TYPE),
        ResourceTemplate::new(ARTIFACT_TEMPLATE, "artifact")
            .with_title("Artifact")
            .with_description("What an agent kept; the tool `artifacts` lists them."),
    ])
}

/// What is at an address.
pub async fn read(parts: &Arc<Parts>, uri: String) -> Result<ReadResourceResult, ErrorData> {
    let place = Place::read(&uri).map_err(|problem| ErrorData::resource_not_found(problem, None))?;
    let contents = desk::ask(parts, Need::Read, move |room| contents(room, place.clone(), uri.clone())).await;
    Ok(ReadResourceResult::new(vec![contents.map_err(|refusal| refusal.to_error())?]))
}

async fn contents(room: Room, place: Place, uri: String) -> Result<ResourceContents, Trouble> {
    match place {
        Place::Journal { project, from } => records(&room, project, from, uri).await,
        Place::Artifact { project, task, name } => artifact(&room, project, task, name, uri).await,
    }
}

/// Records until the bound is reached; `_meta` of a piece has the address of the next one.
async fn records(room: &Room, id: ProjectId, from: Seq, uri: String) -> Result<ResourceContents, Trouble> {
    let narrate = (room.parts.narrate)(&room.home.show(&id).await?);
    let (mut text, mut at, mut next) = (String::new(), Seq(from.0.saturating_sub(1)), None);
    'pages: loop {
        let records = room.home.records(&id, at, false).await?;
        if records.is_empty() {
            break;
        }
        for record in records {
            let seq = record.seq;
            let task = narrate(&record).task;
            let line = serde_json::to_string(&Line::record(RecordView { task, ..record }))
                .map_err(|error| Fault::new(FaultKind::Defect, format!("record {seq} is not JSON: {error}")))?;
            if !text.is_empty() && text.len() + line.len() >= page::RESOURCE_BYTES {
                next = Some(seq);
                break 'pages;
            }
            text.push_str(&line);
            text.push('\n');
            at = seq;
        }
    }
    let contents = ResourceContents::text(text, uri).with_mime_type(JOURNAL_TYPE);
    let Some(from) = next else { return Ok(contents) };
    let mut meta = MetaObject::new();
    meta.insert("wfctl/next".to_owned(), Place::Journal { project: id, from }.to_string().into());
    Ok(contents.with_meta(meta))
}

async fn artifact(
    room: &Room,
    id: ProjectId,
    task: String,
    name: String,
    uri: String,
) -> Result<ResourceContents, Trouble> {
    let content = room.home.artifact(&id, Some(task), &name).await?.content;
    let Payload::Inline(bytes) = content else {
        return Err(Fault::new(FaultKind::Defect, "an artifact came without its content").of(&id).into());
    };
    if bytes.len() > page::RESOURCE_BYTES {
        let (have, most) = (bytes.len(), page::RESOURCE_BYTES);
        let message = format!("artifact `{name}` has {have} bytes, more than the {most} of one resource");
        let causes = vec!["the tool `artifacts` reads it piece by piece".to_owned()];
        return Err(Fault { causes, ..Fault::new(FaultKind::Limit, message).of(&id) }.into());
    }
    Ok(match std::str::from_utf8(&bytes) {
        Ok(text) => ResourceContents::text(text, uri).with_mime_type(text_type(&name, text)),
        Err(_) => {
            ResourceContents::blob(BASE64_STANDARD.encode(&bytes), uri).with_mime_type("application/octet-stream")
        }
    })
}

/// The media type of a text, by its name or by what it is.
fn text_type(name: &str, text: &str) -> &'static str {
    let is_json = || matches!(text.trim_start().as_bytes().first(), Some(b'{' | b'['));
    match name.rsplit_once('.') {
        Some((_, "json")) => "application/json",
        Some((_, "md")) => "text/markdown",
        None if is_json() && serde_json::from_str::<serde::de::IgnoredAny>(text).is_ok() => "application/json",
        Some(_) | None => "text/plain",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn media_types_follow_the_name_then_the_content() {
        assert_eq!(text_type("plan.json", "x"), "application/json");
        assert_eq!(text_type("notes.md", "# x"), "text/markdown");
        assert_eq!(text_type("plan", "{\"a\": 1}"), "application/json");
        assert_eq!(text_type("plan", "{not json"), "text/plain");
        assert_eq!(text_type("a.txt", "[1]"), "text/plain");
    }
}
