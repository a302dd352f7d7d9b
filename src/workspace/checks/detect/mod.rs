//! Which tool chains a tree has, by the files that they are known by. The same tree always gives the same checks: whether a
//! tool is there is found out by running it.

mod cargo;
mod go;
mod make;
mod node;
mod python;

#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};

use super::{Check, quoted};
use crate::domain::limits;
use crate::workspace::files;

/// Folders that hold other people's or built code.
const FOREIGN_FOLDERS: &[&str] =
    &["target", "node_modules", "vendor", "third_party", "dist", "build", "venv", "site-packages", "testdata"];

/// The checks of the tree at `root` and, for repositories that hold several projects, of the folders in it: one level
/// down, where the tool chain in the root does not already cover them.
pub fn detect(root: &Path) -> Vec<Check> {
    let here = Folder { path: root.to_owned() };
    let mut checks = in_folder(&here, None);
    for name in folders(root) {
        let below = Folder { path: root.join(&name) };
        let found = in_folder(&below, Some((&here, &name)));
        checks.extend(found.into_iter().map(|check| within(&name, check)));
    }
    checks
}

/// The names of the checks in `before` that nothing in `now` stands for. A folder's check is kept by the root's of the same name
/// (a workspace around it), and `make` by a tool chain that it would have called.
pub fn gone(before: &[Check], now: &[Check]) -> Vec<String> {
    let split = |check: &Check| match check.name.split_once(": ") {
        Some((folder, name)) => (folder.to_owned(), name.to_owned()),
        None => (String::new(), check.name.clone()),
    };
    let now: Vec<(String, String)> = now.iter().map(split).collect();
    let is_kept = |check: &&Check| {
        let (folder, name) = split(check);
        let by_make = name.starts_with("make ");
        now.iter().any(|(at, it)| (*at == folder || at.is_empty()) && (*it == name || by_make))
    };
    before.iter().filter(|check| !is_kept(check)).map(|check| check.name.clone()).collect()
}

/// The checks of one folder; `above` is the root it lies in, and its name there.
fn in_folder(folder: &Folder, above: Option<(&Folder, &str)>) -> Vec<Check> {
    let mut checks = Vec::new();
    if cargo::is_here(folder) && !above.is_some_and(|(root, name)| cargo::covers(root, name)) {
        checks.extend(cargo::checks(folder));
    }
    if node::is_here(folder) && !above.is_some_and(|(root, _)| node::covers(root)) {
        checks.extend(node::checks(folder));
    }
    let has_python = match above {
        None => python::is_here(folder),
        Some((root, _)) => python::is_project(folder) && !python::is_here(root),
    };
    if has_python {
        checks.extend(python::checks(folder));
    }
    if go::is_here(folder) {
        checks.extend(go::checks(folder));
    }
    // A Makefile beside one of these as a rule calls it; running both would say everything twice.
    if checks.is_empty() && !above.is_some_and(|(root, _)| make::is_here(root)) {
        checks.extend(make::checks(folder));
    }
    checks
}

fn within(name: &str, check: Check) -> Check {
    let command = match check.command.as_str() {
        "" => String::new(),
        command => format!("cd {} && {command}", quoted(name)),
    };
    // Names of tests are added at the end of the command, where they still belong to it.
    Check { name: format!("{name}: {}", check.name), command, ..check }
}

/// The folders of the tree that may be projects, by name.
fn folders(root: &Path) -> Vec<String> {
    let walk = ignore::WalkBuilder::new(root).max_depth(Some(1)).require_git(false).follow_links(false).build();
    let mut names: Vec<String> = walk
        .filter_map(Result::ok)
        .filter(|entry| entry.depth() == 1 && entry.file_type().is_some_and(|kind| kind.is_dir()))
        .filter_map(|entry| entry.file_name().to_str().map(str::to_owned))
        .filter(|name| !FOREIGN_FOLDERS.contains(&name.as_str()) && !name.starts_with('-'))
        .collect();
    names.sort();
    names.truncate(limits::CHECK_FOLDERS);
    names
}

/// A folder that is looked at.
struct Folder {
    path: PathBuf,
}

impl Folder {
    fn has(&self, name: &str) -> bool {
        self.path.join(name).exists()
    }

    fn has_any(&self, names: &[&str]) -> bool {
        names.iter().any(|name| self.has(name))
    }

    /// The text of a file of a sensible size; nothing when it cannot be read.
    fn text(&self, name: &str) -> Option<String> {
        let bytes = files::read_plain(&self.path.join(name), limits::SMALL_FILE_BYTES).ok()?;
        String::from_utf8(bytes).ok()
    }

    fn toml(&self, name: &str) -> Option<toml::Table> {
        self.text(name)?.parse().ok()
    }

    /// Whether a file here has a name that `is_it` knows.
    fn any_file(&self, is_it: impl Fn(&str) -> bool) -> bool {
        let Ok(entries) = std::fs::read_dir(&self.path) else { return false };
        entries.flatten().any(|entry| {
            entry.file_type().is_ok_and(|kind| kind.is_file()) && entry.file_name().to_str().is_some_and(&is_it)
        })
    }
}
