//! What agents remember, for the engine and for people: the memories below the home, with the vectors that the person configured.

use std::io;
use std::path::Path;
use std::sync::Arc;

use async_trait::async_trait;

use super::{App, models};
pub use crate::agents::memory::{
    Changed as MemoryChanged, Chunk as MemoryChunk, Error as MemoryError, Filters as MemoryFilters,
    Found as MemoryFound, Kind as MemoryKind, Memory, Metadata as MemoryMetadata, Platform as MemoryPlatform,
    Remembered, Status as MemoryStatus,
};
use crate::agents::memory::{Embedder, Memories};
use crate::domain::failure::Failure;
use crate::domain::workflow::ModelsSpec;

/// The models of this machine.
pub(super) fn models(app: &App) -> models::Source {
    models::Source::new(
        app.environment.texts(),
        app.config_file(),
        app.layers.models(),
        app.clock.clone(),
        app.log.masks().clone(),
    )
}

/// The memories of the home.
pub(super) fn memories(app: &App, models: &Arc<models::Source>) -> Memories {
    let embedder = app.layers.memory().embeddings.clone().map(|model| {
        let spec = app.layers.models().clone();
        Arc::new(Configured { models: models.clone(), spec, model }) as Arc<dyn Embedder>
    });
    Memories::new(&app.places.memory(), embedder)
}

/// The model that the person configured. Its provider is made when it is first needed: without its key, words alone are searched.
struct Configured {
    models: Arc<models::Source>,
    spec: ModelsSpec,
    model: String,
}

#[async_trait]
impl Embedder for Configured {
    fn model(&self) -> &str {
        &self.model
    }

    async fn embed(&self, texts: &[String]) -> Result<Vec<Vec<f32>>, Failure> {
        self.models.embeddings(&self.spec, &self.model)?.embed(texts).await
    }
}

impl App {
    pub(super) fn memories(&self) -> Memories {
        memories(self, &Arc::new(models(self)))
    }

    /// What is remembered of the repository that `dir` is in. Blocks.
    pub fn memory(&self, dir: &Path) -> Arc<Memory> {
        self.memories().of(dir)
    }

    /// The memory in one of the folders that [`App::all_memories`] names.
    pub fn memory_at(&self, folder: &Path) -> Memory {
        Memory::new(folder, None)
    }

    /// Stores a text in the memory of the repository that `dir` is in, without known secrets. Blocks.
    pub fn remember(&self, dir: &Path, content: &str, metadata: MemoryMetadata) -> Result<MemoryChanged, MemoryError> {
        let memories = self.memories();
        let memory = memories.of(dir);
        let io = |source| MemoryError::Io { folder: memory.folder().to_owned(), source };
        self.places.create().map_err(|error| io(io::Error::other(error)))?;
        memories.note(dir).map_err(io)?;
        self.secrets.learn_here();
        memory.store(&self.log.masks().now().text(content.to_owned()), metadata)
    }

    /// The memories of all repositories. Blocks.
    pub fn all_memories(&self) -> io::Result<Vec<Remembered>> {
        self.memories().all()
    }
}
