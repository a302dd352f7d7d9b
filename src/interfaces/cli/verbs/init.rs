//! `wfctl init`: an example to begin with.

use std::io::Write as _;

use super::super::args;
use super::super::context::Context;
use super::super::error::Error;
use super::super::exit::Exit;
use crate::app::is_in_repository;

const EXAMPLE: &str = include_str!("example.yaml");

/// Writes the example; never over something.
pub fn run(context: &Context, arguments: &args::Init) -> Result<Exit, Error> {
    let path = &arguments.file;
    let refused = |source| Error::File { doing: "write", path: path.clone(), source };
    if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        std::fs::create_dir_all(folder).map_err(refused)?;
    }
    let file = std::fs::OpenOptions::new().write(true).create_new(true).open(path);
    let mut file = file.map_err(|source| match source.kind() {
        std::io::ErrorKind::AlreadyExists => Error::Exists(path.clone()),
        _ => refused(source),
    })?;
    file.write_all(EXAMPLE.as_bytes()).map_err(refused)?;
    // What it wrote itself needs nobody's agreement; outside a repository nothing does.
    if is_in_repository(path) {
        context.app.trust().record(&[(path, EXAMPLE.as_bytes())])?;
    }
    let shown = path.display();
    context.terminal.note(format!("wrote {shown}; start it with: wfctl run {shown}"));
    Ok(Exit::Done)
}
