//! What agents remember, for the engine and for people: the memories below the home, with the vectors that the person configured.

use std::io;
use std::path::Path;
use std::sync::Arc;

use async_trait::async_trait;

use super::{App, models};
#[cfg(feature = "local-embeddings")]
use crate::agents::memory::Local;
pub use crate::agents::memory::{
    Changed as MemoryChanged, Chunk as MemoryChunk, Error as MemoryError, Filters as MemoryFilters,
    Found as MemoryFound, Kind as MemoryKind, Memory, Metadata as MemoryMetadata, Platform as MemoryPlatform,
    Remembered, Status as MemoryStatus,
};
use crate::agents::memory::{Embedder, Key, Made, Memories, Server};
use crate::config::{EmbeddingsSpec, QdrantSpec};
use crate::domain::budget::Amounts;
use crate::domain::chat::Usage;
use crate::domain::failure::Failure;
#[cfg(not(feature = "local-embeddings"))]
use crate::domain::failure::FailureClass;
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
    let spec = app.layers.memory();
    let embedder = spec.embeddings.as_ref().map(|embeddings| embedder(app, models, embeddings));
    let folder = app.places.memory();
    match (&spec.qdrant, embedder) {
        (Some(qdrant), Some(embedder)) => Memories::in_server(&folder, server(app, qdrant), embedder),
        // The configuration has no server without a model.
        (Some(_) | None, embedder) => Memories::new(&folder, embedder),
    }
}

fn embedder(app: &App, models: &Arc<models::Source>, embeddings: &EmbeddingsSpec) -> Arc<dyn Embedder> {
    match embeddings {
        EmbeddingsSpec::Endpoint(model) => {
            let spec = app.layers.models().clone();
            Arc::new(Configured { models: models.clone(), spec, model: model.clone() })
        }
        #[cfg(feature = "local-embeddings")]
        EmbeddingsSpec::Local(folder) => Arc::new(Local::new(folder)),
        #[cfg(not(feature = "local-embeddings"))]
        EmbeddingsSpec::Local(folder) => Arc::new(NotBuilt { name: format!("local/{}", folder.display()) }),
    }
}

fn server(app: &App, spec: &QdrantSpec) -> Server {
    let key = spec.api_key.clone().map(|name| Key { shelf: app.secrets.clone(), name });
    let environment = app.environment.texts();
    Server::new(&spec.url, &spec.collection, key, |name| environment.get(name).map(String::as_str))
}

/// Stands where a model of this machine would, in a build that computes none.
#[cfg(not(feature = "local-embeddings"))]
struct NotBuilt {
    name: String,
}

#[cfg(not(feature = "local-embeddings"))]
#[async_trait]
impl Embedder for NotBuilt {
    fn model(&self) -> &str {
        &self.name
    }

    async fn embed(&self, _: &[String]) -> Result<Made, Failure> {
        let message = "this wfctl computes no vectors itself; one that does is built with: cargo install --path . --features local-embeddings";
        Err(Failure::new(FailureClass::NotFound, message))
    }
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

    fn reserve(&self, texts: &[String], priced: bool) -> Option<Result<Amounts, Failure>> {
        let prices = self.models.prices(&self.spec).ok()?;
        Some(match prices.estimate_texts(&self.model, texts) {
            Ok(amounts) => Ok(amounts),
            Err(unpriced) if priced => Err(unpriced.failure()),
            Err(unpriced) => Ok(unpriced.amounts),
        })
    }

    fn guess(&self, texts: &[String]) -> Option<Usage> {
        Some(self.models.prices(&self.spec).ok()?.guess_texts(&self.model, texts))
    }

    async fn embed(&self, texts: &[String]) -> Result<Made, Failure> {
        self.models.embeddings(&self.spec, &self.model)?.embed(texts).await
    }
}

impl App {
    pub(super) fn memories(&self) -> Memories {
        memories(self, &Arc::new(models(self)))
    }

    /// What is remembered of the repository that `dir` is in. Blocks.
    pub fn memory(&self, dir: &Path) -> Memory {
        self.memories().of(dir)
    }

    /// The memory in one of the folders that [`App::all_memories`] names.
    pub fn memory_at(&self, folder: &Path) -> Memory {
        self.memories().at(folder)
    }

    /// Stores a text in the memory of the repository that `dir` is in, without known secrets.
    pub async fn remember(
        &self,
        dir: &Path,
        content: &str,
        metadata: MemoryMetadata,
    ) -> Result<MemoryChanged, MemoryError> {
        let memories = self.memories();
        let memory = memories.of(dir);
        let io = |source| MemoryError::Io { folder: memory.folder().to_owned(), source };
        self.places.create().map_err(|error| io(io::Error::other(error)))?;
        memories.note(dir).map_err(io)?;
        self.secrets.learn_here();
        memory.store(&self.log.masks().now().text(content.to_owned()), metadata, None).await
    }

    /// The memories of all repositories. Blocks.
    pub fn all_memories(&self) -> io::Result<Vec<Remembered>> {
        self.memories().all()
    }
}
