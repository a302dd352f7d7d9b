//! The memory of one repository: stored, retrieved, updated, deleted, searched by metadata.

use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde::Serialize;

use super::chunk::{Chunk, Filters, Metadata};
use super::fuse::fused;
use super::log::{Entry, Log, Position};
use super::split::split;
use super::vectors::{Embedder, Vectors};
use super::words::Words;
use crate::domain::ids::Digest;
use crate::domain::limits;

/// How many more candidates than asked for each ranking gives to be fused.
const CANDIDATES: usize = 4;
/// Lines of the log beyond twice its chunks before it is written anew.
const SPARE_LINES: usize = 256;

/// Why it could not be done.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// What was asked makes no sense; whoever asked can ask better.
    #[error("{0}")]
    Refused(String),
    /// There is no such chunk.
    #[error("there is no chunk `{0}`; ids are told by a search")]
    NoChunk(String),
    /// The system refused.
    #[error("the memory in {} cannot be used: {source}", folder.display())]
    Io {
        /// Where it is.
        folder: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

/// What a store or an update left.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Changed {
    /// The chunks, in the order of the text.
    pub ids: Vec<String>,
    /// How many of them were there already, just so.
    pub known: usize,
}

/// A chunk that was found.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Hit {
    /// The chunk.
    pub chunk: Chunk,
    /// How well it fits; comparable within one answer only.
    pub score: f64,
}

/// How an answer was ranked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "by", rename_all = "snake_case")]
pub enum Ranked {
    /// By words alone: no embeddings are configured.
    Words,
    /// By words and by vectors.
    WordsAndVectors {
        /// The model of the vectors.
        model: String,
        /// Chunks that have no vector yet.
        without: usize,
    },
    /// By words alone, for the vectors could not be had.
    WordsInstead {
        /// The model of the vectors.
        model: String,
        /// Why not.
        why: String,
    },
}

impl fmt::Display for Ranked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Words => f.write_str("ranked by words alone (BM25): no embeddings are configured"),
            Self::WordsAndVectors { model, without: 0 } => {
                write!(f, "ranked by words (BM25) and by vectors of {model}")
            }
            Self::WordsAndVectors { model, without } => {
                write!(f, "ranked by words (BM25) and by vectors of {model}; {without} chunks have no vector yet")
            }
            Self::WordsInstead { model, why } => {
                write!(f, "ranked by words alone (BM25): vectors of {model} could not be had: {why}")
            }
        }
    }
}

/// What was retrieved.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Found {
    /// Best first.
    pub hits: Vec<Hit>,
    /// How they were ranked.
    pub ranked: Ranked,
}

/// How a memory is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Status {
    /// Where it is kept.
    pub folder: PathBuf,
    /// Chunks.
    pub chunks: usize,
    /// Of these, how many of each kind.
    pub kinds: BTreeMap<&'static str, usize>,
    /// The size of its log.
    pub bytes: u64,
    /// Lines of the log that cannot be read.
    pub damaged: usize,
    /// The model of its vectors; `None`: words alone.
    pub embeddings: Option<String>,
    /// Chunks that have a vector of that model.
    pub vectors: usize,
}

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
pub struct Memory {
    folder: PathBuf,
    log: Log,
    state: Mutex<State>,
    vectors: Mutex<Option<Vectors>>,
    embedder: Option<Arc<dyn Embedder>>,
}

impl Memory {
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
        if content.len() > limits::MEMORY_CONTENT_BYTES {
            let (given, most) = (content.len(), limits::MEMORY_CONTENT_BYTES);
            return Err(Error::Refused(format!("the content has {given} bytes, more than {most}: store it in parts")));
        }
        metadata.settle().map_err(Error::Refused)?;
        let parts = split(content);
        if parts.is_empty() {
            return Err(Error::Refused("there is no content to store".to_owned()));
        }
        self.change(|chunks| {
            let (mut entries, mut changed) = (Vec::new(), Changed { ids: Vec::new(), known: 0 });
            for part in &parts {
                let id = free_id(chunks, part, &metadata);
                let chunk = Chunk { id: id.clone(), content: (*part).to_owned(), metadata: metadata.clone() };
                changed.ids.push(id);
                match chunks.get(&chunk.id).is_some_and(|known| is_same(known, &chunk)) {
                    true => changed.known += 1,
                    false => entries.push(Entry::Put(chunk)),
                }
            }
            Ok((entries, changed))
        })
    }

    /// Gives a chunk another content, of one chunk's length. What is known of it stays, but for `metadata` when it is given.
    pub fn update(&self, id: &str, content: &str, metadata: Option<Metadata>) -> Result<Changed, Error> {
        let content = match split(content)[..] {
            [] => return Err(Error::Refused("there is no content; to take a chunk away, delete it".to_owned())),
            [one] => one,
            [..] => {
                let most = limits::MEMORY_CHUNK_TOKENS;
                return Err(Error::Refused(format!(
                    "the content has more than {most} tokens, which is one chunk: store it anew and delete `{id}`"
                )));
            }
        };
        self.change(|chunks| {
            let known = chunks.get(id).ok_or_else(|| Error::NoChunk(id.to_owned()))?;
            let mut metadata = metadata.unwrap_or_else(|| known.metadata.clone());
            metadata.settle().map_err(Error::Refused)?;
            let chunk = Chunk { id: id.to_owned(), content: content.to_owned(), metadata };
            let is_known = is_same(known, &chunk);
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

    /// The `top` chunks that `filters` mean and that fit `query` best.
    pub async fn retrieve(&self, query: &str, filters: &Filters, top: usize) -> Result<Found, Error> {
        let filters = filters.settled().map_err(Error::Refused)?;
        let top = top.min(limits::MEMORY_HITS);
        let wanted = top.saturating_mul(CANDIDATES);
        let by_words = {
            let state = self.now()?;
            let is_meant = |id: &str| state.chunks.get(id).is_some_and(|chunk| filters.fits(&chunk.metadata));
            state.words.search(query, wanted, is_meant)
        };
        let Some(embedder) = &self.embedder else { return self.found(by_words, top, Ranked::Words) };
        let model = embedder.model().to_owned();
        match self.by_vectors(embedder, query, &filters, wanted).await {
            Ok((by_vectors, without)) => {
                let by_words = by_words.into_iter().map(|(id, _)| id).collect();
                let ranked = Ranked::WordsAndVectors { model, without };
                self.found(fused(&[by_words, by_vectors]), top, ranked)
            }
            Err(why) => self.found(by_words, top, Ranked::WordsInstead { model, why }),
        }
    }

    fn found(&self, ranking: Vec<(String, f64)>, top: usize, ranked: Ranked) -> Result<Found, Error> {
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let hit = |(id, score): (String, f64)| Some(Hit { chunk: state.chunks.get(&id)?.clone(), score });
        Ok(Found { hits: ranking.into_iter().filter_map(hit).take(top).collect(), ranked })
    }

    /// The ids that are nearest to the query, and how many chunks have no vector yet. New chunks are embedded first, as many as
    /// one search may pay for.
    async fn by_vectors(
        &self,
        embedder: &Arc<dyn Embedder>,
        query: &str,
        filters: &Filters,
        wanted: usize,
    ) -> Result<(Vec<String>, usize), String> {
        let mut missing = self.missing(embedder.model())?;
        let later = missing.split_off(missing.len().min(limits::MEMORY_EMBEDDED_PER_SEARCH));
        for some in missing.chunks(limits::MEMORY_EMBEDDED_AT_ONCE) {
            let texts: Vec<String> = some.iter().map(|(_, text)| text.clone()).collect();
            let made = embedder.embed(&texts).await.map_err(|failure| failure.message)?;
            if made.len() != texts.len() {
                return Err(format!("{} vectors came for {} texts", made.len(), texts.len()));
            }
            let held = self.log.hold().map_err(|error| error.to_string())?;
            let made = some.iter().map(|(digest, _)| *digest).zip(made).collect();
            self.with_vectors(embedder.model(), |vectors| vectors.keep(&held, made))
                .map_err(|error| error.to_string())?;
        }
        let asked = embedder.embed(&[query.to_owned()]).await.map_err(|failure| failure.message)?;
        let Some(asked) = asked.into_iter().next() else { return Err("no vector came for the query".to_owned()) };
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let meant = state.chunks.values().filter(|chunk| filters.fits(&chunk.metadata));
        let candidates = meant.map(|chunk| (chunk.id.as_str(), Digest::of(chunk.content.as_bytes())));
        let near = self.with_vectors(embedder.model(), |vectors| vectors.nearest(&asked, candidates, wanted));
        Ok((near, later.len()))
    }

    /// Texts without a vector, each once.
    fn missing(&self, model: &str) -> Result<Vec<(Digest, String)>, String> {
        let state = self.now().map_err(|error| error.to_string())?;
        let all = state.chunks.values().map(|chunk| (Digest::of(chunk.content.as_bytes()), &chunk.content));
        let all: BTreeMap<[u8; 32], &String> = all.map(|(digest, text)| (digest.0, text)).collect();
        Ok(self.with_vectors(model, |vectors| {
            let new = all.into_iter().map(|(digest, text)| (Digest(digest), text));
            new.filter(|(digest, _)| !vectors.has(digest)).map(|(digest, text)| (digest, text.clone())).collect()
        }))
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

/// Whether two chunks say the same, whenever they were stored.
fn is_same(known: &Chunk, new: &Chunk) -> bool {
    let metadata = Metadata { timestamp: known.metadata.timestamp.clone(), ..new.metadata.clone() };
    known.content == new.content && known.metadata == metadata
}
