//! `wfctl index`: what the code in a folder defines.

use std::path::PathBuf;

use serde_json::json;

use super::super::args;
use super::super::context::Context;
use super::super::error::Error;
use super::super::exit::Exit;
use super::super::table::{self, plain};
use super::super::terminal::{Tone, harmless, harmless_lines};
use crate::app::{CodeIndex, Definition};

/// The budget of a map that was asked for by a focus alone.
const MAP_TOKENS: usize = 1_024;

/// Brings the index up to date, and tells of it what was asked.
pub fn run(context: &Context, arguments: &args::Index) -> Result<Exit, Error> {
    let dir = arguments.dir.clone().unwrap_or_else(|| PathBuf::from("."));
    let failed = |source| Error::File { doing: "read the folder", path: dir.clone(), source };
    let index = context.app.code_index(&dir).map_err(failed)?;
    if let Some(name) = &arguments.symbol {
        return symbol(context, &index, name);
    }
    let wants_map = arguments.map.is_some() || !arguments.focus.is_empty();
    let map = wants_map.then(|| index.map(arguments.map.unwrap_or(MAP_TOKENS), &arguments.focus));
    if context.is_json {
        context.terminal.json(&json!({
            "v": 1, "type": "index", "languages": index.languages(), "parsed": index.parsed(), "cut": index.is_cut(),
            "left_out": index.left_out(), "map": map,
        }))?;
        return Ok(Exit::Done);
    }
    match map {
        // Data for a model, or a file: nothing else on stdout.
        Some(map) => context.terminal.raw(&harmless_lines(&map))?,
        None => counts(context, &index)?,
    }
    Ok(Exit::Done)
}

fn counts(context: &Context, index: &CodeIndex) -> Result<(), Error> {
    let languages = index.languages();
    if languages.is_empty() {
        context.terminal.note("no source files of a known language here");
    }
    let row = |it: &crate::app::LanguageCount| {
        let bytes = format!("{} KiB", it.bytes.div_ceil(1024));
        let cells = [format!("{} files", it.files), format!("{} symbols", it.symbols), bytes];
        let mut row = vec![(Tone::Bold, it.language.to_owned())];
        row.extend(cells.into_iter().map(plain));
        row
    };
    for line in table::lines(&context.terminal, &languages.iter().map(row).collect::<Vec<_>>()) {
        context.terminal.data(line)?;
    }
    for file in index.left_out() {
        context.terminal.note(format!("left out: {} ({})", harmless(&file.path), file.why));
    }
    if index.is_cut() {
        context.terminal.note("there are more source files than an index has; the others are left out");
    }
    Ok(())
}

fn symbol(context: &Context, index: &CodeIndex, name: &str) -> Result<Exit, Error> {
    let found = index.definitions(name);
    for definition in &found {
        if context.is_json {
            let mut line = json!({"v": 1, "type": "definition"});
            let told = serde_json::to_value(definition).map_err(|error| Error::Internal(error.to_string()))?;
            if let (Some(line), serde_json::Value::Object(told)) = (line.as_object_mut(), told) {
                line.extend(told);
            }
            context.terminal.json(&line)?;
        } else {
            tell(context, definition)?;
        }
    }
    if found.is_empty() {
        context.terminal.note(format!("nothing here defines `{}`", harmless(name)));
        return Ok(Exit::NotFound);
    }
    Ok(Exit::Done)
}

fn tell(context: &Context, definition: &Definition) -> Result<(), Error> {
    let Definition { path, symbol, references } = definition;
    let (first, last) = symbol.lines;
    let container = symbol.container.as_ref().map_or(String::new(), |it| format!(" in {it}"));
    let place = context.terminal.paint(Tone::Bold, format!("{}:{first}-{last}", harmless(path)));
    let what = format!("{}{} · {references} references", symbol.kind.name(), harmless(&container));
    context.terminal.data(format!("{place} {}", context.terminal.paint(Tone::Dim, what)))?;
    context.terminal.data(format!("  {}", harmless(&symbol.signature)))?;
    if !symbol.doc.is_empty() {
        context.terminal.data(format!("  {}", context.terminal.paint(Tone::Dim, harmless(&symbol.doc))))?;
    }
    Ok(())
}
