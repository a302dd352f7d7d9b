//! The memory of one repository, wherever it is kept: one set of verbs over the stores. What a store needs vectors for can be asked
//! beforehand, so that whoever pays for them has it on record.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::answer::{Changed, Error, Found, Status};
use super::chunk::{Chunk, Filters, Metadata};
use super::embedded::Embedded;
use super::qdrant::Qdrant;
use super::vectors::{Came, Embedder, last_of};
use crate::domain::budget::Amounts;
use crate::domain::failure::Failure;

/// The memory of one repository.
#[derive(Clone)]
pub struct Memory {
    folder: PathBuf,
    kept: Kept,
    embedder: Option<Arc<dyn Embedder>>,
}

#[derive(Clone)]
enum Kept {
    /// In its folder.
    Here(Arc<Embedded>),
    /// In a Qdrant server.
    There(Arc<Qdrant>),
}

/// What a memory is asked for, as far as vectors are needed for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Need<'n> {
    /// A search for this.
    Search(&'n str),
    /// This is to be stored, or put in place of a chunk.
    Store(&'n str),
}

impl<'n> Need<'n> {
    /// The text that it is about.
    pub fn text(self) -> &'n str {
        match self {
            Self::Search(text) | Self::Store(text) => text,
        }
    }

    /// The same of another text.
    pub fn of(self, text: &str) -> Need<'_> {
        match self {
            Self::Search(_) => Need::Search(text),
            Self::Store(_) => Need::Store(text),
        }
    }
}

/// Texts that somebody is paid to embed before what was asked for can be done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wanted {
    /// By which model.
    pub model: String,
    /// In this order.
    pub texts: Vec<String>,
    /// What it may use at most.
    pub reserved: Amounts,
}

/// Vectors that were made beforehand, or why there are none.
pub type Given = Result<Vec<Vec<f32>>, Failure>;

impl Memory {
    /// One that is kept in `folder`. Without an embedder, words alone are searched.
    pub fn new(folder: &Path, embedder: Option<Arc<dyn Embedder>>) -> Self {
        let here = Arc::new(Embedded::new(folder, embedder.clone()));
        Self { folder: folder.to_owned(), kept: Kept::Here(here), embedder }
    }

    /// One that is kept in a Qdrant server; `folder` has what is known of it here.
    pub fn elsewhere(folder: &Path, store: Qdrant) -> Self {
        let embedder = Some(store.embedder().clone());
        Self { folder: folder.to_owned(), kept: Kept::There(Arc::new(store)), embedder }
    }

    /// Where it is kept, or what is known of it here.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Stores a text in chunks. Storing the same again changes nothing but what is known of it. `given`: vectors that were made for
    /// it beforehand.
    pub async fn store(&self, content: &str, metadata: Metadata, given: Option<Given>) -> Result<Changed, Error> {
        match &self.kept {
            Kept::Here(here) => {
                let content = content.to_owned();
                off_the_loop(here, move |here| here.store(&content, metadata)).await
            }
            Kept::There(there) => there.store(content, metadata, given).await,
        }
    }

    /// Gives a chunk another content, of one chunk's length. What is known of it stays, but for `metadata` when it is given.
    pub async fn update(
        &self,
        id: &str,
        content: &str,
        metadata: Option<Metadata>,
        given: Option<Given>,
    ) -> Result<Changed, Error> {
        match &self.kept {
            Kept::Here(here) => {
                let (id, content) = (id.to_owned(), content.to_owned());
                off_the_loop(here, move |here| here.update(&id, &content, metadata)).await
            }
            Kept::There(there) => there.update(id, content, metadata, given).await,
        }
    }

    /// Takes a chunk away.
    pub async fn delete(&self, id: &str) -> Result<(), Error> {
        match &self.kept {
            Kept::Here(here) => {
                let id = id.to_owned();
                off_the_loop(here, move |here| here.delete(&id)).await
            }
            Kept::There(there) => there.delete(id).await,
        }
    }

    /// One chunk.
    pub async fn get(&self, id: &str) -> Result<Chunk, Error> {
        match &self.kept {
            Kept::Here(here) => {
                let id = id.to_owned();
                off_the_loop(here, move |here| here.get(&id)).await
            }
            Kept::There(there) => there.get(id).await,
        }
    }

    /// The chunks that `filters` mean, newest first, at most `most`, and how many there are in all.
    pub async fn search_by_metadata(&self, filters: &Filters, most: usize) -> Result<(Vec<Chunk>, usize), Error> {
        match &self.kept {
            Kept::Here(here) => {
                let filters = filters.clone();
                off_the_loop(here, move |here| here.search_by_metadata(&filters, most)).await
            }
            Kept::There(there) => there.search_by_metadata(filters, most).await,
        }
    }

    /// The `top` chunks that `filters` mean and that fit `query` best. `given`: the vector of the query, made beforehand.
    pub async fn retrieve(
        &self,
        query: &str,
        filters: &Filters,
        top: usize,
        given: Option<Given>,
    ) -> Result<Found, Error> {
        let vector = match given {
            Some(given) => Some(last_of(given)),
            None if self.embedder.is_none() => None,
            None => Some(self.embed(&self.texts(Need::Search(query)).await?).await.vector()),
        };
        match &self.kept {
            Kept::Here(here) => {
                let (query, filters) = (query.to_owned(), filters.clone());
                off_the_loop(here, move |here| here.retrieve(&query, &filters, top, vector)).await
            }
            Kept::There(there) => there.retrieve(filters, top, vector).await,
        }
    }

    /// How it is.
    pub async fn status(&self) -> Result<Status, Error> {
        match &self.kept {
            Kept::Here(here) => off_the_loop(here, Embedded::status).await,
            Kept::There(there) => there.status(&self.folder).await,
        }
    }

    /// Whether somebody is paid for its vectors.
    pub fn is_paid(&self) -> bool {
        self.embedder.as_ref().is_some_and(|embedder| embedder.reserve(&[], false).is_some())
    }

    /// What somebody has to be paid for before `need` can be done; `None`: nobody. `priced`: there is a cap on money. An error says
    /// that it may not be asked for: what it needs is done without, or not done.
    pub async fn wanted(&self, need: Need<'_>, priced: bool) -> Option<Result<Wanted, Failure>> {
        let embedder = self.embedder.as_ref()?;
        // Asked first: a model of this machine costs nothing, and all chunks would be looked at in vain.
        if !self.is_paid() {
            return None;
        }
        let texts = match self.texts(need).await {
            Ok(texts) if texts.is_empty() => return None,
            Ok(texts) => texts,
            // Whatever is wrong with the memory, the search will say it.
            Err(_) => return None,
        };
        let reserved = embedder.reserve(&texts, priced)?;
        Some(reserved.map(|reserved| Wanted { model: embedder.model().to_owned(), texts, reserved }))
    }

    /// Has `texts` embedded. What a later call needs of it is in the answer: the query's vector, or that of each chunk.
    pub async fn embed(&self, texts: &[String]) -> Came {
        match &self.kept {
            Kept::Here(here) => here.embed(texts).await,
            Kept::There(there) => there.embed(texts).await,
        }
    }

    async fn texts(&self, need: Need<'_>) -> Result<Vec<String>, Error> {
        match (&self.kept, need) {
            (Kept::Here(here), Need::Search(query)) => {
                let query = query.to_owned();
                off_the_loop(here, move |here| here.wanted(&query)).await
            }
            // A chunk in a folder is embedded when it is first searched.
            (Kept::Here(_), Need::Store(_)) => Ok(Vec::new()),
            (Kept::There(_), Need::Search(query)) => Ok(vec![query.to_owned()]),
            (Kept::There(_), Need::Store(content)) => {
                Ok(super::split(content).into_iter().map(str::to_owned).collect())
            }
        }
    }
}

/// What blocks, on a thread that may. What was begun is done, even if the call is given up.
async fn off_the_loop<T: Send + 'static>(
    here: &Arc<Embedded>,
    work: impl FnOnce(&Embedded) -> Result<T, Error> + Send + 'static,
) -> Result<T, Error> {
    let here = here.clone();
    let place = here.folder().display().to_string();
    match tokio::task::spawn_blocking(move || work(&here)).await {
        Ok(done) => done,
        Err(error) => Err(Error::Away { place, why: format!("its work ended in the middle: {error}") }),
    }
}
