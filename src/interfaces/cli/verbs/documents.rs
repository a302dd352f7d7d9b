//! `wfctl validate --type`: files of people or other programs against the schemas of what agents answer with.

use std::path::{Path, PathBuf};

use serde_json::Value;

use super::super::context::Context;
use super::super::error::Error;
use super::super::exit::Exit;
use super::super::terminal::{Tone, harmless};
use super::super::workflows;
use crate::app::DocumentKind;
use crate::domain::workflow::read_data;

/// Checks every file, also after one that is not valid.
pub fn validate(context: &Context, kind: DocumentKind, files: &[String]) -> Result<Exit, Error> {
    let terminal = &context.terminal;
    let mut worst = Exit::Done;
    for file in files {
        match check(kind, file) {
            Ok(()) if context.is_json => {
                terminal.json(&serde_json::json!({"v": 1, "type": "valid", "file": file, "document": kind.name}))?;
            }
            Ok(()) => {
                let good = terminal.paint(Tone::Good, "valid");
                terminal.data(format!("{}: {good}, {}", harmless(file), kind.name))?;
            }
            Err(error) => {
                let exit = terminal.report(&error, context.is_json);
                worst = if worst == Exit::Done { exit } else { worst };
            }
        }
    }
    Ok(worst)
}

fn check(kind: DocumentKind, file: &str) -> Result<(), Error> {
    let path = PathBuf::from(file);
    let bytes = workflows::read(&path).map_err(|source| Error::File { doing: "read", path: path.clone(), source })?;
    let faults = match value(&path, &bytes) {
        Ok(document) => kind.check(document).err(),
        Err(problem) => Some(vec![problem]),
    };
    match faults {
        None => Ok(()),
        Some(faults) => Err(Error::Document { path, kind: kind.name, faults }),
    }
}

/// The file's value: JSON by its name or its first character, else YAML.
fn value(path: &Path, bytes: &[u8]) -> Result<Value, String> {
    let text = std::str::from_utf8(bytes).map_err(|error| format!("it is not UTF-8 text: {error}"))?;
    let is_json = path.extension().is_some_and(|it| it == "json") || text.trim_start().starts_with('{');
    match is_json {
        true => serde_json::from_str(text).map_err(|error| format!("it is not JSON: {error}")),
        false => read_data(&path.display().to_string(), text).map_err(|problems| problems.to_string()),
    }
}
