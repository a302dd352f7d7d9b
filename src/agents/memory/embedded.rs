//! A memory that is kept in a folder: stored, retrieved, updated, deleted, searched by metadata. What it does blocks, but for the
//! vectors.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::answer::{Changed, Error, Found, Hit, Ranked, Status};
use super::chunk::{Chunk, Filters, Metadata};
use super::fuse::fused;
use super::log::{Entry, Log, Position};
use super::split::split;
use super::vectors::{Came, Embedder, Vectors, in_batches};
use super::words::Words;
use crate::domain::failure::{Failure, FailureClass};
use crate::domain::ids::Digest;
use crate::domain::limits;

/// How many more candidates than asked for each ranking gives to be fused.
const CANDIDATES: usize = 4;
/// Lines of the log beyond twice its chunks before it is written anew.
const SPARE_LINES: usize = 256;

#[derive(Debug, Default)]
struct State {
    position: Position,
    chunks: BTreeMap<String, Chunk>,
    words: Words,
}

impl State {
    fn take(&mut self, entry: Entry) {
        match entry {
            Entry::Put(chunk) => {
                self.words.add(&chunk.id, &chunk.indexed());
                self.chunks.insert(chunk.id.clone(), chunk);
            }
            Entry::Delete(id) => {
                self.words.remove(&id);
                self.chunks.remove(&id);
            }
            // It is of the file, not of what is in it.
            Entry::Anew(_) => {}
        }
    }
}

/// The memory of one repository. Other processes may use the same; each call looks first what they changed.
pub struct Embedded {
    folder: PathBuf,
    log: Log,
    state: Mutex<State>,
    vectors: Mutex<Option<Vectors>>,
    embedder: Option<Arc<dyn Embedder>>,
}

impl Embedded {
    /// In `folder`, of which nothing is read yet. Without an embedder, words alone are searched.
    pub fn new(folder: &Path, embedder: Option<Arc<dyn Embedder>>) -> Self {
        Self {
            folder: folder.to_owned(),
            log: Log::new(folder),
            state: Mutex::default(),
            vectors: Mutex::default(),
            embedder,
        }
    }

    /// Where it is kept.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Reads what there is, so that the next search finds it in memory. Blocks; a large memory takes a moment the first time.
    pub fn refresh(&self) -> Result<(), Error> {
        drop(self.now()?);
        if let Some(embedder) = &self.embedder {
            self.with_vectors(embedder.model(), |_| ());
        }
        Ok(())
    }

    fn io(&self, source: io::Error) -> Error {
        Error::Io { folder: self.folder.clone(), source }
    }

    /// What is known, brought up to date. Blocks.
    fn now(&self) -> Result<MutexGuard<'_, State>, Error> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let news = self.log.read(&mut state.position).map_err(|error| self.io(error))?;
        if news.is_new {
            state.chunks.clear();
            state.words = Words::default();
        }
        for entry in news.entries {
            state.take(entry);
        }
        Ok(state)
    }

    /// Makes the changes that `plan` wants of what is there now; they are durable when this returns. Blocks.
    fn change<T>(
        &self,
        plan: impl FnOnce(&BTreeMap<String, Chunk>) -> Result<(Vec<Entry>, T), Error>,
    ) -> Result<T, Error> {
        let held = self.log.hold().map_err(|error| self.io(error))?;
        let mut state = self.now()?;
        let (entries, answer) = plan(&state.chunks)?;
        if entries.is_empty() {
            return Ok(answer);
        }
        let new =
            entries.iter().filter(|entry| matches!(entry, Entry::Put(chunk) if !state.chunks.contains_key(&chunk.id)));
        if state.chunks.len() + new.count() > limits::MEMORY_CHUNKS {
            let most = limits::MEMORY_CHUNKS;
            return Err(Error::Refused(format!(
                "the memory would have more than {most} chunks: delete what is old first (`wfctl memory delete`)"
            )));
        }
        let state = &mut *state;
        self.log.add(&held, &mut state.position, &entries).map_err(|error| self.io(error))?;
        for entry in entries {
            state.take(entry);
        }
        if state.position.damaged == 0 && state.position.lines > 2 * state.chunks.len() + SPARE_LINES {
            self.log.write_anew(&held, &mut state.position, state.chunks.values()).map_err(|error| self.io(error))?;
        }
        Ok(answer)
    }

    /// Stores a text in chunks. Storing the same again changes nothing but what is known of it.
    pub fn store(&self, content: &str, mut metadata: Metadata) -> Result<Changed, Error> {
        metadata.settle().map_err(Error::Refused)?;
        let parts = chunks_of(content)?;
        self.change(|chunks| {
            let (mut entries, mut changed) = (Vec::new(), Changed { ids: Vec::new(), known: 0 });
            for part in &parts {
                let id = free_id(chunks, part, &metadata);
                let chunk = Chunk { id: id.clone(), content: (*part).to_owned(), metadata: metadata.clone() };
                changed.ids.push(id);
                match chunks.get(&chunk.id).is_some_and(|known| known.says_the_same(&chunk)) {
                    true => changed.known += 1,
                    false => entries.push(Entry::Put(chunk)),
                }
            }
            Ok((entries, changed))
        })
    }

    /// Gives a chunk another content, of one chunk's length. What is known of it stays, but for `metadata` when it is given.
    pub fn update(&self, id: &str, content: &str, metadata: Option<Metadata>) -> Result<Changed, Error> {
        let content = one_chunk(id, content)?;
        self.change(|chunks| {
            let known = chunks.get(id).ok_or_else(|| Error::NoChunk(id.to_owned()))?;
            let mut metadata = metadata.unwrap_or_else(|| known.metadata.clone());
            metadata.settle().map_err(Error::Refused)?;
            let chunk = Chunk { id: id.to_owned(), content: content.to_owned(), metadata };
            let is_known = known.says_the_same(&chunk);
            let changed = Changed { ids: vec![id.to_owned()], known: usize::from(is_known) };
            Ok((if is_known { Vec::new() } else { vec![Entry::Put(chunk)] }, changed))
        })
    }

    /// Takes a chunk away.
    pub fn delete(&self, id: &str) -> Result<(), Error> {
        self.change(|chunks| match chunks.contains_key(id) {
            true => Ok((vec![Entry::Delete(id.to_owned())], ())),
            false => Err(Error::NoChunk(id.to_owned())),
        })
    }

    /// One chunk.
    pub fn get(&self, id: &str) -> Result<Chunk, Error> {
        self.now()?.chunks.get(id).cloned().ok_or_else(|| Error::NoChunk(id.to_owned()))
    }

    /// The chunks that `filters` mean, newest first, at most `most`, and how many there are in all.
    pub fn search_by_metadata(&self, filters: &Filters, most: usize) -> Result<(Vec<Chunk>, usize), Error> {
        let filters = filters.settled().map_err(Error::Refused)?;
        let state = self.now()?;
        let mut found: Vec<&Chunk> = state.chunks.values().filter(|chunk| filters.fits(&chunk.metadata)).collect();
        let all = found.len();
        found.sort_by(|a, b| b.metadata.timestamp.cmp(&a.metadata.timestamp).then_with(|| a.id.cmp(&b.id)));
        Ok((found.into_iter().take(most).cloned().collect(), all))
    }

    /// The `top` chunks that `filters` mean and that fit `query` best: by words, and by its vector, which [`Embedded::embed`] made, or
    /// why there is none. Blocks.
    pub fn retrieve(
        &self,
        query: &str,
        filters: &Filters,
        top: usize,
        vector: Option<Result<Vec<f32>, Failure>>,
    ) -> Result<Found, Error> {
        let filters = filters.settled().map_err(Error::Refused)?;
        let top = top.min(limits::MEMORY_HITS);
        let wanted = top.saturating_mul(CANDIDATES);
        let state = self.now()?;
        let is_meant = |id: &str| state.chunks.get(id).is_some_and(|chunk| filters.fits(&chunk.metadata));
        let by_words = state.words.search(query, wanted, is_meant);
        let (ranking, ranked) = match (&self.embedder, vector) {
            (Some(embedder), Some(_)) if state.chunks.is_empty() => {
                (Vec::new(), Ranked::WordsAndVectors { model: embedder.model().to_owned(), without: 0 })
            }
            (Some(embedder), Some(Ok(vector))) => {
                let model = embedder.model().to_owned();
                let (near, without) = self.near(&state, &model, &vector, &filters, wanted);
                let by_words = by_words.into_iter().map(|(id, _)| id).collect();
                (fused(&[by_words, near]), Ranked::WordsAndVectors { model, without })
            }
            (Some(embedder), Some(Err(failure))) => {
                (by_words, Ranked::WordsInstead { model: embedder.model().to_owned(), why: failure.message })
            }
            (Some(_) | None, None) | (None, Some(_)) => (by_words, Ranked::Words),
        };
        let hit = |(id, score): (String, f64)| Some(Hit { chunk: state.chunks.get(&id)?.clone(), score });
        Ok(Found { hits: ranking.into_iter().filter_map(hit).take(top).collect(), ranked })
    }

    /// The ids that are nearest to the query, and how many chunks have no vector yet.
    fn near(
        &self,
        state: &State,
        model: &str,
        vector: &[f32],
        filters: &Filters,
        wanted: usize,
    ) -> (Vec<String>, usize) {
        let all: Vec<(&Chunk, Digest)> =
            state.chunks.values().map(|chunk| (chunk, Digest::of(chunk.content.as_bytes()))).collect();
        self.with_vectors(model, |vectors| {
            let without = all.iter().filter(|(_, digest)| !vectors.has(digest)).count();
            let meant = all.iter().filter(|(chunk, _)| filters.fits(&chunk.metadata));
            let candidates = meant.map(|(chunk, digest)| (chunk.id.as_str(), *digest));
            (vectors.nearest(vector, candidates, wanted), without)
        })
    }

    /// What is to be embedded before a search for `query`: new chunks, as many as one search may pay for, and the query behind
    /// them; nothing where there is nothing to find. Blocks.
    pub fn wanted(&self, query: &str) -> Result<Vec<String>, Error> {
        let Some(embedder) = &self.embedder else { return Ok(Vec::new()) };
        let state = self.now()?;
        if state.chunks.is_empty() {
            return Ok(Vec::new());
        }
        let all = state.chunks.values().map(|chunk| (Digest::of(chunk.content.as_bytes()).0, &chunk.content));
        let all: BTreeMap<[u8; 32], &String> = all.collect();
        let mut texts: Vec<String> = self.with_vectors(embedder.model(), |vectors| {
            let new = all.into_iter().filter(|(digest, _)| !vectors.has(&Digest(*digest)));
            new.take(embedder.at_most()).map(|(_, text)| text.clone()).collect()
        });
        texts.push(query.to_owned());
        Ok(texts)
    }

    /// Has texts embedded, keeps the vectors of all but the last, which is a query, and gives that one.
    pub async fn embed(&self, texts: &[String]) -> Came {
        let Some(embedder) = &self.embedder else { return Came { vectors: Ok(Vec::new()), usage: None } };
        let (mut left, mut query) = (texts.len(), None);
        let (done, usage) = in_batches(&**embedder, texts, |batch, mut vectors| {
            left -= batch.len();
            if left == 0 {
                query = vectors.pop();
            }
            let digests = batch.iter().map(|text| Digest::of(text.as_bytes()));
            self.keep(embedder.model(), digests.zip(vectors).collect())
        })
        .await;
        Came { vectors: done.map(|()| query.into_iter().collect()), usage }
    }

    fn keep(&self, model: &str, made: Vec<(Digest, Vec<f32>)>) -> Result<(), Failure> {
        if made.is_empty() {
            return Ok(());
        }
        let kept = self.log.hold().and_then(|held| self.with_vectors(model, |vectors| vectors.keep(&held, made)));
        kept.map_err(|error| Failure::new(FailureClass::Workspace, format!("vectors cannot be kept: {error}")))
    }

    fn with_vectors<T>(&self, model: &str, with: impl FnOnce(&mut Vectors) -> T) -> T {
        let mut vectors = self.vectors.lock().unwrap_or_else(PoisonError::into_inner);
        with(vectors.get_or_insert_with(|| Vectors::open(&self.folder, model)))
    }

    /// How it is.
    pub fn status(&self) -> Result<Status, Error> {
        let state = self.now()?;
        let mut kinds = BTreeMap::new();
        for chunk in state.chunks.values() {
            *kinds.entry(chunk.metadata.kind.name()).or_default() += 1;
        }
        let model = self.embedder.as_ref().map(|embedder| embedder.model().to_owned());
        let vectors = model.as_ref().map_or(0, |model| {
            let has = |vectors: &Vectors, chunk: &Chunk| vectors.has(&Digest::of(chunk.content.as_bytes()));
            self.with_vectors(model, |vectors| state.chunks.values().filter(|chunk| has(vectors, chunk)).count())
        });
        Ok(Status {
            folder: self.folder.clone(),
            chunks: state.chunks.len(),
            kinds,
            store: None,
            bytes: self.log.bytes(),
            damaged: state.position.damaged,
            embeddings: model,
            vectors,
        })
    }
}

/// The id for a text: that of the chunk that has it, or one that no chunk with another text has.
fn free_id(chunks: &BTreeMap<String, Chunk>, content: &str, metadata: &Metadata) -> String {
    let mut other = 0;
    loop {
        let id = Chunk::id_of(content, metadata, other);
        if chunks.get(&id).is_none_or(|known| known.content == content) {
            return id;
        }
        other += 1;
    }
}

/// The chunks of what is to be stored.
pub(super) fn chunks_of(content: &str) -> Result<Vec<&str>, Error> {
    if content.len() > limits::MEMORY_CONTENT_BYTES {
        let (given, most) = (content.len(), limits::MEMORY_CONTENT_BYTES);
        return Err(Error::Refused(format!("the content has {given} bytes, more than {most}: store it in parts")));
    }
    match split(content) {
        chunks if chunks.is_empty() => Err(Error::Refused("there is no content to store".to_owned())),
        chunks => Ok(chunks),
    }
}

/// The content of an update: it is one chunk.
pub(super) fn one_chunk<'c>(id: &str, content: &'c str) -> Result<&'c str, Error> {
    match split(content)[..] {
        [] => Err(Error::Refused("there is no content; to take a chunk away, delete it".to_owned())),
        [one] => Ok(one),
        [..] => {
            let most = limits::MEMORY_CHUNK_TOKENS;
            Err(Error::Refused(format!(
                "the content has more than {most} tokens, which is one chunk: store it anew and delete `{id}`"
            )))
        }
    }
}
