//! A path as a model writes it, taken apart: only plain names below the root are left. Pure.

use std::ffi::OsStr;
use std::fmt;
use std::io;
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;

use super::Error;
use crate::domain::limits;
use crate::workspace::excerpt::harmless;
use crate::workspace::git::means_git;

/// The name under which git keeps what is its own, a folder or, in a worktree, a file.
pub(super) const REPOSITORY: &str = ".git";

/// The settings of a repository for wfctl.
const SETTINGS: &str = ".wfctl.toml";
/// The folder of a repository for wfctl.
const FOLDER: &str = ".wfctl";
/// What in that folder agents leave behind.
const KEPT: &str = "artifacts";

/// A path relative to the root: names, none of them `.`, `..`, empty or `.git`. The root has none.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RelPath {
    names: Vec<String>,
}

impl RelPath {
    /// The root.
    pub fn root() -> Self {
        Self { names: Vec::new() }
    }

    /// Takes `text` apart. `place` is where the root really is; it only serves the hint when an absolute path was given.
    pub fn parse(text: &str, place: &Path) -> Result<Self, Error> {
        let outside = |why: String| Error::Outside { path: shown(text), why };
        if text.len() > limits::TOOL_PATH_BYTES {
            return Err(outside(format!("it has {} bytes, more than {}", text.len(), limits::TOOL_PATH_BYTES)));
        }
        if text.contains('\0') {
            return Err(outside("it holds a NUL byte".to_owned()));
        }
        if text.starts_with('/') {
            let hint = match Path::new(text).strip_prefix(place) {
                Ok(inside) if inside.as_os_str().is_empty() => "; give `.`".to_owned(),
                Ok(inside) => format!("; give `{}`", inside.display()),
                Err(_) => String::new(),
            };
            return Err(outside(format!("it is absolute, and paths are relative to the root of the worktree{hint}")));
        }
        let mut names = Vec::new();
        for name in text.split('/') {
            match name {
                "" | "." => {}
                ".." => return Err(outside("`..` is not allowed".to_owned())),
                name if is_repository(OsStr::new(name)) => return Err(Error::Protected(shown(text))),
                name => names.push(name.to_owned()),
            }
        }
        Ok(Self { names })
    }

    /// The names from the root on.
    pub fn names(&self) -> &[String] {
        &self.names
    }

    /// Whether it is the root.
    pub fn is_root(&self) -> bool {
        self.names.is_empty()
    }

    /// Whether it is what wfctl obeys in a repository: its settings, roles, workflows and standing instructions, which a person
    /// has to agree to. What agents keep beside their work is not.
    pub(super) fn is_obeyed(&self) -> bool {
        let is = |at: usize, name: &str| self.names.get(at).is_some_and(|it| it.eq_ignore_ascii_case(name));
        is(0, SETTINGS) || is(0, FOLDER) && !is(1, KEPT)
    }

    /// The folder's names and the last one; `None` for the root.
    pub(super) fn split(&self) -> Option<(&[String], &OsStr)> {
        self.names.split_last().map(|(name, parents)| (parents, OsStr::new(name.as_str())))
    }

    /// What an error of the file system means for this path.
    pub(super) fn error(&self, source: io::Error) -> Error {
        self.error_at(self.names.len().saturating_sub(1), source)
    }

    /// As [`RelPath::error`], for the name at `depth`.
    pub(super) fn error_at(&self, depth: usize, source: io::Error) -> Error {
        let upto = self.names.len().min(depth + 1);
        let at = || shown(&self.names[..upto].join("/"));
        match source.kind() {
            io::ErrorKind::NotFound => Error::NotFound(self.to_string()),
            io::ErrorKind::NotADirectory => Error::NotFolder(at()),
            io::ErrorKind::IsADirectory => Error::IsFolder(at()),
            io::ErrorKind::AlreadyExists => Error::Exists(at()),
            _ if source.raw_os_error() == Some(rustix::io::Errno::LOOP.raw_os_error()) => {
                Error::Link { path: self.to_string(), at: at() }
            }
            _ => Error::Io { path: self.to_string(), source },
        }
    }
}

impl fmt::Display for RelPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.names.is_empty() { f.write_str(".") } else { f.write_str(&shown(&self.names.join("/"))) }
    }
}

/// Whether a name is git's own, or may be taken for it by a file system that the files get to.
pub(super) fn is_repository(name: &OsStr) -> bool {
    means_git(name.as_bytes())
}

/// A name of the file system for people: bytes that are no UTF-8 and control characters as `\x..`.
pub fn escaped(name: &OsStr) -> String {
    use std::fmt::Write as _;
    let mut out = String::new();
    for chunk in name.as_bytes().utf8_chunks() {
        for c in chunk.valid().chars() {
            if c.is_control() { out.extend(c.escape_default()) } else { out.push(c) }
        }
        for byte in chunk.invalid() {
            write!(out, "\\x{byte:02x}").expect("writing to a string does not fail");
        }
    }
    out
}

/// A text of a model for a message: short, and nothing in it that a terminal obeys.
fn shown(text: &str) -> String {
    const CHARS: usize = 200;
    let harmless = harmless(text).replace('\n', "·");
    match harmless.char_indices().nth(CHARS) {
        None => harmless,
        Some((at, _)) => format!("{}…", &harmless[..at]),
    }
}
