//! From a name or a path to a checked workflow.

use std::cell::RefCell;
use std::path::{Path, PathBuf};

use super::error::Error;
use super::terminal::{Terminal, Tone, harmless};
use crate::app::git_root;
use crate::domain::limits;
use crate::domain::workflow::{self, Definition, Loader, Outside, did_you_mean};

/// The workflows that are compiled in.
pub const SHIPPED: &[(&str, &str)] = &[
    ("sdlc", include_str!("../../../workflows/sdlc.yaml")),
    ("contract-first", include_str!("../../../workflows/contract-first.yaml")),
    ("strategy", include_str!("../../../workflows/strategy.yaml")),
    ("autonomous-app", include_str!("../../../workflows/autonomous-app.yaml")),
    ("self-driving", include_str!("../../../workflows/self-driving.yaml")),
    ("hierarchical", include_str!("../../../workflows/hierarchical.yaml")),
    ("release", include_str!("../../../workflows/release.yaml")),
    ("ci", include_str!("../../../workflows/ci.yaml")),
    ("nightly-data", include_str!("../../../workflows/nightly-data.yaml")),
];

/// A workflow that was read and is valid.
pub struct Found {
    /// The definition.
    pub definition: Definition,
    /// Its file; `None` for a shipped one.
    pub path: Option<PathBuf>,
    /// Every file that it was read from, children included, without those that have the very content of a shipped one.
    pub files: Vec<Source>,
}

/// A file that a workflow was read from.
pub struct Source {
    /// Where it is.
    pub path: PathBuf,
    /// What was read.
    pub bytes: Vec<u8>,
}

/// Finds, reads and checks a workflow. Warnings go to the terminal.
pub fn load(terminal: &Terminal, name: &str) -> Result<Found, Error> {
    let located = locate(name)?;
    tell_shadow(terminal, name, located.2.as_deref());
    found(terminal, located, None)
}

/// The same for tasks that are added to a project.
pub fn load_beside(terminal: &Terminal, name: &str, outside: &Outside) -> Result<Found, Error> {
    let located = locate(name)?;
    tell_shadow(terminal, name, located.2.as_deref());
    found(terminal, located, Some(outside))
}

/// A shipped workflow, whatever files of its name there are.
pub fn load_shipped(terminal: &Terminal, name: &str) -> Result<Found, Error> {
    let none = || Error::NoWorkflow { name: name.to_owned(), hint: hint(name, "") };
    let text = shipped(name).ok_or_else(none)?;
    found(terminal, (format!("<shipped>/{name}.yaml"), text.as_bytes().to_vec(), None), None)
}

fn found(terminal: &Terminal, located: Located, outside: Option<&Outside>) -> Result<Found, Error> {
    let (origin, bytes, path) = located;
    let files = Files { terminal, read: RefCell::default() };
    files.note(path.as_deref(), &bytes);
    let read = match outside {
        Some(outside) => workflow::read_beside(&bytes, &origin, &files, outside),
        None => workflow::read(&bytes, &origin, &files),
    };
    let (definition, warnings) = read.map_err(Error::Workflow)?;
    for warning in warnings {
        terminal.note(terminal.paint_note(Tone::Warn, warning.to_string().trim_end()));
    }
    Ok(Found { definition, path, files: files.read.into_inner() })
}

/// Says so when a file takes the place of a shipped workflow: a repository may bring one that does something else.
fn tell_shadow(terminal: &Terminal, name: &str, path: Option<&Path>) {
    if let Some(path) = path
        && !is_path(name)
        && shipped(name).is_some()
    {
        let text = format!("{name} is not the shipped workflow here, but {}", harmless(&path.display().to_string()));
        terminal.note(terminal.paint_note(Tone::Warn, text));
    }
}

/// Whether `name` is a workflow at all.
pub fn exists(name: &str) -> bool {
    is_path(name) && Path::new(name).exists()
        || candidates(name).iter().any(|path| path.is_file())
        || shipped(name).is_some()
}

/// Reads and checks a workflow whose text is at hand, and tells which files were read for it. `origin` is what paths of children are
/// relative to.
pub fn check(
    terminal: &Terminal,
    origin: &str,
    text: &[u8],
    path: Option<&Path>,
) -> Result<(Definition, Vec<Source>), Error> {
    let files = Files { terminal, read: RefCell::default() };
    files.note(path, text);
    let (definition, _) = workflow::read(text, origin, &files).map_err(Error::Workflow)?;
    Ok((definition, files.read.into_inner()))
}

/// The name for messages, the bytes and the file of a workflow.
type Located = (String, Vec<u8>, Option<PathBuf>);

fn locate(name: &str) -> Result<Located, Error> {
    let path = PathBuf::from(name);
    if is_path(name) || path.is_file() {
        let bytes = read(&path).map_err(|source| match source.kind() {
            std::io::ErrorKind::NotFound => {
                Error::NoWorkflow { name: name.to_owned(), hint: hint(name, "No file has this path.") }
            }
            _ => Error::File { doing: "read", path: path.clone(), source },
        })?;
        let whole = std::path::absolute(&path).unwrap_or_else(|_| path.clone());
        return Ok((name.to_owned(), bytes, Some(whole)));
    }
    for path in candidates(name) {
        if path.is_file() {
            let bytes = read(&path).map_err(|source| Error::File { doing: "read", path: path.clone(), source })?;
            return Ok((path.display().to_string(), bytes, Some(path)));
        }
    }
    match shipped(name) {
        Some(text) => Ok((format!("<shipped>/{name}.yaml"), text.as_bytes().to_vec(), None)),
        None => Err(Error::NoWorkflow { name: name.to_owned(), hint: hint(name, "") }),
    }
}

fn hint(name: &str, first: &str) -> String {
    let known = names();
    let near = did_you_mean(name, known.iter().map(String::as_str))
        .unwrap_or_else(|| format!("There are {}; `wfctl init` writes an example.", known.join(", ")));
    format!("{first} {near}").trim().to_owned()
}

/// The workflow files around here.
pub fn files_here() -> Vec<PathBuf> {
    let mut files = Vec::new();
    for folder in folders() {
        let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
        let yaml = |path: &PathBuf| path.extension().is_some_and(|it| it == "yaml" || it == "yml");
        files.extend(entries.map(|entry| entry.path()).filter(|path| yaml(path) && path.is_file()));
    }
    files.sort();
    files
}

/// The names that can be typed here.
fn names() -> Vec<String> {
    let mut names: Vec<String> = SHIPPED.iter().map(|(name, _)| (*name).to_owned()).collect();
    for folder in folders() {
        for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
            let path = entry.path();
            if path.extension().is_some_and(|it| it == "yaml" || it == "yml") {
                names.extend(path.file_stem().map(|name| name.to_string_lossy().into_owned()));
            }
        }
    }
    names.sort();
    names.dedup();
    names
}

fn is_path(name: &str) -> bool {
    name.contains('/') || name.ends_with(".yaml") || name.ends_with(".yml")
}

/// The text of a shipped workflow.
pub fn shipped(name: &str) -> Option<&'static str> {
    SHIPPED.iter().find(|(known, _)| *known == name).map(|(_, text)| *text)
}

fn folders() -> Vec<PathBuf> {
    let here = std::env::current_dir().unwrap_or_default();
    let root = git_root(&here);
    let mut folders = Vec::new();
    for base in [Some(here), root].into_iter().flatten() {
        for folder in ["workflows", ".wfctl/workflows"] {
            let folder = base.join(folder);
            if !folders.contains(&folder) {
                folders.push(folder);
            }
        }
    }
    folders
}

fn candidates(name: &str) -> Vec<PathBuf> {
    let files = |folder: PathBuf| [folder.join(format!("{name}.yaml")), folder.join(format!("{name}.yml"))];
    folders().into_iter().flat_map(files).collect()
}

/// At most one byte more than a workflow may have, so that a huge file is refused and not read.
pub fn read(path: &Path) -> std::io::Result<Vec<u8>> {
    use std::io::Read as _;
    if path.is_dir() {
        return Err(std::io::ErrorKind::IsADirectory.into());
    }
    let mut bytes = Vec::new();
    std::fs::File::open(path)?.take(limits::WORKFLOW_FILE_BYTES as u64 + 1).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// Reads child workflows: paths relative to the file that names them, names as everywhere. Remembers what was read.
struct Files<'t> {
    terminal: &'t Terminal,
    read: RefCell<Vec<Source>>,
}

impl Files<'_> {
    fn note(&self, path: Option<&Path>, bytes: &[u8]) {
        let is_shipped = SHIPPED.iter().any(|(_, text)| text.as_bytes() == bytes);
        if let Some(path) = path.filter(|_| !is_shipped) {
            self.read.borrow_mut().push(Source { path: path.to_owned(), bytes: bytes.to_vec() });
        }
    }
}

impl Loader for Files<'_> {
    fn load(&self, name: &str, from: &str) -> Result<(String, Vec<u8>), String> {
        if is_path(name) {
            let path = Path::new(from).parent().unwrap_or(Path::new("")).join(name);
            // A pipe would be waited for; only a person may name one.
            if path.metadata().is_ok_and(|found| !found.is_file() && !found.is_dir()) {
                return Err("it is no regular file".to_owned());
            }
            return match read(&path) {
                Ok(bytes) => {
                    self.note(Some(&path), &bytes);
                    Ok((path.display().to_string(), bytes))
                }
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => Err("no such file".to_owned()),
                Err(error) => Err(error.to_string().to_lowercase()),
            };
        }
        match locate(name) {
            Ok((origin, bytes, path)) => {
                tell_shadow(self.terminal, name, path.as_deref());
                self.note(path.as_deref(), &bytes);
                Ok((origin, bytes))
            }
            Err(error) => Err(error.to_string()),
        }
    }
}
