//! The memories of a home: one for each repository, or for a folder that is in none. Worktrees of a repository share it.

use std::collections::HashMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use super::qdrant::{Qdrant, Server};
use super::store::Memory;
use super::vectors::Embedder;
use crate::domain::ids::Digest;
use crate::domain::limits;
use crate::workspace::{files, git};

/// Says whose memory a folder holds, for people.
const PLACE: &str = "place";

/// The memories of a home. What is known of each is in a folder of its own; the chunks are there as well, or in a Qdrant server.
pub struct Memories {
    folder: PathBuf,
    embedder: Option<Arc<dyn Embedder>>,
    /// Where chunks are kept instead, with what makes their vectors.
    elsewhere: Option<(Arc<Server>, Arc<dyn Embedder>)>,
    open: Mutex<HashMap<PathBuf, Memory>>,
}

/// A memory that is there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Remembered {
    /// The repository or folder that it belongs to; empty when nobody wrote that down.
    pub place: String,
    /// Where it is kept.
    pub folder: PathBuf,
}

impl Memories {
    /// Below `folder`, which is made when something is first stored.
    pub fn new(folder: &Path, embedder: Option<Arc<dyn Embedder>>) -> Self {
        Self { folder: folder.to_owned(), embedder, elsewhere: None, open: Mutex::default() }
    }

    /// In `server`, which has nothing without a vector; below `folder` is what is known of them.
    pub fn in_server(folder: &Path, server: Server, embedder: Arc<dyn Embedder>) -> Self {
        let elsewhere = Some((Arc::new(server), embedder.clone()));
        Self { folder: folder.to_owned(), embedder: Some(embedder), elsewhere, open: Mutex::default() }
    }

    /// The memory of the repository that `dir` is in. Blocks.
    pub fn of(&self, dir: &Path) -> Memory {
        let place = git::common_dir(dir).unwrap_or_else(|| dir.to_owned());
        let place = place.canonicalize().unwrap_or(place);
        let name = Digest::of(place.as_os_str().as_encoded_bytes()).to_hex();
        self.at(&self.folder.join(&name[..32]))
    }

    /// The memory of one of the folders that [`Memories::all`] names.
    pub fn at(&self, folder: &Path) -> Memory {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        let made = || match &self.elsewhere {
            None => Memory::new(folder, self.embedder.clone()),
            Some((server, embedder)) => {
                let name = folder.file_name().unwrap_or_default().to_string_lossy().into_owned();
                Memory::elsewhere(folder, Qdrant::new(server.clone(), name, embedder.clone()))
            }
        };
        open.entry(folder.to_owned()).or_insert_with(made).clone()
    }

    /// Writes down whose memory it is; called before something is stored in it. Blocks.
    pub fn note(&self, dir: &Path) -> io::Result<()> {
        let memory = self.of(dir);
        let note = memory.folder().join(PLACE);
        if note.exists() {
            return Ok(());
        }
        let place = git::common_dir(dir).unwrap_or_else(|| dir.to_owned());
        let place = place.canonicalize().unwrap_or(place);
        files::private_dir(memory.folder())?;
        files::write_atomic(&note, place.as_os_str().as_encoded_bytes())
    }

    /// All memories that are there, by place. Blocks.
    pub fn all(&self) -> io::Result<Vec<Remembered>> {
        let entries = match std::fs::read_dir(&self.folder) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(error),
        };
        let mut all = Vec::new();
        for entry in entries {
            let folder = entry?.path();
            if folder.is_dir() {
                let place = files::read_plain(&folder.join(PLACE), limits::SMALL_FILE_BYTES).unwrap_or_default();
                all.push(Remembered { place: String::from_utf8_lossy(&place).into_owned(), folder });
            }
        }
        all.sort_by(|a, b| a.place.cmp(&b.place));
        Ok(all)
    }
}
