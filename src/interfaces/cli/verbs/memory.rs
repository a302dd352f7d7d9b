//! `wfctl memory`: what agents remember of a repository, for people.

use std::io::Read as _;
use std::path::{Path, PathBuf};

use serde::Serialize;
use serde_json::{Value, json};

use super::super::args::{self, MemoryFilter, MemoryWhat};
use super::super::context::Context;
use super::super::error::Error;
use super::super::exit::Exit;
use super::super::table::{self, plain};
use super::super::terminal::{Tone, harmless, harmless_lines};
use crate::app::{
    MemoryChunk, MemoryError, MemoryFilters, MemoryKind, MemoryMetadata, MemoryPlatform, MemoryStatus, Remembered,
};
use crate::domain::limits;

/// Does one of them.
pub async fn run(context: &Context, arguments: &args::Memory) -> Result<Exit, Error> {
    let dir = match &arguments.dir {
        Some(dir) => dir.clone(),
        None => std::env::current_dir()
            .map_err(|source| Error::System { doing: "find out the current folder".to_owned(), source })?,
    };
    match &arguments.what {
        MemoryWhat::List { filter, limit } => list(context, &dir, filter, *limit).await,
        MemoryWhat::Search { query, filter, top } => search(context, &dir, query, filter, *top).await,
        MemoryWhat::Show { id } => {
            let chunk = context.app.memory(&dir).get(id).await.map_err(failed)?;
            tell(context, &chunk, None).map(|()| Exit::Done)
        }
        MemoryWhat::Add { file, kind, source, task, version, platform, tags } => {
            let content = content(file)?;
            let source = source.clone().unwrap_or_else(|| file.display().to_string());
            let metadata = MemoryMetadata {
                task_id: task.clone(),
                version: version.clone(),
                platform: platform.as_deref().and_then(MemoryPlatform::named),
                tags: tags.clone(),
                ..MemoryMetadata::new(MemoryKind::named(kind).unwrap_or(MemoryKind::ApiDoc), source, context.app.now())
            };
            add(context, &dir, &content, metadata).await
        }
        MemoryWhat::Delete { ids } => {
            let memory = context.app.memory(&dir);
            for id in ids {
                memory.delete(id).await.map_err(failed)?;
                context.terminal.note(format!("deleted {}", harmless(id)));
            }
            Ok(Exit::Done)
        }
        MemoryWhat::Status { all: false } => {
            let status = context.app.memory(&dir).status().await.map_err(failed)?;
            status_of(context, &status).map(|()| Exit::Done)
        }
        MemoryWhat::Status { all: true } => everywhere(context).await,
    }
}

async fn list(context: &Context, dir: &Path, filter: &MemoryFilter, limit: usize) -> Result<Exit, Error> {
    let (chunks, all) = context.app.memory(dir).search_by_metadata(&filters(filter), limit).await.map_err(failed)?;
    if context.is_json {
        for chunk in &chunks {
            line(context, "memory_chunk", chunk)?;
        }
        return Ok(Exit::Done);
    }
    let row = |chunk: &MemoryChunk| {
        let first: String = chunk.content.lines().next().unwrap_or_default().chars().take(60).collect();
        let metadata = &chunk.metadata;
        let cells = [metadata.kind.name().to_owned(), metadata.timestamp.clone(), metadata.source.clone(), first];
        let mut row = vec![(Tone::Bold, chunk.id.clone())];
        row.extend(cells.iter().map(|cell| plain(harmless(cell))));
        row
    };
    for line in table::lines(&context.terminal, &chunks.iter().map(row).collect::<Vec<_>>()) {
        context.terminal.data(line)?;
    }
    match all {
        0 => context.terminal.note("nothing of that is remembered here; store something with: wfctl memory add FILE"),
        all if all > chunks.len() => context.terminal.note(format!("{} of {all}; see more with --limit", chunks.len())),
        _ => {}
    }
    Ok(Exit::Done)
}

async fn search(context: &Context, dir: &Path, query: &str, filter: &MemoryFilter, top: usize) -> Result<Exit, Error> {
    let found = context.app.memory(dir).retrieve(query, &filters(filter), top, None).await.map_err(failed)?;
    for hit in &found.hits {
        tell(context, &hit.chunk, Some(hit.score))?;
    }
    context.terminal.note(harmless(&found.ranked.to_string()));
    if found.hits.is_empty() {
        context.terminal.note("nothing of that is remembered here");
        return Ok(Exit::NotFound);
    }
    Ok(Exit::Done)
}

async fn add(context: &Context, dir: &Path, content: &str, metadata: MemoryMetadata) -> Result<Exit, Error> {
    let changed = context.app.remember(dir, content, metadata).await.map_err(failed)?;
    if context.is_json {
        line(context, "memory_stored", &changed)?;
    } else {
        for id in &changed.ids {
            context.terminal.data(id)?;
        }
    }
    if changed.known > 0 {
        context.terminal.note(format!("{} of {} chunks were there already", changed.known, changed.ids.len()));
    }
    Ok(Exit::Done)
}

async fn everywhere(context: &Context) -> Result<Exit, Error> {
    let all = context.app.all_memories();
    let all = all.map_err(|source| Error::System { doing: "list the memories of the home".to_owned(), source })?;
    for Remembered { place, folder } in &all {
        let status = context.app.memory_at(folder).status().await.map_err(failed)?;
        if context.is_json {
            line(context, "memory", &json!({ "place": place, "status": status }))?;
        } else {
            let place = if place.is_empty() { folder.display().to_string() } else { place.clone() };
            context.terminal.data(format!("{}  {} chunks", harmless(&place), status.chunks))?;
        }
    }
    if all.is_empty() {
        context.terminal.note("nothing is remembered yet");
    }
    Ok(Exit::Done)
}

fn status_of(context: &Context, status: &MemoryStatus) -> Result<(), Error> {
    if context.is_json {
        return line(context, "memory_status", status);
    }
    let kinds: Vec<String> = status.kinds.iter().map(|(kind, count)| format!("{count} {kind}")).collect();
    let searched = match &status.embeddings {
        Some(model) if status.store.is_some() => {
            format!("by vectors of {} alone; {} have one", harmless(model), status.vectors)
        }
        Some(model) => format!("by words (BM25) and by vectors of {}; {} have one", harmless(model), status.vectors),
        None => "by words alone (BM25): no embeddings are configured".to_owned(),
    };
    let of = if kinds.is_empty() { String::new() } else { format!(" ({})", kinds.join(", ")) };
    let rows = [
        ("chunks", format!("{}{of}", status.chunks)),
        ("searched", searched),
        match &status.store {
            Some(store) => ("kept in", harmless(store)),
            None => ("log", format!("{} bytes", status.bytes)),
        },
        (
            if status.store.is_some() { "noted in" } else { "kept in" },
            harmless(&status.folder.display().to_string()).to_string(),
        ),
    ];
    let rows: Vec<_> = rows.into_iter().map(|(name, text)| vec![(Tone::Bold, name.to_owned()), plain(text)]).collect();
    for line in table::lines(&context.terminal, &rows) {
        context.terminal.data(line)?;
    }
    if status.damaged > 0 {
        context.terminal.note(format!(
            "{} lines of its log cannot be read, from a crash or a damaged disk; all others are there",
            status.damaged
        ));
    }
    Ok(())
}

fn tell(context: &Context, chunk: &MemoryChunk, score: Option<f64>) -> Result<(), Error> {
    if context.is_json {
        let mut told = serde_json::to_value(chunk).map_err(|error| Error::Internal(error.to_string()))?;
        if let (Some(score), Some(told)) = (score, told.as_object_mut()) {
            told.insert("score".to_owned(), json!(score));
        }
        return line(context, "memory_chunk", &told);
    }
    let metadata = &chunk.metadata;
    let mut about = vec![metadata.kind.name().to_owned(), metadata.source.clone()];
    about.extend(metadata.task_id.iter().map(|task| format!("task {task}")));
    about.extend(metadata.version.iter().map(|version| format!("at {version}")));
    about.extend(metadata.platform.map(|platform| platform.name().to_owned()));
    about.extend(metadata.tags.iter().map(|tag| format!("#{tag}")));
    about.push(metadata.timestamp.clone());
    let id = context.terminal.paint(Tone::Bold, &chunk.id);
    let about = context.terminal.paint(Tone::Dim, harmless(&about.join(" · ")));
    context.terminal.data(format!("{id} {about}"))?;
    context.terminal.data(harmless_lines(&chunk.content))?;
    context.terminal.data("")?;
    Ok(())
}

/// One object of the JSON stream.
fn line(context: &Context, kind: &str, value: &impl Serialize) -> Result<(), Error> {
    let mut line = json!({ "v": 1, "type": kind });
    let told = serde_json::to_value(value).map_err(|error| Error::Internal(error.to_string()))?;
    if let (Some(line), Value::Object(told)) = (line.as_object_mut(), told) {
        line.extend(told);
    }
    context.terminal.json(&line)
}

fn filters(filter: &MemoryFilter) -> MemoryFilters {
    MemoryFilters {
        kind: filter.kind.as_deref().and_then(MemoryKind::named),
        source: filter.source.clone(),
        task_id: filter.task.clone(),
        version: filter.version.clone(),
        platform: filter.platform.as_deref().and_then(MemoryPlatform::named),
        tags: filter.tags.clone(),
        since: None,
    }
}

fn content(file: &PathBuf) -> Result<String, Error> {
    let most = limits::MEMORY_CONTENT_BYTES as u64 + 1;
    let mut text = String::new();
    let read = match file.as_os_str() == "-" {
        true => std::io::stdin().lock().take(most).read_to_string(&mut text),
        false => std::fs::File::open(file).and_then(|file| file.take(most).read_to_string(&mut text)),
    };
    match read {
        Ok(_) => Ok(text),
        Err(source) => Err(Error::File { doing: "read", path: file.clone(), source }),
    }
}

fn failed(error: MemoryError) -> Error {
    match error {
        MemoryError::Io { folder, source } => {
            Error::System { doing: format!("use the memory in {}", folder.display()), source }
        }
        MemoryError::Away { place, why } => {
            Error::System { doing: format!("use the memory in {place}"), source: std::io::Error::other(why) }
        }
        MemoryError::NoVector { place, failure } => Error::System {
            doing: format!("use the memory in {place}, which needs vectors"),
            source: std::io::Error::other(failure.message),
        },
        MemoryError::Refused(_) | MemoryError::NoChunk(_) => Error::Usage {
            message: error.to_string(),
            hint: "See what is there with `wfctl memory list`, and what can be typed with `wfctl help memory`."
                .to_owned(),
        },
    }
}
