//! Small files of a face in the home, for this user alone: tokens, remembered requests.

use std::io;
use std::path::{Path, PathBuf};

use crate::domain::limits;
use crate::workspace::files;

/// A folder of such files, each whole or not there.
#[derive(Debug, Clone)]
pub struct PrivateFiles {
    folder: PathBuf,
}

impl PrivateFiles {
    pub(super) fn new(folder: PathBuf) -> Self {
        Self { folder }
    }

    /// Where they are.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The content of a file; `None` when it is not there.
    pub fn read(&self, name: &str) -> io::Result<Option<Vec<u8>>> {
        match files::read_plain(&self.folder.join(name), limits::SMALL_FILE_BYTES) {
            Ok(content) => Ok(Some(content)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Puts a file there, durably.
    pub fn write(&self, name: &str, content: &[u8]) -> io::Result<()> {
        files::private_dir(&self.folder)?;
        files::write_atomic(&self.folder.join(name), content)
    }

    /// Removes a file; one that is not there is no error.
    pub fn remove(&self, name: &str) -> io::Result<()> {
        files::remove_if_there(&self.folder.join(name))
    }

    /// The names of all files.
    pub fn names(&self) -> io::Result<Vec<String>> {
        let entries = match std::fs::read_dir(&self.folder) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(error),
        };
        let names = entries.map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned()));
        names.collect()
    }
}
